// The listings of docs/chapter-14.md, run as they stand, one after the other: what one declares is there for the next.
// Each is held to reference values, or to what its operation is by definition.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import * as striate from "striate";

const ROOT = join(import.meta.dirname, "../..");
const PAGE = readFileSync(join(ROOT, "docs/chapter-14.md"), "utf8");
const ARCHITECTURES = JSON.parse(readFileSync(join(ROOT, "tests/data/golden/architectures.json"), "utf8"));
const [WINDOW, MAPS] = readTensors("window4", "crop4");

/** Tensors of the first example. */
function readTensors(...names) {
  const file = readFileSync(join(import.meta.dirname, "data/first_example.safetensors"));
  const start = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString("utf8", 8, start));
  return names.map((name) => {
    const { dtype, shape, data_offsets: range } = header[`first_example/conv/${name}`];
    const bytes = Uint8Array.from(file.subarray(start + range[0], start + range[1]));
    return { shape, data: dtype === "F32" ? new Float32Array(bytes.buffer) : bytes };
  });
}

// ---- Running a listing ----------------------------------------------------------------------------------------------

/** JavaScript of the page, each with the heading that it stands under. */
const listings = PAGE.split(/^## /m).flatMap((section) => {
  const heading = section.startsWith("#") ? "" : section.slice(0, section.indexOf("\n"));
  return [...section.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => ({ heading, code }));
});

/** What a listing finds: the names of those before it, and what a page has and Node has not. */
const scope = {
  console: { log: (text) => logged.push(text) },
  // The pictures' windows take the place of the pictures: Node cannot decode JPEGs. Fashion-MNIST is short here.
  fetch: async (url) => ({ blob: async () => (url.startsWith("fashion/") ? new Blob([idx(url)]) : url) }),
  createImageBitmap: async (name) => ({ width: 70, height: 70, picture: ["china.jpg", "flower.jpg"].indexOf(name) }),
  OffscreenCanvas: class {
    getContext() {
      return this;
    }
    drawImage({ picture }) {
      const size = 70 * 70;
      this.pixels = new Uint8ClampedArray(size * 4).fill(255);
      for (let i = 0; i < size; i++)
        this.pixels.set(WINDOW.data.subarray(picture * size * 3 + i * 3).slice(0, 3), i * 4);
    }
    getImageData(_x, _y, width, height) {
      return { data: this.pixels, width, height };
    }
  },
};
const logged = [];

/** A file of Fashion-MNIST's kind: six images of train or four of t10k, or their labels. */
function idx(url) {
  const count = url.includes("train") ? 6 : 4;
  const dims = url.includes("images") ? [count, 28, 28] : [count];
  const header = Buffer.from([0, 0, 8, dims.length, ...dims.flatMap((size) => [0, 0, 0, size])]);
  const bytes = Uint8Array.from({ length: product(dims) }, (_, i) => (dims.length > 1 ? (i * i * 7) % 256 : i % 10));
  return Buffer.concat([header, bytes]);
}

/** Runs a program, and keeps what it declares at its outermost level. */
async function run(code) {
  const program = code.replace(/^import \{ (.*?) \} from "striate";$/gm, (_, names) => {
    for (const name of names.split(", ")) assert.ok(name in striate, `striate exports ${name}`);
    return `const { ${names} } = $package;`;
  });
  const patterns = program.matchAll(/^(?:async )?(?:const|let|class|function) (\{.*?\} =|\[.*?\] =|\w+)/gm);
  const names = [...patterns].flatMap(([, pattern]) => pattern.match(/\w+/g));
  const body = `{ ${program}\nreturn { ${names.join(", ")} }; }`;
  const AsyncFunction = run.constructor;
  const known = { $package: striate, ...scope };
  Object.assign(scope, await new AsyncFunction(...Object.keys(known), body)(...Object.values(known)));
}

// ---- What it should give --------------------------------------------------------------------------------------------

const close = (actual, expected, tolerance = 1e-5, relative = 1e-5) => {
  assert.equal(actual.length, expected.length);
  for (const [i, want] of expected.entries()) {
    const difference = Math.abs(actual[i] - want);
    assert.ok(difference <= tolerance + relative * Math.abs(want), `${actual[i]} is not ${want} at ${i}`);
  }
};
/** Numbers without a pattern, about zero. */
const numbers = (count, seed = 1) => Float32Array.from({ length: count }, (_, i) => Math.sin(seed + i * i));
const sum = (values) => values.reduce((a, b) => a + b, 0);
const product = (shape) => shape.reduce((a, b) => a * b, 1);

/** A layer by itself: what it makes of a sample of this shape. */
async function apply(layer, shape, data = numbers(product(shape))) {
  const x = striate.input({ shape });
  const net = await scope.engine.model({ inputs: x, outputs: layer.apply(x) });
  const [output] = await net.predict(data);
  return { ...output, input: data, net };
}

/** The window around a place in a picture of the example, one value for each pixel: the sum of its channels. */
const brightness = (picture, y, x) => {
  if (y < 0 || x < 0 || y >= 70 || x >= 70) return 0;
  const at = ((picture * 70 + y) * 70 + x) * 3;
  return (WINDOW.data[at] + WINDOW.data[at + 1] + WINDOW.data[at + 2]) / 255;
};

function checkLines({ shape, data }) {
  assert.deepEqual(shape, [2, 70, 70, 2]);
  const inner = [];
  const expected = [];
  for (const picture of [0, 1]) {
    for (let y = 0; y < 70; y++) {
      for (let x = 0; x < 70; x++) {
        const at = ((picture * 70 + y) * 70 + x) * 2;
        if (Math.min(y, x) >= 3 && Math.max(y, x) < 67) inner.push(data[at], data[at + 1]);
        const steps = [-3, -2, -1, 0, 1, 2, 3];
        expected.push(sum(steps.map((step) => brightness(picture, y + step, x))));
        expected.push(sum(steps.map((step) => brightness(picture, y, x + step))));
      }
    }
  }
  close(inner, [...MAPS.data], 5e-5);
  close(data, expected, 5e-5);
}

/** Bilinear, with half-pixel centres. */
function resized(picture, y, x, channel, size) {
  const place = (i) => Math.min(Math.max(((i + 0.5) * 70) / size - 0.5, 0), 69);
  const value = (row, column) => WINDOW.data[((picture * 70 + row) * 70 + column) * 3 + channel];
  const [top, left] = [Math.floor(place(y)), Math.floor(place(x))];
  const [bottom, right] = [Math.min(top + 1, 69), Math.min(left + 1, 69)];
  const [down, across] = [place(y) - top, place(x) - left];
  const mix = (a, b, share) => a + (b - a) * share;
  return mix(
    mix(value(top, left), value(top, right), across),
    mix(value(bottom, left), value(bottom, right), across),
    down,
  );
}

/** A check for every listing, in the order of the page. */
const checks = [
  ["", () => assert.equal(scope.engine.info.backend, "wasm")],
  [
    "Two filters over two pictures",
    () => {
      assert.deepEqual(scope.images.shape, WINDOW.shape);
      close(
        scope.images.data,
        [...WINDOW.data].map((value) => Math.fround(value / 255)),
        0,
        0,
      );
    },
  ],
  ["Two filters over two pictures", () => checkLines(scope.outputs)],
  [
    "A convolutional layer",
    async () => {
      const { shape, data, net } = await apply(scope.conv, [9, 7, 3]);
      assert.deepEqual(shape, [1, 9, 7, 32]);
      assert.equal(net.countParams(), 3 * 3 * 3 * 32 + 32);
      assert.ok(data.every((value) => value >= 0) && data.some((value) => value > 0));
    },
  ],
  ["A convolutional layer", async () => checkLines((await scope.model.predict(scope.images))[0])],
  [
    "Pooling",
    async () => {
      const input = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, -9, -8, -7, -6);
      const pooled = async (layer) => [...(await apply(layer, [3, 4, 1], input)).data];
      assert.deepEqual(await pooled(scope.maxPool), [6, 8]);
      assert.deepEqual(await pooled(scope.avgPool), [3.5, 5.5]);
      assert.deepEqual(await pooled(scope.same), [6, 8, -8, -6]);
    },
  ],
  [
    "Pooling",
    async () => {
      const largest = (data) =>
        Array.from({ length: data.length / 3 }, (_, i) => Math.max(...data.slice(i * 3, i * 3 + 3)));
      assert.deepEqual(scope.maxima.shape, [2, 70, 70, 1]);
      assert.deepEqual([...scope.maxima.data], largest(scope.images.data));
      const { shape, data, input } = await apply(scope.depthPoolByHand, [4, 5, 6]);
      assert.deepEqual(shape, [1, 4, 5, 2]);
      assert.deepEqual([...data], largest(input));
    },
  ],
  [
    "Pooling",
    async () => {
      for (const layer of [scope.globalAvg, scope.globalAvgByHand]) {
        const { shape, data, input } = await apply(layer, [5, 7, 3]);
        assert.deepEqual(shape, [1, 3]);
        close(
          data,
          [0, 1, 2].map((channel) => sum(input.filter((_, i) => i % 3 === channel)) / 35),
        );
      }
    },
  ],
  [
    "A network for Fashion-MNIST",
    async () => {
      const { total, layers } = ARCHITECTURES["FashionMNIST-CNN"];
      assert.equal(scope.cnn.countParams(), total);
      assert.deepEqual(
        scope.cnn.layers.map(({ outputShapes, params }) => [outputShapes[0], params]),
        layers.slice(1).map(([, , , , shape, params]) => [shape, params]),
      );
      assert.match(logged.at(-1), /1,413,834/);
      const [{ shape, data }] = await scope.cnn.predict(numbers(2 * 28 * 28));
      assert.deepEqual(shape, [2, 10]);
      close([sum(data.slice(0, 10)), sum(data.slice(10))], [1, 1]);
    },
  ],
  [
    "A network for Fashion-MNIST",
    () => {
      const { train, test } = scope;
      assert.deepEqual([train.x.length, train.y.length, test.x.length, test.y.length], [6 * 784, 6, 4 * 784, 4]);
      close(train.x.slice(0, 3), [0, 7 / 255, 28 / 255]);
      assert.deepEqual([...test.y], [0, 1, 2, 3]);
    },
  ],
  [
    "A network for Fashion-MNIST",
    () => {
      const { history, score, predicted, test } = scope;
      assert.deepEqual(Object.keys(history), ["loss", "accuracy", "val_loss", "val_accuracy"]);
      for (const values of Object.values(history)) assert.ok(values.length === 10 && values.every(Number.isFinite));
      assert.deepEqual(predicted.shape, [4, 10]);
      const row = (i) => [...predicted.data.subarray(i * 10, i * 10 + 10)];
      const labels = [...test.y];
      close([score.loss], [sum(labels.map((label, i) => -Math.log(row(i)[label]))) / 4], 1e-3);
      close([score.accuracy], [labels.filter((label, i) => row(i)[label] === Math.max(...row(i))).length / 4]);
    },
  ],
  [
    "The architectures",
    async () => {
      const { data, input } = await apply(
        scope.lrn,
        [2, 3, 7],
        numbers(42).map((value) => value * 100),
      );
      const expected = Array.from(input, (value, i) => {
        const near = [-2, -1, 0, 1, 2].filter((step) => (i % 7) + step >= 0 && (i % 7) + step < 7);
        return value / (1 + 0.00002 * sum(near.map((step) => input[i + step] ** 2))) ** 0.75;
      });
      close(data, expected, 1e-4);
    },
  ],
  [
    "ResNet-34 from scratch",
    async () => {
      const x = striate.input({ shape: [6, 5, 4] });
      const unit = new scope.ResidualUnit({ filters: 4, name: "unit" });
      const net = await scope.engine.model({ inputs: x, outputs: unit.apply(x) });
      assert.equal(net.countParams(), 2 * (9 * 4 * 4 + 4 * 4));
      for (const { name, shape } of net.weights) {
        if (name.endsWith("/kernel")) await net.setWeight(name, new Float32Array(product(shape)));
      }
      // Convolutions of zeros add nothing to the input, which the last activation cuts.
      const input = numbers(120);
      const [{ data }] = await net.predict(input);
      close(
        data,
        input.map((value) => Math.max(value, 0)),
      );
      const smaller = await apply(new scope.ResidualUnit({ filters: 8, strides: 2 }), [6, 5, 4]);
      assert.deepEqual(smaller.shape, [1, 3, 3, 8]);
      assert.equal(smaller.net.countParams(), 9 * 4 * 8 + 9 * 8 * 8 + 4 * 8 + 3 * 4 * 8);
    },
  ],
  [
    "ResNet-34 from scratch",
    () => {
      const { total, trainable } = ARCHITECTURES["ResNet-34"];
      assert.equal(scope.resnet34.countParams(), 21_306_826);
      const { params } = scope.resnet34.summary({ data: true });
      assert.deepEqual([params.total, params.trainable], [total, trainable]);
      assert.equal(scope.resnet34.layers.length, 4 + 16 + 3);
    },
  ],
  [
    "A pretrained ResNet-50",
    () => {
      const { shape, data } = scope.inputs;
      assert.deepEqual(shape, [2, 224, 224, 3]);
      for (const [picture, y, x] of [
        [0, 0, 0],
        [0, 100, 3],
        [1, 17, 223],
        [1, 223, 111],
      ]) {
        const at = ((picture * 224 + y) * 224 + x) * 3;
        const expected = [2, 1, 0].map((channel, i) => resized(picture, y, x, channel, 224) - scope.mean[i]);
        close(data.slice(at, at + 3), expected, 1e-3);
      }
    },
  ],
  [
    "A pretrained ResNet-50",
    () => {
      assert.equal(scope.resnet50.countParams(), ARCHITECTURES.ResNet50.total);
      assert.deepEqual(scope.scores.shape, [2, 1000]);
      assert.equal(scope.topK.length, 2);
      for (const [picture, answers] of scope.topK.entries()) {
        const row = scope.scores.data.slice(picture * 1000, picture * 1000 + 1000);
        close([sum(row)], [1]);
        assert.deepEqual(
          answers.map(({ probability }) => probability),
          [...row].sort((a, b) => b - a).slice(0, 3),
        );
        for (const { label, probability } of answers) assert.equal(row[label], probability);
      }
    },
  ],
  [
    "Transfer learning with Xception",
    async () => {
      const { flowers } = scope;
      const { params } = flowers.summary({ data: true });
      const [base, head] = [ARCHITECTURES["Xception-no-top"].total, 2048 * 5 + 5];
      assert.deepEqual([params.total, params.trainable], [base + head, head]);
      assert.deepEqual(flowers.outputs[0].shape, [null, 5]);
    },
  ],
  [
    "Transfer learning with Xception",
    async () => {
      const batches = [];
      for await (const batch of scope.trainSet) batches.push(batch);
      assert.equal(batches.length, 1);
      const { x, y } = batches[0];
      assert.deepEqual(
        [x.shape, [...y.data].sort()],
        [
          [2, 224, 224, 3],
          [0, 1],
        ],
      );
      const size = 224 * 224 * 3;
      for (const [i, picture] of y.data.entries()) {
        for (const [row, column] of [
          [0, 0],
          [223, 100],
        ]) {
          const at = i * size + (row * 224 + column) * 3;
          const expected = [0, 1, 2].map((channel) => resized(picture, row, column, channel, 224) / 127.5 - 1);
          close(x.data.slice(at, at + 3), expected);
        }
      }
    },
  ],
  [
    "Transfer learning with Xception",
    () => {
      const { headHistory, fineHistory, flowers } = scope;
      for (const [{ history }, epochs] of [
        [headHistory, 5],
        [fineHistory, 1],
      ]) {
        assert.deepEqual(Object.keys(history), ["loss", "accuracy", "val_loss", "val_accuracy"]);
        for (const values of Object.values(history))
          assert.ok(values.length === epochs && values.every(Number.isFinite));
      }
      assert.ok(headHistory.history.loss[4] < headHistory.history.loss[0], `${headHistory.history.loss}`);
      const { params } = flowers.summary({ data: true });
      assert.equal(params.nonTrainable, 54_528, "moving statistics alone");
    },
  ],
  [
    "Classification and localisation",
    () => {
      const { named, locator } = scope;
      assert.deepEqual(
        [named.class.shape, named.box.shape],
        [
          [1, 5],
          [1, 4],
        ],
      );
      close([sum(named.class.data)], [1]);
      assert.equal(locator.countParams(), ARCHITECTURES["Xception-no-top"].total + 2048 * 9 + 9);
    },
  ],
  [
    "Classification and localisation",
    async () => {
      const { logs, named } = scope;
      close([logs.loss], [0.8 * logs.class_loss + 0.2 * logs.box_loss]);
      // Before the step, on the black picture that was predicted above.
      close([logs.class_loss], [-Math.log(named.class.data[3])], 1e-3);
      close([logs.box_loss], [sum([0, 0, 1, 1].map((side, i) => (side - named.box.data[i]) ** 2)) / 4], 1e-3);
      assert.ok("class_accuracy" in logs && !("box_accuracy" in logs), Object.keys(logs).join());
    },
  ],
  [
    "From dense layers to fully convolutional networks",
    async () => {
      const { head, maps, grid } = scope;
      assert.deepEqual(grid.shape, [1, 8, 8, 200]);
      for (const [y, x] of [
        [0, 0],
        [3, 6],
        [7, 7],
      ]) {
        const window = Array.from({ length: 49 }, (_, i) => {
          const at = ((y + Math.floor(i / 7)) * 14 + x + (i % 7)) * 100;
          return [...maps.data.slice(at, at + 100)];
        });
        const [{ data }] = await head.predict(Float32Array.from(window.flat()));
        const at = (y * 8 + x) * 200;
        close(grid.data.slice(at, at + 200), [...data], 1e-4);
      }
    },
  ],
  [
    "Heads for detection and segmentation",
    () => {
      assert.deepEqual(scope.yoloHead.outputs[0].shape, [null, 13, 13, 45]);
      assert.equal(scope.yoloHead.countParams(), 1024 * 45 + 45);
      assert.deepEqual(scope.yolo.outputs[0].shape, [null, 13, 13, 45]);
    },
  ],
  [
    "Heads for detection and segmentation",
    async () => {
      const [coarse, fine] = [
        [1, 14, 14, 512],
        [1, 28, 28, 256],
      ].map((shape) => ({ shape, data: numbers(product(shape)) }));
      const [{ shape, data }] = await scope.segmenter.predict([coarse, fine]);
      assert.deepEqual(shape, [1, 224, 224, 21]);
      const sums = Array.from({ length: 224 * 224 }, (_, i) => sum(data.subarray(i * 21, i * 21 + 21)));
      close(
        sums,
        sums.map(() => 1),
      );
      assert.equal(scope.segmenter.countParams(), 512 * 21 + 256 * 21 + 4 * 4 * 21 * 21 + 3 * 21);
    },
  ],
  [
    "Other convolutions",
    async () => {
      const cases = [
        [
          [9, 3],
          [9, 8],
        ],
        [
          [5, 6, 7, 2],
          [3, 4, 5, 8],
        ],
        [
          [6, 5, 3],
          [4, 3, 8],
        ],
        [
          [6, 5, 3],
          [4, 3, 6],
        ],
        [
          [9, 8, 3],
          [5, 4, 8],
        ],
      ];
      assert.equal(scope.others.length, cases.length);
      for (const [i, [input, output]] of cases.entries()) {
        assert.deepEqual((await apply(scope.others[i], input)).shape, [1, ...output]);
      }
    },
  ],
];

after(() => scope.engine?.dispose());

test("every listing has a check, and beside it Keras", () => {
  assert.deepEqual(
    listings.map(({ heading }) => heading),
    checks.map(([heading]) => heading),
    "a new listing needs a check",
  );
  assert.equal([...PAGE.matchAll(/^```python$/gm)].length, listings.length);
});

test("the listings do what Keras' do", async (t) => {
  for (const [i, { heading, code }] of listings.entries()) {
    const title = `${i + 1}. ${heading || "Start"}`;
    await t.test(title, async () => {
      await run(code);
      await checks[i][1]();
    });
  }
});

test("the table of architectures tells the truth", async () => {
  const rows = [...PAGE.matchAll(/^\| (\S+) \| .*? \| `(engine\.zoo\..*?)` \| ([\d,]+) \|$/gm)];
  assert.ok(rows.length >= 10, `${rows.length} rows`);
  for (const [, name, call, params] of rows) {
    await run(`const network = await ${call};`);
    assert.equal(scope.network.countParams().toLocaleString("en"), params, name);
    const golden = ARCHITECTURES[name.replace(/-(?=16|50)/, "")];
    if (golden) assert.equal(scope.network.countParams(), golden.total, name);
    scope.network.dispose();
  }
});
