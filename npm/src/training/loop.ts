// The steps themselves, where the engine lives: the page asks for many at a time.

import type { WasmAugmenter, WasmModel } from "../wasm.js";
import type { Batches } from "./loader.js";
import type { Column, Samples } from "./samples.js";

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
  /** Changes the pictures of the first input. */
  augmenter?: number | undefined;
  /** Samples of this training so far. */
  seen: number;
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
export async function run(
  model: WasmModel,
  batches: Batches,
  limit: Limit,
  train: boolean,
  augmenter?: WasmAugmenter,
): Promise<Ran> {
  const start = performance.now();
  let [steps, samples] = [0, 0];
  while (batches.more && steps < limit.steps && (steps === 0 || performance.now() - start < limit.milliseconds)) {
    const batch = batches.next();
    const { size, x, y, weights } = augmenter ? augmented(batch, augmenter, limit.seen + samples) : batch;
    steps++;
    samples += size;
    const read = (limit.from + steps - 1) % limit.readEvery === 0;
    await (train ? model.trainOnBatch(x, y, weights, read) : model.testOnBatch(x, y, weights));
  }
  return { steps, samples, done: !batches.more, logs: model.logs() };
}

/** The batch with other pictures; labels of their pixels, `[batch, height, width]` or with a channel, move along. */
function augmented(batch: Samples, augmenter: WasmAugmenter, first: number): Samples {
  const [pictures, ...more] = batch.x as [Column, ...Column[]];
  const at = batch.y.findIndex((labels) => labels !== undefined && isMap(labels, pictures));
  const maps = batch.y[at];
  const numbers = maps && { data: Float32Array.from(maps.data), shape: maps.shape };
  const [changed, moved] = augmenter.apply(pictures, numbers, first) as [Column, Column | undefined];
  return { ...batch, x: [changed, ...more], y: batch.y.map((labels, i) => (i === at ? moved : labels)) };
}

function isMap({ shape }: Column, pictures: Column): boolean {
  const [, height, width, channels = 1] = shape;
  return shape.length >= 3 && channels === 1 && height === pictures.shape[1] && width === pictures.shape[2];
}
