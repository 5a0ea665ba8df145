import type { Rgb } from "../draw/colours.js";
import { failure } from "../errors.js";
import type { ImageSource, PredictOptions, TensorInfo } from "../types.js";
import type { ClassMap, Matte } from "../vision/types.js";
import { outputNamed } from "./classifier.js";
import type { ImageInput, View } from "./input.js";
import type { Seen, Viewer } from "./look.js";
import { formOf, type Maps, mapsOf, OPEN } from "./maps.js";
import type { Painted, Painting } from "./paint.js";
import { highest, nearest, type Over, over, type Places, resampled, shareOf } from "./places.js";

export type { Maps } from "./maps.js";

/** Options of a {@link Segmenter}. */
export interface SegmenterHead {
  /** How the network wants its pictures. */
  input?: ImageInput;
  /** Names of the classes. Of a network with one map: of the background, then of what it finds. */
  labels?: readonly string[];
  /** It gives logits and not shares; those of several classes are then shared out by a softmax. Default `false`. */
  logits?: boolean;
  /** Where the maps are, by name. Default: the first output. */
  output?: string;
  /**
   * What the network gives for each place: a score for each class, or the class itself (networks with an arg-max at their end).
   * Default: integers with one channel or none are classes, as are floats of that form if there are more than two labels; all else
   * are scores. Scores that are bytes are shares, of 255.
   */
  kind?: "scores" | "classes";
  /**
   * Where the maps' channels are: last, `[1, height, width, classes]`, or first, as networks of PyTorch have them. Default: what fits
   * the number of labels, or else the proportions of the network's input, or the input's own layout.
   */
  layout?: "nhwc" | "nchw";
}

/** How much of a picture a class covers. */
export interface Area {
  label: string;
  class: number;
  /** Number of pixels. */
  pixels: number;
  /** Share of the picture, 0 to 1. */
  share: number;
}

/** Says for each pixel what it belongs to. Made by `engine.models`, or around a network of one's own. */
export class Segmenter<V extends Viewer = Viewer> {
  /** The network. */
  readonly net: V;
  /** Names of the classes. */
  readonly labels: readonly string[];
  readonly #head: SegmenterHead;

  constructor(net: V, head: SegmenterHead = {}) {
    this.net = net;
    this.labels = head.labels ?? [];
    this.#head = head;
  }

  /** What is where in the picture. */
  async segment(source: ImageSource, options: PredictOptions = {}): Promise<Segmentation> {
    const seen = await this.net.predictImage(source, this.#head.input, options);
    const { kind, layout, logits, input, output } = this.#head;
    const maps = mapsOf(
      outputNamed(seen.outputs, output),
      { labels: this.labels.length, kind, layout, logits },
      { declared: this.net.inputs[0], input, width: seen.width, height: seen.height },
    );
    return new Segmentation(maps, this.labels, seen);
  }

  /**
   * A picture of what is where, to be drawn over the source: every pixel in the colour of its class, or one class as a soft matte. As
   * {@link Segmenter.segment} and a mask or matte, but on WebGPU the scores never come back to the page: the picture is made of the
   * network's own buffer.
   */
  paint(source: ImageSource, options: SegmentPaintOptions = {}): Promise<Painted> {
    const { class: wanted, colour = WHITE, threshold = 0.5, colours, hidden, width, height, signal } = options;
    const { kind, layout, logits = false, input, output } = this.#head;
    const { inputs, outputs } = this.net;
    const maps = declaredOutput(outputs, output);
    // Open axes are marked as such; one picture it is.
    const shape = maps.shape.map((size, i) => size ?? (i === 0 ? 1 : OPEN));
    const shown = { declared: inputs[0], input, width: 1, height: 1 };
    const form = formOf({ ...maps, shape }, { labels: this.labels.length, kind, layout, logits }, shown);
    const single = form.classes === 1;
    const classes = form.kind === "classes" ? 256 : Math.max(form.classes, 2);
    if (wanted !== undefined && !(Number.isInteger(wanted) && wanted >= 0 && wanted < classes)) {
      throw failure("invalid", "no such class", { expected: `0 to ${classes - 1}`, received: String(wanted) });
    }
    const most = maps.dtype === "uint8" ? 255 : 1;
    const common = {
      output: maps.name,
      layout: form.layout,
      ...(width === undefined ? {} : { width }),
      ...(height === undefined ? {} : { height }),
    };
    let painting: Painting;
    if (wanted === undefined || form.kind === "classes") {
      painting = {
        ...common,
        indices: form.kind === "classes",
        threshold: logits ? Math.log(threshold / (1 - threshold)) : threshold * most,
        ...(colours ? { colours } : {}),
        ...(hidden ? { hidden } : {}),
        // One class of a network that gives classes is there or is not.
        ...(wanted === undefined ? {} : { colours: () => colour, hidden: numbers.filter((value) => value !== wanted) }),
      };
    } else {
      // Of a network with one map the background is what the rest leaves.
      const range = single && wanted === 0 ? ([most, 0] as const) : ([0, most] as const);
      painting = { ...common, channel: single ? 0 : wanted, share: logits, range, colours: colour };
    }
    return this.net.paintImage(source, painting, input, signal ? { signal } : {});
  }
}

const WHITE: Rgb = [255, 255, 255];
const numbers = Array.from({ length: 256 }, (_, i) => i);

function declaredOutput(outputs: readonly TensorInfo[], wanted: string | undefined): TensorInfo {
  const found = wanted === undefined ? outputs[0] : outputs.find(({ name }) => name === wanted);
  if (found) return found;
  throw failure("invalid", `the network has no output "${wanted}"`, {
    layer: wanted,
    expected: outputs.map(({ name }) => name).join(", "),
  });
}

/** Options of {@link Segmenter.paint}. */
export interface SegmentPaintOptions extends PredictOptions {
  /** Only this class, as opaque as the network is sure of it: a soft matte. */
  class?: number;
  /** Its colour. Default: white. */
  colour?: Rgb;
  /** Of all classes: the colour of each. Default: PASCAL VOC's. */
  colours?: (value: number) => Rgb;
  /** Classes that stay transparent. Default: 0, which most networks call background. */
  hidden?: readonly number[];
  /** Share above which something is there, for networks with one map. Default 0.5. */
  threshold?: number;
  /** Width of the picture. Default: the source's. */
  width?: number;
  /** Its height. */
  height?: number;
}

/** What is where in a picture. */
export class Segmentation {
  /** The network's maps. */
  readonly maps: Maps;
  /** Names of the classes. */
  readonly labels: readonly string[];
  /** The picture's width. */
  readonly width: number;
  /** The picture's height. */
  readonly height: number;
  /** Milliseconds by stage. */
  readonly timings: Seen["timings"];
  readonly #view: View;

  /** @internal */
  constructor(maps: Maps, labels: readonly string[], { width, height, view, timings }: Omit<Seen, "outputs">) {
    this.maps = maps;
    this.labels = labels;
    this.width = width;
    this.height = height;
    this.timings = timings;
    this.#view = view;
  }

  /** Number of classes; a network with one map tells two apart. */
  get classes(): number {
    return Math.max(this.maps.classes, 2);
  }

  /**
   * The class of each pixel, by default at the picture's size. Scores are interpolated, then compared, so that outlines are
   * smooth; of networks that give classes each pixel has that of the nearest place. `threshold` (a share, 0 to 1) is for networks with
   * one map of scores.
   */
  mask({ width = this.width, height = this.height, threshold = 0.5 } = {}): ClassMap {
    const data = new Uint16Array(width * height);
    const { classes, kind } = this.maps;
    if (kind === "classes") {
      nearest(...this.#over(width, height), (at, found) => {
        data[at] = found;
      });
      return { width, height, data };
    }
    const share = this.#shares(1);
    resampled(...this.#over(width, height), (at, scores) => {
      data[at] = classes > 1 ? highest(scores) : share(scores) > threshold ? 1 : 0;
    });
    return { width, height, data };
  }

  /**
   * How much of each pixel belongs to a class, 0 to 1, for soft edges; by default the foreground, at the picture's size. Networks that
   * give classes know 0 and 1 alone.
   */
  matte({ width = this.width, height = this.height, class: wanted = 1 } = {}): Matte {
    if (!(Number.isInteger(wanted) && wanted >= 0 && wanted < this.classes)) {
      throw failure("invalid", "no such class", { expected: `0 to ${this.classes - 1}`, received: String(wanted) });
    }
    const data = new Float32Array(width * height);
    if (this.maps.kind === "classes") {
      nearest(...this.#over(width, height), (at, found) => {
        data[at] = found === wanted ? 1 : 0;
      });
      return { width, height, data };
    }
    const share = this.#shares(wanted);
    resampled(...this.#over(width, height), (at, scores) => {
      data[at] = share(scores);
    });
    return { width, height, data };
  }

  /** How much of the picture each class covers that is there at all, the largest first. */
  areas(mask: ClassMap = this.mask()): Area[] {
    const counts = new Array<number>(this.classes).fill(0);
    for (const value of mask.data) counts[value] = (counts[value] ?? 0) + 1;
    const areas = counts.map((pixels, i) => ({
      label: this.labels[i] ?? String(i),
      class: i,
      pixels,
      share: pixels / mask.data.length,
    }));
    return areas.filter(({ pixels }) => pixels > 0).sort((a, b) => b.pixels - a.pixels);
  }

  /** The share of a class in the scores of a place. */
  #shares(wanted: number): (scores: Float32Array) => number {
    const { classes, logits } = this.maps;
    const channel = classes === 1 ? 0 : wanted;
    const share = logits
      ? (scores: Float32Array) => shareOf(scores, channel)
      : (scores: Float32Array) => scores[channel] as number;
    // Of one map the background is what the rest leaves.
    return classes === 1 && wanted === 0 ? (scores) => 1 - share(scores) : share;
  }

  /** The maps, and a picture of this size over them. */
  #over(width: number, height: number): [Maps["data"], Places, Over] {
    checkSize(width, height);
    const { maps } = this;
    const channels = maps.kind === "classes" ? 1 : maps.classes;
    const places = { height: maps.height, width: maps.width, channels, row: maps.width * channels, column: channels };
    return [
      maps.data,
      { ...places, plane: 1 },
      over(width, height, { width: this.width, height: this.height, view: this.#view }),
    ];
  }
}

function checkSize(width: number, height: number): void {
  if (Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0) return;
  throw failure("invalid", "a mask has whole sizes", { received: `${width} x ${height}` });
}
