// What the output of a segmentation network is: scores or classes, channels last or first. Its shape and type tell in most cases.

import { failure } from "../errors.js";
import type { TensorInfo, TensorOutput } from "../types.js";
import { type ImageInput, plan } from "./input.js";

/** The network's maps: a score for each class at each place, or the class of each place. */
export interface Maps {
  width: number;
  height: number;
  /** Number of classes; of networks that give classes the largest that is seen, and one more, or the number of labels. */
  classes: number;
  /** What `data` has: `classes` scores for each place, or its class alone. */
  kind: "scores" | "classes";
  /** Place by place, row by row; the scores of a place lie together, wherever the network had them. */
  data: Float32Array;
  /** They are logits and not shares. */
  logits: boolean;
}

/** What a network's maps are, where that is known. */
export interface MapsHead {
  /** Number of names that there are for its classes. */
  labels: number;
  kind?: Maps["kind"] | undefined;
  layout?: "nhwc" | "nchw" | undefined;
  logits?: boolean | undefined;
}

/** The picture that the maps are of: as it was sent to the network. */
export interface Shown {
  /** The network's input. */
  declared: TensorInfo | undefined;
  input: ImageInput | undefined;
  width: number;
  height: number;
}

/** Most classes of networks that give scores. */
const MOST = 256;

/** Reads maps out of an output: what `head` leaves open its type and its shape tell, or an error says what to add. */
export function mapsOf(output: TensorOutput, head: MapsHead, shown: Shown): Maps {
  const { kind, layout, height, width, classes } = formOf(output, head, shown);
  const { data } = output;
  const { logits = false } = head;
  if (kind === "classes") return { ...classesOf(output, head), width, height, kind, logits: false };
  if (data instanceof Int32Array) throw refusal(output, "scores as float32, or shares as bytes");
  return { width, height, classes, kind, data: placewise(data, layout, width * height, classes), logits };
}

/** Type and shape of an output. */
type Declared = Pick<TensorOutput, "name" | "dtype" | "shape">;

/** An axis whose size is not known yet. */
export const OPEN = -1;

/** How maps lie in an output. */
export interface Form {
  kind: Maps["kind"];
  layout: "nhwc" | "nchw";
  height: number;
  width: number;
  /** Channels: a score for each class, or 1. */
  classes: number;
}

/** How maps lie in an output of this type and shape; {@link OPEN} axes stay so. */
export function formOf(output: Declared, head: MapsHead, shown: Shown): Form {
  const { name, dtype, shape } = output;
  const kind = kindOf(output, head);
  const layout = layoutOf(output, kind, head, shown);
  const [, a = 0, b = 0, c = 1] = shape;
  const [height, width, classes] = layout === "nchw" ? [b, c, a] : [a, b, c];
  if (kind === "classes" && classes !== 1) {
    throw failure("shape-mismatch", "a network that gives classes has one for each place", {
      layer: name,
      expected: 'one channel, or `kind: "scores"`',
      received: told(shape),
    });
  }
  if (kind === "scores") {
    if (classes > MOST) throw refusal(output, `at most ${MOST} classes`);
    if (dtype === "int32" || (dtype === "uint8" && head.logits)) {
      throw refusal(output, "scores as float32, or shares as bytes");
    }
  }
  return { kind, layout, height, width, classes };
}

function kindOf(output: Declared, { kind, labels }: MapsHead): Maps["kind"] {
  const { name, dtype, shape } = output;
  const [batch, a, , c] = shape;
  if (batch !== 1 || (shape.length !== 3 && shape.length !== 4) || shape.includes(0))
    throw refusal(output, "[1, height, width, classes] or [1, height, width]");
  if (kind !== undefined && kind !== "scores" && kind !== "classes") {
    throw failure("invalid", "no such `kind` of maps", { expected: "scores or classes", received: String(kind) });
  }
  if (kind) return kind;
  const one = shape.length < 4 || c === 1 || (a === 1 && c !== labels);
  if (!one) return "scores";
  // One map of scores tells two classes apart: of more names each number has its own.
  if (dtype !== "float32" || labels > 2) return "classes";
  if (shape.length === 4) return "scores";
  throw failure("invalid", "these may be classes or the shares of one: say which by `kind`", {
    layer: name,
    expected: 'the option `kind`: "classes" or "scores"',
    received: `float32 ${told(shape)}`,
  });
}

function layoutOf(
  { name, shape }: Declared,
  kind: Maps["kind"],
  { labels, layout }: MapsHead,
  { declared, input = {}, width, height }: Shown,
): "nhwc" | "nchw" {
  if (layout !== undefined && layout !== "nhwc" && layout !== "nchw") {
    throw failure("invalid", "no such `layout`", { expected: "nhwc or nchw", received: String(layout) });
  }
  if (shape.length < 4) return "nhwc";
  if (layout) return layout;
  const [, a = 0, b = 0, c = 0] = shape;
  const only = (first: boolean, last: boolean) => (first === last ? undefined : first ? "nchw" : "nhwc");
  // Either axis may have the classes: as many as there are names, or one.
  const named = (channels: number) =>
    kind === "classes" ? channels === 1 : labels > 0 && (channels === labels || (channels === 1 && labels === 2));
  const how = plan(input, declared, width, height);
  // Maps have the proportions of the picture that the network was given, up to what strides round.
  const same = (h: number, w: number) => h * how.size[1] === w * how.size[0];
  const near = (h: number, w: number) => {
    const steps = (of: number, size: number): [number, number] => [of / (size + 1), of / Math.max(size - 1, 1e-9)];
    const [down, across] = [steps(how.size[0], h), steps(how.size[1], w)];
    return Math.max(down[0], across[0]) <= Math.min(down[1], across[1]);
  };
  const found =
    // Channels are never open.
    only(c === OPEN, a === OPEN) ??
    only(named(a), named(c)) ??
    only(same(b, c), same(a, b)) ??
    only(near(b, c), near(a, b)) ??
    pictures(declared);
  if (found) return found;
  throw failure("invalid", "the classes may be the first axis or the last: say which by `layout`", {
    layer: name,
    expected: 'the option `layout`: "nhwc" (last) or "nchw" (first)',
    received: told(shape),
  });
}

/** Where the network's input has its channels, if one axis alone can be them. */
function pictures(declared: TensorInfo | undefined): "nhwc" | "nchw" | undefined {
  const [, a, , c] = declared?.shape ?? [];
  const colours = (size: number | null | undefined) => size === 3 || size === 1;
  return colours(a) === colours(c) ? undefined : colours(a) ? "nchw" : "nhwc";
}

function classesOf({ name, dtype, data }: TensorOutput, { labels, kind }: MapsHead): Pick<Maps, "classes" | "data"> {
  let most = 0;
  for (const value of data) {
    if (!(Number.isInteger(value) && value >= 0 && value <= 0xffff)) {
      throw failure("unsupported", "these are no classes", {
        layer: name,
        expected: 'whole numbers from 0 to 65535, or `kind: "scores"`',
        received: String(value),
      });
    }
    // 255 often stands for what is not to be told.
    if (value > most) most = value;
    if (value > 1 && value < 255 && dtype === "uint8" && labels === 2 && !kind) {
      throw failure("invalid", "these may be classes or shares in bytes: say which by `kind`", {
        layer: name,
        expected: 'two classes, 0 and 1, or the option `kind`: "classes" or "scores"',
        received: String(value),
      });
    }
  }
  return { classes: Math.max(most + 1, labels, 2), data: Float32Array.from(data) };
}

/** Scores with those of a place side by side; of bytes 255 is all. */
function placewise(
  data: Float32Array | Uint8Array,
  layout: "nhwc" | "nchw",
  places: number,
  classes: number,
): Float32Array {
  const scale = data instanceof Uint8Array ? 1 / 255 : 1;
  if (layout === "nhwc" || classes === 1) {
    return data instanceof Float32Array ? data : Float32Array.from(data, (value) => value * scale);
  }
  const out = new Float32Array(places * classes);
  for (let c = 0; c < classes; c++) {
    for (let i = 0, from = c * places; i < places; i++, from++) out[i * classes + c] = (data[from] as number) * scale;
  }
  return out;
}

function refusal({ name, dtype, shape }: Declared, expected: string): Error {
  return failure("unsupported", "these are no maps of classes", {
    layer: name,
    expected,
    received: `${dtype} ${told(shape)}`,
  });
}

const told = (shape: readonly number[]): string => `[${shape.join(", ")}]`;
