// Keras' files in the package, in Node: networks with their weights, weights alone, and files that are written. What the files
// should give is Keras' own word: the golden set, and `tests/data/keras/nested.json`.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { layers, StriateError, striate } from "striate";
import { convModel, worst } from "./models.js";

const DATA = join(import.meta.dirname, "../../tests/data");
const GOLDEN = join(DATA, "golden-models");
const url = (path) => pathToFileURL(join(DATA, path));
const json = (path) => JSON.parse(readFileSync(join(DATA, path), "utf8"));

let engine;
before(async () => {
  engine = await striate();
});
after(() => engine.dispose());

/** The tensors of a safetensors file; all are floats. */
function tensors(path) {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.subarray(8, start).toString());
  return (name) => {
    const [from, to] = header[name].data_offsets;
    return new Float32Array(new Uint8Array(bytes.subarray(start + from, start + to)).buffer);
  };
}

const golden = tensors(join(GOLDEN, "models.safetensors"));
const { cases } = json("golden-models/cases.json");

/** The network gives these outputs of a golden case for its inputs. */
async function agrees(net, { inputs, ...given }, outputs = "outputs") {
  const results = await net.predict(golden(inputs[0].tensor));
  for (const [i, { tensor, atol, rtol }] of given[outputs].entries()) {
    const want = golden(tensor);
    const got = results[i].data;
    assert.equal(got.length, want.length);
    want.forEach((w, at) => {
      assert.ok(Math.abs(got[at] - w) <= atol + rtol * Math.abs(w), `${tensor}[${at}]: ${got[at]} instead of ${w}`);
    });
  }
}

test("every golden file is the network that Keras saved", async () => {
  let files = 0;
  for (const model of cases) {
    for (const [kind, path] of Object.entries(model.paths)) {
      if (/weights/.test(kind)) continue;
      const net = await engine.loadModel(url(`golden-models/${path}`));
      const trained = kind.includes("optimizer");
      for (const [name, { tensor, shape }] of Object.entries(trained ? {} : model.weights)) {
        const value = await net.getWeight(name);
        assert.deepEqual([...value.shape], shape);
        assert.deepEqual(value.data, golden(tensor), `${path}: ${name}`);
      }
      await agrees(net, model, trained ? "trained_outputs" : "outputs");
      net.dispose();
      files++;
    }
  }
  assert.equal(files, 10);
});

test("files of weights go into a network that is built here, by order and by name", async () => {
  const model = cases.find(({ op }) => op === "sequential");
  for (const [kind, path] of Object.entries(model.paths)) {
    for (const byName of [false, true]) {
      const net = await engine.loadModel(url(`golden-models/${model.paths.keras_v3_with_optimizer}`));
      const { loaded, skipped } = await net.loadWeights(url(`golden-models/${path}`), { byName });
      assert.equal(loaded.length, Object.keys(model.weights).length, `${kind}, byName: ${byName}`);
      assert.deepEqual(skipped, []);
      await agrees(net, model, kind.includes("optimizer") ? "trained_outputs" : "outputs");
      net.dispose();
    }
  }
});

/** The network that Keras saved as `nested.keras` gives what Keras gives. */
async function isNested(net) {
  const { inputs, outputs } = json("keras/nested.json");
  const results = await net.predict(inputs.map(({ values, shape }) => ({ data: Float32Array.from(values), shape })));
  assert.equal(results.length, outputs.length);
  for (const [i, { shape, values }] of outputs.entries()) {
    assert.deepEqual(results[i].shape, shape);
    assert.ok(worst(results[i].data, values) < 5e-5);
  }
}

test("models in models, shared and frozen layers come as bytes, Blob and File", async () => {
  const bytes = readFileSync(join(DATA, "keras/nested.keras"));
  for (const source of [
    new Uint8Array(bytes),
    new Uint8Array(bytes).buffer,
    new Blob([bytes]),
    [new File([bytes], "n.keras")],
    url("keras/nested.h5").href,
  ]) {
    const net = await engine.loadModel(source, { seed: 5 });
    await isNested(net);
    assert.equal(net.name, "nested");
    assert.equal(net.seed, 5);
    assert.equal(net.getLayer("stem").trainable, false);
    assert.equal(net.getLayer("tower/bn").trainable, false);
    net.dispose();
  }
});

test("what is saved is loaded again as the same network", async () => {
  const net = await engine.loadModel(url("keras/nested.keras"));
  const before = await net.getWeights();
  for (const format of ["keras", "safetensors", "tfjs"]) {
    const saved = await net.save(format);
    const names = [saved].flat().map((file) => file.name);
    assert.deepEqual(names, format === "tfjs" ? ["model.json", "group1-shard1of1.bin"] : [`nested.${format}`]);
    const copy = await engine.loadModel(saved);
    assert.deepEqual({ ...copy.toJSON(), seed: net.seed }, net.toJSON());
    assert.equal(copy.summary(), net.summary());
    assert.deepEqual(await copy.getWeights(), before, format);
    await isNested(copy);
    copy.dispose();
  }
  // Weights alone, into a network with others.
  const weights = await net.save("weights.h5");
  assert.equal(weights.name, "nested.weights.h5");
  await net.setWeight("tower/mix/bias", new Float32Array(4));
  assert.equal((await net.loadWeights(weights)).loaded.length, net.weights.length);
  assert.deepEqual(await net.getWeights(), before);
});

test("a network that was trained here is saved as it is then", async () => {
  const net = await engine.sequential([
    layers.dense({ units: 3, activation: "tanh", inputShape: [4] }),
    layers.dense({ units: 1 }),
  ]);
  await net.compile({ optimizer: "sgd", loss: "mse" });
  const x = Float32Array.from({ length: 40 }, (_, i) => Math.sin(i));
  await net.fit({ x: { data: x, shape: [10, 4] }, y: { data: x.slice(0, 10), shape: [10, 1] } }, { epochs: 3 });
  const copy = await engine.loadModel(await net.save("keras"));
  assert.deepEqual(await copy.getWeights(), await net.getWeights());
  const predict = async (model) => (await model.predict({ data: x, shape: [10, 4] }))[0].data;
  assert.equal((await predict(net)).length, 10);
  assert.deepEqual(await predict(copy), await predict(net));
});

/** Expects a StriateError with these fields. */
async function fails(work, fields) {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof StriateError, `not a StriateError: ${error?.stack}`);
    for (const [key, value] of Object.entries(fields)) {
      if (value instanceof RegExp) assert.match(String(error[key]), value);
      else assert.equal(error[key], value, `${key} of "${error.message}"`);
    }
    return true;
  });
}

test("what does not fit is an error with fields, or is passed over", async () => {
  const net = await engine.sequential([
    layers.conv2d({ name: "conv", filters: 5, kernelSize: 3, useBias: false, inputShape: [12, 14, 3] }),
    layers.flatten(),
    layers.dense({ name: "out", units: 9 }),
  ]);
  const before = await net.getWeights();
  const file = url("golden-models/models/tiny_sequential.keras2.h5");
  await fails(net.loadWeights(file), {
    code: "shape-mismatch",
    expected: "2 layers",
    received: "4 layers",
    message: /models\/tiny_sequential\.keras2\.h5: the file is of a network with another number of layers/,
  });
  await fails(net.loadWeights(file, { byName: true }), {
    code: "shape-mismatch",
    layer: "out",
    expected: "[600, 9]",
    received: "[63, 4]",
  });
  assert.deepEqual(await net.getWeights(), before, "nothing has changed");
  const { loaded, skipped } = await net.loadWeights(file, { byName: true, skipMismatch: true });
  assert.deepEqual(loaded, ["conv/kernel"]);
  assert.deepEqual(
    skipped.map(({ layer }) => layer),
    ["out"],
  );
  assert.match(skipped[0].reason, /expected \[600, 9\]/);
  assert.deepEqual((await net.getWeight("out/kernel")).data, before["out/kernel"].data);
  assert.notDeepEqual((await net.getWeight("conv/kernel")).data, before["conv/kernel"].data);
});

test("layers that Keras does not have are what the page says", async () => {
  const layer = (class_name, config, from) => ({
    class_name,
    name: config.name,
    config,
    inbound_nodes: from ? [[[from, 0, 0, {}]]] : [],
  });
  const config = {
    name: "custom",
    layers: [
      layer("InputLayer", { name: "x", batch_input_shape: [null, 1, 1, 4] }),
      layer("MultiplyBeta", { name: "beta", beta: 0.2 }, "x"),
      layer("Custom>Shuffle", { name: "shuffle" }, "beta"),
    ],
    input_layers: [["x", 0, 0]],
    output_layers: [["shuffle", 0, 0]],
  };
  const model_config = { class_name: "Functional", config };
  const source = { json: { modelTopology: { model_config }, weightsManifest: [] }, weights: [] };
  await fails(engine.loadModel(source), { code: "unsupported", layer: "beta", message: /MultiplyBeta/ });
  const net = await engine.loadModel(source, {
    customLayers: {
      MultiplyBeta: ({ beta }) => layers.rescaling({ scale: beta }),
      "Custom>Shuffle": () => layers.reshape({ targetShape: [2, 2, 1] }),
    },
  });
  const [{ data, shape }] = await net.predict({ data: Float32Array.of(1, 2, 3, 4), shape: [1, 1, 1, 4] });
  assert.deepEqual(shape, [1, 2, 2, 1]);
  assert.ok(worst(data, [0.2, 0.4, 0.6, 0.8]) < 1e-6);
  await fails(engine.loadModel(source, { customLayers: { MultiplyBeta: () => 3 } }), { code: "invalid" });
});

test("wrong files are told apart", async () => {
  const { json, weights } = convModel();
  const model = await engine.loadModel({ json, weights });
  assert.deepEqual(
    model.layers.map(({ className }) => className),
    ["InputLayer", "Conv2D"],
    "a graph becomes layers",
  );
  // Weights alone come of Keras' files only.
  await fails(model.loadWeights({ json, weights }), { code: "unsupported", message: /graph model/ });
  await fails(engine.loadModel(new TextEncoder().encode("<!doctype html>")), { code: "network", message: /HTML/ });
  await fails(engine.loadModel(new Uint8Array(99)), { code: "invalid", message: /not a model file/ });
  await fails(engine.loadModel(url("golden-models/models/tiny_sequential.weights.h5")), {
    code: "invalid",
    message: /weights only/,
  });
  const whole = readFileSync(join(DATA, "keras/nested.keras"));
  for (const part of [0.1, 0.5, 0.99]) {
    await fails(engine.loadModel(new Uint8Array(whole.subarray(0, whole.length * part))), { code: "invalid" });
  }
  await fails(engine.load(new Uint8Array(whole)), { code: "unsupported", message: /engine.loadModel\(\)/ });
  // It works on.
  await isNested(await engine.loadModel(new Uint8Array(whole)));
});
