// Chromium as the check and the tests use it, and what they read from the page.
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium } from "playwright-core";

const QUIET = [
  "--no-sandbox",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];
/** WebGPU on an emulated GPU: correct and slow. The page uses one only with `?software-adapter`. */
export const SOFTWARE_WEBGPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

/** The browser to drive: `$CHROMIUM`, or one on the PATH. */
function executable() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
  const found = (process.env.PATH ?? "")
    .split(delimiter)
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((path) => existsSync(path));
  if (!found) throw new Error('Chromium is missing: run "cargo xtask setup", or name one in CHROMIUM');
  return found;
}

export function launch(flags = []) {
  return chromium.launch({ executablePath: executable(), args: [...QUIET, ...flags] });
}

/** Waits until the page has a network and has looked at `picture`, then reads what it lists. */
export async function readResults(page, picture, timeout = 120_000) {
  const handle = await page.waitForFunction(
    (name) => {
      const { phase, busy, picture } = document.getElementById("main").dataset;
      const notice = document.getElementById("notice");
      if (!notice.hidden) return { notice: notice.textContent.replace(/\s+/g, " ").trim() };
      return phase === "ready" && busy === "false" && picture === name && {};
    },
    picture,
    { timeout },
  );
  const { notice } = await handle.jsonValue();
  if (notice) throw new Error(`the page says: ${notice}`);
  return readList(page);
}

/** The detections as the page lists them: label, score and box (x, y, width, height) in pixels of the picture. */
export function readList(page) {
  return page.$$eval("#found li:not([hidden])", (items) =>
    items.map(({ dataset }) => ({
      label: dataset.label,
      score: Number(dataset.score),
      box: dataset.box.split(" ").map(Number),
    })),
  );
}

/** Backend, variant and number of threads, as the page states them. */
export function readEngine(page) {
  return page.$eval("#running", ({ dataset, textContent }) => ({ ...dataset, text: textContent }));
}

/** Intersection over union of two boxes given as x, y, width, height. */
export function iou(a, b) {
  const side = (i) => Math.max(0, Math.min(a[i] + a[i + 2], b[i] + b[i + 2]) - Math.max(a[i], b[i]));
  const shared = side(0) * side(1);
  return shared / (a[2] * a[3] + b[2] * b[3] - shared);
}

/**
 * Holds a list of detections to the expected one: the same classes, IoU >= 0.95, scores within 0.01. Returns a row for each
 * expected detection and for each that should not be there; a row's `wrong` says what is.
 */
export function compare(found, expected) {
  const left = [...found];
  const rows = expected.map((want) => {
    const same = left.filter(({ label }) => label === want.label);
    const got = same.reduce(
      (best, each) => (best && iou(best.box, want.box) >= iou(each.box, want.box) ? best : each),
      undefined,
    );
    if (!got) return { want, wrong: "not found" };
    left.splice(left.indexOf(got), 1);
    const overlap = iou(got.box, want.box);
    const wrong = overlap < 0.95 ? "box" : Math.abs(got.score - want.score) > 0.01 ? "score" : undefined;
    return { want, got, overlap, wrong };
  });
  return [...rows, ...left.map((got) => ({ got, wrong: "not expected" }))];
}
