// Real digits, in Chromium: LeNet-5 learns them in the worker, on the CPU and, a few steps, on WebGPU.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pages } from "./pages.js";

const DIGITS = join(import.meta.dirname, "../../vendor/mnist");

assert.ok(existsSync(DIGITS), "vendor/mnist is missing: run `cargo xtask models`");
const { inPage } = await pages({ "/digits/": DIGITS });

/** In the page: LeNet-5 as its authors have it, on so many of each digit. */
async function learn({ backend, train, held, epochs, readEvery }) {
  const { layers, losses, optimizers, striate } = await import("/dist/index.js");
  const files = await Promise.all(
    Array.from({ length: 10 }, async (_, digit) => (await (await fetch(`/digits/${digit}.json`)).json()).data),
  );
  // 32 x 32, background -0.1, ink 1.175.
  const part = (from, count) => {
    const y = Int32Array.from({ length: 10 * count }, (_, i) => i % 10);
    const data = new Float32Array(y.length * 1024).fill(-0.1);
    for (let i = 0; i < y.length; i++) {
      const at = 784 * (from + Math.floor(i / 10));
      for (let j = 0; j < 784; j++) {
        const pixel = i * 1024 + (Math.floor(j / 28) + 2) * 32 + (j % 28) + 2;
        data[pixel] = files[i % 10][at + j] * 1.275 - 0.1;
      }
    }
    return { x: { data, shape: [y.length, 32, 32, 1] }, y };
  };
  const engine = await striate({ backend, allowSoftwareAdapter: true });
  // Its outputs are distances to a centre for each class: the nearest wins.
  const base = await engine.zoo.lenet5({ seed: 1, squared: true });
  const net = await engine.sequential([base, layers.lambda((x) => x.neg())], { seed: 1 });
  const loss = losses.sparseCategoricalCrossentropy({ fromLogits: true });
  await net.compile({ optimizer: optimizers.nadam({ learningRate: 0.002 }), loss, metrics: ["accuracy"] });
  const { history } = await net.fit(part(0, train), { epochs, batchSize: 32, readEvery });
  const { accuracy } = await net.evaluate(part(train, held));
  const { info } = engine;
  engine.dispose();
  return { history, accuracy, info };
}

test("LeNet-5 learns 1,500 of MNIST's digits in the worker, and knows nine in ten of 500 others", async () => {
  const { history, accuracy, info } = await inPage(learn, { backend: "wasm", train: 150, held: 50, epochs: 6 });
  assert.deepEqual([info.backend, info.worker], ["wasm", true]);
  console.log(`  accuracy ${accuracy}, losses ${history.loss.map((loss) => loss.toFixed(3)).join(" ")}`);
  assert.ok(accuracy >= 0.9, `${accuracy}`);
  assert.ok(history.loss[5] < 0.2 * history.loss[0], `${history.loss}`);
});

test("the same training goes the same way on WebGPU", async () => {
  const options = { train: 5, held: 2, epochs: 2 };
  const [cpu, gpu] = [
    await inPage(learn, { ...options, backend: "wasm" }),
    await inPage(learn, { ...options, backend: "webgpu" }),
  ];
  assert.equal(gpu.info.backend, "webgpu");
  for (const [epoch, loss] of cpu.history.loss.entries()) {
    assert.ok(Math.abs(loss - gpu.history.loss[epoch]) < 1e-4 * loss, `${cpu.history.loss} ${gpu.history.loss}`);
  }
  assert.equal(gpu.accuracy, cpu.accuracy);
});
