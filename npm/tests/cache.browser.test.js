// Models that are kept for the next time, in Chromium's own Cache API: without the network afterwards, whole or not at all.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { convModel, onnxModel, worst } from "./models.js";
import { pages } from "./pages.js";

const { model, input, expected } = onnxModel();
const conv = convModel();
const sum = (data) => createHash("sha256").update(Buffer.from(data)).digest("hex");

/** What the server has at the moment. */
let files;
const sound = () => ({
  "/m/net.onnx": Buffer.from(model),
  "/m/conv/model.json": Buffer.from(JSON.stringify(conv.json)),
  "/m/conv/kernel.bin": Buffer.from(conv.weights[0]),
  "/m/conv/bias.bin": Buffer.from(conv.weights[1]),
});
let down = false;
const routes = Object.fromEntries(
  Object.keys(sound()).map((path) => [
    path,
    (_, response) => {
      if (down) return response.destroy();
      response.writeHead(200, { "content-length": files[path].length, "cache-control": "no-store" });
      response.end(files[path]);
    },
  ]),
);
const { server, browser } = await pages({}, routes);

/** Runs a function in a page of a fresh profile, with `striate`, `modelCache`, and `ran` that loads, runs and tells how. */
async function inPage(run, { quota } = {}) {
  files = sound();
  down = false;
  const context = await browser.newContext();
  const page = await context.newPage();
  try {
    await page.goto(`${server.origin}/`);
    await page.exposeFunction("server", (change) => {
      if ("down" in change) down = change.down;
      for (const [path, bytes] of Object.entries(change.files ?? {})) files[path] = Buffer.from(bytes);
    });
    await page.exposeFunction("asked", (path) => server.count(path));
    if (quota !== undefined) {
      const session = await context.newCDPSession(page);
      await session.send("Storage.overrideQuotaForOrigin", { origin: server.origin, quotaSize: quota });
    }
    return await page.evaluate(
      async ([source, input, conv]) => {
        const { striate, modelCache } = await import("/dist/index.js");
        const engine = await striate({ backend: "wasm" });
        const steps = [];
        const ran = async (path, options) => {
          steps.length = 0;
          const net = await engine.load(path, { onProgress: (step) => steps.push(step), ...options });
          const tensor = path.endsWith(".onnx")
            ? { data: Float32Array.from(input), shape: [1, 1, 2, 3] }
            : Float32Array.from(conv);
          const [{ data }] = await net.predict(tensor);
          net.dispose();
          return [...data];
        };
        const caught = (work) =>
          work.then(
            () => undefined,
            ({ code, message }) => ({ code, message }),
          );
        const tools = { engine, modelCache, striate, ran, caught, steps, server: window.server, asked: window.asked };
        // biome-ignore lint/security/noGlobalEval: a test's own function.
        const result = await eval(`(${source})`)(tools);
        engine.dispose();
        return result;
      },
      [run.toString(), [...input], [...conv.input]],
    );
  } finally {
    await context.close();
  }
}

const right = (data) => worst(data, expected) < 1e-6;
const rightConv = (data) => worst(data, conv.expected) < 1e-5;

test("what was kept is there without the network, and is listed, measured and deleted", async () => {
  const seen = await inPage(async ({ ran, modelCache, server, steps, caught, asked }) => {
    const first = [await ran("/m/net.onnx", { cache: true }), await ran("/m/conv/model.json", { cache: "shards" })];
    const told = steps.filter((step) => step.stage === "cache");
    await server({ down: true });
    const before = await asked("/m/net.onnx");
    const second = [await ran("/m/net.onnx", { cache: true }), await ran("/m/conv/model.json", { cache: "shards" })];
    const bytes = steps.filter((step) => step.stage === "download").at(-1);
    const list = await modelCache.list();
    const sizes = [await modelCache.size(), await modelCache.size("shards"), await modelCache.size("nothing")];
    const requests = (await asked("/m/net.onnx")) - before;
    // Another name is another cache.
    const apart = await caught(ran("/m/net.onnx", { cache: "elsewhere" }));
    const deleted = [await modelCache.delete("/m/conv/model.json"), await modelCache.delete("/m/conv/model.json")];
    const left = (await modelCache.list()).map(({ url }) => new URL(url).pathname);
    await modelCache.clear();
    const gone = await caught(ran("/m/net.onnx", { cache: true }));
    const keys = await caches.keys();
    return { first, second, told, bytes, list, sizes, requests, apart, deleted, left, gone, keys, now: Date.now() };
  });
  for (const results of [seen.first, seen.second]) assert.ok(right(results[0]) && rightConv(results[1]));
  assert.equal(seen.requests, 0);
  const shards = Object.entries(sound()).filter(([path]) => path.includes("conv"));
  const total = shards.reduce((sum, [, bytes]) => sum + bytes.length, 0);
  assert.deepEqual(seen.told, [{ stage: "cache", loaded: total, total }]);
  assert.deepEqual(seen.bytes, { stage: "download", loaded: total, total });
  assert.deepEqual(seen.sizes, [model.length + total, total, 0]);
  const list = seen.list.map(({ url, bytes, cache }) => [new URL(url).pathname, bytes, cache]).sort();
  const want = [["/m/net.onnx", model.length, ""], ...shards.map(([path, bytes]) => [path, bytes.length, "shards"])];
  assert.deepEqual(list, want.sort());
  assert.ok(seen.list.every(({ date }) => Math.abs(seen.now - date) < 60_000));
  assert.ok(seen.list.filter(({ cache }) => cache).every(({ model }) => model.endsWith("/m/conv/model.json")));
  assert.equal(seen.apart.code, "network");
  assert.deepEqual([seen.deleted, seen.left], [[true, false], ["/m/net.onnx"]]);
  assert.equal(seen.gone.code, "network");
  assert.deepEqual(
    seen.keys.filter((key) => key.startsWith("striate")),
    [],
    "clear() leaves nothing",
  );
});

test("without the option nothing is kept", async () => {
  const keys = await inPage(async ({ ran }) => {
    await ran("/m/net.onnx", {});
    await ran("/m/net.onnx", { cache: false });
    return caches.keys();
  });
  assert.deepEqual(keys, []);
});

test("a kept file of an older version gives way to the one with the right hash", async () => {
  const newer = Buffer.from(model);
  // The producer's name: another file with the same numbers.
  newer[newer.indexOf("tests")] = 0x54;
  const script = `async ({ ran, server, asked, caught }) => {
    await ran("/m/net.onnx", { cache: true, sha256: "${sum(model)}" });
    await server({ files: { "/m/net.onnx": ${JSON.stringify([...newer])} } });
    const before = await asked("/m/net.onnx");
    const same = await ran("/m/net.onnx", { cache: true });
    const kept = (await asked("/m/net.onnx")) - before;
    const fresh = await ran("/m/net.onnx", { cache: true, sha256: "${sum(newer)}" });
    const fetched = (await asked("/m/net.onnx")) - before;
    await server({ down: true });
    const offline = await ran("/m/net.onnx", { cache: true, sha256: "${sum(newer)}" });
    const wrong = await caught(ran("/m/net.onnx", { cache: true, sha256: "${sum(model)}" }));
    return { same, kept, fresh, fetched, offline, wrong };
  }`;
  const { same, kept, fresh, fetched, offline, wrong } = await inPage({ toString: () => script });
  assert.ok(right(same) && right(fresh) && right(offline));
  assert.deepEqual([kept, fetched, wrong.code], [0, 1, "network"]);
});

test("broken files are not kept, and a new model.json does not meet old weights", async () => {
  const seen = await inPage(async ({ ran, server, modelCache, caught, asked }) => {
    await server({ files: { "/m/net.onnx": [8, 8, 0x12, 1, 65, 0x3a, 9, 1] } });
    const broken = await caught(ran("/m/net.onnx", { cache: true }));
    const left = await modelCache.size();
    // Only the description was lost: the weights are fetched with it.
    await ran("/m/conv/model.json", { cache: true });
    const cache = await caches.open("striate-models");
    await cache.delete("/m/conv/model.json");
    const before = await asked("/m/conv/kernel.bin");
    const data = await ran("/m/conv/model.json", { cache: true });
    const fetched = (await asked("/m/conv/kernel.bin")) - before;
    // An entry that some accident cut short is none.
    const [{ url }] = await modelCache.list();
    const whole = await cache.match(url);
    const bytes = await whole.arrayBuffer();
    await cache.put(url, new Response(bytes.slice(1), { headers: whole.headers }));
    const mended = await ran("/m/conv/model.json", { cache: true });
    return { broken, left, data, fetched, mended };
  });
  assert.equal(seen.broken.code, "invalid");
  assert.equal(seen.left, 0);
  assert.equal(seen.fetched, 1);
  assert.ok(rightConv(seen.data) && rightConv(seen.mended));
});

test("a full disk costs no model: it loads, nothing half is kept, and the page is told", async () => {
  const seen = await inPage(
    async ({ ran, modelCache, steps }) => {
      const data = await ran("/m/conv/model.json", { cache: true });
      return { data, told: steps.filter((step) => step.stage === "cache"), left: await modelCache.list() };
    },
    { quota: 1 },
  );
  assert.ok(rightConv(seen.data));
  assert.match(seen.told[0].warning, /model\.json was loaded, but not kept.*storage for this site is full/);
  assert.deepEqual([seen.told.length, seen.told[0].loaded, seen.left], [1, 0, []]);
});

test("in a worker, and of Keras' files and other addresses", async () => {
  const seen = await inPage(async ({ striate, caught, modelCache, server }) => {
    const code = `
      const { striate, modelCache } = await import("${location.origin}/dist/index.js");
      const engine = await striate({ backend: "wasm", worker: false });
      await engine.load("${location.origin}/m/net.onnx", { cache: "w" });
      postMessage((await modelCache.list("w")).length);`;
    const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })), { type: "module" });
    const inWorker = await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    });
    const engine = await striate({ backend: "wasm" });
    const steps = [];
    const blob = URL.createObjectURL(new Blob([await (await fetch("/m/net.onnx")).arrayBuffer()]));
    await engine.load(blob, { cache: true, onProgress: (step) => steps.push(step) });
    await engine.loadModel("/m/net.onnx", { cache: "layers" });
    const kept = await modelCache.list("layers");
    // What begins as HDF5 and is cut off.
    await server({ files: { "/m/net.onnx": [0x89, 0x48, 0x44, 0x46, 13, 10, 26, 10] } });
    const keras = await caught(engine.loadModel("/m/net.onnx", { cache: true }));
    engine.dispose();
    return {
      inWorker,
      warning: steps.find((step) => step.stage === "cache").warning,
      kept: kept.length,
      keras,
      left: await modelCache.size(""),
    };
  });
  assert.equal(seen.inWorker, 1);
  assert.match(seen.warning, /blob:/);
  assert.equal(seen.kept, 1, "graphs that become layers, too");
  assert.equal(seen.keras.code, "invalid");
  assert.equal(seen.left, 0);
});
