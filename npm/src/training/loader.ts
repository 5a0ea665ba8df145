// Batches out of arrays, where the engine lives.

import type { TensorInfo } from "../types.js";
import { permutation, uniform } from "./random.js";
import { arrayLike, type Column, type Samples } from "./samples.js";

/** How an array is gone through. */
export interface Round {
  /** Samples in a batch; the last may be smaller. */
  batchSize: number;
  /** Decides the order together with `round`; nothing keeps the order of the samples. */
  seed?: number;
  /** How often the samples were gone through before. */
  round: number;
}

/** Where batches come from. */
export interface Batches {
  /** There are more. */
  readonly more: boolean;
  /** The next. */
  next(): Samples;
}

/** Batches that are there already. */
export class BatchList implements Batches {
  readonly #list: readonly Samples[];
  #next = 0;

  constructor(list: readonly Samples[]) {
    this.#list = list;
  }

  get more(): boolean {
    return this.#next < this.#list.length;
  }

  next(): Samples {
    return this.#list[this.#next++] as Samples;
  }
}

/** Samples, batch by batch. Batches share memory: one is good until the next. */
export class Loader implements Batches {
  readonly #samples: Samples;
  readonly #inputs: readonly TensorInfo[];
  /** Memory of a whole batch, by column. */
  readonly #memory = new Map<Column, Column["data"]>();
  #order: Uint32Array | undefined;
  #batchSize = 1;
  #next = 0;

  constructor(samples: Samples, inputs: readonly TensorInfo[]) {
    this.#samples = samples;
    this.#inputs = inputs;
  }

  /** Begins anew. */
  begin({ batchSize, seed, round }: Round): void {
    if (batchSize !== this.#batchSize) this.#memory.clear();
    this.#batchSize = batchSize;
    this.#order = seed === undefined ? undefined : permutation(this.#samples.size, uniform(seed, round));
    this.#next = 0;
  }

  get more(): boolean {
    return this.#next < this.#samples.size;
  }

  next(): Samples {
    const { size, x, y, weights } = this.#samples;
    const [start, end] = [this.#next, Math.min(this.#next + this.#batchSize, size)];
    this.#next = end;
    const part = (column: Column, float = false) => this.#part(column, start, end, float);
    return {
      size: end - start,
      x: x.map((column, i) => part(column, this.#inputs[i]?.dtype === "float32")),
      y: y.map((column) => column && part(column)),
      weights: weights.map((column) => column && part(column)),
    };
  }

  #part(column: Column, start: number, end: number, float: boolean): Column {
    const { data, shape } = column;
    const row = data.length / this.#samples.size;
    const dims = [end - start, ...shape.slice(1)];
    const same = !float || data instanceof Float32Array;
    const order = this.#order;
    if (!order && same) return { data: data.subarray(start * row, end * row), shape: dims };
    let memory = this.#memory.get(column);
    if (!memory) {
      memory = same ? arrayLike(data, this.#batchSize * row) : new Float32Array(this.#batchSize * row);
      this.#memory.set(column, memory);
    }
    for (let i = start; i < end; i++) {
      const sample = order ? (order[i] as number) : i;
      memory.set(data.subarray(sample * row, (sample + 1) * row), (i - start) * row);
    }
    return { data: memory.subarray(0, (end - start) * row), shape: dims };
  }
}
