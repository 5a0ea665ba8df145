// Models as ONNX files: written here, and read again by the importer, with the same answers. In Node.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { input, layers, striate } from "../dist/index.js";
import { worst } from "./models.js";

const engine = await striate({ worker: false, edition: "models" });
after(() => engine.dispose());

/** Numbers from -1 to 1 that follow from their place. */
const numbers = (count) => Float32Array.from({ length: count }, (_, i) => Math.sin(i * 0.7));

/** Saves a model and loads the file: its answers for these inputs are the model's. */
async function returns(model, inputs) {
  const file = await model.save("onnx");
  assert.equal(file.name, `${model.name}.onnx`);
  const net = await engine.load(file);
  assert.deepEqual(
    net.inputs.map(({ name }) => name),
    model.inputs.map(({ name }) => name),
  );
  const [before, found] = [await model.predict(inputs), await net.predict(...inputs)];
  assert.equal(found.length, before.length);
  found.forEach((output, i) => {
    assert.deepEqual(output.shape, before[i].shape);
    assert.ok(worst(output.data, before[i].data) < 1e-5, `output ${i}: off by ${worst(output.data, before[i].data)}`);
  });
  net.dispose();
  return file;
}

test("networks of the zoo come back", async () => {
  const small = { inputShape: [32, 32, 3], classes: 5, seed: 1 };
  for (const build of ["mobilenetV2", "resnet18"]) {
    const model = await engine.zoo[build](small);
    await returns(model, [{ data: numbers(2 * 32 * 32 * 3), shape: [2, 32, 32, 3] }]);
    model.dispose();
  }
});

test("several inputs and outputs, models in models, open sizes", async () => {
  const image = input({ shape: [null, null, 3], name: "image" });
  const extra = input({ shape: [4], name: "extra" });
  const inner = await engine.sequential(
    [
      layers.conv2d({ filters: 4, kernelSize: 3, padding: "same", activation: "relu", inputShape: [null, null, 3] }),
      layers.batchNormalization(),
      layers.upSampling2d({ interpolation: "bilinear" }),
    ],
    { seed: 2 },
  );
  const maps = inner.apply(image);
  const pooled = layers.globalAveragePooling2d().apply(maps);
  const scores = layers.dense({ units: 3, activation: "softmax", name: "scores" });
  const joined = scores.apply(layers.concatenate().apply([pooled, extra]));
  const model = await engine.model({ inputs: [image, extra], outputs: [maps, joined], name: "both", seed: 3 });
  const inputs = [
    { data: numbers(6 * 10 * 3), shape: [1, 6, 10, 3] },
    { data: numbers(4), shape: [1, 4] },
  ];
  await returns(model, inputs);
});

test("trained weights are those that are written", async () => {
  const model = await engine.sequential([layers.dense({ units: 1, inputShape: [1], name: "line" })], { seed: 1 });
  await model.compile({ optimizer: "sgd", loss: "meanSquaredError" });
  await model.fit({ x: Float32Array.of(0, 1, 2), y: Float32Array.of(1, 3, 5) }, { epochs: 3 });
  const net = await engine.load(await model.save("onnx"));
  const { data: kernel } = await model.getWeight("line/kernel");
  const { data: bias } = await model.getWeight("line/bias");
  const [{ data }] = await net.predict(Float32Array.of(2));
  assert.ok(Math.abs(data[0] - (2 * kernel[0] + bias[0])) < 1e-6);
});
