// Layers that make one tensor of several: `add().apply([a, b])`.

import type { LayerOptions } from "./arguments.js";
import { KerasLayer } from "./tensor.js";

/** Options of `dot`. */
export interface DotOptions extends LayerOptions {
  /** The axis of both, or of each, that is summed over. */
  axes: number | readonly [number, number];
  /** Divides by the norms: the cosine of the angle. Default `false`. */
  normalize?: boolean;
}

/** The sum. */
export const add = (options: LayerOptions = {}): KerasLayer => new KerasLayer("Add", options);
/** The first minus the second. */
export const subtract = (options: LayerOptions = {}): KerasLayer => new KerasLayer("Subtract", options);
/** The product, element by element. */
export const multiply = (options: LayerOptions = {}): KerasLayer => new KerasLayer("Multiply", options);
/** The mean. */
export const average = (options: LayerOptions = {}): KerasLayer => new KerasLayer("Average", options);
/** The larger, element by element. */
export const maximum = (options: LayerOptions = {}): KerasLayer => new KerasLayer("Maximum", options);
/** The smaller, element by element. */
export const minimum = (options: LayerOptions = {}): KerasLayer => new KerasLayer("Minimum", options);
/** One after the other along `axis`, by default the last. */
export const concatenate = (options: LayerOptions & { axis?: number } = {}): KerasLayer =>
  new KerasLayer("Concatenate", options);
/** Products of vectors along an axis of each. */
export const dot = (options: DotOptions): KerasLayer => new KerasLayer("Dot", options);
