// Pictures of a network's maps: what is to be painted, and the same done on the CPU.

import { failure } from "./errors.js";
import type { View } from "./tasks/input.js";
import type { TensorOutput } from "./types.js";

/** What decides the colour of a pixel; the order is the crate's (`Hue`). */
export const HUES = ["classes", "indices", "level", "share"] as const;

/** A picture to be made of an output, with every choice made. */
export interface Recipe {
  /** Which output, by its place. */
  output: number;
  /** Sizes of the picture. */
  width: number;
  height: number;
  /** The part of the picture that the maps are of, in its pixels. */
  view: View;
  /** `[1, channels, height, width]` and not `[1, height, width, channels]`. */
  channelsFirst: boolean;
  /**
   * `"classes"`: the channel with the highest score; of a single one, 1 where it is above `low`. `"indices"`: the maps are classes
   * already. `"level"`: a channel, from `low` (colour 0) to `high` (colour 255). `"share"`: the same of the softmax over all
   * channels; of a single one, of its sigmoid.
   */
  hue: (typeof HUES)[number];
  channel: number;
  low: number;
  high: number;
  /** 256 colours, RGBA from the lowest byte, alpha not multiplied in. */
  palette: Uint32Array;
}

/** The recipe as the wasm side wants it. */
export function recipeNumbers(recipe: Recipe): Float64Array {
  const { output, width, height, view, channelsFirst, hue, channel, low, high } = recipe;
  const where = [view.x, view.y, view.width, view.height];
  return Float64Array.of(output, height, width, ...where, Number(channelsFirst), HUES.indexOf(hue), channel, low, high);
}

/** A palette with its alpha multiplied in, as a canvas of the GPU has its pixels. */
export function premultiplied(palette: Uint32Array): Uint32Array {
  const bytes = new Uint8Array(palette.slice().buffer);
  for (let i = 0; i < bytes.length; i += 4) {
    for (let c = 0; c < 3; c++) bytes[i + c] = Math.round(((bytes[i + c] as number) * (bytes[i + 3] as number)) / 255);
  }
  return new Uint32Array(bytes.buffer);
}

/** The maps of an output. */
interface Layout {
  height: number;
  width: number;
  channels: number;
  /** Elements from one to the next. */
  row: number;
  column: number;
  plane: number;
}

function layoutOf({ name, shape, dtype }: TensorOutput, { channelsFirst, channel }: Recipe): Layout {
  const refuse = () =>
    failure("shape-mismatch", "this output is no maps of one picture", {
      layer: name,
      expected: channelsFirst ? "[1, channels, height, width]" : "[1, height, width, channels]",
      received: `${dtype} [${shape.join(", ")}]`,
    });
  const [batch, a = 0, b = 0, c = 1] = shape;
  if (batch !== 1 || shape.length < 3 || shape.length > 4) throw refuse();
  const first = channelsFirst && shape.length === 4;
  const [height, width, channels] = first ? [b, c, a] : [a, b, c];
  if (height * width * channels === 0) throw refuse();
  if (channel >= channels) {
    throw failure("shape-mismatch", "the output has no such channel", {
      layer: name,
      expected: `below ${channels}`,
      received: String(channel),
    });
  }
  return first
    ? { height, width, channels, row: width, column: 1, plane: height * width }
    : { height, width, channels, row: width * channels, column: channels, plane: 1 };
}

/** The two rows (or columns) of the maps around a pixel, and the part of the second. */
function tap(i: number, of: number, start: number, length: number): readonly [number, number, number] {
  const at = Math.min(Math.max(((i + 0.5 - start) / length) * of - 0.5, 0), of - 1);
  const first = Math.floor(at);
  return [first, Math.min(first + 1, of - 1), at - first];
}

/** Paints an output as RGBA bytes. */
export function paintPixels(output: TensorOutput, recipe: Recipe): Uint8ClampedArray<ArrayBuffer> {
  const layout = layoutOf(output, recipe);
  const { width, height, view, palette } = recipe;
  const pixels = new Uint32Array(width * height);
  const columns = Array.from({ length: width }, (_, x) => tap(x, layout.width, view.x, view.width));
  const colour = colourOf(layout, recipe);
  const { channels, row, column, plane } = layout;
  const { data } = output;
  // A row of maps for this row of pixels: interpolated once, not once for each pixel.
  const between = new Float32Array(layout.width * channels);
  const scores = new Float32Array(channels);
  for (let y = 0; y < height; y++) {
    const [top, bottom, down] = tap(y, layout.height, view.y, view.height);
    if (recipe.hue === "indices") {
      const start = (down < 0.5 ? top : bottom) * row;
      for (let x = 0; x < width; x++) {
        const [left, right, along] = columns[x] as (typeof columns)[number];
        const index = Math.round(data[start + (along < 0.5 ? left : right) * column] as number);
        pixels[y * width + x] = palette[Math.min(Math.max(index, 0), 255)] as number;
      }
      continue;
    }
    for (let c = 0; c < channels; c++) {
      let [a, b] = [top * row + c * plane, bottom * row + c * plane];
      for (let i = c; i < between.length; i += channels, a += column, b += column) {
        between[i] = (data[a] as number) + ((data[b] as number) - (data[a] as number)) * down;
      }
    }
    for (let x = 0; x < width; x++) {
      const [left, right, along] = columns[x] as (typeof columns)[number];
      for (let c = 0; c < channels; c++) {
        const value = between[left * channels + c] as number;
        scores[c] = value + ((between[right * channels + c] as number) - value) * along;
      }
      pixels[y * width + x] = palette[colour(scores)] as number;
    }
  }
  return new Uint8ClampedArray(pixels.buffer);
}

/** The number of the colour of a place with these scores. */
function colourOf({ channels }: Layout, { hue, channel, low, high }: Recipe): (scores: Float32Array) => number {
  const first = (scores: Float32Array) => scores[0] as number;
  if (hue === "classes") {
    if (channels === 1) return (scores) => (first(scores) > low ? 1 : 0);
    return (scores) => {
      let best = 0;
      for (let c = 1; c < channels; c++) if ((scores[c] as number) > (scores[best] as number)) best = c;
      return Math.min(best, 255);
    };
  }
  const level = (value: number) => Math.min(Math.max(Math.floor(((value - low) / (high - low)) * 255 + 0.5), 0), 255);
  if (hue === "level") return (scores) => level(scores[channel] as number);
  if (channels === 1) return (scores) => level(1 / (1 + Math.exp(-first(scores))));
  return (scores) => {
    let sum = 0;
    for (const score of scores) sum += Math.exp(score - (scores[channel] as number));
    return level(1 / sum);
  };
}
