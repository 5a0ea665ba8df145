// Layers that rearrange, resize, pad and crop.

import type { Borders, Interpolation, LayerOptions, Sizes } from "./arguments.js";
import { KerasLayer } from "./tensor.js";

/** Options of `upSampling1d` and `upSampling3d`. */
export interface UpSamplingOptions<N extends 1 | 2 | 3> extends LayerOptions {
  /** How often each value is repeated along each axis. Default 2. */
  size?: Sizes<N>;
}

/** Options of `upSampling2d`. */
export interface UpSampling2dOptions extends UpSamplingOptions<2> {
  /** Default `"nearest"`. */
  interpolation?: Interpolation;
}

/** Options of `resizing`. */
export interface ResizingOptions extends LayerOptions {
  /** Height of the result. */
  height: number;
  /** Width of the result. */
  width: number;
  /** Default `"bilinear"`. */
  interpolation?: Interpolation;
  /** Cuts what does not have the result's proportions. Default `false`. */
  cropToAspectRatio?: boolean;
  /** Pads to the result's proportions. Default `false`. */
  padToAspectRatio?: boolean;
  /** Averages when it shrinks. Default `false`. */
  antialias?: boolean;
}

/** Options of `resize`. */
export interface ResizeOptions extends LayerOptions {
  /** Height and width of the result. */
  size: Sizes<2>;
  /** Default `"bilinear"`. */
  method?: Interpolation | "gaussian" | "mitchellcubic";
  /** Averages when it shrinks. Default `false`. */
  antialias?: boolean;
  /** Fits the image into the size. Default `false`. */
  preserveAspectRatio?: boolean;
}

/** Options of `reshape`. */
export interface ReshapeOptions extends LayerOptions {
  /** The new shape without the batch; one size may be -1: what is left. */
  targetShape: readonly number[];
}

/** The input as it is. */
export const identity = (options: LayerOptions = {}): KerasLayer => new KerasLayer("Identity", options);
/** `[batch, ...]` as `[batch, features]`. */
export const flatten = (options: LayerOptions = {}): KerasLayer => new KerasLayer("Flatten", options);
/** The same elements in another shape. */
export const reshape = (options: ReshapeOptions): KerasLayer => new KerasLayer("Reshape", options);
/** Dimensions in another order, counted from 1: the batch stays. */
export const permute = (options: LayerOptions & { dims: readonly number[] }): KerasLayer =>
  new KerasLayer("Permute", options);
/** `[batch, features]` as `[batch, n, features]`. */
export const repeatVector = (options: LayerOptions & { n: number }): KerasLayer =>
  new KerasLayer("RepeatVector", options);

/** Repeats steps. */
export const upSampling1d = (options: UpSamplingOptions<1> = {}): KerasLayer => new KerasLayer("UpSampling1D", options);
/** Enlarges images by whole factors. */
export const upSampling2d = (options: UpSampling2dOptions = {}): KerasLayer => new KerasLayer("UpSampling2D", options);
/** Repeats voxels. */
export const upSampling3d = (options: UpSamplingOptions<3> = {}): KerasLayer => new KerasLayer("UpSampling3D", options);
/** Images at another size. */
export const resizing = (options: ResizingOptions): KerasLayer => new KerasLayer("Resizing", options);

/** What `tf.image.resize` does. */
export const resize = (options: ResizeOptions): KerasLayer => new KerasLayer("Resize", options);

/** Zeros before and after the steps; 1 each by default. */
export const zeroPadding1d = (options: LayerOptions & { padding?: Borders<1> } = {}): KerasLayer =>
  new KerasLayer("ZeroPadding1D", options);
/** Zeros around images; 1 on each side by default. */
export const zeroPadding2d = (options: LayerOptions & { padding?: Borders<2> } = {}): KerasLayer =>
  new KerasLayer("ZeroPadding2D", options);
/** Zeros around volumes; 1 on each side by default. */
export const zeroPadding3d = (options: LayerOptions & { padding?: Borders<3> } = {}): KerasLayer =>
  new KerasLayer("ZeroPadding3D", options);
/** Without the first and last steps. */
export const cropping1d = (options: LayerOptions & { cropping?: Borders<1> } = {}): KerasLayer =>
  new KerasLayer("Cropping1D", options);
/** Images without their borders. */
export const cropping2d = (options: LayerOptions & { cropping?: Borders<2> } = {}): KerasLayer =>
  new KerasLayer("Cropping2D", options);
/** Volumes without their borders. */
export const cropping3d = (options: LayerOptions & { cropping?: Borders<3> } = {}): KerasLayer =>
  new KerasLayer("Cropping3D", options);
/** The middle of images; of smaller ones a resized crop. */
export const centerCrop = (options: LayerOptions & { height: number; width: number }): KerasLayer =>
  new KerasLayer("CenterCrop", options);
