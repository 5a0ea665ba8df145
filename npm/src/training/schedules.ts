// Learning rates that change with the steps: Keras' schedules.

import { Spec } from "../layers/arguments.js";

/** A learning rate that changes with the steps. */
export type Schedule = Spec<"schedule">;

const make = (className: string, options: object): Schedule => new Spec("schedule", className, options);

/** Options of schedules that fall from a first rate. */
export interface DecayOptions {
  /** The rate of the first step. */
  initialLearningRate: number;
  /** Steps that the fall takes. */
  decaySteps: number;
}

/** Options of a fall by a rate. */
export interface RateOptions extends DecayOptions {
  /** How fast it falls. */
  decayRate: number;
  /** Falls at once after every `decaySteps`. */
  staircase?: boolean;
}

/** `initialLearningRate * decayRate ^ (step / decaySteps)`. */
export const exponentialDecay = (options: RateOptions): Schedule => make("ExponentialDecay", options);
/** `initialLearningRate / (1 + decayRate * step / decaySteps)`. */
export const inverseTimeDecay = (options: RateOptions): Schedule => make("InverseTimeDecay", options);
/** Falls to `endLearningRate` (0.0001) by a `power` (1: a line). */
export const polynomialDecay = (
  options: DecayOptions & { endLearningRate?: number; power?: number; cycle?: boolean },
): Schedule => make("PolynomialDecay", options);
/** Half a cosine down to `alpha` (0) times the first rate; with a warm-up to `warmupTarget` before. */
export const cosineDecay = (
  options: DecayOptions & { alpha?: number; warmupTarget?: number; warmupSteps?: number },
): Schedule => make("CosineDecay", options);
/** Cosines one after the other, each `tMul` (2) times as long and `mMul` (1) times as high. */
export const cosineDecayRestarts = (options: {
  initialLearningRate: number;
  firstDecaySteps: number;
  tMul?: number;
  mMul?: number;
  alpha?: number;
}): Schedule => make("CosineDecayRestarts", options);
/** `values[i]` up to and with step `boundaries[i]`; one value more than boundaries. */
export const piecewiseConstantDecay = (options: {
  boundaries: readonly number[];
  values: readonly number[];
}): Schedule => make("PiecewiseConstantDecay", options);
/** Smith's one-cycle policy: up to `maxRate` over the first half, down over the second, then to nearly nothing. */
export const oneCycle = (options: {
  iterations: number;
  maxRate: number;
  startRate?: number;
  lastIterations?: number;
  lastRate?: number;
  momentum?: readonly [atStart: number, atMiddle: number];
}): Schedule => make("OneCycle", options);
