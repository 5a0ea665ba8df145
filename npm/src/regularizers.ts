// Penalties on weights, added to the loss in training.

import { Spec } from "./layers/arguments.js";

/** A regularizer with arguments. */
export type RegularizerSpec = Spec<"regularizer">;

/** A regularizer by name (factor 0.01), or one of `regularizers` with arguments. */
export type Regularizer = "l1" | "l2" | "l1L2" | RegularizerSpec;

const make = (className: string, config: object): RegularizerSpec => new Spec("regularizer", className, config);

/** `l1` (0.01) times the sum of absolute values. */
export const l1 = (options: { l1?: number } = {}): RegularizerSpec => make("L1", options);
/** `l2` (0.01) times the sum of squares. */
export const l2 = (options: { l2?: number } = {}): RegularizerSpec => make("L2", options);
/** Both; a factor that is not given is 0. */
export const l1L2 = (options: { l1?: number; l2?: number } = {}): RegularizerSpec => make("L1L2", options);
