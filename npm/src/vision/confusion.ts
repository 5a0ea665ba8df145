import { wholes } from "./inputs.js";
import type { Calls, WasmConfusion } from "./module.js";

/** Options of {@link Vision.confusionMatrix}. */
export interface ConfusionOptions {
  /** Number of classes. */
  classes: number;
  /** A class of the truth that is not counted: 255 in most data sets. Default: none. */
  ignore?: number;
}

/** A map, or its numbers alone. */
export type Labelled = ArrayLike<number> | { data: ArrayLike<number> };

const numbersOf = (map: Labelled): ArrayLike<number> => ("data" in map ? map.data : map);

/** Counts how often classes are taken for one another, over any number of pictures. Made by {@link Vision.confusionMatrix}. */
export class ConfusionMatrix {
  readonly #calls: Calls;
  readonly #counts: WasmConfusion;
  readonly #ignore: number;

  /** @internal */
  constructor(calls: Calls, counts: WasmConfusion, ignore: number) {
    this.#calls = calls;
    this.#counts = counts;
    this.#ignore = ignore;
  }

  /** Counts a pair of class maps, or of lists of classes, pixel by pixel. */
  add(truth: Labelled, prediction: Labelled): this {
    const [is, taken] = [wholes(numbersOf(truth), "truth"), wholes(numbersOf(prediction), "prediction")];
    this.#calls.run(() => this.#counts.add(is, taken, this.#ignore));
    return this;
  }

  /** The counts, `[classes, classes]`: the row is what it was, the column what it was taken for. */
  get matrix(): Float64Array<ArrayBuffer> {
    return this.#calls.run(() => this.#counts.matrix());
  }

  /** Intersection over union of every class; `undefined` for one that is nowhere. */
  get iou(): (number | undefined)[] {
    return this.#calls.run(() => this.#counts.iou());
  }

  /** The mean over all classes that are anywhere; NaN before anything was counted. */
  get meanIoU(): number {
    return this.#mean(0);
  }

  /** The mean over the classes that the truth has. */
  get meanIoUOfTruth(): number {
    return this.#mean(1);
  }

  /** The part of the pixels that is right. */
  get accuracy(): number {
    return this.#mean(2);
  }

  #mean(which: number): number {
    return this.#calls.run(() => this.#counts.means())[which] as number;
  }
}
