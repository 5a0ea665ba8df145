// The steps themselves, where the engine lives: the page asks for many at a time.

import type { WasmModel } from "../wasm.js";
import type { WasmAugmenter } from "./augmenter.js";
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

/** Augmentations, and the outputs whose labels are boxes, with the number of their form. */
export interface Augmenting {
  augmenter: WasmAugmenter;
  boxes: [output: number, form: number][];
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
  augmenting?: Augmenting,
): Promise<Ran> {
  const start = performance.now();
  let [steps, samples] = [0, 0];
  while (batches.more && steps < limit.steps && (steps === 0 || performance.now() - start < limit.milliseconds)) {
    const batch = batches.next();
    const { size, x, y, weights } = augmenting ? augmented(batch, augmenting, limit.seen + samples) : batch;
    steps++;
    samples += size;
    const read = (limit.from + steps - 1) % limit.readEvery === 0;
    await (train ? model.trainOnBatch(x, y, weights, read) : model.testOnBatch(x, y, weights));
  }
  return { steps, samples, done: !batches.more, logs: model.logs() };
}

/**
 * The batch with other pictures. Labels of their pixels, `[batch, height, width]` or with a channel, move along, and so do boxes;
 * a sample whose only box has left the picture no longer counts for that output.
 */
function augmented(batch: Samples, { augmenter, boxes }: Augmenting, first: number): Samples {
  const [pictures, ...more] = batch.x as [Column, ...Column[]];
  const boxed = boxes.filter(([output]) => batch.y[output]);
  const isBoxes = (at: number) => boxed.some(([output]) => output === at);
  const at = batch.y.findIndex((labels, i) => labels !== undefined && !isBoxes(i) && isMap(labels, pictures));
  const floats = (column: Column | undefined) =>
    column && { data: Float32Array.from(column.data), shape: column.shape };
  const given = boxed.map(([output]) => floats(batch.y[output]) as Column);
  const forms = Uint8Array.from(boxed, ([, form]) => form);
  const [changed, moved, places, kept] = augmenter.apply(pictures, floats(batch.y[at]), given, forms, first);
  const [y, weights] = [[...batch.y], [...batch.weights]];
  if (at >= 0) y[at] = moved as Column;
  for (const [i, [output]] of boxed.entries()) {
    y[output] = places[i] as Column;
    const there = kept.subarray(i * batch.size, (i + 1) * batch.size);
    if (there.includes(0)) weights[output] = times(weights[output], there);
  }
  return { ...batch, x: [changed as Column, ...more], y, weights };
}

/** Sample weights, or ones, but 0 for what is not there. */
function times(weights: Column | undefined, there: Uint8Array): Column {
  if (!weights) return { data: Float32Array.from(there), shape: [there.length] };
  const each = weights.data.length / there.length;
  const data = Float32Array.from(weights.data, (weight, i) => weight * (there[Math.floor(i / each)] ?? 1));
  return { data, shape: weights.shape };
}

function isMap({ shape }: Column, pictures: Column): boolean {
  const [, height, width, channels = 1] = shape;
  return shape.length >= 3 && channels === 1 && height === pictures.shape[1] && width === pictures.shape[2];
}
