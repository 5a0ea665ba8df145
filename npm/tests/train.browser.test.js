// Training in Chromium: in the worker and in place, on both backends, stopped, restarted, saved.
import assert from "node:assert/strict";
import { test } from "node:test";
import { broken } from "./broken.js";
import { DIST, pages } from "./pages.js";
import { digits, points } from "./samples.js";

const { server, browser } = await pages({ "/broken/": DIST }, broken("simd-models"));

/** Runs a function in a fresh page, with the package, samples and an argument. */
async function inPage(run, argument) {
  const page = await browser.newPage();
  try {
    await page.goto(`${server.origin}/`);
    const plain = ({ x, y }) => ({ x: [...x], y: [...y] });
    const samples = [plain(digits(160, 1)), plain(points(64, 1))];
    return await page.evaluate(
      async ([source, samples, argument]) => {
        const striate = await import("/dist/index.js");
        const [digits, points] = samples.map(({ x, y }) => ({ x: Float32Array.from(x), y: Int32Array.from(y) }));
        const { layers } = striate;
        const cnn = (engine) =>
          engine.sequential(
            [
              layers.conv2d({ filters: 8, kernelSize: 3, activation: "relu", inputShape: [12, 12, 1] }),
              layers.maxPooling2d(),
              layers.flatten(),
              layers.dense({ units: 4, activation: "softmax", name: "digit" }),
            ],
            { seed: 7 },
          );
        const loss = "sparseCategoricalCrossentropy";
        // biome-ignore lint/security/noGlobalEval: a test's own function.
        return eval(`(${source})`)({ ...striate, digits, points, cnn, loss }, argument);
      },
      [run.toString(), samples, argument],
    );
  } finally {
    await page.close();
  }
}

test("learns in the worker what it learns in place, and the page stays free", async () => {
  const learn = async ({ striate, digits, cnn, loss, data, optimizers }, worker) => {
    const engine = await striate({ backend: "wasm", variant: "simd", worker });
    const net = await cnn(engine);
    await net.compile({ optimizer: optimizers.adam({ learningRate: 0.01 }), loss, metrics: ["accuracy"] });
    let [told, frames] = [0, 0];
    const timer = setInterval(() => frames++, 5);
    const { history } = await net.fit(digits, {
      epochs: 8,
      validationSplit: 0.25,
      callbacks: { onTrainBatchEnd: () => void told++ },
    });
    clearInterval(timer);
    // A dataset, whose functions stay on the page.
    const stream = data
      .fromArrays({ x: { data: digits.x, shape: [160, 12, 12, 1] }, y: digits.y })
      .batch(32)
      .prefetch(2);
    const streamed = await net.fit(stream, { epochs: 2 });
    const kernel = await net.getWeight("digit/kernel");
    const { accuracy } = await net.evaluate(digits);
    const { info } = engine;
    engine.dispose();
    // What was lent is still there.
    const kept = digits.x.length;
    return { history, streamed: streamed.history, kernel: [...kernel.data], accuracy, told, frames, kept, info };
  };
  const [inside, here] = [await inPage(learn, true), await inPage(learn, false)];
  assert.deepEqual([inside.info.worker, here.info.worker, inside.kept], [true, false, 160 * 144]);
  assert.deepEqual(inside.kernel, here.kernel);
  assert.deepEqual(inside.history, here.history);
  assert.deepEqual(inside.streamed, here.streamed);
  assert.ok(inside.accuracy > 0.9, `${inside.accuracy}`);
  assert.ok(inside.told >= 8 && here.told === 8 * 4, `${inside.told} ${here.told}`);
  assert.ok(here.frames > 0, "timers run between the steps");
});

test("stops in the worker in the midst of an epoch, and saves the best weights in IndexedDB", async () => {
  const result = await inPage(async ({ striate, digits, cnn, loss, callbacks, stores }) => {
    const engine = await striate({ backend: "wasm", variant: "simd" });
    const net = await cnn(engine);
    await net.compile({ optimizer: "adam", loss });
    const controller = new AbortController();
    // Batches of one sample: an epoch is long, and there are many of them.
    const fit = net.fit(digits, { batchSize: 1, epochs: 1000, signal: controller.signal });
    setTimeout(() => controller.abort(), 300);
    const start = performance.now();
    const code = await fit.catch((error) => error.code);
    const waited = performance.now() - start;
    const { loss: before } = await net.evaluate(digits);
    const checkpoint = callbacks.modelCheckpoint({ key: "bars", monitor: "loss", saveBestOnly: true });
    const { history } = await net.fit(digits, { epochs: 3, callbacks: checkpoint });
    const saved = await stores.indexedDb().get("bars");
    const other = await cnn(engine);
    await other.setWeights(saved.weights);
    await other.compile({ loss });
    const keys = await stores.indexedDb().keys();
    return { code, waited, before, history, saved: saved.epoch, keys, after: await other.evaluate(digits) };
  });
  assert.equal(result.code, "aborted");
  assert.ok(result.waited < 5000, `${result.waited}`);
  assert.ok(result.before > 0 && result.before < 2, `${result.before}`);
  assert.deepEqual(
    [result.keys, result.saved],
    [["bars"], result.history.loss.indexOf(Math.min(...result.history.loss))],
  );
  assert.ok(result.after.loss <= result.history.loss[2] * 1.01, JSON.stringify(result));
});

test("weights are kept in files of the site's own", async () => {
  const result = await inPage(async ({ striate, digits, cnn, loss, callbacks, stores }) => {
    const engine = await striate({ backend: "wasm", variant: "simd", worker: false });
    const net = await cnn(engine);
    await net.compile({ optimizer: "adam", loss });
    const store = stores.opfs("checks");
    const key = "run 1/best.of all";
    const missing = await store.get(key);
    await net.fit(digits, { epochs: 2, callbacks: callbacks.modelCheckpoint({ key, store }) });
    const saved = await stores.opfs("checks").get(key);
    const [now, then] = [await net.getWeights(), saved.weights];
    const equal = Object.entries(now).every(
      ([name, { shape, data }]) => `${shape}` === `${then[name].shape}` && `${data}` === `${then[name].data}`,
    );
    // Cut off, as by a full disk.
    const root = await navigator.storage.getDirectory();
    const file = await (await root.getDirectoryHandle("checks")).getFileHandle("broken", { create: true });
    const writable = await file.createWritable();
    await writable.write(Uint8Array.of(200, 0, 0, 0, 123));
    await writable.close();
    const error = await store.get("broken").catch(({ code, message }) => ({ code, message }));
    const keys = (await store.keys()).sort();
    await store.delete(key);
    await store.delete(key);
    engine.dispose();
    return {
      missing,
      epoch: saved.epoch,
      names: Object.keys(now).length,
      equal,
      keys,
      left: await store.keys(),
      error,
    };
  });
  assert.deepEqual([result.missing, result.epoch, result.equal], [undefined, 1, true]);
  assert.ok(result.names >= 4);
  assert.deepEqual([result.keys, result.left], [["broken", "run 1/best.of all"], ["broken"]]);
  assert.equal(result.error.code, "invalid");
  assert.match(result.error.message, /"broken"/);
});

test("a fault inside does not lose what fit has learned, nor what the model was compiled for", async () => {
  for (const worker of [true, false]) {
    const result = await inPage(async ({ striate, points, layers, losses, callbacks }, worker) => {
      const engine = await striate({ backend: "wasm", variant: "simd", worker, assets: "/broken/" });
      const net = await engine.sequential([layers.dense({ units: 2, inputShape: [2], name: "out" })], { seed: 3 });
      await net.compile({ optimizer: "sgd", loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }) });
      await net.fit(points, { epochs: 3 });
      const values = async () => [...(await net.getWeight("out/kernel")).data];
      const before = await values();
      const poison = () => net.predict(Float32Array.of(666, 0)).catch((error) => error.code);
      const code = await poison();
      const after = await values();
      const { loss } = await net.trainOnBatch(points);
      // In the midst of a fit the fit is over: it would go on with other weights.
      const lost = await net
        .fit(points, { epochs: 5, callbacks: { onTrainBatchEnd: async () => void (await poison()) } })
        .then(
          () => "nothing thrown",
          (error) => error.message,
        );
      const { history } = await net.fit(points, { epochs: 2, callbacks: callbacks.earlyStopping({ monitor: "loss" }) });
      engine.dispose();
      return { before, after, code, loss, lost, epochs: history.loss.length };
    }, worker);
    assert.match(result.code, /internal|resource/);
    assert.deepEqual(result.after, result.before);
    assert.ok(result.loss > 0);
    assert.match(result.lost, /had to restart|stopped/);
    assert.equal(result.epochs, 2);
  }
});

test("learns on WebGPU as on the CPU", async () => {
  const learn = async ({ striate, points, layers, losses }, backend) => {
    const engine = await striate({ backend, variant: "simd", allowSoftwareAdapter: true });
    const net = await engine.sequential(
      [layers.dense({ units: 8, activation: "tanh", inputShape: [2] }), layers.dense({ units: 2, name: "out" })],
      { seed: 3 },
    );
    const loss = losses.sparseCategoricalCrossentropy({ fromLogits: true });
    await net.compile({ optimizer: "adam", loss, metrics: ["accuracy"] });
    const { history } = await net.fit(points, { epochs: 3 });
    const kernel = await net.getWeight("out/kernel");
    // A step that breaks is called off there, too.
    await net.setWeights({ "out/bias": [1e38, -1e38], "dense/bias": new Array(8).fill(3e38) });
    const held = await net.getWeight("dense/kernel");
    const x = Float32Array.from(points.x).fill(Number.POSITIVE_INFINITY, 0, 1);
    const error = await net.trainOnBatch({ ...points, x }).catch(({ layer, code }) => ({ layer, code }));
    const same = (await net.getWeight("dense/kernel")).data.every((value, i) => value === held.data[i]);
    engine.dispose();
    return { history, kernel: [...kernel.data], error, same };
  };
  const [cpu, gpu] = [await inPage(learn, "wasm"), await inPage(learn, "webgpu")];
  const off = (a, b) => Math.max(...a.map((value, i) => Math.abs(value - b[i])));
  assert.ok(off(cpu.kernel, gpu.kernel) < 1e-4, `${cpu.kernel} ${gpu.kernel}`);
  assert.ok(off(cpu.history.loss, gpu.history.loss) < 1e-4);
  assert.deepEqual([cpu.error, cpu.same], [{ layer: "input_layer", code: "invalid" }, true]);
  assert.deepEqual([gpu.error, gpu.same], [cpu.error, true]);
});
