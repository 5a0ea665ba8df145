#!/usr/bin/env node
// Transfer learning in headless Chromium: frames of four clips as four classes, on EfficientNet-Lite0 with its ImageNet weights.
//
//   cargo xtask build
//   python benches/train/transfer_data.py        (weights and frames)
//   node benches/train/transfer.mjs [--seen=6] [--threads=1]
//
// As in chapter 14 of A. Géron's "Hands-On Machine Learning": the base is frozen and a new head trained, here on features that are
// computed once and kept; then the whole network is trained on at a small rate. Of every clip's 20 frames, `seen` are learned from,
// the others held out.
import { launch } from "../../npm/tests/chromium.js";
import { page as html, serve } from "../../npm/tests/server.js";
import { folder } from "./mnist.mjs";
import { keep } from "./record.mjs";

const options = Object.fromEntries(process.argv.slice(2).map((a) => a.replace(/^--/, "").split("=")));
const [seen, threads] = [Number(options.seen ?? 6), Number(options.threads ?? 1)];
const dist = new URL("../../npm/dist", import.meta.url).pathname;
const server = await serve({ "/dist/": dist, "/data/": folder }, { "/": (_, response) => html(response) });
const browser = await launch();

/** Runs in the page. */
async function transfer({ seen, threads }) {
  const { data, layers, optimizers, striate } = await import("/isolated/dist/index.js");
  const pixels = new Uint8Array(await (await fetch("/isolated/data/frames.bin")).arrayBuffer());
  const [classes, frames, size] = [4, 20, 224 * 224 * 3];
  const part = (numbers) => {
    const rows = Array.from({ length: classes }, (_, c) => numbers.map((frame) => c * frames + frame)).flat();
    const x = new Float32Array(rows.length * size);
    rows.forEach((row, i) => {
      x.set(pixels.subarray(row * size, (row + 1) * size), i * size);
    });
    const y = { data: Int32Array.from(rows, (row) => Math.floor(row / frames)), shape: [rows.length] };
    return { x: { data: x, shape: [rows.length, 224, 224, 3] }, y };
  };
  const all = Array.from({ length: frames }, (_, i) => i);
  const chosen = new Set(Array.from({ length: seen }, (_, i) => Math.floor(((i + 0.5) * frames) / seen)));
  const train = part(all.filter((i) => chosen.has(i)));
  const held = part(all.filter((i) => !chosen.has(i)));

  const engine = await striate({ backend: "wasm", threads });
  const base = await engine.zoo.efficientnetLite0({ includeTop: false, pooling: "avg", inputShape: [224, 224, 3] });
  const { loaded } = await base.loadWeights("/isolated/data/efficientnet_lite0.safetensors");
  const loss = "sparseCategoricalCrossentropy";

  // The base is frozen: its features are computed once, and kept.
  let computed = 0;
  const features = data
    .fromArrays(train)
    .batch(8)
    .map(async ({ x, y }) => {
      computed++;
      return { x: (await base.predict(x))[0], y };
    })
    .cache();
  const dense = () => layers.dense({ units: classes, activation: "softmax", name: "clip", inputShape: [1280] });
  const head = await engine.sequential([dense()], { seed: 1 });
  await head.compile({ optimizer: optimizers.adam({ learningRate: 0.01 }), loss, metrics: ["accuracy"] });
  const epochs = 20;
  let start = performance.now();
  await head.fit(features, { epochs });
  const headSeconds = (performance.now() - start) / 1000;

  // Base and head as one network, thawed, at a small rate.
  const net = await engine.sequential([base, head], { seed: 1 });
  await net.setTrainable(base.name, false);
  await net.compile({ optimizer: optimizers.adam({ learningRate: 1e-5 }), loss, metrics: ["accuracy"] });
  const frozen = await net.evaluate(held, { batchSize: 8 });
  await net.setTrainable(base.name, true);
  start = performance.now();
  await net.fit(train, { epochs: 1, batchSize: 8 });
  const thawedSeconds = (performance.now() - start) / 1000;
  const thawed = await net.evaluate(held, { batchSize: 8 });
  const { peakBytes, variableBytes } = await net.trainingMemory();
  const { variant } = engine.info;
  engine.dispose();
  return {
    variant,
    threads,
    weights: loaded.length,
    epochs,
    computed,
    headSeconds,
    thawedSeconds,
    peakBytes,
    variableBytes,
    seen: train.y.data.length,
    held: held.y.data.length,
    frozen: frozen.accuracy,
    thawed: thawed.accuracy,
  };
}

try {
  const page = await browser.newPage();
  await page.goto(`${server.origin}/isolated/`);
  const result = await page.evaluate(transfer, { seen, threads });
  console.log(
    `${result.weights} weights loaded; ${result.seen} frames to learn from, ${result.held} held out (${result.variant}, ${threads} thread(s))\n` +
      `head, ${result.epochs} epochs on features computed once (${result.computed} batches): ${result.headSeconds.toFixed(1)} s, ` +
      `${(100 * result.frozen).toFixed(1)} % of the held-out frames\n` +
      `then one epoch of the whole network: ${result.thawedSeconds.toFixed(1)} s, ${(100 * result.thawed).toFixed(1)} %`,
  );
  keep("transfer", browser, result);
  if (!(result.frozen >= 0.95 && result.thawed >= 0.95)) throw new Error("fewer than 95 % of the held-out frames");
} finally {
  await browser.close();
  await server.close();
}
