// Pictures painted where the network runs: by WebAssembly, on WebGPU and read back (software adapters), and on WebGPU straight
// from the network's buffer to the canvas. All are held to the masks that are computed from scores.
import assert from "node:assert/strict";
import { test } from "node:test";
import { pages } from "./pages.js";

const plain = await pages();
const canvas = await pages({}, {}, { canvas: true });

/** Ways to make a picture: a browser, options of the engine, and whether the adapter is taken for a real GPU. */
const WAYS = [
  { name: "WebAssembly", in: plain, options: { backend: "wasm" } },
  { name: "WebGPU, read back", in: plain, options: { backend: "webgpu", allowSoftwareAdapter: true } },
  {
    name: "WebGPU, in place, read back",
    in: plain,
    options: { backend: "webgpu", allowSoftwareAdapter: true, worker: false },
  },
  { name: "WebGPU, to the canvas", in: canvas, options: { backend: "webgpu", worker: false }, real: true },
];

/** What every page needs: a network of `classes` maps of half the picture's size, and pictures. */
const prelude = async (page, { options, real }) => {
  await page.goto("/");
  await page.evaluate(
    async ([options, real]) => {
      // Canvases of the GPU that were asked for; wgpu tries some of a single pixel.
      globalThis.canvases = 0;
      const { getContext } = OffscreenCanvas.prototype;
      OffscreenCanvas.prototype.getContext = function (kind, ...rest) {
        if (kind === "webgpu" && this.width > 1) canvases += 1;
        return getContext.call(this, kind, ...rest);
      };
      if (real) Object.defineProperty(GPUAdapterInfo.prototype, "isFallbackAdapter", { get: () => false });
      const striate = await import("/dist/index.js");
      const engine = await striate.striate(options);
      /** Scores of a picture of 24 x 16 pixels: smooth, and different everywhere. */
      const network = async (classes, layer = {}) => {
        const maps = {
          filters: classes,
          kernelSize: 3,
          strides: 2,
          padding: "same",
          inputShape: [16, 24, 3],
          ...layer,
        };
        const model = await engine.sequential([striate.layers.conv2d(maps)], { seed: 5 });
        return { model, net: await engine.load(await model.save("onnx")) };
      };
      /** A picture of soft colours. */
      const picture = (width, height) => {
        const data = new Uint8ClampedArray(width * height * 4).fill(255);
        for (let i = 0; i < width * height; i++) {
          const [x, y] = [(i % width) / width, Math.floor(i / width) / height];
          data.set([255 * x, 255 * y, 127 * (1 + Math.sin(9 * x + 5 * y))], 4 * i);
        }
        return createImageBitmap(new ImageData(data, width, height));
      };
      /** Straight RGBA bytes of a painted picture. */
      const bytes = ({ image, width, height }) => {
        const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
        context.drawImage(image, 0, 0);
        return context.getImageData(0, 0, width, height).data;
      };
      Object.assign(globalThis, { striate, engine, network, picture, bytes });
    },
    [options, real],
  );
};

for (const way of WAYS) {
  const { server, browser } = way.in;
  const inPage = async (work) => {
    const page = await browser.newPage({ baseURL: server.origin });
    try {
      await prelude(page, way);
      return await page.evaluate(work);
    } finally {
      await page.close();
    }
  };

  test(`${way.name}: classes have their colours, at any size and of any part`, async () => {
    const found = await inPage(async () => {
      const { net } = await network(5);
      const results = [];
      for (const [width, height, input, size] of [
        [24, 16, {}, {}],
        [61, 43, { scale: 1 / 127.5, offset: -1 }, {}],
        [90, 40, { scale: 1 / 255, fit: "center" }, { width: 33, height: 70 }],
        [50, 61, { scale: 1 / 255, fit: "pad", order: "bgr" }, {}],
      ]) {
        const segmenter = new striate.Segmenter(net, { input, logits: true });
        const source = await picture(width, height);
        const colours = (value) => [50 * value, 255 - 50 * value, 7];
        const painted = await segmenter.paint(source, { ...size, colours, hidden: [3] });
        const pixels = bytes(painted);
        const mask = (await segmenter.segment(source)).mask(size);
        let wrong = 0;
        mask.data.forEach((value, i) => {
          const want = value === 3 ? [0, 0, 0, 0] : [...colours(value), 255];
          if (want.some((v, c) => v !== pixels[4 * i + c])) wrong += 1;
        });
        const { image, view, timings } = painted;
        results.push({
          wrong: wrong / mask.data.length,
          classes: new Set(mask.data).size,
          sizes: [image.width, image.height, painted.width, painted.height],
          view,
          timed: timings.total >= timings.inference && timings.inference > 0,
        });
      }
      return { results, backend: (await net.report()).backend, canvases };
    });
    assert.equal(found.backend, way.options.backend);
    assert.equal(found.canvases, way.real ? 1 : 0, "canvases of the GPU");
    const sizes = [
      [24, 16],
      [61, 43],
      [33, 70],
      [50, 61],
    ];
    found.results.forEach(({ wrong, classes, sizes: had, timed }, i) => {
      // A tie may fall to either side.
      assert.ok(wrong <= 0.003, `picture ${i}: ${wrong} of the pixels are of another class`);
      assert.ok(classes >= 2, `${classes} class is no test`);
      assert.deepEqual(had, [...sizes[i], ...sizes[i]]);
      assert.ok(timed);
    });
    assert.deepEqual(found.results[2].view, { x: 15, y: 40 / 2 - 20, width: 60, height: 40 });
  });

  test(`${way.name}: mattes are as opaque as the network is sure, heat maps have a scale`, async () => {
    const found = await inPage(async () => {
      const source = await picture(61, 43);
      const input = { scale: 1 / 255 };
      const results = {};
      const largest = (pixels, want) => {
        let worst = 0;
        want.forEach((value, i) => {
          worst = Math.max(worst, Math.abs(pixels[4 * i + 3] - 255 * value));
        });
        return worst;
      };
      for (const [name, classes, logits, wanted] of [
        ["share of a softmax", 4, true, 2],
        ["sigmoid", 1, true, 1],
        ["background of a sigmoid", 1, true, 0],
        ["share as it is", 3, false, 1],
      ]) {
        const layer = logits ? {} : { activation: "softmax" };
        const { net } = await network(classes, layer);
        const segmenter = new striate.Segmenter(net, { input, logits });
        const painted = await segmenter.paint(source, { class: wanted, colour: [255, 0, 0] });
        const pixels = bytes(painted);
        const { data } = (await segmenter.segment(source)).matte({ class: wanted });
        const solid = [...data.keys()]
          .filter((i) => data[i] > 0.5)
          .every((i) => pixels[4 * i] > 253 && pixels[4 * i + 1] < 2);
        results[name] = { worst: largest(pixels, data), range: Math.max(...data) - Math.min(...data), solid };
        if (classes === 1 && wanted === 1) {
          const threshold = data.toSorted()[data.length >> 1];
          const mask = (await segmenter.segment(source)).mask({ threshold });
          const shown = bytes(await segmenter.paint(source, { threshold }));
          results.differing = mask.data.reduce((sum, value, i) => sum + (value !== shown[4 * i + 3] / 255), 0);
          results.inside = mask.data.reduce((sum, value) => sum + value, 0) / mask.data.length;
        }
      }
      // Any channel, in a scale of colours, of a model of layers too.
      const { net, model } = await network(3);
      const painting = { channel: 1, range: [-1, 1], colours: "grey" };
      const [of, ofModel] = [
        await net.paintImage(source, painting, input),
        await model.paintImage(source, painting, input),
      ];
      const { outputs } = await net.predictImage(source, input);
      const { low, high } = { low: Math.min(...outputs[0].data), high: Math.max(...outputs[0].data) };
      const [a, b] = [bytes(of), bytes(ofModel)];
      return {
        results,
        between: [low, high],
        greys: [Math.min(...a), a[3]],
        apart: Math.max(...a.map((v, i) => Math.abs(v - b[i]))),
      };
    });
    const { differing, inside, ...mattes } = found.results;
    for (const [name, { worst, range, solid }] of Object.entries(mattes)) {
      assert.ok(worst <= 1.6, `${name}: alpha is off by ${worst} of 255`);
      assert.ok(range > 0.15, `${name}: ${range} is no test`);
      assert.ok(solid, `${name}: the colour is not that asked for`);
    }
    assert.ok(differing <= 3 && inside > 0.4 && inside < 0.6, `${differing} pixels differ, ${inside} are inside`);
    assert.ok(found.apart <= 1, `net and model differ by ${found.apart}`);
    assert.equal(found.greys[1], 255, "opaque");
  });

  test(`${way.name}: channels first, sizes that only a picture tells, classes in place of scores`, async () => {
    const found = await inPage(async () => {
      const { input, layers, Segmenter } = striate;
      const results = {};
      const first = layers.permute({ dims: [3, 1, 2] });
      const classes = layers.lambda((x) => x.argMax(-1));
      for (const [name, shape, last, head] of [
        ["channels first", [12, 20, 3], first, { logits: true }],
        ["open sizes", [null, null, 3], first, { logits: true }],
        ["classes", [12, 20, 3], classes, { kind: "classes" }],
      ]) {
        const list = [input({ shape }), layers.conv2d({ filters: 4, kernelSize: 1 }), last];
        const model = await engine.sequential(list, { seed: 3 });
        const segmenter = new Segmenter(model, { input: { scale: 1 / 255 }, ...head });
        const source = await picture(33, 21);
        const seen = await segmenter.segment(source);
        const mask = seen.mask().data;
        const wanted = Math.max(...mask);
        const [painted, soft] = [await segmenter.paint(source), await segmenter.paint(source, { class: wanted })];
        const [shown, opaque] = [bytes(painted), bytes(soft)];
        const matte = seen.matte({ class: wanted }).data;
        // Background is transparent, all else is not.
        const differing = mask.reduce((sum, value, i) => sum + (value > 0 !== shown[4 * i + 3] > 0), 0);
        const off = matte.reduce((worst, value, i) => Math.max(worst, Math.abs(255 * value - opaque[4 * i + 3])), 0);
        results[name] = { differing, off, classes: new Set(mask).size };
      }
      return results;
    });
    for (const [name, { differing, off, classes }] of Object.entries(found)) {
      assert.ok(differing <= 2, `${name}: ${differing} pixels differ`);
      assert.ok(off <= 1.6, `${name}: alpha is off by ${off}`);
      assert.ok(classes > 1, `${name}: one class is no test`);
    }
  });

  test(`${way.name}: what is wrong is said, and the engine goes on`, async () => {
    const errors = await inPage(async () => {
      const source = await picture(24, 16);
      const { net, model } = await network(3);
      const caught = async (work) => {
        try {
          await work();
          return "nothing";
        } catch (error) {
          return `${error.code}: ${error.message}`;
        }
      };
      const segmenter = new striate.Segmenter(net);
      const errors = [
        await caught(() => net.paintImage(source, { output: "masks" })),
        await caught(() => net.paintImage(source, { channel: 3 })),
        await caught(() => net.paintImage(source, { channel: 0, range: [1, 1] })),
        await caught(() => net.paintImage(source, { width: 0 })),
        await caught(() => model.paintImage(source, { width: 9000, height: 2 })),
        await caught(() => segmenter.paint(source, { class: 3 })),
        await caught(() => segmenter.paint(source, { signal: AbortSignal.abort() })),
        await caught(() => net.paintImage(source, { channel: 0, colours: "rainbow" })),
      ];
      const { image } = await net.paintImage(source);
      return [...errors, `${image.width}`];
    });
    for (const [i, wanted] of [
      /^invalid.*no output "masks"/,
      /^shape-mismatch.*no such channel/,
      /^invalid.*two different/,
      /^invalid.*size/,
      /^invalid.*size/,
      /^invalid.*no such class/,
      /^aborted/,
      /^invalid.*colour scale/,
      /^24$/,
    ].entries()) {
      assert.match(errors[i], wanted);
    }
  });
}

test("painted pictures are drawn like maps", async () => {
  const { browser, server } = plain;
  const page = await browser.newPage({ baseURL: server.origin });
  await prelude(page, WAYS[0]);
  const [classes, masked, matted] = await page.evaluate(async () => {
    const { drawClassMap, drawMask, drawMatted } = await import("/dist/draw.js");
    const { net } = await network(1, { activation: "sigmoid" });
    const segmenter = new striate.Segmenter(net, { input: { scale: 1 / 255 } });
    const source = await picture(48, 32);
    const found = await segmenter.segment(source);
    const [mask, matte] = [found.mask(), found.matte()];
    const [shown, soft] = [await segmenter.paint(source), await segmenter.paint(source, { class: 1 })];
    const sheet = (draw) => {
      const context = new OffscreenCanvas(48, 32).getContext("2d", { willReadFrequently: true });
      context.drawImage(source, 0, 0);
      draw(context);
      return context.getImageData(0, 0, 48, 32).data;
    };
    const apart = (one, other) => {
      const [a, b] = [sheet(one), sheet(other)];
      const far = a.reduce((sum, value, i) => sum + (Math.abs(value - b[i]) > 3), 0);
      return [far / a.length, a.some((value, i) => value !== sheet(() => {})[i])];
    };
    return [
      apart(
        (c) => drawClassMap(c, mask),
        (c) => drawClassMap(c, shown.image),
      ),
      apart(
        (c) => drawMask(c, matte, { colour: [255, 0, 9] }),
        (c) => drawMask(c, soft.image, { colour: [255, 0, 9] }),
      ),
      apart(
        (c) => drawMatted(c, source, matte, { background: "#00ff00" }),
        (c) => drawMatted(c, source, soft.image, { background: "#00ff00" }),
      ),
    ];
  });
  await page.close();
  for (const [far, drawn] of [classes, masked, matted]) {
    assert.ok(far <= 0.01, `${far} of the bytes differ`);
    assert.ok(drawn, "nothing was drawn");
  }
});
