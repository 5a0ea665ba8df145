// What training makes small: Keras' losses.

import { Spec } from "../layers/arguments.js";

/** A loss with arguments. */
export type LossSpec = Spec<"loss">;

/** A loss by name, or one of `losses` with arguments. `crossentropy` chooses by the shape of the labels. */
export type Loss =
  | "meanSquaredError"
  | "mse"
  | "meanAbsoluteError"
  | "mae"
  | "meanAbsolutePercentageError"
  | "mape"
  | "meanSquaredLogarithmicError"
  | "msle"
  | "cosineSimilarity"
  | "huber"
  | "logCosh"
  | "klDivergence"
  | "poisson"
  | "hinge"
  | "squaredHinge"
  | "categoricalHinge"
  | "binaryCrossentropy"
  | "binaryFocalCrossentropy"
  | "categoricalCrossentropy"
  | "categoricalFocalCrossentropy"
  | "sparseCategoricalCrossentropy"
  | "crossentropy"
  | "dice"
  | "tversky"
  | LossSpec;

/** Options that every loss has. */
export interface LossOptions {
  /** What becomes of the samples' values. Default `"sumOverBatchSize"`: their mean. */
  reduction?: "sumOverBatchSize" | "sum" | "meanWithSampleWeight";
}

/** Options of cross-entropies. */
export interface CrossentropyOptions extends LossOptions {
  /** The network's outputs are logits, not probabilities. Default `false`; a softmax or sigmoid at the end is seen through. */
  fromLogits?: boolean;
  /** Moves labels this far towards equal shares. Default 0. */
  labelSmoothing?: number;
  /** The axis of the classes. Default -1. */
  axis?: number;
}

const make = (className: string, options: object = {}): LossSpec => new Spec("loss", className, options);

/** The mean of `(y - p)^2`. */
export const meanSquaredError = (options?: LossOptions): LossSpec => make("MeanSquaredError", options);
/** The mean of `|y - p|`. */
export const meanAbsoluteError = (options?: LossOptions): LossSpec => make("MeanAbsoluteError", options);
/** The mean of `100 |y - p| / |y|`. */
export const meanAbsolutePercentageError = (options?: LossOptions): LossSpec =>
  make("MeanAbsolutePercentageError", options);
/** The mean of `(log(y + 1) - log(p + 1))^2`. */
export const meanSquaredLogarithmicError = (options?: LossOptions): LossSpec =>
  make("MeanSquaredLogarithmicError", options);
/** Minus the cosine of the angle between labels and outputs. */
export const cosineSimilarity = (options?: LossOptions & { axis?: number }): LossSpec =>
  make("CosineSimilarity", options);
/** Squares up to `delta` (1), lines beyond. */
export const huber = (options?: LossOptions & { delta?: number }): LossSpec => make("Huber", options);
/** The logarithm of the hyperbolic cosine. */
export const logCosh = (options?: LossOptions): LossSpec => make("LogCosh", options);
/** Kullback and Leibler's divergence. */
export const klDivergence = (options?: LossOptions): LossSpec => make("KLDivergence", options);
/** `p - y log p`. */
export const poisson = (options?: LossOptions): LossSpec => make("Poisson", options);
/** `max(0, 1 - y p)`, labels -1 and 1 (or 0 and 1). */
export const hinge = (options?: LossOptions): LossSpec => make("Hinge", options);
/** The square of {@link hinge}. */
export const squaredHinge = (options?: LossOptions): LossSpec => make("SquaredHinge", options);
/** How much the best wrong class is ahead. */
export const categoricalHinge = (options?: LossOptions): LossSpec => make("CategoricalHinge", options);
/** For labels 0 and 1. */
export const binaryCrossentropy = (options?: CrossentropyOptions): LossSpec => make("BinaryCrossentropy", options);
/** {@link binaryCrossentropy} in which easy samples weigh little (Lin et al. 2017). */
export const binaryFocalCrossentropy = (
  options?: CrossentropyOptions & { applyClassBalancing?: boolean; alpha?: number; gamma?: number },
): LossSpec => make("BinaryFocalCrossentropy", options);
/** For one-hot labels. */
export const categoricalCrossentropy = (options?: CrossentropyOptions): LossSpec =>
  make("CategoricalCrossentropy", options);
/** {@link categoricalCrossentropy} in which easy samples weigh little. */
export const categoricalFocalCrossentropy = (
  options?: CrossentropyOptions & { alpha?: number | readonly number[]; gamma?: number },
): LossSpec => make("CategoricalFocalCrossentropy", options);
/** For labels that are class numbers; those of `ignoreClass` do not count. */
export const sparseCategoricalCrossentropy = (
  options?: LossOptions & { fromLogits?: boolean; ignoreClass?: number },
): LossSpec => make("SparseCategoricalCrossentropy", options);
/** Between the cross-entropy (`q` towards 0) and the absolute error (1), for wrong labels; class numbers. */
export const categoricalGeneralizedCrossEntropy = (options?: LossOptions & { q?: number }): LossSpec =>
  make("CategoricalGeneralizedCrossEntropy", options);
/** 1 minus Dice's overlap, for segmentation. */
export const dice = (options?: LossOptions & { axis?: number | readonly number[] }): LossSpec => make("Dice", options);
/** {@link dice} with weights for false positives (`alpha`, 0.5) and negatives (`beta`, 0.5). */
export const tversky = (
  options?: LossOptions & { alpha?: number; beta?: number; axis?: number | readonly number[] },
): LossSpec => make("Tversky", options);
/** 1 minus the overlap of boxes, two opposite corners each. */
export const iou = (options?: LossOptions): LossSpec => make("IoULoss", options);
/** {@link iou} that tells how far boxes are apart, too (Rezatofighi et al. 2019). */
export const giou = (options?: LossOptions): LossSpec => make("GIoULoss", options);
/** {@link iou} with the distance of the centres (Zheng et al. 2020). */
export const diou = (options?: LossOptions): LossSpec => make("DIoULoss", options);
/** {@link diou} with the aspect ratio. */
export const ciou = (options?: LossOptions): LossSpec => make("CIoULoss", options);
