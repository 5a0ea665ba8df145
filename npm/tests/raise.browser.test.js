// Networks of graph files as layers in Chromium: on WebGPU they answer, learn and explain themselves as by WebAssembly, and as the
// models they were written from.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { worst } from "./models.js";
import { pages } from "./pages.js";
import { VENDOR } from "./photos.js";

const { inPage } = await pages({ "/models/": VENDOR });

const BACKENDS = [
  { backend: "wasm", variant: "simd" },
  { backend: "webgpu", allowSoftwareAdapter: true },
];

/** Holds numbers to numbers, by the largest of them. */
const close = (found, expected, part, what) => {
  const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
  assert.ok(worst(found, expected) < part * scale, `${what}: off by ${worst(found, expected)} of ${scale}`);
};

test("an ONNX file answers, explains itself and learns as the model that it was written from", async () => {
  const run = (options) =>
    inPage(async (options) => {
      const { gradCam, layers, striate } = await import("/dist/index.js");
      const engine = await striate(options);
      const original = await engine.sequential(
        [
          layers.conv2d({ filters: 6, kernelSize: 3, activation: "relu", inputShape: [12, 10, 3], name: "edges" }),
          layers.depthwiseConv2d({ kernelSize: 3, padding: "same" }),
          layers.maxPooling2d({ poolSize: 2, name: "maps" }),
          layers.globalAveragePooling2d(),
          layers.dense({ units: 4, activation: "softmax" }),
        ],
        { seed: 4 },
      );
      const raised = await engine.loadModel(await original.save("onnx"));
      const size = 360;
      const x = Float32Array.from({ length: 8 * size }, (_, i) => Math.sin(0.9 * i) * Math.cos(0.013 * i));
      const y = Int32Array.from({ length: 8 }, (_, i) => i % 4);
      const results = [];
      for (const model of [original, raised]) {
        const map = await gradCam(model, x.slice(0, size), { classIndex: 2 });
        const [before] = await model.predict(x);
        await model.compile({ optimizer: "adam", loss: "sparseCategoricalCrossentropy" });
        const { history } = await model.fit({ x, y }, { epochs: 3, batchSize: 4, shuffle: false });
        const [after] = await model.predict(x);
        results.push({
          names: model.layers.map(({ className }) => className),
          map: [...map.data],
          size: [map.width, map.height],
          before: [...before.data],
          after: [...after.data],
          loss: history.loss,
        });
      }
      const { backend } = await raised.report();
      engine.dispose();
      return { original: results[0], raised: results[1], backend };
    }, options);
  const wasm = await run(BACKENDS[0]);
  const webgpu = await run(BACKENDS[1]);
  assert.deepEqual([wasm.backend, webgpu.backend], ["wasm", "webgpu"]);
  for (const { original, raised } of [wasm, webgpu]) {
    for (const name of ["Conv2D", "DepthwiseConv2D", "Dense"])
      assert.ok(raised.names.includes(name), `${raised.names}`);
    assert.deepEqual(raised.size, original.size);
    assert.ok(Math.max(...original.map) > 1e-4, "there is something to explain");
    assert.ok(worst(original.before, original.after) > 1e-3, "training changes it");
    for (const what of ["map", "before", "after", "loss"]) close(raised[what], original[what], 1e-4, what);
  }
  for (const what of ["map", "before", "after", "loss"]) {
    close(webgpu.raised[what], wasm.raised[what], 1e-3, `${what} on WebGPU`);
  }
});

for (const options of BACKENDS) {
  test(`a published network on ${options.backend}: the matte of the file and of its layers`, {
    skip: !existsSync(join(VENDOR, "selfie_segmentation")) && "the network is not there",
  }, async () => {
    const { file, layered, learned, frozen } = await inPage(async (options) => {
      const { striate } = await import("/dist/index.js");
      const engine = await striate(options);
      const address = "/models/selfie_segmentation/selfie_segmentation.tflite";
      const [net, model] = [await engine.load(address), await engine.loadModel(address)];
      const data = Float32Array.from({ length: 256 * 256 * 3 }, (_, i) => 0.5 + 0.5 * Math.sin(i * 0.0007));
      const picture = { data, shape: [1, 256, 256, 3] };
      const [[a], [b]] = [await net.predict(picture), await model.predict(picture)];
      // Only the last convolution learns: that there is nobody.
      const last = model.layers.filter(({ params }) => params > 0).at(-1).name;
      await model.setTrainable(false);
      await model.setTrainable(last, true);
      const first = model.weights[0].name;
      const before = (await model.getWeight(first)).data;
      await model.compile({ optimizer: "sgd", loss: "meanSquaredError" });
      const y = { data: new Float32Array(256 * 256), shape: [1, 256, 256, 1] };
      const { history } = await model.fit({ x: picture, y }, { epochs: 2 });
      const after = (await model.getWeight(first)).data;
      engine.dispose();
      const some = (values) => [...values].filter((_, i) => i % 97 === 0);
      return {
        file: some(a.data),
        layered: some(b.data),
        learned: history.loss,
        frozen: before.every((value, i) => value === after[i]),
      };
    }, options);
    assert.ok(worst(layered, file) < 2e-5, `off by ${worst(layered, file)}`);
    assert.ok(learned[1] < learned[0], `${learned}`);
    assert.ok(frozen);
  });
}
