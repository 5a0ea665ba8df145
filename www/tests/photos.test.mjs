// The page of a photo, pixel by pixel: people cut out, a network of the visitor's, a part enlarged. With the real networks.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { input, layers, striate } from "../../npm/dist/index.js";
import { audit, blackPng, browser, file, handOver, open, readEngine, readNotice, site } from "./harness.mjs";

const chromium = await browser();
const root = await site();
const url = `${root}photos.html`;
const SELFIE = "**/selfie_segmentation.tflite";

const start = (t, options = {}) => open(t, { browser: chromium, url, query: "?backend=wasm", ...options });

/** Waits until this element says so; what it says. */
async function says(page, id, pattern) {
  const said = await page.waitForFunction(
    ({ id, source }) => {
      const { textContent } = document.getElementById(id);
      return new RegExp(source).test(textContent) && textContent;
    },
    { id, source: pattern.source },
  );
  return said.jsonValue();
}

/** Share of the photo, in percent, that belongs to a person. */
const person = async (page) => Number(/(\d+) %/.exec(await says(page, "person", /\d+ % of the photo/))[1]);

/** Red, green, blue of a canvas at a place given in parts of it. */
const pixel = (page, id, u, v) =>
  page.evaluate(
    ({ id, u, v }) => {
      const canvas = document.getElementById(id);
      const [x, y] = [Math.floor(u * canvas.width), Math.floor(v * canvas.height)];
      return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data.slice(0, 3)];
    },
    { id, u, v },
  );

const FACE = [0.43, 0.24];
const WALL = [0.62, 0.1];

for (const { name, query, backend } of [
  { name: "wasm", query: "?backend=wasm", backend: "wasm" },
  { name: "WebGPU", query: "?backend=webgpu&software-adapter", backend: "webgpu" },
]) {
  test(`cuts the astronaut out, on ${name}`, async (t) => {
    const page = await start(t, { query });
    const share = await person(page);
    assert.ok(share > 45 && share < 62, `${share} % are a person`);
    assert.equal((await readEngine(page)).backend, backend);

    await page.getByRole("radio", { name: "Matte" }).check();
    assert.ok((await pixel(page, "cutout", ...FACE))[0] > 240, "the face is in the matte");
    assert.ok((await pixel(page, "cutout", ...WALL))[0] < 15, "the wall is not");

    await page.getByRole("radio", { name: "Colour" }).check();
    await page.fill("#colour", "#1040c0");
    const near = (got, wanted, what) => {
      const far = Math.max(...got.map((value, i) => Math.abs(value - wanted[i])));
      assert.ok(far <= 8, `${what}: ${got}, not ${wanted}`);
    };
    near(await pixel(page, "cutout", ...WALL), [0x10, 0x40, 0xc0], "the wall has the colour");
    near(await pixel(page, "cutout", ...FACE), await pixel(page, "photo", ...FACE), "the face is the photo's");
    assert.equal(await page.isHidden("#colour-field"), false);
  });
}

test("another photo is looked at, and a temple has nobody in it", async (t) => {
  const page = await start(t, { query: "?backend=wasm&photo=china" });
  await says(page, "person", /No person is seen/);
  await page.setInputFiles("#photo-file", { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("no") });
  await readNotice(page, /not a picture/);
  await page.getByRole("button", { name: "Use a sample photo" }).click();
  assert.ok((await person(page)) > 45);
  await page.click('.thumb:has(img[src*="china"])');
  await says(page, "person", /No person is seen/);
});

test("puts a picture behind: a sample, a file, one that is dropped there", async (t) => {
  const page = await start(t);
  await person(page);
  const wall = await pixel(page, "cutout", ...WALL);
  await page.getByRole("radio", { name: "Picture" }).check();
  const behind = (name, wanted) =>
    page
      .waitForFunction(
        ({ wall, wanted }) => {
          const canvas = document.getElementById("cutout");
          const [u, v] = wall;
          const [x, y] = [Math.floor(u * canvas.width), Math.floor(v * canvas.height)];
          const { data } = canvas.getContext("2d").getImageData(x, y, 1, 1);
          return wanted.every((value, i) => Math.abs(value - data[i]) < 12);
        },
        { wall: WALL, wanted },
        { polling: 100 },
      )
      .catch(async () => assert.fail(`${name}: ${await pixel(page, "cutout", ...WALL)}, not ${wanted}`));
  // It fills the square: of the temple, 640 x 427, the middle.
  const sky = await page.evaluate(async ([u, v]) => {
    const temple = await createImageBitmap(await (await fetch("photos/china.jpg")).blob());
    const context = new OffscreenCanvas(512, 512).getContext("2d");
    const width = (512 * temple.width) / temple.height;
    context.drawImage(temple, (512 - width) / 2, 0, width, 512);
    return [...context.getImageData(Math.floor(u * 512), Math.floor(v * 512), 1, 1).data.slice(0, 3)];
  }, WALL);
  await behind("the temple's sky", sky);
  assert.ok(Math.max(...sky.map((value, i) => Math.abs(value - wall[i]))) > 24, `${sky} is not the wall, ${wall}`);
  assert.equal(await page.getAttribute('#behind-thumbs .thumb:has(img[src*="china"])', "aria-pressed"), "true");
  const face = await pixel(page, "photo", ...FACE);
  assert.ok((await pixel(page, "cutout", ...FACE)).every((value, i) => Math.abs(value - face[i]) <= 8));

  const black = { name: "black.png", mimeType: "image/png", buffer: blackPng(300, 200) };
  await page.setInputFiles("#behind-file", black);
  await behind("a black file", [0, 0, 0]);
  await page.setInputFiles("#behind-file", { ...black, name: "a.txt", buffer: Buffer.from("no") });
  await says(page, "behind-state-text", /not a picture/);
  assert.ok(await page.isHidden("#notice"), "the photo has no fault");
  await page.click('#behind-thumbs .thumb:has(img[src*="china"])');
  await behind("the temple again", sky);
  assert.ok(await page.isHidden("#behind-state"));

  // Dropped on the cutout it goes behind, whatever was there; anywhere else it is the next photo.
  await page.getByRole("radio", { name: "Blur" }).check();
  const dropped = { name: "black.png", type: "image/png", bytes: black.buffer };
  await handOver(page, "drop", dropped, "#cutout");
  await behind("a black file that is dropped", [0, 0, 0]);
  assert.ok(await page.getByRole("radio", { name: "Picture" }).isChecked());
  assert.equal(await page.$eval("#main", ({ dataset }) => dataset.picture), "astronaut");
  await handOver(page, "drop", dropped);
  await page.waitForFunction(() => document.getElementById("main").dataset.picture === "black.png");
  assert.equal(await page.$$eval(".dropping", ({ length }) => length), 0);
  // What is too large is refused before it is decoded, and a smaller copy is offered.
  await page.setInputFiles("#behind-file", { ...black, name: "huge.png", buffer: blackPng(12_000, 9_000) });
  await says(page, "behind-state-text", /108 megapixels/);
  await page.getByRole("button", { name: "Use a smaller copy" }).click();
  await page.waitForFunction(() => document.getElementById("behind-state").hidden);
});

const legend = (page) =>
  page.$$eval("#classes-legend li", (lines) =>
    lines.map((line) => ({
      label: line.querySelector(".what").textContent,
      share: Number.parseFloat(line.querySelector(".figures").textContent),
    })),
  );

test("a network by its address: classes in colours, with their shares", async (t) => {
  const page = await start(t);
  const share = await person(page);
  await page.selectOption("#classes-range", "unit");
  await page.fill("#classes-url", "models/selfie_segmentation/selfie_segmentation.tflite");
  await page.click("#classes-form [type=submit]");
  await says(page, "classes-state-text", /256 × 256 places, 2 classes/);
  const lines = await legend(page);
  const [front] = lines.filter(({ label }) => label === "foreground");
  assert.ok(Math.abs(front.share - share) < 4, `${front.share} % and ${share} % are the person`);
  const total = lines.reduce((sum, line) => sum + line.share, 0);
  assert.ok(Math.abs(total - 100) < 0.3, `${total} % together`);
  // PASCAL VOC's second colour over the face; the wall is as it was.
  const [face, own] = [await pixel(page, "classes", ...FACE), await pixel(page, "photo", ...FACE)];
  for (const [i, of] of [128, 0, 0].entries()) {
    assert.ok(Math.abs(face[i] - (0.65 * of + 0.35 * own[i])) < 6, `${face} over ${own}`);
  }
  assert.deepEqual(await pixel(page, "classes", ...WALL), await pixel(page, "photo", ...WALL));
  // It looks at the next photo, too.
  await page.click('.thumb:has(img[src*="china"])');
  await page.waitForFunction(() => document.getElementById("main").dataset.picture === "china");
  await says(page, "person", /No person/);
  const [most] = await legend(page);
  assert.ok(most.label === "background" && most.share > 90, `${most.label} ${most.share}`);
});

test("of two networks the one that was opened last is shown, however slow the first is", async (t) => {
  let release;
  const held = new Promise((resolve) => (release = resolve));
  const page = await start(t, {
    before: (page) =>
      page.route("**/digits-fcn.safetensors", (route) => held.then(() => route.continue().catch(() => {}))),
  });
  await person(page);
  const load = async (address) => {
    await page.fill("#classes-url", address);
    await page.click("#classes-form [type=submit]");
  };
  await load("models/digits-fcn.safetensors");
  await says(page, "classes-state-text", /Fetching/);
  await load("models/selfie_segmentation/selfie_segmentation.tflite");
  await says(page, "classes-state-text", /^selfie_segmentation.tflite: .* 2 classes/);
  release();
  await page.waitForTimeout(300);
  assert.match(await page.innerText("#classes-state-text"), /^selfie_segmentation.tflite: .* 2 classes/);
  assert.deepEqual((await legend(page)).map(({ label }) => label).sort(), ["background", "foreground"]);
});

test("a network from files, with a list of names", async (t) => {
  const page = await start(t);
  await person(page);
  const names = ["paper", ..."0123456789"].join("\n");
  await page.setInputFiles("#classes-file", [
    {
      name: "digits-fcn.safetensors",
      mimeType: "application/octet-stream",
      buffer: readFileSync(file("www/public/models/digits-fcn.safetensors")),
    },
    { name: "names.txt", mimeType: "text/plain", buffer: Buffer.from(names) },
  ]);
  await says(page, "classes-state-text", /11 classes/);
  for (const { label } of await legend(page)) assert.match(label, /^(paper|\d)$/);
});

test("a network that gives classes in place of scores, and one with its channels first", async (t) => {
  const engine = await striate({ worker: false, edition: "models" });
  t.after(() => engine.dispose());
  const write = async (...list) => {
    const net = await engine.sequential([input({ shape: [32, 48, 3] }), ...list]);
    return Buffer.from(await (await net.save("safetensors")).arrayBuffer());
  };
  const page = await start(t);
  await person(page);
  const load = (buffer, names) => {
    const files = [{ name: "own.safetensors", mimeType: "application/octet-stream", buffer }];
    if (names) files.push({ name: "names.txt", mimeType: "text/plain", buffer: Buffer.from(names) });
    return page.setInputFiles("#classes-file", files);
  };
  await load(await write(layers.permute({ dims: [3, 1, 2] })));
  await says(page, "classes-state-text", /^own.safetensors: 48 × 32 places, 3 classes\.$/);
  const scores = await legend(page);
  // Which of red, green and blue is the strongest.
  const classes = await write(layers.lambda((x) => x.argMax(-1)));
  await load(classes);
  await says(page, "classes-state-text", /48 × 32 places, the class of each. A list of names/);
  const found = await legend(page);
  for (const [i, { label, share }] of found.entries()) {
    assert.equal(label, scores[i].label);
    // Scores are interpolated first.
    assert.ok(Math.abs(share - scores[i].share) < 3, `${label}: ${share} and ${scores[i].share} %`);
  }
  await load(classes, "red\ngreen\nblue");
  await says(page, "classes-state-text", /the class of each\.$/);
  assert.ok((await legend(page)).every(({ label }) => /^(red|green|blue)$/.test(label)));
});

test("what a network leaves open the visitor is asked", async (t) => {
  const engine = await striate({ worker: false, edition: "models" });
  t.after(() => engine.dispose());
  const page = await start(t);
  await person(page);
  const load = async (shape, ...list) => {
    const net = await engine.sequential([input({ shape }), ...list]);
    const buffer = Buffer.from(await (await net.save("safetensors")).arrayBuffer());
    await page.setInputFiles("#classes-file", {
      name: "own.safetensors",
      mimeType: "application/octet-stream",
      buffer,
    });
  };
  const button = (name) => page.getByRole("button", { name, exact: true });
  // One number for each place: 0 or 1.
  const dark = [
    layers.lambda((x) => x.argMax(-1)),
    layers.rescaling({ scale: 0.5 }),
    layers.reshape({ targetShape: [32, 48] }),
  ];
  await load([32, 48, 3], ...dark);
  await says(page, "classes-state-text", /its output, float32 \[1, 32, 48\], may be the class of each place/);
  assert.ok(await page.isVisible("#classes-none"));
  await button("They are shares").click();
  await says(page, "classes-state-text", /^own.safetensors: 48 × 32 places, 2 classes/);
  assert.equal((await legend(page)).length, 2);
  assert.ok(await button("They are classes").isHidden());
  // Another network is asked about anew: as many rows as columns and channels, of which the last is the strongest.
  for (const [answer, label] of [
    ["Classes come first", "class 2"],
    ["Classes come last", "class 0"],
  ]) {
    await load([3, 3, 3], layers.rescaling({ scale: 0, offset: [0, 0, 1] }), layers.permute({ dims: [3, 1, 2] }));
    await says(page, "classes-state-text", /may have its classes before rows and columns/);
    await button(answer).click();
    await says(page, "classes-state-text", /^own.safetensors: 3 × 3 places, 3 classes/);
    assert.deepEqual(await legend(page), [{ label, share: 100 }]);
  }
});

test("what is no network of this kind is said; the rest of the page goes on", async (t) => {
  const page = await start(t, { expect: /Failed to load resource/ });
  await person(page);
  const load = async (address) => {
    await page.fill("#classes-url", address);
    await page.click("#classes-form [type=submit]");
  };
  await load("models/ssd_mobilenetv2_oidv4/model.tflite");
  await says(page, "classes-state-text", /model\.tflite does not say what is where/);
  await load("photos/coffee.png");
  await says(page, "classes-state-text", /cannot be used/);
  await load("models/none.tflite");
  await says(page, "classes-state-text", /could not be fetched/);
  await load("http://127.0.0.2/model.tflite");
  await says(page, "classes-state-text", /by https only/);
  await page.setInputFiles("#classes-file", { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("a") });
  await says(page, "classes-state-text", /Among these files is no network/);
  assert.ok(await page.isVisible("#classes-none"));
  assert.ok(await page.isHidden("#notice"));
  await page.getByRole("radio", { name: "Matte" }).check();
  assert.ok((await pixel(page, "cutout", ...FACE))[0] > 240);
});

/** Mean difference of two canvases of one size. */
const difference = (page) =>
  page.evaluate(() => {
    const [a, b] = ["before", "after"].map((id) => {
      const canvas = document.getElementById(id);
      return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    });
    return a.length === b.length ? a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length : -1;
  });

test("enlarges the framed part; a moved frame is another part", async (t) => {
  const page = await start(t);
  await person(page);
  assert.ok(await page.isHidden("#divider"));
  await page.click("#enlarge");
  await says(page, "larger-figures", /192 × 128 → 384 × 256, \d+\.\d s/);
  const far = await difference(page);
  assert.ok(far > 0.3 && far < 8, `the same picture, drawn otherwise: ${far}`);
  await page.focus("#divider");
  for (let i = 0; i < 10; i++) await page.keyboard.press("ArrowLeft");
  assert.match(await page.$eval("#after", (node) => getComputedStyle(node).clipPath), /40%/);

  const where = () => page.$eval("#frame", ({ style }) => [style.left, style.top].map(Number.parseFloat));
  const [left, top] = await where();
  await page.focus("#frame");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowDown");
  const [right, below] = await where();
  assert.ok(right > left && below > top, `${right} ${below}`);
  assert.ok(await page.isHidden("#after"), "what was enlarged is no longer framed");
  const { x, y } = await page.locator("#photo").boundingBox();
  await page.mouse.click(x + 90, y + 10);
  assert.deepEqual((await where())[1], 0, "the frame stays within the photo");
  await page.click("#enlarge");
  await says(page, "larger-figures", /→/);
});

test("enlarges drawings four times; each network is asked for when it is chosen", async (t) => {
  const asked = [];
  const page = await start(t, {
    before: (page) => page.on("request", (request) => asked.push(request.url().split("/").at(-1))),
  });
  await person(page);
  assert.ok(await page.isVisible("#larger-photos"));
  await page.getByRole("radio", { name: "Drawings, ×4" }).check();
  assert.ok((await page.isHidden("#larger-photos")) && (await page.isVisible("#larger-drawings")));
  assert.deepEqual(await page.$eval("#before", ({ width, height }) => [width, height]), [768, 512]);
  assert.ok(!asked.includes("model.safetensors"), "nothing is fetched for a look at the choice");
  await page.click("#enlarge");
  await says(page, "larger-figures", /192 × 128 → 768 × 512, \d+\.\d s/);
  assert.ok(asked.includes("model.safetensors") && !asked.includes("group1-shard1of1.bin"));
  const far = await difference(page);
  assert.ok(far > 0.3 && far < 8, `the same picture, drawn otherwise: ${far}`);
  await page.getByRole("radio", { name: "Photos, ×2" }).check();
  assert.ok(await page.isHidden("#after"), "what was enlarged is another network's");
  await page.click("#enlarge");
  await says(page, "larger-figures", /→ 384 × 256/);
  // A choice while it runs stops it, without a word.
  await page.getByRole("radio", { name: "Drawings, ×4" }).check();
  await page.click("#enlarge");
  await says(page, "larger-state-text", /Enlarging/);
  await page.getByRole("radio", { name: "Photos, ×2" }).check();
  assert.ok(await page.isHidden("#larger-state"));
  await page.waitForFunction(() => !document.getElementById("enlarge").disabled);
  assert.ok((await page.isHidden("#after")) && (await page.isHidden("#larger-state")));
});

test("enlarging can be stopped: while its network comes, and while it runs", async (t) => {
  let release;
  const held = new Promise((resolve) => (release = resolve));
  const page = await start(t, {
    before: (page) =>
      page.route("**/group1-shard1of1.bin", (route) => held.then(() => route.continue().catch(() => {}))),
  });
  await person(page);
  const cancel = page.getByRole("button", { name: "Cancel" });
  await page.click("#enlarge");
  await cancel.click();
  await says(page, "larger-state-text", /Cancelled/);
  release();
  await page.click("#enlarge");
  await says(page, "larger-state-text", /Enlarging/);
  await cancel.click();
  await says(page, "larger-state-text", /Cancelled/);
  assert.ok(await page.isHidden("#after"));
  // Another photo stops it as well, without a word.
  await page.click("#enlarge");
  await says(page, "larger-state-text", /Enlarging/);
  await page.click('.thumb:has(img[src*="coffee"])');
  await page.waitForFunction(() => document.getElementById("main").dataset.picture === "coffee");
  assert.ok(await page.isHidden("#larger-state"));
  await page.click("#enlarge");
  await says(page, "larger-figures", /→/);
  assert.ok((await difference(page)) < 8, "it is the new photo that was enlarged");
});

const style = (page, number) => page.getByRole("button", { name: `Style ${number}`, exact: true });

/** Every 37th pixel of a canvas, as numbers; nothing while it is not shown. */
const sampled = (page, id) =>
  page.$eval(`#${id}`, (canvas) => {
    if (canvas.hidden) return undefined;
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return Array.from({ length: Math.floor(data.length / 148) * 3 }, (_, i) => data[Math.floor(i / 3) * 148 + (i % 3)]);
  });

/** The painting; once there is another than `last`. */
const painting = async (page, last) => {
  for (let left = 1200; left > 0; left--) {
    const done = await page.isHidden("#painted-state");
    const numbers = done ? await sampled(page, "painted") : undefined;
    if (numbers && !(last && mean(numbers, last) === 0)) return numbers;
    await page.waitForTimeout(50);
  }
  assert.fail("no other painting comes");
};

/** Mean difference of two pictures of one size; 255 of others. */
const mean = (a, b) =>
  a.length === b.length ? a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length : 255;

/** Moves a slider, as a visitor who lets go of it. */
const slide = (page, id, value) =>
  page.$eval(
    `#${id}`,
    (input, value) => {
      input.value = value;
      for (const type of ["input", "change"]) input.dispatchEvent(new Event(type, { bubbles: true }));
    },
    String(value),
  );

test("paints the photo in a style, in a mix of two, as strongly as one likes", async (t) => {
  const asked = [];
  const page = await start(t, {
    before: (page) => page.on("request", (request) => asked.push(request.url().split("/").at(-1))),
  });
  await person(page);
  assert.ok(await page.isVisible("#painted-none"));
  assert.ok(!asked.includes("multistyle26.onnx"), "nothing is fetched before a style is picked");
  assert.equal(await page.locator("#styles button").count(), 26);

  await style(page, 3).click();
  const third = await painting(page);
  assert.match(await page.innerText("#painted-figures"), /^512 × 512, \d+\.\d s$/);
  const photo = await sampled(page, "photo");
  const far = mean(third, photo);
  assert.ok(far > 15 && far < 90, `painted, and still the photo: ${far}`);
  await slide(page, "style-strength", 0);
  assert.ok(mean(await painting(page, third), photo) < 0.1, "nothing of it is seen");
  await slide(page, "style-strength", 50);
  const half = await painting(page, photo);
  const halfway = third.map((value, i) => (value + photo[i]) / 2);
  assert.ok(mean(half, halfway) < 1, `half of it: ${mean(half, halfway)}`);
  await slide(page, "style-strength", 100);

  await style(page, 20).click();
  const twentieth = await painting(page, third);
  assert.equal(await style(page, 3).getAttribute("aria-pressed"), "false");
  await page.getByRole("radio", { name: "Mix of two" }).check();
  assert.match(await page.innerText("#style-hint"), /second style/);
  await style(page, 3).click();
  const mixed = await painting(page, twentieth);
  assert.ok(mean(mixed, third) > 5 && mean(mixed, twentieth) > 5, "neither of the two");
  assert.deepEqual(await page.$$eval(".style[aria-pressed=true]", (all) => all.map((each) => each.ariaLabel)), [
    "Style 3",
    "Style 20",
  ]);
  await slide(page, "style-share", 100);
  assert.ok(mean(await painting(page, mixed), third) < 1, "the second alone");
  await page.getByRole("radio", { name: "One style" }).check();
  assert.ok(mean(await painting(page, third), twentieth) < 1, "the first alone");
  const saved = page.waitForEvent("download");
  await page.locator("#save-painted").click();
  assert.equal((await saved).suggestedFilename(), "painted.png");

  // The next photo is painted, too, in its own proportions, without another download.
  await page.click('.thumb:has(img[src*="china"])');
  await says(page, "painted-figures", /^512 × 340, /);
  assert.equal(asked.filter((name) => name === "multistyle26.onnx").length, 1);
});

test("painting can be stopped: while its network comes, and while it paints; one that does not come is said", async (t) => {
  let release;
  const held = new Promise((resolve) => (release = resolve));
  let calls = 0;
  const page = await start(t, {
    expect: /Failed to load|404/,
    before: (page) =>
      page.route("**/multistyle26.onnx", async (route) => {
        if (calls++ === 0) return route.fulfill({ status: 404 });
        await held;
        return route.continue().catch(() => {});
      }),
  });
  await person(page);
  await style(page, 1).click();
  await says(page, "painted-state-text", /could not be fetched/);
  assert.ok(await page.isHidden("#notice"));
  await page.getByRole("button", { name: "Try again" }).click();
  await says(page, "painted-state-text", /Fetching/);
  const cancel = page.getByRole("button", { name: "Cancel" });
  await cancel.click();
  await says(page, "painted-state-text", /Cancelled/);
  release();
  await style(page, 2).click();
  await says(page, "painted-state-text", /Painting/);
  await cancel.click();
  await says(page, "painted-state-text", /Cancelled/);
  assert.ok(await page.isHidden("#painted"));
  // Of styles picked one after the other the last is painted.
  for (const number of [4, 5, 6]) await style(page, number).click();
  const sixth = await painting(page);
  await page.reload();
  await person(page);
  await style(page, 6).click();
  assert.ok(mean(await painting(page), sixth) < 1, "the last one");
});

test("a network that does not come is said in its piece; the next try has it", async (t) => {
  let calls = 0;
  const page = await start(t, {
    expect: /Failed to load|404/,
    before: (page) =>
      page.route(SELFIE, (route) => (calls++ === 0 ? route.fulfill({ status: 404 }) : route.continue())),
  });
  await says(page, "cutout-state-text", /could not be fetched/);
  assert.equal(await page.textContent("#notice-title"), "", "the page has no notice");
  await page.click("#enlarge");
  await says(page, "larger-figures", /→/);
  await page.click("#cutout-state-action");
  assert.ok((await person(page)) > 45);
  assert.equal((await page.isHidden("#cutout-state")) || (await page.innerText("#cutout-state")), true);
});

test("an engine that is not there is said, and another offered", async (t) => {
  const page = await start(t, { query: "?backend=webgpu" });
  await readNotice(page, /does not run here/);
  await page.click("#enlarge");
  await says(page, "larger-state-text", /not ready/);
  await page.getByRole("button", { name: "Use WebAssembly" }).click();
  assert.ok((await person(page)) > 45);
});

test("works without a network once it was used", async (t) => {
  const page = await start(t, {
    context: { serviceWorkers: "allow" },
    expect: /ERR_INTERNET_DISCONNECTED|Failed to load/,
  });
  const share = await person(page);
  await page.click("#enlarge");
  await says(page, "larger-figures", /→/);
  await style(page, 9).click();
  const painted = await painting(page);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.waitForFunction(async () => {
    const urls = [];
    for (const name of await caches.keys()) {
      for (const { url } of await (await caches.open(name)).keys()) urls.push(url);
    }
    const parts = [
      /-files-.*\.wasm$/,
      /-models-.*\.wasm$/,
      /keras.*\.wasm$/,
      /selfie.*\.tflite$/,
      /shard1of1\.bin$/,
      /styles\.webp$/,
    ];
    return parts.every((part) => urls.some((url) => part.test(url)));
  });
  await page.context().setOffline(true);
  await page.goto(`${url}?backend=wasm`);
  assert.equal(await person(page), share);
  await page.click("#enlarge");
  await says(page, "larger-figures", /→/);
  await style(page, 9).click();
  assert.equal(mean(await painting(page), painted), 0);
  await page.fill("#classes-url", "models/ssd_mobilenetv2_oidv4/model.tflite");
  await page.click("#classes-form [type=submit]");
  await says(page, "classes-state-text", /You are offline/);
});

test("the pieces fill the page: no hole in the middle of a row, nothing over anything else", async (t) => {
  const page = await start(t);
  await person(page);
  for (const [width, columns] of [
    [1600, 3],
    [1100, 3],
    [800, 2],
    [600, 1],
  ]) {
    await page.setViewportSize({ width, height: 900 });
    const boxes = await page.$$eval(".piece", (pieces) =>
      pieces.map((piece) => {
        const { left, right, top, bottom } = piece.getBoundingClientRect();
        return { left, right, top, bottom };
      }),
    );
    const lefts = new Set(boxes.map(({ left }) => Math.round(left)));
    assert.equal(lefts.size, columns, `${width} pixels wide`);
    for (const [i, a] of boxes.entries()) {
      for (const b of boxes.slice(i + 1)) {
        const apart = a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
        assert.ok(apart, `${width}: ${JSON.stringify(a)} and ${JSON.stringify(b)}`);
      }
    }
    // The last row reaches from the first column to the last.
    const low = Math.max(...boxes.map(({ top }) => top));
    const row = boxes.filter(({ top }) => Math.abs(top - low) < 1);
    assert.equal(Math.min(...row.map(({ left }) => left)), Math.min(...boxes.map(({ left }) => left)));
    assert.equal(Math.max(...row.map(({ right }) => right)), Math.max(...boxes.map(({ right }) => right)));
  }
});

for (const [name, context] of Object.entries({
  "light, large": { colorScheme: "light" },
  "dark, phone": { colorScheme: "dark", viewport: { width: 360, height: 780 }, hasTouch: true },
  "light, small phone": { colorScheme: "light", viewport: { width: 320, height: 568 }, hasTouch: true },
})) {
  test(`everybody can use it: ${name}`, async (t) => {
    const page = await start(t, { context });
    await person(page);
    const wide = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok((await wide()) <= 0, `${await wide()} pixels too wide`);
    assert.deepEqual(await audit(page), []);
    await page.getByRole("radio", { name: "Colour" }).check();
    await page.fill("#classes-url", "models/selfie_segmentation/selfie_segmentation.tflite");
    await page.click("#classes-form [type=submit]");
    await says(page, "classes-state-text", /2 classes/);
    await page.click("#enlarge");
    await says(page, "larger-figures", /→/);
    await style(page, 7).click();
    await painting(page);
    await page.getByRole("radio", { name: "Mix of two" }).check();
    await page.getByRole("radio", { name: "Picture" }).check();
    assert.ok((await wide()) <= 0, `${await wide()} pixels too wide, with results`);
    assert.deepEqual(await audit(page), [], "with results");
  });
}

for (const width of [360, 900, 1280]) {
  test(`what comes next is below or to the right, ${width} pixels wide`, async (t) => {
    const page = await start(t, { context: { viewport: { width, height: 800 } } });
    await person(page);
    const pieces = await page.$$eval(".piece", (nodes) =>
      nodes.map((node) => ({ name: node.getAttribute("aria-labelledby"), ...node.getBoundingClientRect().toJSON() })),
    );
    assert.equal(pieces.length, 6);
    for (const [i, piece] of pieces.entries()) {
      const next = pieces[i + 1];
      const follows = !next || next.top >= piece.bottom || next.left >= piece.right;
      assert.ok(follows, `${next?.name} is neither below ${piece.name} nor right of it`);
    }
  });
}

// ---- The camera ----------------------------------------------------------------------------------------------------

const DEVICE = "--use-fake-device-for-media-stream";
const YES = "--use-fake-ui-for-media-stream";

/** Waits until the canvas has this colour at this place. */
async function becomes(page, [u, v], wanted, what, most = 12) {
  const got = () => pixel(page, "cutout", u, v);
  const far = async () => Math.max(...(await got()).map((value, i) => Math.abs(value - wanted[i])));
  for (let left = 200; left > 0 && (await far()) > most; left--) await page.waitForTimeout(50);
  assert.ok((await far()) <= most, `${what}: ${await got()}, not ${wanted}`);
}

test("cuts people out of the camera's picture, live; a photo is taken; it stops when the page is hidden", async (t) => {
  const camera = await browser([
    DEVICE,
    YES,
    `--use-file-for-fake-video-capture=${file("target/clips/astronaut.y4m")}`,
  ]);
  const page = await start(t, { browser: camera });
  await person(page);
  const [face, wall] = [await pixel(page, "photo", ...FACE), await pixel(page, "photo", ...WALL)];
  const stream = () => page.$eval("#video", ({ srcObject }) => srcObject?.active ?? false);
  await page.getByRole("radio", { name: "Camera" }).check();
  assert.equal(await stream(), false, "no camera before the click");
  assert.ok(await page.isHidden("#person"));
  await page.getByRole("button", { name: "Start camera" }).click();
  await says(page, "live-rate", /^\d+(\.\d)? fps$/);
  assert.ok(await page.isHidden("#invite-camera"));
  await page.getByRole("radio", { name: "Colour" }).check();
  await page.fill("#colour", "#1040c0");
  // A camera without a side is taken for one that faces the user: mirrored.
  const mirrored = ([u, v]) => [1 - u, v];
  await becomes(page, mirrored(WALL), [0x10, 0x40, 0xc0], "the wall has the colour");
  await becomes(page, mirrored(FACE), face, "the face is the camera's", 24);
  await page.getByRole("checkbox", { name: "Mirror" }).uncheck();
  await becomes(page, FACE, face, "the face where it was", 24);
  await page.getByRole("radio", { name: "Picture" }).check();
  await becomes(page, [0.9, 0.05], await pixelOfSky(page), "the temple's sky", 24);

  // What else is done on the page does not stop it.
  await page.click('.thumb:has(img[src*="coffee"])');
  await page.waitForFunction(() => document.getElementById("main").dataset.picture === "coffee");
  await says(page, "live-rate", /fps/);
  assert.ok(await stream());

  await page.getByRole("button", { name: "Take photo" }).click();
  await page.waitForFunction(() => document.getElementById("main").dataset.picture === "photo from the camera");
  assert.equal(await stream(), false, "the camera is off");
  assert.ok(await page.getByRole("radio", { name: "Photo", exact: true }).isChecked());
  const share = await person(page);
  assert.ok(share > 45 && share < 62, `${share} % are a person`);
  const taken = await pixel(page, "photo", ...WALL);
  assert.ok(
    taken.every((value, i) => Math.abs(value - wall[i]) < 24),
    `the whole picture was taken: ${taken}, not ${wall}`,
  );
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save as PNG" }).click();
  assert.equal((await saved).suggestedFilename(), "cut-out.png");

  await page.getByRole("radio", { name: "Camera" }).check();
  await page.getByRole("button", { name: "Start camera" }).click();
  await says(page, "live-rate", /fps/);
  await page.evaluate(() => {
    window.track = document.getElementById("video").srcObject.getTracks()[0];
    Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  assert.equal(await page.evaluate(() => window.track.readyState), "ended");
  await says(page, "camera-notice-title", /camera is off/);
  assert.equal(await page.textContent("#live-rate"), "");
  await page.getByRole("button", { name: "Start it again" }).click();
  await says(page, "live-rate", /fps/);
  await page.getByRole("button", { name: "Stop camera" }).click();
  assert.equal(await stream(), false);
  assert.ok(await page.isVisible("#invite-camera"));
});

/** What lies in the upper right of the temple's photo, in the middle square of it. */
const pixelOfSky = (page) =>
  page.evaluate(async () => {
    const temple = await createImageBitmap(await (await fetch("photos/china.jpg")).blob());
    const context = new OffscreenCanvas(512, 512).getContext("2d");
    const width = (512 * temple.width) / temple.height;
    context.drawImage(temple, (512 - width) / 2, 0, width, 512);
    return [...context.getImageData(460, 25, 1, 1).data.slice(0, 3)];
  });

test("the camera goes on with another engine, and waits for a network that does not come", async (t) => {
  const camera = await browser([
    DEVICE,
    YES,
    `--use-file-for-fake-video-capture=${file("target/clips/astronaut.y4m")}`,
  ]);
  let refused = true;
  const page = await start(t, {
    browser: camera,
    expect: /Failed to load|404/,
    before: (page) => page.route(SELFIE, (route) => (refused ? route.fulfill({ status: 404 }) : route.continue())),
  });
  await says(page, "cutout-state-text", /could not be fetched/);
  await page.getByRole("radio", { name: "Camera" }).check();
  await page.getByRole("button", { name: "Start camera" }).click();
  // The video itself is seen meanwhile.
  await page.waitForSelector("#video", { state: "visible" });
  assert.equal(await page.textContent("#live-rate"), "");
  refused = false;
  await page.click("#cutout-state-action");
  await says(page, "live-rate", /fps/);
  await page.getByRole("radio", { name: "Auto" }).check();
  await page.waitForFunction(() => document.getElementById("live-rate").textContent !== "");
  await says(page, "running", /WebAssembly/);
  await page.getByRole("radio", { name: "Colour" }).check();
  await page.fill("#colour", "#00ff00");
  await becomes(page, [1 - WALL[0], WALL[1]], [0, 255, 0], "frames of the new engine");
});

test("a camera that starts when nobody wants it any more stays off", async (t) => {
  const page = await start(t, {
    browser: await browser([DEVICE, YES]),
    before: (page) =>
      page.addInitScript(() => {
        const list = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
        const released = new Promise((resolve) => (window.release = resolve));
        navigator.mediaDevices.enumerateDevices = () => released.then(list);
      }),
  });
  await person(page);
  await page.getByRole("radio", { name: "Camera" }).check();
  await page.getByRole("button", { name: "Start camera" }).click();
  await page.waitForFunction(() => document.getElementById("video").srcObject !== null);
  await page.getByRole("radio", { name: "Photo", exact: true }).check();
  await page.evaluate(() => window.release());
  assert.ok((await person(page)) > 45);
  await page.waitForTimeout(200);
  assert.equal(await page.evaluate(() => document.getElementById("video").srcObject), null);
  assert.ok((await page.isHidden("#tray-camera")) && (await page.isHidden("#video")));
  assert.ok((await page.isVisible("#cutout")) && (await page.isHidden("#camera-notice")));
  assert.equal(await page.textContent("#live-rate"), "");
});

for (const { name, flags, wanted, before } of [
  { name: "denied", flags: [DEVICE, "--deny-permission-prompts"], wanted: /blocked/ },
  { name: "missing", flags: [YES], wanted: /No camera found/ },
  {
    name: "in use",
    flags: [DEVICE, YES],
    wanted: /in use/,
    before: (page) =>
      page.addInitScript(() => {
        navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("", "NotReadableError"));
      }),
  },
]) {
  test(`a camera that is ${name} is explained in its piece, with a way on`, async (t) => {
    const page = await start(t, { browser: await browser(flags), before });
    await person(page);
    await page.getByRole("radio", { name: "Camera" }).check();
    await page.getByRole("button", { name: "Start camera" }).click();
    await says(page, "camera-notice-title", wanted);
    assert.ok(await page.isHidden("#notice"));
    await page.getByRole("button", { name: "Try again" }).click();
    await says(page, "camera-notice-title", wanted);
    await page.getByRole("button", { name: "Use the photo" }).click();
    assert.ok(await page.isHidden("#camera-notice"));
    assert.ok((await person(page)) > 45);
    assert.ok(await page.isVisible("#cutout"));
  });
}
