// `striate/draw` in Chromium: what stands where, by its pixels.
import assert from "node:assert/strict";
import { test } from "node:test";
import { pages } from "./pages.js";

const { server, browser } = await pages(
  {},
  {
    "/worker.js": (_, response) => {
      response.setHeader("content-type", "text/javascript");
      response.end(`import { drawBoxes } from "/dist/draw.js";
      const context = new OffscreenCanvas(100, 80).getContext("2d");
      drawBoxes(context, [{ label: "cat", score: 0.5, x: 10, y: 30, width: 60, height: 40 }]);
      postMessage([...context.getImageData(0, 0, 100, 80).data].some((value) => value > 0));`);
    },
  },
);
const page = await browser.newPage();
await page.goto(`${server.origin}/`);
await page.evaluate(async () => {
  globalThis.draw = await import("/dist/draw.js");
  /** An empty canvas of a size, and ways to look at it. */
  globalThis.sheet = (width, height) => {
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    const at = (x, y) => [...context.getImageData(x, y, 1, 1).data];
    /** Left, upper, right and lower end of the pixels that are like this. */
    const extent = (wanted) => {
      const { data } = context.getImageData(0, 0, width, height);
      const ends = [width, height, -1, -1];
      for (let i = 0; i < width * height; i++) {
        if (!wanted(...data.subarray(4 * i, 4 * i + 4))) continue;
        const [x, y] = [i % width, Math.floor(i / width)];
        [ends[0], ends[1]] = [Math.min(ends[0], x), Math.min(ends[1], y)];
        [ends[2], ends[3]] = [Math.max(ends[2], x), Math.max(ends[3], y)];
      }
      return ends;
    };
    return { context, at, extent };
  };
});

test("where a picture stands", async () => {
  const result = await page.evaluate(() => [
    draw.fit({ width: 200, height: 100 }, { width: 100, height: 100 }),
    draw.fit({ width: 200, height: 100 }, { width: 100, height: 100 }, { mode: "cover", mirrored: true }),
    draw.fit({ width: 0, height: 0 }, { width: 0, height: 0 }),
  ]);
  assert.deepEqual(result, [
    { x: 50, y: 0, width: 100, height: 100, scale: 1, mirrored: false },
    { x: 0, y: -50, width: 200, height: 200, scale: 2, mirrored: true },
    { x: 0, y: 0, width: 0, height: 0, scale: 1, mirrored: false },
  ]);
});

test("boxes lie where they belong, mirrored too, and keep within the picture", async () => {
  const result = await page.evaluate(() => {
    const box = [{ x: 10, y: 20, width: 40, height: 30 }];
    const extentOf = (options, boxes = box) => {
      const { context, extent } = sheet(300, 200);
      draw.drawBoxes(context, boxes, { colour: () => "rgb(255 0 0)", text: () => undefined, ...options });
      return extent((r, g, b, a) => r > 200 && g < 60 && b < 60 && a > 200);
    };
    const at = draw.fit({ width: 300, height: 200 }, { width: 100, height: 100 });
    return {
      plain: extentOf({}),
      placed: extentOf({ at }),
      mirrored: extentOf({ at: { ...at, mirrored: true } }),
      beyond: extentOf({}, [{ x: -50, y: 150, width: 1000, height: 1000 }]),
      outside: extentOf({}, [{ x: 400, y: 10, width: 10, height: 10 }]),
    };
  });
  const near = (name, expected) => {
    const off = Math.max(...result[name].map((end, i) => Math.abs(end - expected[i])));
    assert.ok(off <= 2, `${name}: ${result[name]} instead of ${expected}`);
  };
  near("plain", [11, 21, 48, 48]);
  // Twice as large, in the middle of the canvas: 50 + 20 .. 50 + 100.
  near("placed", [71, 41, 148, 98]);
  near("mirrored", [151, 41, 228, 98]);
  near("beyond", [1, 151, 298, 198]);
  assert.deepEqual(result.outside, [300, 200, -1, -1], "nothing");
});

test("what has corners is drawn along them, mirrored too", async () => {
  const result = await page.evaluate(() => {
    const corners = [
      [60, 20],
      [110, 70],
      [90, 90],
      [40, 40],
    ];
    const box = { x: 40, y: 20, width: 70, height: 70, corners };
    const look = (options) => {
      const { context, at } = sheet(200, 120);
      draw.drawBoxes(context, [box], { colour: () => "rgb(255 0 0)", text: () => undefined, ...options });
      const red = (x, y) => at(x, y)[0] > 200 && at(x, y)[3] > 200;
      // Middles of the four sides, then corners of the upright box and the middle.
      return [
        [85, 45],
        [100, 80],
        [65, 65],
        [50, 30],
        [41, 21],
        [108, 21],
        [41, 88],
        [75, 55],
      ].map(([x, y]) => red(options.at?.mirrored ? 200 - x - 1 : x, y));
    };
    const at = { x: 0, y: 0, width: 200, height: 120, scale: 1, mirrored: true };
    return [look({}), look({ at })];
  });
  for (const seen of result) assert.deepEqual(seen, [true, true, true, true, false, false, false, false]);
});

test("labels read on any ground, stay on the canvas and off each other", async () => {
  const result = await page.evaluate(() => {
    // What is filled and written, instead of pixels of a font that may be any.
    const { context } = sheet(200, 120);
    const plates = [];
    const texts = [];
    const { roundRect, fillText } = context;
    context.roundRect = function (...rect) {
      plates.push(rect);
      return roundRect.apply(this, rect);
    };
    context.fillText = function (text, ...rest) {
      texts.push([text, this.fillStyle]);
      return fillText.call(this, text, ...rest);
    };
    const boxes = [
      { label: "cat", score: 0.91, x: 150, y: 0, width: 80, height: 100 },
      { label: "dog", score: 0.52, x: 150, y: 1, width: 80, height: 100 },
      { label: "a name that is far too long for this canvas", score: 0.4, x: 100, y: 60, width: 20, height: 50 },
    ];
    const colours = ["#ffffff", "#101010", "#204080"];
    draw.drawBoxes(context, boxes, { colour: (_, i) => colours[i] });
    return { plates: plates.slice(3), texts, state: [context.globalAlpha, context.lineWidth, context.font] };
  });
  assert.equal(result.plates.length, 3);
  for (const [i, [x, y, width, height]] of result.plates.entries()) {
    assert.ok(x >= 0 && y >= 0 && x + width <= 200 && y + height <= 120, `plate ${i}: ${[x, y, width, height]}`);
    for (const [ox, oy, ow, oh] of result.plates.slice(i + 1)) {
      assert.ok(x + width <= ox || ox + ow <= x || y + height <= oy || oy + oh <= y, "labels cover each other");
    }
  }
  const texts = result.texts.map(([text]) => text);
  assert.deepEqual(texts.slice(0, 4), ["cat", "91%", "dog", "52%"]);
  assert.match(texts[4], /^a n.*…$/);
  assert.equal(texts[5], "40%");
  assert.deepEqual(
    result.texts.map(([, ink]) => ink),
    ["#0b0d10", "#0b0d10", "#ffffff", "#ffffff", "#ffffff", "#ffffff"],
  );
  assert.deepEqual(result.state, [1, 1, "10px sans-serif"], "the context is as it was");
});

test("the pixel ratio follows from the layout, and sizes from the ratio", async () => {
  const result = await page.evaluate(() => {
    const heightOf = (style, options) => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 600, height: 400 });
      canvas.style.width = style;
      document.body.append(canvas);
      const context = canvas.getContext("2d");
      let height = 0;
      const { roundRect } = context;
      context.roundRect = function (...rect) {
        height = rect[3];
        return roundRect.apply(this, rect);
      };
      draw.drawBoxes(context, [{ label: "cat", x: 50, y: 100, width: 200, height: 200 }], options);
      canvas.remove();
      return height;
    };
    return [heightOf("600px"), heightOf("200px"), heightOf("200px", { pixelRatio: 2 })];
  });
  assert.deepEqual(result, [23, 69, 46]);
});

test("tracks have trails that end with them", async () => {
  const result = await page.evaluate(() => {
    const trails = new Map();
    const track = (id, x) => ({ id, label: "car", x, y: 10, width: 20, height: 20 });
    for (let t = 0; t < 40; t++) draw.extendTrails(trails, [track(1, 2 * t), track(2, 0)]);
    draw.extendTrails(trails, [track(1, 80)]);
    const { context, at } = sheet(200, 100);
    draw.drawTracks(context, [track(1, 150)], { trails, colour: () => "#00ff00", text: () => undefined });
    return { ids: [...trails.keys()], last: trails.get(1).at(-1), length: trails.get(1).length, on: at(80, 30) };
  });
  assert.deepEqual(result, { ids: [1], last: [90, 30], length: 32, on: [0, 255, 0, 255] });
});

test("masks, mattes and legends", async () => {
  const result = await page.evaluate(() => {
    const image = (colour) => {
      const { context } = sheet(80, 40);
      context.fillStyle = colour;
      context.fillRect(0, 0, 80, 40);
      return context.canvas;
    };
    const map = sheet(80, 40);
    map.context.drawImage(image("#ffffff"), 0, 0);
    draw.drawClassMap(map.context, { data: [0, 15], width: 2, height: 1 }, { opacity: 0.5 });
    const whole = draw.fit({ width: 80, height: 40 }, { width: 2, height: 1 }, { mirrored: true });
    const mirrored = sheet(80, 40);
    draw.drawMask(
      mirrored.context,
      { data: [0, 1], width: 2, height: 1 },
      { at: whole, opacity: 1, colour: [9, 8, 7] },
    );
    const matted = sheet(80, 40);
    const matte = { data: Uint8Array.of(255, 255, 0, 0), width: 4, height: 1 };
    draw.drawMatted(matted.context, image("#ff0000"), matte, { background: "#0000ff" });
    const swapped = sheet(80, 40);
    draw.drawMatted(swapped.context, image("#ff0000"), matte, { background: image("#00ff00") });
    // A black and white edge, blurred: something between.
    const edge = sheet(80, 40);
    edge.context.drawImage(image("#ffffff"), 40, 0);
    const blurred = sheet(80, 40);
    draw.drawMatted(blurred.context, edge.context.canvas, { data: [0], width: 1, height: 1 });
    const legend = sheet(200, 60);
    const texts = [];
    const { fillText } = legend.context;
    legend.context.fillText = function (text, ...rest) {
      if (text) texts.push(text);
      return fillText.call(this, text, ...rest);
    };
    const lines = ["sky", "sea", "sand", "sun"].map((label) => ({ label, colour: "#ff0000", share: 0.004 }));
    draw.drawLegend(legend.context, lines, { corner: "top-right", fontSize: 12 });
    return {
      map: [map.at(5, 20), map.at(75, 20)],
      mirrored: [mirrored.at(5, 20), mirrored.at(75, 20)[3]],
      matted: [matted.at(5, 20), matted.at(75, 20)],
      swapped: swapped.at(75, 20),
      blurred: blurred.at(38, 20)[3] > 20 && blurred.at(38, 20)[3] < 235,
      texts,
      right: legend.extent((r, _g, _b, a) => a > 0 && r < 255)[2],
    };
  });
  // Class 15 of PASCAL VOC is (192, 128, 128).
  assert.deepEqual(result.map[0], [255, 255, 255, 255]);
  assert.ok(
    Math.max(...[224, 192, 192].map((value, c) => Math.abs(value - result.map[1][c]))) <= 1,
    `${result.map[1]}`,
  );
  assert.deepEqual(result.mirrored, [[9, 8, 7, 255], 0]);
  assert.deepEqual(result.matted, [
    [255, 0, 0, 255],
    [0, 0, 255, 255],
  ]);
  assert.deepEqual(result.swapped, [0, 255, 0, 255]);
  assert.equal(result.blurred, true);
  assert.deepEqual(result.texts, ["and 4 more"], "of one line that fits");
  assert.ok(result.right < 200 - 6, `${result.right}`);
});

test("canvases kept from frame to frame leave the pixels as they are", async () => {
  const result = await page.evaluate(() => {
    let seed = 1;
    const random = (below) => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    /** Patches of any colour and opacity; between them there is nothing, where what was there before would show. */
    const patches = (width, height) => {
      const { context } = sheet(width, height);
      for (let i = 0; i < 60; i++) {
        context.fillStyle = `rgb(${random(256)} ${random(256)} ${random(256)} / ${random(100)}%)`;
        context.fillRect(random(width), random(height), 1 + random(width / 3), 1 + random(height / 3));
      }
      return context.canvas;
    };
    const matteOf = (width, height) => ({
      data: Uint8Array.from({ length: width * height }, () => random(256)),
      width,
      height,
    });
    const made = [];
    const { OffscreenCanvas: Original } = globalThis;
    globalThis.OffscreenCanvas = class extends Original {
      constructor(...size) {
        super(...size);
        made.push(size.join("x"));
      }
    };
    const two = [sheet(1, 1), sheet(1, 1)].map(({ context }) => context);
    const sizes = [
      [64, 48],
      [64, 48],
      [131, 75],
      [40, 90],
      [64, 48],
    ];
    const unlike = [];
    let frames = 0;
    for (const [width, height] of sizes) {
      for (const background of ["blur", "rgb(20 90 200 / 50%)", patches(30, 30), "blur"]) {
        for (const [i, context] of two.entries()) {
          // The second canvas has another size, and a matte that is a picture.
          const [w, h] = i === 0 ? [width, height] : [height + 7, width];
          if (context.canvas.width !== w || context.canvas.height !== h)
            Object.assign(context.canvas, { width: w, height: h });
          const picture = patches(w, h);
          const matte = i === 0 ? matteOf(9, 5) : patches(12, 8).transferToImageBitmap();
          const options = {
            background,
            radius: 4 + 3 * frames,
            at: { x: 1, y: 2, width: w - 3.4, height: h - 2, scale: 1, mirrored: i === 1 },
          };
          // A canvas that was never drawn on has canvases aside of its own.
          const [fresh, kept] = [sheet(w, h).context, context].map((context) => {
            context.clearRect(0, 0, w, h);
            draw.drawMatted(context, picture, matte, options);
            draw.drawMask(context, matte, { ...options, opacity: 0.3 });
            return context.getImageData(0, 0, w, h).data;
          });
          if (fresh.some((value, at) => value !== kept[at])) unlike.push([frames, i]);
          frames++;
        }
      }
    }
    // The same frame again needs no other canvas; one whose memory was taken back does.
    const [context] = two;
    const [picture, matte] = [patches(64, 48), matteOf(9, 5)];
    const madeBy = () => {
      made.length = 0;
      draw.drawMatted(context, picture, matte, { radius: 8 });
      return made.length;
    };
    madeBy();
    const again = madeBy();
    const { isContextLost } = OffscreenCanvasRenderingContext2D.prototype;
    OffscreenCanvasRenderingContext2D.prototype.isContextLost = () => true;
    const lost = madeBy();
    OffscreenCanvasRenderingContext2D.prototype.isContextLost = isContextLost;
    globalThis.OffscreenCanvas = Original;
    return { frames, unlike, again, lost };
  });
  // The front, the matte, the picture to blur, three halvings and as many steps back.
  assert.deepEqual(result, { frames: 40, unlike: [], again: 0, lost: 3 + 2 * 3 });
});

test("heat maps, feature maps and poses", async () => {
  const result = await page.evaluate(() => {
    const heat = sheet(60, 20);
    draw.drawHeatMap(heat.context, { data: [0, 1, Number.NaN], width: 3, height: 1 }, { opacity: 1, colours: "grey" });
    const faded = sheet(60, 20);
    draw.drawHeatMap(faded.context, { data: [-1, 1], width: 2, height: 1 }, { opacity: 1, fade: true });
    const maps = sheet(62, 30);
    // Two pixels, two channels: (0, 5) and (1, 5).
    const tensor = { data: [0, 5, 1, 5], shape: [1, 1, 2, 2] };
    const options = { colours: "grey", columns: 2, numbers: false };
    const cells = draw.drawFeatureMaps(maps.context, tensor, options);
    const shared = sheet(62, 30);
    draw.drawFeatureMaps(shared.context, tensor, { ...options, range: "all" });
    const pose = sheet(100, 100);
    const keypoints = [
      { x: 20, y: 50, score: 0.9 },
      { x: 80, y: 50, score: 0.9 },
      { x: 50, y: 10, score: 0.1 },
    ];
    draw.drawPoses(pose.context, [{ keypoints }], {
      limbs: [
        [0, 1],
        [1, 2],
      ],
      colour: () => "#ff00ff",
    });
    const codes = [
      () => draw.drawFeatureMaps(maps.context, { data: [1], shape: [1, 1] }),
      () => draw.drawFeatureMaps(maps.context, tensor, { channels: [2] }),
      () => draw.drawHeatMap(heat.context, { data: [1], width: 2, height: 1 }),
      () => draw.drawClassMap(heat.context, { data: [], width: 0, height: 0 }),
      () => draw.drawHeatMap(heat.context, { data: [1], width: 1, height: 1 }, { colours: "rainbow" }),
    ].map((work) => {
      try {
        work();
        return "nothing thrown";
      } catch (error) {
        return `${error.name} ${error.code}`;
      }
    });
    return {
      heat: [heat.at(2, 10), heat.at(30, 10), heat.at(58, 10)],
      faded: [faded.at(2, 10)[3], faded.at(58, 10)[3]],
      cells,
      maps: [maps.at(2, 15), maps.at(28, 15), maps.at(34, 15)],
      shared: [shared.at(2, 15), shared.at(28, 15), shared.at(34, 15)],
      pose: [pose.at(50, 50), pose.at(65, 30)[3]],
      codes,
    };
  });
  const [low, high, none] = result.heat;
  assert.deepEqual(
    [low, none],
    [
      [0, 0, 0, 255],
      [0, 0, 0, 255],
    ],
  );
  // Smoothing takes a little from the peak.
  assert.ok(high[0] > 200 && high[0] === high[2], `${high}`);
  assert.deepEqual(result.faded, [0, 255]);
  assert.deepEqual(result.cells, [
    { channel: 0, x: 0, y: 8, width: 30, height: 15 },
    { channel: 1, x: 32, y: 8, width: 30, height: 15 },
  ]);
  // By its own scale the second channel is all alike: low. By the shared one it is high, and the first nearly low.
  assert.deepEqual(
    result.maps.map(([r]) => r),
    [0, 255, 0],
  );
  assert.deepEqual(
    result.shared.map(([r]) => r),
    [0, 51, 255],
  );
  assert.deepEqual(result.pose, [[255, 0, 255, 255], 0]);
  assert.deepEqual(result.codes, [
    "ShapeMismatchError shape-mismatch",
    "InvalidError invalid",
    "ShapeMismatchError shape-mismatch",
    "InvalidError invalid",
    "InvalidError invalid",
  ]);
});

test("it draws in a worker", async () => {
  const drawn = await page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const worker = new Worker("/worker.js", { type: "module" });
        worker.onmessage = (event) => resolve(event.data);
        worker.onerror = (event) => reject(new Error(event.message));
      }),
  );
  assert.equal(drawn, true);
});
