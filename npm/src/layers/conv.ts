// Convolutions. Channels last: `[batch, ...spatial, channels]`.

import type { Constraint } from "../constraints.js";
import type { Initializer } from "../initializers.js";
import type { Regularizer } from "../regularizers.js";
import type { Activation, LayerOptions, Padding, Sizes } from "./arguments.js";
import { KerasLayer } from "./tensor.js";

/** Options of a bias and of what follows it. */
export interface BiasOptions extends LayerOptions {
  /** Applied to the result. Default: none. */
  activation?: Activation;
  /** Adds a bias. Default `true`. */
  useBias?: boolean;
  /** Default `"zeros"`. */
  biasInitializer?: Initializer;
  /** Default: none. */
  biasRegularizer?: Regularizer;
  /** A penalty on the layer's output. Default: none. */
  activityRegularizer?: Regularizer;
  /** Default: none. */
  biasConstraint?: Constraint;
}

/** Options of a kernel and its bias. */
export interface KernelOptions extends BiasOptions {
  /** Default `"glorotUniform"`. */
  kernelInitializer?: Initializer;
  /** Default: none. */
  kernelRegularizer?: Regularizer;
  /** Default: none. */
  kernelConstraint?: Constraint;
}

/** Options of a depthwise kernel. */
export interface DepthwiseOptions extends BiasOptions {
  /** Outputs for each input channel. Default 1. */
  depthMultiplier?: number;
  /** Default `"glorotUniform"`. */
  depthwiseInitializer?: Initializer;
  /** Default: none. */
  depthwiseRegularizer?: Regularizer;
  /** Default: none. */
  depthwiseConstraint?: Constraint;
}

/** The windows of a convolution. */
export interface WindowOptions<N extends 1 | 2 | 3> {
  /** Sizes of the window. */
  kernelSize: Sizes<N>;
  /** Steps of the window. Default 1. */
  strides?: Sizes<N>;
  /** Default `"valid"`. */
  padding?: Padding;
  /** Distance of the taps; above 1 only with strides of 1. Default 1. */
  dilationRate?: Sizes<N>;
}

/** Options of `conv2d` and `conv3d`. */
export interface ConvOptions<N extends 1 | 2 | 3> extends WindowOptions<N>, KernelOptions {
  /** Channels of the result. */
  filters: number;
  /** Groups of channels that are convolved apart. Default 1. */
  groups?: number;
}

/** Options of `conv1d`. */
export interface Conv1dOptions extends Omit<ConvOptions<1>, "padding"> {
  /** `causal` pads before only: no result depends on a later step. Default `"valid"`. */
  padding?: Padding | "causal";
}

/** Options of transposed convolutions. */
export interface ConvTransposeOptions<N extends 1 | 2 | 3> extends WindowOptions<N>, KernelOptions {
  /** Channels of the result. */
  filters: number;
  /** Decides between the sizes that the strides leave open. Default: Keras' choice. */
  outputPadding?: Sizes<N>;
}

/** Options of depthwise convolutions. */
export interface DepthwiseConvOptions<N extends 1 | 2> extends WindowOptions<N>, DepthwiseOptions {}

/** Options of separable convolutions. */
export interface SeparableConvOptions<N extends 1 | 2> extends WindowOptions<N>, DepthwiseOptions {
  /** Channels of the result. */
  filters: number;
  /** Default `"glorotUniform"`. */
  pointwiseInitializer?: Initializer;
  /** Default: none. */
  pointwiseRegularizer?: Regularizer;
  /** Default: none. */
  pointwiseConstraint?: Constraint;
}

/** Convolution over `[batch, steps, channels]`. */
export const conv1d = (options: Conv1dOptions): KerasLayer => new KerasLayer("Conv1D", options);
/** Convolution over `[batch, height, width, channels]`. */
export const conv2d = (options: ConvOptions<2>): KerasLayer => new KerasLayer("Conv2D", options);
/** Convolution over `[batch, depth, height, width, channels]`. */
export const conv3d = (options: ConvOptions<3>): KerasLayer => new KerasLayer("Conv3D", options);

/** Transposed convolution over `[batch, steps, channels]`. */
export const conv1dTranspose = (options: ConvTransposeOptions<1>): KerasLayer =>
  new KerasLayer("Conv1DTranspose", options);
/** Transposed convolution over `[batch, height, width, channels]`: learns to enlarge. */
export const conv2dTranspose = (options: ConvTransposeOptions<2>): KerasLayer =>
  new KerasLayer("Conv2DTranspose", options);
/** Transposed convolution over `[batch, depth, height, width, channels]`. */
export const conv3dTranspose = (options: ConvTransposeOptions<3>): KerasLayer =>
  new KerasLayer("Conv3DTranspose", options);

/** One convolution for each channel of `[batch, steps, channels]`. */
export const depthwiseConv1d = (options: DepthwiseConvOptions<1>): KerasLayer =>
  new KerasLayer("DepthwiseConv1D", options);
/** One convolution for each channel of an image. */
export const depthwiseConv2d = (options: DepthwiseConvOptions<2>): KerasLayer =>
  new KerasLayer("DepthwiseConv2D", options);

/** A depthwise convolution, then one of kernel size 1, over `[batch, steps, channels]`. */
export const separableConv1d = (options: SeparableConvOptions<1>): KerasLayer =>
  new KerasLayer("SeparableConv1D", options);
/** A depthwise convolution, then one of kernel size 1: Xception's layer. */
export const separableConv2d = (options: SeparableConvOptions<2>): KerasLayer =>
  new KerasLayer("SeparableConv2D", options);
