// What the page hands to the engine to train on: arrays, which lie there for the whole of a fit, or batches as a dataset
// makes them.

import { failure } from "../errors.js";
import type { ModelHandle } from "../host.js";
import type { Life } from "../life.js";
import type { TensorInfo } from "../types.js";
import { Dataset } from "./dataset.js";
import type { Ran } from "./loop.js";
import { type ClassWeight, type Samples, samplesOf, type TrainingData } from "./samples.js";

/** A model in a life of the engine. */
export interface Place {
  life: Life;
  handle: ModelHandle;
}

/** How many steps to run. */
export interface Chunk {
  /** Train, or evaluate. */
  train: boolean;
  /** At most so many steps. */
  steps: number;
  /** Steps of this epoch so far. */
  from: number;
  readEvery: number;
  /** Samples of this training so far, which number the augmentations. */
  seen: number;
  augmenter?: number | undefined;
}

/** Batches of one round after the other. */
export interface Feed {
  /** Steps of a round, if they are known. */
  readonly steps: number | undefined;
  /** Begins a round. */
  begin(place: Place): Promise<void>;
  /** Runs some of its steps. */
  run(place: Place, chunk: Chunk): Promise<Ran>;
  /** Lets go of everything. */
  close(): void;
}

/** How long a worker is left to itself: the page learns of its progress, and may stop it, about that often. */
const STRETCH = 100;
/** At most so many batches of a dataset travel at once. */
const BATCHES = 64;

/** What to do with the samples. */
export interface FeedOptions {
  batchSize: number;
  /** Another order each round. */
  seed?: number | undefined;
  /** Counts the rounds. */
  rounds?: { count: number };
  classWeight?: ClassWeight | undefined;
}

/** A feed of what a person gives to `fit` or `evaluate`. */
export function feedOf(
  data: TrainingData | Dataset | Samples,
  inputs: readonly TensorInfo[],
  outputs: readonly TensorInfo[],
  options: FeedOptions,
): Feed {
  if (!(options.batchSize >= 1)) {
    throw failure("invalid", "`batchSize` is a number from 1", { received: String(options.batchSize) });
  }
  const read = (given: TrainingData) => samplesOf(given, inputs, outputs, options.classWeight);
  if (data instanceof Dataset) {
    const batched = data.batched ? data : data.batch(options.batchSize);
    return new DatasetFeed(batched, read);
  }
  return new ArrayFeed("size" in data ? data : read(data), options);
}

/** In a worker for a while; in place one step, since the page waits. */
const stretch = ({ life }: Place) => (life.info?.worker ? STRETCH : 0);

function ask({ life, handle }: Place, batches: number | Samples[], chunk: Chunk, milliseconds: number): Promise<Ran> {
  const { train, ...limits } = chunk;
  const limit = { ...limits, milliseconds };
  return life.call((host) => (train ? host.train(handle.id, batches, limit) : host.test(handle.id, batches, limit)));
}

class ArrayFeed implements Feed {
  readonly steps: number;
  readonly #samples: Samples;
  readonly #batchSize: number;
  readonly #seed: number | undefined;
  readonly #rounds: { count: number };
  #opened: { life: Life; id: number } | undefined;

  constructor(samples: Samples, { batchSize, seed, rounds }: FeedOptions) {
    if (samples.size === 0) throw failure("invalid", "there are no samples");
    this.#samples = samples;
    this.#batchSize = Math.floor(batchSize);
    this.#seed = seed;
    this.#rounds = rounds ?? { count: 0 };
    this.steps = Math.ceil(samples.size / this.#batchSize);
  }

  async begin({ life, handle }: Place): Promise<void> {
    if (!this.#opened) {
      const sent = life.handSamples([this.#samples]);
      this.#opened = { life, id: await life.call((host) => host.open(handle.id, sent)) };
    }
    const { id } = this.#opened;
    const round = { batchSize: this.#batchSize, round: this.#rounds.count++ };
    const seed = this.#seed;
    await life.call((host) => host.begin(id, seed === undefined ? round : { ...round, seed }));
  }

  run(place: Place, chunk: Chunk): Promise<Ran> {
    return ask(place, this.#opened?.id ?? -1, chunk, stretch(place));
  }

  close(): void {
    this.#opened?.life.shut(this.#opened.id);
    this.#opened = undefined;
  }
}

class DatasetFeed implements Feed {
  readonly steps: number | undefined;
  readonly #dataset: Dataset;
  readonly #read: (data: TrainingData) => Samples;
  #iterator: AsyncIterator<unknown> | undefined;
  /** Batches that were made while others ran. */
  #ahead: Promise<Samples[]> | undefined;
  #ended = false;
  /** Batches that travel at once, so that they last about as long as a stretch. */
  #count = 1;

  constructor(dataset: Dataset, read: (data: TrainingData) => Samples) {
    this.#dataset = dataset;
    this.#read = read;
    this.steps = dataset.size;
  }

  async begin(): Promise<void> {
    this.close();
    this.#ended = false;
    this.#iterator = this.#dataset[Symbol.asyncIterator]();
  }

  async run(place: Place, chunk: Chunk): Promise<Ran> {
    const start = performance.now();
    const batches = (await this.#ahead) ?? (await this.#collect(Math.min(this.#count, chunk.steps)));
    this.#ahead = undefined;
    if (batches.length === 0) return { steps: 0, samples: 0, done: true, logs: {} };
    // More may lie ready than are asked for.
    const [now, later] = [batches.slice(0, chunk.steps), batches.slice(chunk.steps)];
    const running = ask(place, place.life.handSamples(now), chunk, Number.POSITIVE_INFINITY);
    const more = later.length > 0 ? Promise.resolve(later) : this.#collect(this.#count);
    // Its error is that of the next call.
    more.catch(() => {});
    this.#ahead = more;
    const ran = await running;
    const each = (performance.now() - start) / now.length;
    this.#count = Math.max(1, Math.min(BATCHES, Math.round(stretch(place) / each)));
    return { ...ran, done: this.#ended && (await more).length === 0 };
  }

  close(): void {
    this.#ahead = undefined;
    void this.#iterator?.return?.()?.catch(() => {});
    this.#iterator = undefined;
  }

  async #collect(count: number): Promise<Samples[]> {
    const batches: Samples[] = [];
    while (batches.length < count && !this.#ended) {
      const result = await this.#iterator?.next();
      if (!result || result.done) this.#ended = true;
      else batches.push(this.#read(result.value as TrainingData));
    }
    return batches;
  }
}
