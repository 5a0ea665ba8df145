// A classifier on every window of a larger image, beside its fully convolutional form. In Node.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { layers, StriateError, striate } from "striate";
import { slidingWindow } from "striate/vision";
import { worst } from "./models.js";

let engine;
before(async () => {
  engine = await striate({ edition: "models" });
});
after(() => engine.dispose());

const noise = (n, k = 1) =>
  Float32Array.from({ length: n }, (_, i) => Math.sin(12.9898 * (i + 1) * k) * Math.cos(i * k));

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

test("a window that slides gives what the fully convolutional form gives", async (t) => {
  const net = await engine.sequential(
    [
      layers.conv2d({ filters: 6, kernelSize: 5, activation: "relu", inputShape: [28, 28, 1] }),
      layers.maxPooling2d({ poolSize: 2 }),
      layers.conv2d({ filters: 16, kernelSize: 5, activation: "relu" }),
      layers.maxPooling2d({ poolSize: 2 }),
      layers.flatten(),
      layers.dense({ units: 84, activation: "relu" }),
      layers.dense({ units: 10, activation: "softmax" }),
    ],
    { seed: 7 },
  );
  const full = await net.toFullyConvolutional();
  const image = { data: noise(76 * 60, 0.37), shape: [76, 60, 1] };
  const whole = { ...image, shape: [1, 76, 60, 1] };
  // Once for the compiling.
  await full.predict(whole);
  await slidingWindow(net, image, { stride: 4 });
  const time = async (work) => {
    const start = performance.now();
    const result = await work();
    return [result, performance.now() - start];
  };
  const [windows, slow] = await time(() => slidingWindow(net, image, { stride: 4 }));
  const [[once], fast] = await time(() => full.predict(whole));
  assert.deepEqual(windows.shape, [13, 9, 10]);
  assert.deepEqual(once.shape, [1, 13, 9, 10]);
  assert.ok(worst(windows.data, once.data) < 1e-5);
  t.diagnostic(
    `117 windows: ${slow.toFixed(1)} ms one by one, ${fast.toFixed(1)} ms at once (${(slow / fast).toFixed(1)} x)`,
  );
  // Other steps down and across, and a batch that does not divide the windows.
  const some = await slidingWindow(net, image, { stride: [8, 12], batchSize: 5 });
  assert.deepEqual(some.shape, [7, 3, 10]);
  for (let y = 0; y < 7; y++) {
    for (let x = 0; x < 3; x++) {
      const at = 10 * (2 * y * 9 + 3 * x);
      assert.ok(worst(some.data.subarray(10 * (3 * y + x), 10 * (3 * y + x + 1)), once.data.slice(at, at + 10)) < 1e-5);
    }
  }
  await fails(slidingWindow(full, image, { stride: 4 }), { code: "invalid", message: /window/ });
  await fails(slidingWindow(net, image, { stride: 0 }), { code: "invalid" });
  await fails(slidingWindow(net, image, { stride: 4, window: [80, 28] }), { code: "shape-mismatch" });
  await fails(slidingWindow(net, { data: [1], shape: [1] }, { stride: 4 }), { code: "shape-mismatch" });
  await fails(slidingWindow(net, image, { stride: 4, signal: AbortSignal.abort() }), { code: "aborted" });
});
