// The raced networks and single layers, each a function of nothing that returns a Graph.
import { Graph } from './graph.js';
import { shapeWorkloads } from './shapes.js';
import { batch, trainable } from './training.js';

const relu = { activation: 'relu' };
const noBias = { bias: false };

/** Hands-On Machine Learning, chapter 14: the Fashion-MNIST network (dropout left out). */
function fashionCnn(batch) {
  const g = new Graph('fashion-cnn', [28, 28, 1], { batch });
  let x = g.conv(g.input, 64, 7, relu);
  x = g.maxPool(x, 2);
  for (const filters of [128, 256]) {
    x = g.conv(x, filters, 3, relu);
    x = g.conv(x, filters, 3, relu);
    x = g.maxPool(x, 2);
  }
  x = g.flatten(x);
  x = g.dense(x, 128, relu);
  x = g.dense(x, 64, relu);
  return g.finish(g.dense(x, 10, { activation: 'softmax' }));
}

function lenet5(batch) {
  const g = new Graph('lenet-5', [32, 32, 1], { batch });
  const tanh = { activation: 'tanh', padding: 'valid', gain: 1 };
  let x = g.conv(g.input, 6, 5, tanh);
  x = g.avgPool(x, 2);
  x = g.conv(x, 16, 5, tanh);
  x = g.avgPool(x, 2);
  x = g.flatten(g.conv(x, 120, 5, tanh));
  x = g.dense(x, 84, { activation: 'tanh' });
  return g.finish(g.dense(x, 10, { activation: 'softmax' }));
}

function alexnet() {
  const g = new Graph('alexnet', [227, 227, 3]);
  const pool = (x) => g.maxPool(x, 3, { stride: 2 });
  let x = g.conv(g.input, 96, 11, { ...relu, stride: 4, padding: 'valid' });
  x = pool(g.localResponseNorm(x));
  x = g.conv(x, 256, 5, relu);
  x = pool(g.localResponseNorm(x));
  x = g.conv(x, 384, 3, relu);
  x = g.conv(x, 384, 3, relu);
  x = g.flatten(pool(g.conv(x, 256, 3, relu)));
  x = g.dense(x, 4096, relu);
  x = g.dense(x, 4096, relu);
  return g.finish(g.dense(x, 1000, { activation: 'softmax' }));
}

/** Convolution, batch normalisation, activation (null: none, and a damped scale before a residual sum). */
function convBn(g, x, filters, kernel, { act = 'relu', damp = false, ...options } = {}) {
  const y = g.batchNorm(g.conv(x, filters, kernel, { ...noBias, gain: act ? 2 : 1, ...options }), {
    gammaScale: damp ? 0.4 : 1,
  });
  return act ? g.activation(y, act) : y;
}

/** ResNet-34's convolutional part; returns the feature maps after each of the four stages. */
function resnet34Backbone(g) {
  let x = convBn(g, g.input, 64, 7, { stride: 2 });
  x = g.maxPool(x, 3, { stride: 2, padding: 'same' });
  const stages = [];
  [[64, 3], [128, 4], [256, 6], [512, 3]].forEach(([filters, units], stage) => {
    for (let unit = 0; unit < units; unit++) {
      const stride = stage > 0 && unit === 0 ? 2 : 1;
      const main = convBn(g, convBn(g, x, filters, 3, { stride }), filters, 3, { act: null, damp: true });
      const skip = stride > 1 ? convBn(g, x, filters, 1, { stride, act: null }) : x;
      x = g.activation(g.add(main, skip), 'relu');
    }
    stages.push(x);
  });
  return stages;
}

function resnet34() {
  const g = new Graph('resnet-34', [224, 224, 3]);
  const x = g.globalAvgPool(resnet34Backbone(g).at(-1));
  return g.finish(g.dense(x, 1000, { activation: 'softmax' }));
}

/** ResNet-50 v1: the stride sits in each stage's first 1x1 convolution, as in keras.applications. */
function resnet50() {
  const g = new Graph('resnet-50', [224, 224, 3]);
  let x = convBn(g, g.input, 64, 7, { stride: 2 });
  x = g.maxPool(x, 3, { stride: 2, padding: 'same' });
  [[64, 3], [128, 4], [256, 6], [512, 3]].forEach(([filters, units], stage) => {
    for (let unit = 0; unit < units; unit++) {
      const stride = stage > 0 && unit === 0 ? 2 : 1;
      let y = convBn(g, x, filters, 1, { stride });
      y = convBn(g, y, filters, 3);
      y = convBn(g, y, 4 * filters, 1, { act: null, damp: true });
      const skip = unit === 0 ? convBn(g, x, 4 * filters, 1, { stride, act: null }) : x;
      x = g.activation(g.add(y, skip), 'relu');
    }
  });
  return g.finish(g.dense(g.globalAvgPool(x), 1000, { activation: 'softmax' }));
}

function mobilenetV2() {
  const g = new Graph('mobilenet-v2', [224, 224, 3]);
  let x = convBn(g, g.input, 32, 3, { stride: 2, act: 'relu6' });
  for (const [expand, filters, units, firstStride] of
    [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1]]) {
    for (let unit = 0; unit < units; unit++) {
      const stride = unit === 0 ? firstStride : 1, channels = x.shape[2];
      let y = expand === 1 ? x : convBn(g, x, expand * channels, 1, { act: 'relu6' });
      y = g.activation(g.batchNorm(g.depthwise(y, 3, { stride })), 'relu6');
      const residual = stride === 1 && channels === filters;
      y = convBn(g, y, filters, 1, { act: null, damp: residual });
      x = residual ? g.add(x, y) : y;
    }
  }
  x = convBn(g, x, 1280, 1, { act: 'relu6' });
  return g.finish(g.dense(g.globalAvgPool(x), 1000, { activation: 'softmax' }));
}

function xception() {
  const g = new Graph('xception', [299, 299, 3]);
  const separable = (x, filters, { act = null, damp = false } = {}) =>
    convBn(g, g.depthwise(x, 3, { gain: 1 }), filters, 1, { act, damp });
  let x = convBn(g, g.input, 32, 3, { stride: 2, padding: 'valid' });
  x = convBn(g, x, 64, 3, { padding: 'valid' });
  const down = (x, first, second, startRelu) => {
    const skip = convBn(g, x, second, 1, { stride: 2, act: null });
    let y = startRelu ? g.activation(x, 'relu') : x;
    y = separable(y, first, { act: 'relu' });
    y = separable(y, second);
    return g.add(g.maxPool(y, 3, { stride: 2, padding: 'same' }), skip);
  };
  x = down(x, 128, 128, false);
  x = down(x, 256, 256, true);
  x = down(x, 728, 728, true);
  for (let unit = 0; unit < 8; unit++) {
    let y = g.activation(x, 'relu');
    y = separable(y, 728, { act: 'relu' });
    y = separable(y, 728, { act: 'relu' });
    x = g.add(separable(y, 728, { damp: true }), x);
  }
  x = down(x, 728, 1024, true);
  x = separable(x, 1536, { act: 'relu' });
  x = separable(x, 2048, { act: 'relu' });
  return g.finish(g.dense(g.globalAvgPool(x), 1000, { activation: 'softmax' }));
}

const leaky = { act: 'leakyRelu' };

function yoloV3Tiny() {
  const g = new Graph('yolov3-tiny', [416, 416, 3]);
  let x = g.input;
  for (const filters of [16, 32, 64, 128]) x = g.maxPool(convBn(g, x, filters, 3, leaky), 2);
  const route = convBn(g, x, 256, 3, leaky);
  x = convBn(g, g.maxPool(route, 2), 512, 3, leaky);
  x = convBn(g, g.maxPool(x, 2, { stride: 1, padding: 'same' }), 1024, 3, leaky);
  x = convBn(g, x, 256, 1, leaky);
  const large = g.conv(convBn(g, x, 512, 3, leaky), 255, 1, { gain: 1 });
  const up = g.upsample(convBn(g, x, 128, 1, leaky), 2, 'nearest');
  const small = g.conv(convBn(g, g.concat(up, route), 256, 3, leaky), 255, 1, { gain: 1 });
  return g.finish(large, small);
}

function yoloV3() {
  const g = new Graph('yolov3', [416, 416, 3]);
  let x = convBn(g, g.input, 32, 3, leaky);
  const stages = [];
  for (const [filters, units] of [[64, 1], [128, 2], [256, 8], [512, 8], [1024, 4]]) {
    x = convBn(g, x, filters, 3, { ...leaky, stride: 2 });
    for (let unit = 0; unit < units; unit++) {
      const y = convBn(g, convBn(g, x, filters / 2, 1, leaky), filters, 3, { ...leaky, damp: true });
      x = g.add(x, y);
    }
    stages.push(x);
  }
  const outputs = [];
  for (const [filters, route] of [[512, null], [256, stages[3]], [128, stages[2]]]) {
    if (route) x = g.concat(g.upsample(convBn(g, x, filters, 1, leaky), 2, 'nearest'), route);
    for (let i = 0; i < 2; i++) x = convBn(g, convBn(g, x, filters, 1, leaky), 2 * filters, 3, leaky);
    x = convBn(g, x, filters, 1, leaky);
    outputs.push(g.conv(convBn(g, x, 2 * filters, 3, leaky), 255, 1, { gain: 1 }));
  }
  return g.finish(...outputs);
}

/** Fully convolutional segmentation with strides 32, 16 and 8 fused by transposed convolutions, 21 classes. */
function fcn8sResnet34() {
  const g = new Graph('fcn-8s-resnet-34', [224, 224, 3]);
  const [, s8, s16, s32] = resnet34Backbone(g);
  const score = (x) => g.conv(x, 21, 1, { gain: 1 });
  let x = g.convTranspose(score(s32), 21, 4, 2);
  x = g.convTranspose(g.add(x, score(s16)), 21, 4, 2);
  return g.finish(g.convTranspose(g.add(x, score(s8)), 21, 16, 8));
}

/** A one-layer graph. */
const layer = (name, shape, build) => () => {
  const g = new Graph(name, shape);
  return g.finish(build(g, g.input));
};

const layers = {
  'conv3x3-64-64@56': layer('conv3x3-64-64@56', [56, 56, 64], (g, x) => g.conv(x, 64, 3)),
  'conv3x3-256-256@14': layer('conv3x3-256-256@14', [14, 14, 256], (g, x) => g.conv(x, 256, 3)),
  'conv1x1-256-64@56': layer('conv1x1-256-64@56', [56, 56, 256], (g, x) => g.conv(x, 64, 1)),
  'conv1x1-64-256@56': layer('conv1x1-64-256@56', [56, 56, 64], (g, x) => g.conv(x, 256, 1)),
  'conv7x7s2-3-64@224': layer('conv7x7s2-3-64@224', [224, 224, 3], (g, x) => g.conv(x, 64, 7, { stride: 2 })),
  'depthwise3x3-96@112': layer('depthwise3x3-96@112', [112, 112, 96], (g, x) => g.depthwise(x, 3, { bias: true })),
  'dilated3x3d2-256-256@28': layer('dilated3x3d2-256-256@28', [28, 28, 256], (g, x) => g.conv(x, 256, 3, { dilation: 2 })),
  'convtranspose4x4s2-64-64@56': layer('convtranspose4x4s2-64-64@56', [56, 56, 64], (g, x) => g.convTranspose(x, 64, 4, 2)),
  'bilinear-x8-21@28': layer('bilinear-x8-21@28', [28, 28, 21], (g, x) => g.upsample(x, 8, 'bilinear')),
  'maxpool3x3s2-64@112': layer('maxpool3x3s2-64@112', [112, 112, 64], (g, x) => g.maxPool(x, 3, { stride: 2, padding: 'same' })),
  'avgpool3x3s2-64@112': layer('avgpool3x3s2-64@112', [112, 112, 64], (g, x) => g.avgPool(x, 3, { stride: 2, padding: 'same' })),
  'globalavgpool-2048@7': layer('globalavgpool-2048@7', [7, 7, 2048], (g, x) => g.globalAvgPool(x)),
  'lrn-96@55': layer('lrn-96@55', [55, 55, 96], (g, x) => g.localResponseNorm(x)),
  'dense-4096-4096': layer('dense-4096-4096', [4096], (g, x) => g.dense(x, 4096)),
};

const networks = {
  'lenet-5': () => lenet5(1),
  'fashion-cnn': () => fashionCnn(1),
  'fashion-cnn-b32': () => fashionCnn(32),
  'alexnet': alexnet,
  'mobilenet-v2': mobilenetV2,
  'resnet-34': resnet34,
  'resnet-50': resnet50,
  'xception': xception,
  'fcn-8s-resnet-34': fcn8sResnet34,
  'yolov3-tiny': yoloV3Tiny,
  'yolov3': yoloV3,
};

/** CenterNet-MobileNetV3, a published detector: its files are fetched by `cargo xtask models`, not generated. */
const centernet = () => ({
  name: 'centernet',
  batch: 1,
  input: { id: 'tower_0/images', shape: [512, 512, 3], photo: '/photos/astronaut.png' },
  outputs: [{ id: 'tower_0/keypoints', shape: [128, 128, 80] }, { id: 'tower_0/wh', shape: [128, 128, 4] }],
  flops: 2 * 1_295_249_792, // up to the two heads: the peak search behind them is not run
  parameters: 2_015_008,
  files: { tfGraph: '/vendor/centernet/centernet.json' },
});

const steps = {
  'lenet-5-step': () => trainable(lenet5(batch), 'lenet-5-step', { small: true }),
  'fashion-cnn-step': () => trainable(fashionCnn(batch), 'fashion-cnn-step'),
};

const all = (kind, builders) => Object.entries(builders).map(([name, build]) => [name, { kind, build }]);

/** Every workload: name -> { kind: 'network' | 'layer' | 'step' | 'shape', build, count? }. */
export const workloads = Object.fromEntries([
  ...all('network', { centernet, ...networks }),
  ...all('layer', layers),
  ...all('step', steps),
  ...shapeWorkloads({ 'mobilenet-v2': mobilenetV2(), 'resnet-50': resnet50() }),
]);
