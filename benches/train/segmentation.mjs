#!/usr/bin/env node
// Trains a small fully convolutional network with skips (Long, Shelhamer, Darrell 2014: "Fully Convolutional Networks for Semantic
// Segmentation") to say for every pixel of a canvas which handwritten digit it belongs to, from scratch, in headless Chromium. The page
// www/segments.html shows it; its weights are www/public/models/digits-fcn.safetensors.
//
//   cargo xtask build
//   node benches/train/segmentation.mjs [--epochs=20] [--threads=1] [--keep]
//
// `--keep` writes the weights into the page's folder, else they stay in target/train.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { launch } from "../../npm/tests/chromium.js";
import { greyPng } from "../../npm/tests/png.js";
import { page as html, serve } from "../../npm/tests/server.js";
import { folder, split, write } from "./mnist.mjs";
import { keep } from "./record.mjs";

const options = Object.fromEntries(process.argv.slice(2).map((a) => a.replace(/^--/, "").split("=")));
const [epochs, threads] = [Number(options.epochs ?? 20), Number(options.threads ?? 1)];
const here = fileURLToPath(new URL(".", import.meta.url));
const dist = fileURLToPath(new URL("../../npm/dist", import.meta.url));
write();
const server = await serve({ "/dist/": dist, "/data/": folder, "/train/": here }, { "/": (_, response) => html(response) });
const browser = await launch();

/** Runs in the page. */
async function train({ epochs, threads }) {
  const { input, layers, losses, optimizers, schedules, striate } = await import("/isolated/dist/index.js");
  const { CLASSES, compose, judge, random } = await import("/isolated/train/canvases.js");
  const bytes = async (file) => (await fetch(`/isolated/data/${file}`)).arrayBuffer();
  const digits = async (part) => ({
    x: new Float32Array(await bytes(`${part}-x.bin`)),
    y: new Int32Array(await bytes(`${part}-y.bin`)),
  });
  const [seen, held] = [await digits("train"), await digits("test")];
  const [size, perEpoch, batchSize] = [48, 3200, 32];

  const engine = await striate({ backend: "wasm", threads });
  const block = (x, filters, times, name) => {
    for (let i = 1; i <= times; i++) {
      const convolution = { filters, kernelSize: 3, padding: "same", useBias: false, name: `${name}_conv${i}` };
      x = layers.conv2d(convolution).apply(x);
      x = layers.activation("relu").apply(layers.batchNormalization({ name: `${name}_bn${i}` }).apply(x));
    }
    return x;
  };
  const score = (x, name) => layers.conv2d({ filters: CLASSES, kernelSize: 1, name }).apply(x);
  const twice = (x, name) =>
    layers.conv2dTranspose({ filters: CLASSES, kernelSize: 4, strides: 2, padding: "same", useBias: false, name }).apply(x);
  const pool = (x) => layers.maxPooling2d().apply(x);
  const image = input({ shape: [null, null, 1], name: "canvas" });
  const one = block(image, 16, 2, "one");
  const two = block(pool(one), 32, 2, "two");
  const three = block(pool(two), 64, 2, "three");
  const four = block(pool(three), 64, 1, "four");
  let out = score(four, "score_eighth");
  for (const [skip, name] of [[three, "quarter"], [two, "half"], [one, "full"]]) {
    out = layers.add().apply([twice(out, `up_${name}`), score(skip, `score_${name}`)]);
  }
  const net = await engine.model({ inputs: image, outputs: out, name: "digits_fcn", seed: 1 });
  const decaySteps = epochs * (perEpoch / batchSize);
  await net.compile({
    optimizer: optimizers.adam({ learningRate: schedules.cosineDecay({ initialLearningRate: 0.003, decaySteps }) }),
    loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }),
  });
  const start = performance.now();
  const curve = [];
  for (let epoch = 0; epoch < epochs; epoch++) {
    // Canvases that were never there before: nothing can be learned by heart.
    const canvases = compose(seen, perEpoch, size, random(epoch + 1));
    // Most of a canvas is background: at full weight the network would first learn to say nothing else.
    const sampleWeight = { data: Float32Array.from(canvases.y.data, (label) => (label ? 1 : 0.3)), shape: canvases.y.shape };
    const { history } = await net.fit({ ...canvases, sampleWeight }, { epochs: epoch + 1, initialEpoch: epoch, batchSize, seed: epoch });
    curve.push(history.loss[0]);
    console.log(`epoch ${epoch + 1}: loss ${history.loss[0].toFixed(4)}`);
  }
  const seconds = (performance.now() - start) / 1000;
  const test = compose(held, 1000, size, random(1e6));
  const [{ data, shape }] = await net.predict(test.x, { batchSize: 100 });
  const classes = shape[3];
  const found = new Int32Array(data.length / classes);
  for (let i = 0; i < found.length; i++) {
    let best = 0;
    for (let c = 1; c < classes; c++) if (data[i * classes + c] > data[i * classes + best]) best = c;
    found[i] = best;
  }
  const file = await net.save("safetensors");
  const weights = Array.from(new Uint8Array(await file.arrayBuffer()));
  const memory = await net.trainingMemory();
  const parameters = net.countParams();
  engine.dispose();
  return { weights, parameters, seconds, curve, ...memory, ...judge(test.y.data, found) };
}

/** Eight digits of each kind that the network has never seen, a row for each kind. */
function sheet() {
  const [columns, side] = [8, 28];
  const { x, y } = split().test;
  const grey = new Uint8Array(10 * side * columns * side);
  for (let digit = 0; digit < 10; digit++) {
    const rows = Array.from(y.keys()).filter((row) => y[row] === digit);
    for (let column = 0; column < columns; column++) {
      const row = rows[column * Math.floor(rows.length / columns)];
      for (let i = 0; i < side * side; i++) {
        const [v, u] = [Math.floor(i / side), i % side];
        grey[(digit * side + v) * columns * side + column * side + u] = Math.round(255 * x[row * side * side + i]);
      }
    }
  }
  return greyPng(columns * side, 10 * side, 8, grey);
}

try {
  const page = await browser.newPage();
  page.on("console", (message) => console.log(message.text()));
  await page.goto(`${server.origin}/isolated/`);
  const { weights, ...record } = await page.evaluate(
    ([source, argument]) => new Function(`return ${source}`)()(argument),
    [train.toString(), { epochs, threads }],
  );
  console.log(
    `${record.parameters} parameters, ${epochs} epochs in ${record.seconds.toFixed(0)} s: on 1,000 canvases of digits never seen ` +
      `a mean IoU of ${record.meanIoU.toFixed(3)}, ${(100 * record.ink).toFixed(1)} % of the ink called right`,
  );
  const kept = "keep" in options;
  const to = kept ? fileURLToPath(new URL("../../www/public/models", import.meta.url)) : folder;
  mkdirSync(to, { recursive: true });
  writeFileSync(join(to, "digits-fcn.safetensors"), Uint8Array.from(weights));
  writeFileSync(join(to, "digits.png"), sheet());
  if (kept) keep("segmentation", browser, { epochs, threads, ...record });
} finally {
  await browser.close();
  await server.close();
}
