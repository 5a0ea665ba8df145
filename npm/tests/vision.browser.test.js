// `striate/vision` in Chromium: in a window and in a worker, without an engine, and its errors are the package's.
import assert from "node:assert/strict";
import { test } from "node:test";
import { pages } from "./pages.js";

const { server, browser } = await pages(
  {},
  {
    "/worker.js": (_, response) => {
      response.setHeader("content-type", "text/javascript");
      response.end(`import { loadVision } from "/dist/vision.js";
      const vision = await loadVision();
      postMessage([...vision.iou([0, 0, 2, 2], [0, 0, 2, 1]).data]);`);
    },
  },
);

test("in a window and in a worker, fetched once, without an engine", async () => {
  const page = await browser.newPage();
  await page.goto(`${server.origin}/`);
  const result = await page.evaluate(async () => {
    const { loadVision } = await import("/dist/vision.js");
    const [vision, same] = await Promise.all([loadVision(), loadVision()]);
    const { StriateError, ShapeMismatchError } = await import("/dist/errors.js");
    const error = (() => {
      try {
        return vision.iou([1, 2, 3], []);
      } catch (thrown) {
        return thrown;
      }
    })();
    const canvas = new OffscreenCanvas(2, 1);
    const context = canvas.getContext("2d");
    const { data, width } = vision.colourMap({ data: [1, 0], width: 2, height: 1 });
    context.putImageData(new ImageData(data, width), 0, 0);
    return {
      once: vision === same,
      error: [error instanceof ShapeMismatchError, error instanceof StriateError, error.received],
      red: [...context.getImageData(0, 0, 1, 1).data],
      worker: await new Promise((resolve) => {
        new Worker("/worker.js", { type: "module" }).onmessage = (event) => resolve(event.data);
      }),
      missing: await loadVision({ assets: "/nowhere" }).catch((thrown) => [
        thrown.code,
        thrown instanceof StriateError,
      ]),
    };
  });
  assert.deepEqual(result, {
    once: true,
    error: [true, true, "3"],
    red: [128, 0, 0, 255],
    worker: [0.5],
    missing: ["network", true],
  });
  // One of the window, one of the worker.
  assert.equal(server.count("/dist/wasm/vision/vision_bg.wasm"), 2);
  assert.equal(server.count("/dist/index.js"), 0);
  await page.close();
});

test("out of memory is an error, and the next one works", async () => {
  const page = await browser.newPage();
  await page.goto(`${server.origin}/`);
  const result = await page.evaluate(async () => {
    const { loadVision } = await import("/dist/vision.js");
    const vision = await loadVision();
    // What the module gives is bounded; what a page gives is not: arrays of more than its 4 GB.
    const huge = new Float32Array(2 ** 29);
    const codes = [];
    for (let i = 0; i < 2; i++) {
      try {
        vision.convertBoxes(huge, "corners", "xywh");
      } catch (thrown) {
        codes.push(thrown.code);
      }
    }
    const next = await loadVision();
    return {
      codes,
      broken: vision.broken,
      other: next !== vision,
      right: [...next.iou([0, 0, 1, 1], [0, 0, 1, 1]).data],
    };
  });
  assert.deepEqual(result, { codes: ["resource", "internal"], broken: true, other: true, right: [1] });
  await page.close();
});
