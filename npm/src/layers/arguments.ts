// How arguments are written in JavaScript, and what of them reaches the Rust side: the same in Keras' spelling. Layers and
// arguments are checked there, so no list of them stands here.

import { failure } from "../errors.js";

/** Anything that JSON holds. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** An object that stands in a configuration under a Keras class name: an initializer, a regularizer, a constraint. */
export class Spec<Kind extends string> {
  /** Tells the kinds apart. */
  readonly kind: Kind;
  /** Keras' class name. */
  readonly className: string;
  /** Keras' arguments, in camelCase. */
  readonly config: object;

  /** @internal */
  constructor(kind: Kind, className: string, config: object) {
    this.kind = kind;
    this.className = className;
    this.config = config;
  }

  /** As Keras writes it. */
  toJSON(): Json {
    return { class_name: this.className, config: keras(this.config, this.className) };
  }
}

/** `kernelSize` as `kernel_size`. */
export function snake(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase();
}

/** Keras' `to_snake_case` of class names: `MaxPooling2D` is `max_pooling2d`, `Conv2DTranspose` is `conv2d_transpose`. */
export function layerName(className: string): string {
  return className
    .replace(/\W+/g, "")
    .replace(/(.)([A-Z][a-z]+)/g, "$1_$2")
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .toLowerCase();
}

/** Arguments in Keras' spelling, values that are names (`"heNormal"`) included; `layer` is whom errors blame. */
export function keras(options: object, layer: string): { [key: string]: Json } {
  const config: { [key: string]: Json } = {};
  for (const [key, value] of Object.entries(options)) {
    if (value !== undefined) config[snake(key)] = json(value, key, layer);
  }
  return config;
}

function json(value: unknown, key: string, layer: string): Json {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "string") return /^[a-z][A-Za-z0-9]*$/.test(value) ? snake(value) : value;
  // JSON has no infinity: it would arrive as `null`, which means something else.
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (value instanceof Spec) return value.toJSON();
  if (Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))) {
    return Array.from(value as ArrayLike<unknown>, (item) => json(item, key, layer));
  }
  if (typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype) return keras(value, layer);
  const received = typeof value === "number" ? String(value) : typeof value;
  throw failure("invalid", `the argument \`${key}\` has a wrong value`, {
    layer,
    expected: "a finite number, a string, a boolean, or a list of them",
    received,
  });
}

/** One size for all spatial axes, or one for each. */
export type Sizes<N extends 1 | 2 | 3> =
  | number
  | { 1: readonly [number]; 2: readonly [number, number]; 3: readonly [number, number, number] }[N];

/** What goes before and after each spatial axis: a number for all, one for each axis, or `[before, after]` for each. */
export type Borders<N extends 1 | 2 | 3> =
  | number
  | {
      1: readonly [before: number, after: number];
      2: readonly [number, number] | readonly [Pair, Pair];
      3: readonly [number, number, number] | readonly [Pair, Pair, Pair];
    }[N];

type Pair = readonly [before: number, after: number];

/** `valid`: whole windows only. `same`: `ceil(size / stride)` outputs, padded as TensorFlow does. */
export type Padding = "valid" | "same";

/** A Keras activation by name. */
export type Activation =
  | "linear"
  | "relu"
  | "relu6"
  | "leakyRelu"
  | "elu"
  | "selu"
  | "sigmoid"
  | "hardSigmoid"
  | "silu"
  | "swish"
  | "hardSilu"
  | "hardSwish"
  | "tanh"
  | "hardTanh"
  | "gelu"
  | "softplus"
  | "exponential"
  | "softmax"
  | "logSoftmax";

/** How images are resized. */
export type Interpolation = "nearest" | "bilinear" | "bicubic" | "lanczos3" | "lanczos5" | "area";

/** A shape without the batch; `null` where any size fits. */
export type ImageShape = readonly (number | null)[];

/** Options that every layer has. */
export interface LayerOptions {
  /** The layer's name; must be unique in its model. Default: as Keras names it, `conv2d`, `conv2d_1` ... */
  name?: string;
  /** `false` freezes the layer: training leaves its weights alone. */
  trainable?: boolean;
  /** For the first layer of a sequential model: the shape of one sample, without the batch. */
  inputShape?: ImageShape;
  /** As `inputShape`, with the batch in front. */
  batchInputShape?: ImageShape;
}
