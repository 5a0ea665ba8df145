// Tasks in Chromium: pictures of the page go to the engine's worker, on both backends, and what comes back is drawn.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch } from "./chromium.js";
import { IMAGES, VENDOR } from "./photos.js";
import { page as html, serve } from "./server.js";

const ROOT = join(import.meta.dirname, "../..");
const there = (folder) => existsSync(join(VENDOR, folder));

let server;
let browser;
before(async () => {
  const folders = { "/dist/": join(ROOT, "npm/dist"), "/models/": VENDOR, "/photos/": IMAGES };
  server = await serve(folders, { "/": (_, response) => html(response) });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** Runs a function in a page of its own. */
async function inPage(work, argument) {
  const page = await browser.newPage();
  try {
    await page.goto(`${server.origin}/`);
    return await page.evaluate(work, argument);
  } finally {
    await page.close();
  }
}

for (const backend of ["wasm", "webgpu"]) {
  test(`a person's matte on ${backend}, of an image element and of a canvas`, {
    skip: !there("selfie_segmentation") && "the network is not there",
  }, async () => {
    const { results } = JSON.parse(readFileSync(join(ROOT, "tests/data/expected/selfie_segmentation.json"), "utf8"));
    const want = results["astronaut.png"]["fraction_over_0.5"];
    const { shares, worker, blurred, plain } = await inPage(async (backend) => {
      const { striate } = await import("/dist/index.js");
      const { drawMatted } = await import("/dist/draw.js");
      const engine = await striate({ backend, allowSoftwareAdapter: true, models: "/models/" });
      const segmenter = await engine.models.selfieSegmentation();
      const image = new Image();
      image.src = "/photos/astronaut.png";
      await image.decode();
      const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
      const context = canvas.getContext("2d");
      context.drawImage(image, 0, 0);
      const pixel = () => [...context.getImageData(8, 8, 1, 1).data];
      const plain = pixel();
      const shares = [];
      for (const source of [image, canvas]) {
        const found = await segmenter.segment(source);
        shares.push(found.areas().find(({ label }) => label === "person").share);
        if (source === canvas) drawMatted(context, image, found.matte(), { background: "#00ff00" });
      }
      return { shares, worker: engine.info.worker, plain, blurred: pixel() };
    }, backend);
    assert.ok(worker);
    for (const share of shares) assert.ok(Math.abs(share - want) < 0.01, `${share}, expected ${want}`);
    assert.notDeepEqual(blurred, plain);
    assert.ok(blurred[1] > 200 && blurred[0] < 60, `the background is green: ${blurred}`);
  });
}

test("lines of text are found where they are written", {
  skip: !there("pp-ocrv4-det") && "the network is not there",
}, async () => {
  const lines = [
    ["Convolutional networks", 30, 60],
    ["see what is where", 60, 180],
  ];
  const found = await inPage(async (lines) => {
    const { striate } = await import("/dist/index.js");
    const engine = await striate({ backend: "wasm", models: "/models/" });
    const detector = await engine.models.textDetector({ size: [256, 384] });
    const canvas = new OffscreenCanvas(384, 256);
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, 384, 256);
    context.fillStyle = "#111";
    context.font = "28px sans-serif";
    const boxes = lines.map(([text, x, y]) => {
      context.fillText(text, x, y);
      return { x, y: y - 22, width: context.measureText(text).width, height: 28 };
    });
    return { boxes, texts: await detector.detect(canvas) };
  }, lines);
  assert.equal(found.texts.length, 2, JSON.stringify(found.texts));
  const byHeight = found.texts.sort((a, b) => a.y - b.y);
  found.boxes.forEach((box, i) => {
    const text = byHeight[i];
    const across = Math.min(box.x + box.width, text.x + text.width) - Math.max(box.x, text.x);
    const down = Math.min(box.y + box.height, text.y + text.height) - Math.max(box.y, text.y);
    const both = Math.max(across, 0) * Math.max(down, 0);
    const overlap = both / (box.width * box.height + text.width * text.height - both);
    assert.ok(overlap > 0.5, `line ${i}: ${JSON.stringify(text)} beside ${JSON.stringify(box)}`);
  });
});
