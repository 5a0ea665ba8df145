// The site is static and relative: `www/dist` can be copied under any path of any host. Models and sample photos are not
// bundled but copied, because they are data: the models from `vendor/` (fetched by `cargo xtask models`, never committed),
// the photos from `tests/data/images/`.
import { createHash } from "node:crypto";
import { cpSync, createReadStream, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const root = dirname(fileURLToPath(import.meta.url));
const repository = join(root, "..");

/** Where each file that the page asks for by URL comes from. */
const DATA = {
  "models/ssd_mobilenetv2_oidv4/model.tflite": "vendor/ssd_mobilenetv2_oidv4/model.tflite",
  "models/ssd_mobilenetv2_oidv4/LICENSE.txt": "vendor/ssd_mobilenetv2_oidv4/LICENSE",
  "models/centernet/centernet.json": "vendor/centernet/centernet.json",
  "models/centernet/centernet.bin": "vendor/centernet/centernet.bin",
  "models/centernet/LICENSE.txt": "vendor/centernet/LICENSE",
  "models/selfie_segmentation/selfie_segmentation.tflite": "vendor/selfie_segmentation/selfie_segmentation.tflite",
  "models/selfie_segmentation/LICENSE.txt": "vendor/selfie_segmentation/LICENSE",
  "models/esrgan-slim-x2/model.json": "vendor/esrgan-slim-x2/model.json",
  "models/esrgan-slim-x2/group1-shard1of1.bin": "vendor/esrgan-slim-x2/group1-shard1of1.bin",
  "models/esrgan-slim-x2/LICENSE.txt": "vendor/esrgan-slim-x2/LICENSE",
  "models/realesr-animevideov3/model.safetensors": "vendor/realesr-animevideov3/model.safetensors",
  "models/realesr-animevideov3/LICENSE.txt": "vendor/realesr-animevideov3/LICENSE",
  "models/multistyle26/multistyle26.onnx": "vendor/multistyle26/multistyle26.onnx",
  "models/multistyle26/LICENSE.txt": "vendor/multistyle26/LICENSE",
  "photos/astronaut.png": "tests/data/images/astronaut.png",
  "photos/chelsea.png": "tests/data/images/chelsea.png",
  "photos/coffee.png": "tests/data/images/coffee.png",
  "licences/instrument-sans.txt": "www/node_modules/@fontsource-variable/instrument-sans/LICENSE",
  "licences/geist-mono.txt": "www/node_modules/@fontsource-variable/geist-mono/LICENSE",
};

/** Small files of `public/` that belong to the application. */
const PUBLIC = [
  "icon.svg",
  "manifest.webmanifest",
  ...readdirSync(join(root, "public/thumbs")).map((name) => `thumbs/${name}`),
];

/** `<!-- part: NAME key="value" -->` stands for `parts/NAME.html`, with the value in the place of `{key}`; of a key without a value nothing is left. */
function parts() {
  const part = (_, indent, name, attributes) => {
    const values = [...attributes.matchAll(/(\w+)="([^"]*)"/g)];
    const text = readFileSync(join(root, "parts", `${name}.html`), "utf8").trimEnd();
    const filled = values.reduce((html, [, key, value]) => html.replaceAll(`{${key}}`, value), text);
    return filled.replace(/ ?\{\w+\}/g, "").replace(/^/gm, indent);
  };
  return {
    name: "striate-parts",
    transformIndexHtml: { order: "pre", handler: (html) => html.replace(/^( *)<!-- part: (\w+)(.*?) -->/gm, part) },
  };
}

function data() {
  return {
    name: "striate-data",
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const source = DATA[new URL(request.url, "http://localhost").pathname.slice(1)];
        if (!source || !existsSync(join(repository, source))) return next();
        response.setHeader("content-length", statSync(join(repository, source)).size);
        createReadStream(join(repository, source)).pipe(response);
      });
    },
    writeBundle({ dir }) {
      for (const [target, source] of Object.entries(DATA)) {
        const from = join(repository, source);
        if (!existsSync(from)) this.error(`${source} is missing. Run "cargo xtask models", then build again.`);
        mkdirSync(dirname(join(dir, target)), { recursive: true });
        cpSync(from, join(dir, target));
      }
    },
  };
}

/** Tells the service worker which files make up the application, and changes its bytes whenever one of them changes. */
function precache() {
  return {
    name: "striate-precache",
    enforce: "post",
    generateBundle(_, bundle) {
      const worker = bundle["sw.js"];
      const files = Object.keys(bundle).filter((file) => file !== "sw.js" && !file.endsWith(".map"));
      const hash = createHash("sha256");
      for (const file of files.sort()) hash.update(file).update(bundle[file].code ?? bundle[file].source);
      worker.code = worker.code
        .replace("__FILES__", JSON.stringify(["./", ...PUBLIC, ...files.filter((file) => file !== "index.html")]))
        .replace("__VERSION__", JSON.stringify(hash.digest("hex").slice(0, 12)));
    },
  };
}

/** The engine's files carry the name of their binary, by which the service worker knows which is in use. */
function assetFileNames({ originalFileNames }) {
  const binary = /wasm\/((?:simd|relaxed|threads|webgpu)-(?:files|models)|keras)\//.exec(
    originalFileNames[0] ?? "",
  )?.[1];
  return `assets/${binary ? `wasm-${binary}-` : ""}[name]-[hash][extname]`;
}

export default defineConfig({
  root,
  base: "./",
  plugins: [parts(), data(), precache()],
  worker: { format: "es", rolldownOptions: { output: { assetFileNames } } },
  build: {
    target: "es2022",
    assetsInlineLimit: 0, // the content security policy has no data: but for pictures
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      input: {
        index: join(root, "index.html"),
        filters: join(root, "filters.html"),
        segments: join(root, "segments.html"),
        photos: join(root, "photos.html"),
        sw: join(root, "src/sw.ts"),
      },
      output: {
        assetFileNames,
        entryFileNames: (chunk) => (chunk.name === "sw" ? "sw.js" : "assets/[name]-[hash].js"),
      },
    },
  },
});
