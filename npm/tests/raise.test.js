// Networks of graph files (ONNX, TFLite, TensorFlow.js) as models of layers: the same answers, and trainable. In Node.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, test } from "node:test";
import { input, layers, optimizers, striate } from "../dist/index.js";
import { convModel, worst } from "./models.js";

const engine = await striate({ worker: false });
after(() => engine.dispose());

const vendor = (path) => readFile(new URL(`../../vendor/${path}`, import.meta.url));

/** Numbers from -1 to 1 that follow from their place. */
const numbers = (count) => Float32Array.from({ length: count }, (_, i) => Math.sin(i * 0.37) * Math.cos(i * 0.011));

const classes = (model) => {
  const count = {};
  for (const { className } of model.layers) count[className] = (count[className] ?? 0) + 1;
  return count;
};

/** Loads a file both ways, and holds one to the other. */
async function both(source, shape, options) {
  const net = await engine.load(source, options);
  const model = await engine.loadModel(source, options);
  const given = { data: numbers(shape.reduce((a, b) => a * b)), shape };
  const [want, found] = [await net.predict(given), await model.predict(given)];
  assert.equal(found.length, want.length);
  found.forEach((output, i) => {
    assert.deepEqual(output.shape, want[i].shape);
    assert.ok(worst(output.data, want[i].data) < 1e-5, `output ${i}: off by ${worst(output.data, want[i].data)}`);
  });
  net.dispose();
  return model;
}

test("a TensorFlow.js graph becomes layers, with bias and activation in them", async () => {
  const { json, weights } = convModel();
  const model = await both({ json, weights }, [1, 5, 5, 1]);
  assert.deepEqual(classes(model), { InputLayer: 1, Conv2D: 1 });
  assert.deepEqual(model.inputs[0].shape, [null, 5, 5, 1], "a batch of any size");
  assert.deepEqual(
    model.weights.map(({ name, shape }) => [name, shape]),
    [
      ["conv/kernel", [3, 3, 1, 1]],
      ["conv/bias", [1]],
    ],
  );
  // It learns: to give nothing at all.
  await model.compile({ optimizer: "adam", loss: "meanSquaredError" });
  const { history } = await model.fit({ x: numbers(200), y: new Float32Array(200) }, { epochs: 30, batchSize: 8 });
  assert.ok(history.loss.at(-1) < history.loss[0], `${history.loss[0]} to ${history.loss.at(-1)}`);
});

test("published networks: TFLite and a graph of TensorFlow.js", async () => {
  const selfie = await both(await vendor("selfie_segmentation/selfie_segmentation.tflite"), [1, 256, 256, 3]);
  assert.equal(classes(selfie).Conv2D, 43);
  selfie.dispose();
  const posenet = {
    json: await vendor("posenet/posenet.json"),
    weights: [(await vendor("posenet/posenet.bin")).buffer],
  };
  const outputs = ["MobilenetV1/MobilenetV1/Conv2d_13_pointwise/Relu6"];
  const base = await both(posenet, [1, 385, 385, 3], { outputs });
  assert.equal(classes(base).DepthwiseConv2D, 13);
  assert.deepEqual(base.outputs[0].shape.slice(0, 1), [null]);

  // A head of one's own on the frozen base: bright pictures from dark ones.
  await base.setTrainable(false);
  const image = input({ shape: [385, 385, 3] });
  const features = layers.globalAveragePooling2d().apply(base.apply(image));
  const scores = layers.dense({ units: 2, activation: "softmax", name: "scores" }).apply(features);
  const model = await engine.model({ inputs: image, outputs: scores, seed: 3 });
  const frozen = model.weights.find(({ name }) => name.endsWith("/kernel"));
  assert.equal(frozen.trainable, false);
  const before = (await model.getWeight(frozen.name)).data;
  const count = 4;
  const size = 385 * 385 * 3;
  const x = Float32Array.from(
    { length: count * size },
    (_, i) => Math.sin(i) / 4 + (Math.floor(i / size) % 2 ? 0.6 : -0.6),
  );
  const y = Int32Array.from({ length: count }, (_, i) => i % 2);
  await model.compile({
    optimizer: optimizers.adam({ learningRate: 0.001 }),
    loss: "sparseCategoricalCrossentropy",
    metrics: ["accuracy"],
  });
  await model.fit({ x, y }, { epochs: 10, batchSize: 4 });
  const { accuracy } = await model.evaluate({ x, y });
  assert.equal(accuracy, 1);
  assert.deepEqual((await model.getWeight(frozen.name)).data, before, "what is frozen stays");
});

test("an ONNX file of a network that was trained here can be trained on", async () => {
  const original = await engine.sequential(
    [
      layers.conv2d({ filters: 4, kernelSize: 3, strides: 2, padding: "same", inputShape: [12, 12, 3] }),
      layers.batchNormalization(),
      layers.activation({ activation: "relu" }),
      layers.lambda((x) => x.mul([0.5, 1, 2, 4])),
      layers.globalAveragePooling2d(),
      layers.dense({ units: 3, activation: "softmax" }),
    ],
    { seed: 7 },
  );
  const file = await original.save("onnx");
  const model = await both(file, [1, 12, 12, 3]);
  const x = numbers(16 * 12 * 12 * 3);
  const y = Int32Array.from({ length: 16 }, (_, i) => i % 3);
  const losses = [];
  for (const one of [original, model]) {
    await one.compile({ optimizer: "sgd", loss: "sparseCategoricalCrossentropy" });
    losses.push((await one.fit({ x, y }, { epochs: 3, batchSize: 16 })).history.loss);
  }
  for (const [i, loss] of losses[0].entries()) assert.ok(Math.abs(loss - losses[1][i]) < 1e-3, JSON.stringify(losses));
  // Saved and loaded, functions with weights included.
  const again = await engine.loadModel(await model.save("safetensors"));
  const [a, b] = [
    await model.predict({ data: x, shape: [16, 12, 12, 3] }),
    await again.predict({ data: x, shape: [16, 12, 12, 3] }),
  ];
  assert.ok(worst(b[0].data, a[0].data) < 1e-6);
});

test("what no layer can be trained for is an error that names the node, and the engine goes on", async () => {
  const centernet = {
    json: await vendor("centernet/centernet.json"),
    weights: [(await vendor("centernet/centernet.bin")).buffer],
  };
  await assert.rejects(engine.loadModel(centernet), (error) => {
    assert.equal(error.code, "unsupported");
    assert.match(error.message, /TopK/);
    assert.ok(error.layer);
    return true;
  });
  await assert.rejects(engine.loadModel(new Uint8Array([8, 7, 18, 3, 97, 98])), { code: "invalid" });
  const { json, weights } = convModel();
  await assert.rejects(engine.loadModel({ json, weights: [weights[0]] }), { code: "shape-mismatch" });
  const model = await engine.loadModel({ json, weights });
  assert.equal(model.layers.length, 2);
});
