// Keras' files in Chromium: in the worker and in place, fetched and chosen, after a fault, on WebGPU.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { broken } from "./broken.js";
import { worst } from "./models.js";
import { DIST, pages } from "./pages.js";

const DATA = join(import.meta.dirname, "../../tests/data/keras");
const nested = JSON.parse(readFileSync(join(DATA, "nested.json"), "utf8"));

const { server, browser } = await pages({ "/broken/": DIST, "/files/": DATA }, broken("simd-models"));

/** Runs a function in a fresh page, with the package, the inputs of the nested network, and an argument. */
async function inPage(run, argument) {
  const page = await browser.newPage();
  try {
    await page.goto(`${server.origin}/`);
    return await page.evaluate(
      async ([source, given, argument]) => {
        const striate = await import("/dist/index.js");
        const inputs = given.map(({ values, shape }) => ({ data: Float32Array.from(values), shape }));
        const outputs = async (net) => (await net.predict(inputs)).map(({ data }) => [...data]);
        // biome-ignore lint/security/noGlobalEval: a test's own function.
        return eval(`(${source})`)({ ...striate, inputs, outputs }, argument);
      },
      [run.toString(), nested.inputs, argument],
    );
  } finally {
    await page.close();
  }
}

function isRight(outputs, tolerance = 5e-5) {
  assert.equal(outputs.length, nested.outputs.length);
  for (const [i, { values }] of nested.outputs.entries()) assert.ok(worst(outputs[i], values) < tolerance, `${i}`);
}

test("loads, saves and loads again, in the worker and in place; the module is fetched when it is needed", async () => {
  for (const worker of [true, false]) {
    const asked = () => server.count("/dist/wasm/keras/keras_bg.wasm");
    const before = asked();
    const bare = await inPage(async ({ striate, layers }, worker) => {
      const engine = await striate({ backend: "wasm", variant: "simd", worker });
      const net = await engine.sequential([layers.dense({ units: 2, inputShape: [3] })]);
      engine.dispose();
      return net.countParams();
    }, worker);
    assert.deepEqual([bare, asked()], [8, before], "who opens no file does not fetch it");

    const result = await inPage(async ({ striate, outputs }, worker) => {
      const engine = await striate({ backend: "wasm", variant: "simd", worker });
      const steps = [];
      const net = await engine.loadModel("/files/nested.keras", { onProgress: (step) => steps.push(step) });
      const file = await net.save("keras");
      const copy = await engine.loadModel(file);
      const tfjs = await engine.loadModel(await net.save("tfjs"));
      const result = { first: await outputs(net), copy: await outputs(copy), tfjs: await outputs(tfjs) };
      engine.dispose();
      return { ...result, file: [file.name, file.size > 10_000], last: steps.at(-1) };
    }, worker);
    isRight(result.first);
    assert.deepEqual([result.copy, result.tfjs], [result.first, result.first]);
    assert.deepEqual(result.file, ["nested.keras", true]);
    assert.equal(result.last.loaded, result.last.total);
    assert.equal(asked(), before + 1);
  }
});

test("after a fault inside, loaded networks and loaded weights are there again", async () => {
  for (const worker of [true, false]) {
    const result = await inPage(async ({ striate, inputs, outputs }, worker) => {
      const engine = await striate({ backend: "wasm", variant: "simd", worker, assets: "/broken/" });
      const net = await engine.loadModel("/files/nested.h5");
      const other = await engine.loadModel("/files/nested.keras");
      // Other weights, then those of the file once more: what counts is what came last.
      await other.setWeight("stem/bias", [9, 9, 9, 9]);
      await other.loadWeights("/files/nested.weights.h5");
      const poison = inputs.map(({ data, shape }) => ({ data: new Float32Array(data.length).fill(666), shape }));
      const code = await net.predict(poison).catch((error) => error.code);
      const result = { code, net: await outputs(net), other: await outputs(other) };
      engine.dispose();
      return result;
    }, worker);
    assert.match(result.code, /internal|resource/);
    isRight(result.net);
    isRight(result.other);
  }
});

test("on WebGPU it computes what Keras computes", async () => {
  const result = await inPage(async ({ striate, outputs }) => {
    const engine = await striate({ backend: "webgpu", allowSoftwareAdapter: true });
    const net = await engine.loadModel("/files/nested.keras");
    const result = await outputs(net);
    engine.dispose();
    return result;
  });
  isRight(result, 1e-3);
});

test("loading stops by its signal, and errors leave the engine at work", async () => {
  const result = await inPage(async ({ striate, outputs }) => {
    const engine = await striate({ backend: "wasm", variant: "simd" });
    const code = (work) =>
      work.then(
        () => "nothing thrown",
        (error) => error.code,
      );
    const signal = AbortSignal.abort();
    const codes = [
      await code(engine.loadModel("/files/nested.keras", { signal })),
      await code(engine.loadModel("/files/none.keras")),
      await code(engine.loadModel("/files/hdf5-latest.h5")),
    ];
    const net = await engine.loadModel("/files/nested.keras");
    codes.push(await code(net.loadWeights("/files/hdf5-v108.h5")));
    const result = { codes, right: await outputs(net) };
    engine.dispose();
    return result;
  });
  assert.deepEqual(result.codes, ["aborted", "network", "invalid", "shape-mismatch"]);
  isRight(result.right);
});
