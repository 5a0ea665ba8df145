// Normalisation, of activations and of inputs.

import type { Constraint } from "../constraints.js";
import type { Initializer } from "../initializers.js";
import type { Regularizer } from "../regularizers.js";
import type { LayerOptions } from "./arguments.js";
import { KerasLayer } from "./tensor.js";

/** A learnt scale and offset. */
export interface AffineOptions extends LayerOptions {
  /** Added to the variance. Default 0.001. */
  epsilon?: number;
  /** Adds `beta`. Default `true`. */
  center?: boolean;
  /** Multiplies by `gamma`. Default `true`. */
  scale?: boolean;
  /** Default `"zeros"`. */
  betaInitializer?: Initializer;
  /** Default `"ones"`. */
  gammaInitializer?: Initializer;
  /** Default: none. */
  betaRegularizer?: Regularizer;
  /** Default: none. */
  gammaRegularizer?: Regularizer;
  /** Default: none. */
  betaConstraint?: Constraint;
  /** Default: none. */
  gammaConstraint?: Constraint;
}

/** Options of `batchNormalization`. */
export interface BatchNormalizationOptions extends AffineOptions {
  /** The axis whose entries are normalised each for itself. Default -1: the channels. */
  axis?: number;
  /** How much of the moving statistics stays in each training step. Default 0.99. */
  momentum?: number;
  /** Default `"zeros"`. */
  movingMeanInitializer?: Initializer;
  /** Default `"ones"`. */
  movingVarianceInitializer?: Initializer;
}

/** Options of `layerNormalization`. */
export interface LayerNormalizationOptions extends AffineOptions {
  /** Axes that are normalised together. Default -1. */
  axis?: number | readonly number[];
}

/** Options of `groupNormalization`. */
export interface GroupNormalizationOptions extends AffineOptions {
  /** Groups of channels; -1 is one for each channel. Default 32. */
  groups?: number;
  /** The axis of the groups. Default -1. */
  axis?: number;
}

/** Options of `lrn`, TensorFlow's. */
export interface LrnOptions extends LayerOptions {
  /** Channels on either side. Default 5. */
  depthRadius?: number;
  /** Default 1. */
  bias?: number;
  /** Factor of the sum of squares, not divided by the size of the window. Default 1. */
  alpha?: number;
  /** Exponent. Default 0.5. */
  beta?: number;
}

/** Options of `normalization`. */
export interface NormalizationOptions extends LayerOptions {
  /** Axes whose entries have statistics of their own. Default -1. */
  axis?: number | readonly number[];
  /** Means to subtract. */
  mean: number | ArrayLike<number>;
  /** Variances by whose root to divide. */
  variance: number | ArrayLike<number>;
  /** The other way round. Default `false`. */
  invert?: boolean;
}

/** Options of `rescaling`. */
export interface RescalingOptions extends LayerOptions {
  /** Factor; one for each channel may be given. */
  scale: number | ArrayLike<number>;
  /** Added afterwards. Default 0. */
  offset?: number | ArrayLike<number>;
}

/** Normalises by the batch's statistics in training, by moving ones otherwise and where the layer is frozen. */
export const batchNormalization = (options: BatchNormalizationOptions = {}): KerasLayer =>
  new KerasLayer("BatchNormalization", options);
/** Normalises each sample over the given axes. */
export const layerNormalization = (options: LayerNormalizationOptions = {}): KerasLayer =>
  new KerasLayer("LayerNormalization", options);
/** Normalises each sample over groups of channels. */
export const groupNormalization = (options: GroupNormalizationOptions = {}): KerasLayer =>
  new KerasLayer("GroupNormalization", options);
/** Divides by the Euclidean norm along `axis`, by default the last. */
export const unitNormalization = (options: LayerOptions & { axis?: number | readonly number[] } = {}): KerasLayer =>
  new KerasLayer("UnitNormalization", options);
/** AlexNet's local response normalisation. */
export const lrn = (options: LrnOptions = {}): KerasLayer => new KerasLayer("LRN", options);
/** `(x - mean) / sqrt(variance)` with fixed numbers. */
export const normalization = (options: NormalizationOptions): KerasLayer => new KerasLayer("Normalization", options);
/** `x * scale + offset` with fixed numbers: pixels as the network wants them. */
export const rescaling = (options: RescalingOptions): KerasLayer => new KerasLayer("Rescaling", options);
