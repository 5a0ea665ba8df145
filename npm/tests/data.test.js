// Streams of samples, readers of files, and training on them.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { data, layers, losses, optimizers, StriateError, striate } from "striate";
import { points } from "./samples.js";

let engine;
before(async () => {
  engine = await striate();
});
after(() => engine.dispose());

const all = async (dataset) => {
  const found = [];
  for await (const item of dataset) found.push(item);
  return found;
};
const numbers = (count) => data.from(Array.from({ length: count }, (_, i) => i));

describe("mixup", () => {
  const batch = () => ({
    x: { data: Float32Array.from({ length: 24 }, (_, i) => Math.floor(i / 6)), shape: [4, 2, 3] },
    y: { data: Float32Array.from({ length: 16 }, (_, i) => (i % 5 === 0 ? 1 : 0)), shape: [4, 4] },
  });

  test("mixes pictures and labels by the same share, as the seed says", () => {
    const mix = data.mixup({ alpha: 0.4, seed: 7 });
    const shares = [];
    for (let index = 0; index < 200; index++) {
      const { x, y } = mix(batch(), index);
      assert.deepEqual(
        [x.shape, y.shape],
        [
          [4, 2, 3],
          [4, 4],
        ],
      );
      for (let i = 0; i < 4; i++) {
        const labels = [...y.data.subarray(4 * i, 4 * i + 4)];
        assert.ok(Math.abs(labels.reduce((a, b) => a + b, 0) - 1) < 1e-6);
        // Picture i is all i's: the mean of the labels' numbers is what its pixels are.
        const mean = labels.reduce((sum, share, label) => sum + share * label, 0);
        for (const pixel of x.data.subarray(6 * i, 6 * i + 6)) assert.ok(Math.abs(pixel - mean) < 1e-5);
      }
      shares.push(y.data[0]);
    }
    assert.deepEqual(mix(batch(), 3), data.mixup({ alpha: 0.4, seed: 7 })(batch(), 3));
    assert.notDeepEqual(mix(batch(), 3), mix(batch(), 4));
    // Small alphas leave most as it is, or swap it.
    const extreme = shares.filter((share) => share < 0.2 || share > 0.8).length / shares.length;
    assert.ok(extreme > 0.5 && extreme < 1, `${extreme}`);
  });

  test("wants one-hot labels", () => {
    assert.throws(() => data.mixup({ alpha: 0 }), { code: "invalid" });
    const labels = { ...batch(), y: { data: Int32Array.of(0, 1, 2, 3), shape: [4] } };
    assert.throws(() => data.mixup()(labels, 0), { code: "unsupported" });
    const fewer = { ...batch(), y: { data: new Float32Array(12), shape: [3, 4] } };
    assert.throws(() => data.mixup()(fewer, 0), { code: "shape-mismatch" });
  });
});

describe("datasets", () => {
  test("take their stages in order, and know their size", async () => {
    const shape = async (dataset) => (await all(dataset)).map((batch) => [...batch.data]);
    assert.deepEqual(await shape(numbers(5).batch(2)), [[0, 1], [2, 3], [4]]);
    assert.deepEqual(await shape(numbers(5).batch(2, { dropRemainder: true })), [
      [0, 1],
      [2, 3],
    ]);
    assert.deepEqual(await shape(numbers(5).skip(3).repeat(2).batch(3)), [[3, 4, 3], [4]]);
    assert.deepEqual(await all(numbers(3).repeat().take(7)), [0, 1, 2, 0, 1, 2, 0]);
    assert.deepEqual(
      await all(
        numbers(6)
          .filter((n) => n % 2)
          .map(async (n, i) => [n, i]),
      ),
      [
        [1, 0],
        [3, 1],
        [5, 2],
      ],
    );
    assert.deepEqual(await all(data.from([]).repeat()), []);
    const sized = data.from([1, 2, 3, 4, 5], { size: 5 });
    const [first, last] = sized.split(0.3);
    assert.deepEqual([await all(first), await all(last), first.size, last.size], [[1, 2, 3], [4, 5], 3, 2]);
    assert.deepEqual(
      [sized.batch(2), sized.batch(2, { dropRemainder: true }), sized.repeat(3), sized.repeat(), sized.take(9)].map(
        ({ size }) => size,
      ),
      [3, 2, 15, undefined, 5],
    );
    assert.throws(() => numbers(3).split(0.5), StriateError);
    assert.throws(() => numbers(3).batch(0), StriateError);
  });

  test("shuffle anew each round, from a seed, within a buffer", async () => {
    const dataset = numbers(100).shuffle(100, 7);
    const [first, second] = [await all(dataset), await all(dataset)];
    assert.deepEqual(
      first.toSorted((a, b) => a - b),
      await all(numbers(100)),
    );
    assert.notDeepEqual(first, second);
    assert.deepEqual(await all(numbers(100).shuffle(100, 7)), first);
    assert.notDeepEqual(await all(numbers(100).shuffle(100, 8)), first);
    const near = await all(numbers(1000).shuffle(10, 3));
    assert.ok(near.every((sample, i) => sample < i + 10) && near.some((sample, i) => sample + 10 < i));
    assert.deepEqual(await all(numbers(9).shuffle(1, 3)), await all(numbers(9)));
  });

  test("keep what was made once, if it was gone through to its end", async () => {
    let made = 0;
    const squares = numbers(5)
      .map((n) => {
        made++;
        return n * n;
      })
      .cache();
    assert.deepEqual(await all(squares.take(2)), [0, 1]);
    assert.equal(made, 2);
    assert.deepEqual(await all(squares), [0, 1, 4, 9, 16]);
    assert.equal(made, 7);
    assert.deepEqual(await all(squares.repeat(2)), [0, 1, 4, 9, 16, 0, 1, 4, 9, 16]);
    assert.equal(made, 7);
    // A failure is not kept.
    let broken = true;
    const mended = numbers(2)
      .map((n) => {
        if (broken && n === 1) throw new Error("no such picture");
        return n;
      })
      .cache();
    await assert.rejects(all(mended), /no such picture/);
    broken = false;
    assert.deepEqual(await all(mended), [0, 1]);
  });

  test("are lazy, prefetch in order, and let go of their source", async () => {
    const made = [];
    let closed = 0;
    const source = async function* () {
      try {
        for (let i = 0; i < 10; i++) {
          made.push(i);
          yield i;
        }
      } finally {
        closed++;
      }
    };
    assert.deepEqual(await all(data.from(source).prefetch(3).take(2)), [0, 1]);
    assert.ok(made.length >= 2 && made.length <= 6, `${made}`);
    assert.equal(closed, 1);
    assert.deepEqual(await all(data.from(source).prefetch(3)), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const broken = numbers(3).map((n) => {
      if (n === 1) throw new Error("no such picture");
      return n;
    });
    await assert.rejects(all(broken.prefetch(2)), /no such picture/);
  });

  test("make batches of samples with names", async () => {
    const x = { left: { data: Uint8Array.from([1, 2, 3, 4]), shape: [2, 2] }, right: [5, 6] };
    const dataset = data.fromArrays({ x, y: Int32Array.of(7, 8) });
    assert.equal(dataset.size, 2);
    const [sample] = await all(dataset);
    assert.deepEqual(sample.x.left, { data: Uint8Array.of(1, 2), shape: [2] });
    assert.deepEqual(sample.y, { data: Int32Array.of(7), shape: [] });
    const [batch] = await all(dataset.batch(2));
    assert.deepEqual(batch.x.left, { data: Uint8Array.of(1, 2, 3, 4), shape: [2, 2] });
    assert.deepEqual(batch.x.right, { data: Float32Array.of(5, 6), shape: [2] });
    assert.throws(() => data.fromArrays({ x: [1, 2], y: [1] }), { code: "shape-mismatch" });
    const odd = numbers(2).map((n) => ({ x: new Float32Array(n + 1), y: n }));
    await assert.rejects(all(odd.batch(2)), { code: "shape-mismatch", expected: "[1]", received: "[2]" });
  });
});

describe("training on datasets", () => {
  const net = async () => {
    const model = await engine.sequential(
      [layers.dense({ units: 8, activation: "tanh", inputShape: [2] }), layers.dense({ units: 2, name: "out" })],
      { seed: 3 },
    );
    const loss = losses.sparseCategoricalCrossentropy({ fromLogits: true });
    await model.compile({ optimizer: optimizers.sgd({ learningRate: 0.3 }), loss, metrics: ["accuracy"] });
    return model;
  };
  const arrays = () => {
    const { x, y } = points(100, 1);
    return { x: { data: x, shape: [100, 2] }, y };
  };

  test("is training on the arrays, bit for bit", async () => {
    const [a, b] = [await net(), await net()];
    const one = await a.fit(arrays(), { epochs: 3, shuffle: false });
    const two = await b.fit(data.fromArrays(arrays()), { epochs: 3, validationData: data.fromArrays(arrays()) });
    assert.deepEqual(two.history.loss, one.history.loss);
    assert.deepEqual((await b.getWeight("out/kernel")).data, (await a.getWeight("out/kernel")).data);
    const evaluated = await b.evaluate(data.fromArrays(arrays()).batch(9));
    assert.ok(Math.abs(evaluated.loss - two.history.val_loss[2]) < 1e-6);
  });

  test("takes changed, shuffled, endless and generated samples", async () => {
    const model = await net();
    const scaled = data
      .fromArrays(arrays())
      .shuffle(100, 1)
      .map(async ({ x, y }) => ({ x: { ...x, data: x.data.map((v) => v * 1.1) }, y }))
      .repeat()
      .batch(10)
      .prefetch(2);
    const seen = [];
    const { history } = await model.fit(scaled, {
      epochs: 4,
      stepsPerEpoch: 15,
      logEvery: 4,
      callbacks: { onTrainBatchEnd: (batch) => void seen.push(batch) },
    });
    assert.deepEqual(seen.slice(0, 4), [3, 7, 11, 14]);
    assert.ok(history.accuracy[3] > 0.9, `${history.accuracy}`);
    const { x, y } = points(30, 4);
    const generated = data.from(function* () {
      for (let i = 0; i < 30; i++) yield { x: x.slice(2 * i, 2 * i + 2), y: y[i] };
    });
    assert.ok((await model.evaluate(generated)).accuracy > 0.9);
    assert.equal((await model.fit(generated, { epochs: 2, batchSize: 8 })).epoch.length, 2);
    const once = generated[Symbol.asyncIterator]();
    const spent = data.from({ [Symbol.asyncIterator]: () => once });
    await assert.rejects(model.fit(spent, { epochs: 2 }), { code: "invalid", message: /no batches/ });
    const broken = data.from(() => {
      throw new Error("the file is gone");
    });
    await assert.rejects(model.fit(broken), /the file is gone/);
    assert.equal((await model.fit(generated)).epoch.length, 1);
  });
});

describe("readers", () => {
  test("read IDX files, gzipped too", async () => {
    const header = (type, ...dims) => [0, 0, type, dims.length, ...dims.flatMap((n) => [0, 0, n >> 8, n & 255])];
    const bytes = Uint8Array.from([...header(8, 2, 2, 3), 1, 2, 3, 4, 5, 255, 0, 9, 8, 7, 6, 5]);
    const expected = { data: Uint8Array.of(1, 2, 3, 4, 5, 255, 0, 9, 8, 7, 6, 5), shape: [2, 2, 3] };
    assert.deepEqual(await data.readIdx(bytes), expected);
    assert.deepEqual(await data.readIdx(gzipSync(bytes)), expected);
    assert.deepEqual(await data.readIdx(new Blob([bytes])), expected);
    const ints = await data.readIdx(Uint8Array.from([...header(12, 2), 255, 255, 255, 254, 0, 0, 1, 0]));
    assert.deepEqual(ints, { data: Int32Array.of(-2, 256), shape: [2] });
    const floats = await data.readIdx(Uint8Array.from([...header(13, 1), 0x3f, 0x80, 0, 0]));
    assert.deepEqual(floats, { data: Float32Array.of(1), shape: [1] });
    for (const broken of [bytes.slice(0, 9), bytes.slice(0, -1), Uint8Array.of(1, 2, 3, 4), new Uint8Array(0)]) {
      await assert.rejects(data.readIdx(broken), { code: "invalid" });
    }
  });

  test("read comma-separated values", () => {
    const text = '\uFEFFsize,kind,note\r\n1.5,cat,"a, b"\r\n,dog,"say ""no""\nthen"\n\n3,cat,""';
    const table = data.readCsv(text);
    assert.deepEqual(table.names, ["size", "kind", "note"]);
    assert.deepEqual(
      table.rows.map(([, , note]) => note),
      ["a, b", 'say "no"\nthen', ""],
    );
    const { data: sizes, shape } = table.numbers("size");
    assert.deepEqual(
      [[...sizes], shape],
      [
        [1.5, Number.NaN, 3],
        [3, 1],
      ],
    );
    assert.deepEqual(table.classes("kind"), { data: Int32Array.of(0, 1, 0), shape: [3], names: ["cat", "dog"] });
    assert.throws(() => table.numbers("kind"), { message: /row 2, column 1/, received: "cat" });
    assert.throws(() => table.numbers("weight"), { expected: "size, kind, note" });
    assert.throws(() => data.readCsv("a,b\n1"), { code: "shape-mismatch", message: /row 2/ });
    assert.throws(() => data.readCsv('a\n"1'), { message: /quote/ });
    const bare = data.readCsv("1;2\n3;4", { separator: ";", header: false });
    assert.deepEqual([...bare.numbers(1, 0).data], [2, 1, 4, 3]);
  });

  test("split with classes' shares", () => {
    const labels = Array.from({ length: 101 }, (_, i) => (i < 60 ? 3 : i < 90 ? -1 : 8));
    const { train, test } = data.stratifiedSplit(labels, { test: 0.2, seed: 5 });
    assert.deepEqual(
      [...train, ...test].toSorted((a, b) => a - b),
      labels.map((_, i) => i),
    );
    const of = (label) => [...test].filter((i) => labels[i] === label).length;
    // 12.48, 6.24 and 2.29: one more for the largest rest.
    assert.deepEqual([of(3), of(-1), of(8)], [13, 6, 2]);
    assert.deepEqual(data.stratifiedSplit(labels, { test: 0.2, seed: 5 }).test, test);
    assert.throws(() => data.stratifiedSplit([0, 0, 1], { test: 0.5 }), { message: /one sample/ });
    assert.throws(() => data.stratifiedSplit([0, 0, 1, 1], { test: 0.2 }), { message: /fewer samples/ });
    const rows = data.gather({ data: Uint8Array.of(1, 2, 3, 4), shape: [2, 2] }, [1, 0, 1]);
    assert.deepEqual(rows, { data: Uint8Array.of(3, 4, 1, 2, 3, 4), shape: [3, 2] });
    assert.throws(() => data.gather([1, 2], [2]), StriateError);
  });
});
