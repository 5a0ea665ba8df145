// What `engine.inspect` tells of every kind of file, before any weight is fetched.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { layers, striate } from "../dist/index.js";
import { convModel, modelRoutes, onnxModel } from "./models.js";
import { VENDOR } from "./photos.js";
import { page as html, serve } from "./server.js";

const DATA = join(import.meta.dirname, "../../tests/data");
const GOLDEN = join(DATA, "golden-models/models");

let engine;
let server;
before(async () => {
  const routes = { "/": (_, response) => html(response), ...modelRoutes() };
  server = await serve({ "/golden/": GOLDEN, "/vendor/": VENDOR }, routes);
  engine = await striate();
});
after(async () => {
  engine?.dispose();
  await server?.close();
});

test("of a graph model only the model.json is fetched", async () => {
  const found = await engine.inspect(`${server.origin}/models/conv/model.json`);
  assert.deepEqual(found, {
    format: "tfjs",
    loader: "load",
    supported: true,
    unsupported: [],
    operators: { Placeholder: 1, Const: 2, Conv2D: 1, BiasAdd: 1, Relu: 1 },
    inputs: [{ name: "x", dtype: "float32", shape: [null, 5, 5, 1] }],
    outputs: [{ name: "y", dtype: "float32", shape: [] }],
    parameters: 10,
    weightBytes: 40,
    files: [
      { name: "kernel.bin", bytes: 20 },
      { name: "bias.bin", bytes: 20 },
    ],
    bytesToFetch: 40,
  });
  assert.deepEqual([server.count("/models/conv/kernel.bin"), server.count("/models/conv/bias.bin")], [0, 0]);
  const odd = await engine.inspect(`${server.origin}/models/odd/model.json`);
  assert.equal(odd.supported, false);
  assert.deepEqual(
    odd.unsupported.map(({ layer, operator }) => [layer, operator]),
    [["conv", "Conv3D"]],
  );
  assert.match(odd.unsupported[0].reason, /Conv3D/);
  const early = await engine.inspect(convModel({ op: "Conv3D" }), { outputs: ["x"] });
  assert.equal(early.supported, true);
});

test("ONNX in one file, from a buffer and from files", async () => {
  const { model } = onnxModel();
  const found = await engine.inspect(model);
  assert.deepEqual([found.format, found.loader, found.supported, found.bytesToFetch], ["onnx", "load", true, 0]);
  assert.deepEqual(found.operators, { Conv: 1, Relu: 1 });
  assert.deepEqual(found.inputs, [{ name: "x", dtype: "float32", shape: [null, 1, 2, 3] }]);
  assert.deepEqual(found.outputs, [{ name: "y", dtype: "float32", shape: [null, 2, 2, 3] }]);
  assert.deepEqual([found.parameters, found.weightBytes, found.detector], [4, 16, undefined]);
  const loop = await engine.inspect(new File([onnxModel("Loop").model], "loop.onnx"));
  assert.deepEqual([loop.supported, loop.unsupported.map(({ operator }) => operator)], [false, ["Loop"]]);
  const fixed = await engine.inspect(model, { inputShapes: { x: [2, 1, 2, 3] } });
  assert.deepEqual(fixed.outputs[0].shape, [2, 2, 2, 3]);
});

test("Keras' files say who loads them", async () => {
  const model = await engine.loadModel(join(GOLDEN, "tiny_functional.keras"));
  const { params } = model.summary({ data: true });
  const shapes = model.inputs.map(({ shape }) => shape);
  const classes = new Set(model.layers.map(({ className }) => className));
  for (const [file, format, loader] of [
    ["tiny_functional.keras", "keras", "loadModel"],
    ["tiny_functional.keras3.h5", "h5", "loadModel"],
    ["tiny_functional.weights.h5", "h5", "loadWeights"],
  ]) {
    const found = await engine.inspect(join(GOLDEN, file));
    assert.deepEqual([found.format, found.loader, found.supported], [format, loader, true], file);
    assert.equal(found.parameters, params.total, file);
    assert.equal(found.weightBytes, 4 * params.total, file);
    if (loader === "loadWeights") continue;
    assert.deepEqual(
      found.inputs.map(({ shape }) => shape),
      shapes,
    );
    assert.equal(found.outputs.length, model.outputs.length);
    for (const name of classes) assert.ok(found.operators[name] > 0, `${file}: ${name}`);
  }
  const folder = readdirSync(join(GOLDEN, "tiny_functional_tfjs"));
  const shards = folder.filter((name) => name.endsWith(".bin"));
  const found = await engine.inspect(`${server.origin}/golden/tiny_functional_tfjs/model.json`);
  assert.deepEqual([found.format, found.loader, found.supported], ["layers", "loadModel", true]);
  assert.deepEqual(
    found.files.map(({ name }) => name),
    shards,
  );
  const bytes = shards.map((name) => readFileSync(join(GOLDEN, "tiny_functional_tfjs", name)).length);
  assert.equal(
    found.bytesToFetch,
    bytes.reduce((sum, one) => sum + one),
  );
  for (const name of shards) assert.equal(server.count(`/golden/tiny_functional_tfjs/${name}`), 0);

  const saved = await (await model.save("safetensors")).arrayBuffer();
  const tensors = await engine.inspect(saved);
  assert.deepEqual([tensors.format, tensors.loader, tensors.parameters], ["safetensors", "loadModel", params.total]);
  const bare = await engine.inspect(join(import.meta.dirname, "data/first_example.safetensors"));
  assert.equal(bare.format, "safetensors");
});

test("all layers that Keras does not have are named", async () => {
  const net = await engine.sequential([
    layers.dense({ units: 4, inputShape: [4], name: "one" }),
    layers.dense({ units: 4, name: "two" }),
    layers.reLU({ name: "three" }),
    layers.flatten({ name: "four" }),
  ]);
  const [json] = await net.save("tfjs");
  const text = await json.text();
  const odd = text.replace(/"class_name":\s*"ReLU"/, '"class_name":"Wavelet"').replaceAll('"Dense"', '"Denser"');
  const found = await engine.inspect({ json: odd });
  assert.equal(found.supported, false);
  assert.deepEqual(
    found.unsupported.map(({ layer, operator }) => [layer, operator]),
    [
      ["one", "Denser"],
      ["two", "Denser"],
      ["three", "Wavelet"],
    ],
  );
  assert.ok(found.unsupported.every(({ operator, reason }) => reason.includes(operator)));
  assert.deepEqual([found.operators.Denser, found.operators.Flatten], [2, 1]);
});

test("what is broken, or no model, is an error", async () => {
  const fails = (source, code) =>
    assert.rejects(engine.inspect(source), (error) => {
      assert.equal(error.code, code, error.message);
      return true;
    });
  await fails(new Uint8Array(100), "invalid");
  await fails(onnxModel().model.slice(0, 60), "invalid");
  await fails(new TextEncoder().encode('{"modelTopology"'), "invalid");
  await fails(new TextEncoder().encode("{}"), "invalid");
  await fails(`${server.origin}/models/html/model.json`, "network");
  await fails(`${server.origin}/models/gone/model.json`, "network");
  await fails(42, "invalid");
  await fails(readFileSync(join(GOLDEN, "tiny_functional.keras")).subarray(0, 500), "invalid");
  const stop = AbortSignal.abort();
  await assert.rejects(engine.inspect(onnxModel().model, { signal: stop }), { code: "aborted" });
  assert.equal((await engine.inspect(onnxModel().model)).supported, true, "works afterwards");
});

test("the published detectors are recognised", async (t) => {
  if (!existsSync(join(VENDOR, "centernet"))) return t.skip("NOT RUN: `cargo xtask models` fetches the models");
  const centernet = await engine.inspect(`${server.origin}/vendor/centernet/centernet.json`);
  assert.match(centernet.detector, /CenterNet/);
  assert.equal(centernet.bytesToFetch, readFileSync(join(VENDOR, "centernet/centernet.bin")).length);
  assert.equal(server.count("/vendor/centernet/centernet.bin"), 0);
  const ssd = await engine.inspect(join(VENDOR, "ssd_mobilenetv2_oidv4/model.tflite"));
  assert.match(ssd.detector, /SSD/);
  assert.ok(ssd.supported && ssd.parameters > 1_000_000);
});
