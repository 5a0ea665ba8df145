// The package in Node: tensors, pictures as raw pixels, every kind of error, and that the engine works on afterwards.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { features, StriateError, striate } from "striate";
import { convModel, onnxModel, worst } from "./models.js";
import { expectedBoxes, missingBox, VENDOR } from "./photos.js";
import { readPng } from "./png.js";

let engine;
before(async () => {
  engine = await striate();
});
after(() => engine.dispose());

/** Expects a StriateError with these fields, and that a good network runs afterwards. */
async function fails(work, fields) {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof StriateError, `not a StriateError: ${error?.stack}`);
    assert.ok(error.message.length > 10, error.message);
    for (const [key, value] of Object.entries(fields)) {
      if (value instanceof RegExp) assert.match(String(error[key]), value);
      else assert.equal(error[key], value, `${key} of "${error.message}"`);
    }
    return true;
  });
  const { json, weights, input, expected } = convModel();
  const net = await engine.load({ json, weights });
  const [{ data }] = await net.predict(input);
  assert.ok(worst(data, expected) < 1e-5);
}

test("runs on the best binary that Node has, in place", () => {
  const { variant, backend, worker, threads } = engine.info;
  assert.equal(backend, "wasm");
  assert.equal(variant, features().relaxed ? "relaxed" : "simd");
  assert.equal(worker, false);
  assert.equal(threads, 1);
});

test("predicts what the definition says, at any batch", async () => {
  const { json, weights, input, expected } = convModel();
  const steps = [];
  const net = await engine.load({ json, weights }, { onProgress: (progress) => steps.push(progress) });
  assert.deepEqual(net.inputs, [{ name: "x", dtype: "float32", shape: [null, 5, 5, 1] }]);
  assert.deepEqual(
    net.outputs.map((output) => output.shape),
    [[null, 5, 5, 1]],
  );
  assert.ok(steps.some((step) => step.stage === "compile"));
  const [one] = await net.predict(input);
  assert.equal(one.dtype, "float32");
  assert.deepEqual(one.shape, [1, 5, 5, 1]);
  assert.ok(worst(one.data, expected) < 1e-5, `${one.data}`);
  const [two] = await net.predict({ data: Float32Array.of(...input, ...input), shape: [2, 5, 5, 1] });
  assert.deepEqual(two.shape, [2, 5, 5, 1]);
  assert.ok(worst(two.data, [...expected, ...expected]) < 1e-5);
});

test("calls on one network wait their turn, and outputs stay the caller's", async () => {
  const { json, weights, input, expected } = convModel();
  const net = await engine.load({ json, weights });
  const results = await Promise.all([1, 2, 3, 4].map((scale) => net.predict(input.map((value) => value * scale))));
  assert.ok(worst(results[0][0].data, expected) < 1e-5);
  const scaled = convModel();
  assert.notDeepEqual(results[3][0].data, results[0][0].data);
  assert.equal(results[3][0].data.length, scaled.expected.length);
});

test("loads from files on disk", async () => {
  const { json, weights, input, expected } = convModel();
  const folder = await mkdtemp(join(tmpdir(), "striate-"));
  await writeFile(join(folder, "model.json"), JSON.stringify(json));
  await writeFile(join(folder, "kernel.bin"), new Uint8Array(weights[0]));
  await writeFile(join(folder, "bias.bin"), new Uint8Array(weights[1]));
  const net = await engine.load(join(folder, "model.json"));
  assert.ok(worst((await net.predict(input))[0].data, expected) < 1e-5);
});

test("loads ONNX, told by its content, and runs it channels first", async () => {
  const { model, input, expected } = onnxModel();
  const net = await engine.load(model);
  assert.deepEqual(net.inputs, [{ name: "x", dtype: "float32", shape: [null, 1, 2, 3] }]);
  assert.deepEqual(net.outputs, [{ name: "y", dtype: "float32", shape: [null, 2, 2, 3] }]);
  const [{ data, shape }] = await net.predict({ data: input, shape: [1, 1, 2, 3] });
  assert.deepEqual(shape, [1, 2, 2, 3]);
  assert.ok(worst(data, expected) < 1e-6, `${data}`);
  const fixed = await engine.load(model, { inputShapes: { x: [2, 1, 2, 3] } });
  assert.deepEqual(fixed.outputs[0].shape, [2, 2, 2, 3]);
  await fails(engine.load(model, { inputShapes: { image: [1, 1, 2, 3] } }), {
    code: "invalid",
    message: /image.*there is x/,
  });
  await fails(engine.load(model, { inputShapes: { x: [1, 1, 2.5, 3] } }), { code: "invalid", layer: "x" });
  await fails(engine.load(convModel(), { inputShapes: { x: [1, 5, 5, 1] } }), { code: "invalid", message: /ONNX/ });
  const same = await engine.load([new File([model], "net.onnx"), new File(["notes"], "notes.txt")], { format: "onnx" });
  assert.ok(worst((await same.predict({ data: input, shape: [1, 1, 2, 3] }))[0].data, expected) < 1e-6);
});

test("reports what a network costs", async () => {
  const net = await engine.load(convModel());
  const { backend, flops, weightBytes, peakBytes, placement } = await net.report();
  assert.equal(backend, "wasm");
  // 25 places, 9 taps, a multiply and an add each; the epilogue may or may not be counted.
  assert.ok(flops >= 450 && flops <= 550, `${flops}`);
  assert.ok(weightBytes >= 40 && peakBytes >= 100, `${weightBytes} ${peakBytes}`);
  assert.ok(placement.length > 0 && placement.every((layer) => layer.backend === "wasm"));
});

test("a wrong shape names the input and both shapes", async () => {
  const net = await engine.load(convModel());
  const wrong = { data: new Float32Array(36), shape: [1, 6, 6, 1] };
  await fails(net.predict(wrong), { code: "shape-mismatch", layer: "x", expected: /5/, received: /6/ });
  await fails(net.predict(new Float32Array(7)), { code: "shape-mismatch", layer: "x" });
  await fails(net.predict(new Int32Array(25)), { code: "shape-mismatch", layer: "x", expected: /float32/ });
  await fails(net.predict(), { code: "shape-mismatch" });
  await fails(net.predict({ data: new Float32Array(1), shape: [-1, 2.5] }), { code: "invalid" });
  await fails(net.predict({ data: new Float32Array(1), shape: [65536, 65536, 65536, 1] }), { code: /resource|shape/ });
});

test("broken models are told apart", async () => {
  const { json, weights } = convModel();
  await fails(engine.load({ json: JSON.stringify(json).slice(0, 300), weights }), { code: "invalid" });
  const short = [weights[0].slice(0, 20), weights[1]];
  await fails(engine.load({ json, weights: short }), { message: /cut off/, expected: /40/, received: "24" });
  await fails(engine.load({ json, weights: [] }), { message: /cut off/, received: "0" });
  await fails(engine.load(new Uint8Array(1000).buffer), { code: "invalid", message: /neither/ });
  await fails(engine.load(Uint8Array.of(0x89, 0x48, 0x44, 0x46)), { code: "unsupported", message: /HDF5/ });
  const tflite = new Uint8Array(64);
  tflite.set(new TextEncoder().encode("TFL3"), 4);
  await fails(engine.load(tflite), { code: "invalid" });
  await fails(engine.load(tflite, { format: "tfjs" }), { code: "invalid", expected: "tfjs", received: "tflite" });
  const { model } = onnxModel();
  await fails(engine.load(model.slice(0, 60)), { code: "invalid" });
  await fails(engine.load(model, { format: "tflite" }), { code: "invalid", expected: "tflite", received: "onnx" });
  await fails(engine.load(onnxModel("Loop").model), { code: "unsupported", layer: /conv/, message: /Loop/ });
  await fails(engine.load({ json: { modelTopology: { model_config: {} }, weightsManifest: [] }, weights }), {});
});

test("an unsupported operation is named with its node", async () => {
  await fails(engine.load(convModel({ op: "Conv3D" })), { code: "unsupported", layer: "conv", message: /Conv3D/ });
});

test("outputs can be chosen", async () => {
  const { json, weights, input } = convModel();
  const net = await engine.load({ json, weights }, { outputs: ["sum"] });
  const [sum] = await net.predict(input);
  assert.equal(sum.name, "sum");
  assert.ok(
    sum.data.some((value) => value < 0),
    "before the relu",
  );
  await fails(engine.load({ json, weights }, { outputs: ["nothing"] }), { code: "invalid", message: /nothing/ });
});

test("wrong arguments are errors that say what would do", async () => {
  await fails(engine.load(42), { code: "invalid", received: "number" });
  await fails(engine.load("./missing/model.json"), { code: "network", message: /missing/ });
  await fails(striate({ backend: "webgl" }), { code: "invalid", received: "webgl" });
  await fails(striate({ backend: "webgpu" }), { code: "unsupported" });
  await fails(striate({ threads: 0 }), { code: "invalid" });
  const net = await engine.load(convModel());
  await fails(net.detect({ data: new Uint8Array(4), width: 1, height: 1 }), {
    code: "unsupported",
    message: /predict/,
  });
});

test("signals stop the work", async () => {
  await fails(engine.load(convModel(), { signal: AbortSignal.abort() }), { code: "aborted" });
  const net = await engine.load(convModel());
  await fails(net.predict(convModel().input, { signal: AbortSignal.abort() }), { code: "aborted" });
});

test("what was disposed of says so", async () => {
  const net = await engine.load(convModel());
  net.dispose();
  net.dispose();
  await fails(net.predict(convModel().input), { code: "invalid", message: /disposed/ });
  const other = await striate();
  const lost = await other.load(convModel());
  other.dispose();
  await fails(lost.predict(convModel().input), { code: "invalid", message: /disposed/ });
});

test("a detector finds the same things as the original, and refuses bad pictures", async (t) => {
  const model = join(VENDOR, "ssd_mobilenetv2_oidv4/model.tflite");
  if (!existsSync(model)) return t.skip("NOT RUN: the model is missing; `cargo xtask models` fetches it");
  const net = await engine.load(model);
  assert.ok(net.detects);
  for (const { photo, boxes, options } of expectedBoxes("ssd_mobilenetv2_oidv4")) {
    const found = await net.detect(readPng(photo), options);
    assert.equal(missingBox(found, boxes), undefined, `${photo}: ${JSON.stringify(found)}`);
    assert.ok(found.timings.inference > 0 && found.timings.total >= found.timings.inference);
  }
  await fails(net.detect({ data: new Uint8Array(0), width: 0, height: 0 }), { code: "invalid", received: "0 x 0" });
  await fails(net.detect({ data: new Uint8Array(5), width: 1, height: 1 }), { code: "invalid", received: "5 bytes" });
  await fails(net.detect("photo.png"), { code: "unsupported", received: "string" });
});
