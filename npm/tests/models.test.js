// The published networks, each by its one line: what they find is what their own runtimes found. In Node, on what `cargo xtask models`
// fetched; networks whose packages this machine cannot fetch are left out, and said.
import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { cam, cosineSimilarity, gradCam, imageTensor, striate } from "../dist/index.js";
import { expectedBoxes, IMAGES, missingBox, VENDOR } from "./photos.js";
import { readPng } from "./png.js";

const engine = await striate({ worker: false, models: pathToFileURL(`${VENDOR}/`) });
after(() => engine.dispose());

const photo = (name) => readPng(join(IMAGES, name));
const expected = (name) => JSON.parse(readFileSync(join(VENDOR, "../tests/data/expected", `${name}.json`), "utf8"));
const there = ({ folder, files }) => Object.keys(files).every((file) => existsSync(join(VENDOR, folder, file)));
const card = (name) => engine.models.cards.find((card) => card.name === name);
/** A test of one network. */
const carried = (name, work) =>
  test(name, { skip: !there(card(name)) && `vendor/${card(name).folder} is not there` }, async () => {
    const made = await engine.models[name]();
    await work(made);
    (made.net ?? made).dispose();
  });

test("cards say what a network is, whose it is, and how large", () => {
  for (const { name, title, task, licence, source, folder, files } of engine.models.cards) {
    for (const text of [title, task, licence, source]) assert.ok(text.length > 2, name);
    assert.equal(typeof engine.models[name], "function", name);
    for (const [file, size] of Object.entries(files)) {
      const path = join(VENDOR, folder, file);
      if (existsSync(path)) assert.equal(statSync(path).size, size, path);
    }
  }
});

for (const [name, file] of [
  ["ssdMobileNetV2", "ssd_mobilenetv2_oidv4"],
  ["centerNet", "centernet_mb3"],
  ["nanoDet", "nanodet_g"],
]) {
  carried(name, async (net) => {
    assert.ok(net.detects);
    for (const { name, photo: path, boxes } of expectedBoxes(file)) {
      const found = await net.detect(readPng(path));
      assert.equal(missingBox(found, boxes), undefined, name);
    }
  });
}

for (const [name, file, read] of [
  ["efficientNetLite0", "efficientnet_lite0", (want) => want.center_square.top5],
  ["squeezeNet", "squeezenet_v1_1", (want) => want.top5],
]) {
  carried(name, async (classifier) => {
    for (const [image, want] of Object.entries(expected(file).results)) {
      if (!existsSync(join(IMAGES, image))) continue;
      const found = await classifier.classify(photo(image), { topK: 5 });
      read(want).forEach(({ index, prob }, i) => {
        assert.equal(found[i].class, index, `${image}, place ${i}`);
        assert.ok(Math.abs(found[i].score - prob) < 2e-3, `${image}: ${found[i].score}, expected ${prob}`);
      });
      assert.ok(/^[A-Za-z]/.test(found[0].label));
    }
  });
}

carried("efficientNetLite0", async ({ net, input }) => {
  // Where it looks: its last layer on each of the 49 cells.
  const { top1, cam_top1: cells } = expected("efficientnet_lite0_cam").results["chelsea.png"];
  const picture = await imageTensor(photo("chelsea.png"), input, net);
  assert.deepEqual(picture.shape, [1, 224, 224, 3]);
  const map = await cam(net, picture);
  assert.deepEqual([map.classIndex, map.width, map.height], [top1.index, 7, 7]);
  // The expected values are whole logits, with the bias.
  const bias = (await net.getWeight("predictions/bias")).data[top1.index];
  cells.flat().forEach((value, i) => {
    const cell = map.data[i] + bias;
    assert.ok(Math.abs(cell - value) < 0.01, `cell ${i}: ${cell}, expected ${value}`);
  });
  const gradient = await gradCam(net, picture, { classIndex: top1.index });
  const scale = gradient.data.indexOf(Math.max(...gradient.data));
  assert.equal(scale, map.data.indexOf(Math.max(...map.data)), "both are brightest at one place");
});

carried("mobileNetV2", async (extractor) => {
  const { results } = expected("mobilenetv2_bottleneck");
  const features = {};
  for (const [image, { l2, first8 }] of Object.entries(results)) {
    if (!existsSync(join(IMAGES, image))) continue;
    features[image] = await extractor.features(photo(image));
    assert.equal(features[image].length, 1280);
    assert.ok(Math.abs(Math.hypot(...features[image]) / l2 - 1) < 1e-2, image);
    first8.forEach((value, i) => {
      assert.ok(Math.abs(features[image][i] - value) < 0.02, `${image} ${i}: ${features[image][i]}, expected ${value}`);
    });
  }
  const [a, b] = Object.values(features);
  assert.ok(Math.abs(cosineSimilarity(a, a) - 1) < 1e-6 && cosineSimilarity(a, b) < 0.9);
});

carried("selfieSegmentation", async (segmenter) => {
  for (const [image, want] of Object.entries(expected("selfie_segmentation").results)) {
    if (!existsSync(join(IMAGES, image))) continue;
    const picture = photo(image);
    const found = await segmenter.segment(picture);
    const over = found.maps.data.filter((share) => share > 0.5).length / found.maps.data.length;
    assert.ok(
      Math.abs(over - want["fraction_over_0.5"]) < 0.01,
      `${image}: ${over}, expected ${want["fraction_over_0.5"]}`,
    );
    const mask = found.mask();
    assert.deepEqual([mask.width, mask.height], [picture.width, picture.height]);
    const person = found.areas(mask).find(({ label }) => label === "person");
    assert.ok(Math.abs(person.share - over) < 0.01, "the mask covers as much of the picture");
  }
});

carried("poseNet", async (estimator) => {
  const { results } = expected("pose").posenet;
  for (const [image, { keypoints }] of Object.entries(results)) {
    if (!existsSync(join(IMAGES, image))) continue;
    const pose = await estimator.estimate(photo(image));
    keypoints.forEach(({ part, score, xy }, i) => {
      const { part: name, ...point } = pose.keypoints[i];
      assert.equal(name, part);
      assert.ok(Math.abs(point.score - score) < 2e-3, `${image} ${part}`);
      assert.ok(Math.hypot(point.x - xy[0], point.y - xy[1]) < 0.5, `${image} ${part}: ${point.x}, ${point.y}`);
    });
  }
});

carried("tinyFaceDetector", async (detector) => {
  const [face, ...more] = await detector.detect(photo("astronaut.png"));
  const [want] = expected("tiny_face_detector").results["astronaut.png"];
  const [x1, y1, x2, y2] = want.box_xyxy_px;
  assert.equal(more.length, 0);
  assert.ok(Math.abs(face.score - want.score) < 0.01, `${face.score}`);
  for (const [a, b] of [
    [face.x, x1],
    [face.y, y1],
    [face.x + face.width, x2],
    [face.y + face.height, y2],
  ])
    assert.ok(Math.abs(a - b) < 3, `${a}, expected ${b}`);
  assert.deepEqual(await detector.detect(photo("chelsea.png")), []);
});

carried("styleTransfer", async (styler) => {
  for (const [name, want] of Object.entries(expected("style_transfer").multistyle26.results)) {
    const [image, style] = [name.split(" ")[0], Number(name.split(" ").at(-1))];
    const painted = await styler.stylise(photo(image), style);
    assert.deepEqual([painted.height, painted.width], want.shape.slice(0, 2));
    want.mean_rgb.forEach((mean, c) => {
      let sum = 0;
      for (let i = c; i < painted.data.length; i += 4) sum += painted.data[i];
      const got = sum / (painted.width * painted.height) / 255;
      assert.ok(Math.abs(got - mean) < 3e-3, `${name} ${c}: ${got}, expected ${mean}`);
    });
  }
});

for (const [name, factor] of [
  ["esrganSlim", 2],
  ["realEsrAnimeVideo", 4],
]) {
  carried(name, async (upscaler) => {
    const { data, width } = photo("chelsea.png");
    // A part of the picture, in tiles and at once: no seams.
    const part = { width: 60, height: 44, data: new Uint8ClampedArray(60 * 44 * 4) };
    for (let y = 0; y < 44; y++) part.data.set(data.subarray(((y + 90) * width + 120) * 4).subarray(0, 240), y * 240);
    const whole = await upscaler.upscale(part);
    assert.deepEqual([whole.width, whole.height], [60 * factor, 44 * factor]);
    const tiled = await upscaler.upscale(part, { tile: 40 });
    const worst = whole.data.reduce((most, value, i) => Math.max(most, Math.abs(value - tiled.data[i])), 0);
    assert.ok(worst <= 1, `seams of ${worst}`);
    // It is the same picture: its means by blocks of `factor` are near the small one's pixels.
    let [sum, count] = [0, 0];
    for (let y = 0; y < 44; y++)
      for (let x = 0; x < 60; x++)
        for (let c = 0; c < 3; c++) {
          let mean = 0;
          for (let v = 0; v < factor; v++)
            for (let u = 0; u < factor; u++)
              mean += whole.data[((y * factor + v) * whole.width + x * factor + u) * 4 + c] / factor ** 2;
          sum += (mean - part.data[(y * 60 + x) * 4 + c]) ** 2;
          count++;
        }
    assert.ok(Math.sqrt(sum / count) < 12, `off by ${Math.sqrt(sum / count)}`);
  });
}

carried("textDetector", async (detector) => {
  // White lines of text on black are none here; black bars on white stand for none either. A page of text is not among the samples.
  const found = await detector.detect(photo("chelsea.png"));
  assert.ok(found.every(({ score }) => score >= 0.5));
});

test("a network that is not there is said by its address", async () => {
  await assert.rejects(engine.models.poseNet({ from: pathToFileURL("/nowhere/posenet") }), (error) => {
    assert.equal(error.code, "network");
    assert.match(error.message, /nowhere\/posenet\/posenet\.json/);
    return true;
  });
});
