// What was written down as the JSON of `src/layers/json.rs`, which the engine builds.

import { failure } from "../errors.js";
import type { Model } from "../model.js";
import { type Json, layerName } from "./arguments.js";
import { type Call, described, Layer, SymbolicTensor } from "./tensor.js";

/** A tensor: which output of which call of the layer of this name. */
type Reference = [name: string, call: number, output: number];

/** A layer's call in JSON. */
export interface Entry {
  name: string;
  class?: string;
  config?: object;
  trainable?: boolean;
  inbound?: Reference[];
}

/** A functional model's layers in JSON. */
export interface Graph {
  layers: Entry[];
  inputs: Reference[];
  outputs: Reference[];
}

/** A built model within the one that is being recorded; its weights come along. */
export interface Adopted {
  /** Where it is: names of layers, outermost first, with slashes. */
  path: string;
  model: Model;
}

/** A recorded model. */
export interface Recorded {
  /** For the Rust side. */
  json: { [key: string]: Json };
  adopted: Adopted[];
}

/** Records one model with all that is nested in it. */
export class Recorder {
  /** Built models that were met. */
  readonly adopted: Adopted[] = [];

  /** All that these outputs need; `path` leads to the model itself, with a slash at the end. */
  graph(inputs: readonly SymbolicTensor[], outputs: readonly SymbolicTensor[], path = ""): Graph {
    const calls = needed([...inputs, ...outputs]);
    const names = nameLayers(calls.map((call) => call.layer));
    const seen = new Map<Layer, number>();
    const numbers = new Map<Call, number>();
    const reference = ({ call, index }: SymbolicTensor): Reference => [
      names.get(call.layer) as string,
      numbers.get(call) as number,
      index,
    ];
    const layers = calls.map((call): Entry => {
      const number = seen.get(call.layer) ?? 0;
      seen.set(call.layer, number + 1);
      numbers.set(call, number);
      const entry = this.entry(call.layer, names.get(call.layer) as string, number > 0, path);
      return call.inputs.length > 0 ? { ...entry, inbound: call.inputs.map(reference) } : entry;
    });
    return { layers, inputs: inputs.map(reference), outputs: outputs.map(reference) };
  }

  /** A chain of layers; the first may be an input. */
  chain(list: readonly (Layer | SymbolicTensor)[]): Entry[] {
    const layers = list.map((item, position) => {
      if (item instanceof Layer) return item;
      if (item instanceof SymbolicTensor && position === 0 && item.call.inputs.length === 0) return item.layer;
      throw failure("invalid", `item ${position} of a sequential model is not a layer`, {
        expected: "layers; input() may come first",
        received:
          item instanceof SymbolicTensor ? "a tensor: the layer itself, not applied, is wanted" : described(item),
      });
    });
    const names = nameLayers(layers);
    const seen = new Set<Layer>();
    return layers.map((layer) => {
      const entry = this.entry(layer, names.get(layer) as string, seen.has(layer), "");
      seen.add(layer);
      return entry;
    });
  }

  private entry(layer: Layer, name: string, again: boolean, path: string): Entry {
    if (again) return { name };
    const described = layer.describe(this, `${path}${name}/`);
    return layer.trainable ? { name, ...described } : { name, ...described, trainable: false };
  }
}

/** The calls that tensors need, operands first. */
function needed(tensors: SymbolicTensor[]): Call[] {
  const found = new Set<Call>();
  const open = tensors.map((tensor) => tensor.call);
  for (let call = open.pop(); call; call = open.pop()) {
    if (found.has(call)) continue;
    found.add(call);
    for (const { call: operand } of call.inputs) open.push(operand);
  }
  return [...found].sort((a, b) => a.order - b.order);
}

/** A name for each layer: its own, else `conv2d`, `conv2d_1` ... */
function nameLayers(layers: readonly Layer[]): Map<Layer, string> {
  const names = new Map<Layer, string>();
  for (const layer of layers) if (layer.name !== undefined) names.set(layer, layer.name);
  const used = new Set(names.values());
  const counts = new Map<string, number>();
  for (const layer of layers) {
    if (names.has(layer)) continue;
    const base = layerName(layer.className) || "layer";
    let count = counts.get(base) ?? 0;
    let name: string;
    do {
      name = count === 0 ? base : `${base}_${count}`;
      count++;
    } while (used.has(name));
    counts.set(base, count);
    used.add(name);
    names.set(layer, name);
  }
  return names;
}

/** The inputs that a tensor depends on. */
export function inputsOf(tensors: readonly SymbolicTensor[]): SymbolicTensor[] {
  return needed([...tensors])
    .filter((call) => call.inputs.length === 0)
    .map((call) => call.outputs[0] as SymbolicTensor);
}
