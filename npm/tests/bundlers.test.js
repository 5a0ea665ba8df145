// A page built by each bundler must find its worker, its binary and the modules beside it: of Keras' files and of vision.
import assert from "node:assert/strict";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch } from "./chromium.js";
import { convModel, modelRoutes, worst } from "./models.js";
import { serve } from "./server.js";

const PACKAGE = join(import.meta.dirname, "..");
const KERAS = join(PACKAGE, "../tests/data/keras");

const PROGRAM = `
import { striate, ShapeMismatchError } from "striate";
import { loadVision } from "striate/vision";
window.run = async (options, input) => {
  const engine = await striate(options);
  const net = await engine.load("/models/conv/model.json");
  const [{ data }] = await net.predict(Float32Array.from(input));
  const model = await engine.loadModel("/keras/nested.keras");
  const { info } = engine;
  engine.dispose();
  const vision = await loadVision();
  let same = false;
  try {
    vision.iou([1], [2]);
  } catch (error) {
    same = error instanceof ShapeMismatchError;
  }
  const iou = [...vision.iou([0, 0, 2, 2], [0, 0, 2, 1]).data];
  return { info, data: [...data], params: model.countParams(), iou, same };
};
`;

let folder;
let browser;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "striate-bundlers-"));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(PACKAGE, join(folder, "node_modules/striate"), "dir");
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(join(folder, "main.js"), PROGRAM);
  writeFileSync(
    join(folder, "index.html"),
    '<!doctype html><link rel=icon href=data:,><script type="module" src="./main.js"></script>',
  );
  browser = await launch();
});
after(async () => {
  await browser?.close();
  if (folder) await rm(folder, { recursive: true });
});

/** Runs the built page in a worker, in place and with threads. */
async function works(out) {
  const server = await serve({ "/keras/": KERAS, "/": out }, modelRoutes());
  try {
    const { input, expected } = convModel();
    for (const [options, isolated, variant] of [
      [{ backend: "wasm" }, false, "relaxed"],
      [{ backend: "wasm", worker: false }, false, "relaxed"],
      [{ backend: "wasm", threads: 2 }, true, "threads"],
    ]) {
      const page = await browser.newPage();
      const problems = [];
      page.on("pageerror", (error) => problems.push(error.message));
      page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
      await page.goto(`${server.origin}${isolated ? "/isolated" : ""}/index.html`);
      await page
        .waitForFunction(() => typeof window.run === "function", undefined, { timeout: 10_000 })
        .catch(() => {});
      const { info, data, params, iou, same } = await page.evaluate(
        ([options, input]) => window.run(options, input),
        [options, [...input]],
      );
      await page.close();
      assert.deepEqual(problems, []);
      assert.equal(info.variant, variant, info.notes.join());
      assert.ok(worst(data, expected) < 1e-5, `${data}`);
      assert.equal(params, 862, "as Keras counts");
      assert.deepEqual(iou, [0.5]);
      assert.equal(same, true, "both entries have the same classes of errors");
    }
  } finally {
    await server.close();
  }
}

/** What the README says for bundlers that do not follow `new URL(…, import.meta.url)`. */
function copyAssets(out) {
  cpSync(join(PACKAGE, "dist/worker.js"), join(out, "worker.js"));
  cpSync(join(PACKAGE, "dist/wasm"), join(out, "wasm"), { recursive: true });
  writeFileSync(
    join(out, "index.html"),
    '<!doctype html><link rel=icon href=data:,><script type="module" src="./main.js"></script>',
  );
}

test("Vite", async () => {
  const { build } = await import("vite");
  const outDir = join(folder, "vite");
  await build({
    root: folder,
    base: "./",
    logLevel: "error",
    configFile: false,
    build: { outDir, reportCompressedSize: false },
  });
  await works(outDir);
});

test("webpack", async () => {
  const { default: webpack } = await import("webpack");
  const out = join(folder, "webpack");
  const stats = await new Promise((resolve, reject) =>
    webpack(
      { mode: "production", context: folder, entry: "./main.js", output: { path: out, filename: "main.js" } },
      (error, stats) => (error ? reject(error) : resolve(stats)),
    ),
  );
  assert.equal(stats.hasErrors(), false, stats.toString({ all: false, errors: true }));
  writeFileSync(
    join(out, "index.html"),
    '<!doctype html><link rel=icon href=data:,><script type="module" src="./main.js"></script>',
  );
  await works(out);
});

test("esbuild, with the assets copied", async () => {
  const { build } = await import("esbuild");
  const out = join(folder, "esbuild");
  await build({
    absWorkingDir: folder,
    entryPoints: ["main.js"],
    bundle: true,
    format: "esm",
    outdir: out,
    logLevel: "error",
  });
  copyAssets(out);
  await works(out);
});

test("Rollup, with the assets copied", async () => {
  const { rollup } = await import("rollup");
  const out = join(folder, "rollup");
  const entries = { striate: join(PACKAGE, "dist/index.js"), "striate/vision": join(PACKAGE, "dist/vision.js") };
  const resolve = { name: "resolve", resolveId: (id) => entries[id] ?? null };
  const bundle = await rollup({ input: join(folder, "main.js"), plugins: [resolve], logLevel: "silent" });
  await bundle.write({ dir: out, format: "es" });
  copyAssets(out);
  await works(out);
});

test("no bundler: a plain script of type module with an import map", async () => {
  const out = join(folder, "plain");
  mkdirSync(out);
  cpSync(join(PACKAGE, "dist"), join(out, "striate"), { recursive: true });
  cpSync(join(folder, "main.js"), join(out, "main.js"));
  const map =
    '<script type="importmap">{"imports":{"striate":"./striate/index.js","striate/vision":"./striate/vision.js"}}</script>';
  writeFileSync(
    join(out, "index.html"),
    `<!doctype html><link rel=icon href=data:,>${map}<script type="module" src="./main.js"></script>`,
  );
  await works(out);
});
