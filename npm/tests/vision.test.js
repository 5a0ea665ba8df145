// `striate/vision` in Node: each function beside numbers worked out by hand or by a formula of its own.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, test } from "node:test";
import { StriateError } from "striate";
import { loadLabels, loadVision } from "striate/vision";
import { worst } from "./models.js";

let vision;
before(async () => {
  vision = await loadVision();
});

/** Expects a StriateError of the package with these fields. */
function fails(work, fields) {
  assert.throws(work, (error) => {
    assert.ok(error instanceof StriateError, `not a StriateError: ${error?.stack}`);
    for (const [key, value] of Object.entries(fields)) {
      if (value instanceof RegExp) assert.match(String(error[key]), value, `${key} of "${error.message}"`);
      else assert.equal(error[key], value, `${key} of "${error.message}"`);
    }
    return true;
  });
}

const close = (actual, expected, tolerance = 1e-5) => {
  assert.equal(actual.length, expected.length, `${actual} instead of ${expected}`);
  assert.ok(worst(actual, expected) < tolerance, `${actual} instead of ${expected}`);
};

test("it is loaded once", async () => {
  assert.equal(await loadVision(), vision);
});

test("overlaps of boxes in every form", () => {
  const unit = [0, 0, 2, 2];
  // Half of it; a neighbour; itself.
  const others = [
    [0, 0, 2, 1],
    [2, 0, 4, 2],
    [0, 0, 2, 2],
  ];
  const { data, shape } = vision.iou([unit], others);
  assert.deepEqual(shape, [1, 3]);
  close(data, [0.5, 0, 1]);
  // The neighbour shares nothing, and fills the hull with it: 0; two apart a third of the hull is empty.
  close(vision.giou(unit, [2, 0, 4, 2, 4, 0, 6, 2]).data, [0, -1 / 3]);
  close(vision.iou([{ x: 0, y: 0, width: 2, height: 2 }], Float32Array.of(0, 0, 2, 1)).data, [0.5]);
  close(vision.iou([1, 1, 2, 2], [1, 0.5, 2, 1], { form: "centre" }).data, [0.5]);
  close(vision.convertBoxes([1, 2, 4, 8], "corners", "centre"), [2.5, 5, 3, 6]);
  close(vision.convertBoxes([2.5, 5, 3, 6], "centre", "xywh"), [1, 2, 3, 6]);
  close(vision.convertBoxes([4, 8, 1, 2], "corners", "corners"), [1, 2, 4, 8]);
  assert.deepEqual(vision.iou([], [unit]).shape, [0, 1]);
});

test("suppression: hard, soft, by group, of batches", () => {
  const boxes = [
    [0, 0, 2, 2],
    [0, 0, 2, 1],
    [5, 5, 6, 6],
    [0, 0, 2, 1.5],
  ];
  const scores = [0.9, 0.8, 0.7, 0.6];
  const kept = (options) => [...vision.nonMaxSuppression(boxes, scores, options).indices];
  assert.deepEqual(kept({ iouThreshold: 0.4 }), [0, 2]);
  assert.deepEqual(kept({ iouThreshold: 0.5 }), [0, 1, 2], "only more than the threshold");
  assert.deepEqual(kept({ iouThreshold: 0.4, maxOutput: 1 }), [0]);
  assert.deepEqual(kept({ iouThreshold: 0.4, scoreThreshold: 0.7 }), [0]);
  assert.deepEqual(kept({ iouThreshold: 0.4, groups: [0, 1, 0, 1] }), [0, 1, 2]);
  const soft = vision.nonMaxSuppression(boxes.slice(0, 3), scores.slice(0, 3), { softSigma: 0.5 });
  assert.deepEqual([...soft.indices], [0, 2, 1]);
  close(soft.scores, [0.9, 0.7, 0.8 * Math.exp(-0.25)]);
  // Two pictures, two classes that share their boxes.
  const corners = { data: [0, 0, 1, 1, 0, 0, 1, 0.9, 0, 0, 0.5, 0.5, 0, 0, 1.5, 1], shape: [2, 2, 1, 4] };
  const points = { data: [0.9, 0.1, 0.8, 0.2, 0.3, 0.4, 0.6, 0.5], shape: [2, 2, 2] };
  const found = vision.combinedNonMaxSuppression(corners, points, {
    maxOutputPerClass: 2,
    maxTotal: 3,
    scoreThreshold: 0.15,
  });
  assert.deepEqual([...found.valid], [2, 3]);
  assert.deepEqual(
    [found.boxes.shape, found.scores.shape],
    [
      [2, 3, 4],
      [2, 3],
    ],
  );
  close(found.scores.data, [0.9, 0.2, 0, 0.6, 0.5, 0.4]);
  close(found.classes.data, [0, 1, 0, 0, 1, 1]);
  close(found.boxes.data.subarray(12, 16), [0, 0, 1, 1], 1e-6);
});

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

test("YOLO's heads, and what is left of their boxes", () => {
  // A row of two cells of 16 pixels, one anchor of 8 x 4; in the second cell the width is doubled.
  const raw = [0, 0, 0, 0, -9, 0, 0, 0, 0, Math.log(2), 0, 2, 1, -1];
  const head = { data: raw, shape: [1, 1, 2, 7], stride: 16, anchors: [[8, 4]] };
  const decoded = vision.decodeYolo(head, { version: 3, classes: 2 });
  assert.deepEqual([decoded.pictures, decoded.count, decoded.classes], [1, 2, 2]);
  close(decoded.boxes, [4, 6, 12, 10, 16, 6, 32, 10]);
  close(decoded.objectness, [sigmoid(-9), sigmoid(2)]);
  close(decoded.scores.subarray(2), [sigmoid(1), sigmoid(-1)]);
  close(vision.decodeYolo(head, { version: 2, classes: 2 }).scores.subarray(2), [sigmoid(2), sigmoid(-2)]);
  // From version 5 on (2 sigmoid)² anchors: 1 of 0.
  close(vision.decodeYolo(head, { version: 5, classes: 2 }).boxes.subarray(0, 4), [4, 6, 12, 10]);
  const [[one, ...rest]] = vision.selectBoxes(decoded, { scale: [2, 1], labels: ["cat", "dog"], scoreThreshold: 0.3 });
  assert.equal(rest.length, 0);
  assert.deepEqual(
    { ...one, score: 0 },
    { label: "cat", class: 0, score: 0, x: 32, y: 6, width: 32, height: 4 },
    "16 .. 32, twice as wide",
  );
  close([one.score], [sigmoid(2) * sigmoid(1)]);
  // Version 8: distances of 1, 2, 3 and 4 cells of 8 pixels from the middle; two heads and two pictures.
  const free = (stride, pictures) => ({
    data: Array.from({ length: pictures }, (_, i) => [1, 2, 3, 4, i === 0 ? 3 : -3]).flat(),
    shape: [pictures, 1, 1, 5],
    stride,
  });
  const both = vision.decodeYolo([free(8, 2), free(16, 2)], { version: 8, classes: 1, bins: 1 });
  assert.deepEqual([both.pictures, both.count], [2, 2]);
  const box = [-4, -12, 28, 36];
  close(both.boxes, [...box, ...box.map((v) => 2 * v), ...box, ...box.map((v) => 2 * v)]);
  const found = vision.selectBoxes(both, { iouThreshold: 1 });
  assert.deepEqual(
    found.map((list) => list.length),
    [2, 0],
  );
  assert.deepEqual(
    vision.selectBoxes(decoded, { background: 0, scoreThreshold: 0 })[0].map((d) => d.class),
    [1, 1],
  );
});

test("anchors and box codes of SSD and RetinaNet", () => {
  const ssd = vision.ssdAnchors();
  assert.equal(ssd.length / 4, 1917);
  close(ssd.subarray(0, 4), [0.5 / 19, 0.5 / 19, 0.1, 0.1]);
  const pyramid = vision.pyramidAnchors({ width: 100, height: 64 });
  assert.equal(pyramid.length / 4, 9 * (104 + 28 + 8 + 2 + 1));
  close(pyramid.subarray(0, 4), [4, 4, 32 * Math.SQRT2, 32 / Math.SQRT2], 1e-4);
  const anchor = [0.5, 0.4, 0.2, 0.1];
  const boxes = vision.decodeBoxes([0, 1, 5 * Math.log(0.5), 0], anchor);
  close(vision.convertBoxes(boxes, "corners", "centre"), [0.41, 0.5, 0.1, 0.1]);
  close(vision.encodeBoxes(boxes, anchor), [0, 1, 5 * Math.log(0.5), 0], 1e-4);
  close(vision.decodeBoxes([0, 1, 0, 0], anchor, { scales: [1, 1, 1, 1] }), [0.45, 0.4, 0.55, 0.6]);
});

test("CenterNet's peaks", () => {
  // 2 x 3 cells, two classes: a peak in the last cell, a lower neighbour of its class.
  const heat = new Array(12).fill(0.1);
  heat[11] = 0.8;
  heat[9] = 0.7;
  const per = (numbers) => ({ data: new Array(6).fill(numbers).flat(), shape: [1, 2, 3, numbers.length] });
  const heads = { heat: { data: heat, shape: [1, 2, 3, 2] }, sizes: per([2, 1]), offsets: per([0.25, 0.75]) };
  const [one, ...rest] = vision.decodeCenterNet(heads, { stride: 8, labels: ["a", "b"] });
  assert.equal(rest.length, 0);
  const { label, score, x, y, width, height } = one;
  assert.equal(label, "b");
  close([score, x, y, width, height], [0.8, 10, 10, 16, 8]);
});

test("tracks keep their numbers and what was given", () => {
  const tracker = vision.tracker({ minHits: 0 });
  const walker = (t) => ({
    x: 10 + 5 * t,
    y: 20,
    width: 40,
    height: 80,
    score: 0.9,
    label: "person",
    class: 0,
    note: t,
  });
  const car = (t) => ({ x: 300 - 5 * t, y: 20, width: 80, height: 40, score: 0.8, label: "car", class: 2, note: -t });
  for (let t = 0; t < 6; t++) {
    const told = tracker.update(t % 2 ? [walker(t), car(t)] : [car(t), walker(t)]);
    assert.deepEqual(
      told.map(({ id, label, note }) => [id, label, note]).sort(([a], [b]) => a - b),
      [
        [1, "car", t === 0 ? -0 : -t],
        [2, "person", t],
      ],
    );
    assert.ok(Math.abs(told.find(({ label }) => label === "person").x - walker(t).x) < 2);
  }
  assert.deepEqual(tracker.update([]), []);
  // Gone, but remembered with what was given last.
  assert.deepEqual(
    tracker.tracks().map(({ id, note }) => [id, note]),
    [
      [1, -5],
      [2, 5],
    ],
  );
  assert.ok(tracker.tracks()[1].x > 36, "it goes on where it went");
  tracker.update([]);
  assert.deepEqual(tracker.tracks(), []);
});

test("average precision as COCO and PASCAL VOC have it", () => {
  const box = (x, more) => ({ image: "a.jpg", class: "cat", x, y: 0, width: 10, height: 10, ...more });
  const truths = [box(0), box(100), box(0, { class: "dog" })];
  // One is right, one is nowhere, one is right: precision 1, 1/2, 2/3 at recalls 1/2, 1/2, 1.
  const found = [box(0, { score: 0.9 }), box(50, { score: 0.8 }), box(100, { score: 0.7 })];
  const { meanAveragePrecision, perClass } = vision.vocAveragePrecision(truths, found);
  const cat = 0.5 * 1 + 0.5 * (2 / 3);
  assert.deepEqual(
    perClass.map((entry) => entry.class),
    ["cat", "dog"],
  );
  close(
    perClass.map((entry) => entry.averagePrecision),
    [cat, 0],
  );
  close([meanAveragePrecision], [cat / 2]);
  // At the recalls 0 .. 0.5 it is 1, above two thirds.
  const eleven = vision.vocAveragePrecision(truths, found, { elevenPoints: true });
  close([eleven.perClass[0].averagePrecision], [(6 + 5 * (2 / 3)) / 11]);
  const coco = vision.cocoAveragePrecision(truths.slice(0, 2), found);
  const points = (51 + 50 * (2 / 3)) / 101;
  close([coco.averagePrecision, coco.at50, coco.at75, coco.bySize.small], new Array(4).fill(points));
  assert.deepEqual([coco.bySize.large, coco.recall.at1, coco.recall.at100], [undefined, 0.5, 1]);
  assert.equal(vision.vocAveragePrecision([], found.slice(0, 1)).meanAveragePrecision, undefined);
});

test("confusion and mean overlap of class maps", () => {
  const confusion = vision.confusionMatrix({ classes: 3, ignore: 255 });
  confusion.add([0, 0, 1, 1, 255], [0, 1, 1, 1, 2]).add(Uint8Array.of(0), { data: Uint16Array.of(0) });
  assert.deepEqual([...confusion.matrix], [2, 1, 0, 0, 2, 0, 0, 0, 0]);
  assert.deepEqual([confusion.iou[0], confusion.iou[1], confusion.iou[2]], [2 / 3, 2 / 3, undefined]);
  close([confusion.meanIoU, confusion.meanIoUOfTruth, confusion.accuracy], [2 / 3, 2 / 3, 0.8]);
  close([vision.meanIoU([0, 1], [1, 1], { classes: 2 })], [0.25]);
  fails(() => confusion.add([3], [0]), { code: "shape-mismatch", received: "3" });
  fails(() => confusion.add([0], [255]), { code: "shape-mismatch" });
  fails(() => confusion.add([0], [0, 1]), { code: "shape-mismatch", expected: "1", received: "2" });
  assert.equal(
    [...confusion.matrix].reduce((a, b) => a + b),
    5,
    "what fails counts nothing",
  );
});

test("class maps, mattes, colours, legends", () => {
  const scores = { data: [0, 1, 0.5, 0.5, 1, 0, 1, 0], shape: [1, 1, 4, 2] };
  const map = vision.classMap(scores);
  assert.deepEqual([[...map.data], map.width, map.height], [[1, 0, 0, 0], 4, 1]);
  // Between the pixels: at twice the width 0.875 of class 1's lead of 1 is left at the third place from the edge.
  assert.deepEqual([...vision.classMap(scores, { width: 8, height: 1 }).data], [1, 1, 1, 0, 0, 0, 0, 0]);
  const large = vision.resizeMap(map, { width: 8, height: 2 });
  assert.deepEqual([...large.data.subarray(0, 8)], [1, 1, 0, 0, 0, 0, 0, 0]);
  close(vision.resizeMatte({ data: [0, 1], width: 2, height: 1 }, { width: 4, height: 1 }).data, [0, 0.25, 0.75, 1]);
  assert.deepEqual([...vision.classAreas(large, 3)], [12, 4, 0]);
  assert.deepEqual([...vision.classColours(3)], [0, 0, 0, 128, 0, 0, 0, 128, 0]);
  const { data } = vision.colourMap(map, { opacity: 0.5 });
  assert.deepEqual([...data.subarray(0, 8)], [128, 0, 0, 128, 0, 0, 0, 128]);
  assert.deepEqual(vision.legend(large, ["ground", "cat"]), [
    { class: 0, label: "ground", colour: "#000000", pixels: 12, share: 0.75 },
    { class: 1, label: "cat", colour: "#800000", pixels: 4, share: 0.25 },
  ]);
});

test("pictures into networks, predictions out of them, crops", async () => {
  const pixel = { data: [255, 0, 51], shape: [1, 3] };
  close(vision.preprocessInput(pixel, { mode: "caffe" }).data, [51 - 103.939, -116.779, 255 - 123.68], 1e-4);
  close(vision.preprocessInput(pixel, { mode: "tf" }).data, [1, -1, -0.6]);
  close(vision.preprocessInput(pixel, { mode: "torch" }).data, [0.515 / 0.229, -0.456 / 0.224, -0.206 / 0.225]);
  const picture = { data: Uint8Array.of(255, 0, 51, 9, 255, 0, 51, 9), width: 2, height: 1 };
  for (const mode of ["caffe", "tf", "torch"]) {
    const { data, shape } = vision.preprocessInput(picture, { mode, width: 1, height: 3 });
    assert.deepEqual(shape, [1, 3, 1, 3]);
    close(data.subarray(6), vision.preprocessInput(pixel, { mode }).data, 1e-4);
  }
  const labels = await loadLabels(new Blob(['{"0":["n1","tench"],"1":["n2","goldfish"],"2":["n3","shark"]}']));
  assert.deepEqual(labels, ["tench", "goldfish", "shark"]);
  assert.deepEqual(await loadLabels(new Blob(["cat\r\ndog\n"])), ["cat", "dog"]);
  await assert.rejects(loadLabels(new Blob(['["a", 3]'])), { name: "InvalidError" });
  const rows = vision.decodePredictions({ data: [0.2, 0.6, 0.2, 0.1, 0.1, 0.8], shape: [2, 3] }, { top: 2, labels });
  assert.deepEqual(
    rows.map((row) => row.map(({ label }) => label)),
    [
      ["goldfish", "tench"],
      ["shark", "tench"],
    ],
  );
  assert.equal(vision.decodePredictions(Float32Array.of(0.1, 0.9))[0].length, 2);
  // Value 10 y + x on 3 x 4 pixels.
  const ramp = { data: Array.from({ length: 12 }, (_, i) => 10 * Math.floor(i / 4) + (i % 4)), shape: [1, 3, 4, 1] };
  const crops = vision.cropAndResize(
    ramp,
    [
      [0, 0, 1, 1],
      [1, 1, 0, 1.5],
    ],
    { width: 2, height: 2, outside: -1 },
  );
  assert.deepEqual(crops.shape, [2, 2, 2, 1]);
  close(crops.data, [0, 3, 20, 23, 23, -1, 3, -1]);
});

test("what is wrong is an error of the package, never a fault", () => {
  const matte = { data: new Float32Array(4), width: 2, height: 2 };
  const cases = [
    [() => vision.iou([0, 0, 1], [0, 0, 1, 1]), { code: "shape-mismatch", received: "3" }],
    [() => vision.iou([0, 0, Number.NaN, 1], [0, 0, 1, 1]), { code: "invalid", message: /box 0/ }],
    [() => vision.iou([0, 0, Number.POSITIVE_INFINITY, 1], [0, 0, 1, 1]), { code: "invalid" }],
    [() => vision.iou([[0, 0, 1]], [0, 0, 1, 1]), { code: "shape-mismatch" }],
    [() => vision.iou([{ x: 0, y: 0, width: -1, height: 1 }], []), { code: "shape-mismatch", message: /negative/ }],
    [() => vision.convertBoxes([0, 0, 1, -1], "centre", "xywh"), { code: "shape-mismatch", message: /negative/ }],
    [() => vision.convertBoxes([0, 0, 1, 1], "corners", "yolo"), { code: "invalid", received: "yolo" }],
    [() => vision.iou(undefined, []), { code: "invalid" }],
    [() => vision.iou(["0", "0", "1", "1"], []), { code: "invalid" }],
    [() => vision.iou(new Float32Array(40_000), new Float32Array(40_000)), { code: "resource" }],
    [() => vision.nonMaxSuppression([0, 0, 1, 1], []), { code: "shape-mismatch" }],
    [() => vision.nonMaxSuppression([0, 0, 1, 1], [Number.NaN]), { code: "invalid" }],
    [() => vision.nonMaxSuppression([0, 0, 1, 1], [1], { iouThreshold: 2 }), { code: "shape-mismatch" }],
    [() => vision.nonMaxSuppression([0, 0, 1, 1], [1], { groups: [-1] }), { code: "invalid" }],
    [() => vision.nonMaxSuppression([0, 0, 1, 1], [1], { maxOutput: 1.5 }), { code: "invalid" }],
    [
      () =>
        vision.combinedNonMaxSuppression(
          { data: [0, 0, 1, 1], shape: [1, 1, 1, 4] },
          { data: [1], shape: [1, 1, 1] },
          { maxOutputPerClass: 2 ** 31, maxTotal: 2 ** 31 },
        ),
      { code: "resource" },
    ],
    [
      () => vision.decodeYolo({ data: [1, 2], shape: [1, 1, 1, 2], stride: 8 }, { version: 8, classes: 1 }),
      { code: "shape-mismatch" },
    ],
    [
      () => vision.decodeYolo({ data: [1], shape: [1, 1, 1, 1], stride: 8 }, { version: 3, classes: 2 ** 32 - 5 }),
      { code: "shape-mismatch" },
    ],
    [
      () => vision.decodeYolo({ data: [1], shape: [1, 1, 1, 1], stride: 0 }, { version: 8, classes: 1 }),
      { code: "shape-mismatch" },
    ],
    [() => vision.decodeYolo([], { version: 8, classes: 1 }), { code: "invalid" }],
    [
      () => vision.decodeYolo({ data: [1], shape: [2 ** 31, 2 ** 31], stride: 1 }, { version: 8, classes: 1 }),
      { code: "resource" },
    ],
    [() => vision.ssdAnchors({ grids: [2 ** 20] }), { code: "resource" }],
    [() => vision.ssdAnchors({ ratios: [0] }), { code: "shape-mismatch" }],
    [() => vision.pyramidAnchors({ width: 2 ** 31, height: 2 ** 31 }), { code: "resource" }],
    [() => vision.pyramidAnchors({ width: 8, height: 8 }, { strides: [0] }), { code: "invalid" }],
    [() => vision.encodeBoxes([0, 0, 0, 0], [0, 0, 1, 1]), { code: "invalid" }],
    [() => vision.decodeBoxes([0, 0, 0, 0], []), { code: "shape-mismatch" }],
    [() => vision.tracker({ maxAge: -1 }), { code: "invalid" }],
    [() => vision.tracker().update([{ x: 0, y: 0, width: 1 }]), { code: "shape-mismatch" }],
    [() => vision.vocAveragePrecision([{ x: 0, y: 0, width: 1, height: 1, image: 0 }], []), { code: "invalid" }],
    [() => vision.confusionMatrix({ classes: 2 ** 20 }), { code: "shape-mismatch" }],
    [() => vision.classMap({ data: [1, 2], shape: [2] }), { code: "shape-mismatch" }],
    [() => vision.classMap({ data: [1, 2], shape: [1, 1, 3] }), { code: "shape-mismatch" }],
    [
      () => vision.classMap({ data: [1, 2], shape: [1, 1, 2] }, { width: 2 ** 20, height: 2 ** 20 }),
      { code: "resource" },
    ],
    [() => vision.resizeMap(matte, { width: 0, height: 1 }), { code: "invalid" }],
    [() => vision.resizeMap({ data: [70_000], width: 1, height: 1 }, { width: 1, height: 1 }), { code: "invalid" }],
    [() => vision.resizeMatte({ ...matte, width: 3 }, { width: 1, height: 1 }), { code: "shape-mismatch" }],
    [() => vision.resizeMatte(matte, { width: 2 ** 16, height: 2 ** 16 }), { code: "resource" }],
    [() => vision.classAreas({ data: [5], width: 1, height: 1 }, 5), { code: "shape-mismatch" }],
    [() => vision.preprocessInput({ data: [1, 2, 3], shape: [3] }, { mode: "keras" }), { code: "shape-mismatch" }],
    [
      () => vision.preprocessInput({ data: new Uint8Array(3), width: 1, height: 1 }, { mode: "tf" }),
      { code: "shape-mismatch" },
    ],
    [() => vision.decodePredictions({ data: [], shape: [0] }), { code: "shape-mismatch" }],
    [() => vision.decodePredictions(Float32Array.of(1), { labels: ["a", "b"] }), { code: "shape-mismatch" }],
    [
      () =>
        vision.cropAndResize({ data: [1], shape: [1, 1, 1, 1] }, [0, 0, 1, 1], { width: 1, height: 1, pictures: [7] }),
      { code: "invalid" },
    ],
  ];
  for (const [work, fields] of cases) fails(work, fields);
  assert.equal(vision.broken, false);
  close(vision.iou([0, 0, 1, 1], [0, 0, 1, 1]).data, [1]);
});

test("the binary is small", () => {
  const { length } = readFileSync(new URL("../dist/wasm/vision/vision_bg.wasm", import.meta.url));
  assert.ok(length < 150_000, `${length} bytes`);
});

test("lines of text lie at any angle", () => {
  const [columns, rows] = [160, 120];
  for (const degrees of [-40, 0, 25]) {
    const [sin, cos] = [Math.sin((degrees * Math.PI) / 180), Math.cos((degrees * Math.PI) / 180)];
    const data = Float32Array.from({ length: columns * rows }, (_, i) => {
      const [dx, dy] = [(i % columns) + 0.5 - 80, Math.floor(i / columns) + 0.5 - 60];
      return Math.abs(dx * cos + dy * sin) < 35.2 && Math.abs(dy * cos - dx * sin) < 7.2 ? 0.9 : 0;
    });
    const lines = vision.decodeText({ data, shape: [1, rows, columns, 1] }, { width: 320, height: 240 });
    assert.equal(lines.length, 1);
    const [{ corners, score, ...box }] = lines;
    assert.ok(Math.abs(score - 0.9) < 0.05, `${score}`);
    // From middle to middle of pixels about 69.7 x 13.7; each side moves by 1.6 * area / perimeter; the picture is twice as large.
    const grown = (1.6 * 69.7 * 13.7) / 166.8;
    const [a, b] = [34.85 + grown, 6.85 + grown];
    const wanted = [
      [-a, -b],
      [a, -b],
      [a, b],
      [-a, b],
    ].map(([u, v]) => [160 + 2 * (u * cos - v * sin), 120 + 2 * (u * sin + v * cos)]);
    corners.forEach(([x, y], i) => {
      assert.ok(Math.hypot(x - wanted[i][0], y - wanted[i][1]) < 3, `${degrees}: ${corners} instead of ${wanted}`);
    });
    const [xs, ys] = [corners.map(([x]) => x), corners.map(([, y]) => y)];
    const ends = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
    [box.x, box.y, box.x + box.width, box.y + box.height].forEach((end, i) => {
      assert.ok(Math.abs(end - ends[i]) < 1e-3);
    });
  }
});
