// What training is judged by: Keras' metrics.

import { Spec } from "../layers/arguments.js";

/** A metric with arguments. */
export type MetricSpec = Spec<"metric">;

/** A metric by name, or one of `metrics` with arguments. `accuracy` chooses by the shape of the labels. */
export type Metric =
  | "accuracy"
  | "binaryAccuracy"
  | "categoricalAccuracy"
  | "sparseCategoricalAccuracy"
  | "meanSquaredError"
  | "mse"
  | "rootMeanSquaredError"
  | "rmse"
  | "meanAbsoluteError"
  | "mae"
  | "meanAbsolutePercentageError"
  | "mape"
  | "meanSquaredLogarithmicError"
  | "msle"
  | "logCoshError"
  | "cosineSimilarity"
  | "klDivergence"
  | "poisson"
  | "hinge"
  | "squaredHinge"
  | "categoricalHinge"
  | "binaryCrossentropy"
  | "categoricalCrossentropy"
  | "sparseCategoricalCrossentropy"
  | "precision"
  | "recall"
  | "auc"
  | "f1Score"
  | "r2Score"
  | "truePositives"
  | "falsePositives"
  | "trueNegatives"
  | "falseNegatives"
  | MetricSpec;

/** Options that every metric has. */
export interface MetricOptions {
  /** Its name in the logs. */
  name?: string;
}

/** Options of metrics that count what is above a threshold. */
export interface ThresholdOptions extends MetricOptions {
  /** One (0.5) or several. */
  thresholds?: number | readonly number[];
  /** Only the best so many outputs count as positive. */
  topK?: number;
  /** Only this class. */
  classId?: number;
}

/** Options of the overlaps of classes. */
export interface OverlapOptions extends MetricOptions {
  /** Number of classes. */
  numClasses: number;
  /** Labels are one-hot. Default: class numbers. */
  sparseYTrue?: boolean;
  /** Outputs are class numbers. Default: scores for each class, as training has them. */
  sparseYPred?: boolean;
  /** Labels of this class do not count. */
  ignoreClass?: number;
  /** The axis of the classes. Default -1. */
  axis?: number;
}

const make = (className: string, { name, ...options }: MetricOptions = {}): MetricSpec =>
  new Spec("metric", className, name === undefined ? options : { ...options, name });

/** How often label and output are equal. */
export const accuracy = (options?: MetricOptions): MetricSpec => make("Accuracy", options);
/** How often outputs are on the right side of `threshold` (0.5). */
export const binaryAccuracy = (options?: MetricOptions & { threshold?: number }): MetricSpec =>
  make("BinaryAccuracy", options);
/** How often the largest output is where the one-hot label is. */
export const categoricalAccuracy = (options?: MetricOptions): MetricSpec => make("CategoricalAccuracy", options);
/** How often the largest output is the class. */
export const sparseCategoricalAccuracy = (options?: MetricOptions): MetricSpec =>
  make("SparseCategoricalAccuracy", options);
/** How often the label is among the `k` (5) largest outputs. */
export const topKCategoricalAccuracy = (options?: MetricOptions & { k?: number }): MetricSpec =>
  make("TopKCategoricalAccuracy", options);
/** How often the class is among the `k` (5) largest outputs. */
export const sparseTopKCategoricalAccuracy = (options?: MetricOptions & { k?: number }): MetricSpec =>
  make("SparseTopKCategoricalAccuracy", options);
/** The mean of `(y - p)^2`. */
export const meanSquaredError = (options?: MetricOptions): MetricSpec => make("MeanSquaredError", options);
/** The root of {@link meanSquaredError} over all samples. */
export const rootMeanSquaredError = (options?: MetricOptions): MetricSpec => make("RootMeanSquaredError", options);
/** The mean of `|y - p|`. */
export const meanAbsoluteError = (options?: MetricOptions): MetricSpec => make("MeanAbsoluteError", options);
/** How much of the spread is explained; at most 1. */
export const r2Score = (
  options?: MetricOptions & { classAggregation?: "uniformAverage" | "varianceWeightedAverage" },
): MetricSpec => make("R2Score", options);
/** The mean cosine of the angle between labels and outputs. */
export const cosineSimilarity = (options?: MetricOptions & { axis?: number }): MetricSpec =>
  make("CosineSimilarity", options);
/** The cross-entropy of labels 0 and 1. */
export const binaryCrossentropy = (
  options?: MetricOptions & { fromLogits?: boolean; labelSmoothing?: number },
): MetricSpec => make("BinaryCrossentropy", options);
/** The cross-entropy of one-hot labels. */
export const categoricalCrossentropy = (
  options?: MetricOptions & { fromLogits?: boolean; labelSmoothing?: number; axis?: number },
): MetricSpec => make("CategoricalCrossentropy", options);
/** The cross-entropy of class numbers. */
export const sparseCategoricalCrossentropy = (
  options?: MetricOptions & { fromLogits?: boolean; ignoreClass?: number },
): MetricSpec => make("SparseCategoricalCrossentropy", options);
/** Which part of what was called positive is so. */
export const precision = (options?: ThresholdOptions): MetricSpec => make("Precision", options);
/** Which part of what is positive was called so. */
export const recall = (options?: ThresholdOptions): MetricSpec => make("Recall", options);
/** Positives that were found. */
export const truePositives = (options?: MetricOptions & { thresholds?: number | readonly number[] }): MetricSpec =>
  make("TruePositives", options);
/** Negatives that were called positive. */
export const falsePositives = (options?: MetricOptions & { thresholds?: number | readonly number[] }): MetricSpec =>
  make("FalsePositives", options);
/** Negatives that were called so. */
export const trueNegatives = (options?: MetricOptions & { thresholds?: number | readonly number[] }): MetricSpec =>
  make("TrueNegatives", options);
/** Positives that were not found. */
export const falseNegatives = (options?: MetricOptions & { thresholds?: number | readonly number[] }): MetricSpec =>
  make("FalseNegatives", options);
/** The area under the ROC curve, or under that of precision and recall. */
export const auc = (
  options?: MetricOptions & {
    numThresholds?: number;
    curve?: "ROC" | "PR";
    summationMethod?: "interpolation" | "majoring" | "minoring";
    multiLabel?: boolean;
    numLabels?: number;
    labelWeights?: readonly number[];
    fromLogits?: boolean;
  },
): MetricSpec => make("AUC", options);
/** The harmonic mean of precision and recall, for one-hot labels. */
export const f1Score = (
  options?: MetricOptions & { average?: "micro" | "macro" | "weighted" | null; threshold?: number },
): MetricSpec => make("F1Score", options);
/** {@link f1Score} in which recall counts `beta` times as much. */
export const fBetaScore = (
  options?: MetricOptions & { average?: "micro" | "macro" | "weighted" | null; beta?: number; threshold?: number },
): MetricSpec => make("FBetaScore", options);
/** Recall where specificity is at least this. */
export const sensitivityAtSpecificity = (
  options: MetricOptions & { specificity: number; numThresholds?: number },
): MetricSpec => make("SensitivityAtSpecificity", options);
/** Specificity where recall is at least this. */
export const specificityAtSensitivity = (
  options: MetricOptions & { sensitivity: number; numThresholds?: number },
): MetricSpec => make("SpecificityAtSensitivity", options);
/** Precision where recall is at least this. */
export const precisionAtRecall = (options: MetricOptions & { recall: number; numThresholds?: number }): MetricSpec =>
  make("PrecisionAtRecall", options);
/** Recall where precision is at least this. */
export const recallAtPrecision = (options: MetricOptions & { precision: number; numThresholds?: number }): MetricSpec =>
  make("RecallAtPrecision", options);
/** The mean overlap (intersection over union) of all classes: segmentation's measure. */
export const meanIoU = ({ sparseYPred = false, ...options }: OverlapOptions): MetricSpec =>
  make("MeanIoU", { ...options, sparseYPred } as MetricOptions);
/** The mean overlap of some classes. */
export const iou = ({
  sparseYPred = false,
  ...options
}: OverlapOptions & { targetClassIds: readonly number[] }): MetricSpec =>
  make("IoU", { ...options, sparseYPred } as MetricOptions);
