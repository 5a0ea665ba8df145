// The page of digits, pixel by pixel: a network that striate trained sees what is laid out and what is written by hand.
import assert from "node:assert/strict";
import { test } from "node:test";
import { audit, browser, open, readEngine, readNotice, site } from "./harness.mjs";

const chromium = await browser();
const root = await site();
const url = `${root}segments.html`;

/** The same digits at the same places, in every run. */
const seeded = (page) =>
  page.addInitScript(() => {
    let state = 7;
    Math.random = () => {
      state = (state * 1664525 + 1013904223) % 2 ** 32;
      return state / 2 ** 32;
    };
  });

/** Waits until the network has looked at what is on the canvas; says what it saw. */
async function seen(page) {
  await page.waitForFunction(() => {
    const { busy, seen } = document.getElementById("main").dataset;
    return busy === "false" && seen !== undefined;
  });
  return page.evaluate(() => ({ ...document.getElementById("main").dataset }));
}

const start = (t, options = {}) =>
  open(t, { browser: chromium, url, query: "?backend=wasm", ...options, before: seeded });

/** Draws a line through points given as parts of the canvas. */
async function write(page, points) {
  const { x, y, width, height } = await page.locator("#pad").boundingBox();
  const at = ([u, v]) => [x + u * width, y + v * height];
  await page.mouse.move(...at(points[0]));
  await page.mouse.down();
  for (const point of points.slice(1)) await page.mouse.move(...at(point), { steps: 3 });
  await page.mouse.up();
}

for (const { name, query, backend, rounds } of [
  { name: "wasm", query: "?backend=wasm", backend: "wasm", rounds: 12 },
  { name: "WebGPU", query: "?backend=webgpu&software-adapter", backend: "webgpu", rounds: 3 },
]) {
  test(`sees digits that it was never shown, on ${name}`, async (t) => {
    const page = await start(t, { query });
    let [right, all] = [0, 0];
    for (let round = 0; round < rounds; round++) {
      if (round > 0) await page.click("#another");
      const { seen: found, placed } = await seen(page);
      const wanted = new Set(placed);
      all += wanted.size;
      right += [...wanted].filter((digit) => found.includes(digit)).length;
    }
    assert.ok(all >= 3 * rounds - rounds, `${all} digits`);
    assert.ok(right / all >= 0.85, `${right} of ${all} digits are seen`);
    assert.equal((await readEngine(page)).backend, backend);
  });
}

test("sees what is written by hand, and its pixels are coloured where the ink is", async (t) => {
  const page = await start(t);
  await seen(page);
  await page.click("#clear");
  assert.equal((await seen(page)).seen, "");
  assert.equal(await page.innerText("#seen"), "Nothing is written.");
  // A one on the left, a nought on the right.
  await write(page, [
    [0.25, 0.32],
    [0.24, 0.5],
    [0.23, 0.68],
  ]);
  assert.equal((await seen(page)).seen, "1");
  const circle = Array.from({ length: 17 }, (_, i) => {
    const angle = (i / 16) * 2 * Math.PI;
    return [0.7 + 0.075 * Math.sin(angle), 0.5 - 0.17 * Math.cos(angle)];
  });
  await write(page, circle);
  assert.equal((await seen(page)).seen, "01");
  const colours = await page.evaluate(() => {
    const canvas = document.getElementById("map");
    const at = (u, v) => [
      ...canvas
        .getContext("2d")
        .getImageData(u * canvas.width, v * canvas.height, 1, 1)
        .data.slice(0, 3),
    ];
    return [at(0.24, 0.5), at(0.7, 0.33), at(0.7, 0.5), at(0.02, 0.02)];
  });
  assert.deepEqual(colours[2], [0, 0, 0], "within the nought is background");
  assert.deepEqual(colours[3], [0, 0, 0]);
  assert.notDeepEqual(colours[0], [0, 0, 0]);
  assert.notDeepEqual(colours[1], [0, 0, 0]);
  assert.notDeepEqual(colours[0], colours[1], "two digits, two colours");
  const legend = await page.locator("#legend li").allInnerTexts();
  assert.deepEqual(
    legend.map((line) => line.trim()[0]),
    ["0", "1"],
  );
  await page.click("#undo");
  assert.equal((await seen(page)).seen, "1");
});

test("an engine that is not there is said, and another offered", async (t) => {
  const page = await start(t, { query: "?backend=webgpu" });
  assert.match(await readNotice(page, /does not run here/), /Use WebAssembly/);
  await page.getByRole("button", { name: "Use WebAssembly" }).click();
  await seen(page);
  assert.equal((await readEngine(page)).backend, "wasm");
});

test("a network that does not come is said; the next try has it", async (t) => {
  let calls = 0;
  const page = await open(t, {
    browser: chromium,
    url,
    query: "?backend=wasm",
    expect: /Failed to load|404/,
    before: (page) =>
      page.route("**/digits-fcn.safetensors", (route) =>
        calls++ === 0 ? route.fulfill({ status: 404 }) : route.continue(),
      ),
  });
  await readNotice(page, /could not be started/);
  await page.getByRole("button", { name: "Try again" }).click();
  await seen(page);
});

test("works without a network once it was open", async (t) => {
  const page = await open(t, {
    browser: chromium,
    url,
    query: "?backend=wasm",
    context: { serviceWorkers: "allow" },
    expect: /ERR_INTERNET_DISCONNECTED|Failed to load/,
  });
  await seen(page);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.waitForFunction(async () => {
    for (const name of await caches.keys()) {
      const keys = await (await caches.open(name)).keys();
      const binaries = keys.filter(({ url }) => url.endsWith(".wasm"));
      if (binaries.some(({ url }) => url.includes("keras")) && binaries.length > 1) return true;
    }
    return false;
  });
  await page.context().setOffline(true);
  await page.goto(`${url}?backend=wasm`);
  assert.notEqual((await seen(page)).seen, "");
});

for (const [name, context] of Object.entries({
  "light, large": { colorScheme: "light" },
  "dark, phone": { colorScheme: "dark", viewport: { width: 360, height: 780 }, hasTouch: true },
})) {
  test(`everybody can use it: ${name}`, async (t) => {
    const page = await start(t, { context });
    await seen(page);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${wide} pixels too wide`);
    assert.deepEqual(await audit(page), []);
  });
}
