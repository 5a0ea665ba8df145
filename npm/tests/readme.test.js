// The programs of the READMEs, run as they stand: each finds what is on the photo.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pages } from "./pages.js";
import { IMAGES, VENDOR } from "./photos.js";

const ROOT = join(import.meta.dirname, "../..");

/** The code blocks of a page in these languages. */
const blocks = (page, languages) =>
  [...readFileSync(join(ROOT, page), "utf8").matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, language]) => languages.includes(language))
    .map(([, , code]) => code);

const { server, browser } = await pages({
  "/models/ssd/": join(VENDOR, "ssd_mobilenetv2_oidv4/"),
  "/models/": `${VENDOR}/`,
  "/photos/": IMAGES,
});

/** Runs a program as a module script of a page in which `striate` is the package; what it logged. */
async function run(program) {
  const page = await browser.newPage();
  try {
    const logged = [];
    page.on("console", (message) => logged.push(message.text()));
    page.on("pageerror", (error) => logged.push(`thrown: ${error.message}`));
    await page.goto(`${server.origin}/`);
    await page.evaluate((code) => {
      const imports = document.createElement("script");
      imports.type = "importmap";
      const views = { "striate/vision": "/dist/vision.js", "striate/draw": "/dist/draw.js" };
      imports.textContent = JSON.stringify({ imports: { striate: "/dist/index.js", ...views } });
      document.head.append(imports);
      const script = document.createElement("script");
      script.type = "module";
      script.textContent = `${code}\nglobalThis.finished = true;`;
      document.head.append(script);
    }, program);
    // A module that throws never finishes.
    const thrown = page.waitForEvent("pageerror", { timeout: 120_000 });
    await Promise.race([page.waitForFunction(() => globalThis.finished, null, { timeout: 120_000 }), thrown]);
    return logged;
  } finally {
    await page.close();
  }
}

test("README.md has one JavaScript program, and it finds the astronaut", async () => {
  const programs = blocks("README.md", ["js", "ts", "javascript", "typescript"]);
  assert.equal(programs.length, 1, "a new program needs a test");
  const logged = await run(programs[0]);
  assert.match(logged.join("\n"), /^Person 0\.\d\d at -?\d+, -?\d+: \d+ x \d+$/m);
  assert.doesNotMatch(logged.join("\n"), /thrown/);
});

test("the program of npm/README.md that looks into a model finds a detector", async () => {
  const programs = blocks("npm/README.md", ["js"]).filter((code) => code.includes("engine.inspect("));
  assert.equal(programs.length, 1);
  const logged = await run(programs[0]);
  assert.match(logged[0], /^tflite for load\(\), \d{7} parameters, 0 bytes to fetch$/);
  assert.match(logged[1], /^\d\d convolutions; SSD-MobileNetV2/);
  assert.deepEqual(logged.slice(2), ["true"]);
});

test("the program of npm/README.md that trains learns its bars", async () => {
  const programs = blocks("npm/README.md", ["js"]).filter((code) => code.includes("net.fit("));
  assert.equal(programs.length, 1);
  const logged = (await run(programs[0])).join("\n");
  assert.doesNotMatch(logged, /thrown/);
  assert.match(logged, /^0: \d of 5, \d/m);
  const [, accuracy] = logged.match(/^accuracy (\S+) after \d+ epochs$/m);
  assert.ok(Number(accuracy) > 0.9, logged);
});

test("the program of npm/README.md with published networks finds the person", async () => {
  const programs = blocks("npm/README.md", ["js"]).filter((code) => code.includes("engine.models"));
  assert.equal(programs.length, 1);
  const logged = (await run(programs[0])).join("\n");
  assert.doesNotMatch(logged, /thrown/);
  assert.match(logged, /^5\d % person; a soft edge of 262144 pixels$/m);
  assert.match(logged, /^2 classes$/m);
});

test("the program of npm/README.md around networks says what it found", async () => {
  const programs = blocks("npm/README.md", ["js"]).filter((code) => code.includes("striate/vision"));
  assert.equal(programs.length, 1);
  assert.deepEqual(await run(programs[0]), [
    "kept 0 and 2",
    "dog 1 at 40",
    "dog 1 at 48",
    "dog 1 at 56",
    "dog 0.67 #800000",
    "background 0.33 #000000",
  ]);
});

test("the program of npm/README.md that draws does", async () => {
  const programs = blocks("npm/README.md", ["js"]).filter((code) => code.includes("drawBoxes("));
  assert.equal(programs.length, 1);
  assert.deepEqual(await run(programs[0]), ["drawn at 80, 480 wide"]);
});

test("the program of npm/README.md that asks where a network looks is told", async () => {
  const programs = blocks("npm/README.md", ["js"]).filter((code) => code.includes("gradCam("));
  assert.equal(programs.length, 1);
  assert.deepEqual(await run(programs[0]), ["conv2d: 30 x 30"]);
});
