// What pages give, as the module wants it. What TypeScript forbids is checked all the same: pages are written in JavaScript, too.

import { failure } from "../errors.js";
import type { Box, Boxes, BoxForm, Size, TensorLike } from "./types.js";

const FORMS: readonly BoxForm[] = ["corners", "centre", "xywh"];

/** The number of a form. */
export function formOf(form: BoxForm): number {
  const index = FORMS.indexOf(form);
  if (index < 0)
    throw failure("invalid", "no such form of boxes", { expected: FORMS.join(", "), received: String(form) });
  return index;
}

const isList = (value: unknown): value is ArrayLike<unknown> =>
  typeof value === "object" && value !== null && Number.isInteger((value as ArrayLike<unknown>).length);

function notNumbers(what: string, value: unknown): Error {
  return failure("invalid", `${what} must be a list of numbers`, { received: value === null ? "null" : typeof value });
}

/** Numbers as floats. */
export function floats(values: ArrayLike<number>, what: string): Float32Array<ArrayBuffer> {
  if (values instanceof Float32Array) return values as Float32Array<ArrayBuffer>;
  if (!isList(values)) throw notNumbers(what, values);
  const result = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    // A long integer or a word would become NaN or throw a TypeError.
    if (typeof value !== "number") throw notNumbers(`${what}[${i}]`, value);
    result[i] = value;
  }
  return result;
}

/** Whole numbers of 0 or more. */
export function wholes(values: ArrayLike<number>, what: string): Uint32Array<ArrayBuffer> {
  if (values instanceof Uint32Array) return values as Uint32Array<ArrayBuffer>;
  if (!isList(values)) throw notNumbers(what, values);
  const result = new Uint32Array(values.length);
  for (let i = 0; i < values.length; i++) result[i] = whole(values[i] as number, what);
  return result;
}

/** A whole number of 0 or more. */
export function whole(value: number, what: string): number {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) {
    throw failure("invalid", `${what} must be a whole number`, { expected: "0 or more", received: String(value) });
  }
  return value;
}

/** As {@link whole}, or as many as there can be. */
export function most(value: number | undefined, what: string): number {
  return value === undefined || value === Number.POSITIVE_INFINITY ? 0xffffffff : whole(value, what);
}

/** A number. */
export function number(value: number, what: string): number {
  if (typeof value !== "number" || Number.isNaN(value)) {
    throw failure("invalid", `${what} must be a number`, { received: String(value) });
  }
  return value;
}

/** Factors of x and y. */
export function scaleOf(scale: number | readonly [number, number]): [number, number] {
  const [x, y] = typeof scale === "number" ? [scale, scale] : scale;
  return [number(x, "scale"), number(y, "scale")];
}

/** A tensor's numbers and sizes. */
export function tensor(
  value: TensorLike,
  what: string,
): { data: Float32Array<ArrayBuffer>; shape: Uint32Array<ArrayBuffer> } {
  if (typeof value !== "object" || value === null || !("data" in value && "shape" in value)) {
    throw failure("invalid", `${what} must be { data, shape }`, { received: value === null ? "null" : typeof value });
  }
  return { data: floats(value.data, what), shape: wholes(value.shape, `the shape of ${what}`) };
}

/** Boxes as numbers, and the number of their form. */
export function boxesOf(boxes: Boxes, form: BoxForm, what: string): [Float32Array<ArrayBuffer>, number] {
  if (!isList(boxes)) throw notNumbers(what, boxes);
  const first = boxes[0];
  if (typeof first !== "object" || first === null) return [floats(boxes as ArrayLike<number>, what), formOf(form)];
  const objects = !isList(first);
  const four = (box: unknown, i: number): readonly number[] => {
    const numbers = objects ? edges(box as Box) : (box as readonly number[]);
    if (!isList(numbers) || numbers.length !== 4) {
      throw failure("shape-mismatch", `${what}[${i}] is no box`, { expected: "four numbers", received: String(box) });
    }
    return numbers;
  };
  const numbers = Array.from(boxes as ArrayLike<unknown>, four).flat();
  return [floats(numbers, what), objects ? formOf("xywh") : formOf(form)];
}

const edges = (box: Box | null | undefined): number[] =>
  [box?.x, box?.y, box?.width, box?.height].filter((edge) => edge !== undefined);

/** A width and a height of at least 1. */
export function sizeOf(size: Size, what: string): Size {
  const [width, height] = [whole(size?.width, `the width of ${what}`), whole(size?.height, `the height of ${what}`)];
  if (width === 0 || height === 0) {
    throw failure("invalid", `${what} is empty`, { expected: "at least 1 x 1", received: `${width} x ${height}` });
  }
  return { width, height };
}

/** Something for every pixel. */
export function pixels<T extends ArrayLike<number>>(map: { data: T } & Size, what: string): T {
  const { width, height } = sizeOf(map, what);
  const { data } = map;
  if (!isList(data) || data.length !== width * height) {
    throw failure("shape-mismatch", `${what} needs a number for every pixel`, {
      expected: `${width} x ${height} = ${width * height}`,
      received: String(data?.length),
    });
  }
  return data;
}

/** A class for every pixel, as the module has them. */
export function classes(map: { data: ArrayLike<number> } & Size, what: string): Uint16Array {
  const data = pixels(map, what);
  if (data instanceof Uint16Array || data instanceof Uint8Array) return Uint16Array.from(data);
  const list = wholes(data, what);
  const large = list.find((value) => value > 0xffff);
  if (large !== undefined) {
    throw failure("invalid", `${what}: class ${large} is too large`, { expected: "0 to 65535", received: `${large}` });
  }
  return Uint16Array.from(list);
}
