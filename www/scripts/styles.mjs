// Paints the pictures that the page offers its styles by: `node scripts/styles.mjs` writes public/thumbs/styles.webp, the astronaut
// in each of the 26, side by side. Needs the package's binaries (`cargo xtask build`) and the network (`cargo xtask models`).
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Styler, striate } from "../../npm/dist/index.js";
import { readPng } from "../../npm/tests/png.js";
import { launch } from "./browser.mjs";

const STYLES = 26;
/** What is seen of the photo, and pixels of a preview: twice what the page has, for fine screens. */
const [LEFT, TOP, SIDE, PREVIEW] = [80, 0, 272, 88];

const file = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const photo = readPng(file("tests/data/images/astronaut.png"));
const data = new Uint8ClampedArray(SIDE * SIDE * 4);
for (let y = 0; y < SIDE; y++) {
  const start = ((TOP + y) * photo.width + LEFT) * 4;
  data.set(photo.data.subarray(start, start + SIDE * 4), y * SIDE * 4);
}

const engine = await striate({ worker: false, backend: "wasm" });
const network = new Uint8Array(readFileSync(file("vendor/multistyle26/multistyle26.onnx")));
const net = await engine.load(network, { inputShapes: { image: [1, 3, 256, 256], style_weights: [STYLES] } });
const styler = new Styler(net, { styles: STYLES, multipleOf: 4 });
const painted = [];
for (let style = 0; style < STYLES; style++) {
  const { data: pixels } = await styler.stylise({ data, width: SIDE, height: SIDE }, style);
  painted.push(Buffer.from(pixels).toString("base64"));
}
engine.dispose();

const browser = await launch();
const page = await browser.newPage();
const encoded = await page.evaluate(
  async ({ painted, PREVIEW }) => {
    const canvas = new OffscreenCanvas(painted.length * PREVIEW, PREVIEW);
    const context = canvas.getContext("2d", { alpha: false });
    context.imageSmoothingQuality = "high";
    for (const [i, each] of painted.entries()) {
      const pixels = Uint8ClampedArray.from(atob(each), (letter) => letter.charCodeAt(0));
      const side = Math.sqrt(pixels.length / 4);
      const bitmap = await createImageBitmap(new ImageData(pixels, side, side));
      context.drawImage(bitmap, i * PREVIEW, 0, PREVIEW, PREVIEW);
    }
    const bytes = new Uint8Array(
      await (await canvas.convertToBlob({ type: "image/webp", quality: 0.72 })).arrayBuffer(),
    );
    return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
  },
  { painted, PREVIEW },
);
await browser.close();
writeFileSync(file("www/public/thumbs/styles.webp"), Buffer.from(encoded, "base64"));
