// Tasks in Chromium: pictures of the page go to the engine's worker, on both backends, and what comes back is drawn.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pages } from "./pages.js";
import { IMAGES, VENDOR } from "./photos.js";

const ROOT = join(import.meta.dirname, "../..");
const there = (folder) => existsSync(join(VENDOR, folder));

const { inPage } = await pages({ "/models/": VENDOR, "/photos/": IMAGES });

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

test("pictures in folders are samples of their classes", async () => {
  const result = await inPage(async () => {
    const { data } = await import("/dist/index.js");
    const picture = async (colour, path) => {
      const canvas = new OffscreenCanvas(8, 6);
      const context = canvas.getContext("2d");
      context.fillStyle = colour;
      context.fillRect(0, 0, 8, 6);
      return { blob: await canvas.convertToBlob(), path };
    };
    const made = await Promise.all([
      picture("#ff0000", "flowers/rose/1.png"),
      picture("#0000ff", "flowers/iris/1.png"),
      picture("#0000ff", "flowers/iris/2.png"),
    ]);
    made.push({ blob: new Blob(["x"]), path: "flowers/iris/.DS_Store" });
    const files = made.map(({ blob }) => blob);
    const path = (file) => made.find(({ blob }) => blob === file).path;
    const folder = data.imageFolder(files, { size: [3, 4], scale: 1 / 255 }, path);
    const [batch] = await Array.fromAsync(folder.dataset().batch(4).prefetch(1));
    const some = await Array.fromAsync(folder.dataset([2]));
    const fails = (work) => {
      try {
        return work();
      } catch (error) {
        return error.message;
      }
    };
    return {
      names: folder.classNames,
      labels: [...folder.labels],
      shapes: [batch.x.shape, batch.y.shape],
      first: [...batch.x.data.subarray(0, 3)],
      classes: [...batch.y.data],
      some: some.length,
      loose: fails(() => data.imageFolder(files.slice(0, 1), { size: [3, 4] }, () => "1.png")),
      unknown: fails(() => data.imageFolder(files, { size: [3, 4], classNames: ["rose"] }, path)),
      broken: await Array.fromAsync(
        data.imageFolder([new Blob(["no picture"])], { size: [3, 4] }, () => "a/b.png").dataset(),
      ).catch((error) => error.code),
    };
  });
  assert.deepEqual(result, {
    names: ["iris", "rose"],
    labels: [1, 0, 0],
    shapes: [[3, 3, 4, 3], [3]],
    first: [1, 0, 0],
    classes: [1, 0, 0],
    some: 1,
    loose: "1.png lies in no folder, which would say what it shows",
    unknown: 'no class is named "iris"',
    broken: "invalid",
  });
});

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
    // Written upright: the line reads from the first corner to the second.
    const [[x0, y0], [x1, y1]] = text.corners;
    assert.ok(x1 - x0 > 0.8 * box.width && Math.abs(y1 - y0) < 0.05 * (x1 - x0), JSON.stringify(text.corners));
  });
});
