// From a picture to the tensor that a network wants.

import { failure } from "../errors.js";
import type { Sent } from "../predict.js";
import type { DType, TensorData, TensorInfo } from "../types.js";

/** How a network wants its pictures. What is absent suits a network that takes pixels as they are, 0 to 255. */
export interface ImageInput {
  /** Height and width. Default: what the network declares, else the picture's own. */
  size?: readonly [height: number, width: number];
  /**
   * What becomes of pictures of other proportions. `"stretch"` (default) ignores them; `"center"` takes the square in the
   * middle; `"crop"` the middle 87.5 % of that, as networks are tested on ImageNet (256 pixels, of which 224 are cut out);
   * `"pad"` keeps the whole picture, at the top left, black below or beside it.
   */
  fit?: "stretch" | "center" | "crop" | "pad";
  /** Order of the channels. Default `"rgb"`. */
  order?: "rgb" | "bgr";
  /** Each pixel (0 to 255) times this, by channel in that order ... */
  scale?: number | readonly [number, number, number];
  /** ... plus this. */
  offset?: number | readonly [number, number, number];
  /** Where the channels are. Default: last, or where the network declares three of them. */
  layout?: "nhwc" | "nchw";
}

/** Keras' `preprocess_input` of the families of networks trained on ImageNet; their pictures are 224 or 299 pixels wide. */
export const preprocessing = {
  /** VGG, ResNet: blue first, the means of ImageNet taken off. */
  caffe: { order: "bgr", offset: [-103.939, -116.779, -123.68] },
  /** MobileNet, Xception, Inception, ResNetV2: -1 to 1. */
  tf: { scale: 1 / 127.5, offset: -1 },
  /** DenseNet, and networks from PyTorch: by means and deviations of ImageNet. */
  torch: {
    scale: [1 / (255 * 0.229), 1 / (255 * 0.224), 1 / (255 * 0.225)],
    offset: [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225],
  },
  /** 0 to 1. */
  unit: { scale: 1 / 255 },
} as const satisfies Record<string, ImageInput>;

/** The part of a picture that a network looks at, in pixels; of a padded one it reaches beyond the edges. */
export interface View {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** The same with every choice made. */
export interface Plan {
  size: readonly [height: number, width: number];
  view: View;
  pad: boolean;
  /** Where each channel comes from: red, green, blue, or all of them as grey. */
  channels: readonly { from: 0 | 1 | 2 | "grey"; scale: number; offset: number }[];
  layout: "nhwc" | "nchw";
  dtype: DType;
}

/** Decides how a picture of this size goes into this input. */
export function plan(input: ImageInput, declared: TensorInfo | undefined, width: number, height: number): Plan {
  const shape = declared?.shape ?? [];
  if (declared && shape.length !== 4) {
    throw failure("unsupported", "the network takes no picture", {
      layer: declared.name,
      expected: "[batch, height, width, 3]",
      received: `[${shape.map((size) => size ?? "?").join(", ")}]`,
    });
  }
  const colours = (size: number | null | undefined) => size === 3 || size === 1;
  const layout = input.layout ?? (colours(shape[1]) && !colours(shape[3]) ? "nchw" : "nhwc");
  const [h, w, c] = layout === "nchw" ? [shape[2], shape[3], shape[1]] : [shape[1], shape[2], shape[3]];
  if (typeof c === "number" && !colours(c)) {
    throw failure("unsupported", "the network takes no pictures", {
      layer: declared?.name,
      expected: "3 channels, or 1 for grey",
      received: `${c}`,
    });
  }
  const size = input.size ?? ([h ?? height, w ?? width] as const);
  if (!size.every((side) => Number.isInteger(side) && side > 0 && side <= 16384)) {
    throw failure("invalid", "`size` is a height and a width in pixels", { received: size.join(" x ") });
  }
  const { fit = "stretch", order = "rgb", scale = 1, offset = 0 } = input;
  const at = (values: number | readonly number[], channel: number) =>
    typeof values === "number" ? values : (values[channel] ?? Number.NaN);
  const from = c === 1 ? (["grey"] as const) : order === "bgr" ? ([2, 1, 0] as const) : ([0, 1, 2] as const);
  const channels = from.map((from, i) => ({ from, scale: at(scale, i), offset: at(offset, i) }));
  if (!channels.every((channel) => Number.isFinite(channel.scale) && Number.isFinite(channel.offset))) {
    throw failure("invalid", "`scale` and `offset` are a number, or three", {
      received: `${JSON.stringify(scale)}, ${JSON.stringify(offset)}`,
    });
  }
  const view = viewOf(fit, size, width, height);
  return { size, view, pad: fit === "pad", channels, layout, dtype: declared?.dtype ?? "float32" };
}

/**
 * The plan in numbers, as pictures are prepared on the GPU: size, part, scale and offset of red, green and blue. Nothing if they are
 * not prepared like that there.
 */
export function placeNumbers({ size, view, pad, channels, layout, dtype }: Plan): Float64Array | undefined {
  const plain = layout === "nhwc" && dtype === "float32" && !pad && channels.length === 3;
  if (!plain || !channels.every(({ from }, i) => from === i)) return undefined;
  const { x, y, width, height } = view;
  const [scale, offset] = [channels.map(({ scale }) => scale), channels.map(({ offset }) => offset)];
  return Float64Array.of(...size, x, y, width, height, ...scale, ...offset);
}

function viewOf(fit: string, [h, w]: readonly [number, number], width: number, height: number): View {
  if (fit === "stretch") return { x: 0, y: 0, width, height };
  const ratio = w / h;
  if (fit === "pad") {
    const wide = Math.max(width, height * ratio);
    return { x: 0, y: 0, width: wide, height: wide / ratio };
  }
  if (fit !== "center" && fit !== "crop") {
    throw failure("invalid", "no such `fit`", { expected: "stretch, center, crop or pad", received: fit });
  }
  const share = fit === "crop" ? 0.875 : 1;
  const inner = Math.min(width, height * ratio) * share;
  return { x: (width - inner) / 2, y: (height - inner / ratio) / 2, width: inner, height: inner / ratio };
}

/** The two source pixels of each output pixel, and the share of the second: half-pixel centres, nothing smoothed. */
function taps(start: number, length: number, outputs: number, source: number, pad: boolean) {
  const first = new Int32Array(outputs);
  const second = new Int32Array(outputs);
  const share = new Float32Array(outputs);
  for (let i = 0; i < outputs; i++) {
    const at = start + ((i + 0.5) * length) / outputs - 0.5;
    const inside = Math.min(Math.max(at, 0), source - 1);
    // Beyond a padded picture there is nothing.
    if (pad && at >= source) first[i] = second[i] = -1;
    else {
      const whole = Math.floor(inside);
      first[i] = whole;
      second[i] = Math.min(whole + 1, source - 1);
      share[i] = inside - whole;
    }
  }
  return { first, second, share };
}

const ARRAYS = { float32: Float32Array, int32: Int32Array, uint8: Uint8ClampedArray };

/** The tensor of a picture's RGBA bytes, by bilinear sampling. Integers are rounded; floats are not. */
export function tensorOf(rgba: Uint8ClampedArray | Uint8Array, width: number, height: number, how: Plan): Sent {
  const [h, w] = how.size;
  const { view, layout } = how;
  const columns = taps(view.x, view.width, w, width, how.pad);
  const rows = taps(view.y, view.height, h, height, how.pad);
  const depth = how.channels.length;
  const data = new ARRAYS[how.dtype](h * w * depth);
  const whole = how.dtype === "int32";
  const [stepPixel, stepChannel] = layout === "nchw" ? [1, h * w] : [depth, 1];
  how.channels.forEach(({ from, scale, offset }, channel) => {
    const [pixels, step, start] = from === "grey" ? ([greyOf(rgba), 1, 0] as const) : ([rgba, 4, from] as const);
    for (let y = 0; y < h; y++) {
      const [top, bottom, down] = [rows.first[y] as number, rows.second[y] as number, rows.share[y] as number];
      let out = channel * stepChannel + y * w * stepPixel;
      const [a, b] = [top * width * step + start, bottom * width * step + start];
      for (let x = 0; x < w; x++, out += stepPixel) {
        const left = columns.first[x] as number;
        if (top < 0 || left < 0) {
          data[out] = offset;
          continue;
        }
        const [right, along] = [columns.second[x] as number, columns.share[x] as number];
        const [p, q] = [pixels[a + left * step] as number, pixels[a + right * step] as number];
        const [r, s] = [pixels[b + left * step] as number, pixels[b + right * step] as number];
        const upper = p + (q - p) * along;
        const value = (upper + (r + (s - r) * along - upper) * down) * scale + offset;
        data[out] = whole ? Math.round(value) : value;
      }
    }
  });
  const bytes: TensorData = data instanceof Uint8ClampedArray ? new Uint8Array(data.buffer) : data;
  return { data: bytes, shape: layout === "nchw" ? [1, depth, h, w] : [1, h, w, depth] };
}

/** Luminance (ITU-R BT.601), as Pillow and Keras have it. */
function greyOf(rgba: Uint8ClampedArray | Uint8Array): Float32Array {
  return Float32Array.from({ length: rgba.length / 4 }, (_, i) => {
    const [r, g, b] = [rgba[i * 4] as number, rgba[i * 4 + 1] as number, rgba[i * 4 + 2] as number];
    return 0.299 * r + 0.587 * g + 0.114 * b;
  });
}
