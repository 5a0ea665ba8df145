// Pictures changed at random, so that a network sees more than there is: Keras' layers of these names, as steps of `fit`.

import { Spec } from "../layers/arguments.js";

/** A step that changes pictures. */
export type Augmentation = Spec<"augmentation">;

/** A number for both directions, or the lowest and the highest. */
export type Factor = number | readonly [lowest: number, highest: number];

/** Options of steps that move pixels. */
export interface WarpOptions {
  /** What is seen beyond the edge. Default `"reflect"`. */
  fillMode?: "reflect" | "constant" | "wrap" | "nearest";
  /** The value there, for `"constant"`. Default 0. */
  fillValue?: number;
  /** Default `"bilinear"`; labels for each pixel are always read at the nearest. */
  interpolation?: "bilinear" | "nearest";
}

/** Options of steps that change colours. */
export interface ColourOptions {
  /** How much. */
  factor: Factor;
  /** The pixels' values. Default `[0, 255]`. */
  valueRange?: readonly [number, number];
}

const make = (className: string, options: object = {}): Augmentation => new Spec("augmentation", className, options);

/** Mirrors every other picture, on average. */
export const randomFlip = (options?: { mode?: "horizontal" | "vertical" | "horizontalAndVertical" }): Augmentation =>
  make("RandomFlip", options);
/** Turns by parts of the circle. */
export const randomRotation = (options: WarpOptions & { factor: Factor }): Augmentation =>
  make("RandomRotation", options);
/** Moves by parts of height and width. */
export const randomTranslation = (options: WarpOptions & { heightFactor: Factor; widthFactor: Factor }): Augmentation =>
  make("RandomTranslation", options);
/** Shows `1 + factor` times as much, or less for negative numbers. */
export const randomZoom = (options: WarpOptions & { heightFactor: Factor; widthFactor?: Factor }): Augmentation =>
  make("RandomZoom", options);
/** Cuts out a part of this size. */
export const randomCrop = (options: { height: number; width: number }): Augmentation => make("RandomCrop", options);
/** Adds parts of the range. */
export const randomBrightness = (options: ColourOptions): Augmentation => make("RandomBrightness", options);
/** Multiplies the distance to the mean by `1 - factor` to `1 + factor`. */
export const randomContrast = (options: ColourOptions): Augmentation => make("RandomContrast", options);
/** From grey (0) by way of what it is (0.5) to full colours (1). */
export const randomSaturation = (options: ColourOptions): Augmentation => make("RandomSaturation", options);
/** Turns the hue. */
export const randomHue = (options: ColourOptions): Augmentation => make("RandomHue", options);
/** Sets a rectangle of these parts of height and width to a value (DeVries & Taylor 2017). */
export const cutout = (options: { size: number | readonly [number, number]; value?: number }): Augmentation =>
  make("Cutout", options);
