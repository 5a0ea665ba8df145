// Runs the built page in headless Chromium on the sample photos, with both models, on wasm with one thread, on wasm with
// threads and on WebGPU; prints the boxes it shows beside the expected ones and takes screenshots. Fails if any disagree.
//
//   CHROMIUM             the browser (default: one on the PATH)
//   STRIATE_URL          an isolated server of the site for the run with threads (default: one of our own)
//   STRIATE_SCREENSHOTS  where the pictures go (default: target/demo)
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compare, launch, readEngine, readResults, SOFTWARE_WEBGPU } from "./browser.mjs";
import { expectedOn, MODELS, PHOTOS } from "./expected.mjs";
import { serve } from "./serve.mjs";

const folder = process.env.STRIATE_SCREENSHOTS ?? fileURLToPath(new URL("../../target/demo/", import.meta.url));
mkdirSync(folder, { recursive: true });

const plain = await serve();
const isolated = process.env.STRIATE_URL
  ? { url: process.env.STRIATE_URL, close: () => {} }
  : await serve({ isolated: true });
const browser = await launch(SOFTWARE_WEBGPU);
let wrong = 0;

/** The three engines: what to ask the page for, and what it must then say it runs. */
const ENGINES = [
  {
    name: "wasm, one thread",
    site: plain,
    query: "backend=wasm",
    runs: { backend: "wasm", variant: "relaxed", threads: "1" },
  },
  {
    name: "wasm, 2 threads",
    site: isolated,
    query: "backend=wasm&threads=2",
    runs: { backend: "wasm", variant: "threads", threads: "2" },
  },
  { name: "WebGPU (emulated)", site: plain, query: "backend=webgpu&software-adapter", runs: { backend: "webgpu" } },
];

try {
  console.log(line("engine", "model", "photo", "found", "score", "expected", "IoU", "box (x, y, width, height)"));
  for (const engine of ENGINES) for (const model of MODELS) await checkEngine(engine, model);
  await takeScreenshots();
} finally {
  await browser.close();
  await Promise.all([plain.close(), isolated.close()]);
}
console.log(wrong === 0 ? `\nAll boxes agree. Screenshots: ${folder}` : `\n${wrong} of the rows above are wrong.`);
process.exitCode = wrong === 0 ? 0 : 1;

async function checkEngine({ name, site, query, runs }, model) {
  const page = await browser.newPage();
  try {
    await page.goto(`${site.url}?${query}&model=${model}&photo=${PHOTOS[0]}`);
    for (const photo of PHOTOS) {
      if (photo !== PHOTOS[0]) await page.click(`.thumb img[src*="${photo}"]`);
      const rows = compare(await readResults(page, photo), expectedOn(model, photo));
      for (const row of rows) report(name, model, photo, row);
    }
    const engine = await readEngine(page);
    for (const [key, value] of Object.entries(runs)) {
      if (engine[key] !== value) fail(`${name}: the page runs "${engine.text}", expected ${key} ${value}`);
    }
  } catch (error) {
    fail(`${name}, ${model}: ${error.message}`);
  } finally {
    await page.close();
  }
}

function report(engine, model, photo, { want, got, overlap, wrong: what }) {
  const box = (got ?? want).box.map((side) => side.toFixed(1)).join(", ");
  const cells = [
    got?.label ?? "–",
    got?.score.toFixed(4) ?? "–",
    want ? want.score.toFixed(4) : "–",
    overlap?.toFixed(3) ?? "–",
    box,
  ];
  const text = line(engine, model, photo, ...cells);
  if (what) fail(`${text}  ${want?.label ?? ""} ${what}`);
  else console.log(text);
}

function fail(text) {
  wrong++;
  console.log(`${text}  <-- WRONG`);
}

function line(...cells) {
  const widths = [18, 10, 10, 11, 7, 9, 6];
  return cells
    .map((cell, i) => cell.padEnd(widths[i] ?? 0))
    .join(" ")
    .trimEnd();
}

async function takeScreenshots() {
  const shots = [
    { name: "wide", width: 1600, height: 1000, colorScheme: "light", photo: "coffee" },
    { name: "dark", width: 1600, height: 1000, colorScheme: "dark", photo: "coffee" },
    { name: "phone", width: 360, height: 780, colorScheme: "light", photo: "chelsea", scale: 2 },
    { name: "phone-dark", width: 360, height: 780, colorScheme: "dark", photo: "astronaut", scale: 2 },
  ];
  for (const { name, width, height, colorScheme, photo, scale = 1 } of shots) {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme, deviceScaleFactor: scale });
    try {
      await page.goto(`${isolated.url}?backend=wasm&photo=${photo}`);
      await readResults(page, photo);
      await page.screenshot({ path: join(folder, `${name}.png`) });
    } catch (error) {
      fail(`screenshot ${name}: ${error.message}`);
    } finally {
      await page.close();
    }
  }
}
