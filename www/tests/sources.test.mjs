// Every way a picture reaches the page, and every way it can fail to.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { blackPng, browser, file, handOver, iou, open, readList, readNotice, readResults, site } from "./harness.mjs";

const chelsea = readFileSync(file("tests/data/images/chelsea.png"));
const coffee = file("tests/data/images/coffee.png");
const chromium = await browser();
const url = await site();

const start = async (t, options = {}) => {
  const page = await open(t, { browser: chromium, url, query: "?backend=wasm", ...options });
  await readResults(page, "astronaut");
  return page;
};
const labels = async (page) => (await readList(page)).map(({ label }) => label);

test("takes a photo from the file picker, dropped, and pasted", async (t) => {
  const page = await start(t);
  const chooser = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Choose a photo" }).click();
  await (await chooser).setFiles(coffee);
  await readResults(page, "coffee.png");
  assert.deepEqual(await labels(page), ["Coffee cup"]);
  await handOver(page, "drop", { name: "cat.png", type: "image/png", bytes: chelsea });
  await readResults(page, "cat.png");
  assert.deepEqual(await labels(page), ["Cat"]);
  await handOver(page, "paste", { name: "pasted.png", type: "image/png", bytes: readFileSync(coffee) });
  await readResults(page, "pasted.png");
  assert.deepEqual(await labels(page), ["Coffee cup"]);
});

for (const { name, bytes, says } of [
  { name: "notes.txt", bytes: Buffer.from("not a picture"), says: /not a picture/ },
  { name: "cut.png", bytes: chelsea.subarray(0, 20), says: /not a picture/ },
  { name: "nothing.png", bytes: Buffer.alloc(0), says: /empty/ },
  { name: "0x0.png", bytes: blackPng(0, 0), says: /empty/ },
]) {
  test(`explains ${name} and goes on`, async (t) => {
    const page = await start(t);
    await page.setInputFiles("#photo-file", { name, mimeType: "image/png", buffer: bytes });
    await readNotice(page, says);
    await page.getByRole("button", { name: "Use a sample photo" }).click();
    await readResults(page, "astronaut");
    assert.deepEqual(await labels(page), ["Person"]);
  });
}

test("refuses a photo of 12,000 x 9,000 before decoding it, and offers a smaller copy", async (t) => {
  const page = await start(t);
  await page.setInputFiles("#photo-file", { name: "huge.png", mimeType: "image/png", buffer: blackPng(12_000, 9_000) });
  assert.match(await readNotice(page, /very large/), /12,000 × 9,000 is 108 megapixels/);
  await page.getByRole("button", { name: "Use a smaller copy" }).click();
  await readResults(page, "smaller copy");
  assert.match(await page.innerText("#now"), /2048 × 1536/);
  await handOver(page, "drop", { name: "cat.png", type: "image/png", bytes: chelsea });
  await readResults(page, "cat.png");
  assert.deepEqual(await labels(page), ["Cat"]);
});

test("plays a video file and finds what is in it", async (t) => {
  const page = await start(t);
  const clip = Buffer.from(await page.evaluate(recordPhoto, "photos/chelsea.png"), "base64");
  await handOver(page, "drop", { name: "cat.webm", type: "video/webm", bytes: clip });
  await page.waitForFunction(() => document.querySelector("#found li:not([hidden]) .label")?.textContent === "Cat");
  await page.waitForFunction(() => /fps/.test(document.getElementById("rate").textContent));
  await page.getByRole("button", { name: "Pause" }).click();
  await page.fill("#overlap", "60");
  await page.waitForFunction(() => /ms$/.test(document.getElementById("rate").textContent)); // looked at once, standing still
  assert.deepEqual(await labels(page), ["Cat"]);
});

test("explains a video it cannot play", async (t) => {
  const page = await start(t);
  await handOver(page, "drop", { name: "broken.mp4", type: "video/mp4", bytes: Buffer.from("no video") });
  await readNotice(page, /cannot play/);
  await page.getByRole("button", { name: "Use a sample photo" }).click();
  await readResults(page, "astronaut");
});

/** Records a second of a photo as WebM with the browser's own encoder; base64. Runs in the page. */
async function recordPhoto(address) {
  const bitmap = await createImageBitmap(await (await fetch(address)).blob());
  const canvas = Object.assign(document.createElement("canvas"), { width: 450, height: 300 });
  const context = canvas.getContext("2d");
  const recorder = new MediaRecorder(canvas.captureStream(15), { mimeType: "video/webm", videoBitsPerSecond: 4e6 });
  const chunks = [];
  recorder.ondataavailable = ({ data }) => chunks.push(data);
  const stopped = new Promise((resolve) => (recorder.onstop = resolve));
  const timer = setInterval(() => context.drawImage(bitmap, 0, 0, 450, 300), 60);
  recorder.start();
  await new Promise((resolve) => setTimeout(resolve, 1200));
  recorder.stop();
  await stopped;
  clearInterval(timer);
  const bytes = new Uint8Array(await new Blob(chunks).arrayBuffer());
  return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
}

// ---- The camera ----------------------------------------------------------------------------------------------------

const DEVICE = "--use-fake-device-for-media-stream";
const YES = "--use-fake-ui-for-media-stream";

test("finds the astronaut in front of the camera, and lets go of the camera when hidden", async (t) => {
  const camera = await browser([
    DEVICE,
    YES,
    `--use-file-for-fake-video-capture=${file("target/clips/astronaut.y4m")}`,
  ]);
  const page = await start(t, { browser: camera });
  assert.equal(
    await page.evaluate(() => document.getElementById("video").srcObject),
    null,
    "no camera before the click",
  );
  await page.getByRole("radio", { name: "Camera" }).check();
  await page.getByRole("button", { name: "Start camera" }).click();
  await page.waitForFunction(() => document.querySelector("#found li:not([hidden]) .label")?.textContent === "Person");
  const [person] = await readList(page);
  const { width, height } = await page.$eval("#video", (video) => ({
    width: video.videoWidth,
    height: video.videoHeight,
  }));
  assert.deepEqual({ width, height }, { width: 512, height: 512 });
  assert.ok(iou(person.box, [16.1, 14.7, 347.6, 495]) > 0.85, `a person at ${person.box}`); // the clip is 4:2:0, so not exact
  await page.waitForFunction(() => /fps/.test(document.getElementById("rate").textContent));

  await page.evaluate(() => {
    window.track = document.getElementById("video").srcObject.getTracks()[0];
    Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  assert.equal(await page.evaluate(() => window.track.readyState), "ended");
  await readNotice(page, /camera is off/);
  await page.getByRole("button", { name: "Start it again" }).click();
  await page.waitForFunction(() => document.querySelector("#found li:not([hidden]) .label")?.textContent === "Person");
  await page.getByRole("button", { name: "Stop camera" }).click();
  assert.equal(await page.evaluate(() => document.getElementById("video").srcObject), null);
});

test("follows a moving clip for as long as it plays, one frame at a time", async (t) => {
  const camera = await browser([
    DEVICE,
    YES,
    `--use-file-for-fake-video-capture=${file("tests/data/clips/cockatoo.mjpeg")}`,
  ]);
  const page = await start(t, { browser: camera });
  await page.getByRole("radio", { name: "Camera" }).check();
  await page.getByRole("button", { name: "Start camera" }).click();
  await page.waitForFunction(() => /fps/.test(document.getElementById("rate").textContent));
  const seen = new Set();
  for (let i = 0; i < 20; i++) {
    seen.add(await page.innerText("#time-inference"));
    await page.waitForTimeout(100);
  }
  assert.ok(seen.size > 3, `${seen.size} different times in two seconds`);
  assert.ok(await page.isHidden("#notice"));
});

for (const { name, flags, says, before } of [
  { name: "denied", flags: [DEVICE, "--deny-permission-prompts"], says: /blocked/ },
  { name: "missing", flags: [YES], says: /No camera found/ },
  { name: "in use", flags: [DEVICE, YES], says: /in use/, before: (page) => page.addInitScript(refuseCamera) },
]) {
  test(`a camera that is ${name} is explained, with a way on`, async (t) => {
    const page = await start(t, { browser: await browser(flags), before });
    await page.getByRole("radio", { name: "Camera" }).check();
    await page.getByRole("button", { name: "Start camera" }).click();
    await readNotice(page, says);
    await page.getByRole("button", { name: "Use a sample photo" }).click();
    await readResults(page, "astronaut");
    assert.deepEqual(await labels(page), ["Person"]);
  });
}

test("is busy from the click until a sample photo on its way is looked at", async (t) => {
  const before = (page) => page.addInitScript(refuseCamera);
  const page = await open(t, { browser: chromium, url, query: "?backend=wasm&photo=coffee", before });
  await readResults(page, "coffee");
  await page.getByRole("radio", { name: "Camera" }).check();
  await page.getByRole("button", { name: "Start camera" }).click();
  await readNotice(page, /in use/);
  let release;
  const released = new Promise((resolve) => (release = resolve));
  await page.route("**/photos/astronaut.png", (route) => released.then(() => route.continue()));
  await page.getByRole("button", { name: "Use a sample photo" }).click();
  // The photo of before is shown and looked at meanwhile; its list is not the sample's.
  await page.waitForFunction(
    () => document.querySelector("#found li:not([hidden]) .label")?.textContent === "Coffee cup",
  );
  assert.equal(await page.$eval("#main", ({ dataset }) => dataset.busy), "true");
  release();
  await readResults(page, "astronaut");
  assert.deepEqual(await labels(page), ["Person"]);
});

/** Chromium's fake camera is never in use by another program. Runs in the page. */
function refuseCamera() {
  navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("", "NotReadableError"));
}
