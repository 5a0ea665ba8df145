// Samples in, batch by batch, and results put together again.

import { failure } from "./errors.js";
import type { OnProgress, PredictOptions, TensorData, TensorInfo, TensorInput, TensorOutput } from "./types.js";

/** Inputs of a model: the only one, all in order, or by name. */
export type ModelInputs = TensorInput | readonly TensorInput[] | { readonly [name: string]: TensorInput };

/** Options of {@link Model.predict}. */
export interface ModelPredictOptions extends PredictOptions {
  /** Samples that run at once. Default 32. */
  batchSize?: number;
  /** Is told how many samples are done. */
  onProgress?: OnProgress;
}

/** The outputs of {@link Model.predict} in the model's order, and by name. */
export type Predictions = TensorOutput[] & {
  /** The outputs by name. */
  named: Record<string, TensorOutput>;
};

/** Samples that are run at once by default. */
const BATCH_SIZE = 32;

/** A tensor of a call to the host. */
export interface Sent {
  data: TensorData;
  shape: number[];
}

/** A batch of every input. */
interface Batch {
  /** Samples in it. */
  size: number;
  tensors: Sent[];
}

/** All batches, and how many samples they hold together. */
export type Batches = Batch[] & { total: number };

/** The inputs, checked as far as can be done without the network, in batches. */
export function batches(inputs: ModelInputs, declared: readonly TensorInfo[], batchSize = BATCH_SIZE): Batches {
  if (!(batchSize >= 1)) throw failure("invalid", "`batchSize` is a number from 1", { received: String(batchSize) });
  const tensors = inOrder(inputs, declared).map((input, i) => withShape(input, declared[i] as TensorInfo));
  const size = Math.floor(batchSize);
  const total = tensors[0]?.shape[0] ?? 0;
  // A network with a fixed batch, or inputs that do not go together: all at once, and the errors are the engine's.
  const together = tensors.every(({ data, shape }, i) => {
    const whole = shape.reduce((product, size) => product * size, 1) === data.length;
    return whole && shape[0] === total && declared[i]?.shape[0] === null;
  });
  if (total <= size || !together) return Object.assign([{ size: total, tensors }], { total });
  const parts: Batch[] = [];
  for (let start = 0; start < total; start += size) {
    const count = Math.min(size, total - start);
    const part = ({ data, shape: [, ...rest] }: Sent): Sent => {
      const stride = data.length / total;
      return { data: data.subarray(start * stride, (start + count) * stride), shape: [count, ...rest] };
    };
    parts.push({ size: count, tensors: tensors.map(part) });
  }
  return Object.assign(parts, { total });
}

/** The results of all batches, one after the other. */
export function predictions(results: TensorOutput[][], parts: Batches): Predictions {
  const [first = [], ...more] = results;
  const outputs = first.map((output, i) => {
    if (more.length === 0) return output;
    const all = results.map((result) => result[i] as TensorOutput);
    const size = parts[0]?.size;
    if (output.shape[0] !== size) {
      throw failure("unsupported", "this output is not one row for each sample: pass a larger `batchSize`", {
        layer: output.name,
        expected: `[${size}, ...]`,
        received: `[${output.shape.join(", ")}]`,
      });
    }
    const Elements = output.data.constructor as new (length: number) => TensorOutput["data"];
    const data = new Elements(all.reduce((length, part) => length + part.data.length, 0));
    let offset = 0;
    for (const part of all) {
      data.set(part.data, offset);
      offset += part.data.length;
    }
    return { ...output, shape: [parts.total, ...output.shape.slice(1)], data } as TensorOutput;
  });
  return Object.assign(outputs, { named: Object.fromEntries(outputs.map((output) => [output.name, output])) });
}

/** Inputs in the model's order, however they were given. */
export function inOrder(inputs: ModelInputs, declared: readonly TensorInfo[]): TensorInput[] {
  if (isTensor(inputs)) return counted([inputs], declared);
  if (Array.isArray(inputs)) return counted(inputs, declared);
  if (typeof inputs !== "object" || inputs === null) return counted([inputs], declared);
  const named = inputs as { readonly [name: string]: TensorInput };
  const names = declared.map(({ name }) => name);
  const stranger = Object.keys(named).find((name) => !names.includes(name));
  const wrong = stranger ?? names.find((name) => !(name in named));
  if (wrong !== undefined) {
    throw failure("invalid", stranger ? `no input is named "${wrong}"` : `the input "${wrong}" is missing`, {
      layer: wrong,
      expected: names.join(", "),
      received: Object.keys(named).join(", "),
    });
  }
  return counted(
    names.map((name) => named[name] as TensorInput),
    declared,
  );
}

function counted(inputs: readonly TensorInput[], declared: readonly TensorInfo[]): TensorInput[] {
  const at = inputs.findIndex((input) => !isTensor(input));
  if (at >= 0) {
    throw failure("invalid", "an input is a typed array or { data, shape }", { layer: declared[at]?.name });
  }
  if (inputs.length === declared.length) return [...inputs];
  throw failure("shape-mismatch", "wrong number of inputs", {
    expected: `${declared.length}: ${declared.map(({ name }) => name).join(", ")}`,
    received: String(inputs.length),
  });
}

function isTensor(value: unknown): value is TensorInput {
  if (ArrayBuffer.isView(value)) return true;
  if (typeof value !== "object" || value === null || !("data" in value) || !("shape" in value)) return false;
  return ArrayBuffer.isView(value.data) && Array.isArray(value.shape);
}

/** The tensor with its shape: the batch follows from the number of elements, where the rest is known. */
export function withShape(input: TensorInput, { name, shape }: TensorInfo): Sent {
  if (!ArrayBuffer.isView(input)) return { data: input.data, shape: [...input.shape] };
  const [batch, ...rest] = shape;
  const shown = `[${shape.map((size) => size ?? "?").join(", ")}]`;
  if (rest.some((size) => size === null)) {
    throw failure("invalid", "the input's sizes are open: pass { data, shape }", { layer: name, expected: shown });
  }
  const one = (rest as number[]).reduce((product, size) => product * size, 1);
  const count = batch ?? input.length / one;
  if (count * one !== input.length || !Number.isInteger(count) || count === 0) {
    throw failure("shape-mismatch", "the elements do not make whole samples", {
      layer: name,
      expected: `${shown}, a multiple of ${one} elements`,
      received: `${input.length} elements`,
    });
  }
  return { data: input, shape: [count, ...(rest as number[])] };
}
