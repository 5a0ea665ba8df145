// Streams of samples, as `tf.data` has them: each method gives a new dataset, and nothing is made before it is asked for.

import { failure } from "../errors.js";
import type { TensorData } from "../types.js";
import { permutation, uniform } from "./random.js";
import { arrayLike, type TrainingData } from "./samples.js";

/** A tensor. */
export interface Tensor {
  data: TensorData;
  shape: number[];
}

/** One tensor, or several by name. */
export type Tensors = Tensor | { readonly [name: string]: Tensor };

/** A sample, or a batch of them. */
export interface Sample {
  /** Input, or inputs by name. */
  x: Tensors;
  /** Labels, or labels by the outputs' names. */
  y: Tensors;
  /** How much it counts. */
  sampleWeight?: Tensors;
}

/** What a dataset is made of: to be gone through once, or a function that gives it anew for every round. */
export type Source<T> = Iterable<T> | AsyncIterable<T> | (() => Iterable<T> | AsyncIterable<T>);

/** Samples one after the other, made when they are wanted. */
export class Dataset<T = unknown> implements AsyncIterable<T> {
  readonly #make: () => AsyncIterator<T>;
  /** How many there are; `undefined` where that is not known, or there is no end. */
  readonly size: number | undefined;
  /** They are batches. */
  readonly batched: boolean;

  /** @internal */
  constructor(make: () => AsyncIterator<T>, size: number | undefined, batched: boolean) {
    this.#make = make;
    this.size = size;
    this.batched = batched;
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return this.#make();
  }

  #then<U>(make: (before: AsyncIterable<T>) => AsyncIterator<U>, size = this.size, batched = this.batched): Dataset<U> {
    return new Dataset<U>(() => make(this), size, batched);
  }

  /** Each changed by a function, which may be asynchronous. */
  map<U>(change: (item: T, index: number) => U | Promise<U>): Dataset<U> {
    return this.#then(async function* (before) {
      let index = 0;
      for await (const item of before) yield await change(item, index++);
    });
  }

  /** Only those that a function lets through. */
  filter(keep: (item: T, index: number) => boolean | Promise<boolean>): Dataset<T> {
    const make = async function* (before: AsyncIterable<T>) {
      let index = 0;
      for await (const item of before) if (await keep(item, index++)) yield item;
    };
    return new Dataset(() => make(this), undefined, this.batched);
  }

  /**
   * Each next is drawn from a buffer of so many, which is filled up from what comes: a buffer of all shuffles perfectly,
   * a small one hardly. Every round has an order of its own, which follows from the seed.
   */
  shuffle(buffer: number, seed = Math.floor(Math.random() * 2 ** 30)): Dataset<T> {
    const size = whole("shuffle", buffer, 1);
    let round = 0;
    return this.#then(async function* (before) {
      const random = uniform(seed, round++);
      const held: T[] = [];
      const draw = () => {
        const at = Math.floor(random() * held.length);
        [held[at], held[held.length - 1]] = [held.at(-1) as T, held[at] as T];
        return held.pop() as T;
      };
      for await (const item of before) {
        held.push(item);
        if (held.length === size) yield draw();
      }
      while (held.length > 0) yield draw();
    });
  }

  /** All of it so many times, or without end. */
  repeat(times = Number.POSITIVE_INFINITY): Dataset<T> {
    const size = this.size === undefined || times === Number.POSITIVE_INFINITY ? undefined : this.size * times;
    const make = async function* (before: AsyncIterable<T>) {
      for (let i = 0, found = true; i < times && found; i++) {
        found = false;
        for await (const item of before) {
          found = true;
          yield item;
        }
      }
    };
    return new Dataset(() => make(this), size, this.batched);
  }

  /** The first so many. */
  take(count: number): Dataset<T> {
    const most = whole("take", count, 0);
    return this.#then(
      async function* (before) {
        let left = most;
        if (left === 0) return;
        for await (const item of before) {
          yield item;
          if (--left === 0) return;
        }
      },
      Math.min(this.size ?? most, most),
    );
  }

  /** All but the first so many. */
  skip(count: number): Dataset<T> {
    const size = this.size === undefined ? undefined : Math.max(0, this.size - whole("skip", count, 0));
    const make = async function* (before: AsyncIterable<T>) {
      let left = count;
      for await (const item of before) if (left-- <= 0) yield item;
    };
    return new Dataset(() => make(this), size, this.batched);
  }

  /** Two parts: the last `share` of it, and all before. Shuffle afterwards, or the parts mix. */
  split(share: number): [first: Dataset<T>, last: Dataset<T>] {
    if (this.size === undefined || !(share > 0 && share < 1)) {
      throw failure("invalid", "split() takes a share between 0 and 1, of a dataset of known size");
    }
    const first = this.size - Math.ceil(this.size * share);
    return [this.take(first), this.skip(first)];
  }

  /** So many at once: tensors, arrays and numbers get a first dimension more. The last batch may be smaller, or is left out. */
  batch(size: number, { dropRemainder = false }: { dropRemainder?: boolean } = {}): Dataset<TrainingData> {
    const most = whole("batch", size, 1);
    const count = this.size === undefined ? undefined : this.size / most;
    const make = async function* (before: AsyncIterable<T>) {
      let items: T[] = [];
      for await (const item of before) {
        items.push(item);
        if (items.length < most) continue;
        yield stack(items) as TrainingData;
        items = [];
      }
      if (items.length > 0 && !dropRemainder) yield stack(items) as TrainingData;
    };
    const batches = count === undefined ? undefined : dropRemainder ? Math.floor(count) : Math.ceil(count);
    return new Dataset(() => make(this), batches, true);
  }

  /**
   * Keeps what comes, so that later rounds need not make it again: features of a frozen base, for one.
   *
   * ```ts
   * const features = images.batch(32).map(async ({ x, y }) => ({ x: (await base.predict(x))[0], y })).cache();
   * await head.fit(features, { epochs: 20 });
   * ```
   *
   * Only a round that was gone through to its end is kept. Shuffle afterwards: what stands before happens once.
   */
  cache(): Dataset<T> {
    let kept: T[] | undefined;
    return this.#then(async function* (before) {
      if (kept) return yield* kept;
      const items: T[] = [];
      for await (const item of before) {
        items.push(item);
        yield item;
      }
      kept = items;
    });
  }

  /** So many are made ahead while others are worked on: for `map` with functions that wait. */
  prefetch(count = 1): Dataset<T> {
    const most = whole("prefetch", count, 1);
    return this.#then(async function* (before) {
      const iterator = before[Symbol.asyncIterator]();
      const queue: Promise<IteratorResult<T>>[] = [];
      try {
        for (;;) {
          while (queue.length <= most) {
            const next = iterator.next();
            // Its error comes when it is its turn.
            next.catch(() => {});
            queue.push(next);
          }
          const result = await (queue.shift() as Promise<IteratorResult<T>>);
          if (result.done) return;
          yield result.value;
        }
      } finally {
        await iterator.return?.();
      }
    });
  }
}

/** Anything that can be gone through, or a function that gives it: a generator function, for one. */
export function from<T>(source: Source<T>, { size }: { size?: number } = {}): Dataset<T> {
  const make = async function* () {
    yield* typeof source === "function" ? source() : source;
  };
  return new Dataset<T>(make, size, false);
}

/** What {@link fromArrays} takes: `{ data, shape }` with the samples first, or one number for each sample. */
export type Rows = TensorData | readonly number[] | { readonly data: TensorData; readonly shape: readonly number[] };

/** Rows, or several by name. */
export type RowSets = Rows | { readonly [name: string]: Rows };

/** Samples out of arrays. */
export function fromArrays(arrays: { x: RowSets; y: RowSets; sampleWeight?: RowSets }): Dataset<Sample> {
  const sizes = new Set<number>();
  // For each tensor what gives the one of a sample; memory is shared.
  const reader = (rows: RowSets): ((i: number) => Tensors) => {
    if (isRows(rows)) {
      const { data, shape } = tensorOf(rows);
      const [count = 0, ...rest] = shape;
      const row = rest.reduce((product, size) => product * size, 1);
      if (count * row !== data.length) {
        throw failure("shape-mismatch", "the elements do not fill the shape", {
          expected: `${count * row}`,
          received: `${data.length}`,
        });
      }
      sizes.add(count);
      return (i) => ({ data: data.subarray(i * row, (i + 1) * row), shape: rest });
    }
    const readers = Object.entries(rows).map(([name, set]) => [name, reader(set)] as const);
    return (i) => Object.fromEntries(readers.map(([name, read]) => [name, read(i) as Tensor]));
  };
  const readers = Object.entries(arrays).map(([key, rows]) => [key, reader(rows)] as const);
  const [size = 0, other] = [...sizes];
  if (other !== undefined) {
    throw failure("shape-mismatch", "the arrays are not of as many samples", {
      expected: `${size}`,
      received: `${other}`,
    });
  }
  const make = async function* () {
    for (let i = 0; i < size; i++) {
      yield Object.fromEntries(readers.map(([key, read]) => [key, read(i)])) as unknown as Sample;
    }
  };
  return new Dataset(make, size, false);
}

/** Numbers of samples to train on and to test with. */
export interface Split {
  train: Uint32Array;
  test: Uint32Array;
}

/** Options of splitting. */
export interface SplitOptions {
  /** The share to test with, between 0 and 1. */
  test: number;
  /** Decides what goes where. */
  seed?: number;
}

/** Parts samples at random, every class as often in either part as in the whole, as nearly as whole numbers allow. */
export function stratifiedSplit(labels: ArrayLike<number>, { test, seed = 0 }: SplitOptions): Split {
  const count = Math.ceil(test * labels.length - 1e-9);
  const members = new Map<number, number[]>();
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i] as number;
    const list = members.get(label);
    if (list) list.push(i);
    else members.set(label, [i]);
  }
  const rare = [...members].find(([, list]) => list.length < 2);
  if (rare) throw failure("invalid", `class ${rare[0]} has one sample only; it cannot be in both parts`);
  if (!(test > 0 && test < 1) || Math.min(count, labels.length - count) < members.size) {
    throw failure("invalid", "a part would have fewer samples than there are classes", {
      expected: `${members.size} or more`,
      received: `${Math.min(count, labels.length - count)}`,
    });
  }
  const random = uniform(seed);
  // Whole numbers first, then one more for the largest rests, ties at random.
  const classes = [...members.entries()].sort(([a], [b]) => a - b);
  const shares = classes.map(([, list]) => (list.length * count) / labels.length);
  const counts = shares.map(Math.floor);
  const rests = shares.map((share, i) => ({ i, rest: share % 1, tie: random() }));
  rests.sort((a, b) => b.rest - a.rest || a.tie - b.tie);
  const missing = count - counts.reduce((sum, n) => sum + n, 0);
  for (const { i } of rests.slice(0, missing)) counts[i] = (counts[i] as number) + 1;
  const parts: { train: number[]; test: number[] } = { train: [], test: [] };
  classes.forEach(([, list], c) => {
    const order = permutation(list.length, random);
    const numbers = [...order].map((at) => list[at] as number);
    parts.test.push(...numbers.slice(0, counts[c]));
    parts.train.push(...numbers.slice(counts[c]));
  });
  const mixed = (list: number[]) => permutation(list.length, random).map((at) => list[at] as number);
  return { train: mixed(parts.train), test: mixed(parts.test) };
}

/** The samples of these numbers. */
export function gather(rows: Rows, samples: ArrayLike<number>): Tensor {
  const { data, shape } = tensorOf(rows);
  const [count = 0, ...rest] = shape;
  const row = rest.reduce((product, size) => product * size, 1);
  const gathered = arrayLike(data, samples.length * row);
  for (let i = 0; i < samples.length; i++) {
    const sample = samples[i] as number;
    if (!(sample >= 0 && sample < count)) {
      throw failure("invalid", "there is no such sample", { expected: `below ${count}`, received: String(sample) });
    }
    gathered.set(data.subarray(sample * row, (sample + 1) * row), i * row);
  }
  return { data: gathered, shape: [samples.length, ...rest] };
}

const isTensor = (value: object): value is Tensor => "data" in value && "shape" in value;

function isRows(value: RowSets): value is Rows {
  return ArrayBuffer.isView(value) || Array.isArray(value) || isTensor(value);
}

function tensorOf(rows: Rows): Tensor {
  if ("shape" in rows) return { data: rows.data, shape: [...rows.shape] };
  const data = ArrayBuffer.isView(rows) ? rows : Float32Array.from(rows);
  return { data, shape: [data.length] };
}

function whole(method: string, value: number, least: number): number {
  if (Number.isInteger(value) && value >= least) return value;
  throw failure("invalid", `${method}() takes a whole number from ${least}`, { received: String(value) });
}

/** Samples as a batch: what they are made of, tensor by tensor. */
function stack(items: unknown[]): unknown {
  const [first] = items;
  if (typeof first === "number") return { data: Float32Array.from(items as number[]), shape: [items.length] };
  if (ArrayBuffer.isView(first)) {
    return join(items.map((item) => ({ data: item as TensorData, shape: [(item as TensorData).length] })));
  }
  if (typeof first === "object" && first !== null) {
    if (isTensor(first)) return join(items as Tensor[]);
    const keys = Object.keys(first);
    const stacked = keys.map((key) => [key, stack(items.map((item) => (item as Record<string, unknown>)[key]))]);
    return Array.isArray(first) ? stacked.map(([, value]) => value) : Object.fromEntries(stacked);
  }
  throw failure("invalid", "samples are { x, y } of tensors, typed arrays or numbers", { received: typeof first });
}

function join(tensors: Tensor[]): Tensor {
  const [first] = tensors as [Tensor, ...Tensor[]];
  const row = first.data.length;
  const data = arrayLike(first.data, tensors.length * row);
  tensors.forEach((tensor, i) => {
    if (tensor?.data?.length !== row || tensor.shape.join() !== first.shape.join()) {
      throw failure("shape-mismatch", "samples of different shapes do not make a batch", {
        expected: `[${first.shape.join(", ")}]`,
        received: `[${tensor?.shape?.join(", ")}]`,
      });
    }
    data.set(tensor.data, i * row);
  });
  return { data, shape: [tensors.length, ...first.shape] };
}
