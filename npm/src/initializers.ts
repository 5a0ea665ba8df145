// How weights begin: Keras' initializers, seeded by the model.

import { Spec } from "./layers/arguments.js";

/** An initializer with arguments. */
export type InitializerSpec = Spec<"initializer">;

/** An initializer by name, or one of `initializers` with arguments. */
export type Initializer =
  | "zeros"
  | "ones"
  | "glorotUniform"
  | "glorotNormal"
  | "heUniform"
  | "heNormal"
  | "lecunUniform"
  | "lecunNormal"
  | "randomUniform"
  | "randomNormal"
  | "truncatedNormal"
  | "varianceScaling"
  | "orthogonal"
  | "identity"
  | InitializerSpec;

const make = (className: string, config: object = {}): InitializerSpec => new Spec("initializer", className, config);

/** All values the same; 0 by default. */
export const constant = (options: { value?: number } = {}): InitializerSpec => make("Constant", options);
/** All values 0. */
export const zeros = (): InitializerSpec => make("Zeros");
/** All values 1. */
export const ones = (): InitializerSpec => make("Ones");
/** Between `minval` (-0.05) and `maxval` (0.05). */
export const randomUniform = (options: { minval?: number; maxval?: number } = {}): InitializerSpec =>
  make("RandomUniform", options);
/** A bell curve about `mean` (0) of width `stddev` (0.05). */
export const randomNormal = (options: { mean?: number; stddev?: number } = {}): InitializerSpec =>
  make("RandomNormal", options);
/** As `randomNormal`, drawn again beyond two standard deviations. */
export const truncatedNormal = (options: { mean?: number; stddev?: number } = {}): InitializerSpec =>
  make("TruncatedNormal", options);
/** Variance `scale / n`, where `mode` says what `n` counts. Glorot, He and LeCun are special cases. */
export const varianceScaling = (
  options: {
    scale?: number;
    mode?: "fanIn" | "fanOut" | "fanAvg";
    distribution?: "truncatedNormal" | "untruncatedNormal" | "uniform";
  } = {},
): InitializerSpec => make("VarianceScaling", options);
/** Glorot & Bengio 2010, uniform: what kernels begin as by default. */
export const glorotUniform = (): InitializerSpec => make("GlorotUniform");
/** Glorot & Bengio 2010, normal. */
export const glorotNormal = (): InitializerSpec => make("GlorotNormal");
/** He et al. 2015, uniform. */
export const heUniform = (): InitializerSpec => make("HeUniform");
/** He et al. 2015, normal: for ReLU and its variants. */
export const heNormal = (): InitializerSpec => make("HeNormal");
/** LeCun et al. 1998, uniform. */
export const lecunUniform = (): InitializerSpec => make("LecunUniform");
/** LeCun et al. 1998, normal: for SELU. */
export const lecunNormal = (): InitializerSpec => make("LecunNormal");
/** A random orthogonal matrix over the last axis, times `gain` (1). */
export const orthogonal = (options: { gain?: number } = {}): InitializerSpec => make("Orthogonal", options);
/** The identity matrix times `gain` (1). */
export const identity = (options: { gain?: number } = {}): InitializerSpec => make("Identity", options);
