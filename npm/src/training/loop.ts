// The steps themselves, where the engine lives: the page asks for many at a time.

import type { WasmModel } from "../wasm.js";
import type { Batches } from "./loader.js";

/** When to come back and report. */
export interface Limit {
  /** After so many steps. */
  steps: number;
  /** Or after so long, but never before one step. */
  milliseconds: number;
  /** Steps of this epoch so far. */
  from: number;
  /** Loss and metrics are read after the first step of every so many. */
  readEvery: number;
}

/** What was done. */
export interface Ran {
  /** Steps. */
  steps: number;
  /** Samples in them. */
  samples: number;
  /** There are no more batches. */
  done: boolean;
  /** Loss and metrics since they were last forgotten. */
  logs: { [name: string]: number };
}

/** Trains or evaluates batch after batch. */
export async function run(model: WasmModel, batches: Batches, limit: Limit, train: boolean): Promise<Ran> {
  const start = performance.now();
  let [steps, samples] = [0, 0];
  while (batches.more && steps < limit.steps && (steps === 0 || performance.now() - start < limit.milliseconds)) {
    const { size, x, y, weights } = batches.next();
    steps++;
    samples += size;
    const read = (limit.from + steps - 1) % limit.readEvery === 0;
    await (train ? model.trainOnBatch(x, y, weights, read) : model.testOnBatch(x, y, weights));
  }
  return { steps, samples, done: !batches.more, logs: model.logs() };
}
