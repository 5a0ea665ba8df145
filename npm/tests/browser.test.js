// The package in Chromium: every binary, worker and in place, WebGPU, pictures of every kind, and every error.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { broken } from "./broken.js";
import { convModel, modelRoutes, worst } from "./models.js";
import { DIST, pages } from "./pages.js";
import { expectedBoxes, IMAGES, missingBox, VENDOR } from "./photos.js";
import { page as html } from "./server.js";

const folders = {
  "/vendor/": VENDOR,
  "/images/": IMAGES,
  "/html/wasm/relaxed-files/": `${DIST}/wasm/relaxed-files/`,
  "/broken/": DIST,
};
const { server, browser } = await pages(folders, {
  ...modelRoutes(),
  ...broken("relaxed-files", "relaxed-models"),
  // The classic: a server's page for whatever it does not know, with status 200.
  "/html/wasm/relaxed-files/striate_bg.wasm": (_, response) => html(response),
  "/html/worker.js": (_, response) => html(response),
});

/**
 * Runs a function in a fresh page, with `striate` (the package), `convModel()`'s data as `conv`, and an argument.
 * `isolated` gives the page the headers that threads need; `before` runs in the page before all else.
 */
async function inPage(run, argument, { isolated = false, before } = {}) {
  const page = await browser.newPage();
  try {
    if (before) await page.addInitScript(before);
    await page.goto(`${server.origin}${isolated ? "/isolated" : ""}/`);
    const { json, weights, input, expected } = convModel();
    const plain = { json, weights: weights.map((part) => [...new Uint8Array(part)]), input: [...input], expected };
    return await page.evaluate(
      async ([source, plain, argument, base]) => {
        const striate = await import(`${base}/dist/index.js`);
        const weights = plain.weights.map((bytes) => Uint8Array.from(bytes).buffer);
        const conv = { ...plain, weights, input: Float32Array.from(plain.input) };
        // An error as an object that can leave the page.
        const caught = async (work) => {
          try {
            await (typeof work === "function" ? work() : work);
            return { name: "nothing thrown" };
          } catch (error) {
            const { name, code, message, layer, expected, received } = error;
            return { ours: error instanceof striate.StriateError, name, code, message, layer, expected, received };
          }
        };
        // biome-ignore lint/security/noGlobalEval: a test's own function.
        return eval(`(${source})`)({ ...striate, conv, caught, base }, argument);
      },
      [run.toString(), plain, argument, `${server.origin}${isolated ? "/isolated" : ""}`],
    );
  } finally {
    await page.close();
  }
}

/** Loads and runs the small network; its result and what it ran on. */
const runConv = async ({ striate, conv }, options) => {
  const engine = await striate(options);
  const net = await engine.load(conv);
  const [{ data }] = await net.predict(conv.input);
  const report = await net.report();
  const { info } = engine;
  engine.dispose();
  return { info, data: [...data], backend: report.backend };
};

describe("binaries and places", () => {
  const { expected } = convModel();
  for (const worker of [true, false]) {
    test(`relaxed SIMD, ${worker ? "in a worker" : "in place"}`, async () => {
      const { info, data } = await inPage(runConv, { backend: "wasm", worker });
      assert.deepEqual([info.variant, info.threads, info.worker, info.backend], ["relaxed", 1, worker, "wasm"]);
      assert.ok(worst(data, expected) < 1e-5, `${data}`);
    });
  }

  test("threads on an isolated page", async () => {
    const { info, data } = await inPage(runConv, { backend: "wasm", threads: 2 }, { isolated: true });
    assert.deepEqual([info.variant, info.threads, info.notes], ["threads", 2, []]);
    assert.ok(worst(data, expected) < 1e-5, `${data}`);
  });

  test("threads asked for where they cannot be: one thread, and a note that says why", async () => {
    const open = await inPage(runConv, { backend: "wasm", threads: 2 });
    assert.equal(open.info.variant, "relaxed");
    assert.match(open.info.notes.join(), /cross-origin isolated/);
    const window = await inPage(runConv, { backend: "wasm", threads: 2, worker: false }, { isolated: true });
    assert.match(window.info.notes.join(), /worker/);
    assert.ok(worst(window.data, expected) < 1e-5);
  });

  test("plain SIMD where there is no relaxed SIMD", async () => {
    const noRelaxed = () => {
      const { validate } = WebAssembly;
      WebAssembly.validate = (bytes) => !bytes.join().includes("253,128,2") && validate(bytes);
    };
    const { info, data } = await inPage(runConv, { backend: "wasm", worker: false }, { before: noRelaxed });
    assert.equal(info.variant, "simd");
    assert.ok(worst(data, expected) < 1e-5);
    const asked = await inPage(runConv, { backend: "wasm", variant: "simd", threads: 2 }, { isolated: true });
    assert.equal(asked.info.variant, "simd");
    assert.ok(worst(asked.data, expected) < 1e-5);
  });

  test("WebGPU on the software adapter, in a worker and in place", async () => {
    for (const worker of [true, false]) {
      const options = { backend: "webgpu", allowSoftwareAdapter: true, worker };
      const { info, data, backend } = await inPage(runConv, options);
      assert.deepEqual([info.backend, info.adapter.software, backend], ["webgpu", true, "webgpu"]);
      assert.ok(worst(data, expected) < 1e-4, `${data}`);
    }
  });

  test("a lost GPU is had again, the call answered, and the page told", async () => {
    const keepDevices = () => {
      const { requestDevice } = GPUAdapter.prototype;
      globalThis.devices = [];
      GPUAdapter.prototype.requestDevice = async function (...descriptor) {
        const device = await requestDevice.apply(this, descriptor);
        globalThis.devices.push(device);
        return device;
      };
    };
    const result = await inPage(
      async ({ striate, conv }) => {
        const engine = await striate({ backend: "webgpu", allowSoftwareAdapter: true, worker: false });
        let losses = 0;
        engine.addEventListener("devicelost", () => losses++);
        const net = await engine.load(conv);
        await net.predict(conv.input);
        const device = globalThis.devices.at(-1);
        device.destroy();
        await device.lost;
        const [{ data }] = await net.predict(conv.input);
        const again = await net.predict(conv.input);
        return { data: [...data], again: [...again[0].data], losses, devices: globalThis.devices.length };
      },
      undefined,
      { before: keepDevices },
    );
    assert.ok(worst(result.data, expected) < 1e-4 && worst(result.again, expected) < 1e-4, `${result.data}`);
    assert.deepEqual([result.losses, result.devices], [1, 2]);
  });

  test("auto never takes a software adapter, and webgpu refuses it unless allowed", async () => {
    const { info } = await inPage(runConv, {});
    assert.equal(info.backend, "wasm");
    assert.match(info.notes.join(), /software adapter/);
    const error = await inPage(({ striate, caught }) => caught(striate({ backend: "webgpu" })));
    assert.deepEqual([error.ours, error.code], [true, "unsupported"]);
  });

  test("a page downloads one binary", async () => {
    const page = await browser.newPage();
    const binaries = [];
    page.on("request", (request) => request.url().endsWith(".wasm") && binaries.push(request.url()));
    await page.goto(`${server.origin}/`);
    await page.evaluate(async () => (await (await import("/dist/index.js")).striate()).dispose());
    await page.close();
    assert.equal(binaries.length, 1, binaries.join());
  });
});

describe("networks built here", () => {
  const build = async ({ striate, layers, input, caught }, options) => {
    const engine = await striate(options);
    const conv = layers.conv2d({
      filters: 5,
      kernelSize: 3,
      padding: "same",
      activation: "relu",
      inputShape: [6, 7, 3],
    });
    const rest = [layers.batchNormalization(), layers.flatten(), layers.dense({ units: 4, activation: "softmax" })];
    const net = await engine.sequential([conv, ...rest], { seed: 7 });
    const pixels = Float32Array.from({ length: 126 * 5 }, (_, i) => Math.sin(i));
    const steps = [];
    const [all] = await net.predict(pixels, { batchSize: 2, onProgress: ({ loaded }) => steps.push(loaded) });
    const kernel = (await net.getWeight("dense/kernel")).data;
    const given = Float32Array.of(9, 8, 7, 6);
    await net.setWeight("dense/bias", given);
    const bias = (await net.getWeight("dense/bias")).data;
    const odd = layers.dense({ units: 0 });
    const error = await caught(engine.model({ inputs: net.apply(input({ shape: [6, 7, 3] })), outputs: [] }));
    const wrong = await caught(engine.sequential([conv, odd]));
    const svg = new DOMParser().parseFromString(net.plot(), "image/svg+xml");
    const names = [...svg.querySelectorAll("text")].map((text) => text.textContent);
    const result = {
      shape: all.shape,
      data: [...all.data],
      kernel: [...kernel],
      bias: [...bias],
      svg: svg.documentElement.nodeName,
    };
    engine.dispose();
    return { ...result, steps, error, wrong, names, kept: [given.length, pixels.length] };
  };

  test("compute the same in a worker, in place and on WebGPU", async () => {
    const places = [
      { backend: "wasm", worker: true },
      { backend: "wasm", worker: false },
      { backend: "webgpu", allowSoftwareAdapter: true },
    ];
    const [first, ...others] = await Promise.all(places.map((options) => inPage(build, options)));
    assert.deepEqual(
      [first.shape, first.steps, first.bias, first.kept],
      [
        [5, 4],
        [2, 4, 5],
        [9, 8, 7, 6],
        [4, 630],
      ],
    );
    assert.equal(first.svg, "svg");
    for (const name of ["conv2d", "batch_normalization", "flatten", "dense"])
      assert.ok(first.names.includes(name), name);
    assert.deepEqual([first.error.ours, first.error.code], [true, "invalid"]);
    assert.deepEqual([first.wrong.ours, first.wrong.layer, first.wrong.received], [true, "dense", "[0]"]);
    for (const other of others) {
      assert.deepEqual(other.kernel, first.kernel);
      assert.ok(worst(other.data, first.data) < 1e-5, `${other.data} ${first.data}`);
    }
  });
});

describe("errors, and the engine working afterwards", () => {
  /** Does something bad with an engine and a network, then runs a good one on the same engine. */
  const survive = async (bad, options = {}) => {
    const result = await inPage(
      async ({ striate, conv, caught, base }, [bad, options]) => {
        const engine = await striate({ backend: "wasm", ...options });
        const net = await engine.load(conv);
        // biome-ignore lint/security/noGlobalEval: a test's own function.
        const error = await caught(() => eval(`(${bad})`)({ striate, engine, net, conv, base, caught }));
        const before = await net.predict(conv.input);
        const after = await (await engine.load(`${base}/models/conv/model.json`)).predict(conv.input);
        return { error, data: [...before[0].data], fresh: [...after[0].data] };
      },
      [bad.toString(), options],
    );
    const { expected } = convModel();
    assert.ok(worst(result.data, expected) < 1e-5 && worst(result.fresh, expected) < 1e-5, "works afterwards");
    assert.ok(result.error.ours, `not a StriateError: ${JSON.stringify(result.error)}`);
    return result.error;
  };

  test("models that are missing, cut off, HTML, or not supported", async () => {
    const load = (name) => new Function("tools", `return tools.engine.load(tools.base + "/models/${name}/model.json")`);
    const errors = {};
    for (const name of ["gone", "cut", "short", "html", "odd"]) errors[name] = await survive(load(name));
    assert.deepEqual(
      [errors.gone.code, /404.*text\/html/.test(errors.gone.message)],
      ["network", true],
      errors.gone.message,
    );
    assert.deepEqual([errors.cut.code, /JSON/.test(errors.cut.message)], ["invalid", true], errors.cut.message);
    assert.match(errors.short.message, /cut off/);
    assert.deepEqual([errors.html.code, /HTML/.test(errors.html.message)], ["network", true], errors.html.message);
    assert.deepEqual([errors.odd.code, errors.odd.layer], ["unsupported", "conv"], errors.odd.message);
  });

  test("a server that fails twice is asked a third time; one that says no is not", async () => {
    const progress = await inPage(async ({ striate, base }) => {
      const engine = await striate({ backend: "wasm" });
      const steps = [];
      await engine.load(`${base}/models/flaky/model.json`, { onProgress: (step) => steps.push(step) });
      engine.dispose();
      return steps;
    });
    assert.equal(server.count("/models/flaky/model.json"), 3);
    const bytes = progress.filter((step) => step.stage === "download");
    assert.ok(bytes.length > 0 && bytes.every((step, i) => i === 0 || step.loaded >= bytes[i - 1].loaded));
    assert.ok(progress.some((step) => step.stage === "compile"));
    const before = server.count("/models/gone/model.json");
    await survive(({ engine, base }) => engine.load(`${base}/models/gone/model.json`));
    assert.equal(server.count("/models/gone/model.json"), before + 1);
  });

  test("wrong shapes and sources", async () => {
    const shape = await survive(({ net }) => net.predict({ data: new Float32Array(36), shape: [1, 6, 6, 1] }));
    assert.deepEqual([shape.name, shape.code, shape.layer], ["ShapeMismatchError", "shape-mismatch", "x"]);
    assert.match(shape.expected, /5/);
    assert.match(shape.received, /6/);
    assert.equal((await survive(({ net }) => net.predict("picture"))).code, "invalid");
    assert.equal((await survive(({ engine }) => engine.load([]))).code, "invalid");
  });

  test("aborting in the middle of a download", async () => {
    const error = await survive(async ({ engine, base }) => {
      const stop = new AbortController();
      setTimeout(() => stop.abort(), 100);
      await engine.load(`${base}/models/slow/model.json`, { signal: stop.signal });
    });
    assert.deepEqual([error.name, error.code], ["AbortedError", "aborted"]);
  });

  test("a fault inside restarts the engine; networks come back by themselves", async () => {
    for (const worker of [true, false]) {
      for (const poison of [666, 667]) {
        const result = await inPage(
          async ({ striate, conv, caught, base }, [worker, poison]) => {
            const engine = await striate({ backend: "wasm", worker, assets: `${base}/broken/` });
            let restarts = 0;
            engine.addEventListener("restart", () => restarts++);
            const net = await engine.load(conv);
            const error = await caught(net.predict(new Float32Array(25).fill(poison)));
            const [{ data }] = await net.predict(conv.input);
            engine.dispose();
            return { error, data: [...data], restarts };
          },
          [worker, poison],
        );
        assert.deepEqual([result.error.ours, result.restarts], [true, 1], JSON.stringify(result.error));
        assert.match(result.error.code, /internal|resource/);
        assert.ok(worst(result.data, convModel().expected) < 1e-5);
      }
    }
  });

  test("a fault inside does not lose a network that was built here, nor the weights it was given", async () => {
    for (const worker of [true, false]) {
      const result = await inPage(async ({ striate, layers, input, caught, base }, worker) => {
        const engine = await striate({ backend: "wasm", worker, assets: `${base}/broken/` });
        let restarts = 0;
        engine.addEventListener("restart", () => restarts++);
        const dense = (units, name) => layers.dense({ units, name, inputShape: [3] });
        const inner = await engine.sequential([dense(4, "deep")], { name: "inner" });
        const x = input({ shape: [3] });
        const net = await engine.model({ inputs: x, outputs: dense(2, "head").apply(inner.apply(x)) });
        await net.setWeight("head/bias", [5, -5]);
        await net.setTrainable("inner/deep", false);
        const values = async () =>
          Object.entries(await net.getWeights()).map(([name, { data }]) => [name, ...data].join(" "));
        const [weights, given] = [await values(), Float32Array.of(1, 2, 3)];
        const [before] = await net.predict(given);
        const error = await caught(net.predict(Float32Array.of(666, 0, 0)));
        const [after] = await net.predict(given);
        const state = { weights, again: await values(), trainable: net.summary({ data: true }).params.trainable };
        engine.dispose();
        return { ...state, before: [...before.data], after: [...after.data], error, restarts, kept: given.length };
      }, worker);
      assert.deepEqual([result.error.ours, result.restarts, result.kept], [true, 1, 3], JSON.stringify(result.error));
      assert.deepEqual(result.again, result.weights);
      assert.deepEqual(result.after, result.before);
      assert.equal(result.trainable, 10);
    }
  });

  test("HTML in place of the binary or the worker", async () => {
    const start = ({ striate, caught, base }, options) =>
      caught(striate({ backend: "wasm", assets: `${base}/html/`, ...options }));
    const binary = await inPage(start, { worker: false });
    assert.deepEqual([binary.ours, binary.code], [true, "network"], JSON.stringify(binary));
    assert.match(binary.message, /striate_bg\.wasm answered 200.*text\/html.*not a WebAssembly binary/);
    const worker = await inPage(start, { worker: true });
    assert.deepEqual([worker.ours, worker.code], [true, "network"], JSON.stringify(worker));
    assert.match(worker.message, /worker/);
    const gone = await inPage(({ striate, caught, base }) =>
      caught(striate({ backend: "wasm", worker: false, assets: `${base}/nowhere/` })),
    );
    assert.match(gone.message, /404/);
  });
});

const SSD = join(VENDOR, "ssd_mobilenetv2_oidv4/model.tflite");
const missing = !existsSync(SSD) && "NOT RUN: the model is missing; `cargo xtask models` fetches it";

describe("pictures", { skip: missing }, () => {
  test("every kind of source finds the same things", async () => {
    const [{ name, boxes }] = expectedBoxes("ssd_mobilenetv2_oidv4");
    const results = await inPage(async ({ striate, base }, name) => {
      const engine = await striate({ backend: "wasm" });
      const net = await engine.load(`${base}/vendor/ssd_mobilenetv2_oidv4/model.tflite`);
      const url = `${base}/images/${name}`;
      const image = Object.assign(new Image(), { src: url });
      await image.decode();
      const size = [image.naturalWidth, image.naturalHeight];
      const canvas = Object.assign(document.createElement("canvas"), { width: size[0], height: size[1] });
      canvas.getContext("2d").drawImage(image, 0, 0);
      const offscreen = new OffscreenCanvas(...size);
      offscreen.getContext("2d").drawImage(image, 0, 0);
      const sources = {
        blob: await (await fetch(url)).blob(),
        image,
        canvas,
        offscreen,
        data: canvas.getContext("2d").getImageData(0, 0, ...size),
        bitmap: await createImageBitmap(image),
        frame: new VideoFrame(canvas, { timestamp: 0 }),
      };
      const found = {};
      for (const [kind, source] of Object.entries(sources)) found[kind] = [...(await net.detect(source))];
      // The caller's own are still the caller's.
      const kept = [sources.bitmap.width, sources.frame.displayWidth, sources.data.data.length];
      sources.frame.close();
      return { found, kept };
    }, name);
    assert.ok(results.kept.every((value) => value > 0));
    for (const [kind, found] of Object.entries(results.found)) {
      assert.equal(missingBox(found, boxes), undefined, `${kind}: ${JSON.stringify(found)}`);
    }
  });

  test("the GPU finds the same in a picture that it fetches itself", async () => {
    const [{ name, boxes }] = expectedBoxes("ssd_mobilenetv2_oidv4");
    const { found, backend } = await inPage(async ({ striate, base }, name) => {
      const engine = await striate({ backend: "webgpu", allowSoftwareAdapter: true });
      const net = await engine.load(`${base}/vendor/ssd_mobilenetv2_oidv4/model.tflite`);
      const photo = await (await fetch(`${base}/images/${name}`)).blob();
      const bitmap = await createImageBitmap(photo);
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
      const context = canvas.getContext("2d");
      context.drawImage(bitmap, 0, 0);
      const sources = {
        photo,
        frame: new VideoFrame(bitmap, { timestamp: 0 }),
        data: context.getImageData(0, 0, bitmap.width, bitmap.height),
      };
      const found = {};
      for (const [kind, source] of Object.entries(sources)) found[kind] = [...(await net.detect(source))];
      sources.frame.close();
      const { backend } = await net.report();
      engine.dispose();
      return { found, backend };
    }, name);
    assert.equal(backend, "webgpu");
    for (const [kind, things] of Object.entries(found)) {
      assert.equal(missingBox(things, boxes), undefined, `${kind}: ${JSON.stringify(things)}`);
    }
  });

  test("pictures that are empty, closed, huge or no pictures at all", async () => {
    const errors = await inPage(async ({ striate, caught, base }) => {
      const engine = await striate({ backend: "wasm" });
      const net = await engine.load(`${base}/vendor/ssd_mobilenetv2_oidv4/model.tflite`);
      const closed = await createImageBitmap(new ImageData(4, 4));
      closed.close();
      const video = document.createElement("video");
      // The header of a 12,000 x 9,000 JPEG behind a fat segment, and of a PNG of that size: nothing is decoded.
      const segment = (kind, length) => [0xff, kind, length >> 8, length & 255, ...new Array(length - 2).fill(0)];
      const jpeg = [
        0xff,
        0xd8,
        ...segment(0xe1, 5000),
        0xff,
        0xc0,
        0,
        17,
        8,
        9000 >> 8,
        9000 & 255,
        12000 >> 8,
        12000 & 255,
        3,
      ];
      const png = new DataView(new ArrayBuffer(40));
      [0x89504e47, 0x0d0a1a0a, 13, 0x49484452, 12000, 9000].forEach((word, i) => void png.setUint32(i * 4, word));
      const canvas = Object.assign(document.createElement("canvas"), { width: 12000, height: 9000 });
      const bad = {
        empty: Object.assign(document.createElement("canvas"), { width: 0, height: 0 }),
        closed,
        video,
        image: new Image(),
        jpeg: new Blob([Uint8Array.from([...jpeg, ...new Array(40).fill(0)])]),
        png: new Blob([png]),
        canvas,
        text: new Blob(["this is no picture, whatever its name may say"]),
        nothing: null,
        word: "photo.png",
      };
      const errors = {};
      for (const [kind, source] of Object.entries(bad)) errors[kind] = await caught(net.detect(source));
      const photo = await (await fetch(`${base}/images/chelsea.png`)).blob();
      errors.options = await caught(net.detect(photo, { scoreThreshold: "high" }));
      const found = await net.detect(photo);
      return { errors, found: found.length };
    });
    const codes = Object.fromEntries(Object.entries(errors.errors).map(([kind, error]) => [kind, error.code]));
    assert.deepEqual(codes, {
      empty: "invalid",
      closed: "invalid",
      video: "invalid",
      image: "invalid",
      jpeg: "resource",
      png: "resource",
      canvas: "resource",
      text: "invalid",
      nothing: "unsupported",
      word: "unsupported",
      options: "invalid",
    });
    assert.match(errors.errors.jpeg.message, /64 megapixels.*scale it down/);
    assert.equal(errors.errors.jpeg.received, "12000 x 9000");
    assert.ok(errors.found > 0, "works afterwards");
  });
});
