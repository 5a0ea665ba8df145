// For everybody: keyboards, screen readers, small screens, dark rooms.
import assert from "node:assert/strict";
import { test } from "node:test";
import { audit, browser, open, readNotice, readResults, site } from "./harness.mjs";

const chromium = await browser([]);
const url = await site();

for (const colorScheme of ["light", "dark"]) {
  test(`axe-core finds nothing serious, ${colorScheme}, in any state`, async (t) => {
    const page = await open(t, { browser: chromium, url, query: "?backend=wasm", context: { colorScheme } });
    await readResults(page, "astronaut");
    assert.deepEqual(await audit(page), [], "with a result");
    await page.setInputFiles("#photo-file", { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("no") });
    await readNotice(page, /not a picture/);
    assert.deepEqual(await audit(page), [], "with a notice");
    await page.getByRole("radio", { name: "Camera" }).check();
    assert.deepEqual(await audit(page), [], "camera, before it starts");
  });
}

test("everything can be reached and used with the keyboard alone", async (t) => {
  const page = await open(t, { browser: chromium, url, query: "?backend=wasm" });
  await readResults(page, "astronaut");
  const focused = () =>
    page.evaluate(() => {
      const { activeElement: active } = document;
      if (active === document.body) return { name: "" }; // past the last stop
      const { outlineStyle } = getComputedStyle(active);
      const name =
        active.labels?.[0]?.innerText ||
        active.getAttribute("aria-label") ||
        active.querySelector("img")?.alt ||
        active.innerText;
      // Radio buttons and sliders show the focus on what stands for them.
      const drawn = outlineStyle !== "none" || ["radio", "range"].includes(active.type);
      return { name: (name ?? "").split("\n")[0].trim(), drawn };
    });
  const stops = [];
  for (let i = 0; i < 40; i++) {
    await page.keyboard.press("Tab");
    const { name, drawn } = await focused();
    if (name === "") break;
    assert.ok(drawn, `the focus shows on ${name}`);
    stops.push(name);
  }
  for (const wanted of [
    "Skip to what was found",
    "Switch to dark colours",
    "Photo",
    "Sample photo: a cat",
    "Choose a photo",
    "Person",
    "Confidence",
    "Overlap",
    "Auto|Wasm",
    "SSD-MobileNetV2",
    "Apache-2.0",
  ]) {
    assert.ok(
      stops.some((stop) => new RegExp(`^(${wanted})`).test(stop)),
      `${wanted} among ${stops.join(", ")}`,
    );
  }

  await page.focus('.thumb:has(img[src*="coffee"])');
  await page.keyboard.press("Enter");
  await readResults(page, "coffee");
  await page.focus("#score");
  await page.keyboard.press("ArrowLeft");
  assert.equal(await page.innerText("#score-value"), "39%");
  await page.focus('input[name="model"]:checked');
  await page.keyboard.press("ArrowDown");
  await page.waitForFunction(() => document.querySelector("#found li:not([hidden]) .label")?.textContent === "cup");
  await page.focus('input[name="source"]:checked');
  await page.keyboard.press("ArrowRight");
  assert.ok(await page.isVisible("#camera-start"));
  await page.focus("#camera-start");
  await page.keyboard.press("Shift+Tab");
  assert.equal(await page.evaluate(() => document.activeElement.value), "camera");
});

test("tells a screen reader what was found, once", async (t) => {
  const page = await open(t, { browser: chromium, url, query: "?backend=wasm" });
  await readResults(page, "astronaut");
  await page.waitForFunction(() => document.getElementById("announce").textContent === "Found 1 Person.");
  await page.fill("#score", "95");
  await page.waitForFunction(() => /Nothing above 95%/.test(document.getElementById("announce").textContent));
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
    await readResults(page, "astronaut");
    const fit = () =>
      page.evaluate(() => ({
        wide: document.documentElement.scrollWidth,
        // Targets at least 24 CSS pixels each way, or inline in a text (WCAG 2.2).
        small: [...document.querySelectorAll("button, select, .segmented label, input[type=range]")]
          .filter((node) => node.checkVisibility())
          .map((node) => ({ name: node.id || node.className, box: node.getBoundingClientRect() }))
          .filter(({ box }) => box.width < 24 || box.height < 24)
          .map(({ name }) => name),
      }));
    assert.deepEqual(await fit(), { wide: width, small: [] });
    const stage = await page.locator("#stage").boundingBox();
    assert.ok(stage.y + stage.height <= height, "the whole picture is in view");
    await page.getByRole("radio", { name: "Camera" }).check();
    assert.deepEqual(await fit(), { wide: width, small: [] });
  });
}
