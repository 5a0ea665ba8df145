// Builds dist/: index.js, vision.js and draw.js, which share errors.js (its classes must be the same for all of them), host.js and
// worker.js, each one file otherwise (bundlers and plain pages then have nothing to resolve), the types, and the glue of each
// WebAssembly binary that `cargo xtask build` has put into dist/wasm.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = import.meta.dirname;
const dist = join(root, "dist");
const shared = { bundle: true, format: "esm", target: "es2022", minify: true, legalComments: "none", write: true };

for (const name of existsSync(dist) ? readdirSync(dist) : []) {
  if (name !== "wasm") rmSync(join(dist, name), { recursive: true });
}

// host.js is fetched only by engines that run in place; the worker has its own copy.
const apart = {
  name: "host-apart",
  setup: ({ onResolve }) =>
    onResolve({ filter: /^\.\/host\.js$/ }, ({ kind }) =>
      kind === "dynamic-import" ? { path: "./host.js", external: true } : undefined,
    ),
};
const entry = (name) => join(root, "src", `${name}.ts`);
const errors = {
  name: "errors-apart",
  setup: ({ onResolve }) =>
    onResolve({ filter: /^\.{1,2}\/errors\.js$/ }, () => ({ path: "./errors.js", external: true })),
};
const plugins = [apart, errors];
const draw = [{ in: entry("draw/index"), out: "draw" }];
await build({ ...shared, entryPoints: draw, outdir: dist, sourcemap: true, plugins });
await build({ ...shared, entryPoints: [entry("errors")], outdir: dist, sourcemap: true });
await build({ ...shared, entryPoints: [entry("index")], outdir: dist, sourcemap: true, plugins });
// Where the glue is imported by its address, comments tell bundlers to leave it be: minifying drops them.
const legible = { ...shared, minify: false, minifyIdentifiers: true };
await build({ ...legible, entryPoints: ["host", "worker"].map(entry), outdir: dist, sourcemap: true });
const vision = [{ in: entry("vision/index"), out: "vision" }];
await build({ ...legible, entryPoints: vision, outdir: dist, sourcemap: true, plugins });
for (const name of ["host.js", "worker.js", "vision.js"]) {
  if (!readFileSync(join(dist, name), "utf8").includes("webpackIgnore")) throw new Error(`${name} lost its comments`);
}

// `striate/layers` is a view of the same module: a second copy of the classes would not know the first.
const { layers } = await import(pathToFileURL(join(dist, "index.js")).href);
writeFileSync(
  join(dist, "layers.js"),
  `import { layers } from "./index.js";\nexport const { ${Object.keys(layers).join(", ")} } = layers;\n`,
);

const require = createRequire(import.meta.url);
const tsc = join(dirname(require.resolve("typescript/package.json")), "bin/tsc");
const types = spawnSync(process.execPath, [tsc, "--project", root], { stdio: "inherit" });
if (types.status !== 0) process.exit(types.status ?? 1);

// The threads of the pool import the glue by its address, and bundlers carry it along as a lone file: so it must be
// one. The pool's script is folded in.
const glues = [
  ["keras", "keras.js"],
  ["vision", "vision.js"],
  ["augment", "augment.js"],
  ["convert", "convert.js"],
];
const editions = (binary) => ["files", "models"].map((edition) => `${binary}-${edition}`);
glues.push(...["simd", "relaxed", "threads", "webgpu"].flatMap(editions).map((name) => [name, "striate.js"]));
for (const [name, file] of glues) {
  const folder = join(dist, "wasm", name);
  const glue = join(folder, file);
  if (!existsSync(glue)) {
    console.warn(`dist/wasm/${name} is missing: run \`cargo xtask build\``);
    continue;
  }
  const { outputFiles } = await build({
    ...shared,
    entryPoints: [glue],
    write: false,
    logOverride: { "empty-import-meta": "error" },
  });
  writeFileSync(glue, outputFiles[0].contents);
  for (const file of readdirSync(folder)) {
    if (file === "snippets" || file.endsWith(".d.ts")) rmSync(join(folder, file), { recursive: true });
  }
}

for (const licence of ["LICENSE-MIT", "LICENSE-APACHE"]) copyFileSync(join(root, "..", licence), join(root, licence));

const kib = (path) => `${(statSync(path).size / 1024).toFixed(1)} KiB`;
const files = readdirSync(dist, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.(js|wasm)$/.test(entry.name))
  .map((entry) => join(entry.parentPath, entry.name))
  .sort();
for (const file of files) console.log(file.slice(root.length + 1).padEnd(44), kib(file).padStart(12));
