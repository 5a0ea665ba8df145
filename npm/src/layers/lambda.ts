// A function as a layer. It is called once and what it does is recorded, so that such models run on both backends, are
// saved and loaded, and have gradients like all others. The Rust side (`src/layers/lambda_ops.rs`) has the operations.

import { failure } from "../errors.js";
import type { DType } from "../types.js";
import {
  type Activation,
  type Interpolation,
  type LayerOptions,
  type Padding,
  type Sizes,
  snake,
} from "./arguments.js";
import { described, Layer } from "./tensor.js";

/** What an operation may take beside a tensor: another one, a number, a vector, or a constant with a shape. */
export type LambdaOperand =
  | LambdaTensor
  | number
  | readonly number[]
  | Float32Array
  | { readonly data: readonly number[] | Float32Array; readonly shape: readonly number[] };

/** An axis, or several; negative ones count from the end. The batch is axis 0. */
type Axis = number | readonly number[];

/** A value in a recording: a tensor's number, or a constant. */
type Reference = number | { number: number } | { tensor: number[]; shape: number[] };

/** What a function did. */
interface Recording {
  /** Tensors that it takes. */
  inputs: number;
  steps: { op: string; inputs: Reference[]; args: object }[];
}

/**
 * A tensor inside of a function for {@link lambda}. Operations have the names of TensorFlow.js and return new tensors;
 * shapes that differ are broadcast as in NumPy.
 */
export class LambdaTensor implements Iterable<LambdaTensor> {
  readonly #recording: Recording;
  readonly #number: number;
  readonly #all: LambdaTensor[];

  /** @internal */
  constructor(recording: Recording, number: number, all: LambdaTensor[] = []) {
    this.#recording = recording;
    this.#number = number;
    this.#all = all;
  }

  /** Itself; of the function's first argument, all inputs: `([a, b]) => a.sub(b)`. */
  [Symbol.iterator](): Iterator<LambdaTensor> {
    return (this.#all.length > 0 ? this.#all : [this])[Symbol.iterator]();
  }

  /** `this + other`. */
  add(other: LambdaOperand): LambdaTensor {
    return this.#step("add", [this, other]);
  }
  /** `this - other`. */
  sub(other: LambdaOperand): LambdaTensor {
    return this.#step("subtract", [this, other]);
  }
  /** `this * other`. */
  mul(other: LambdaOperand): LambdaTensor {
    return this.#step("multiply", [this, other]);
  }
  /** `this / other`. */
  div(other: LambdaOperand): LambdaTensor {
    return this.#step("divide", [this, other]);
  }
  /** `floor(this / other)`. */
  floorDiv(other: LambdaOperand): LambdaTensor {
    return this.#step("floorDiv", [this, other]);
  }
  /** The remainder, with the sign of `other`. */
  mod(other: LambdaOperand): LambdaTensor {
    return this.#step("mod", [this, other]);
  }
  /** `this` to the power of `other`. */
  pow(other: LambdaOperand): LambdaTensor {
    return this.#step("pow", [this, other]);
  }
  /** The larger. */
  maximum(other: LambdaOperand): LambdaTensor {
    return this.#step("maximum", [this, other]);
  }
  /** The smaller. */
  minimum(other: LambdaOperand): LambdaTensor {
    return this.#step("minimum", [this, other]);
  }
  /** `(this - other)²`. */
  squaredDifference(other: LambdaOperand): LambdaTensor {
    return this.#step("squaredDifference", [this, other]);
  }

  /** 1 where they are equal, else 0. */
  equal(other: LambdaOperand): LambdaTensor {
    return this.#step("equal", [this, other]);
  }
  /** 1 where they differ, else 0. */
  notEqual(other: LambdaOperand): LambdaTensor {
    return this.#step("notEqual", [this, other]);
  }
  /** 1 where `this < other`, else 0. */
  less(other: LambdaOperand): LambdaTensor {
    return this.#step("less", [this, other]);
  }
  /** 1 where `this <= other`, else 0. */
  lessEqual(other: LambdaOperand): LambdaTensor {
    return this.#step("lessEqual", [this, other]);
  }
  /** 1 where `this > other`, else 0. */
  greater(other: LambdaOperand): LambdaTensor {
    return this.#step("greater", [this, other]);
  }
  /** 1 where `this >= other`, else 0. */
  greaterEqual(other: LambdaOperand): LambdaTensor {
    return this.#step("greaterEqual", [this, other]);
  }
  /** 1 where both are 1. */
  logicalAnd(other: LambdaOperand): LambdaTensor {
    return this.#step("logicalAnd", [this, other]);
  }
  /** 1 where one of them is 1. */
  logicalOr(other: LambdaOperand): LambdaTensor {
    return this.#step("logicalOr", [this, other]);
  }
  /** 1 where it is 0. */
  logicalNot(): LambdaTensor {
    return this.#step("logicalNot", [this]);
  }
  /** `this` where the condition is 1, `other` where it is 0. */
  where(condition: LambdaOperand, other: LambdaOperand): LambdaTensor {
    return this.#step("where", [condition, this, other]);
  }

  /** `-this`. */
  neg(): LambdaTensor {
    return this.#step("neg", [this]);
  }
  /** Without the sign. */
  abs(): LambdaTensor {
    return this.#step("abs", [this]);
  }
  /** -1, 0 or 1. */
  sign(): LambdaTensor {
    return this.#step("sign", [this]);
  }
  /** e to its power. */
  exp(): LambdaTensor {
    return this.#step("exp", [this]);
  }
  /** The natural logarithm. */
  log(): LambdaTensor {
    return this.#step("log", [this]);
  }
  /** The square root. */
  sqrt(): LambdaTensor {
    return this.#step("sqrt", [this]);
  }
  /** `1 / sqrt(this)`. */
  rsqrt(): LambdaTensor {
    return this.#step("rsqrt", [this]);
  }
  /** `this²`. */
  square(): LambdaTensor {
    return this.#step("square", [this]);
  }
  /** `1 / this`. */
  reciprocal(): LambdaTensor {
    return this.#step("reciprocal", [this]);
  }
  /** The whole number below. */
  floor(): LambdaTensor {
    return this.#step("floor", [this]);
  }
  /** The whole number above. */
  ceil(): LambdaTensor {
    return this.#step("ceil", [this]);
  }
  /** The nearest whole number; of two the even one. */
  round(): LambdaTensor {
    return this.#step("round", [this]);
  }
  /** Cut off at both ends. */
  clipByValue(min: number, max: number): LambdaTensor {
    return this.#step("clip", [this], { min, max });
  }

  /** One of Keras' activations. */
  activation(name: Activation): LambdaTensor {
    return name === "linear" ? this : this.#step(snake(name), [this]);
  }
  /** `max(this, 0)`. */
  relu(): LambdaTensor {
    return this.#step("relu", [this]);
  }
  /** `1 / (1 + exp(-this))`. */
  sigmoid(): LambdaTensor {
    return this.#step("sigmoid", [this]);
  }
  /** The hyperbolic tangent. */
  tanh(): LambdaTensor {
    return this.#step("tanh", [this]);
  }
  /** `log(1 + exp(this))`. */
  softplus(): LambdaTensor {
    return this.#step("softplus", [this]);
  }
  /** A slope of `alpha` for negative values. */
  leakyRelu(alpha = 0.2): LambdaTensor {
    return this.#step("leakyRelu", [this], { alpha });
  }
  /** `alpha * (exp(this) - 1)` for negative values. */
  elu(alpha = 1): LambdaTensor {
    return this.#step("elu", [this], { alpha });
  }
  /** Softmax along an axis. */
  softmax(axis = -1): LambdaTensor {
    return this.#step("softmax", [this], { axis });
  }
  /** The logarithm of softmax. */
  logSoftmax(axis = -1): LambdaTensor {
    return this.#step("logSoftmax", [this], { axis });
  }

  /** Sums over axes, by default over all, the batch included. */
  sum(axis?: Axis, keepDims = false): LambdaTensor {
    return this.#step("sum", [this], { axis, keepDims });
  }
  /** Means over axes. */
  mean(axis?: Axis, keepDims = false): LambdaTensor {
    return this.#step("mean", [this], { axis, keepDims });
  }
  /** The largest over axes. */
  max(axis?: Axis, keepDims = false): LambdaTensor {
    return this.#step("max", [this], { axis, keepDims });
  }
  /** The smallest over axes. */
  min(axis?: Axis, keepDims = false): LambdaTensor {
    return this.#step("min", [this], { axis, keepDims });
  }
  /** Products over axes. */
  prod(axis?: Axis, keepDims = false): LambdaTensor {
    return this.#step("prod", [this], { axis, keepDims });
  }
  /** `log(sum(exp(this)))` over axes. */
  logSumExp(axis?: Axis, keepDims = false): LambdaTensor {
    return this.#step("logSumExp", [this], { axis, keepDims });
  }
  /** Where the largest is, as int32. */
  argMax(axis = -1, keepDims = false): LambdaTensor {
    return this.#step("argMax", [this], { axis, keepDims });
  }
  /** Where the smallest is, as int32. */
  argMin(axis = -1, keepDims = false): LambdaTensor {
    return this.#step("argMin", [this], { axis, keepDims });
  }
  /** Divided by the Euclidean norm over axes. */
  l2Normalize(axis: Axis = -1, epsilon = 1e-12): LambdaTensor {
    return this.#step("l2Normalize", [this], { axis, epsilon });
  }

  /** Another shape, the batch included: 0 keeps the size of its place (the batch's, say), -1 is what is left. */
  reshape(shape: readonly number[]): LambdaTensor {
    return this.#step("reshape", [this], { shape });
  }
  /** `[batch, features]`. */
  flatten(): LambdaTensor {
    return this.#step("flatten", [this]);
  }
  /** Dimensions in another order, the batch included. */
  transpose(perm: readonly number[]): LambdaTensor {
    return this.#step("transpose", [this], { perm });
  }
  /** A new axis of size 1. */
  expandDims(axis: number): LambdaTensor {
    return this.#step("expandDims", [this], { axis });
  }
  /** Without an axis of size 1. */
  squeeze(axis: number): LambdaTensor {
    return this.#step("squeeze", [this], { axis });
  }
  /** From `start` up to `end`, for each axis; `null` for all there is, negative numbers count from the end. */
  slice(start: readonly (number | null)[], end?: readonly (number | null)[], step?: readonly number[]): LambdaTensor {
    return this.#step("slice", [this], { start, end, step });
  }
  /** One after the other along an axis. */
  concat(others: LambdaTensor | readonly LambdaTensor[], axis = -1): LambdaTensor {
    return this.#step("concatenate", [this, ...others], { axis });
  }
  /** Beside each other along a new axis. */
  stack(others: LambdaTensor | readonly LambdaTensor[], axis = -1): LambdaTensor {
    return this.#step("stack", [this, ...others], { axis });
  }
  /** More at the ends of each axis, the batch included. */
  pad(
    padding: readonly (readonly [before: number, after: number])[],
    options: { mode?: "constant" | "reflect" | "symmetric" | "edge"; value?: number } = {},
  ): LambdaTensor {
    return this.#step("pad", [this], { padding, ...options });
  }
  /** What stands at these places along an axis. */
  gather(indices: LambdaTensor | readonly number[], axis = 0): LambdaTensor {
    if (indices instanceof LambdaTensor) return this.#step("gather", [this, indices], { axis });
    return this.#step("gather", [this], { indices, axis });
  }

  /** The matrix product over the last two dimensions. */
  matMul(other: LambdaOperand, transposeA = false, transposeB = false): LambdaTensor {
    return this.#step("matMul", [this, other], { transposeA, transposeB });
  }
  /** Products of vectors along an axis of each, as the layer `dot`. */
  dot(other: LambdaTensor, options: { axes: number | readonly [number, number]; normalize?: boolean }): LambdaTensor {
    return this.#step("dot", [this, other], options);
  }
  /** Images at another size. */
  resize(size: Sizes<2>, options: { method?: Interpolation; antialias?: boolean } = {}): LambdaTensor {
    return this.#step("resize", [this], { size, ...options });
  }
  /** Largest values of windows over images. */
  maxPool(poolSize: Sizes<2>, options: { strides?: Sizes<2>; padding?: Padding } = {}): LambdaTensor {
    return this.#step("maxPool", [this], { poolSize, ...options });
  }
  /** Means of windows over images. */
  avgPool(poolSize: Sizes<2>, options: { strides?: Sizes<2>; padding?: Padding } = {}): LambdaTensor {
    return this.#step("avgPool", [this], { poolSize, ...options });
  }
  /** A convolution with a kernel `[height, width, channels / groups, filters]`. */
  conv2d(
    kernel: LambdaOperand,
    options: { strides?: Sizes<2>; dilations?: Sizes<2>; padding?: Padding; groups?: number } = {},
  ): LambdaTensor {
    return this.#step("conv2d", [this, kernel], options);
  }
  /** A convolution of each channel, with a kernel `[height, width, channels, multiplier]`. */
  depthwiseConv2d(
    kernel: LambdaOperand,
    options: { strides?: Sizes<2>; dilations?: Sizes<2>; padding?: Padding } = {},
  ): LambdaTensor {
    return this.#step("depthwiseConv2d", [this, kernel], options);
  }
  /** A transposed convolution with a kernel `[height, width, filters, channels]`. */
  conv2dTranspose(kernel: LambdaOperand, options: { strides?: Sizes<2>; padding?: Padding } = {}): LambdaTensor {
    return this.#step("conv2dTranspose", [this, kernel], options);
  }
  /** Channels as blocks of pixels. */
  depthToSpace(blockSize: number): LambdaTensor {
    return this.#step("depthToSpace", [this], { blockSize });
  }
  /** Blocks of pixels as channels. */
  spaceToDepth(blockSize: number): LambdaTensor {
    return this.#step("spaceToDepth", [this], { blockSize });
  }
  /** As another element type. */
  cast(dtype: DType): LambdaTensor {
    return this.#step("cast", [this], { dtype });
  }
  /** The same values, through which no gradient flows. */
  stopGradient(): LambdaTensor {
    return this.#step("stopGradient", [this]);
  }

  /** @internal Its number, if it is of this recording. */
  numberIn(recording: Recording): number {
    if (recording === this.#recording) return this.#number;
    throw failure("invalid", "a function of lambda() used a tensor of another call", { layer: "lambda" });
  }

  #step(op: string, operands: readonly LambdaOperand[], args: object = {}): LambdaTensor {
    const recording = this.#recording;
    const inputs = operands.map((operand) => reference(operand, recording, op));
    const given = Object.entries(args).filter(([, value]) => value !== undefined);
    recording.steps.push({ op, inputs, args: Object.fromEntries(given) });
    return new LambdaTensor(recording, recording.inputs + recording.steps.length - 1);
  }
}

function reference(operand: LambdaOperand, recording: Recording, op: string): Reference {
  if (operand instanceof LambdaTensor) return operand.numberIn(recording);
  if (typeof operand === "number" && Number.isFinite(operand)) return { number: operand };
  const given = isShaped(operand) ? operand : { data: operand, shape: undefined };
  const { data } = given;
  if ((Array.isArray(data) || data instanceof Float32Array) && data.every(Number.isFinite)) {
    return { tensor: [...data], shape: [...(given.shape ?? [data.length])] };
  }
  throw failure("invalid", `${op}: an operand is a tensor of this function, a number, or a list of numbers`, {
    layer: "lambda",
    received: typeof operand === "number" ? String(operand) : described(operand),
  });
}

function isShaped(operand: unknown): operand is { data: unknown; shape: readonly number[] } {
  return typeof operand === "object" && operand !== null && "data" in operand && "shape" in operand;
}

/** A function for {@link lambda}. Of several inputs the first iterates over all; they follow as arguments, too. */
export type LambdaFunction = (input: LambdaTensor, ...more: LambdaTensor[]) => LambdaTensor | readonly LambdaTensor[];

class LambdaLayer extends Layer {
  readonly #function: LambdaFunction;
  #recorded: { recording: Recording; outputs: number[] } | undefined;

  constructor(f: LambdaFunction, options: LayerOptions) {
    super(options);
    if (typeof f !== "function") {
      throw failure("invalid", "lambda() takes a function of tensors", {
        layer: options.name ?? "lambda",
        received: described(f),
      });
    }
    this.#function = f;
  }

  override get className(): string {
    return "Lambda";
  }

  override outputCount(inputs: number): number {
    return this.#record(inputs).outputs.length;
  }

  override describe(): { class: string; config: object } {
    const { recording, outputs } = this.#record(1);
    return { class: "Lambda", config: { ...this.shapes, ...recording, outputs } };
  }

  /** Calls the function, once. */
  #record(count: number): { recording: Recording; outputs: number[] } {
    if (this.#recorded) return this.#recorded;
    const recording: Recording = { inputs: count, steps: [] };
    const inputs = Array.from({ length: count }, (_, i) => new LambdaTensor(recording, i));
    const [, ...more] = inputs;
    const result: unknown = this.#function(new LambdaTensor(recording, 0, inputs), ...more);
    const list: unknown[] = result instanceof LambdaTensor || Array.isArray(result) ? [...result] : [result];
    const outputs = list.map((output) => {
      if (output instanceof LambdaTensor) return output.numberIn(recording);
      throw failure("invalid", "the function of lambda() returns a tensor, or an array of them", {
        layer: this.name ?? "lambda",
        received: described(output),
      });
    });
    this.#recorded = { recording, outputs };
    return this.#recorded;
  }
}

/**
 * A function as a layer, without weights: `lambda(x => x.square().mean(-1))`, of several inputs
 * `lambda(([a, b]) => a.sub(b).abs())`. It is called once, when the layer is first applied, with tensors that have no
 * values yet: conditions and loops are those of that moment.
 */
export const lambda = (f: LambdaFunction, options: LayerOptions = {}): Layer => new LambdaLayer(f, options);
