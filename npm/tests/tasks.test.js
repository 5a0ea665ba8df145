// Tasks around networks: pictures in, classes, masks and pictures out. In Node, on networks whose answers can be written down.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Classifier, input, layers, preprocessing, Segmenter, Styler, striate, Upscaler } from "../dist/index.js";

const engine = await striate({ worker: false, edition: "models" });
after(() => engine.dispose());

/** A picture whose pixels follow from their place. */
function picture(width, height, value = (x, y, c) => (x * 40 + y * 13 + c * 71) % 256) {
  const data = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) for (let c = 0; c < 3; c++) data[(y * width + x) * 4 + c] = value(x, y, c);
  return { data, width, height };
}

/** Says what it is given. */
const identity = (channels = 3) =>
  engine.sequential([layers.activation({ activation: "linear", inputShape: [null, null, channels] })]);

/** Bilinear sampling by its definition: half-pixel centres, the edge repeated. */
function sampled({ data, width, height }, [h, w], [x0, y0, dx, dy], y, x, c) {
  const place = (i, start, length, of, size) => {
    const at = Math.min(Math.max(start + ((i + 0.5) * length) / of - 0.5, 0), size - 1);
    return [Math.floor(at), Math.min(Math.floor(at) + 1, size - 1), at - Math.floor(at)];
  };
  const [l, r, a] = place(x, x0, dx, w, width);
  const [t, b, d] = place(y, y0, dy, h, height);
  const p = (row, column) => data[(row * width + column) * 4 + c];
  return (p(t, l) * (1 - a) + p(t, r) * a) * (1 - d) + (p(b, l) * (1 - a) + p(b, r) * a) * d;
}

test("a picture becomes the tensor that was asked for", async () => {
  const net = await identity();
  const photo = picture(9, 6);
  const views = {
    stretch: [0, 0, 9, 6],
    center: [1.5, 0, 6, 6],
    crop: [4.5 - 2.625, 3 - 2.625, 5.25, 5.25],
  };
  for (const [fit, [x, y, width, height]] of Object.entries(views)) {
    const input = { size: [5, 5], fit, order: "bgr", scale: [0.5, 1, 2], offset: -7 };
    const { outputs, view } = await net.predictImage(photo, input);
    assert.deepEqual(view, { x, y, width, height }, fit);
    assert.deepEqual(outputs[0].shape, [1, 5, 5, 3]);
    for (let i = 0; i < 75; i++) {
      const [row, column, c] = [Math.floor(i / 15), Math.floor(i / 3) % 5, i % 3];
      const wanted = sampled(photo, [5, 5], [x, y, width, height], row, column, 2 - c) * input.scale[c] - 7;
      assert.ok(Math.abs(outputs[0].data[i] - wanted) < 1e-3, `${fit} ${i}: ${outputs[0].data[i]}, not ${wanted}`);
    }
  }
  // The whole picture at the top left, nothing below it.
  const { outputs } = await net.predictImage(photo, { size: [9, 9], fit: "pad", offset: 3 });
  for (let i = 0; i < 243; i++) {
    const [row, column, c] = [Math.floor(i / 27), Math.floor(i / 3) % 9, i % 3];
    const wanted = row < 6 ? photo.data[(row * 9 + column) * 4 + c] + 3 : 3;
    assert.equal(outputs[0].data[i], wanted);
  }
  const own = await net.predictImage(photo);
  assert.deepEqual(own.outputs[0].shape, [1, 6, 9, 3], "a network of open size takes the picture's");
  assert.ok(own.timings.total >= own.timings.inference);
});

test("preprocessing is Keras' own", async () => {
  const net = await identity();
  const photo = picture(1, 1, (_x, _y, c) => [255, 0, 51][c]);
  const wanted = {
    caffe: [51 - 103.939, -116.779, 255 - 123.68],
    tf: [1, -1, -0.6],
    torch: [(1 - 0.485) / 0.229, -0.456 / 0.224, (0.2 - 0.406) / 0.225],
    unit: [1, 0, 0.2],
  };
  for (const [mode, values] of Object.entries(wanted)) {
    const { outputs } = await net.predictImage(photo, preprocessing[mode]);
    values.forEach((value, c) => {
      assert.ok(Math.abs(outputs[0].data[c] - value) < 1e-4, `${mode} ${c}`);
    });
  }
});

test("networks of grey pictures see luminance, others say what they want", async () => {
  const grey = await identity(1);
  const { outputs } = await grey.predictImage(picture(1, 1, (_x, _y, c) => [200, 100, 50][c]));
  assert.ok(Math.abs(outputs[0].data[0] - (0.299 * 200 + 0.587 * 100 + 0.114 * 50)) < 1e-3);
  await assert.rejects((await identity(4)).predictImage(picture(2, 2)), { code: "unsupported", received: "4" });
  const dense = await engine.sequential([layers.dense({ units: 2, inputShape: [3] })]);
  await assert.rejects(dense.predictImage(picture(2, 2)), { code: "unsupported" });
  const net = await identity();
  await assert.rejects(net.predictImage(picture(2, 2), { size: [0, 4] }), { code: "invalid" });
  await assert.rejects(net.predictImage(picture(2, 2), { fit: "squeeze" }), { code: "invalid" });
  await assert.rejects(net.predictImage(picture(2, 2), { scale: [1, 2] }), { code: "invalid" });
  await assert.rejects(net.predictImage({ data: new Uint8Array(3), width: 1, height: 1 }), { code: "invalid" });
  await assert.rejects(net.predictImage(picture(2, 2), {}, { others: [Float32Array.of(1)] }), {
    code: "shape-mismatch",
  });
  await assert.rejects(net.predictImage(picture(2, 2), {}, { signal: AbortSignal.abort() }), { name: "AbortedError" });
});

test("a classifier names the best classes", async () => {
  // Its logits are the means of red, green and blue.
  const net = await engine.sequential([layers.globalAveragePooling2d({ inputShape: [null, null, 3] })]);
  const photo = picture(2, 2, (_x, _y, c) => [1, 3, 2][c]);
  const labels = ["red", "green", "blue"];
  const classifier = new Classifier(net, { labels, logits: true });
  const found = await classifier.classify(photo, { topK: 2 });
  assert.deepEqual(
    found.map(({ label, class: at }) => [label, at]),
    [
      ["green", 1],
      ["blue", 2],
    ],
  );
  const all = Math.exp(1) + Math.exp(3) + Math.exp(2);
  assert.ok(Math.abs(found[0].score - Math.exp(3) / all) < 1e-6);
  assert.ok(found.timings.total > 0);
  const plain = await new Classifier(net).classify(photo);
  assert.deepEqual(
    plain.map(({ label, score }) => [label, score]),
    [
      ["1", 3],
      ["2", 2],
      ["0", 1],
    ],
  );
  await assert.rejects(new Classifier(net, { labels: ["one"] }).classify(photo), { code: "shape-mismatch" });
  await assert.rejects(new Classifier(net, { output: "nothing" }).classify(photo), { code: "invalid" });
});

test("a segmenter says what is where, at the picture's size", async () => {
  const net = await identity();
  // Left half red, right half blue, over a network of 4 x 4.
  const photo = picture(8, 8, (x, _y, c) => (c === (x < 4 ? 0 : 2) ? 255 : 0));
  const segmenter = new Segmenter(net, { input: { size: [4, 4], scale: 1 / 255 }, labels: ["red", "green", "blue"] });
  const found = await segmenter.segment(photo);
  assert.deepEqual([found.maps.width, found.maps.height, found.maps.classes, found.width], [4, 4, 3, 8]);
  const mask = found.mask();
  assert.deepEqual([mask.width, mask.height], [8, 8]);
  for (let i = 0; i < 64; i++) assert.equal(mask.data[i], i % 8 < 4 ? 0 : 2);
  assert.deepEqual(found.areas(), [
    { label: "red", class: 0, pixels: 32, share: 0.5 },
    { label: "blue", class: 2, pixels: 32, share: 0.5 },
  ]);
  const matte = found.matte({ class: 2 });
  // Between the halves it rises in quarters: 0.25 and 0.75 lie beside the edge.
  for (const [x, share] of [0, 0, 0, 0.25, 0.75, 1, 1, 1].entries()) assert.ok(Math.abs(matte.data[x] - share) < 1e-6);
  assert.throws(() => found.matte({ class: 3 }), { code: "invalid" });
  assert.throws(() => found.mask({ width: 0 }), { code: "invalid" });
  const middle = await new Segmenter(net, { input: { size: [4, 4], fit: "center" } }).segment(picture(16, 8));
  assert.equal(middle.mask().data.length, 128, "beyond what the network saw its edge is repeated");
});

test("one map is a foreground, logits become shares", async () => {
  const grey = await identity(1);
  const photo = picture(2, 1, (x) => (x === 0 ? 0 : 255));
  const found = await new Segmenter(grey, { input: { scale: 1 / 255 }, labels: ["back", "front"] }).segment(photo);
  assert.deepEqual([...found.mask().data], [0, 1]);
  assert.deepEqual([...found.matte().data], [0, 1]);
  assert.deepEqual([...found.matte({ class: 0 }).data], [1, 0]);
  const logits = await new Segmenter(grey, { input: { scale: 8 / 255, offset: -4 }, logits: true }).segment(photo);
  const sigmoid = 1 / (1 + Math.exp(4));
  assert.ok(Math.abs(logits.matte().data[0] - sigmoid) < 1e-6);
  assert.deepEqual([...logits.mask().data], [0, 1]);
  const three = await new Segmenter(await identity(), { logits: true, input: { scale: 1 / 100 } }).segment(
    picture(1, 1),
  );
  const shares = [0, 1, 2].map((c) => three.matte({ class: c }).data[0]);
  assert.ok(Math.abs(shares[0] + shares[1] + shares[2] - 1) < 1e-6 && shares[2] > shares[1]);
});

test("tiles of a picture are made larger without seams", async () => {
  const conv = (filters, name) => layers.conv2d({ filters, kernelSize: 3, padding: "same", name });
  const net = await engine.sequential(
    [input({ shape: [null, null, 3] }), conv(4, "a"), layers.upSampling2d(), conv(3, "b")],
    { seed: 3 },
  );
  const photo = picture(37, 23);
  const head = { factor: 2, range: 255, reach: 3 };
  const whole = await new Upscaler(net, head).upscale(photo);
  assert.deepEqual([whole.width, whole.height, whole.data.length], [74, 46, 74 * 46 * 4]);
  const told = [];
  const tiled = await new Upscaler(net, head).upscale(photo, { tile: 12, onProgress: (p) => told.push(p) });
  assert.deepEqual(tiled.data, whole.data);
  assert.deepEqual(told.at(-1), { stage: "predict", loaded: told.length, total: told.length });
  assert.ok(told.length > 6);
  const direct = (await net.predictImage(photo)).outputs[0].data;
  const rounded = Uint8ClampedArray.from(direct);
  for (let i = 0; i < rounded.length; i++) assert.equal(whole.data[Math.floor(i / 3) * 4 + (i % 3)], rounded[i]);
  const controller = new AbortController();
  const onProgress = ({ loaded }) => loaded === 2 && controller.abort();
  await assert.rejects(new Upscaler(net, head).upscale(photo, { tile: 12, onProgress, signal: controller.signal }), {
    name: "AbortedError",
  });
  await assert.rejects(new Upscaler(net, head).upscale(photo, { tile: 6 }), { code: "invalid" });
  await assert.rejects(new Upscaler(net, { ...head, factor: 3 }).upscale(photo), { code: "shape-mismatch" });
});

test("a styler blends styles", async () => {
  // Two styles: all black, and the picture as it is.
  const image = input({ shape: [null, null, 3] });
  const weights = input({ shape: [2] });
  const strength = layers
    .reshape({ targetShape: [1, 1, 1] })
    .apply(layers.dense({ units: 1, useBias: false, name: "strength" }).apply(weights));
  const net = await engine.model({ inputs: [image, weights], outputs: layers.multiply().apply([image, strength]) });
  await net.setWeight("strength/kernel", [0, 1]);
  const styler = new Styler(net, { styles: 2, multipleOf: 4, batched: true });
  const photo = picture(10, 6);
  const black = await styler.stylise(photo, 0, { size: 12 });
  assert.deepEqual([black.width, black.height], [12, 8]);
  assert.ok(black.data.every((value, i) => value === (i % 4 === 3 ? 255 : 0)));
  const half = await styler.stylise(picture(8, 8), [0.5, 0.5]);
  const full = await styler.stylise(picture(8, 8), 1);
  for (let i = 0; i < half.data.length; i++) if (i % 4 < 3) assert.ok(Math.abs(half.data[i] - full.data[i] / 2) <= 1);
  await assert.rejects(styler.stylise(photo, 2), { code: "invalid" });
  await assert.rejects(styler.stylise(photo, [1]), { code: "invalid" });
});
