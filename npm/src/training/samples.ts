// Samples as the trainer takes them: one tensor for every input, and one for every output that has labels.

import { failure } from "../errors.js";
import { inOrder, type ModelInputs, withShape } from "../predict.js";
import type { TensorData, TensorInfo } from "../types.js";

/** Labels or weights: elements, a list of numbers, or elements with a shape whose first number is that of samples. */
export type Labels =
  | TensorData
  | readonly number[]
  | { readonly data: TensorData | readonly number[]; readonly shape: readonly number[] };

/** Labels of the only output; of several, in order or by the outputs' names. An output without a loss needs none. */
export type Targets = Labels | readonly (Labels | null)[] | { readonly [output: string]: Labels | null };

/** Samples with labels. */
export interface TrainingData {
  /** Inputs, as {@link Model.predict} takes them. */
  readonly x: ModelInputs;
  /** Labels. */
  readonly y: Targets;
  /** How much each sample counts, for each output. Default 1. */
  readonly sampleWeight?: Targets;
}

/** How much samples of each class count. */
export type ClassWeight = { readonly [label: number]: number };

/** A tensor whose first dimension is that of samples. */
export interface Column {
  data: TensorData;
  shape: number[];
}

/** Samples in the order of the model's inputs and outputs. */
export interface Samples {
  /** How many. */
  size: number;
  x: Column[];
  y: (Column | undefined)[];
  weights: (Column | undefined)[];
}

const product = (shape: readonly number[]) => shape.reduce((all, size) => all * size, 1);

/** Samples that fit a model, as far as can be told without running it. */
export function samplesOf(
  data: TrainingData,
  inputs: readonly TensorInfo[],
  outputs: readonly TensorInfo[],
  classWeight?: ClassWeight,
): Samples {
  if (typeof data !== "object" || data === null || !("x" in data) || !("y" in data)) {
    throw failure("invalid", "data to train on is { x, y }, or a Dataset");
  }
  const x = inOrder(data.x, inputs).map((input, i) => toType(withShape(input, inputs[i] as TensorInfo), inputs[i]));
  const size = x[0]?.shape[0] ?? 0;
  const y = perOutput("y", data.y, outputs).map(
    (labels, i) => labels && labelsOf(labels, size, outputs[i] as TensorInfo),
  );
  const weights = perOutput("sampleWeight", data.sampleWeight ?? null, outputs).map(
    (given) => given && floats(weightsOf(given, size)),
  );
  const samples = { size, x, y, weights };
  [...x, ...y, ...weights].forEach((column, i) => {
    if (column === undefined) return;
    const name = (inputs[i] ?? outputs[(i - inputs.length) % outputs.length])?.name;
    if (column.shape[0] !== size) {
      throw failure("shape-mismatch", "inputs and labels are not of as many samples", {
        layer: name,
        expected: `${size} samples`,
        received: `${column.shape[0]}`,
      });
    }
    if (product(column.shape) !== column.data.length) {
      throw failure("shape-mismatch", "the elements do not fill the shape", {
        layer: name,
        expected: `${product(column.shape)} elements for [${column.shape.join(", ")}]`,
        received: `${column.data.length}`,
      });
    }
  });
  return classWeight ? withClassWeight(samples, classWeight, outputs) : samples;
}

/** The samples from `start` up to `end`; memory is shared. */
export function slice(samples: Samples, start: number, end: number): Samples {
  const part = ({ data, shape }: Column): Column => {
    const row = data.length / samples.size;
    return { data: data.subarray(start * row, end * row), shape: [end - start, ...shape.slice(1)] };
  };
  const parts = (list: (Column | undefined)[]) => list.map((column) => column && part(column));
  return { size: end - start, x: samples.x.map(part), y: parts(samples.y), weights: parts(samples.weights) };
}

/** Splits off the last part, as Keras' `validation_split` does. */
export function splitOff(samples: Samples, share: number): [train: Samples, test: Samples] {
  const first = Math.floor(samples.size * (1 - share));
  if (!(share > 0 && share < 1) || first === 0 || first === samples.size) {
    throw failure("invalid", "`validationSplit` leaves nothing for one of the two parts", {
      expected: "a share between 0 and 1",
      received: `${share} of ${samples.size} samples`,
    });
  }
  return [slice(samples, 0, first), slice(samples, first, samples.size)];
}

/** An empty array of the same kind. */
export function arrayLike(data: TensorData, length: number): TensorData {
  return new (data.constructor as new (length: number) => TensorData)(length);
}

function perOutput(what: string, given: Targets | null, outputs: readonly TensorInfo[]): (Labels | undefined)[] {
  if (given === null) return outputs.map(() => undefined);
  if (isLabels(given)) return counted(what, [given], outputs);
  if (Array.isArray(given)) return counted(what, given as readonly (Labels | null)[], outputs);
  const named = given as { readonly [output: string]: Labels | null };
  const names = outputs.map(({ name }) => name);
  const stranger = Object.keys(named).find((name) => !names.includes(name));
  if (stranger !== undefined) {
    const expected = names.join(", ");
    throw failure("invalid", `\`${what}\` for an unknown output`, { layer: stranger, expected, received: stranger });
  }
  return names.map((name) => named[name] ?? undefined);
}

function counted(what: string, list: readonly (Labels | null)[], outputs: readonly TensorInfo[]) {
  if (list.length === outputs.length) return list.map((labels) => labels ?? undefined);
  throw failure("shape-mismatch", `wrong number of tensors in \`${what}\``, {
    expected: `${outputs.length}: ${outputs.map(({ name }) => name).join(", ")}`,
    received: String(list.length),
  });
}

const isNumbers = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.every((item) => typeof item === "number");

function isLabels(value: unknown): value is Labels {
  if (ArrayBuffer.isView(value) || isNumbers(value)) return true;
  return typeof value === "object" && value !== null && "data" in value && "shape" in value;
}

function elements(data: TensorData | readonly number[]): TensorData {
  if (data instanceof Uint8ClampedArray) return new Uint8Array(data.buffer, data.byteOffset, data.length);
  return isNumbers(data) ? Float32Array.from(data) : (data as TensorData);
}

/** Labels with their shape: of a sample, they are one number, or as the output, or as the output without its last axis. */
function labelsOf(labels: Labels, size: number, { name, shape }: TensorInfo): Column {
  if ("shape" in labels) return { data: elements(labels.data), shape: [...labels.shape] };
  const data = elements(labels);
  const per = data.length / size;
  if (per === 1) return { data, shape: [size] };
  const row = shape.slice(1);
  const known = row.every((length) => length !== null) ? (row as number[]) : [];
  for (const fit of [known, known.slice(0, -1)]) {
    if (fit.length > 0 && product(fit) === per) return { data, shape: [size, ...fit] };
  }
  if (Number.isInteger(per)) return { data, shape: [size, per] };
  throw failure("shape-mismatch", "the labels are not of as many samples as the inputs", {
    layer: name,
    expected: `a multiple of ${size} elements`,
    received: `${data.length}`,
  });
}

function weightsOf(weights: Labels, size: number): Column {
  if ("shape" in weights) return { data: elements(weights.data), shape: [...weights.shape] };
  const data = elements(weights);
  const per = data.length / size;
  return { data, shape: per === 1 || !Number.isInteger(per) ? [data.length] : [size, per] };
}

const floats = ({ data, shape }: Column): Column => ({
  data: data instanceof Float32Array ? data : Float32Array.from(data),
  shape,
});

/** Integers may stay bytes until they are batched: see `Loader`. Floats for integers are an error. */
function toType(column: Column, info: TensorInfo | undefined): Column {
  if (info?.dtype === "float32" || !(column.data instanceof Float32Array)) {
    return { data: elements(column.data), shape: column.shape };
  }
  throw failure("shape-mismatch", "the input takes whole numbers", {
    layer: info?.name,
    expected: info?.dtype,
    received: "float32",
  });
}

/** Weights by the labels' classes, times those that are there. */
function withClassWeight(samples: Samples, classWeight: ClassWeight, outputs: readonly TensorInfo[]): Samples {
  const [labels, ...more] = samples.y;
  if (!labels || more.length > 0) {
    throw failure("unsupported", "`classWeight` is for models with one output; use `sampleWeight`");
  }
  const last = labels.shape.at(-1) as number;
  const oneHot = last > 1 && labels.shape.length === outputs[0]?.shape.length;
  const classes = oneHot ? hottest(labels.data, last) : labels.data;
  const [given] = samples.weights;
  const row = given ? classes.length / given.data.length : 1;
  const data = Float32Array.from(
    classes,
    (label, i) => (classWeight[label] ?? 1) * (given?.data[Math.floor(i / row)] ?? 1),
  );
  const shape = labels.shape.length > 1 && (oneHot || last === 1) ? labels.shape.slice(0, -1) : labels.shape;
  return { ...samples, weights: [{ data, shape }] };
}

/** Where each row has its largest value. */
function hottest(data: TensorData, classes: number): Float32Array {
  return Float32Array.from({ length: data.length / classes }, (_, i) => {
    let best = 0;
    for (let at = 1; at < classes; at++) {
      if ((data[i * classes + at] as number) > (data[i * classes + best] as number)) best = at;
    }
    return best;
  });
}
