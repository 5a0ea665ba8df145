// Noise in training; without effect otherwise.

import type { LayerOptions } from "./arguments.js";
import { KerasLayer } from "./tensor.js";

/** Options of dropout. */
export interface DropoutOptions extends LayerOptions {
  /** Share that is dropped, 0 to 1. */
  rate: number;
  /** Makes the draws the same each time. */
  seed?: number;
}

/** Options of `dropout` itself. */
export interface ElementDropoutOptions extends DropoutOptions {
  /** 1 where one draw serves the whole axis, `null` for the input's size. */
  noiseShape?: readonly (number | null)[];
}

/** Sets elements to 0, and makes up for it. */
export const dropout = (options: ElementDropoutOptions): KerasLayer => new KerasLayer("Dropout", options);
/** Drops whole channels of `[batch, steps, channels]`. */
export const spatialDropout1d = (options: DropoutOptions): KerasLayer => new KerasLayer("SpatialDropout1D", options);
/** Drops whole channels of images. */
export const spatialDropout2d = (options: DropoutOptions): KerasLayer => new KerasLayer("SpatialDropout2D", options);
/** Drops whole channels of volumes. */
export const spatialDropout3d = (options: DropoutOptions): KerasLayer => new KerasLayer("SpatialDropout3D", options);
/** Adds a bell curve of width `stddev`. */
export const gaussianNoise = (options: LayerOptions & { stddev: number; seed?: number }): KerasLayer =>
  new KerasLayer("GaussianNoise", options);
/** Multiplies by a bell curve about 1, of width `sqrt(rate / (1 - rate))`. */
export const gaussianDropout = (options: DropoutOptions): KerasLayer => new KerasLayer("GaussianDropout", options);
/** Dropout for SELU: keeps mean and variance. */
export const alphaDropout = (options: ElementDropoutOptions): KerasLayer => new KerasLayer("AlphaDropout", options);
/** Penalises its input in the loss; `l1` and `l2` are factors, 0 by default. */
export const activityRegularization = (options: LayerOptions & { l1?: number; l2?: number } = {}): KerasLayer =>
  new KerasLayer("ActivityRegularization", options);
