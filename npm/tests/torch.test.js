// Weights of PyTorch in safetensors, by torchvision's and timm's names, for networks of the zoo. In Node.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { striate } from "../dist/index.js";
import { worst } from "./models.js";

const engine = await striate({ worker: false, edition: "models" });
after(() => engine.dispose());

/** A safetensors file. */
function safetensors(tensors, metadata) {
  const header = metadata ? { __metadata__: metadata } : {};
  let at = 0;
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype: "F32", shape, data_offsets: [at, at + 4 * data.length] };
    at += 4 * data.length;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + text.length + at);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  at = 8 + text.length;
  for (const { data } of Object.values(tensors)) {
    file.set(new Uint8Array(data.buffer), at);
    at += 4 * data.length;
  }
  return file.buffer;
}

/** A weight in PyTorch's order of axes. */
function torchOrder({ shape, data }) {
  if (shape.length === 1) return { shape, data };
  const [height, width, inputs, outputs] = shape.length === 4 ? shape : [1, 1, ...shape];
  const moved = new Float32Array(data.length);
  for (let at = 0; at < height * width; at++) {
    for (let i = 0; i < inputs; i++) {
      for (let o = 0; o < outputs; o++) {
        moved[(o * inputs + i) * height * width + at] = data[(at * inputs + i) * outputs + o];
      }
    }
  }
  return { shape: shape.length === 4 ? [outputs, inputs, height, width] : [outputs, inputs], data: moved };
}

const ROLES = {
  kernel: "weight",
  gamma: "weight",
  bias: "bias",
  beta: "bias",
  moving_mean: "running_mean",
  moving_variance: "running_var",
};

/** What torchvision calls a weight of the zoo's ResNet-18. */
function torchvision(name) {
  const [layer, role] = name.split("/");
  const part = /^ru(\d+)_(skip|\d)_(conv|bn)$/.exec(layer);
  let module = { stem_conv: "conv1", stem_bn: "bn1", out: "fc" }[layer];
  if (part) {
    const block = `layer${Math.floor(part[1] / 2) + 1}.${part[1] % 2}`;
    module = part[2] === "skip" ? `${block}.downsample.${part[3] === "conv" ? 0 : 1}` : `${block}.${part[3]}${part[2]}`;
  }
  return `${module}.${ROLES[role]}`;
}

const small = { widths: [4, 6, 8, 10], inputShape: [32, 32, 3] };

/** The weights of a small ResNet-18 as torchvision writes them, and as the zoo has them. */
async function checkpoint() {
  const model = await engine.zoo.resnet18({ ...small, classes: 7, seed: 3 });
  const [tensors, values] = [{}, new Map()];
  for (const { name } of model.weights) {
    // Convolutions of PyTorch's ResNets have no bias, and the zoo's may.
    if (name.endsWith("_conv/bias")) continue;
    const weight = await model.getWeight(name);
    const data = Float32Array.from(weight.data, (value, i) => value + 0.1 * Math.abs(Math.sin(i + name.length)));
    values.set(name, data);
    tensors[torchvision(name)] = torchOrder({ shape: [...weight.shape], data });
    if (name.endsWith("gamma")) {
      tensors[torchvision(name).replace("weight", "num_batches_tracked")] = { shape: [1], data: Float32Array.of(9) };
    }
  }
  model.dispose();
  return { tensors, values };
}

test("a ResNet-18 with torchvision's weights is torchvision's network", async () => {
  const { tensors, values } = await checkpoint();
  const model = await engine.zoo.resnet18({ ...small, weights: safetensors(tensors) });
  assert.equal(model.weights.length, values.size);
  for (const [name, data] of values) {
    assert.deepEqual((await model.getWeight(name)).data, data, name);
  }
  assert.deepEqual(model.outputs[0].shape, [null, 7], "the classes are the file's");
  const classes = model.layers.map(({ className }) => className);
  assert.ok(classes.includes("Rescaling"), "pixels from 0 to 255");
  assert.ok(classes.includes("ZeroPadding2D"), "the same border on all sides");
  const image = { data: Float32Array.from({ length: 32 * 32 * 3 }, (_, i) => (i * 37) % 256), shape: [1, 32, 32, 3] };
  const [pixels] = await model.predict(image);

  // The same without the rescaling, of pixels that are normalised already.
  const raw = await engine.zoo.resnet18({ ...small, weights: safetensors(tensors), includePreprocessing: false });
  const [mean, deviation] = [
    [0.485, 0.456, 0.406],
    [0.229, 0.224, 0.225],
  ];
  const normal = image.data.map((value, i) => (value / 255 - mean[i % 3]) / deviation[i % 3]);
  const [same] = await raw.predict({ data: normal, shape: image.shape });
  assert.ok(worst(same.data, pixels.data) < 1e-5, `off by ${worst(same.data, pixels.data)}`);

  // Without a classifier it ends in features.
  const { "fc.weight": _weight, "fc.bias": _bias, ...features } = tensors;
  const backbone = await engine.zoo.resnet18({ ...small, weights: safetensors(features) });
  assert.equal(backbone.outputs[0].shape.at(-1), 10);
  for (const each of [model, raw, backbone]) each.dispose();
});

test("what does not fit is said by layer, and the engine goes on", async () => {
  const { tensors } = await checkpoint();
  const load = (changed, options = {}) => engine.zoo.resnet18({ ...small, weights: safetensors(changed), ...options });
  const { "layer1.0.conv1.weight": conv, ...without } = tensors;
  await assert.rejects(load(without), { layer: "ru0_1_conv", message: /no weight/ });
  const wrong = { ...tensors, "layer1.0.conv1.weight": { ...conv, shape: [...conv.shape].reverse() } };
  await assert.rejects(load(wrong), { code: "shape-mismatch", layer: "ru0_1_conv" });
  await assert.rejects(load({ ...tensors, "layer9.0.conv1.weight": conv }), { layer: "layer9.0.conv1.weight" });
  const stray = { ...tensors, "fc.gamma": { shape: [4], data: new Float32Array(4) } };
  await assert.rejects(load(stray), { layer: "out", message: /no place for gamma/ });
  await assert.rejects(engine.zoo.xception({ weights: safetensors(tensors) }), {
    expected: /ResNet18/,
    received: "Xception",
  });
  await assert.rejects(load(tensors, { inputshape: [3] }), { message: /no option/ });
  const again = await load(tensors);
  again.dispose();
});

test("Keras' files go into networks of the zoo by the same option", async () => {
  const options = { classes: 5, inputShape: [32, 32, 3], seed: 1 };
  const model = await engine.zoo.mobilenetV2(options);
  const image = { data: Float32Array.from({ length: 32 * 32 * 3 }, (_, i) => Math.sin(i)), shape: [1, 32, 32, 3] };
  const [want] = await model.predict(image);
  for (const format of ["weights.h5", "safetensors", "keras"]) {
    const loaded = await engine.zoo.mobilenetV2({ ...options, seed: 2, weights: await model.save(format) });
    const [found] = await loaded.predict(image);
    assert.deepEqual(found.data, want.data, format);
    loaded.dispose();
  }
  model.dispose();
});
