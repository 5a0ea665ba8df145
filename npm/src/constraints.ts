// What weights are forced into after every training step.

import { Spec } from "./layers/arguments.js";

/** A constraint with arguments. */
export type ConstraintSpec = Spec<"constraint">;

/** A constraint by name, or one of `constraints` with arguments. */
export type Constraint = "maxNorm" | "nonNeg" | "unitNorm" | "minMaxNorm" | ConstraintSpec;

const make = (className: string, config: object): ConstraintSpec => new Spec("constraint", className, config);

/** The axes that norms are taken over: 0 for dense layers, `[0, 1, 2]` for kernels of images. */
export interface NormAxis {
  /** Default 0. */
  axis?: number | readonly number[];
}

/** Norms over `axis` are at most `maxValue` (2). */
export const maxNorm = (options: NormAxis & { maxValue?: number } = {}): ConstraintSpec => make("MaxNorm", options);
/** Negative values become 0. */
export const nonNeg = (): ConstraintSpec => make("NonNeg", {});
/** Norms over `axis` are 1. */
export const unitNorm = (options: NormAxis = {}): ConstraintSpec => make("UnitNorm", options);
/** Norms over `axis` move between `minValue` (0) and `maxValue` (1), by `rate` (1) of the way. */
export const minMaxNorm = (
  options: NormAxis & { minValue?: number; maxValue?: number; rate?: number } = {},
): ConstraintSpec => make("MinMaxNorm", options);
