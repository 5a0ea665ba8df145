// Networks whose answers are pictures: larger ones, or in another style.

import { failure, throwIfAborted } from "../errors.js";
import type { ImageSource, OnProgress, PredictOptions, RawImage, TensorOutput } from "../types.js";
import { outputNamed } from "./classifier.js";
import type { ImageInput } from "./input.js";
import { pixelsOf, type Viewer } from "./look.js";

/** A picture's pixels: `ImageData` where there is such a thing. */
export type Pixels = RawImage & { data: Uint8ClampedArray<ArrayBuffer> };

/** Options of an {@link Upscaler}. */
export interface UpscalerHead {
  /** How many times wider and higher pictures become. */
  factor: number;
  /** Pixels go in and come out from 0 to this. */
  range: 1 | 255;
  /** How far, in pixels, the network looks around each: tiles overlap by that. */
  reach: number;
}

/** Options of {@link Upscaler.upscale}. */
export interface UpscaleOptions extends PredictOptions {
  /**
   * Side of the tiles that the picture is cut into, in pixels of the picture: memory grows with it, and so does the time to the
   * first sign of progress. Default 128.
   */
  tile?: number;
  /** Is told how many tiles are done. */
  onProgress?: OnProgress;
}

/** Makes pictures larger and sharper. Tiles overlap as far as the network looks: their seams cannot be seen. */
export class Upscaler<V extends Viewer = Viewer> {
  /** The network. */
  readonly net: V;
  /** How many times wider and higher pictures become. */
  readonly factor: number;
  readonly #head: UpscalerHead;

  constructor(net: V, head: UpscalerHead) {
    this.net = net;
    this.factor = head.factor;
    this.#head = head;
  }

  /** The picture, larger. Its alpha is not kept. */
  async upscale(source: ImageSource, options: UpscaleOptions = {}): Promise<Pixels> {
    const { tile = 128, signal, onProgress } = options;
    const { factor, range, reach } = this.#head;
    if (!(Number.isInteger(tile) && tile > 2 * reach)) {
      throw failure("invalid", `\`tile\` is a whole number of pixels over ${2 * reach}`, { received: String(tile) });
    }
    throwIfAborted(signal, "upscale");
    const picture = await pixelsOf(source);
    const { width, height } = picture;
    const out = new Uint8ClampedArray(width * factor * height * factor * 4).fill(255);
    const [columns, rows] = [cuts(width, tile, reach), cuts(height, tile, reach)];
    const total = columns.length * rows.length;
    let loaded = 0;
    const input: ImageInput = { scale: range / 255 };
    for (const row of rows) {
      for (const column of columns) {
        const part = cut(picture, column, row);
        const { outputs } = await this.net.predictImage(part, input, signal ? { signal } : {});
        const larger = planes(outputNamed(outputs, undefined), [part.width * factor, part.height * factor]);
        paste(out, width * factor, larger, range, { column, row, factor });
        loaded += 1;
        onProgress?.({ stage: "predict", loaded, total });
      }
    }
    return pixels(out, width * factor, height * factor);
  }
}

/** Options of a {@link Styler}. */
export interface StylerHead {
  /** Number of styles; the network's second input has a weight for each. */
  styles: number;
  /** Sides of pictures are rounded to a multiple of this. */
  multipleOf: number;
  /** The weights are a row of a batch, `[1, styles]`. Default `false`: `[styles]`. */
  batched?: boolean;
}

/** Options of {@link Styler.stylise}. */
export interface StyliseOptions extends PredictOptions {
  /** The longer side of the result, in pixels. Default: the picture's, at most 512. A network of one size has its own. */
  size?: number;
}

/** Paints pictures in the manner of others. */
export class Styler<V extends Viewer = Viewer> {
  /** The network. */
  readonly net: V;
  /** Number of styles. */
  readonly styles: number;
  readonly #head: StylerHead;

  constructor(net: V, head: StylerHead) {
    this.net = net;
    this.styles = head.styles;
    this.#head = head;
  }

  /** The picture in a style, by number, or in a blend, by weights. */
  async stylise(source: ImageSource, style: number | readonly number[], options: StyliseOptions = {}): Promise<Pixels> {
    const weights = new Float32Array(this.styles);
    if (typeof style !== "number") {
      if (style.length !== this.styles) {
        throw failure("invalid", "a blend has one weight for each style", {
          expected: `${this.styles} weights`,
          received: `${style.length}`,
        });
      }
      weights.set(style);
    } else if (Number.isInteger(style) && style >= 0 && style < this.styles) weights[style] = 1;
    else throw failure("invalid", "no such style", { expected: `0 to ${this.styles - 1}`, received: String(style) });
    throwIfAborted(options.signal, "stylise");
    const picture = await pixelsOf(source);
    const longer = Math.max(picture.width, picture.height);
    const ratio = (options.size ?? Math.min(longer, 512)) / longer;
    const { multipleOf, batched = false } = this.#head;
    const side = (pixels: number) => Math.max(1, Math.round((pixels * ratio) / multipleOf)) * multipleOf;
    const [, a, b, c] = this.net.inputs[0]?.shape ?? [];
    const [h, w] = a === 3 && c !== 3 ? [b, c] : [a, b];
    const [width, height] = [w ?? side(picture.width), h ?? side(picture.height)];
    const { signal } = options;
    const { outputs } = await this.net.predictImage(
      picture,
      { scale: 1 / 255, size: [height, width] },
      { others: [{ data: weights, shape: batched ? [1, this.styles] : [this.styles] }], ...(signal ? { signal } : {}) },
    );
    const painted = planes(outputNamed(outputs, undefined), [width, height]);
    const out = new Uint8ClampedArray(width * height * 4).fill(255);
    paste(out, width, painted, 1, { column: whole(width), row: whole(height), factor: 1 });
    return pixels(out, width, height);
  }
}

/** A part of a row or column of pixels: what the network is given, and what of its answer is kept. */
interface Cut {
  start: number;
  length: number;
  /** Pixels at the beginning that belong to the part before. */
  skip: number;
  /** Pixels that are kept. */
  keep: number;
}

const whole = (length: number): Cut => ({ start: 0, length, skip: 0, keep: length });

/**
 * Parts of one length, so that the network is compiled once; the last ends with the picture. What is kept of a part lies
 * `reach` pixels from its edges, except where they are the picture's.
 */
export function cuts(length: number, tile: number, reach: number): Cut[] {
  if (length <= tile) return [whole(length)];
  const parts: Cut[] = [];
  for (let done = 0; done < length; ) {
    const start = Math.min(Math.max(done - reach, 0), length - tile);
    const end = start + tile === length ? length : start + tile - reach;
    parts.push({ start, length: tile, skip: done - start, keep: end - done });
    done = end;
  }
  return parts;
}

function cut({ data, width }: RawImage, column: Cut, row: Cut): RawImage {
  const part = new Uint8ClampedArray(column.length * row.length * 4);
  for (let y = 0; y < row.length; y++) {
    const start = ((row.start + y) * width + column.start) * 4;
    part.set(data.subarray(start, start + column.length * 4), y * column.length * 4);
  }
  return { data: part, width: column.length, height: row.length };
}

/** A network's picture: its floats, and how far apart channels and pixels lie. */
interface Planes {
  data: ArrayLike<number>;
  width: number;
  channel: number;
  pixel: number;
}

function planes({ name, data, shape }: TensorOutput, [width, height]: [number, number]): Planes {
  const is = (...sizes: number[]) => shape.length === 4 && sizes.every((size, i) => shape[i] === size);
  if (is(1, height, width, 3)) return { data, width, channel: 1, pixel: 3 };
  if (is(1, 3, height, width)) return { data, width, channel: width * height, pixel: 1 };
  throw failure("shape-mismatch", "the network's answer is not the picture that was expected", {
    layer: name,
    expected: `[1, ${height}, ${width}, 3]`,
    received: `[${shape.join(", ")}]`,
  });
}

function paste(
  out: Uint8ClampedArray,
  stride: number,
  { data, width, channel, pixel }: Planes,
  range: number,
  { column, row, factor }: { column: Cut; row: Cut; factor: number },
): void {
  const scale = 255 / range;
  for (let y = 0; y < row.keep * factor; y++) {
    const from = (row.skip * factor + y) * width + column.skip * factor;
    const to = ((row.start + row.skip) * factor + y) * stride + (column.start + column.skip) * factor;
    for (let x = 0; x < column.keep * factor; x++) {
      const at = (from + x) * pixel;
      const pixelAt = (to + x) * 4;
      for (let c = 0; c < 3; c++) out[pixelAt + c] = (data[at + c * channel] as number) * scale;
    }
  }
}

function pixels(data: Uint8ClampedArray<ArrayBuffer>, width: number, height: number): Pixels {
  return typeof ImageData === "function" ? new ImageData(data, width, height) : { data, width, height };
}
