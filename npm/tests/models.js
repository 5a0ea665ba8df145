// Small TFJS graph models, made here so that what they compute is known without running them.

/** `relu(conv3x3_same(x, kernel) + bias)` on [n, size, size, 1] with one filter. */
export function convModel({ size = 5, op = "Conv2D" } = {}) {
  const kernel = Float32Array.from({ length: 9 }, (_, i) => (i - 3) / 4);
  const bias = Float32Array.of(-0.5);
  const shape = (...dims) => ({ dim: dims.map((size) => ({ size: String(size) })) });
  const constant = (name, ...dims) => ({
    name,
    op: "Const",
    attr: { dtype: { type: "DT_FLOAT" }, value: { tensor: { dtype: "DT_FLOAT", tensorShape: shape(...dims) } } },
  });
  const T = { T: { type: "DT_FLOAT" } };
  const json = {
    format: "graph-model",
    modelTopology: {
      node: [
        {
          name: "x",
          op: "Placeholder",
          attr: { dtype: { type: "DT_FLOAT" }, shape: { shape: shape(-1, size, size, 1) } },
        },
        constant("kernel", 3, 3, 1, 1),
        constant("bias", 1),
        {
          name: "conv",
          op,
          input: ["x", "kernel"],
          attr: {
            ...T,
            strides: { list: { i: ["1", "1", "1", "1"] } },
            dilations: { list: { i: ["1", "1", "1", "1"] } },
            padding: { s: Buffer.from("SAME").toString("base64") },
            data_format: { s: Buffer.from("NHWC").toString("base64") },
          },
        },
        { name: "sum", op: "BiasAdd", input: ["conv", "bias"], attr: { ...T, data_format: { s: "TkhXQw==" } } },
        { name: "y", op: "Relu", input: ["sum"], attr: T },
      ],
      versions: { producer: 808 },
    },
    weightsManifest: [
      {
        paths: ["kernel.bin", "bias.bin"],
        weights: [
          { name: "kernel", shape: [3, 3, 1, 1], dtype: "float32" },
          { name: "bias", shape: [1], dtype: "float32" },
        ],
      },
    ],
  };
  const input = Float32Array.from({ length: size * size }, (_, i) => Math.sin(i) * 2);
  return { json, weights: [kernel.buffer, bias.buffer], input, expected: convolve(input, size, kernel, bias[0]) };
}

/** The same, written down from the definition. */
function convolve(input, size, kernel, bias) {
  return Array.from({ length: size * size }, (_, at) => {
    let sum = bias;
    for (let dy = -1; dy <= 1; dy++) {
      for (let dx = -1; dx <= 1; dx++) {
        const [y, x] = [Math.floor(at / size) + dy, (at % size) + dx];
        if (y >= 0 && y < size && x >= 0 && x < size) sum += input[y * size + x] * kernel[(dy + 1) * 3 + dx + 1];
      }
    }
    return Math.max(0, sum);
  });
}

/** An ONNX file, channels first: a convolution of one pixel, one channel to two, `[2 x + 1, -x + 0.5]`, then `Relu`. */
export function onnxModel(op = "Conv") {
  const varint = (n) => (n < 0x80 ? [n] : [(n & 0x7f) | 0x80, ...varint(n >> 7)]);
  const int = (field, n) => [field << 3, ...varint(n)];
  const bytes = (field, content) => [(field << 3) | 2, ...varint(content.length), ...content];
  const text = (field, content) => bytes(field, [...new TextEncoder().encode(content)]);
  const floats = (name, dims, values) => [
    ...dims.flatMap((size) => int(1, size)),
    ...int(2, 1),
    ...text(8, name),
    ...bytes(9, [...new Uint8Array(Float32Array.of(...values).buffer)]),
  ];
  const value = (name, ...dims) => {
    const dim = (size) => bytes(1, typeof size === "string" ? text(2, size) : int(1, size));
    return [...text(1, name), ...bytes(2, bytes(1, [...int(1, 1), ...bytes(2, dims.flatMap(dim))]))];
  };
  const node = (op, inputs, output) => [
    ...inputs.flatMap((name) => text(1, name)),
    ...text(2, output),
    ...text(3, output),
    ...text(4, op),
  ];
  const graph = [
    ...bytes(1, node(op, ["x", "kernel", "bias"], "conv")),
    ...bytes(1, node("Relu", ["conv"], "y")),
    ...text(2, "graph"),
    ...bytes(5, floats("kernel", [2, 1, 1, 1], [2, -1])),
    ...bytes(5, floats("bias", [2], [1, 0.5])),
    ...bytes(11, value("x", "batch", 1, 2, 3)),
    ...bytes(12, value("y", "batch", 2, 2, 3)),
  ];
  const opset = [...text(1, ""), ...int(2, 17)];
  const model = Uint8Array.from([...int(1, 8), ...text(2, "tests"), ...bytes(7, graph), ...bytes(8, opset)]);
  const input = Float32Array.of(-2, -1, 0, 0.25, 1, 2);
  const expected = [0, 0, 1, 1.5, 3, 5, 2.5, 1.5, 0.5, 0.25, 0, 0];
  return { model, input, expected };
}

/** Largest difference of two lists of numbers. */
export function worst(actual, expected) {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  return expected.reduce((worst, value, i) => Math.max(worst, Math.abs(value - actual[i])), 0);
}

/** The models as files for the server: `/models/NAME/model.json` and its shards. */
export function modelRoutes() {
  const { json, weights } = convModel();
  const send = (type, body) => (_, response) => {
    response.writeHead(200, { "content-type": type, "content-length": Buffer.byteLength(body) });
    response.end(body);
  };
  const text = JSON.stringify(json);
  const shards = (name, kernel = weights[0], bias = weights[1]) => ({
    [`/models/${name}/kernel.bin`]: send("application/octet-stream", Buffer.from(kernel)),
    [`/models/${name}/bias.bin`]: send("application/octet-stream", Buffer.from(bias)),
  });
  let tries = 0;
  return {
    "/models/conv/model.json": send("application/json", text),
    ...shards("conv"),
    // Cut off in the middle of a shard.
    "/models/short/model.json": send("application/json", text),
    ...shards("short", weights[0].slice(0, 20)),
    "/models/cut/model.json": send("application/json", text.slice(0, text.length / 2)),
    "/models/odd/model.json": send("application/json", JSON.stringify(convModel({ op: "Conv3D" }).json)),
    ...shards("odd"),
    "/models/html/model.json": send("text/html", "<!doctype html><title>Not here</title>"),
    // A server that recovers.
    "/models/flaky/model.json": (request, response) =>
      ++tries < 3 ? response.writeHead(503).end() : send("application/json", text)(request, response),
    ...shards("flaky"),
    // Begins to answer and never ends.
    "/models/slow/model.json": (_, response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": "100000" });
      response.write("{");
    },
  };
}
