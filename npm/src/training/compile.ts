// What a model is trained for, as JSON for the Rust side, which checks it.

import { type Json, Spec, snake } from "../layers/arguments.js";
import type { Loss } from "./losses.js";
import type { Metric } from "./metrics.js";
import type { Optimizer } from "./optimizers.js";

/** One value for the only output; for several a list, or an object by the outputs' names. */
export type PerOutput<T> = T | readonly (T | null)[] | { readonly [output: string]: T | null };

/** Metrics of every output; of each, as a list of lists or an object by the outputs' names. */
export type Metrics =
  | Metric
  | readonly Metric[]
  | readonly (readonly Metric[] | null)[]
  | { readonly [output: string]: Metric | readonly Metric[] | null };

/** Arguments of Keras' `compile`. */
export interface CompileOptions {
  /** How weights learn. Default `"rmsprop"`. */
  optimizer?: Optimizer;
  /** What is made small. */
  loss: PerOutput<Loss>;
  /** How much each output's loss counts. Default 1. */
  lossWeights?: PerOutput<number>;
  /** What else is measured; sample weights do not count. */
  metrics?: Metrics;
  /** What else is measured with sample weights. */
  weightedMetrics?: Metrics;
  /**
   * Steps in less memory: activations that are cheap to have again (batch normalisation, ReLU, pooling, sums) are computed once
   * more for the gradients, not kept. Weights become the same, bit for bit. Default `false`.
   */
  recompute?: boolean;
}

/** The arguments in Keras' spelling; names of outputs stay as they are. */
export function compileJson(options: CompileOptions): string {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return JSON.stringify(Object.fromEntries(entries.map(([key, value]) => [snake(key), plain(value)])));
}

function plain(value: unknown): Json {
  if (typeof value === "string") return /^[a-z][A-Za-z0-9]*$/.test(value) ? snake(value) : value;
  if (value instanceof Spec) return value.toJSON();
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item)]));
  }
  return value as Json;
}
