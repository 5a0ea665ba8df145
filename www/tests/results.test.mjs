// What the page finds: the same boxes on every engine, and controls that do what they say.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, compare, expectedOn, open, readEngine, readList, readNotice, readResults, site } from "./harness.mjs";

const chromium = await browser();
const plain = await site();
const isolated = await site({ isolated: true });

const agrees = (found, model, photo) => {
  const wrong = compare(found, expectedOn(model, photo)).filter((row) => row.wrong);
  assert.deepEqual(wrong, [], `${model} on ${photo}`);
};

for (const { name, url, query, runs } of [
  {
    name: "wasm with one thread",
    url: plain,
    query: "?backend=wasm",
    runs: { backend: "wasm", variant: "relaxed", threads: "1" },
  },
  {
    name: "wasm with threads",
    url: isolated,
    query: "?backend=wasm&threads=2",
    runs: { backend: "wasm", variant: "threads", threads: "2" },
  },
  { name: "WebGPU", url: plain, query: "?backend=webgpu&software-adapter", runs: { backend: "webgpu" } },
]) {
  test(`finds the sample photos' objects on ${name}`, async (t) => {
    const page = await open(t, { browser: chromium, url, query });
    agrees(await readResults(page, "astronaut"), "ssd", "astronaut");
    await page.click('.thumb img[src*="coffee"]');
    agrees(await readResults(page, "coffee"), "ssd", "coffee");
    const engine = await readEngine(page);
    for (const [key, value] of Object.entries(runs)) assert.equal(engine[key], value, engine.text);
  });
}

test("switches model and engine in place", async (t) => {
  const page = await open(t, { browser: chromium, url: plain, query: "?backend=wasm&photo=chelsea&software-adapter" });
  agrees(await readResults(page, "chelsea"), "ssd", "chelsea");
  await page.getByLabel("CenterNet").check();
  await page.waitForFunction(() => document.querySelector("#found li:not([hidden]) .label")?.textContent === "dog");
  agrees(await readResults(page, "chelsea"), "centernet", "chelsea");
  assert.equal(await page.inputValue("#score"), "20", "each model brings its own thresholds");
  await page.getByLabel("WebGPU").check();
  await page.waitForFunction(() => document.getElementById("running").dataset.backend === "webgpu");
  agrees(await readResults(page, "chelsea"), "centernet", "chelsea");
});

test("never takes an emulated GPU unasked", async (t) => {
  const page = await open(t, { browser: chromium, url: plain, query: "?backend=webgpu" });
  assert.match(await readNotice(page, /does not run here/), /Use WebAssembly/);
  await page.getByRole("button", { name: "Use WebAssembly" }).click();
  agrees(await readResults(page, "astronaut"), "ssd", "astronaut");
  const automatic = await open(t, { browser: chromium, url: plain });
  await readResults(automatic, "astronaut");
  assert.equal((await readEngine(automatic)).backend, "wasm");
});

test("says calmly that there is no WebGPU", async (t) => {
  const before = (page) => page.addInitScript(() => Reflect.deleteProperty(Navigator.prototype, "gpu"));
  const page = await open(t, { browser: chromium, url: plain, before });
  await readResults(page, "astronaut");
  assert.match(await page.innerText("#engine-note"), /no WebGPU/);
  assert.ok(await page.isHidden("#notice"));
});

test("the confidence slider filters without running the network, the overlap slider runs it again", async (t) => {
  const page = await open(t, { browser: chromium, url: plain, query: "?backend=wasm&photo=coffee" });
  const usual = await readResults(page, "coffee");
  const time = await page.innerText("#time-inference");
  await page.fill("#score", "5");
  const all = await readList(page);
  assert.ok(all.length > usual.length, `${all.length} boxes at 5%`);
  assert.ok(all.every(({ score }) => score >= 0.05));
  await page.fill("#score", "95");
  assert.equal((await readList(page)).length, 0);
  assert.match(await page.innerText("#found-empty"), /Nothing above 95%/);
  assert.equal(await page.innerText("#time-inference"), time, "the network did not run again");

  await page.fill("#score", "5");
  await page.fill("#overlap", "95");
  await page.waitForFunction(
    (count) => document.querySelectorAll("#found li:not([hidden])").length > count,
    all.length,
  );
  await page.fill("#overlap", "50");
  await page.waitForFunction(
    (count) => document.querySelectorAll("#found li:not([hidden])").length === count,
    all.length,
  );
});

test("a loss of the GPU is survived and mentioned", async (t) => {
  const page = await open(t, {
    browser: chromium,
    url: plain,
    query: "?backend=webgpu&software-adapter",
    expect: /lost/i,
  });
  agrees(await readResults(page, "astronaut"), "ssd", "astronaut");
  const control = await chromium.newBrowserCDPSession();
  await control.send("Browser.crashGpuProcess"); // it holds every GPU device
  await page.click('.thumb img[src*="chelsea"]');
  agrees(await readResults(page, "chelsea"), "ssd", "chelsea");
  assert.match(await page.innerText("#engine-note"), /lost/);
});
