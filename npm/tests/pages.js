// What tests in Chromium stand on: a server of the package, and a browser, for as long as the test file runs.
import { join } from "node:path";
import { after } from "node:test";
import { launch } from "./chromium.js";
import { page as html, serve } from "./server.js";

/** The package as it is published. */
export const DIST = join(import.meta.dirname, "../dist");

/** Serves the package under `/dist/`, an empty page as `/`, and more folders and routes; starts a browser ({@link launch}). */
export async function pages(folders = {}, routes = {}, browsing = {}) {
  const server = await serve({ "/dist/": DIST, ...folders }, { "/": (_, response) => html(response), ...routes });
  after(() => server.close());
  const browser = await launch(browsing);
  after(() => browser.close());

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
  return { server, browser, inPage };
}
