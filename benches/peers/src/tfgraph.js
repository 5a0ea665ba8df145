// Writes a Graph as a TensorFlow.js graph model, in the form its converter produces for
// inference: batch normalisation folded into the preceding convolution, bias and activation
// fused into it, weights in one binary file.

const base64 = (text) => Buffer.from(text).toString('base64');
const attr = {
  s: (text) => ({ s: base64(text) }),
  i: (n) => ({ i: String(n) }),
  f: (x) => ({ f: x }),
  b: (x) => ({ b: x }),
  float: { type: 'DT_FLOAT' },
  ints: (list) => ({ list: { i: list.map(String) } }),
  strings: (list) => ({ list: { s: list.map(base64) } }),
};
const shapeOf = (dims) => ({ dim: dims.map((d) => ({ size: String(d) })) });
const FUSED = { relu: 'Relu', relu6: 'Relu6', leakyRelu: 'LeakyRelu' };
const OPS = { ...FUSED, tanh: 'Tanh', sigmoid: 'Sigmoid', softmax: 'Softmax' };

/** @returns {{ model: object, weights: Uint8Array[] }} model.json and the pieces of weights.bin */
export function encodeTfGraph(graph, values, weightsFile) {
  const nodes = [], manifest = [], chunks = [];
  const emit = (name, op, input, attributes = {}) => nodes.push({ name, op, input, attr: { T: attr.float, ...attributes } });
  const constant = (name, shape, data) => {
    const dtype = data instanceof Int32Array ? 'int32' : 'float32';
    const type = dtype === 'int32' ? 'DT_INT32' : 'DT_FLOAT';
    nodes.push({ name, op: 'Const', attr: { dtype: { type }, value: { tensor: { dtype: type, tensorShape: shapeOf(shape) } } } });
    manifest.push({ name, shape, dtype });
    chunks.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    return name;
  };
  const ints = (name, list) => constant(name, [list.length], Int32Array.from(list));
  const absorbed = new Set();
  const only = (node) => {
    const next = graph.consumers(node);
    return next.length === 1 && !graph.outputs.includes(node) ? next[0] : null;
  };

  for (const node of graph.nodes) {
    if (absorbed.has(node)) continue;
    const { id, op, inputs, attrs, weights } = node;
    const list = inputs.map((input) => input.id);
    const value = (name) => values.get(`${id}/${name}`);
    switch (op) {
      case 'input':
        nodes.push({ name: id, op: 'Placeholder', attr: { dtype: attr.float, shape: { shape: shapeOf([graph.batch, ...node.shape]) } } });
        break;
      case 'conv': case 'depthwise': case 'dense': {
        let kernel = value('kernel'), bias = weights.bias ? value('bias') : null, last = node;
        const channels = node.shape.at(-1);
        const bn = only(last);
        if (bn?.op === 'batchNorm') {
          const [gamma, beta, mean, variance] = ['gamma', 'beta', 'mean', 'variance'].map((w) => values.get(`${bn.id}/${w}`));
          const scale = gamma.map((g, c) => g / Math.sqrt(variance[c] + bn.attrs.epsilon));
          kernel = kernel.map((v, i) => v * scale[i % channels]);
          bias = beta.map((b, c) => b + ((bias?.[c] ?? 0) - mean[c]) * scale[c]);
          absorbed.add(last = bn);
        }
        let kind = attrs.activation, alpha = attrs.alpha;
        const act = kind ? null : only(last);
        if (act?.op === 'activation' && FUSED[act.attrs.kind]) {
          ({ kind, alpha } = act.attrs);
          absorbed.add(last = act);
        }
        const fusedOps = bias ? ['BiasAdd'] : [];
        if (bias && FUSED[kind]) { fusedOps.push(FUSED[kind]); kind = null; }
        list.push(constant(`${id}/kernel`, weights.kernel.shape, kernel));
        if (bias) list.push(constant(`${id}/bias`, [channels], bias));
        const common = bias ? { fused_ops: attr.strings(fusedOps), num_args: attr.i(1), epsilon: attr.f(0), leakyrelu_alpha: attr.f(alpha ?? 0.2) } : {};
        // Named after the last node it swallows: outputs keep their names.
        const linear = kind ? `${id}/linear` : last.id;
        if (op === 'dense') {
          emit(linear, bias ? '_FusedMatMul' : 'MatMul', list, { ...common, transpose_a: attr.b(false), transpose_b: attr.b(false) });
        } else {
          const type = op === 'conv' ? (bias ? '_FusedConv2D' : 'Conv2D') : bias ? 'FusedDepthwiseConv2dNative' : 'DepthwiseConv2dNative';
          emit(linear, type, list, {
            ...common, strides: attr.ints([1, attrs.stride, attrs.stride, 1]), dilations: attr.ints([1, attrs.dilation, attrs.dilation, 1]),
            padding: attr.s(attrs.padding.toUpperCase()), data_format: attr.s('NHWC'), explicit_paddings: attr.ints([]),
          });
        }
        if (kind) emit(last.id, OPS[kind], [linear]);
        break;
      }
      case 'convTranspose':
        emit(id, 'Conv2DBackpropInput', [ints(`${id}/shape`, [graph.batch, ...node.shape]),
          constant(`${id}/kernel`, weights.kernel.shape, value('kernel')), list[0]], {
          strides: attr.ints([1, attrs.stride, attrs.stride, 1]), dilations: attr.ints([1, 1, 1, 1]),
          padding: attr.s('SAME'), data_format: attr.s('NHWC'), explicit_paddings: attr.ints([]),
        });
        break;
      case 'activation':
        emit(id, OPS[attrs.kind], list, attrs.kind === 'leakyRelu' ? { alpha: attr.f(attrs.alpha) } : {});
        break;
      case 'maxPool': case 'avgPool':
        emit(id, op === 'maxPool' ? 'MaxPool' : 'AvgPool', list, {
          ksize: attr.ints([1, attrs.size, attrs.size, 1]), strides: attr.ints([1, attrs.stride, attrs.stride, 1]),
          padding: attr.s(attrs.padding.toUpperCase()), data_format: attr.s('NHWC'), explicit_paddings: attr.ints([]),
        });
        break;
      case 'globalAvgPool': emit(id, 'Mean', [...list, ints(`${id}/axes`, [1, 2])], { keep_dims: attr.b(false) }); break;
      case 'flatten': emit(id, 'Reshape', [...list, ints(`${id}/shape`, [graph.batch, node.shape[0]])]); break;
      case 'add': emit(id, 'AddV2', list); break;
      case 'concat': emit(id, 'ConcatV2', [...list, constant(`${id}/axis`, [], Int32Array.of(3))], { N: attr.i(2) }); break;
      case 'upsample':
        emit(id, attrs.mode === 'bilinear' ? 'ResizeBilinear' : 'ResizeNearestNeighbor', [...list, ints(`${id}/size`, node.shape.slice(0, 2))],
          { align_corners: attr.b(false), half_pixel_centers: attr.b(attrs.mode === 'bilinear') });
        break;
      case 'localResponseNorm':
        emit(id, 'LRN', list, { depth_radius: attr.i(attrs.radius), bias: attr.f(attrs.bias), alpha: attr.f(attrs.alpha), beta: attr.f(attrs.beta) });
        break;
      default: throw new Error(`tfgraph: no rule for ${op}`);
    }
  }

  const model = {
    format: 'graph-model',
    generatedBy: 'striate-peers',
    convertedBy: null,
    modelTopology: { node: nodes, versions: { producer: 1 } },
    weightsManifest: [{ paths: [weightsFile], weights: manifest }],
  };
  return { model, weights: chunks };
}
