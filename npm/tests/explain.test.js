// Where a network looks, beside numerical gradients and the definition. In Node.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { cam, gradCam, input, layers, StriateError, striate } from "striate";
import { worst } from "./models.js";

let engine;
before(async () => {
  engine = await striate({ edition: "models" });
});
after(() => engine.dispose());

const noise = (n, k = 1) =>
  Float32Array.from({ length: n }, (_, i) => Math.sin(12.9898 * (i + 1) * k) * Math.cos(i * k));

/** Kinks would spoil differences: all of it is smooth. */
const head = (first = {}) => [
  layers.averagePooling2d({ poolSize: 2, name: "pool", ...first }),
  layers.conv2d({ filters: 5, kernelSize: 2, activation: "tanh", name: "second" }),
  layers.flatten(),
];

test("the gradient of a score is the numerical one, whatever is behind the layer", async () => {
  const net = await engine.sequential(
    [
      layers.conv2d({ filters: 4, kernelSize: 3, activation: "sigmoid", inputShape: [8, 9, 2], name: "first" }),
      ...head(),
      layers.dense({ units: 3, activation: "softmax", name: "out" }),
    ],
    { seed: 3 },
  );
  const behind = await engine.sequential([...head({ inputShape: [6, 7, 4] }), layers.dense({ units: 3, name: "out" })]);
  const weights = await net.getWeights();
  for (const { name } of behind.weights) await behind.setWeight(name, weights[name]);

  const classIndex = 1;
  const image = { data: noise(8 * 9 * 2), shape: [1, 8, 9, 2] };
  const { activation, gradient, output } = await net.attribute(image, { layer: "first", classIndex });
  assert.deepEqual(
    [activation.shape, gradient.shape, output.shape],
    [
      [1, 6, 7, 4],
      [1, 6, 7, 4],
      [1, 3],
    ],
  );
  const [{ data: predicted }] = await net.predict(image);
  assert.ok(worst(output.data, predicted) < 1e-6);

  // Every number of the activation a little up and a little down.
  const [n, step] = [activation.data.length, 0.05];
  const batch = new Float32Array(2 * n * n);
  for (let i = 0; i < 2 * n; i++) {
    batch.set(activation.data, i * n);
    batch[i * n + (i >> 1)] += i % 2 === 0 ? step : -step;
  }
  const [{ data: scores }] = await behind.predict({ data: batch, shape: [2 * n, 6, 7, 4] });
  const numerical = Array.from({ length: n }, (_, i) => {
    const [up, down] = [scores[6 * i + classIndex], scores[6 * i + 3 + classIndex]];
    return (up - down) / (2 * step);
  });
  const largest = Math.max(...numerical.map(Math.abs));
  assert.ok(largest > 1e-3, "there is a gradient");
  assert.ok(worst(gradient.data, numerical) < 0.01 * largest, `${worst(gradient.data, numerical)} of ${largest}`);

  // Grad-CAM by its definition, from the numerical gradients.
  const map = await gradCam(net, image, { layer: "first", classIndex });
  const alpha = [0, 1, 2, 3].map((c) => numerical.filter((_, i) => i % 4 === c).reduce((a, b) => a + b) / 42);
  const expected = Array.from({ length: 42 }, (_, at) =>
    Math.max(
      alpha.reduce((sum, weight, c) => sum + weight * activation.data[4 * at + c], 0),
      0,
    ),
  );
  assert.ok(worst(map.data, expected) < 0.02 * Math.max(...alpha.map(Math.abs)), `${map.data} instead of ${expected}`);
  assert.deepEqual([map.width, map.height, map.classIndex, map.layer], [7, 6, 1, "first"]);
  assert.ok(Math.abs(map.score - predicted[1]) < 1e-6);
  await fails(cam(net, image, { layer: "first" }), { code: "unsupported", message: /gradCam/ });
});

test("behind an average and a dense layer it is the plain map, and the class is the best", async () => {
  const base = await engine.sequential(
    [layers.conv2d({ filters: 6, kernelSize: 3, activation: "relu", inputShape: [7, 7, 3], name: "last" })],
    { name: "base", seed: 1 },
  );
  const net = await engine.sequential(
    [base, layers.globalAveragePooling2d(), layers.dropout({ rate: 0.5 }), layers.dense({ units: 4, name: "out" })],
    { seed: 2 },
  );
  const image = { data: noise(7 * 7 * 3, 0.7), shape: [7, 7, 3] };
  const map = await cam(net, image);
  const [{ data: scores }] = await net.predict({ ...image, shape: [1, 7, 7, 3] });
  assert.equal(map.classIndex, scores.indexOf(Math.max(...scores)));
  assert.equal(map.layer, "base");
  const [{ data: maps }] = await base.predict({ ...image, shape: [1, 7, 7, 3] });
  const { data: kernel } = await net.getWeight("out/kernel");
  const expected = Array.from({ length: 25 }, (_, at) => {
    let sum = 0;
    for (let c = 0; c < 6; c++) sum += maps[6 * at + c] * kernel[4 * c + map.classIndex];
    return sum;
  });
  assert.ok(worst(map.data, expected) < 1e-5, `${map.data} instead of ${expected}`);
  // The score is the map's mean and the bias.
  const bias = (await net.getWeight("out/bias")).data[map.classIndex];
  const mean = map.data.reduce((a, b) => a + b) / 25;
  assert.ok(Math.abs(mean + bias - scores[map.classIndex]) < 1e-5);
  const rectified = await gradCam(net, image, { layer: "base/last" });
  assert.ok(
    worst(
      rectified.data,
      expected.map((value) => Math.max(value, 0) / 25),
    ) < 1e-6,
  );
});

/** Expects a StriateError with these fields. */
async function fails(work, fields) {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof StriateError, `not a StriateError: ${error?.stack}`);
    for (const [key, value] of Object.entries(fields)) {
      if (value instanceof RegExp) assert.match(String(error[key]), value);
      else assert.equal(error[key], value, `${key} of "${error.message}"`);
    }
    return true;
  });
}

test("what cannot be explained says why, and the model works on", async () => {
  const x = input({ shape: [6, 6, 1] });
  const seen = layers.conv2d({ filters: 2, kernelSize: 3, name: "seen" }).apply(x);
  const y = layers
    .dense({ units: 2, name: "out" })
    .apply(layers.flatten().apply(layers.dropout({ name: "drop", rate: 0.1 }).apply(seen)));
  const net = await engine.model({ inputs: x, outputs: y });
  const image = noise(36);
  await fails(gradCam(net, image, { layer: "nowhere" }), { code: "invalid", layer: "nowhere" });
  await fails(gradCam(net, image, { layer: "drop" }), { code: "invalid", layer: "drop" });
  await fails(gradCam(net, image, { layer: "out" }), { code: "shape-mismatch", layer: "out" });
  await fails(gradCam(net, image, { classIndex: 2 }), { code: "shape-mismatch", received: "2" });
  await fails(gradCam(net, image, { classIndex: -1 }), { code: "invalid" });
  await fails(gradCam(net, noise(72)), { code: "shape-mismatch", expected: /^\[1, / });
  await fails(gradCam(net, noise(35)), { code: "shape-mismatch" });
  assert.equal((await gradCam(net, image)).layer, "seen");
});
