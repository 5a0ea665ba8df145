// The WebAssembly module of what is around networks (`src/js/vision` of the crate), and how it is called.

import { errorFrom, failure, fieldsOf } from "../errors.js";
import { type Files, start } from "../start.js";
import { isTrap } from "../traps.js";

type Floats = Float32Array<ArrayBuffer>;
type Sizes = Uint32Array<ArrayBuffer>;

/** Follows boxes; eight numbers for each track. */
export interface WasmTracker {
  update(boxes: Floats, kinds: Sizes, scores: Floats): Float64Array;
  tracks(): Float64Array;
  free(): void;
}

/** How often classes were taken for one another. */
export interface WasmConfusion {
  add(truth: Sizes, prediction: Sizes, ignored: number): void;
  matrix(): Float64Array<ArrayBuffer>;
  iou(): (number | undefined)[];
  means(): Float64Array;
  free(): void;
}

/** What wasm-bindgen exports. */
export interface VisionModule {
  default(options: { module_or_path: WebAssembly.Module }): Promise<unknown>;
  iou(a: Floats, b: Floats, form: number, generalised: boolean): Floats;
  convertBoxes(boxes: Floats, from: number, to: number): Floats;
  nonMaxSuppression(
    boxes: Floats,
    form: number,
    scores: Floats,
    groups: Sizes | undefined,
    most: number,
    iou: number,
    score: number,
    sigma: number,
  ): [Sizes, Floats];
  combinedNonMaxSuppression(
    boxes: Floats,
    boxesShape: Sizes,
    scores: Floats,
    scoresShape: Sizes,
    mostPerClass: number,
    most: number,
    iou: number,
    score: number,
    padPerClass: boolean,
    clip: boolean,
  ): [Floats, Floats, Floats, Int32Array<ArrayBuffer>];
  decodeYolo(
    raw: Floats,
    shape: Sizes,
    version: number,
    anchors: Floats,
    stride: number,
    classes: number,
    bins: number,
  ): [Floats, Floats, Floats, number];
  selectBoxes(
    corners: Floats,
    objectness: Floats | undefined,
    scores: Floats,
    classes: number,
    score: number,
    iou: number,
    most: number,
    mostCandidates: number,
    perClass: boolean,
    scaleX: number,
    scaleY: number,
  ): [Floats, Floats, Sizes];
  decodeCenterNet(
    heat: Floats,
    heatShape: Sizes,
    sizes: Floats,
    sizesShape: Sizes,
    offsets: Floats | undefined,
    stride: number,
    score: number,
    most: number,
  ): [Floats, Floats, Sizes];
  decodeFaces(
    head: Floats,
    shape: Sizes,
    width: number,
    height: number,
    score: number,
    iou: number,
    most: number,
  ): [Floats, Floats];
  decodePose(
    heat: Floats,
    heatShape: Sizes,
    offsets: Floats,
    offsetsShape: Sizes,
    inputWidth: number,
    inputHeight: number,
    width: number,
    height: number,
  ): Floats;
  poseParts(): string[];
  decodeTextMap(
    map: Floats,
    shape: Sizes,
    width: number,
    height: number,
    pixel: number,
    score: number,
  ): [Floats, Floats, Floats];
  ssdAnchors(
    grids: Sizes,
    smallest: number,
    largest: number,
    ratios: Floats,
    reduceLowest: boolean,
    between: boolean,
  ): Floats;
  pyramidAnchors(height: number, width: number, strides: Sizes, base: number, scales: Floats, ratios: Floats): Floats;
  decodeBoxes(codes: Floats, anchors: Floats, scales: Floats): Floats;
  encodeBoxes(corners: Floats, anchors: Floats, scales: Floats): Floats;
  BoxTracker: new (maxAge: number, minHits: number, iou: number) => WasmTracker;
  coco(
    trueImages: Sizes,
    trueKinds: Sizes,
    trueBoxes: Floats,
    images: Sizes,
    kinds: Sizes,
    boxes: Floats,
    scores: Floats,
    classes: number,
  ): Float64Array;
  voc(
    trueImages: Sizes,
    trueKinds: Sizes,
    trueBoxes: Floats,
    images: Sizes,
    kinds: Sizes,
    boxes: Floats,
    scores: Floats,
    classes: number,
    iou: number,
    elevenPoints: boolean,
  ): Float64Array;
  Confusion: new (classes: number) => WasmConfusion;
  classMap(scores: Floats, shape: Sizes, height: number, width: number): Uint16Array<ArrayBuffer>;
  resizeMap(
    map: Uint16Array,
    height: number,
    width: number,
    toHeight: number,
    toWidth: number,
  ): Uint16Array<ArrayBuffer>;
  resizePlanes(values: Floats, shape: Sizes, toHeight: number, toWidth: number, antialias: boolean): Floats;
  classAreas(map: Uint16Array, classes: number): Sizes;
  classColours(classes: number): Uint8Array<ArrayBuffer>;
  preprocess(pixels: Floats, mode: string): Floats;
  preprocessPicture(
    rgba: Uint8Array | Uint8ClampedArray,
    width: number,
    height: number,
    toHeight: number,
    toWidth: number,
    mode: string,
  ): Floats;
  decodePredictions(predictions: Floats, classes: number, top: number): [Sizes, Floats];
  cropAndResize(
    images: Floats,
    shape: Sizes,
    boxes: Floats,
    pictures: Int32Array,
    height: number,
    width: number,
    nearest: boolean,
    outside: number,
  ): Floats;
}

/** Calls of one instance: errors become striate's, and an instance that broke is not called again. */
export class Calls {
  readonly #module: VisionModule;
  #broken = false;

  constructor(module: VisionModule) {
    this.#module = module;
  }

  /** Whether a fault has stopped the instance. */
  get broken(): boolean {
    return this.#broken;
  }

  /** What the work gives. */
  run<T>(work: (module: VisionModule) => T): T {
    if (this.#broken) {
      throw failure("internal", "striate/vision was stopped by a fault: get a new one from loadVision()");
    }
    try {
      return work(this.#module);
    } catch (thrown) {
      if (!isTrap(thrown)) throw errorFrom(fieldsOf(thrown));
      this.#broken = true;
      throw failure("resource", `out of memory in striate/vision (${thrown.message}); call loadVision() again`, {
        cause: thrown,
      });
    }
  }
}

// Written out for bundlers, as in `wasm.ts`.
const BESIDE: Files = {
  glue: new URL("./wasm/vision/vision.js", import.meta.url),
  binary: new URL("./wasm/vision/vision_bg.wasm", import.meta.url),
};

/** Fetches, compiles and starts the module. */
export function loadModule(assets: string | undefined): Promise<VisionModule> {
  if (!assets) return start(BESIDE);
  return start({
    glue: new URL("wasm/vision/vision.js", assets),
    binary: new URL("wasm/vision/vision_bg.wasm", assets),
  });
}
