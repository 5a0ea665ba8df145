// One description of a network, from which every model format is emitted.
//
// A Graph is a list of nodes in NHWC terms (Keras conventions: "same"/"valid"
// padding, kernels HWIO). Shapes exclude the batch. Weights are drawn from a
// seeded generator, He-scaled, so that activations stay finite and every engine
// gets bit-identical parameters.

const out = (size, k, stride, dilation, padding) => {
  const eff = (k - 1) * dilation + 1;
  return padding === 'same' ? Math.ceil(size / stride) : Math.floor((size - eff) / stride) + 1;
};

/** Explicit [top, left, bottom, right] padding equal to TensorFlow's "same"/"valid". */
export function explicitPads([h, w], [kh, kw], stride, dilation, padding) {
  if (padding === 'valid') return [0, 0, 0, 0];
  const total = (size, k) =>
    Math.max((Math.ceil(size / stride) - 1) * stride + (k - 1) * dilation + 1 - size, 0);
  const th = total(h, kh), tw = total(w, kw);
  const top = th >> 1, left = tw >> 1;
  return [top, left, th - top, tw - left];
}

const pair = (k) => (Array.isArray(k) ? k : [k, k]);

export class Graph {
  /** @param {string} name  @param {number[]} inputShape [h, w, c] or [n] */
  constructor(name, inputShape, { batch = 1 } = {}) {
    Object.assign(this, { name, batch, nodes: [], outputs: [] });
    this.input = this.#push('input', [], {}, {}, inputShape, 0);
  }

  #push(op, inputs, attrs, weights, shape, macs) {
    const node = { id: `${op}_${this.nodes.length}`, op, inputs, attrs, weights, shape, macs };
    this.nodes.push(node);
    return node;
  }

  /** relu decides the He gain: 2 when a rectifier follows, 1 otherwise. */
  conv(x, filters, kernel, { stride = 1, dilation = 1, padding = 'same', bias = true, activation = null, gain = 2 } = {}) {
    const [kh, kw] = pair(kernel), [h, w, c] = x.shape;
    const oh = out(h, kh, stride, dilation, padding), ow = out(w, kw, stride, dilation, padding);
    const weights = { kernel: { shape: [kh, kw, c, filters], init: 'he', fanIn: kh * kw * c, gain } };
    if (bias) weights.bias = { shape: [filters], init: 'uniform', lo: -0.05, hi: 0.05 };
    return this.#push('conv', [x], { kernel: [kh, kw], stride, dilation, padding, activation }, weights,
      [oh, ow, filters], oh * ow * filters * kh * kw * c);
  }

  depthwise(x, kernel, { stride = 1, dilation = 1, padding = 'same', bias = false, activation = null, gain = 2 } = {}) {
    const [kh, kw] = pair(kernel), [h, w, c] = x.shape;
    const oh = out(h, kh, stride, dilation, padding), ow = out(w, kw, stride, dilation, padding);
    const weights = { kernel: { shape: [kh, kw, c, 1], init: 'he', fanIn: kh * kw, gain } };
    if (bias) weights.bias = { shape: [c], init: 'uniform', lo: -0.05, hi: 0.05 };
    return this.#push('depthwise', [x], { kernel: [kh, kw], stride, dilation, padding, activation }, weights,
      [oh, ow, c], oh * ow * c * kh * kw);
  }

  convTranspose(x, filters, kernel, stride) {
    const [kh, kw] = pair(kernel), [h, w, c] = x.shape;
    const weights = { kernel: { shape: [kh, kw, filters, c], init: 'he', fanIn: (kh * kw * c) / (stride * stride), gain: 1 } };
    return this.#push('convTranspose', [x], { kernel: [kh, kw], stride, padding: 'same' }, weights,
      [h * stride, w * stride, filters], h * w * c * kh * kw * filters);
  }

  dense(x, units, { activation = null, gain = activation === 'relu' ? 2 : 1 } = {}) {
    const n = x.shape[0];
    return this.#push('dense', [x], { activation }, {
      kernel: { shape: [n, units], init: 'he', fanIn: n, gain },
      bias: { shape: [units], init: 'uniform', lo: -0.05, hi: 0.05 },
    }, [units], n * units);
  }

  /** gammaScale < 1 on the last normalisation of a residual branch keeps deep sums bounded. */
  batchNorm(x, { gammaScale = 1 } = {}) {
    const c = x.shape.at(-1);
    return this.#push('batchNorm', [x], { epsilon: 1e-3 }, {
      gamma: { shape: [c], init: 'uniform', lo: 0.9 * gammaScale, hi: 1.1 * gammaScale },
      beta: { shape: [c], init: 'uniform', lo: -0.05, hi: 0.05 },
      mean: { shape: [c], init: 'uniform', lo: -0.05, hi: 0.05 },
      variance: { shape: [c], init: 'uniform', lo: 0.9, hi: 1.1 },
    }, x.shape, 0);
  }

  /** kind: relu | relu6 | leakyRelu | tanh | sigmoid | softmax */
  activation(x, kind, alpha = 0.1) {
    return this.#push('activation', [x], { kind, alpha }, {}, x.shape, 0);
  }

  #pool(op, x, size, { stride = size, padding = 'valid' } = {}) {
    const [h, w, c] = x.shape;
    return this.#push(op, [x], { size, stride, padding }, {},
      [out(h, size, stride, 1, padding), out(w, size, stride, 1, padding), c], 0);
  }
  maxPool(x, size, options) { return this.#pool('maxPool', x, size, options); }
  avgPool(x, size, options) { return this.#pool('avgPool', x, size, options); }
  globalAvgPool(x) { return this.#push('globalAvgPool', [x], {}, {}, [x.shape[2]], 0); }
  flatten(x) { return this.#push('flatten', [x], {}, {}, [x.shape.reduce((a, b) => a * b)], 0); }
  add(a, b) { return this.#push('add', [a, b], {}, {}, a.shape, 0); }
  concat(a, b) {
    return this.#push('concat', [a, b], {}, {}, [a.shape[0], a.shape[1], a.shape[2] + b.shape[2]], 0);
  }
  /** mode: nearest | bilinear (half-pixel centres) */
  upsample(x, scale, mode) {
    const [h, w, c] = x.shape;
    return this.#push('upsample', [x], { scale, mode }, {}, [h * scale, w * scale, c], 0);
  }
  localResponseNorm(x, { radius = 2, alpha = 2e-5, beta = 0.75, bias = 1 } = {}) {
    return this.#push('localResponseNorm', [x], { radius, alpha, beta, bias }, {}, x.shape, 0);
  }

  /** Marks the results; returns the graph, so builders can end with it. */
  finish(...outputs) {
    this.outputs = outputs;
    return this;
  }

  /** URLs of the model files that `ensureModel` writes. */
  get files() {
    return { onnx: `/generated/${this.name}.onnx`, tfGraph: `/generated/${this.name}.tf.json` };
  }

  /** Floating-point operations of one forward pass: 2 per multiply-accumulate of convolutions and dense layers. */
  get flops() {
    return 2 * this.batch * this.nodes.reduce((sum, n) => sum + n.macs, 0);
  }

  get parameters() {
    let n = 0;
    for (const { weights } of this.nodes)
      for (const w of Object.values(weights)) n += w.shape.reduce((a, b) => a * b);
    return n;
  }

  consumers(node) {
    return this.nodes.filter((n) => n.inputs.includes(node));
  }
}

/** Seeded uniform generator on [0, 1) (mulberry32). */
export function random(seed) {
  let s = seed >>> 0;
  return () => {
    s = (s + 0x6d2b79f5) | 0;
    let t = Math.imul(s ^ (s >>> 15), 1 | s);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function seedOf(text) {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  return h >>> 0;
}

/** Fills every weight: Map from `nodeId/weightName` to Float32Array. */
export function materialise(graph, seedName = graph.name) {
  const next = random(seedOf(seedName));
  const values = new Map();
  for (const node of graph.nodes) {
    for (const [name, w] of Object.entries(node.weights)) {
      const data = new Float32Array(w.shape.reduce((a, b) => a * b));
      const [lo, hi] = w.init === 'he'
        ? [-Math.sqrt((3 * w.gain) / w.fanIn), Math.sqrt((3 * w.gain) / w.fanIn)]
        : [w.lo, w.hi];
      for (let i = 0; i < data.length; i++) data[i] = lo + (hi - lo) * next();
      values.set(`${node.id}/${name}`, data);
    }
  }
  return values;
}

/** The benchmark's input for a generated network, NHWC, uniform on [-1, 1). */
export function makeInput(graph) {
  const next = random(seedOf(`${graph.name} input`));
  const data = new Float32Array(graph.batch * graph.input.shape.reduce((a, b) => a * b));
  for (let i = 0; i < data.length; i++) data[i] = 2 * next() - 1;
  return data;
}

/** Transposes a batch of [rows, columns] matrices; NHWC -> NCHW is (h*w, c), back is (c, h*w). */
export function transpose(data, batch, rows, columns) {
  const result = new Float32Array(data.length);
  for (let b = 0, base = 0; b < batch; b++, base += rows * columns)
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < columns; c++) result[base + c * rows + r] = data[base + r * columns + c];
  return result;
}
