// Pictures of a network's maps: what is to be painted, and the same done on the CPU.

import { failure } from "./errors.js";
import type { View } from "./tasks/input.js";
import { highest, nearest, type Places, resampled, shareOf } from "./tasks/places.js";
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

function layoutOf({ name, shape, dtype }: TensorOutput, { channelsFirst, channel }: Recipe): Places {
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

/** Paints an output as RGBA bytes. */
export function paintPixels(output: TensorOutput, recipe: Recipe): Uint8ClampedArray<ArrayBuffer> {
  const maps = layoutOf(output, recipe);
  const { width, height, palette } = recipe;
  const pixels = new Uint32Array(width * height);
  if (recipe.hue === "indices") {
    nearest(output.data, maps, recipe, (at, found) => {
      pixels[at] = palette[Math.min(Math.max(Math.round(found), 0), 255)] as number;
    });
  } else {
    const colour = colourOf(maps, recipe);
    resampled(output.data, maps, recipe, (at, scores) => {
      pixels[at] = palette[colour(scores)] as number;
    });
  }
  return new Uint8ClampedArray(pixels.buffer);
}

/** The number of the colour of a place with these scores. */
function colourOf({ channels }: Places, { hue, channel, low, high }: Recipe): (scores: Float32Array) => number {
  if (hue === "classes") {
    return channels === 1 ? ([score = 0]) => (score > low ? 1 : 0) : (scores) => Math.min(highest(scores), 255);
  }
  const level = (value: number) => Math.min(Math.max(Math.floor(((value - low) / (high - low)) * 255 + 0.5), 0), 255);
  if (hue === "level") return (scores) => level(scores[channel] as number);
  return (scores) => level(shareOf(scores, channel));
}
