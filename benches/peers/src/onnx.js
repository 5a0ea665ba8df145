// Writes a Graph as an ONNX model (opset 17, NCHW, explicit padding, real BatchNormalization
// nodes): the few protocol-buffer messages needed, encoded by hand.
import { explicitPads, transpose } from './graph.js';

const utf8 = new TextEncoder();

/** A protocol-buffer message under construction: a list of byte chunks. */
class Message {
  chunks = [];
  length = 0;
  #raw(bytes) {
    this.chunks.push(bytes);
    this.length += bytes.length;
  }
  #varint(value) {
    const bytes = [];
    for (let v = BigInt.asUintN(64, BigInt(value)); ; v >>= 7n) {
      if (v < 128n) { bytes.push(Number(v)); break; }
      bytes.push(Number(v & 127n) | 128);
    }
    this.#raw(Uint8Array.from(bytes));
  }
  int(field, value) { this.#varint(field << 3); this.#varint(value); return this; }
  float(field, value) {
    this.#varint((field << 3) | 5);
    this.#raw(new Uint8Array(Float32Array.of(value).buffer));
    return this;
  }
  bytes(field, bytes) { this.#varint((field << 3) | 2); this.#varint(bytes.length); this.#raw(bytes); return this; }
  string(field, text) { return this.bytes(field, utf8.encode(text)); }
  message(field, message) {
    this.#varint((field << 3) | 2);
    this.#varint(message.length);
    for (const chunk of message.chunks) this.#raw(chunk);
    return this;
  }
}

const FLOAT = 1, INT64 = 7;

function tensor(name, dims, data) {
  const m = new Message();
  for (const d of dims) m.int(1, d);
  m.int(2, data instanceof Float32Array ? FLOAT : INT64).string(8, name);
  return m.bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function valueInfo(name, dims) {
  const shape = new Message();
  for (const d of dims) shape.message(1, new Message().int(1, d));
  const type = new Message().int(1, FLOAT).message(2, shape);
  return new Message().string(1, name).message(2, new Message().message(1, type));
}

function attribute(name, value) {
  const m = new Message().string(1, name);
  if (Array.isArray(value)) {
    for (const v of value) m.int(8, v);
    return m.int(20, 7);
  }
  if (typeof value === 'string') return m.string(4, value).int(20, 3);
  if (value?.float !== undefined) return m.float(2, value.float).int(20, 1);
  return m.int(3, value).int(20, 2);
}

/** HWIO -> OIHW (and, for a transposed convolution's [h, w, out, in], -> [in, out, h, w]). */
function reorderKernel(data, [kh, kw, a, b]) {
  const result = new Float32Array(data.length);
  for (let s = 0; s < kh * kw; s++)
    for (let i = 0; i < a; i++)
      for (let o = 0; o < b; o++) result[(o * a + i) * kh * kw + s] = data[(s * a + i) * b + o];
  return result;
}

const nchw = ([h, w, c], batch) => (w === undefined ? [batch, h] : [batch, c, h, w]);

/** @returns {Uint8Array[]} the encoded model, in pieces */
export function encodeOnnx(graph, values) {
  const body = new Message();
  const initializers = [];
  const constant = (name, dims, data) => { initializers.push(tensor(name, dims, data)); return name; };
  const emit = (type, inputs, output, attributes = {}) => {
    const node = new Message();
    for (const input of inputs) node.string(1, input);
    node.string(2, output).string(3, output).string(4, type);
    for (const [name, value] of Object.entries(attributes)) node.message(5, attribute(name, value));
    body.message(1, node);
  };
  const activations = {
    relu: (x, y) => emit('Relu', [x], y),
    relu6: (x, y, id) => emit('Clip', [x,
      constant(`${id}/min`, [], Float32Array.of(0)), constant(`${id}/max`, [], Float32Array.of(6))], y),
    leakyRelu: (x, y, id, alpha) => emit('LeakyRelu', [x], y, { alpha: { float: alpha } }),
    tanh: (x, y) => emit('Tanh', [x], y),
    sigmoid: (x, y) => emit('Sigmoid', [x], y),
    softmax: (x, y) => emit('Softmax', [x], y, { axis: -1 }),
  };

  for (const { id, op, inputs, attrs, weights, shape } of graph.nodes) {
    const [x, second] = inputs.map((n) => n.id);
    const value = (name) => values.get(`${id}/${name}`);
    const activate = (build) => {
      if (!attrs.activation) return build(id);
      build(`${id}/linear`);
      activations[attrs.activation](`${id}/linear`, id, id, attrs.alpha);
    };
    const withBias = (list) => (weights.bias ? [...list, constant(`${id}/bias`, weights.bias.shape, value('bias'))] : list);
    const pads = () => explicitPads(inputs[0].shape, attrs.kernel ?? [attrs.size, attrs.size], attrs.stride, attrs.dilation ?? 1, attrs.padding);
    switch (op) {
      case 'input': break;
      case 'conv': case 'depthwise': {
        const [kh, kw, cin, cout] = weights.kernel.shape;
        const dims = op === 'conv' ? [cout, cin, kh, kw] : [cin, 1, kh, kw];
        const data = op === 'conv' ? reorderKernel(value('kernel'), weights.kernel.shape)
          : reorderKernel(value('kernel'), [kh, kw, 1, cin]);
        const list = withBias([x, constant(`${id}/kernel`, dims, data)]);
        activate((y) => emit('Conv', list, y, {
          kernel_shape: attrs.kernel, strides: [attrs.stride, attrs.stride], pads: pads(),
          dilations: [attrs.dilation, attrs.dilation], group: op === 'conv' ? 1 : cin,
        }));
        break;
      }
      case 'convTranspose': {
        const [kh, kw, cout, cin] = weights.kernel.shape;
        // Keras "same": output = stride * input, the surplus kernel - stride is cropped.
        const crop = (k) => [Math.floor((k - attrs.stride) / 2), Math.ceil((k - attrs.stride) / 2)];
        const [top, bottom] = crop(kh), [left, right] = crop(kw);
        emit('ConvTranspose', [x, constant(`${id}/kernel`, [cin, cout, kh, kw],
          reorderKernel(value('kernel'), weights.kernel.shape))], id, {
          kernel_shape: attrs.kernel, strides: [attrs.stride, attrs.stride], pads: [top, left, bottom, right],
        });
        break;
      }
      case 'dense': {
        // A flattened image is in NCHW order here, so the rows of the kernel are permuted to match.
        const [n, units] = weights.kernel.shape;
        let data = value('kernel');
        const source = inputs[0].op === 'flatten' ? inputs[0].inputs[0].shape : null;
        if (source) {
          const [h, w, c] = source, moved = new Float32Array(data.length);
          for (let s = 0; s < h * w; s++)
            for (let k = 0; k < c; k++)
              moved.set(data.subarray((s * c + k) * units, (s * c + k + 1) * units), (k * h * w + s) * units);
          data = moved;
        }
        const list = withBias([x, constant(`${id}/kernel`, [units, n], transpose(data, 1, n, units))]);
        activate((y) => emit('Gemm', list, y, { transB: 1 }));
        break;
      }
      case 'batchNorm':
        emit('BatchNormalization', [x, ...['gamma', 'beta', 'mean', 'variance'].map((w) =>
          constant(`${id}/${w}`, weights[w].shape, value(w)))], id, { epsilon: { float: attrs.epsilon } });
        break;
      case 'activation': activations[attrs.kind](x, id, id, attrs.alpha); break;
      case 'maxPool': case 'avgPool':
        emit(op === 'maxPool' ? 'MaxPool' : 'AveragePool', [x], id, {
          kernel_shape: [attrs.size, attrs.size], strides: [attrs.stride, attrs.stride], pads: pads(),
        });
        break;
      case 'globalAvgPool':
        emit('GlobalAveragePool', [x], `${id}/pooled`);
        emit('Flatten', [`${id}/pooled`], id, { axis: 1 });
        break;
      case 'flatten': emit('Flatten', [x], id, { axis: 1 }); break;
      case 'add': emit('Add', [x, second], id); break;
      case 'concat': emit('Concat', [x, second], id, { axis: 1 }); break;
      case 'upsample':
        emit('Resize', [x, '', constant(`${id}/scales`, [4], Float32Array.of(1, 1, attrs.scale, attrs.scale))], id,
          attrs.mode === 'bilinear'
            ? { mode: 'linear', coordinate_transformation_mode: 'half_pixel' }
            : { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' });
        break;
      case 'localResponseNorm': {
        const size = 2 * attrs.radius + 1;
        emit('LRN', [x], id, { size, alpha: { float: attrs.alpha * size }, beta: { float: attrs.beta }, bias: { float: attrs.bias } });
        break;
      }
      default: throw new Error(`onnx: no rule for ${op} (shape ${shape})`);
    }
  }

  body.string(2, graph.name);
  for (const t of initializers) body.message(5, t);
  body.message(11, valueInfo(graph.input.id, nchw(graph.input.shape, graph.batch)));
  for (const o of graph.outputs) body.message(12, valueInfo(o.id, nchw(o.shape, graph.batch)));
  return new Message()
    .int(1, 8)
    .string(2, 'striate-peers')
    .message(7, body)
    .message(8, new Message().string(1, '').int(2, 17)).chunks;
}
