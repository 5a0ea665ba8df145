// The page of the two filters: its maps are TensorFlow's, on every engine, and everybody can use all that is on it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { blackPng, browser, handOver, open, readEngine, readNotice, site } from "./harness.mjs";

const chromium = await browser();
const root = await site();
const url = `${root}filters.html`;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Smallest and largest value of each filter's map of each photo, by TensorFlow. */
const RANGES = {
  china: [
    [0.023529412, 20.921569],
    [0.023529412, 20.941176],
  ],
  flower: [
    [0.2627451, 17.227451],
    [0.34509804, 17.368627],
  ],
};
const PHOTOS = Object.keys(RANGES);

/** A tensor of the first example, as a function of its indices. */
function golden(name) {
  const file = readFileSync(new URL("data/first_example.safetensors", import.meta.url));
  const start = 8 + Number(file.readBigUInt64LE(0));
  const { shape, data_offsets: range } = JSON.parse(file.toString("utf8", 8, start))[`first_example/conv/${name}`];
  const data = new Float32Array(Uint8Array.from(file.subarray(start + range[0], start + range[1])).buffer);
  return { shape, at: (...index) => data[index.reduce((offset, i, axis) => offset * shape[axis] + i, 0)] };
}

/** Waits until the maps of a photo are drawn. */
async function settled(page, picture) {
  await page.waitForFunction((picture) => {
    const main = document.getElementById("main");
    const drawn = document.getElementById("range-2").textContent !== "";
    return drawn && main.dataset.busy === "false" && main.dataset.picture === picture;
  }, picture);
}

/** A map as it is drawn: its size, the grey of each pixel, and the values that black and white stand for. */
async function readMap(page, index) {
  const { width, height, greys, range } = await page.evaluate((index) => {
    const canvas = document.getElementById(`map-${index}`);
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    const letters = Array.from({ length: width * height }, (_, i) => String.fromCharCode(data[i * 4]));
    const range = document.getElementById(`range-${index}`).textContent;
    return { width, height, greys: btoa(letters.join("")), range };
  }, index);
  const bytes = Buffer.from(greys, "base64");
  const [low, high] = range.replaceAll("−", "-").split(" to ").map(Number);
  return { width, height, grey: (y, x) => bytes[y * width + x], low, high };
}

/** Holds the two maps on the page to the golden ones: to one of 256 greys, and the decoder's rounding. */
async function checkMaps(page, photo) {
  const every = golden("every_8th");
  const corner = golden("crop3");
  const index = PHOTOS.indexOf(photo);
  for (const filter of [0, 1]) {
    const map = await readMap(page, filter);
    const [low, high] = RANGES[photo][filter];
    assert.deepEqual([map.width, map.height], [640, 427]);
    assert.ok(Math.abs(map.low - low) < 0.02 && Math.abs(map.high - high) < 0.02, `${map.low} to ${map.high}`);
    const wanted = (value) => ((value - low) / (high - low)) * 255;
    let worst = 0;
    const compare = (y, x, value) => (worst = Math.max(worst, Math.abs(map.grey(y, x) - wanted(value))));
    for (let row = 0; row < 54; row++) {
      for (let column = 0; column < 80; column++) compare(row * 8, column * 8, every.at(index, row, column, filter));
    }
    for (let row = 0; row < 64; row++) {
      for (let column = 0; column < 64; column++)
        compare(363 + row, 576 + column, corner.at(index, row, column, filter));
    }
    assert.ok(worst < 1.5, `filter ${filter} on ${photo}: off by ${worst.toFixed(2)} of 255`);
  }
}

for (const { name, query, backend } of [
  { name: "wasm", query: "?backend=wasm", backend: "wasm" },
  { name: "WebGPU", query: "?backend=webgpu&software-adapter", backend: "webgpu" },
]) {
  test(`draws TensorFlow's maps of both photos on ${name}`, async (t) => {
    const page = await open(t, { browser: chromium, url, query });
    await settled(page, "china");
    await checkMaps(page, "china");
    await page.click('.thumb img[src*="flower"]');
    await settled(page, "flower");
    await checkMaps(page, "flower");
    assert.equal((await readEngine(page)).backend, backend);
  });
}

/** A PNG of this size, black but for one white column. */
async function column(page, width, height, x) {
  const bytes = await page.evaluate(
    async ([width, height, x]) => {
      const canvas = new OffscreenCanvas(width, height);
      const context = canvas.getContext("2d", { alpha: false });
      context.fillStyle = "#fff";
      context.fillRect(x, 0, 1, height);
      return [...new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer())];
    },
    [width, height, x],
  );
  return { name: "column.png", type: "image/png", bytes: Buffer.from(bytes) };
}

test("takes pictures of one's own, and filters drawn by hand", async (t) => {
  const page = await open(t, { browser: chromium, url, query: "?backend=wasm" });
  await settled(page, "china");
  await handOver(page, "drop", await column(page, 20, 12, 9));
  await settled(page, "column.png");
  // A white column of three channels: seven of its pixels under the vertical line, one under the horizontal.
  let map = await readMap(page, 0);
  assert.deepEqual([map.width, map.height, map.low, map.high], [20, 12, 0, 21]);
  assert.deepEqual(
    [map.grey(5, 8), map.grey(5, 9), map.grey(5, 10), map.grey(0, 9)],
    [0, 255, 0, Math.round((4 / 7) * 255)],
  );
  map = await readMap(page, 1);
  assert.deepEqual([map.low, map.high, map.grey(0, 5), map.grey(0, 6), map.grey(11, 12)], [0, 3, 0, 255, 255]);
  map = await readMap(page, 2);
  assert.deepEqual([map.low, map.high, map.grey(5, 9), map.grey(5, 8)], [0, 21, 255, Math.round(255 / 7)]);

  // Away with the middle of the vertical line, by mouse: 1, then -1.
  const middle = page.locator("#weights-0 button").nth(3 * 7 + 3);
  await middle.click();
  assert.equal(await middle.getAttribute("aria-label"), "Row 4, column 4: −1");
  await page.waitForFunction(() => document.getElementById("range-0").textContent === "0.00 to 15.00");
  // With the keyboard: from there one up and twice to the right, where a 0 becomes a 1.
  await middle.focus();
  for (const key of ["ArrowUp", "ArrowRight", "ArrowRight", "Space"]) await page.keyboard.press(key);
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "Row 3, column 6: 1");
  // The range is what it was before: only that nothing is being computed says that the map is the new one.
  await settled(page, "column.png");
  map = await readMap(page, 0);
  assert.deepEqual([map.low, map.high], [0, 15]);
  assert.equal(map.grey(5, 7), Math.round((3 / 15) * 255), "the new weight sees the column two pixels to the right");

  await page.locator("#presets-0").getByRole("button", { name: "Edge" }).click();
  await page.waitForFunction(() => document.getElementById("range-0").textContent === "−21.00 to 21.00");
  map = await readMap(page, 0);
  assert.deepEqual([map.grey(5, 6), map.grey(5, 9), map.grey(5, 12)], [255, 128, 0]);
  const pressed = () => page.locator("#presets-0 [aria-pressed=true]").allInnerTexts();
  assert.deepEqual(await pressed(), ["Edge"]);
  await middle.click();
  assert.deepEqual(await pressed(), []);
});

test("dragging the mouse paints", async (t) => {
  const page = await open(t, { browser: chromium, url, query: "?backend=wasm" });
  await settled(page, "china");
  const cells = page.locator("#weights-1 button");
  await cells.nth(0).hover();
  await page.mouse.down();
  for (const cell of [1, 2, 9]) await cells.nth(cell).hover();
  await page.mouse.up();
  await cells.nth(16).hover();
  const weights = await cells.allInnerTexts();
  assert.deepEqual(
    [0, 1, 2, 9, 16].map((cell) => weights[cell]),
    ["1", "1", "1", "1", "0"],
  );
});

test("a tap turns a weight once", async (t) => {
  const context = { viewport: { width: 360, height: 780 }, hasTouch: true };
  const page = await open(t, { browser: chromium, url, query: "?backend=wasm", context });
  await settled(page, "china");
  const cell = page.locator("#weights-0 button").first();
  for (const weight of ["1", "−1", "0"]) {
    await cell.tap();
    assert.equal(await cell.innerText(), weight);
  }
});

test("large pictures are made smaller, wrong files are named", async (t) => {
  const page = await open(t, { browser: chromium, url, query: "?backend=wasm" });
  await settled(page, "china");
  await page.setInputFiles("#photo-file", {
    name: "black.png",
    mimeType: "image/png",
    buffer: blackPng(3000, 1500),
  });
  await settled(page, "black.png");
  const map = await readMap(page, 0);
  assert.deepEqual([map.width, map.height, map.low, map.high, map.grey(7, 7)], [1024, 512, 0, 0, 0]);
  await page.setInputFiles("#photo-file", { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("no") });
  await readNotice(page, /not a picture/);
  await page.getByRole("button", { name: "Use a sample photo" }).click();
  await settled(page, "china");
  await page.setInputFiles("#photo-file", {
    name: "huge.png",
    mimeType: "image/png",
    buffer: blackPng(10_000, 8000),
  });
  await readNotice(page, /very large/);
  await page.getByRole("button", { name: "Use a smaller copy" }).click();
  await settled(page, "smaller copy");
});

test("an engine that is not there is said, and another offered", async (t) => {
  const page = await open(t, { browser: chromium, url, query: "?backend=webgpu" });
  assert.match(await readNotice(page, /does not run here/), /Use WebAssembly/);
  await page.getByRole("button", { name: "Use WebAssembly" }).click();
  await settled(page, "china");
  assert.equal((await readEngine(page)).backend, "wasm");
});

test("is reached from the detector and leads back, also offline", async (t) => {
  const page = await open(t, {
    browser: chromium,
    url: root,
    context: { serviceWorkers: "allow" },
    before: (page) => page.route("**/model.tflite", () => {}), // never answered
    expect: /ERR_INTERNET_DISCONNECTED|Failed to load/,
  });
  await page.getByRole("link", { name: "Filters" }).click();
  await page.waitForURL(url);
  await settled(page, "china");
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.waitForFunction(async () => {
    for (const name of await caches.keys()) {
      const keys = await (await caches.open(name)).keys();
      if (keys.some(({ url }) => url.endsWith(".wasm"))) return true;
    }
    return false;
  });
  await page.context().setOffline(true);
  await page.goto(`${url}?backend=wasm`);
  await settled(page, "china");
  await page.getByRole("link", { name: "Detector" }).click();
  await page.waitForFunction(() => document.getElementById("found-title"));
});

for (const colorScheme of ["light", "dark"]) {
  test(`axe-core finds nothing serious, ${colorScheme}`, async (t) => {
    const page = await open(t, { browser: chromium, url, query: "?backend=wasm", context: { colorScheme } });
    await settled(page, "china");
    await page.locator("#presets-1").getByRole("button", { name: "Edge" }).click();
    await settled(page, "china");
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    const lines = serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`);
    assert.deepEqual(lines, []);
  });
}

test("the Tab key stops once in each grid of weights", async (t) => {
  const page = await open(t, { browser: chromium, url, query: "?backend=wasm" });
  await settled(page, "china");
  const stops = [];
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press("Tab");
    const { id, drawn } = await page.evaluate(() => {
      const { activeElement: active } = document;
      if (active === document.body) return { id: "" };
      const drawn = getComputedStyle(active).outlineStyle !== "none" || active.type === "radio";
      return { id: active.closest("[role=grid]")?.id ?? active.id ?? "other", drawn };
    });
    if (drawn === undefined) break;
    assert.ok(drawn, `the focus shows on stop ${i}`);
    stops.push(id);
  }
  for (const wanted of ["theme", "choose-photo", "weights-0", "weights-1"]) {
    assert.equal(stops.filter((stop) => stop === wanted).length, 1, `${wanted} in ${stops.join(", ")}`);
  }
});

for (const [width, height] of [
  [320, 568],
  [360, 780],
  [768, 1024],
  [1600, 1000],
]) {
  test(`fits a screen of ${width} x ${height}`, async (t) => {
    const page = await open(t, {
      browser: chromium,
      url,
      query: "?backend=wasm",
      context: { viewport: { width, height } },
    });
    await settled(page, "china");
    const { wide, small } = await page.evaluate(() => ({
      wide: document.documentElement.scrollWidth,
      small: [...document.querySelectorAll("button, nav a, .segmented label")]
        .filter((node) => node.checkVisibility())
        .map((node) => ({ name: node.id || node.className || node.textContent, box: node.getBoundingClientRect() }))
        .filter(({ box }) => box.width < 24 || box.height < 24)
        .map(({ name }) => name),
    }));
    assert.deepEqual({ wide, small }, { wide: width, small: [] });
  });
}
