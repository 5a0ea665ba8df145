// Pooling.

import type { LayerOptions, Padding, Sizes } from "./arguments.js";
import { KerasLayer } from "./tensor.js";

/** Options of pooling. */
export interface PoolingOptions<N extends 1 | 2 | 3> extends LayerOptions {
  /** Sizes of the window. Default 2. */
  poolSize?: Sizes<N>;
  /** Steps of the window. Default: `poolSize`. */
  strides?: Sizes<N>;
  /** Default `"valid"`. */
  padding?: Padding;
}

/** Options of global pooling. */
export interface GlobalPoolingOptions extends LayerOptions {
  /** Keeps the spatial dimensions, of size 1. Default `false`. */
  keepdims?: boolean;
}

/** Options of pooling over channels. */
export interface DepthPoolOptions extends LayerOptions {
  /** Channels of a group; must divide their number. Default 3. */
  poolSize?: number;
}

// Keras has no default for the size of average pooling; 2, as for the maximum, is what everybody means.
const average = (options: object) => ({ poolSize: 2, ...options });

/** Largest values of windows over `[batch, steps, channels]`. */
export const maxPooling1d = (options: PoolingOptions<1> = {}): KerasLayer => new KerasLayer("MaxPooling1D", options);
/** Largest values of windows over images. */
export const maxPooling2d = (options: PoolingOptions<2> = {}): KerasLayer => new KerasLayer("MaxPooling2D", options);
/** Largest values of windows over volumes. */
export const maxPooling3d = (options: PoolingOptions<3> = {}): KerasLayer => new KerasLayer("MaxPooling3D", options);
/** Means of windows over `[batch, steps, channels]`; padding does not count. */
export const averagePooling1d = (options: PoolingOptions<1> = {}): KerasLayer =>
  new KerasLayer("AveragePooling1D", average(options));
/** Means of windows over images; padding does not count. */
export const averagePooling2d = (options: PoolingOptions<2> = {}): KerasLayer =>
  new KerasLayer("AveragePooling2D", average(options));
/** Means of windows over volumes; padding does not count. */
export const averagePooling3d = (options: PoolingOptions<3> = {}): KerasLayer =>
  new KerasLayer("AveragePooling3D", average(options));

/** The largest value of each channel, over all steps. */
export const globalMaxPooling1d = (options: GlobalPoolingOptions = {}): KerasLayer =>
  new KerasLayer("GlobalMaxPooling1D", options);
/** The largest value of each channel of an image. */
export const globalMaxPooling2d = (options: GlobalPoolingOptions = {}): KerasLayer =>
  new KerasLayer("GlobalMaxPooling2D", options);
/** The largest value of each channel of a volume. */
export const globalMaxPooling3d = (options: GlobalPoolingOptions = {}): KerasLayer =>
  new KerasLayer("GlobalMaxPooling3D", options);
/** The mean of each channel, over all steps. */
export const globalAveragePooling1d = (options: GlobalPoolingOptions = {}): KerasLayer =>
  new KerasLayer("GlobalAveragePooling1D", options);
/** The mean of each channel of an image. */
export const globalAveragePooling2d = (options: GlobalPoolingOptions = {}): KerasLayer =>
  new KerasLayer("GlobalAveragePooling2D", options);
/** The mean of each channel of a volume. */
export const globalAveragePooling3d = (options: GlobalPoolingOptions = {}): KerasLayer =>
  new KerasLayer("GlobalAveragePooling3D", options);

/** Largest values of groups of channels. */
export const depthMaxPool = (options: DepthPoolOptions = {}): KerasLayer => new KerasLayer("DepthMaxPool", options);
/** Means of groups of channels. */
export const depthAveragePool = (options: DepthPoolOptions = {}): KerasLayer =>
  new KerasLayer("DepthAveragePool", options);
