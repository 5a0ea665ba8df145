// What networks that say what is where may give: channels first, classes in place of scores, bytes. In Node, on small networks.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { input, layers, Segmenter, striate } from "../dist/index.js";

const engine = await striate({ worker: false, edition: "models" });
after(() => engine.dispose());

/** A picture whose pixels follow from their place. */
function picture(width, height, value = (x, y, c) => (x * 40 + y * 13 + c * 71) % 256) {
  const data = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) for (let c = 0; c < 3; c++) data[(y * width + x) * 4 + c] = value(x, y, c);
  return { data, width, height };
}

/** Layers on a picture of any size. */
const network = (...list) => engine.sequential([input({ shape: [null, null, 3] }), ...list]);
/** Says what it is given. */
const identity = () => network(layers.activation({ activation: "linear" }));
const channelsFirst = () => layers.permute({ dims: [3, 1, 2] });

/** A network that says the same of every picture. */
const saying = (dtype, shape, data, inputShape = [1, null, null, 3]) => ({
  inputs: [{ name: "in", dtype: "float32", shape: inputShape }],
  outputs: [{ name: "out", dtype, shape }],
  predictImage: async (source) => ({
    outputs: [{ name: "out", dtype, shape, data }],
    width: source.width,
    height: source.height,
    view: { x: 0, y: 0, width: source.width, height: source.height },
    timings: { preprocess: 0, inference: 0, total: 0 },
  }),
});

test("channels first are the same maps, told by labels, proportions or the option", async () => {
  const photo = picture(10, 6);
  const look = { size: [6, 10], scale: 1 / 255 };
  const [last, first] = [await identity(), await network(channelsFirst())];
  const labels = ["red", "green", "blue"];
  const wanted = await new Segmenter(last, { input: look, labels }).segment(photo);
  assert.equal(wanted.maps.kind, "scores");
  for (const head of [{ labels }, {}, { layout: "nchw" }, { kind: "scores" }]) {
    const found = await new Segmenter(first, { input: look, ...head }).segment(photo);
    assert.deepEqual(found.maps, wanted.maps, JSON.stringify(head));
    assert.deepEqual(found.mask({ width: 17, height: 9 }), wanted.mask({ width: 17, height: 9 }));
    assert.deepEqual(found.matte({ class: 2 }), wanted.matte({ class: 2 }));
  }
  // Sizes that strides round: 15 x 23 pixels become 8 x 12 places.
  const pool = () => layers.averagePooling2d({ poolSize: 2, padding: "same" });
  const odd = { input: { size: [15, 23] } };
  const rounded = await new Segmenter(await network(pool(), channelsFirst()), odd).segment(photo);
  assert.deepEqual(rounded.maps, (await new Segmenter(await network(pool()), odd).segment(photo)).maps);
  assert.deepEqual([rounded.maps.height, rounded.maps.width, rounded.maps.classes], [8, 12, 3]);
  const one = saying("float32", [1, 1, 6, 10], new Float32Array(60));
  const person = await new Segmenter(one, { input: look, labels: ["back", "front"] }).segment(photo);
  assert.deepEqual([person.maps.height, person.maps.width, person.maps.classes], [6, 10, 1]);
});

test("where neither labels nor proportions tell, the input's layout does, or it has to be said", async () => {
  const photo = picture(3, 3);
  const data = Float32Array.from({ length: 27 }, (_, i) => i);
  const maps = async (inputShape, head) =>
    (await new Segmenter(saying("float32", [1, 3, 3, 3], data, inputShape), head).segment(photo)).maps.data;
  const moved = Float32Array.from(data, (_, i) => data[(i % 3) * 9 + Math.floor(i / 3)]);
  assert.deepEqual(await maps([1, null, null, 3]), data);
  assert.deepEqual(await maps([null, 3, 9, 9]), moved);
  for (const shape of [
    [1, 3, 3, 3],
    [null, null, null, null],
  ]) {
    await assert.rejects(maps(shape, { input: { size: [3, 3] } }), { code: "invalid", message: /by `layout`/ });
    assert.deepEqual(await maps(shape, { layout: "nhwc" }), data);
    assert.deepEqual(await maps(shape, { layout: "nchw" }), moved);
  }
  await assert.rejects(maps([1, 3, 3, 3], { layout: "hwc" }), { code: "invalid", received: "hwc" });
});

test("networks that give classes: nearest places, mattes of 0 and 1", async () => {
  // Quarters: red, green; blue, green.
  const photo = picture(8, 8, (x, y, c) => (c === (x < 4 ? (y < 4 ? 0 : 2) : 1) ? 255 : 0));
  const labels = ["red", "green", "blue"];
  const forms = {
    "[1, h, w]": await network(layers.lambda((x) => x.argMax(-1))),
    "[1, h, w, 1]": await network(layers.lambda((x) => x.argMax(-1, true))),
    "[1, 1, h, w]": await network(layers.lambda((x) => x.argMax(-1, true).transpose([0, 3, 1, 2]))),
  };
  for (const [form, net] of Object.entries(forms)) {
    const found = await new Segmenter(net, { input: { size: [2, 2] }, labels }).segment(photo);
    const { maps } = found;
    assert.deepEqual([maps.kind, maps.width, maps.height, maps.classes], ["classes", 2, 2, 3], form);
    assert.deepEqual([...maps.data], [0, 1, 2, 1], form);
    const mask = found.mask();
    for (let i = 0; i < 64; i++) assert.equal(mask.data[i], i % 8 < 4 ? (i < 32 ? 0 : 2) : 1, `${form} ${i}`);
    // Three columns over two places: the middle one lies where the second begins.
    assert.deepEqual([...found.mask({ width: 3, height: 2 }).data], [0, 1, 1, 2, 1, 1], form);
    assert.deepEqual([...found.matte({ class: 2, width: 3, height: 2 }).data], [0, 0, 0, 1, 0, 0], form);
    assert.deepEqual(found.areas(), [
      { label: "green", class: 1, pixels: 32, share: 0.5 },
      { label: "red", class: 0, pixels: 16, share: 0.25 },
      { label: "blue", class: 2, pixels: 16, share: 0.25 },
    ]);
    assert.throws(() => found.matte({ class: 3 }), { code: "invalid" });
    assert.throws(() => found.mask({ width: 0 }), { code: "invalid" });
  }
  // Of the square in the middle; beyond it the edge is repeated.
  const middle = new Segmenter(forms["[1, h, w]"], { input: { size: [2, 2], fit: "center" } });
  const wide = await middle.segment(picture(16, 8, (x, _y, c) => (c === (x < 8 ? 0 : 1) ? 255 : 0)));
  assert.deepEqual([...wide.mask({ width: 8, height: 1 }).data], [0, 0, 0, 0, 1, 1, 1, 1]);
});

test("floats are classes by more than two labels, or if that is said", async () => {
  const photo = picture(4, 2, (x) => x);
  const flat = await network(layers.lambda((x) => x.mean(-1)));
  const channel = await network(layers.lambda((x) => x.mean(-1, true)));
  for (const head of [{ labels: ["a", "b", "c", "d"] }, { kind: "classes" }]) {
    for (const net of [flat, channel]) {
      const found = await new Segmenter(net, head).segment(photo);
      assert.deepEqual([found.maps.kind, found.classes], ["classes", 4]);
      assert.deepEqual([...found.mask().data], [0, 1, 2, 3, 0, 1, 2, 3]);
    }
  }
  await assert.rejects(new Segmenter(flat).segment(photo), { code: "invalid", message: /by `kind`/ });
  const shares = await new Segmenter(flat, { kind: "scores", input: { scale: 1 / 3 } }).segment(photo);
  assert.deepEqual([...shares.mask().data], [0, 0, 1, 1, 0, 0, 1, 1]);
  assert.equal((await new Segmenter(channel).segment(photo)).maps.kind, "scores", "one map is a foreground");
  const half = new Segmenter(flat, { kind: "classes", input: { scale: 0.5 } });
  await assert.rejects(half.segment(photo), { code: "unsupported", received: "0.5" });
  const three = new Segmenter(await identity(), { kind: "classes" });
  await assert.rejects(three.segment(photo), { code: "shape-mismatch", expected: 'one channel, or `kind: "scores"`' });
  await assert.rejects(new Segmenter(flat, { kind: "mask" }).segment(photo), { code: "invalid", received: "mask" });
});

test("bytes with one channel are classes, or shares if that is said", async () => {
  const photo = picture(2, 1);
  const bytes = (values, shape = [1, 1, 2, 1]) => saying("uint8", shape, Uint8Array.from(values));
  const labels = ["back", "front"];
  const found = await new Segmenter(bytes([0, 255]), { labels }).segment(photo);
  assert.deepEqual([...found.mask().data], [0, 255], "255 stands for what is not to be told");
  assert.deepEqual(
    found.areas().map(({ label }) => label),
    ["back", "255"],
  );
  await assert.rejects(new Segmenter(bytes([0, 200]), { labels }).segment(photo), {
    code: "invalid",
    message: /by `kind`/,
    received: "200",
  });
  const shares = await new Segmenter(bytes([51, 204]), { labels, kind: "scores" }).segment(photo);
  for (const [i, share] of [0.2, 0.8].entries()) assert.ok(Math.abs(shares.matte().data[i] - share) < 1e-6);
  assert.deepEqual([...shares.mask().data], [0, 1]);
  // Several channels are scores, first or last.
  for (const [shape, values] of [
    [
      [1, 2, 2, 3],
      [9, 8, 7, 1, 2, 3, 9, 8, 7, 1, 2, 3],
    ],
    [
      [1, 3, 2, 2],
      [9, 1, 9, 1, 8, 2, 8, 2, 7, 3, 7, 3],
    ],
  ]) {
    const scores = await new Segmenter(bytes(values, shape)).segment(picture(2, 2));
    assert.deepEqual([scores.maps.kind, scores.classes, ...scores.mask().data], ["scores", 3, 0, 2, 0, 2]);
  }
  const logits = new Segmenter(bytes(new Array(12).fill(1), [1, 2, 2, 3]), { logits: true });
  await assert.rejects(logits.segment(photo), { code: "unsupported" });
});

test("what is no map is refused, with what was given", async () => {
  const photo = picture(2, 1);
  const refused = (dtype, shape, values, wanted) =>
    assert.rejects(new Segmenter(saying(dtype, shape, values)).segment(photo), wanted);
  await refused("float32", [1, 1000], new Float32Array(1000), {
    code: "unsupported",
    message: /no maps of classes/,
    received: "float32 [1, 1000]",
  });
  await refused("float32", [2, 1, 2, 3], new Float32Array(12), { code: "unsupported" });
  await refused("float32", [1, 0, 2, 3], new Float32Array(0), { code: "unsupported" });
  await refused("float32", [1, 1, 2, 300], new Float32Array(600), {
    code: "unsupported",
    expected: "at most 256 classes",
  });
  await refused("int32", [1, 2, 2, 3], new Int32Array(12), { code: "unsupported", received: "int32 [1, 2, 2, 3]" });
  await refused("int32", [1, 1, 2], Int32Array.of(0, -1), { code: "unsupported", received: "-1" });
});
