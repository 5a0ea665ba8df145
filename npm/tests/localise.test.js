// Classification and localisation, the textbook's way: one network with two outputs, trained on pictures that are made here. In Node.
import assert from "node:assert/strict";
import { test } from "node:test";
import { input, layers, losses, optimizers, schedules, striate } from "../dist/index.js";
import { loadVision } from "../dist/vision.js";

const SIZE = 24;
const SHAPES = ["square", "disc", "cross"];

/** Whether a shape covers a point, both from -1 to 1. */
const covers = [
  (u, v) => Math.abs(u) < 1 && Math.abs(v) < 1,
  (u, v) => u * u + v * v < 1,
  (u, v) => Math.min(Math.abs(u), Math.abs(v)) < 0.34 && Math.max(Math.abs(u), Math.abs(v)) < 1,
];

/** Shapes of several sizes on noise, with their class and their box: centre, width and height as parts of the picture. */
function pictures(count, seed) {
  let state = seed;
  const next = () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32;
    return state / 2 ** 32;
  };
  const x = new Float32Array(count * SIZE * SIZE);
  const kinds = new Int32Array(count);
  const boxes = new Float32Array(count * 4);
  for (let i = 0; i < count; i++) {
    const kind = Math.floor(next() * SHAPES.length);
    const [w, h] = [8 + next() * 10, 8 + next() * 10];
    const [cx, cy] = [w / 2 + next() * (SIZE - w), h / 2 + next() * (SIZE - h)];
    for (let v = 0; v < SIZE; v++)
      for (let u = 0; u < SIZE; u++) {
        const inside = covers[kind]((2 * (u + 0.5 - cx)) / w, (2 * (v + 0.5 - cy)) / h);
        x[(i * SIZE + v) * SIZE + u] = 0.3 * next() + (inside ? 0.7 : 0);
      }
    kinds[i] = kind;
    boxes.set([cx / SIZE, cy / SIZE, w / SIZE, h / SIZE], 4 * i);
  }
  return { x: { data: x, shape: [count, SIZE, SIZE, 1] }, kinds, boxes };
}

test("a network with two outputs learns what is there and where", async () => {
  const engine = await striate({ worker: false, edition: "models" });
  const vision = await loadVision();
  const image = input({ shape: [SIZE, SIZE, 1] });
  const conv = (filters) => layers.conv2d({ filters, kernelSize: 3, strides: 2, padding: "same", activation: "relu" });
  const maps = [16, 32, 64].reduce((x, filters) => conv(filters).apply(x), image);
  // Where things are is lost in an average: the map is flattened.
  const hidden = layers.dense({ units: 64, activation: "relu" }).apply(layers.flatten().apply(maps));
  const kind = layers.dense({ units: SHAPES.length, activation: "softmax", name: "class" }).apply(hidden);
  const box = layers.dense({ units: 4, name: "box" }).apply(hidden);
  const net = await engine.model({ inputs: image, outputs: [kind, box], seed: 1 });
  const [train, held] = [pictures(2400, 1), pictures(200, 2)];
  const epochs = 16;
  await net.compile({
    optimizer: optimizers.adam({
      learningRate: schedules.cosineDecay({ initialLearningRate: 0.003, decaySteps: epochs * 75 }),
    }),
    loss: { class: "sparseCategoricalCrossentropy", box: losses.meanSquaredError() },
    lossWeights: { class: 0.2, box: 0.8 },
  });
  await net.fit({ x: train.x, y: { class: train.kinds, box: train.boxes } }, { epochs, batchSize: 32, seed: 1 });
  const { named } = await net.predict(held.x);
  let [right, overlap] = [0, 0];
  for (let i = 0; i < held.kinds.length; i++) {
    const scores = named.class.data.subarray(3 * i, 3 * i + 3);
    if (scores.indexOf(Math.max(...scores)) === held.kinds[i]) right++;
    const side = (boxes) => boxes.subarray(4 * i, 4 * i + 4);
    overlap += vision.iou(side(named.box.data), side(held.boxes), { form: "centre" }).data[0];
  }
  const [accuracy, iou] = [right / held.kinds.length, overlap / held.kinds.length];
  assert.ok(accuracy > 0.95, `${accuracy} of the shapes are named right`);
  assert.ok(iou > 0.78, `the boxes overlap by ${iou}`);
  console.log(`accuracy ${accuracy}, mean IoU ${iou.toFixed(3)}`);
  engine.dispose();
});
