// What a long training must not do, in Chromium: grow, or come out differently the second time.
import assert from "node:assert/strict";
import { test } from "node:test";
import { pages } from "./pages.js";
import { digits } from "./samples.js";

const { server, browser } = await pages();

/** A page, isolated from others so that it may have threads, with `prepared` for the functions that run in it. */
async function open() {
  const page = await browser.newPage();
  await page.goto(`${server.origin}/isolated/`);
  const { x, y } = digits(96, 1);
  await page.evaluate(
    ({ x, y }) => {
      const samples = { x: Float32Array.from(x), y: Int32Array.from(y) };
      globalThis.prepared = async (options) => {
        const { layers, striate } = await import("/isolated/dist/index.js");
        const engine = await striate({ allowSoftwareAdapter: true, ...options });
        const net = await engine.sequential(
          [
            layers.conv2d({
              filters: 24,
              kernelSize: 3,
              padding: "same",
              activation: "relu",
              inputShape: [12, 12, 1],
            }),
            layers.conv2d({ filters: 24, kernelSize: 3, padding: "same", useBias: false }),
            layers.batchNormalization(),
            layers.maxPooling2d(),
            layers.flatten(),
            layers.dropout({ rate: 0.2 }),
            layers.dense({ units: 4, activation: "softmax", name: "digit" }),
          ],
          { seed: 7 },
        );
        await net.compile({ optimizer: "adam", loss: "sparseCategoricalCrossentropy", metrics: ["accuracy"] });
        return { engine, net, samples };
      };
    },
    { x: [...x], y: [...y] },
  );
  return page;
}

for (const [name, options, epochs] of [
  ["one thread", { backend: "wasm", threads: 1 }, 3],
  ["two threads", { backend: "wasm", threads: 2 }, 3],
  ["WebGPU", { backend: "webgpu" }, 1],
]) {
  test(`the same seed gives the same weights, bit for bit: ${name}`, async () => {
    const page = await open();
    const [first, second] = await page.evaluate(
      async ([options, epochs]) => {
        const once = async () => {
          const { engine, net, samples } = await globalThis.prepared(options);
          const { history } = await net.fit(samples, { epochs });
          const weights = Object.entries(await net.getWeights()).map(([name, { data }]) => [
            name,
            [...new Uint32Array(data.buffer, data.byteOffset, data.length)],
          ]);
          const { backend, threads } = engine.info;
          engine.dispose();
          return { weights: Object.fromEntries(weights), loss: history.loss, ran: { backend, threads } };
        };
        return [await once(), await once()];
      },
      [options, epochs],
    );
    await page.close();
    assert.deepEqual(first.ran, { threads: 1, ...options });
    assert.equal(Object.keys(first.weights).length, 9);
    assert.deepEqual(second, first);
  });
}

/** Bytes of JavaScript that are in use once all rubbish is gone. */
async function heap(page) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("HeapProfiler.collectGarbage");
  const { usedSize } = await devtools.send("Runtime.getHeapUsage");
  await devtools.detach();
  return usedSize;
}

test("1,000 steps on the CPU leave memory as it was after 100", async () => {
  const page = await open();
  await page.evaluate(async () => {
    // The engine lives in the page here, so that all of its memory can be seen.
    const memories = [];
    for (const name of ["instantiate", "instantiateStreaming"]) {
      const original = WebAssembly[name];
      WebAssembly[name] = async (...given) => {
        const result = await original.apply(WebAssembly, given);
        memories.push((result.instance ?? result).exports.memory);
        return result;
      };
    }
    const { net, samples } = await globalThis.prepared({ backend: "wasm", threads: 1, worker: false });
    const fit = (stepsPerEpoch) =>
      net.fit({ x: samples.x.slice(0, 8 * 144), y: samples.y.slice(0, 8) }, { stepsPerEpoch });
    globalThis.steps = async (count) => {
      await fit(count / 2);
      for (let i = 0; i < count / 2; i++) {
        await net.trainOnBatch({ x: samples.x.slice(0, 8 * 144), y: samples.y.slice(0, 8) });
      }
      return memories.map((memory) => memory.buffer.byteLength);
    };
  });
  const before = await page.evaluate(() => globalThis.steps(100));
  await page.evaluate(() => globalThis.steps(400));
  // Compiled code comes first.
  const used = await heap(page);
  const after = await page.evaluate(() => globalThis.steps(500));
  const grown = (await heap(page)) - used;
  await page.close();
  assert.ok(before.length > 0 && before.every((bytes) => bytes > 0), `${before}`);
  assert.deepEqual(after, before);
  // 200 bytes a step: less than any object that a step would leave.
  assert.ok(grown < 100_000, `${grown} bytes more of JavaScript`);
});

test("steps on WebGPU make no buffer, after the first ones", async () => {
  const page = await open();
  const counts = await page.evaluate(async () => {
    let [made, destroyed] = [0, 0];
    const { createBuffer } = GPUDevice.prototype;
    GPUDevice.prototype.createBuffer = function (...given) {
      made++;
      return createBuffer.apply(this, given);
    };
    const { destroy } = GPUBuffer.prototype;
    GPUBuffer.prototype.destroy = function () {
      destroyed++;
      return destroy.call(this);
    };
    const { engine, net, samples } = await globalThis.prepared({ backend: "webgpu", worker: false });
    const few = { x: samples.x.slice(0, 8 * 144), y: samples.y.slice(0, 8) };
    const counts = [];
    for (const stepsPerEpoch of [4, 16, 32]) {
      await net.fit(few, { stepsPerEpoch, readEvery: 4 });
      counts.push(made - destroyed);
    }
    engine.dispose();
    await new Promise((resolve) => setTimeout(resolve, 100));
    return { counts, made, left: made - destroyed };
  });
  await page.close();
  const [first, ...later] = counts.counts;
  assert.ok(first > 20, `${first}`);
  assert.deepEqual(later, [first, first], "alive");
  assert.equal(counts.left, 0, "after dispose");
});
