// Networks while they are written down: layers applied to tensors that have no values yet. Nothing is computed or checked
// here; `record.ts` makes JSON of it, and the engine builds that.

import { failure } from "../errors.js";
import type { DType } from "../types.js";
import { type ImageShape, type Json, keras, type LayerOptions } from "./arguments.js";
import type { Recorder } from "./record.js";

/** One application of a layer. */
export interface Call {
  layer: Layer;
  inputs: readonly SymbolicTensor[];
  outputs: SymbolicTensor[];
  /** Calls are numbered as they are made: operands come before results. */
  order: number;
}

let calls = 0;

/** A tensor without values: an input of a network, or what a layer makes of others. */
export class SymbolicTensor implements Iterable<SymbolicTensor> {
  /** @internal */
  readonly call: Call;
  /** @internal Which output of the call. */
  readonly index: number;
  readonly #all: SymbolicTensor[];

  /** @internal */
  constructor(call: Call, index: number, all: SymbolicTensor[] = []) {
    this.call = call;
    this.index = index;
    this.#all = all;
  }

  /** The layer that makes it. */
  get layer(): Layer {
    return this.call.layer;
  }

  /** Itself; and of the argument of {@link Layer.call}, all inputs: `call([a, b])`. */
  [Symbol.iterator](): Iterator<SymbolicTensor> {
    return (this.#all.length > 0 ? this.#all : [this])[Symbol.iterator]();
  }
}

/** One tensor, or several. */
export type SymbolicTensors = SymbolicTensor | readonly SymbolicTensor[];

/** The tensors of an argument, each of them checked. */
export function tensorsOf(value: unknown, layer: string): SymbolicTensor[] {
  const list: unknown[] = value instanceof SymbolicTensor || Array.isArray(value) ? [...value] : [value];
  if (list.length === 0) throw failure("invalid", "no tensor where one or more are needed", { layer });
  for (const item of list) {
    if (!(item instanceof SymbolicTensor)) {
      throw failure("invalid", "layers are applied to tensors made by input() or by other layers", {
        layer,
        expected: "a symbolic tensor, or an array of them",
        received: item instanceof Layer ? `the layer ${item.className}: apply it first` : described(item),
      });
    }
  }
  return list as SymbolicTensor[];
}

/** A value in a word. */
export function described(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? `a ${value.constructor?.name ?? "plain object"}` : typeof value;
}

/**
 * A layer. Keras' own come from `layers`; write another by composing them:
 *
 * ```ts
 * class ResidualUnit extends Layer {
 *   #main: Layer[];
 *   constructor({ filters }: { filters: number }) {
 *     super();
 *     const conv = { filters, kernelSize: 3, padding: "same", useBias: false } as const;
 *     this.#main = [layers.conv2d(conv), layers.batchNormalization(), layers.reLU(), layers.conv2d(conv)];
 *   }
 *   override call(x: SymbolicTensor) {
 *     const y = this.#main.reduce((y, layer) => layer.apply(y), x);
 *     return layers.activation({ activation: "relu" }).apply(layers.add().apply([x, y]));
 *   }
 * }
 * ```
 *
 * It is one layer in its model's summary, with weights named `residual_unit/conv2d/kernel`. A layer that is applied
 * twice has one set of weights. Minifiers rename classes: `static className = "ResidualUnit"` keeps the name.
 */
export abstract class Layer {
  /** The class name to show, where the class's own may be minified. */
  static readonly className?: string;

  /** The name given to it; without one, models name it as Keras does. */
  readonly name: string | undefined;
  /** Training may change its weights. */
  readonly trainable: boolean;
  /** @internal The shape options, for the head of a sequential model. */
  readonly shapes: { [key: string]: Json };
  #traced: { inputs: SymbolicTensor[]; outputs: SymbolicTensor[] } | undefined;

  constructor(options: LayerOptions = {}) {
    const { name, trainable = true, inputShape, batchInputShape } = options;
    this.name = name;
    this.trainable = trainable;
    this.shapes = keras({ inputShape, batchInputShape }, name ?? "layer");
  }

  /** The class, as summaries show it. */
  get className(): string {
    return (this.constructor as typeof Layer).className ?? this.constructor.name;
  }

  /**
   * What the layer computes, out of other layers. Runs once, when the layer is first applied: create inner layers here
   * or in the constructor. Of several inputs the first iterates over all, `call([a, b])`, and they follow as arguments,
   * too: `call(a, b)`.
   */
  call(_input: SymbolicTensor, ..._more: SymbolicTensor[]): SymbolicTensors {
    throw failure("invalid", `${this.className} extends Layer but has no method call()`, { layer: this.className });
  }

  /** Applies the layer; again with the same weights if it was applied before. */
  apply(inputs: SymbolicTensors): SymbolicTensor {
    const [first, ...more] = this.applyAll(inputs);
    if (!first || more.length > 0) {
      throw failure("invalid", "the layer has several outputs: use applyAll()", { layer: this.name ?? this.className });
    }
    return first;
  }

  /** As {@link Layer.apply}, of a layer with any number of outputs. */
  applyAll(inputs: SymbolicTensors): SymbolicTensor[] {
    const list = tensorsOf(inputs, this.name ?? this.className);
    return makeCall(this, list, this.outputCount(list.length));
  }

  /** @internal How many outputs it has for so many inputs. */
  outputCount(inputs: number): number {
    return this.trace(inputs).outputs.length;
  }

  /** @internal Keras' class and configuration. */
  describe(recorder: Recorder, path: string): { class: string; config: object } {
    // A sequential model may hold a layer that was never applied; it has one input.
    const { inputs, outputs } = this.trace(1);
    const graph = recorder.graph(inputs, outputs, path);
    return { class: "Functional", config: { label: this.className, ...this.shapes, ...graph } };
  }

  /** @internal Runs `call` on placeholders, once. */
  trace(count: number): { inputs: SymbolicTensor[]; outputs: SymbolicTensor[] } {
    if (!this.#traced) {
      const inputs = Array.from({ length: count }, () => makeCall(new Input({}), [], 1)[0] as SymbolicTensor);
      const [first, ...more] = inputs as [SymbolicTensor, ...SymbolicTensor[]];
      const all = new SymbolicTensor(first.call, 0, inputs);
      this.#traced = { inputs, outputs: tensorsOf(this.call(all, ...more), this.className) };
    }
    return this.#traced;
  }
}

function makeCall(layer: Layer, inputs: SymbolicTensor[], count: number): SymbolicTensor[] {
  const call: Call = { layer, inputs, outputs: [], order: calls++ };
  call.outputs = Array.from({ length: count }, (_, index) => new SymbolicTensor(call, index));
  return call.outputs;
}

/** One of Keras' layers: a class name and arguments for the Rust side. */
export class KerasLayer extends Layer {
  readonly #class: string;
  readonly #config: { [key: string]: Json };

  /** @internal */
  constructor(className: string, options: object & LayerOptions) {
    const { name, trainable, inputShape, batchInputShape, ...config } = options;
    super({
      ...(name !== undefined && { name }),
      ...(trainable !== undefined && { trainable }),
      ...(inputShape && { inputShape }),
      ...(batchInputShape && { batchInputShape }),
    });
    this.#class = className;
    this.#config = keras(config, name ?? className);
  }

  override get className(): string {
    return this.#class;
  }

  /** @internal */
  override outputCount(): number {
    return 1;
  }

  /** @internal */
  override describe(): { class: string; config: object } {
    return { class: this.#class, config: { ...this.#config, ...this.shapes } };
  }
}

/** Options of {@link input}. */
export interface InputOptions {
  /** The shape of one sample, without the batch; `null` where any size fits. */
  shape?: ImageShape;
  /** As `shape`, with the batch in front. */
  batchShape?: ImageShape;
  /** Element type; default `float32`. */
  dtype?: DType;
  /** The input's name; default `input_layer`. */
  name?: string;
}

class Input extends KerasLayer {
  constructor({ name, ...config }: InputOptions) {
    super("InputLayer", { ...(name !== undefined && { name }), ...config });
  }
}

/** An input of a network. */
export function input(options: InputOptions): SymbolicTensor {
  if (!options?.shape && !options?.batchShape) {
    throw failure("invalid", "an input needs a `shape`: the sizes of one sample, null where any fits", {
      layer: options?.name ?? "input",
      expected: "input({ shape: [height, width, channels] })",
    });
  }
  return makeCall(new Input(options), [], 1)[0] as SymbolicTensor;
}
