// Pictures of what a network said: asked for by the page, made where the network runs.

import { classColour, type Ramp, type Rgb, ramp } from "../draw/colours.js";
import type { Engine } from "../engine.js";
import { failure } from "../errors.js";
import type { Held } from "../held.js";
import type { Recipe } from "../painting.js";
import type { ImageSource, PredictOptions, TensorInfo } from "../types.js";
import { type ImageInput, plan, type View } from "./input.js";
import { withFrame } from "./look.js";
import { over } from "./places.js";

/** Sizes of a painted picture, and which maps it is of. */
interface PaintingBase {
  /** Which output, by name: `[1, height, width, channels]`. Default: the first. */
  output?: string;
  /** Where the channels are. Default: last. */
  layout?: "nhwc" | "nchw";
  /** Width of the picture. Default: that of the picture that the network sees. */
  width?: number;
  /** Its height. */
  height?: number;
}

/** Every pixel in the colour of its class. */
export interface PaintedClasses extends PaintingBase {
  /** The maps are numbers of classes already, not a score for each. */
  indices?: boolean;
  /** Of a network with one map: what is above it is class 1. Default 0.5. */
  threshold?: number;
  /** Colour of a class: red, green, blue. Default: PASCAL VOC's. */
  colours?: (value: number) => Rgb;
  /** Classes that stay transparent. Default: 0, which most networks call background. */
  hidden?: readonly number[];
}

/** A channel: how much of something is where. */
export interface PaintedChannel extends PaintingBase {
  /** Which. */
  channel: number;
  /** The channel's share by a softmax over all; of a network with one map, by a sigmoid. Default `false`. */
  share?: boolean;
  /** The numbers at which the colours begin and end. Default: 0 and 1. */
  range?: readonly [low: number, high: number];
  /** A scale of colours, opaque, or a colour that is as opaque as there is much. Default: `"spectrum"`. */
  colours?: Ramp | Rgb;
}

/** How a picture is painted. */
export type Painting = PaintedClasses | PaintedChannel;

/** A picture made of a network's output. */
export interface Painted {
  /** The picture, for `drawImage` and for all of `striate/draw` that takes maps. `close()` gives its memory back at once. */
  image: ImageBitmap;
  /** Its width. */
  width: number;
  /** Its height. */
  height: number;
  /** The part of the source that the network saw, in pixels of it. */
  view: View;
  /** Milliseconds: reading and resizing the source, network and painting, and all from call to result. */
  timings: { preprocess: number; inference: number; total: number };
}

/** Runs a network on a picture and paints one of its outputs where it is. */
export async function paintLook<H extends { id: number }>(
  engine: Engine,
  held: Held<H>,
  net: { inputs: readonly TensorInfo[]; outputs: readonly TensorInfo[] },
  source: ImageSource,
  painting: Painting,
  input: ImageInput,
  { signal }: PredictOptions,
): Promise<Painted> {
  const start = performance.now();
  const made = recipeOf(painting, net.outputs);
  if (net.inputs.length > 1) {
    throw failure("unsupported", "pictures are painted of networks with one input; use predictImage()", {
      received: net.inputs.map(({ name }) => name).join(", "),
    });
  }
  return withFrame(engine, held, "paintImage", source, signal, async ({ life, handle }, frame, send) => {
    const how = plan(input, net.inputs[0], frame.width, frame.height);
    const sizes = { width: frame.width, height: frame.height };
    const { width = sizes.width, height = sizes.height } = painting;
    const recipe = { ...made, ...over(width, height, { ...sizes, view: how.view }) };
    const { image, preprocess, inference } = await life.call((host) => host.paint(handle.id, send(), how, recipe));
    const timings = { preprocess, inference, total: performance.now() - start };
    return { image, width, height, view: how.view, timings };
  });
}

/** All but the sizes. */
function recipeOf(painting: Painting, outputs: readonly TensorInfo[]): Omit<Recipe, "width" | "height" | "view"> {
  const output = painting.output === undefined ? 0 : outputs.findIndex(({ name }) => name === painting.output);
  if (output < 0) {
    throw failure("invalid", `the network has no output "${painting.output}"`, {
      layer: painting.output,
      expected: outputs.map(({ name }) => name).join(", "),
    });
  }
  const channelsFirst = painting.layout === "nchw";
  const common = { output, channelsFirst };
  if (!("channel" in painting) || painting.channel === undefined) {
    const { indices = false, threshold = 0.5, colours = classColour, hidden = [0] } = painting as PaintedClasses;
    const palette = table((i) => (hidden.includes(i) ? [0, 0, 0, 0] : [...colours(i), 255]));
    return { ...common, hue: indices ? "indices" : "classes", channel: 0, low: threshold, high: 1, palette };
  }
  const { channel, share = false, range = [0, 1], colours = "spectrum" } = painting;
  const [low, high] = range;
  if (!(Number.isInteger(channel) && channel >= 0 && Number.isFinite(low) && Number.isFinite(high) && low !== high)) {
    throw failure("invalid", "a channel is a whole number, its range two different ones", {
      received: `channel ${channel}, range ${range.join(" to ")}`,
    });
  }
  const scale = typeof colours === "string" ? ramp(colours) : undefined;
  const palette = table((i) => (scale ? [...scale.subarray(3 * i, 3 * i + 3), 255] : [...(colours as Rgb), i]));
  return { ...common, hue: share ? "share" : "level", channel, low, high, palette };
}

/** 256 colours. */
function table(colour: (i: number) => readonly number[]): Uint32Array {
  const bytes = new Uint8ClampedArray(4 * 256);
  for (let i = 0; i < 256; i++) bytes.set(colour(i), 4 * i);
  return new Uint32Array(bytes.buffer);
}
