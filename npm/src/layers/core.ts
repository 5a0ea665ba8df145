// Dense layers and activations.

import type { Constraint } from "../constraints.js";
import type { Initializer } from "../initializers.js";
import type { Regularizer } from "../regularizers.js";
import type { Activation, LayerOptions } from "./arguments.js";
import type { KernelOptions } from "./conv.js";
import { KerasLayer } from "./tensor.js";

/** Options of `dense`. */
export interface DenseOptions extends KernelOptions {
  /** Size of the result's last dimension. */
  units: number;
}

/** Options of `activation`. */
export interface ActivationOptions extends LayerOptions {
  /** The function. */
  activation: Activation;
}

/** Options of `reLU`. */
export interface ReLUOptions extends LayerOptions {
  /** Largest result. Default: none. */
  maxValue?: number;
  /** Slope below the threshold. Default 0. */
  negativeSlope?: number;
  /** Values up to it are cut. Default 0. */
  threshold?: number;
}

/** Options of `prelu`. */
export interface PReLUOptions extends LayerOptions {
  /** First slopes. Default `"zeros"`. */
  alphaInitializer?: Initializer;
  /** Default: none. */
  alphaRegularizer?: Regularizer;
  /** Default: none. */
  alphaConstraint?: Constraint;
  /** Axes along which one slope serves all: `[1, 2]` for one slope per channel of an image. */
  sharedAxes?: readonly number[];
}

/** Options of `rbf`. */
export interface RbfOptions extends LayerOptions {
  /** Number of centres. */
  units: number;
  /** Squared distances. Default `false`. */
  squared?: boolean;
  /** First centres. */
  centersInitializer?: Initializer;
}

/** A matrix product over the last dimension, a bias, an activation. */
export const dense = (options: DenseOptions): KerasLayer => new KerasLayer("Dense", options);
/** An activation function: `activation("relu")`. */
export const activation = (options: Activation | ActivationOptions): KerasLayer =>
  new KerasLayer("Activation", typeof options === "string" ? { activation: options } : options);
/** `max(x, 0)`, with a slope, a threshold and a limit if need be. */
export const reLU = (options: ReLUOptions = {}): KerasLayer => new KerasLayer("ReLU", options);
/** A fixed slope for negative values; 0.3 by default (the activation `"leakyRelu"` has 0.2). */
export const leakyReLU = (options: LayerOptions & { negativeSlope?: number } = {}): KerasLayer =>
  new KerasLayer("LeakyReLU", options);
/** A learnt slope for negative values. */
export const prelu = (options: PReLUOptions = {}): KerasLayer => new KerasLayer("PReLU", options);
/** `alpha * (exp(x) - 1)` for negative values; `alpha` is 1 by default. */
export const elu = (options: LayerOptions & { alpha?: number } = {}): KerasLayer => new KerasLayer("ELU", options);
/** Softmax along `axis`, by default the last. */
export const softmax = (options: LayerOptions & { axis?: number | readonly number[] } = {}): KerasLayer =>
  new KerasLayer("Softmax", options);
/** Distances to learnt centres: LeNet-5's last layer. */
export const rbf = (options: RbfOptions): KerasLayer => new KerasLayer("RBF", options);
