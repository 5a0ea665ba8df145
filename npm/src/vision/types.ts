import type { Detection } from "../types.js";

/** A box in pixels. */
export interface Box {
  /** Left edge. */
  x: number;
  /** Upper edge. */
  y: number;
  /** Width, 0 or more. */
  width: number;
  /** Height, 0 or more. */
  height: number;
}

/**
 * What the four numbers of a box are: `"corners"` are x and y of two opposite corners, `"centre"` the middle's x and y, width
 * and height, `"xywh"` the left upper corner's x and y, width and height (COCO).
 */
export type BoxForm = "corners" | "centre" | "xywh";

/** Boxes: four numbers each, one behind the other; fours of numbers; or objects as {@link Box} (whatever the form says). */
export type Boxes = ArrayLike<number> | readonly (readonly number[])[] | readonly Box[];

/** Numbers with the sizes of their axes, the last one running fastest; what `net.predict()` gives. */
export interface TensorLike {
  /** The numbers. */
  data: ArrayLike<number>;
  /** Sizes of the axes. */
  shape: readonly number[];
}

/** Floats with the sizes of their axes. */
export interface FloatTensor {
  /** The numbers. */
  data: Float32Array<ArrayBuffer>;
  /** Sizes of the axes. */
  shape: number[];
}

/** A class for every pixel. */
export interface ClassMap {
  /** Classes, row by row. */
  data: Uint16Array<ArrayBuffer>;
  /** Pixels in a row. */
  width: number;
  /** Rows. */
  height: number;
}

/** A number for every pixel: a mask, a matte, a heat map. */
export interface Matte {
  /** Row by row. */
  data: Float32Array<ArrayBuffer>;
  /** Pixels in a row. */
  width: number;
  /** Rows. */
  height: number;
}

/** Width and height. */
export interface Size {
  /** Pixels in a row. */
  width: number;
  /** Rows. */
  height: number;
}

/** Options of {@link Vision.nonMaxSuppression}. */
export interface SuppressionOptions {
  /** What the boxes' numbers are. Default: `"corners"`. */
  form?: BoxForm;
  /** At most so many. Default: all. */
  maxOutput?: number;
  /** A box that overlaps a better one by more than this (intersection over union) goes. Default: 0.5. */
  iouThreshold?: number;
  /** Scores must be above this. Default: any will do. */
  scoreThreshold?: number;
  /** Above 0 suppression is soft: overlaps lower scores by `exp(-iou² / (2 sigma))` instead. Default: 0. */
  softSigma?: number;
  /** A class, or the picture of a batch, for every box: boxes of different groups leave each other alone. */
  groups?: ArrayLike<number>;
}

/** Options of {@link Vision.combinedNonMaxSuppression}. */
export interface CombinedOptions {
  /** Most boxes of one class. */
  maxOutputPerClass: number;
  /** Most boxes of a picture. */
  maxTotal: number;
  /** A box that overlaps a better one of its class by more than this goes. Default: 0.5. */
  iouThreshold?: number;
  /** Scores must be above this. Default: any will do. */
  scoreThreshold?: number;
  /** There is room for `maxOutputPerClass` boxes of every class, if that is less than `maxTotal`. Default: false. */
  padPerClass?: boolean;
  /** Corners are cut off to 0 .. 1. Default: true. */
  clipBoxes?: boolean;
}

/** Boxes of a batch, best first, zeros where there are fewer. */
export interface CombinedBoxes {
  /** `[batch, boxes, 4]`, corners in the order they came. */
  boxes: FloatTensor;
  /** `[batch, boxes]`. */
  scores: FloatTensor;
  /** `[batch, boxes]`. */
  classes: FloatTensor;
  /** How many there are in each picture. */
  valid: Int32Array<ArrayBuffer>;
}

/** A head of a YOLO network: its raw output `[batch, rows, columns, channels]`, and how fine its grid is. */
export interface YoloHead extends TensorLike {
  /** Pixels of the network's input per cell. */
  stride: number;
  /** Width and height of the anchors, in pixels (versions 2 to 7; version 2 lists them in cells: times the stride). */
  anchors?: readonly (readonly [number, number])[];
}

/** Options of {@link Vision.decodeYolo}. */
export interface YoloOptions {
  /** 3 and 4 decode alike, as do 5 and 7, and 8 and later. */
  version: 2 | 3 | 4 | 5 | 7 | 8 | 9 | 10 | 11;
  /** Number of classes. */
  classes: number;
  /** From version 8 on: distances that an edge's distribution has. Default: 16; with 1 the numbers are distances. */
  bins?: number;
}

/** Boxes that a detector proposes, and scores of every class for each. */
export interface DecodedBoxes {
  /** Corners (left, upper, right, lower) in pixels of the network's input, `[pictures, count, 4]`. */
  boxes: Float32Array<ArrayBuffer>;
  /** Whether there is anything, `[pictures, count]`; the scores are still to be multiplied by it. */
  objectness?: Float32Array<ArrayBuffer> | undefined;
  /** `[pictures, count, classes]`. */
  scores: Float32Array<ArrayBuffer>;
  /** Pictures in the batch. */
  pictures: number;
  /** Boxes of each picture. */
  count: number;
  /** Number of classes. */
  classes: number;
}

/** Options of {@link Vision.selectBoxes}. */
export interface SelectOptions {
  /** Scores must be above this. Default: 0.25. */
  scoreThreshold?: number;
  /** Of two boxes that overlap by more than this the weaker goes. Default: 0.45. */
  iouThreshold?: number;
  /** At most so many for each picture. Default: 100. */
  maxDetections?: number;
  /** Most boxes, the best, that suppression looks at: it is quadratic. Default: 1000. */
  maxCandidates?: number;
  /** Boxes of different classes leave each other alone. Default: true. */
  perClass?: boolean;
  /** Factors of x and y, from the network's input to the picture. Default: 1. */
  scale?: number | readonly [number, number];
  /** A class that stands for nothing (0 in many SSDs). */
  background?: number;
  /** Names of the classes. */
  labels?: readonly string[];
}

/** Options of {@link Vision.ssdAnchors}; the defaults are those of SSD300 on MobileNet. */
export interface SsdAnchorOptions {
  /** Side of the square grids, from the finest. */
  grids?: readonly number[];
  /** Size of the boxes on the first and the last grid. */
  scales?: readonly [number, number];
  /** Width over height. */
  ratios?: readonly number[];
  /** The first grid has three boxes only. */
  reduceLowest?: boolean;
  /** A further square between this grid's size and the next one's. */
  between?: boolean;
}

/** Options of {@link Vision.pyramidAnchors}; the defaults are RetinaNet's. */
export interface PyramidAnchorOptions {
  /** Pixels per cell of each level. */
  strides?: readonly number[];
  /** Side of the base box, in strides. */
  base?: number;
  /** Factors of the base box. */
  scales?: readonly number[];
  /** Width over height; the area stays. */
  ratios?: readonly number[];
}

/** What the heads of a CenterNet say. */
export interface CenterNetHeads {
  /** Scores `[1, rows, columns, classes]`. */
  heat: TensorLike;
  /** `[1, rows, columns, 4]`: pixels to the left, upper, right, lower edge; or `[1, rows, columns, 2]`: sizes in cells. */
  sizes: TensorLike;
  /** Beside sizes in cells: `[1, rows, columns, 2]`, where in the cell the middle lies. */
  offsets?: TensorLike;
}

/** Options of {@link Vision.decodeCenterNet}. */
export interface CenterNetOptions extends Pick<SelectOptions, "scoreThreshold" | "maxDetections" | "scale" | "labels"> {
  /** Pixels of the network's input per cell. Default: 4. */
  stride?: number;
}

/** A box that should be found. */
export interface TruthBox extends Box {
  /** The picture, by number or name. */
  image: number | string;
  /** The class, by number or name. */
  class: number | string;
}

/** A box that was found. */
export interface FoundBox extends TruthBox {
  /** How sure the detector is. */
  score: number;
}

/** Average precision of a class, `undefined` where there was nothing to find. */
export interface ClassPrecision {
  /** The class. */
  class: number | string;
  /** 0 to 1. */
  averagePrecision: number | undefined;
}

/** COCO's figures, each `undefined` where there was nothing to find. */
export interface CocoResult {
  /** Average precision over overlaps of 0.5 to 0.95: the figure papers give. */
  averagePrecision: number | undefined;
  /** At an overlap of 0.5. */
  at50: number | undefined;
  /** At an overlap of 0.75. */
  at75: number | undefined;
  /** Of boxes below 32², between, and above 96² square pixels. */
  bySize: { small: number | undefined; medium: number | undefined; large: number | undefined };
  /** Average recall with at most 1, 10 and 100 boxes a picture. */
  recall: { at1: number | undefined; at10: number | undefined; at100: number | undefined };
  /** Average recall by size. */
  recallBySize: { small: number | undefined; medium: number | undefined; large: number | undefined };
  /** Of every class. */
  perClass: ClassPrecision[];
}

/** PASCAL VOC's figures. */
export interface VocResult {
  /** The mean over all classes that there are; `undefined` without any. */
  meanAveragePrecision: number | undefined;
  /** Of every class. */
  perClass: ClassPrecision[];
}

/** Options of {@link Vision.tracker}. */
export interface TrackerOptions {
  /** Frames that a track survives without its box. Default: 1. */
  maxAge?: number;
  /** Frames in a row that a box must be seen before it is told; in the first frames of all it is told at once. Default: 3. */
  minHits?: number;
  /** Least overlap of a box with where its track should be. Default: 0.3. */
  iouThreshold?: number;
}

/** What a tracker wants to know of a box: as {@link Detection}, of which class and score may be missing. */
export type Trackable = Box & Partial<Pick<Detection, "class" | "label" | "score">>;

/** A box that was given, where the track's filter has it, with the track's number. */
export type Tracked<T extends Trackable> = T & {
  /** Counts from 1; the same thing keeps its number. */
  id: number;
};

/** A class in a picture. */
export interface LegendEntry {
  /** As the network counts. */
  class: number;
  /** Its name, or its number as text. */
  label: string;
  /** As `#rrggbb`. */
  colour: string;
  /** How many pixels it has. */
  pixels: number;
  /** Part of the picture, 0 to 1. */
  share: number;
}

/** A class that a network takes a picture for. */
export interface Prediction {
  /** As the network counts. */
  class: number;
  /** Its name, or its number as text. */
  label: string;
  /** What the network gives it. */
  score: number;
}

/** A box that a network is so sure of, in pixels of the picture. */
export interface ScoredBox extends Box {
  /** How sure it is, 0 to 1. */
  score: number;
}

/** A line of text, in pixels of the picture. */
export interface TextLine extends ScoredBox {
  /**
   * Corners of the rectangle around the line, at whatever angle it lies: clockwise from the left upper one, along the line first.
   * `x`, `y`, `width` and `height` are the upright box around them.
   */
  corners: [Corner, Corner, Corner, Corner];
}

/** A point: from the left, from above. */
export type Corner = [x: number, y: number];

/** A part of a body, in pixels of the picture. */
export interface Keypoint {
  /** Its name: `nose`, `leftEye` ... */
  part: string;
  /** From the left. */
  x: number;
  /** From above. */
  y: number;
  /** How sure the network is, 0 to 1. */
  score: number;
}

/** A body. */
export interface Pose {
  /** Its parts, in COCO's order. */
  keypoints: Keypoint[];
}

/** Options of {@link Vision.decodeFaces}. */
export interface FaceHeadOptions {
  /** Lowest score, 0 to 1. Default 0.3. */
  scoreThreshold?: number;
  /** Of two boxes that overlap by more than this the weaker is dropped. Default 0.4. */
  iouThreshold?: number;
  /** At most so many. Default 100. */
  maxDetections?: number;
}

/** Options of {@link Vision.decodeText}. */
export interface TextMapOptions {
  /** Lowest share of text of a pixel. Default 0.3. */
  pixelThreshold?: number;
  /** Lowest mean share in a line's rectangle. Default 0.5. */
  scoreThreshold?: number;
}
