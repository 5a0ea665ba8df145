// Where a network looks, in Chromium: the worker and WebGPU say what the wasm backend in place says.
import assert from "node:assert/strict";
import { test } from "node:test";
import { worst } from "./models.js";
import { pages } from "./pages.js";

const { server, browser } = await pages();

test("on WebGPU and in the worker the map is the same, after training, too", async () => {
  const page = await browser.newPage();
  await page.goto(`${server.origin}/`);
  const look = (options) =>
    page.evaluate(async (options) => {
      const { gradCam, layers, striate } = await import("/dist/index.js");
      const engine = await striate({ allowSoftwareAdapter: true, ...options });
      const net = await engine.sequential(
        [
          layers.conv2d({ filters: 6, kernelSize: 3, activation: "relu", inputShape: [10, 9, 3] }),
          layers.maxPooling2d({ poolSize: 2, name: "maps" }),
          layers.batchNormalization(),
          layers.flatten(),
          layers.dense({ units: 4, activation: "softmax" }),
        ],
        { seed: 4 },
      );
      const x = Float32Array.from({ length: 8 * 270 }, (_, i) => Math.sin(0.9 * i));
      const maps = [await gradCam(net, x.slice(0, 270), { layer: "maps", classIndex: 2 })];
      await net.compile({ optimizer: "sgd", loss: "sparseCategoricalCrossentropy" });
      await net.fit({ x, y: Int32Array.from({ length: 8 }, (_, i) => i % 4) }, { epochs: 3, shuffle: false });
      maps.push(await gradCam(net, x.slice(0, 270), { layer: "maps", classIndex: 2 }));
      engine.dispose();
      return maps.map(({ data, ...map }) => ({ ...map, data: [...data] }));
    }, options);
  const expected = await look({ backend: "wasm", variant: "simd", worker: false });
  assert.deepEqual([expected[0].width, expected[0].height, expected[0].layer], [3, 4, "maps"]);
  assert.ok(Math.max(...expected[0].data) > 1e-3);
  assert.ok(worst(expected[0].data, expected[1].data) > 1e-4, "training changes it");
  for (const options of [{ backend: "wasm", variant: "simd" }, { backend: "webgpu" }]) {
    const found = await look(options);
    for (const [i, { data, score }] of found.entries()) {
      const largest = Math.max(...expected[i].data);
      assert.ok(worst(data, expected[i].data) < 1e-3 * largest, `${options.backend}: ${data}`);
      assert.ok(Math.abs(score - expected[i].score) < 1e-4);
    }
  }
  await page.close();
});
