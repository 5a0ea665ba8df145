// ONNX models that keep their tensors in files of their own. In Node, fetched from a server.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { striate } from "../dist/index.js";

/** A field of a protocol buffer: a number, text, bytes, or a message of fields. */
function field(number, value) {
  if (typeof value === "number") return [(number << 3) | 0, ...varint(value)];
  const bytes = typeof value === "string" ? [...new TextEncoder().encode(value)] : value;
  return [(number << 3) | 2, ...varint(bytes.length), ...bytes];
}

const varint = (value) => (value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >> 7)]);
const pair = (key, value) => field(13, [...field(1, key), ...field(2, value)]);

/** `y = x + a - b` on `[1, 4]` numbers: `a` and `b` are in files. */
function sum(a, b) {
  const tensor = (name, { location, offset }) =>
    field(5, [
      ...[field(1, 4), field(2, 1), field(8, name)].flat(),
      ...pair("location", location),
      ...(offset === undefined ? [] : pair("offset", String(offset))),
      ...pair("length", "16"),
      ...field(14, 1),
    ]);
  const value = (number, name) => {
    const shape = field(
      2,
      [1, 4].flatMap((size) => field(1, field(1, size))),
    );
    return field(number, [...field(1, name), ...field(2, field(1, [...field(1, 1), ...shape]))]);
  };
  const node = (op, inputs, output) =>
    field(1, [...inputs.flatMap((input) => field(1, input)), ...field(2, output), ...field(4, op)]);
  const graph = [
    ...node("Add", ["x", "a"], "s"),
    ...node("Sub", ["s", "b"], "y"),
    ...field(2, "sum"),
    ...tensor("a", a),
    ...tensor("b", b),
    ...value(11, "x"),
    ...value(12, "y"),
  ];
  return Uint8Array.from([...field(1, 8), ...field(7, graph), ...field(8, field(2, 17))]);
}

const onnx = sum({ location: "weights.bin", offset: 4 }, { location: "more/b 1.bin" });
const data = {
  "weights.bin": new Uint8Array(Float32Array.of(9, 1, 2, 3, 4).buffer),
  "more/b 1.bin": new Uint8Array(Float32Array.of(10, 20, 30, 40).buffer),
};
const expected = [-9, -18, -27, -36];
const zeros = new Float32Array(4);

const asked = [];
const server = createServer((request, response) => {
  const path = decodeURIComponent(request.url.slice(1));
  asked.push(path);
  const bytes = path === "model.onnx" ? onnx : path === "gone/model.onnx" ? onnx : data[path];
  response.writeHead(bytes ? 200 : 404, { "content-length": bytes?.length ?? 0 });
  response.end(bytes);
});
let address;
let engine;
before(async () => {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  address = `http://127.0.0.1:${server.address().port}/`;
  engine = await striate({ worker: false });
});
after(() => {
  engine.dispose();
  server.close();
});

const answer = async (net) => [...(await net.predict(zeros))[0].data];

test("are fetched beside the model, with one progress for all", async () => {
  const seen = [];
  const net = await engine.load(`${address}model.onnx`, { onProgress: (progress) => seen.push(progress) });
  assert.deepEqual(await answer(net), expected);
  assert.deepEqual([...asked].sort(), ["model.onnx", "more/b 1.bin", "weights.bin"]);
  const { loaded } = seen.filter(({ stage }) => stage === "download").at(-1);
  assert.equal(loaded, onnx.length + 20 + 16);
  assert.deepEqual(await answer(await engine.loadModel(`${address}model.onnx`)), expected);
});

test("are taken from chosen files and from memory", async () => {
  const files = [
    new File([data["more/b 1.bin"]], "b 1.bin"),
    new File([onnx], "model.onnx"),
    new File([data["weights.bin"]], "weights.bin"),
  ];
  assert.deepEqual(await answer(await engine.load(files)), expected);
  assert.deepEqual(await answer(await engine.load({ onnx, data })), expected);
  assert.deepEqual(await answer(await engine.loadModel({ onnx: onnx.buffer, data })), expected);
});

test("what is missing, too short or elsewhere is an error", async () => {
  await assert.rejects(engine.load(`${address}gone/model.onnx`), { code: "network" });
  await assert.rejects(engine.load({ onnx, data: {} }), { code: "invalid", expected: "weights.bin" });
  await assert.rejects(engine.load([new File([onnx], "model.onnx")]), { expected: "weights.bin" });
  const short = { ...data, "weights.bin": data["weights.bin"].slice(0, 12) };
  await assert.rejects(engine.load({ onnx, data: short }), { message: /outside its external file/ });
  for (const location of ["../secret.bin", "/etc/passwd", "https://example.com/x", "a/../../x", "C:\\x"]) {
    const wrong = sum({ location }, { location: "weights.bin" });
    await assert.rejects(engine.load({ onnx: wrong, data }), { code: "invalid", received: location });
  }
  // Alone it has no weights.
  await assert.rejects(engine.load(onnx), { name: /Error/ });
  assert.deepEqual(await answer(await engine.load({ onnx, data })), expected);
});
