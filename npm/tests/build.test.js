// Networks built in JavaScript, in Node: the wasm runs in place.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { constraints, initializers, input, Layer, layers, regularizers, StriateError, striate } from "striate";
import { worst } from "./models.js";
import { parseXml } from "./xml.js";

let engine;
before(async () => {
  engine = await striate();
});
after(() => engine.dispose());

/** Expects a StriateError with these fields. */
async function fails(work, fields) {
  await assert.rejects(typeof work === "function" ? async () => work() : work, (error) => {
    assert.ok(error instanceof StriateError, `not a StriateError: ${error?.stack}`);
    for (const [key, value] of Object.entries(fields)) {
      if (value instanceof RegExp) assert.match(String(error[key]), value, `${key} of "${error.message}"`);
      else assert.equal(error[key], value, `${key} of "${error.message}"`);
    }
    return true;
  });
}

/** `x W + b` by hand. */
const product = (x, { data: w }, { data: b }) =>
  Array.from(b, (bias, j) => x.reduce((sum, value, i) => sum + value * w[i * b.length + j], bias));

/** Two dense layers as one. */
class Pair extends Layer {
  #first;
  #second;
  constructor({ hidden, units, ...options }) {
    super(options);
    this.#first = layers.dense({ units: hidden, useBias: false });
    this.#second = layers.dense({ units });
  }
  call(x) {
    return this.#second.apply(this.#first.apply(x));
  }
}

describe("sequential models", () => {
  test("compute what their weights say", async () => {
    const net = await engine.sequential([layers.dense({ units: 3, inputShape: [4], name: "out" })], { name: "small" });
    assert.deepEqual([net.name, net.countParams()], ["small", 15]);
    assert.deepEqual(net.inputs, [{ name: "input_layer", dtype: "float32", shape: [null, 4] }]);
    assert.deepEqual(net.outputs, [{ name: "out", dtype: "float32", shape: [null, 3] }]);
    const kernel = Float32Array.from({ length: 12 }, (_, i) => i - 5);
    await net.setWeights({ "out/kernel": kernel, "out/bias": [1, -2, 3] });
    assert.deepEqual([...(await net.getWeight("out/kernel")).data], [...kernel]);
    const weights = await net.getWeights();
    assert.deepEqual(Object.keys(weights), ["out/kernel", "out/bias"]);
    assert.deepEqual(weights["out/kernel"].shape, [4, 3]);
    const x = [1, -2, 0.5, 3];
    const [{ data, shape }] = await net.predict(Float32Array.from(x));
    assert.deepEqual(shape, [1, 3]);
    assert.ok(worst(data, product(x, weights["out/kernel"], weights["out/bias"])) < 1e-5, `${data}`);
    await net.setWeight("out/bias", { data: [0, 0, 0] });
    const [later] = await net.predict(Float32Array.from(x));
    assert.ok(worst(later.data, product(x, { data: kernel }, { data: [0, 0, 0] })) < 1e-5, "new weights count at once");
  });

  test("an input may come first, a layer may come twice", async () => {
    const same = layers.dense({ units: 4, useBias: false, kernelInitializer: "identity" });
    const net = await engine.sequential([input({ shape: [4], name: "x" }), same, same, layers.dense({ units: 2 })]);
    assert.equal(net.inputs[0].name, "x");
    assert.equal(net.countParams(), 16 + 10);
    assert.deepEqual(
      net.layers.map(({ name }) => name),
      ["dense", "dense_1"],
    );
  });

  test("seeds decide the weights", async () => {
    const make = (seed) => engine.sequential([layers.dense({ units: 5, inputShape: [7] })], { seed });
    const kernel = async (net) => [...(await net.getWeight("dense/kernel")).data];
    const first = await kernel(await make(1));
    assert.deepEqual(await kernel(await make(1)), first);
    assert.notDeepEqual(await kernel(await make(2)), first);
    const [a, b] = [await make(undefined), await make(undefined)];
    assert.notEqual(a.seed, b.seed);
    assert.deepEqual(await kernel(await make(a.seed)), await kernel(a));
    const limit = Math.sqrt(6 / 12);
    assert.ok(first.every((value) => Math.abs(value) <= limit) && Math.max(...first) > limit / 2, "Glorot's limits");
  });

  test("initializers, regularizers and constraints arrive", async () => {
    const dense = layers.dense({
      units: 2,
      inputShape: [3],
      kernelInitializer: initializers.constant({ value: 0.25 }),
      biasInitializer: "ones",
      kernelRegularizer: regularizers.l1L2({ l1: 0.5 }),
      kernelConstraint: constraints.minMaxNorm({ minValue: 0.5, axis: [0] }),
    });
    const net = await engine.sequential([dense]);
    assert.deepEqual([...(await net.getWeight("dense/kernel")).data], new Array(6).fill(0.25));
    assert.deepEqual([...(await net.getWeight("dense/bias")).data], [1, 1]);
    const { config } = net.toJSON().layers.at(-1);
    assert.deepEqual(config.kernel_regularizer, { class_name: "L1", config: { l1: 0.5 } });
    const { min_value, axis } = config.kernel_constraint.config;
    assert.deepEqual([min_value, axis], [0.5, [0]]);
  });

  test("large inputs run in batches, with progress, and can be stopped", async () => {
    const net = await engine.sequential([layers.dense({ units: 2, inputShape: [3] })]);
    const x = Float32Array.from({ length: 3 * 70 }, (_, i) => Math.sin(i));
    const steps = [];
    const [all] = await net.predict(x, {
      batchSize: 32,
      onProgress: ({ loaded, total }) => steps.push([loaded, total]),
    });
    assert.deepEqual(
      [all.shape, steps],
      [
        [70, 2],
        [
          [32, 70],
          [64, 70],
          [70, 70],
        ],
      ],
    );
    const [at_once] = await net.predict({ data: x, shape: [70, 3] }, { batchSize: 100 });
    assert.ok(worst(all.data, at_once.data) < 1e-6);
    const stop = new AbortController();
    const stopped = net.predict(x, { batchSize: 10, signal: stop.signal, onProgress: () => stop.abort() });
    await fails(stopped, { code: "aborted" });
    await fails(net.predict(x, { batchSize: 0 }), { code: "invalid", received: "0" });
    assert.equal((await net.predict(x))[0].shape[0], 70);
  });
});

describe("functional models", () => {
  test("two inputs, two outputs, a shared layer; by order and by name", async () => {
    const [a, b] = [input({ shape: [3], name: "left" }), input({ shape: [3], name: "right" })];
    const shared = layers.dense({ units: 2, name: "shared" });
    const net = await engine.model({
      inputs: [a, b],
      outputs: [shared.apply(a), layers.flatten({ name: "f" }).apply(shared.apply(b))],
    });
    assert.equal(net.countParams(), 8);
    const [x, y] = [Float32Array.of(1, 2, 3), Float32Array.of(-1, 0, 4)];
    const kernel = await net.getWeight("shared/kernel");
    const bias = await net.getWeight("shared/bias");
    for (const given of [[x, y], { right: y, left: { data: x, shape: [1, 3] } }]) {
      const results = await net.predict(given);
      assert.ok(worst(results[0].data, product([...x], kernel, bias)) < 1e-6);
      assert.ok(worst(results.named.f.data, product([...y], kernel, bias)) < 1e-6);
    }
    await fails(net.predict(x), { code: "shape-mismatch", expected: /left, right/, received: "1" });
    await fails(net.predict({ left: x, rihgt: y }), { code: "invalid", layer: "rihgt" });
    await fails(net.predict({ left: x }), { code: "invalid", layer: "right" });
    await fails(net.predict([x, Float32Array.of(1)]), { code: "shape-mismatch", layer: "right", expected: /3/ });
    await fails(net.predict([x, [1, 2, 3]]), { code: "invalid", layer: "right" });
  });

  test("a model within models keeps its weights, and is copied", async () => {
    const inner = await engine.sequential([layers.dense({ units: 2, inputShape: [3] })], { name: "tower" });
    const kernel = (await inner.getWeight("dense/kernel")).data;
    const [a, b] = [input({ shape: [3] }), input({ shape: [3] })];
    const net = await engine.model({ inputs: [a, b], outputs: [inner.apply(a), inner.apply(b)] });
    assert.equal(net.countParams(), 8);
    assert.deepEqual((await net.getWeight("tower/dense/kernel")).data, kernel);
    await net.setWeight("tower/dense/kernel", new Float32Array(6));
    assert.deepEqual((await inner.getWeight("dense/kernel")).data, kernel, "the copy is a copy");
    const outer = await engine.sequential([inner, layers.dense({ units: 1 })]);
    assert.deepEqual((await outer.getWeight("tower/dense/kernel")).data, kernel);
    assert.equal(outer.getLayer("tower/dense").params, 8);
    const parts = await engine.model({ inputs: a, outputs: new Wrapper(inner).apply(a) });
    assert.deepEqual((await parts.getWeight("wrapper/tower/dense/kernel")).data, kernel);
  });

  /** A layer around a built model. */
  class Wrapper extends Layer {
    constructor(model) {
      super();
      this.model = model;
    }
    call(x) {
      return this.model.apply(x);
    }
  }

  test("layers composed of layers are one layer, with shared weights where applied twice", async () => {
    const [a, b] = [input({ shape: [5] }), input({ shape: [5] })];
    const pair = new Pair({ hidden: 4, units: 3 });
    const full = await engine.model({ inputs: [a, b], outputs: [pair.apply(a), pair.apply(b)] });
    assert.equal(full.countParams(), 20 + 15);
    const { layers: inside } = full.getLayer("pair");
    assert.deepEqual(
      inside.map(({ name }) => name),
      ["input_layer", "dense", "dense_1"],
    );
    const x = Float32Array.of(1, 2, 3, 4, 5);
    const [first, second] = await full.predict([x, x]);
    assert.deepEqual(first.data, second.data);
    const frozen = await engine.sequential([new Pair({ hidden: 2, units: 1, trainable: false, inputShape: [3] })]);
    assert.equal(frozen.summary({ data: true }).params.trainable, 0);
  });

  test("several inputs of a composed layer can be taken apart", async () => {
    class Both extends Layer {
      call([a, b]) {
        return [layers.dense({ units: 1 }).apply(a), layers.dense({ units: 2 }).apply(b)];
      }
    }
    class Second extends Layer {
      call(_, b) {
        return layers.flatten().apply(b);
      }
    }
    const [a, b] = [input({ shape: [3] }), input({ shape: [4] })];
    const both = new Both();
    await fails(() => both.apply([a, b]), { code: "invalid", message: /applyAll/ });
    const net = await engine.model({ inputs: [a, b], outputs: both.applyAll([a, b]) });
    assert.deepEqual(
      net.outputs.map(({ shape }) => shape),
      [
        [null, 1],
        [null, 2],
      ],
    );
    assert.equal(net.countParams(), 4 + 10);
    assert.deepEqual(await engine.shape(new Second().apply([a, b])), [null, 4]);
  });

  test("shapes can be asked for while building", async () => {
    const x = input({ shape: [9, null, 3] });
    const y = layers.conv2d({ filters: 4, kernelSize: 3, strides: 2, padding: "same" }).apply(x);
    assert.deepEqual(await engine.shape(y), [null, 5, null, 4]);
    await fails(engine.shape(layers.dense({ units: 0 }).apply(x)), { layer: "dense" });
  });

  test("open sizes take any image", async () => {
    const net = await engine.sequential([layers.conv2d({ filters: 2, kernelSize: 3, inputShape: [null, null, 1] })]);
    const [{ shape }] = await net.predict({ data: new Float32Array(7 * 9), shape: [1, 7, 9, 1] });
    assert.deepEqual(shape, [1, 5, 7, 2]);
    await fails(net.predict(new Float32Array(63)), { code: "invalid", expected: "[?, ?, ?, 1]" });
  });
});

describe("mistakes", () => {
  const sequential = (...list) => engine.sequential(list);
  test("name the layer, what would fit and what was there", async () => {
    await fails(sequential(layers.conv2d({ filters: 3, kernelSize: 9, inputShape: [4, 4, 1], name: "stem" })), {
      code: "shape-mismatch",
      layer: "stem",
      expected: /9/,
      received: /4/,
    });
    await fails(sequential(layers.dense({ units: 3 })), { code: "invalid", layer: "dense", message: /inputShape/ });
    const typo = layers.dense({ units: 3, activaton: "relu", inputShape: [4] });
    await fails(sequential(typo), { layer: "dense", expected: /units, activation, use_bias/, received: "activaton" });
    const odd = layers.dense({ units: 3, activation: "rleu", inputShape: [4] });
    await fails(sequential(odd), { layer: "dense", message: /`activation`/, received: /rleu/ });
    await fails(() => layers.dense({ units: Number.NaN }), { code: "invalid", layer: "Dense", received: "NaN" });
    await fails(() => layers.dense({ units: () => 3, name: "d" }), {
      code: "invalid",
      layer: "d",
      received: "function",
    });
    await fails(sequential(layers.flatten({ inputShape: [2, 2] }), new Pair({ hidden: 0, units: 1 })), {
      layer: "pair/dense",
      message: /`units`/,
    });
    const named = () => layers.dense({ units: 2, name: "twin", inputShape: [2] });
    await fails(sequential(named(), named()), { code: "invalid", layer: "twin", message: /two layers/ });
  });

  test("in writing it down are told at once", async () => {
    const x = input({ shape: [4] });
    await fails(() => layers.dense({ units: 2 }).apply(layers.flatten()), {
      code: "invalid",
      received: /apply it first/,
    });
    await fails(() => layers.dense({ units: 2 }).apply([]), { code: "invalid" });
    await fails(() => input({}), { code: "invalid", expected: /shape/ });
    await fails(engine.sequential(["dense"]), { code: "invalid", received: "string" });
    await fails(engine.sequential([]), { code: "invalid" });
    await fails(engine.sequential([layers.flatten({ inputShape: [2] })], { seed: -1 }), {
      code: "invalid",
      received: "-1",
    });
    class Empty extends Layer {}
    await fails(() => new Empty().apply(x), { code: "invalid", layer: "Empty", message: /call\(\)/ });
    const y = layers.flatten().apply(x);
    await fails(engine.model({ inputs: y, outputs: layers.flatten().apply(y) }), {
      code: "invalid",
      message: /input\(\)/,
    });
    const other = input({ shape: [3], name: "other" });
    await fails(engine.model({ inputs: x, outputs: [y, layers.flatten().apply(other)] }), {
      code: "invalid",
      layer: "other",
    });
  });

  test("with weights change nothing", async () => {
    const net = await engine.sequential([layers.dense({ units: 2, inputShape: [3] })]);
    const { data: before } = await net.getWeight("dense/kernel");
    await fails(net.setWeights({ "dense/kernel": new Float32Array(6), "dense/bias": [1, 2, 3] }), {
      code: "shape-mismatch",
      layer: "dense",
      expected: "[2]",
      received: "3 values",
    });
    assert.deepEqual((await net.getWeight("dense/kernel")).data, before);
    await fails(net.getWeight("dense/kernal"), {
      code: "invalid",
      layer: "dense",
      expected: "dense/kernel, dense/bias",
    });
    await fails(net.getWeights("dens"), { code: "invalid", layer: "dens" });
    await fails(net.setTrainable("dens", false), { code: "invalid", layer: "dens" });
  });
});

test("layers can be imported by themselves, and are the same", async () => {
  const alone = await import("striate/layers");
  assert.deepEqual(Object.keys(alone).sort(), Object.keys(layers).sort());
  assert.ok(alone.dense({ units: 1 }) instanceof Layer);
});

test("layers are frozen and thawed", async () => {
  const [x, pair] = [input({ shape: [3] }), new Pair({ hidden: 2, units: 2 })];
  const net = await engine.model({ inputs: x, outputs: layers.dense({ units: 1, name: "head" }).apply(pair.apply(x)) });
  const trainable = () => net.weights.filter((weight) => weight.trainable).map(({ name }) => name);
  await net.setTrainable(false);
  assert.deepEqual([trainable(), net.summary({ data: true }).params.trainable], [[], 0]);
  await net.setTrainable("head", true);
  assert.deepEqual(trainable(), ["head/kernel", "head/bias"]);
  await net.setTrainable(true);
  await net.setTrainable("pair/dense", false);
  assert.deepEqual(trainable(), ["pair/dense_1/kernel", "pair/dense_1/bias", "head/kernel", "head/bias"]);
});

test("memory is given back, and what was disposed of says so", async () => {
  const inner = await engine.sequential([layers.dense({ units: 2, inputShape: [3] })]);
  const x = input({ shape: [3] });
  const y = inner.apply(x);
  inner.dispose();
  inner[Symbol.dispose]();
  await fails(inner.predict(new Float32Array(3)), { code: "invalid", message: /disposed/ });
  await fails(engine.model({ inputs: x, outputs: y }), { code: "invalid", message: /disposed/ });
  await fails(engine.sequential([layers.flatten({ inputShape: [2] })], { signal: AbortSignal.abort() }), {
    code: "aborted",
  });
});

/** The residual unit of ResNet-34, as the chapter writes it. */
class ResidualUnit extends Layer {
  #main;
  #skip = [];
  #activation;
  constructor({ filters, strides = 1, activation = "relu" }) {
    super();
    this.#activation = layers.activation(activation);
    const conv = (strides, kernelSize = 3) =>
      layers.conv2d({ filters, kernelSize, strides, padding: "same", useBias: false });
    const normal = () => layers.batchNormalization();
    this.#main = [conv(strides), normal(), layers.activation(activation), conv(1), normal()];
    if (strides > 1) this.#skip = [conv(strides, 1), normal()];
  }
  call(z) {
    const through = (path) => path.reduce((x, layer) => layer.apply(x), z);
    return this.#activation.apply(layers.add().apply([through(this.#main), through(this.#skip)]));
  }
}

/** ResNet-34, as the chapter writes it. */
function resnet34() {
  const list = [
    layers.conv2d({
      filters: 64,
      kernelSize: 7,
      strides: 2,
      padding: "same",
      useBias: false,
      inputShape: [224, 224, 3],
    }),
    layers.batchNormalization(),
    layers.activation("relu"),
    layers.maxPooling2d({ poolSize: 3, strides: 2, padding: "same" }),
  ];
  let before = 64;
  for (const filters of [64, 64, 64, 128, 128, 128, 128, 256, 256, 256, 256, 256, 256, 512, 512, 512]) {
    list.push(new ResidualUnit({ filters, strides: filters === before ? 1 : 2 }));
    before = filters;
  }
  return [
    ...list,
    layers.globalAveragePooling2d(),
    layers.flatten(),
    layers.dense({ units: 10, activation: "softmax" }),
  ];
}

describe("functions as layers", () => {
  test("compute what was written", async () => {
    const [a, b] = [input({ shape: [3], name: "a" }), input({ shape: [3], name: "b" })];
    const distance = layers.lambda(([a, b]) => a.sub(b).square().mean(-1), { name: "distance" });
    const parts = layers.lambda((a, b) => [
      a.mul([1, 10, 100]).add(0.5),
      a.where(b.greater(0), a.neg()).matMul({ data: [1, 0, 0, 1, 1, 1], shape: [3, 2] }),
      a.concat(b, 1).slice([null, 2], [null, -1]).reshape([0, 3, 1]).max(1),
    ]);
    const net = await engine.model({ inputs: [a, b], outputs: [distance.apply([a, b]), ...parts.applyAll([a, b])] });
    const [x, y] = [
      [1, 2, 3],
      [-1, 4, 0.5],
    ];
    const results = await net.predict([Float32Array.from(x), Float32Array.from(y)]);
    const expected = [[(4 + 4 + 6.25) / 3], [1.5, 20.5, 300.5], [-1 + 3, 2 + 3], [4]];
    for (const [i, values] of expected.entries())
      assert.ok(worst(results[i].data, values) < 1e-5, `${i}: ${results[i].data}`);
    assert.deepEqual(
      results.map(({ shape }) => shape),
      [[1], [1, 3], [1, 2], [1, 1]],
    );
    assert.match(net.summary(), /distance \(Lambda\)/);
    const again = await engine.sequential([
      layers.lambda((x) => x.relu(), { inputShape: [2] }),
      layers.dense({ units: 1 }),
    ]);
    assert.equal(again.countParams(), 3);
  });

  test("and say what is wrong with it", async () => {
    const x = input({ shape: [3] });
    const apply = (f) => layers.lambda(f, { name: "f" }).apply(x);
    await fails(() => apply(() => 3), { code: "invalid", layer: "f", received: "number" });
    await fails(() => apply((x) => x.add("1")), { code: "invalid", message: /add/, received: "string" });
    await fails(() => apply((x) => x.add(Number.NaN)), { code: "invalid", received: "NaN" });
    let kept;
    apply((x) => {
      kept = x;
      return x;
    });
    await fails(() => apply((x) => x.add(kept)), { code: "invalid", message: /another call/ });
    await fails(() => layers.lambda(3), { code: "invalid", received: "number" });
    const wrong = apply((x) => x.abs().add([1, 2]));
    await fails(engine.model({ inputs: x, outputs: wrong }), {
      code: "shape-mismatch",
      layer: "f",
      message: /step 1, add/,
    });
  });
});

describe("the chapter's networks", () => {
  test("the CNN for 28 x 28 pictures", async () => {
    const conv = (filters, more) =>
      layers.conv2d({ filters, kernelSize: 3, padding: "same", activation: "relu", ...more });
    const net = await engine.sequential([
      conv(64, { kernelSize: 7, inputShape: [28, 28, 1] }),
      layers.maxPooling2d({ poolSize: 2 }),
      conv(128),
      conv(128),
      layers.maxPooling2d({ poolSize: 2 }),
      conv(256),
      conv(256),
      layers.maxPooling2d({ poolSize: 2 }),
      layers.flatten(),
      layers.dense({ units: 128, activation: "relu" }),
      layers.dropout({ rate: 0.5 }),
      layers.dense({ units: 64, activation: "relu" }),
      layers.dropout({ rate: 0.5 }),
      layers.dense({ units: 10, activation: "softmax" }),
    ]);
    assert.equal(net.countParams(), 1_413_834);
    const table = net.summary();
    for (const row of [/max_pooling2d_2 \(MaxPooling2D\) +\[\?, 3, 3, 256\] +0/, /dense \(Dense\) .* 295,040/]) {
      assert.match(table, row);
    }
    assert.match(table, /Total params: 1,413,834/);
    const [{ data, shape }] = await net.predict(Float32Array.from({ length: 3 * 784 }, (_, i) => Math.sin(i)));
    assert.deepEqual(shape, [3, 10]);
    for (let i = 0; i < 3; i++) {
      const sum = data.slice(10 * i, 10 * i + 10).reduce((a, b) => a + b);
      assert.ok(Math.abs(sum - 1) < 1e-5, `${sum}`);
    }
  });

  test("ResNet-34 of residual units", async () => {
    const net = await engine.sequential(resnet34(), { name: "resnet34" });
    assert.equal(net.countParams(), 21_306_826);
    const { layers: list, params } = net.summary({ data: true });
    assert.equal(params.trainable, 21_289_802);
    assert.equal(list.filter(({ className }) => className === "ResidualUnit").length, 16);
    assert.match(net.summary(), /residual_unit_15 \(ResidualUnit\) +\[\?, 7, 7, 512\] +4,722,688/);
    assert.deepEqual(net.getLayer("residual_unit_3/conv2d_2").outputShapes, [[null, 28, 28, 128]]);
    assert.deepEqual(net.weights.at(-2).shape, [512, 10]);
    const elements = parseXml(net.plot({ expand: true }));
    const texts = elements.filter(({ name }) => name === "text").map(({ text }) => text);
    assert.equal(texts.filter((text) => text === "ResidualUnit").length, 16);
    assert.equal(texts.filter((text) => text === "add").length, 16);
  });

  test("every layer has its factory, and every factory its layer", async () => {
    const image = { inputShape: [8, 8, 4] };
    const [steps, volume] = [{ inputShape: [8, 4] }, { inputShape: [4, 4, 4, 4] }];
    const shapes = { 1: steps, 2: image, 3: volume };
    const needed = {
      activation: "relu",
      alphaDropout: { rate: 0.5 },
      centerCrop: { height: 4, width: 4 },
      dense: { units: 2 },
      depthMaxPool: { poolSize: 2 },
      depthAveragePool: { poolSize: 2 },
      dropout: { rate: 0.5, noiseShape: [null, 1, 1, null] },
      gaussianDropout: { rate: 0.5 },
      gaussianNoise: { stddev: 1 },
      groupNormalization: { groups: 2 },
      normalization: { mean: Float32Array.of(1, 2, 3, 4), variance: [4, 4, 4, 4] },
      permute: { dims: [3, 1, 2] },
      rescaling: { scale: 1 / 255, offset: -1 },
      reshape: { targetShape: [-1, 2] },
      resize: { size: [4, 6], method: "lanczos3", antialias: true },
      resizing: { height: 5, width: 3, interpolation: "nearest" },
    };
    const merges = ["add", "subtract", "multiply", "average", "maximum", "minimum", "concatenate", "dot"];
    const flat = ["rbf", "repeatVector"];
    for (const [name, make] of Object.entries(layers)) {
      const [, axes] = /([123])d/.exec(name) ?? [];
      const x = input({ shape: flat.includes(name) ? [5] : shapes[axes ?? 2].inputShape });
      const options = {
        ...(typeof needed[name] === "object" ? needed[name] : {}),
        ...(/conv/i.test(name) && { kernelSize: 3, ...(!name.startsWith("depthwise") && { filters: 6 }) }),
        ...(name.startsWith("spatialDropout") && { rate: 0.5 }),
        ...(name === "rbf" && { units: 3, squared: true }),
        ...(name === "repeatVector" && { n: 3 }),
        ...(name === "dot" && { axes: -1 }),
      };
      if (name === "lambda") continue;
      const given = typeof needed[name] === "string" ? needed[name] : options;
      if (!/^[a-z]/.test(name)) continue;
      const y = make(given).apply(merges.includes(name) ? [x, x] : x);
      const net = await engine
        .model({ inputs: x, outputs: y })
        .catch((error) => assert.fail(`${name}: ${error.message}`));
      const [{ data }] = await net.predict(new Float32Array(net.inputs[0].shape.slice(1).reduce((a, b) => a * b)));
      assert.ok(data.length > 0 && data.every(Number.isFinite), name);
      net.dispose();
    }
  });
});

describe("the zoo", () => {
  test("builds Keras' networks, with Keras' options", async () => {
    const names = await engine.zoo.names();
    for (const name of ["ResNet50", "MobileNetV2", "YOLOv3", "UNet"]) assert.ok(names.includes(name), name);
    const features = await engine.zoo.resnet50({ includeTop: false, inputShape: [64, 64, 3] });
    assert.deepEqual([features.name, features.countParams()], ["resnet50", 23_587_712]);
    assert.deepEqual(features.outputs[0].shape, [null, 2, 2, 2048]);
    const small = await engine.zoo.build("MobileNetV2", { alpha: 0.35, classes: 4, inputShape: [96, 96, 3], seed: 5 });
    assert.deepEqual([small.name, small.seed], ["mobilenetv2_0.35_96", 5]);
    const [{ data }] = await small.predict(new Float32Array(96 * 96 * 3).fill(0.5));
    assert.ok(Math.abs(data.reduce((a, b) => a + b) - 1) < 1e-5);
    assert.equal((await engine.zoo.resnet34()).countParams(), 21_306_826);
    await fails(engine.zoo.build("ResNet51"), { expected: /ResNet50, / });
    await fails(engine.zoo.build("ResNet50", { alpha: 2 }), { layer: "ResNet50", received: "alpha" });
    const texts = parseXml(features.plot()).map(({ text }) => text);
    for (const { name } of features.layers) assert.ok(texts.includes(name), name);
  });

  test("features carry a new head, and stay what they were", async () => {
    const base = await engine.zoo.build("ResNet18", {
      includeTop: false,
      pooling: "avg",
      widths: [4, 4, 8, 8],
      inputShape: [32, 32, 3],
    });
    const x = input({ shape: [32, 32, 3] });
    const net = await engine.model({
      inputs: x,
      outputs: layers.dense({ units: 3, name: "head" }).apply(base.apply(x)),
    });
    await net.setTrainable(base.name, false);
    assert.equal(net.summary({ data: true }).params.trainable, 8 * 3 + 3);
    const picture = Float32Array.from({ length: 3072 }, (_, i) => Math.sin(i));
    const [features] = await base.predict(picture);
    const [{ data }] = await net.predict(picture);
    const [kernel, bias] = [await net.getWeight("head/kernel"), await net.getWeight("head/bias")];
    assert.ok(worst(data, product([...features.data], kernel, bias)) < 1e-4);
  });

  test("a classifier becomes fully convolutional", async () => {
    const net = await engine.sequential([
      layers.conv2d({ filters: 3, kernelSize: 3, activation: "relu", inputShape: [8, 8, 2] }),
      layers.flatten(),
      layers.dense({ units: 4, activation: "softmax" }),
    ]);
    const open = await net.toFullyConvolutional();
    const large = Float32Array.from({ length: 10 * 9 * 2 }, (_, i) => Math.cos(i * i));
    const [map] = await open.predict({ data: large, shape: [1, 10, 9, 2] });
    assert.deepEqual(map.shape, [1, 3, 2, 4]);
    // The window at row 2, column 1 by itself.
    const window = Float32Array.from({ length: 128 }, (_, i) => {
      const [row, column, channel] = [i >> 4, (i >> 1) & 7, i & 1];
      return large[((row + 2) * 9 + column + 1) * 2 + channel];
    });
    const [{ data }] = await net.predict(window);
    assert.ok(worst(map.data.slice(20, 24), data) < 1e-5, `${map.data} ${data}`);
    const flat = await engine.sequential([layers.dense({ units: 2, inputShape: [3] })]);
    await fails(flat.toFullyConvolutional(), {});
  });
});

describe("pictures of networks", () => {
  const texts = (svg) =>
    parseXml(svg)
      .filter(({ name }) => name === "text")
      .map(({ text }) => text);

  test("are well-formed and name every layer, whatever it is called", async () => {
    const names = ['a<b>&"c"\'', "\u0007bell", "grün 🦒", "]]>"];
    const chain = names.map((name, i) => layers.dense({ units: i + 1, name, ...(i === 0 && { inputShape: [3] }) }));
    const net = await engine.sequential(chain, { name: "<script>" });
    const found = texts(net.plot());
    for (const name of [names[0], " bell", names[2], names[3], "input_layer"]) assert.ok(found.includes(name), name);
    assert.ok(found.some((text) => text.includes("<script>")));
    for (const { params } of net.layers) assert.ok(found.includes(String(params)));
    assert.ok(!texts(net.plot({ params: false, shapes: false })).includes("12"));
  });

  test("show what is inside of layers when asked", async () => {
    const [a, b] = [input({ shape: [5], name: "a" }), input({ shape: [5], name: "b" })];
    const [pair, twin] = [new Pair({ hidden: 4, units: 5 }), new Pair({ hidden: 4, units: 5 })];
    const outputs = [twin.apply(pair.apply(a)), pair.apply(b)];
    const net = await engine.model({ inputs: [a, b], outputs });
    const count = (options) => texts(net.plot(options)).filter((text) => text === "dense_1").length;
    assert.deepEqual([count(), count({ expand: true }), count({ expand: ["pair"] })], [0, 2, 1]);
    for (const { name } of net.layers) assert.ok(texts(net.plot({ expand: true })).includes(name));
  });
});
