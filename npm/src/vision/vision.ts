import { failure } from "../errors.js";
import type { Detection, RawImage } from "../types.js";
import { detections, evaluation, known, perClass, scored, textLines } from "./columns.js";
import { ConfusionMatrix, type ConfusionOptions, type Labelled } from "./confusion.js";
import * as given from "./inputs.js";
import { Calls, type VisionModule } from "./module.js";
import { Tracker } from "./tracker.js";
import type {
  Boxes,
  BoxForm,
  CenterNetHeads,
  CenterNetOptions,
  ClassMap,
  CocoResult,
  CombinedBoxes,
  CombinedOptions,
  DecodedBoxes,
  FaceHeadOptions,
  FloatTensor,
  FoundBox,
  LegendEntry,
  Matte,
  Pose,
  Prediction,
  PyramidAnchorOptions,
  ScoredBox,
  SelectOptions,
  Size,
  SsdAnchorOptions,
  SuppressionOptions,
  TensorLike,
  TextLine,
  TextMapOptions,
  Trackable,
  TrackerOptions,
  TruthBox,
  VocResult,
  YoloHead,
  YoloOptions,
} from "./types.js";

/** Which head of the module decodes a version. */
const YOLO_HEADS: { [version: number]: number } = { 2: 2, 3: 3, 4: 3, 5: 5, 7: 5, 8: 8, 9: 8, 10: 8, 11: 8 };

/** SSD's scales of box codes: y, x, height, width. */
const SSD_SCALES = [10, 10, 5, 5] as const;

/** A class map, or anything of its form. */
type MapLike = { data: ArrayLike<number> } & Size;

/**
 * What is around networks: boxes, heads of detectors, tracks, class maps, measures, pictures. From {@link loadVision}; all calls
 * are synchronous, nothing has to be freed, and what does not fit is a `StriateError`.
 */
export class Vision {
  readonly #calls: Calls;

  /** @internal */
  constructor(module: VisionModule) {
    this.#calls = new Calls(module);
  }

  /** A fault has stopped this instance: {@link loadVision} gives another. */
  get broken(): boolean {
    return this.#calls.broken;
  }

  // Boxes.

  /** Intersection over union of every box of `a` with every one of `b`, `[a, b]`; 0 where either has no area. */
  iou(a: Boxes, b: Boxes, { form = "corners" }: { form?: BoxForm } = {}): FloatTensor {
    return this.#overlaps(a, b, form, false);
  }

  /** Generalised intersection over union (Rezatofighi et al. 2019), -1 to 1: less the further apart two boxes are. */
  giou(a: Boxes, b: Boxes, { form = "corners" }: { form?: BoxForm } = {}): FloatTensor {
    return this.#overlaps(a, b, form, true);
  }

  #overlaps(a: Boxes, b: Boxes, form: BoxForm, generalised: boolean): FloatTensor {
    const both = [given.boxesOf(a, form, "a"), given.boxesOf(b, form, "b")] as const;
    // Objects come as x, y, width, height: where only one side does, the other follows.
    const [[left], [right]] = both.map(
      ([boxes, own]) => [own === 0 ? boxes : this.#convert(boxes, own, 0)] as const,
    ) as [readonly [Float32Array<ArrayBuffer>], readonly [Float32Array<ArrayBuffer>]];
    const data = this.#calls.run((module) => module.iou(left, right, 0, generalised));
    return { data, shape: [left.length / 4, right.length / 4] };
  }

  #convert(boxes: Float32Array<ArrayBuffer>, from: number, to: number): Float32Array<ArrayBuffer> {
    return this.#calls.run((module) => module.convertBoxes(boxes, from, to));
  }

  /** Boxes in another form, four numbers each. Corners come out as left, upper, right, lower. */
  convertBoxes(boxes: Boxes, from: BoxForm, to: BoxForm): Float32Array<ArrayBuffer> {
    const [numbers, form] = given.boxesOf(boxes, from, "boxes");
    return this.#convert(numbers, form, given.formOf(to));
  }

  /**
   * Which boxes stay where several cover the same thing, best first, with their scores (lowered ones, if suppression is soft).
   * Number for number as TensorFlow's.
   */
  nonMaxSuppression(
    boxes: Boxes,
    scores: ArrayLike<number>,
    {
      form = "corners",
      maxOutput,
      iouThreshold = 0.5,
      scoreThreshold = Number.NEGATIVE_INFINITY,
      softSigma = 0,
      groups,
    }: SuppressionOptions = {},
  ): { indices: Uint32Array<ArrayBuffer>; scores: Float32Array<ArrayBuffer> } {
    const [numbers, own] = given.boxesOf(boxes, form, "boxes");
    const points = given.floats(scores, "scores");
    const kinds = groups === undefined ? undefined : given.wholes(groups, "groups");
    const [atMost, iou] = [given.most(maxOutput, "maxOutput"), given.number(iouThreshold, "iouThreshold")];
    const [score, sigma] = [given.number(scoreThreshold, "scoreThreshold"), given.number(softSigma, "softSigma")];
    const [indices, kept] = this.#calls.run((module) =>
      module.nonMaxSuppression(numbers, own, points, kinds, atMost, iou, score, sigma),
    );
    return { indices, scores: kept };
  }

  /**
   * Suppression class by class over a batch, as `tf.image.combined_non_max_suppression`: `boxes` is `[batch, boxes, 1 or classes,
   * 4]` with two opposite corners, `scores` `[batch, boxes, classes]`.
   */
  combinedNonMaxSuppression(boxes: TensorLike, scores: TensorLike, options: CombinedOptions): CombinedBoxes {
    const { iouThreshold = 0.5, scoreThreshold = Number.NEGATIVE_INFINITY, padPerClass = false } = options;
    const [b, s] = [given.tensor(boxes, "boxes"), given.tensor(scores, "scores")];
    const [each, total] = [
      given.whole(options.maxOutputPerClass, "maxOutputPerClass"),
      given.whole(options.maxTotal, "maxTotal"),
    ];
    const [iou, score] = [given.number(iouThreshold, "iouThreshold"), given.number(scoreThreshold, "scoreThreshold")];
    const clip = options.clipBoxes ?? true;
    const [corners, points, classes, valid] = this.#calls.run((module) =>
      module.combinedNonMaxSuppression(b.data, b.shape, s.data, s.shape, each, total, iou, score, padPerClass, clip),
    );
    const shape = [valid.length, valid.length > 0 ? points.length / valid.length : 0];
    return {
      boxes: { data: corners, shape: [...shape, 4] },
      scores: { data: points, shape },
      classes: { data: classes, shape },
      valid,
    };
  }

  // Heads of detectors.

  /**
   * The boxes that a YOLO network's heads say, one head or several, for {@link selectBoxes}. Outputs whose channels come
   * first have to be transposed before.
   */
  decodeYolo(heads: YoloHead | readonly YoloHead[], { version, classes, bins = 16 }: YoloOptions): DecodedBoxes {
    const list = [heads].flat() as YoloHead[];
    const head = YOLO_HEADS[version];
    if (head === undefined || list.length === 0) {
      throw failure("invalid", head ? "there are no heads" : "no such version of YOLO", { received: String(version) });
    }
    const kinds = given.whole(classes, "classes");
    const parts = list.map((one) => {
      const { data, shape } = given.tensor(one, "a head");
      const anchors = given.floats((one.anchors ?? []).flat(), "anchors");
      const stride = given.number(one.stride, "stride");
      const decoded = this.#calls.run((module) =>
        module.decodeYolo(data, shape, head, anchors, stride, kinds, given.whole(bins, "bins")),
      );
      return { decoded, pictures: shape[0] as number, count: decoded[3] };
    });
    const pictures = parts[0]?.pictures as number;
    if (parts.some((part) => part.pictures !== pictures)) {
      throw failure("shape-mismatch", "the heads are of batches of different sizes");
    }
    // Picture by picture, and in each head by head.
    const joined = (which: 0 | 1 | 2, width: number) => {
      const total = parts.reduce((sum, { decoded }) => sum + decoded[which].length, 0);
      const result = new Float32Array(total);
      let at = 0;
      for (let picture = 0; picture < pictures; picture++) {
        for (const { decoded, count } of parts) {
          const own = count * width;
          result.set(decoded[which].subarray(picture * own, (picture + 1) * own), at);
          at += own;
        }
      }
      return result;
    };
    const count = parts.reduce((sum, part) => sum + part.count, 0);
    return { boxes: joined(0, 4), objectness: joined(1, 1), scores: joined(2, kinds), pictures, count, classes: kinds };
  }

  /** What is left of a detector's boxes, picture by picture, best first: those that pass the threshold and no better one covers. */
  selectBoxes(decoded: DecodedBoxes, options: SelectOptions = {}): Detection[][] {
    const { scoreThreshold = 0.25, iouThreshold = 0.45, perClass = true, scale = 1, background, labels } = options;
    const { pictures, count, classes } = decoded;
    const size = given.whole(count, "count") * given.whole(classes, "classes");
    let scores = given.floats(decoded.scores, "scores");
    if (background !== undefined) {
      scores = scores.map((score, i) => (i % classes === background ? Number.NEGATIVE_INFINITY : score));
    }
    const boxes = given.floats(decoded.boxes, "boxes");
    const [x, y] = given.scaleOf(scale);
    const most = given.most(options.maxDetections ?? 100, "maxDetections");
    const candidates = given.most(options.maxCandidates ?? 1000, "maxCandidates");
    const [score, iou] = [given.number(scoreThreshold, "scoreThreshold"), given.number(iouThreshold, "iouThreshold")];
    return Array.from({ length: given.whole(pictures, "pictures") }, (_, i) => {
      const own = boxes.slice(4 * i * count, 4 * (i + 1) * count);
      const points = scores.slice(i * size, (i + 1) * size);
      const objectness = decoded.objectness?.slice(i * count, (i + 1) * count);
      const found = this.#calls.run((module) =>
        module.selectBoxes(own, objectness, points, classes, score, iou, most, candidates, perClass, x, y),
      );
      return detections(found, labels);
    });
  }

  /** Objects at the peaks of a CenterNet's heat maps, best first. */
  decodeCenterNet({ heat, sizes, offsets }: CenterNetHeads, options: CenterNetOptions = {}): Detection[] {
    const { scoreThreshold = 0.3, stride = 4, scale = 1, labels } = options;
    const [h, s] = [given.tensor(heat, "the heat map"), given.tensor(sizes, "sizes")];
    const o = offsets && given.tensor(offsets, "offsets").data;
    const most = given.most(options.maxDetections ?? 100, "maxDetections");
    const [score, cells] = [given.number(scoreThreshold, "scoreThreshold"), given.number(stride, "stride")];
    const [corners, scores, classes] = this.#calls.run((module) =>
      module.decodeCenterNet(h.data, h.shape, s.data, s.shape, o, cells, score, most),
    );
    const [x, y] = given.scaleOf(scale);
    const boxes = this.#convert(corners, 0, given.formOf("xywh")).map((edge, i) => edge * (i % 2 === 0 ? x : y));
    return detections([boxes, scores, classes], labels);
  }

  /** Faces in the head `[1, n, n, 25]` of the tiny face detector, best first; the picture lay in the left upper corner of a square. */
  decodeFaces(head: TensorLike, picture: Size, options: FaceHeadOptions = {}): ScoredBox[] {
    const { scoreThreshold = 0.3, iouThreshold = 0.4, maxDetections = 100 } = options;
    const [h, { width, height }] = [given.tensor(head, "the head's output"), given.sizeOf(picture, "the picture")];
    const [score, iou] = [given.number(scoreThreshold, "scoreThreshold"), given.number(iouThreshold, "iouThreshold")];
    const most = given.most(maxDetections, "maxDetections");
    return scored(this.#calls.run((module) => module.decodeFaces(h.data, h.shape, width, height, score, iou, most)));
  }

  /**
   * One person's parts from PoseNet's maps: `heat` `[1, rows, columns, 17]`, `offsets` `[1, rows, columns, 34]`; `input` is the size that
   * the picture was stretched to.
   */
  decodePose(maps: { heat: TensorLike; offsets: TensorLike }, sizes: { input: Size; picture: Size }): Pose {
    const [heat, offsets] = [given.tensor(maps.heat, "the heat map"), given.tensor(maps.offsets, "the offsets")];
    const [input, picture] = [given.sizeOf(sizes.input, "the input"), given.sizeOf(sizes.picture, "the picture")];
    const [numbers, parts] = this.#calls.run((module) => [
      module.decodePose(
        heat.data,
        heat.shape,
        offsets.data,
        offsets.shape,
        input.width,
        input.height,
        picture.width,
        picture.height,
      ),
      module.poseParts(),
    ]);
    const point = (part: string, i: number) => {
      const [x, y, score] = numbers.subarray(3 * i, 3 * i + 3) as unknown as [number, number, number];
      return { part, x, y, score };
    };
    return { keypoints: parts.map(point) };
  }

  /**
   * Lines of text, at any angle, in a map of shares `[1, rows, columns, 1]` (or channels first) of DB, best first; the picture was
   * stretched to the map.
   */
  decodeText(map: TensorLike, picture: Size, options: TextMapOptions = {}): TextLine[] {
    const { pixelThreshold = 0.3, scoreThreshold = 0.5 } = options;
    const [m, { width, height }] = [given.tensor(map, "the map"), given.sizeOf(picture, "the picture")];
    const [pixel, score] = [
      given.number(pixelThreshold, "pixelThreshold"),
      given.number(scoreThreshold, "scoreThreshold"),
    ];
    return textLines(this.#calls.run((module) => module.decodeTextMap(m.data, m.shape, width, height, pixel, score)));
  }

  /** SSD's anchors as parts of the picture: centre y, centre x, height and width of each, for {@link decodeBoxes}. */
  ssdAnchors({
    grids = [19, 10, 5, 3, 2, 1],
    scales = [0.2, 0.95],
    ratios = [1, 2, 0.5, 3, 0.3333],
    reduceLowest = true,
    between = true,
  }: SsdAnchorOptions = {}): Float32Array<ArrayBuffer> {
    const [sides, shapes] = [given.wholes(grids, "grids"), given.floats(ratios, "ratios")];
    const [first, last] = given.scaleOf(scales);
    return this.#calls.run((module) => module.ssdAnchors(sides, first, last, shapes, reduceLowest, between));
  }

  /** RetinaNet's anchors over a picture, in pixels: centre y, centre x, height and width of each. */
  pyramidAnchors(
    { width, height }: Size,
    {
      strides = [8, 16, 32, 64, 128],
      base = 4,
      scales = [1, 2 ** (1 / 3), 2 ** (2 / 3)],
      ratios = [0.5, 1, 2],
    }: PyramidAnchorOptions = {},
  ): Float32Array<ArrayBuffer> {
    const size = given.sizeOf({ width, height }, "the picture");
    const [steps, side] = [given.wholes(strides, "strides"), given.number(base, "base")];
    const [factors, shapes] = [given.floats(scales, "scales"), given.floats(ratios, "ratios")];
    return this.#calls.run((module) => module.pyramidAnchors(size.height, size.width, steps, side, factors, shapes));
  }

  /**
   * The boxes, as corners, that codes `[boxes, 4]` (y, x, height, width) stand for beside their anchors. `scales` are SSD's,
   * 10, 10, 5, 5; RetinaNet has ones.
   */
  decodeBoxes(
    codes: ArrayLike<number>,
    anchors: ArrayLike<number>,
    { scales = SSD_SCALES }: { scales?: readonly number[] } = {},
  ): Float32Array<ArrayBuffer> {
    const [c, a, s] = [given.floats(codes, "codes"), given.floats(anchors, "anchors"), given.floats(scales, "scales")];
    return this.#calls.run((module) => module.decodeBoxes(c, a, s));
  }

  /** The codes of boxes beside their anchors; see {@link decodeBoxes}. Boxes must have an area. */
  encodeBoxes(
    boxes: Boxes,
    anchors: ArrayLike<number>,
    { scales = SSD_SCALES, form = "corners" }: { scales?: readonly number[]; form?: BoxForm } = {},
  ): Float32Array<ArrayBuffer> {
    const corners = this.convertBoxes(boxes, form, "corners");
    const [a, s] = [given.floats(anchors, "anchors"), given.floats(scales, "scales")];
    return this.#calls.run((module) => module.encodeBoxes(corners, a, s));
  }

  // Over time, and how good it is.

  /** Follows boxes from frame to frame. */
  tracker<T extends Trackable = Detection>(options: TrackerOptions = {}): Tracker<T> {
    const [age, hits] = [given.whole(options.maxAge ?? 1, "maxAge"), given.whole(options.minHits ?? 3, "minHits")];
    const iou = given.number(options.iouThreshold ?? 0.3, "iouThreshold");
    return new Tracker<T>(
      this.#calls,
      this.#calls.run((module) => new module.BoxTracker(age, hits, iou)),
    );
  }

  /** COCO's figures of a detector: mean average precision and recall, number for number as its own evaluation's. */
  cocoAveragePrecision(truths: readonly TruthBox[], found: readonly FoundBox[]): CocoResult {
    const lists = evaluation(truths, found);
    const results = this.#calls.run((module) => module.coco(...lists.arrays, lists.names.length));
    const [averagePrecision, at50, at75, ...rest] = [...results.subarray(0, 12)].map(known);
    const [s, m, l, at1, at10, at100, rs, rm, rl] = rest;
    return {
      averagePrecision,
      at50,
      at75,
      bySize: { small: s, medium: m, large: l },
      recall: { at1, at10, at100 },
      recallBySize: { small: rs, medium: rm, large: rl },
      perClass: perClass(lists.names, results.subarray(12)),
    };
  }

  /** PASCAL VOC's average precision, by the area under the curve or (`elevenPoints`) as it was until 2009. */
  vocAveragePrecision(
    truths: readonly TruthBox[],
    found: readonly FoundBox[],
    { iouThreshold = 0.5, elevenPoints = false }: { iouThreshold?: number; elevenPoints?: boolean } = {},
  ): VocResult {
    const lists = evaluation(truths, found);
    const iou = given.number(iouThreshold, "iouThreshold");
    const results = this.#calls.run((module) => module.voc(...lists.arrays, lists.names.length, iou, elevenPoints));
    const classes = perClass(lists.names, results);
    const values = classes.flatMap(({ averagePrecision }) => averagePrecision ?? []);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return { meanAveragePrecision: values.length > 0 ? mean : undefined, perClass: classes };
  }

  /** Counts how often classes are taken for one another; intersections over union and their mean follow from it. */
  confusionMatrix({ classes, ignore }: ConfusionOptions): ConfusionMatrix {
    const kinds = given.whole(classes, "classes");
    const ignored = ignore === undefined ? -1 : given.whole(ignore, "ignore");
    return new ConfusionMatrix(
      this.#calls,
      this.#calls.run((module) => new module.Confusion(kinds)),
      ignored,
    );
  }

  /** The mean intersection over union of a pair of class maps, over the classes that are in either. */
  meanIoU(truth: Labelled, prediction: Labelled, options: ConfusionOptions): number {
    return this.confusionMatrix(options).add(truth, prediction).meanIoU;
  }

  // Class maps and mattes.

  /**
   * The best class of every pixel of scores `[height, width, classes]` (or a batch of one). At a size, that of the picture for
   * one, scores are interpolated first: smoother edges than {@link resizeMap}'s.
   */
  classMap(scores: TensorLike, size?: Size): ClassMap {
    const { data, shape } = given.tensor(scores, "scores");
    const own = { height: shape[shape.length - 3] as number, width: shape[shape.length - 2] as number };
    const { width, height } = size ? given.sizeOf(size, "the map") : own;
    const map = this.#calls.run((module) => module.classMap(data, shape, size ? height : 0, size ? width : 0));
    return { data: map, width, height };
  }

  /** A class map at another size: every pixel the nearest by its centre. */
  resizeMap(map: MapLike, size: Size): ClassMap {
    const [data, { width, height }] = [given.classes(map, "the map"), given.sizeOf(size, "the result")];
    const resized = this.#calls.run((module) => module.resizeMap(data, map.height, map.width, height, width));
    return { data: resized, width, height };
  }

  /** A mask, matte or heat map at another size, bilinear; `antialias` keeps thin things when it gets much smaller. */
  resizeMatte(matte: MapLike, size: Size, { antialias = false }: { antialias?: boolean } = {}): Matte {
    const data = given.floats(given.pixels(matte, "the matte"), "the matte");
    const { width, height } = given.sizeOf(size, "the result");
    const shape = Uint32Array.of(matte.height, matte.width, 1);
    const resized = this.#calls.run((module) => module.resizePlanes(data, shape, height, width, antialias));
    return { data: resized, width, height };
  }

  /** How many pixels each of so many classes has. */
  classAreas(map: MapLike, classes: number): Uint32Array<ArrayBuffer> {
    const [data, kinds] = [given.classes(map, "the map"), given.whole(classes, "classes")];
    return this.#calls.run((module) => module.classAreas(data, kinds));
  }

  /** Red, green and blue of the first classes in PASCAL VOC's colour map. */
  classColours(classes: number): Uint8Array<ArrayBuffer> {
    const kinds = given.whole(classes, "classes");
    return this.#calls.run((module) => module.classColours(kinds));
  }

  /** A class map in {@link classColours}, as RGBA: `new ImageData(data, width)` draws it. */
  colourMap(
    map: MapLike,
    { opacity = 1 }: { opacity?: number } = {},
  ): RawImage & { data: Uint8ClampedArray<ArrayBuffer> } {
    const classes = given.classes(map, "the map");
    const colours = this.classColours(1 + classes.reduce((most, value) => Math.max(most, value), 0));
    const data = new Uint8ClampedArray(4 * classes.length);
    const alpha = 255 * given.number(opacity, "opacity");
    classes.forEach((value, i) => {
      data.set(colours.subarray(3 * value, 3 * value + 3), 4 * i);
      data[4 * i + 3] = alpha;
    });
    return { data, width: map.width, height: map.height };
  }

  /** The classes that a map has, the largest first, with their colours. */
  legend(map: MapLike, labels?: readonly string[]): LegendEntry[] {
    const classes = given.classes(map, "the map");
    const count = 1 + classes.reduce((most, value) => Math.max(most, value), 0);
    const [areas, colours] = [this.classAreas(map, count), this.classColours(count)];
    const entry = (pixels: number, value: number): LegendEntry => ({
      class: value,
      label: labels?.[value] ?? String(value),
      colour: `#${[...colours.subarray(3 * value, 3 * value + 3)].map((c) => c.toString(16).padStart(2, "0")).join("")}`,
      pixels,
      share: pixels / classes.length,
    });
    const entries = Array.from(areas, entry).filter(({ pixels }) => pixels > 0);
    return entries.sort((a, b) => b.pixels - a.pixels);
  }

  // Pictures.

  /**
   * Pixels as networks trained on ImageNet want them (Keras' `preprocess_input`): `"caffe"` for VGG and ResNet, `"tf"` for
   * Xception, MobileNet, Inception and ResNetV2, `"torch"` for DenseNet. From a tensor of pixels 0 to 255 `[.., 3]` comes one
   * of the same shape; from a picture (`ImageData` or `{ data, width, height }`) `[1, height, width, 3]`, at another size if
   * one is given.
   */
  preprocessInput(
    picture: TensorLike | RawImage,
    { mode, width, height }: { mode: "caffe" | "tf" | "torch" } & Partial<Size>,
  ): FloatTensor {
    if (!("shape" in picture)) {
      const { data } = picture;
      if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) {
        throw failure("invalid", "a picture's data must be bytes: a Uint8ClampedArray or Uint8Array");
      }
      const from = given.sizeOf(picture, "the picture");
      const to = given.sizeOf({ width: width ?? from.width, height: height ?? from.height }, "the result");
      const result = this.#calls.run((module) =>
        module.preprocessPicture(data, from.width, from.height, to.height, to.width, mode),
      );
      return { data: result, shape: [1, to.height, to.width, 3] };
    }
    if (width !== undefined || height !== undefined) {
      throw failure("invalid", "a tensor keeps its size: resize it, or pass the picture as { data, width, height }");
    }
    const { data, shape } = given.tensor(picture, "pixels");
    if (shape[shape.length - 1] !== 3) {
      throw failure("shape-mismatch", "pixels must be red, green and blue", {
        expected: "[.., 3]",
        received: `[${[...shape].join(", ")}]`,
      });
    }
    return { data: this.#calls.run((module) => module.preprocess(data, mode)), shape: [...shape] };
  }

  /** The best classes of every row of predictions `[batch, classes]`, best first (Keras' `decode_predictions`). */
  decodePredictions(
    predictions: TensorLike | Float32Array,
    { top = 5, labels }: { top?: number; labels?: readonly string[] } = {},
  ): Prediction[][] {
    const { data, shape } =
      predictions instanceof Float32Array
        ? { data: given.floats(predictions, "predictions"), shape: [predictions.length] }
        : given.tensor(predictions, "predictions");
    const classes = shape[shape.length - 1] ?? 0;
    if (labels !== undefined && labels.length !== classes) {
      throw failure("shape-mismatch", "as many labels as classes, please", {
        expected: String(classes),
        received: String(labels.length),
      });
    }
    const [found, scores] = this.#calls.run((module) =>
      module.decodePredictions(data, classes, given.most(top, "top")),
    );
    const each = Math.min(top, classes);
    return Array.from({ length: data.length / classes }, (_, row) =>
      Array.from({ length: each }, (_, i) => {
        const [value, score] = [found[row * each + i] as number, scores[row * each + i] as number];
        return { class: value, label: labels?.[value] ?? String(value), score };
      }),
    );
  }

  /**
   * Parts of pictures `[batch, height, width, channels]`, brought to one size (`tf.image.crop_and_resize`). Boxes are y1, x1,
   * y2, x2, where 0 and 1 are the middles of the edge pixels; `pictures` says of which picture each is (default: the first).
   * What lies outside is `outside`.
   */
  cropAndResize(
    images: TensorLike,
    boxes: ArrayLike<number> | readonly (readonly number[])[],
    options: Size & { pictures?: ArrayLike<number>; method?: "bilinear" | "nearest"; outside?: number },
  ): FloatTensor {
    const { method = "bilinear", outside = 0 } = options;
    if (method !== "bilinear" && method !== "nearest") {
      throw failure("invalid", "no such method", { expected: "bilinear or nearest", received: String(method) });
    }
    const { data, shape } = given.tensor(images, "pictures");
    const [edges] = given.boxesOf(boxes, "corners", "boxes");
    const of = given.wholes(options.pictures ?? new Uint32Array(edges.length / 4), "pictures");
    const { width, height } = given.sizeOf(options, "the result");
    const crops = this.#calls.run((module) =>
      module.cropAndResize(
        data,
        shape,
        edges,
        Int32Array.from(of),
        height,
        width,
        method === "nearest",
        given.number(outside, "outside"),
      ),
    );
    return { data: crops, shape: [of.length, height, width, shape[3] as number] };
  }
}
