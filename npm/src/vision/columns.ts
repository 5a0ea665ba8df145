// Between lists of objects, as pages have them, and columns of numbers, as the module does.

import { failure } from "../errors.js";
import type { Detection } from "../types.js";
import * as given from "./inputs.js";
import type { ClassPrecision, FoundBox, ScoredBox, TextLine, TruthBox } from "./types.js";

/** Detections of columns. */
export function detections(
  [boxes, scores, classes]: readonly [Float32Array, Float32Array, Uint32Array],
  labels: readonly string[] | undefined,
): Detection[] {
  return scored([boxes, scores]).map((box, i) => {
    const value = classes[i] as number;
    return { label: labels?.[value] ?? String(value), class: value, ...box };
  });
}

/** Boxes with their scores. */
export function scored([boxes, scores]: readonly [Float32Array, Float32Array]): ScoredBox[] {
  return Array.from(scores, (score, i) => {
    const [x, y, width, height] = boxes.subarray(4 * i, 4 * i + 4) as unknown as [number, number, number, number];
    return { score, x, y, width, height };
  });
}

/** Lines of text with their corners. */
export function textLines([boxes, scores, corners]: readonly [Float32Array, Float32Array, Float32Array]): TextLine[] {
  return scored([boxes, scores]).map((box, i) => {
    const [x0, y0, x1, y1, x2, y2, x3, y3] = corners.subarray(8 * i, 8 * i + 8) as unknown as Eight;
    return {
      ...box,
      corners: [
        [x0, y0],
        [x1, y1],
        [x2, y2],
        [x3, y3],
      ],
    };
  });
}

type Eight = [number, number, number, number, number, number, number, number];

/** A figure, or nothing where it says that there was nothing to find. */
export const known = (value: number): number | undefined => (value < 0 ? undefined : value);

/** The average precision of each class. */
export const perClass = (names: readonly (number | string)[], values: Float64Array): ClassPrecision[] =>
  names.map((name, i) => ({ class: name, averagePrecision: known(values[i] as number) }));

type Sizes = Uint32Array<ArrayBuffer>;
type Floats = Float32Array<ArrayBuffer>;

/** Lists of boxes as the module wants them, pictures and classes numbered. */
export function evaluation(truths: readonly TruthBox[], found: readonly FoundBox[]) {
  const [images, kinds] = [new Map<number | string, number>(), new Map<number | string, number>()];
  const numbered = (names: Map<number | string, number>, name: number | string, what: string) => {
    if (typeof name !== "number" && typeof name !== "string") {
      throw failure("invalid", `every box says its ${what}`, { expected: "a number or a name", received: typeof name });
    }
    const index = names.get(name) ?? names.size;
    names.set(name, index);
    return index;
  };
  const columns = (boxes: readonly TruthBox[], what: string): [Sizes, Sizes, Floats] => [
    Uint32Array.from(boxes, ({ image }) => numbered(images, image, "image")),
    Uint32Array.from(boxes, (box) => numbered(kinds, box.class, "class")),
    given.boxesOf(boxes, "xywh", what)[0],
  ];
  const wanted = columns(truths, "truths");
  const own = columns(found, "found");
  const scores = given.floats(
    found.map(({ score }) => score),
    "scores",
  );
  return { arrays: [...wanted, ...own, scores] as const, names: [...kinds.keys()] };
}
