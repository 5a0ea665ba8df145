// Hosting and networks: first visits, cut wires, damaged files, sub-folders, and hosts that cannot send headers.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { browser, file, open, readEngine, readList, readNotice, readResults, site } from "./harness.mjs";

const chromium = await browser([]);
const url = await site({ prefix: "/some/folder/" });
const FAILED = /Failed to load resource/;
const MODEL = "**/model.tflite";
const WITH_WORKER = { serviceWorkers: "allow" };

test("is usable in under a second, before there is a model", async (t) => {
  const before = (page) => page.route(MODEL, () => {}); // never answered
  // The best of a few visits: what else the machine is doing is not the page's doing.
  let page;
  let usable = Number.POSITIVE_INFINITY;
  for (let visit = 0; visit < 5 && usable >= 1000; visit++) {
    page = await open(t, { browser: chromium, url, before });
    usable = Math.min(usable, await page.evaluate(() => performance.getEntriesByName("usable")[0].startTime));
  }
  t.diagnostic(`usable after ${Math.round(usable)} ms`);
  assert.ok(usable < 1000, `usable after ${usable} ms`);
  await page.fill("#score", "70");
  assert.equal(await page.innerText("#score-value"), "70%");
  await page.getByRole("button", { name: /dark colours/ }).click();
  assert.equal(await page.getAttribute("html", "data-theme"), "dark");
  await page.getByRole("button", { name: "Cancel" }).click();
  assert.match(await readNotice(page, /not loaded/), /Load it \(10\.0 MB\)/);
});

test("cancelling, then loading after all", async (t) => {
  let hold = true;
  const before = (page) => page.route(MODEL, (route) => (hold ? undefined : route.continue()));
  const page = await open(t, { browser: chromium, url, before });
  await page.getByRole("button", { name: "Cancel" }).click();
  hold = false;
  await page.getByRole("button", { name: /^Load it/ }).click();
  assert.deepEqual(
    (await readResults(page, "astronaut")).map(({ label }) => label),
    ["Person"],
  );
});

test("a damaged model is named, not kept, and downloaded again", async (t) => {
  const whole = readFileSync(file("vendor/ssd_mobilenetv2_oidv4/model.tflite"));
  let cut = true;
  const body = () => (cut ? whole.subarray(0, 3_000_000) : whole);
  const before = (page) =>
    page.route(MODEL, (route) => route.fulfill({ body: body(), contentType: "application/octet-stream" }));
  const page = await open(t, { browser: chromium, url, before });
  assert.match(await readNotice(page, /damaged/), /SSD-MobileNetV2 arrived, but it cannot be read/);
  cut = false;
  await page.getByRole("button", { name: "Download it again" }).click();
  assert.deepEqual(
    (await readResults(page, "astronaut")).map(({ label }) => label),
    ["Person"],
  );
});

test("a server without the model is told apart from a missing network", async (t) => {
  let status = 404;
  const before = (page) => page.route(MODEL, (route) => (status ? route.fulfill({ status }) : route.abort()));
  const page = await open(t, { browser: chromium, url, before, expect: FAILED });
  assert.match(await readNotice(page, /not there/), /404/);
  status = 0;
  await page.getByRole("button", { name: "Try again" }).click();
  await readNotice(page, /could not be fetched/);
  await page.unroute(MODEL);
  await page.getByRole("button", { name: "Try again" }).click();
  assert.equal((await readResults(page, "astronaut")).length, 1);
});

test("works offline after the first visit, but for what it never fetched", async (t) => {
  const page = await open(t, {
    browser: chromium,
    url,
    context: WITH_WORKER,
    expect: /ERR_INTERNET_DISCONNECTED|Failed to load/,
  });
  const first = await readResults(page, "astronaut");
  await page.evaluate(() => navigator.serviceWorker.ready);
  // The page asks the service worker to keep the engine; two reloads later nothing may need the network.
  await page.waitForFunction(async () => {
    for (const name of await caches.keys()) {
      const keys = await (await caches.open(name)).keys();
      if (keys.some(({ url }) => url.endsWith(".wasm"))) return true;
    }
    return false;
  });
  await page.context().setOffline(true);
  await page.reload();
  assert.deepEqual(await readResults(page, "astronaut"), first);
  await page.getByLabel("CenterNet").check();
  await readNotice(page, /offline/);
  await page.getByLabel("SSD-MobileNetV2").check();
  assert.deepEqual(await readResults(page, "astronaut"), first);
});

test("turns threads on by a click where the host sends no headers, and stays on", async (t) => {
  const page = await open(t, { browser: chromium, url, query: "?backend=wasm", context: WITH_WORKER });
  const first = await readResults(page, "astronaut");
  assert.equal((await readEngine(page)).variant, "relaxed");
  assert.equal(await page.evaluate(() => crossOriginIsolated), false);
  await Promise.all([page.waitForEvent("load"), page.getByRole("button", { name: "Use all cores" }).click()]);
  await page.waitForFunction(() => document.getElementById("running").dataset.variant === "threads");
  const threaded = await readResults(page, "astronaut");
  assert.equal(threaded.length, first.length);
  await page.reload();
  await readResults(page, "astronaut");
  assert.equal((await readEngine(page)).variant, "threads");
});

test("a browser that refuses the headers is not asked again", async (t) => {
  const refuse = () => Object.defineProperty(globalThis, "crossOriginIsolated", { value: false });
  const page = await open(t, {
    browser: chromium,
    url,
    query: "?backend=wasm",
    context: WITH_WORKER,
    before: (page) => page.addInitScript(refuse),
  });
  await readResults(page, "astronaut");
  await Promise.all([page.waitForEvent("load"), page.getByRole("button", { name: "Use all cores" }).click()]);
  await readResults(page, "astronaut");
  assert.match(await page.innerText("#engine-note"), /did not turn threads on/);
  assert.ok(await page.isHidden("#use-threads"));
});

test("saves data when asked to: nothing large is fetched before a click", async (t) => {
  const asked = [];
  const page = await open(t, {
    browser: chromium,
    url,
    before: async (page) => {
      await page.addInitScript(() => Object.defineProperty(navigator, "connection", { value: { saveData: true } }));
      page.on("request", (request) => asked.push(request.url()));
    },
  });
  await page.getByRole("button", { name: /^Load it/ }).waitFor();
  assert.deepEqual(
    asked.filter((address) => /model\.tflite|\.wasm/.test(address)),
    [],
  );
  await page.getByRole("button", { name: /^Load it/ }).click();
  assert.equal((await readResults(page, "astronaut")).length, 1);
  assert.equal((await readList(page)).length, 1);
});
