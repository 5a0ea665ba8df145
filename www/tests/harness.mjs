// What every end-to-end test stands on: servers, browsers, and pages that fail a test by themselves when they log an error.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { greyPng } from "../../npm/tests/png.js";
import { launch, SOFTWARE_WEBGPU } from "../scripts/browser.mjs";
import { serve } from "../scripts/serve.mjs";

export { compare, iou, readEngine, readList, readResults } from "../scripts/browser.mjs";
export { expectedOn } from "../scripts/expected.mjs";

export const file = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

const closing = [];
after(async () => {
  for (const close of closing.reverse()) await close();
});

/** A server of the site that lives as long as this test file. */
export async function site(options) {
  const server = await serve(options);
  closing.push(server.close);
  return server.url;
}

/** A browser that lives as long as this test file. */
export async function browser(flags = SOFTWARE_WEBGPU) {
  const launched = await launch(flags);
  closing.push(() => launched.close());
  return launched;
}

/**
 * A page in a context of its own, closed after the test. Errors in its console fail the test, but for those that `expect`
 * matches: a browser reports a failed request by itself. `before` runs before the address is opened. There is no service worker
 * unless `context` allows it: it would answer requests that a test wants to see.
 */
export async function open(t, { browser, url, query = "", context: options = {}, expect, before }) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    serviceWorkers: "block",
    ...options,
  });
  context.setDefaultTimeout(90_000); // generous: a loaded machine is no reason to fail
  const page = await context.newPage();
  const errors = [];
  page.on("console", (message) => {
    if (message.type() === "error" && !expect?.test(message.text())) errors.push(message.text());
  });
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (protocol.startsWith("http") && origin !== new URL(url).origin) errors.push(`request to ${request.url()}`);
  });
  t.after(async () => {
    await context.close();
    assert.deepEqual(errors, [], "the page logged errors");
  });
  await before?.(page, context);
  await page.goto(url + query);
  return page;
}

/** Waits for the notice card and reads it. */
export async function readNotice(page, title) {
  await page.waitForFunction((title) => {
    const shown = !document.getElementById("notice").hidden;
    return shown && title.test(document.getElementById("notice-title").textContent);
  }, title);
  return page.innerText("#notice");
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Serious and critical findings of axe-core, one line each. */
export async function audit(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`);
}

/** A PNG of this size, all black, one bit a pixel: small even where the picture is huge. */
export const blackPng = (width, height) => greyPng(width, height, 1);

/** Hands a file to the page as if it had been dropped or pasted: `event` is "drop" or "paste"; dropped `onto` an element. */
export async function handOver(page, event, { name, type, bytes }, onto = "footer") {
  const encoded = bytes.toString("base64");
  await page.evaluate(
    ({ event, name, type, encoded, onto }) => {
      const content = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
      const carrier = new DataTransfer();
      carrier.items.add(new File([content], name, { type }));
      const target = document.querySelector(onto);
      if (event === "paste") {
        target.dispatchEvent(new ClipboardEvent("paste", { clipboardData: carrier, bubbles: true, cancelable: true }));
        return;
      }
      for (const kind of ["dragenter", "dragover", "drop"]) {
        target.dispatchEvent(new DragEvent(kind, { dataTransfer: carrier, bubbles: true, cancelable: true }));
      }
    },
    { event, name, type, encoded, onto },
  );
}
