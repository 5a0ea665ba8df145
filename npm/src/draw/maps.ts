import { failure } from "../errors.js";
import {
  type Context2D,
  canvasOf,
  clamp,
  type DrawOptions,
  imageOf,
  type PixelMap,
  paint,
  placementOf,
  type Rect,
  ratioOf,
} from "./canvas.js";
import { type Ramp, ramp, rangeOf } from "./colours.js";
import { FONT } from "./tag.js";

/** Options of {@link drawHeatMap}. */
export interface HeatMapOptions extends DrawOptions {
  /** Colours from low to high. Default: `"spectrum"`. */
  colours?: Ramp;
  /** The numbers that the scale begins and ends with. Default: the map's least and largest. */
  range?: readonly [number, number];
  /** 0 hides it, 1 hides the picture. Default: 0.5. */
  opacity?: number;
  /** What is low is transparent, too. Default: false. */
  fade?: boolean;
}

/** Draws a number for every place over a picture: a class activation map, depth, attention. Any size is stretched smoothly. */
export function drawHeatMap(context: Context2D, map: PixelMap, options: HeatMapOptions = {}): void {
  const { opacity = 0.5, fade = false, colours = "spectrum" } = options;
  const [low, high] = options.range ?? rangeOf(map.data ?? []);
  const scale = ramp(colours);
  const image = imageOf(map, "the heat map", (value, out, at) => {
    const level = levelOf(value, low, high);
    out.set(scale.subarray(3 * level, 3 * level + 3), at);
    out[at + 3] = fade ? level : 255;
  });
  context.save();
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  paint(context, image, placementOf(context, options));
  context.restore();
}

/** 0 to 255; what is no number is low. */
function levelOf(value: number, low: number, high: number): number {
  const part = high > low ? (value - low) / (high - low) : 0;
  return Number.isNaN(part) ? 0 : Math.round(255 * clamp(part, 0, 1));
}

/** Options of {@link drawFeatureMaps}. */
export interface FeatureMapOptions extends Omit<DrawOptions, "at"> {
  /** Where on the canvas. Default: all of it. */
  within?: Rect;
  /** Which channels. Default: all of them. */
  channels?: readonly number[];
  /** Maps in a row. Default: what makes them largest. */
  columns?: number;
  /** Between the maps, in CSS pixels. Default: 2. */
  gap?: number;
  /** Default: `"heat"`. */
  colours?: Ramp;
  /** Each map has a scale of its own, or all share one, or the numbers that it begins and ends with. Default: `"each"`. */
  range?: "each" | "all" | readonly [number, number];
  /** Numbers of the channels stand on the maps. Default: where there is room for them. */
  numbers?: boolean;
}

/**
 * Draws an activation `[height, width, channels]` (or a batch of one) as a grid of its channels, pixel by pixel. Says where each
 * channel was drawn: for a pointer that asks.
 */
export function drawFeatureMaps(
  context: Context2D,
  { data, shape }: { data: ArrayLike<number>; shape: readonly number[] },
  options: FeatureMapOptions = {},
): (Rect & { channel: number })[] {
  const [height, width, count] = (shape.length === 4 && shape[0] === 1 ? shape.slice(1) : shape) as number[];
  if (shape.length < 3 || shape.length > 4 || !(height && width && count) || data.length !== height * width * count) {
    throw failure("shape-mismatch", "feature maps are one picture's", {
      expected: "[height, width, channels] and as many numbers",
      received: `[${shape.join(", ")}] and ${data.length}`,
    });
  }
  const { channels = Array.from({ length: count }, (_, i) => i), colours = "heat", range = "each" } = options;
  const wrong = channels.find((channel) => !(Number.isInteger(channel) && channel >= 0 && channel < count));
  if (wrong !== undefined) {
    throw failure("invalid", "no such channel", { expected: `0 to ${count - 1}`, received: String(wrong) });
  }
  const ratio = ratioOf(context, options);
  const within = options.within ?? { x: 0, y: 0, ...extentOf(context) };
  const gap = (options.gap ?? 2) * ratio;
  const columns = clamp(
    options.columns ?? bestColumns(within, channels.length, height / width, gap),
    1,
    channels.length,
  );
  const rows = Math.ceil(channels.length / columns);
  // The largest cells of the maps' own proportions.
  const [roomX, roomY] = [(within.width - gap * (columns - 1)) / columns, (within.height - gap * (rows - 1)) / rows];
  const scale = Math.max(Math.min(roomX / width, roomY / height), 0);
  const [cellWidth, cellHeight] = [width * scale, height * scale];
  const left = within.x + (within.width - columns * cellWidth - (columns - 1) * gap) / 2;
  const top = within.y + (within.height - rows * cellHeight - (rows - 1) * gap) / 2;
  const table = ramp(colours);
  const shared = range === "all" ? rangeOf(data) : typeof range === "string" ? undefined : range;
  const numbers = options.numbers ?? Math.min(cellWidth, cellHeight) >= 44 * ratio;
  context.save();
  // What a network sees are its pixels.
  context.imageSmoothingEnabled = false;
  const cells = channels.map((channel, i) => {
    const [low, high] = shared ?? rangeOf(data, channel, count);
    const values = Float32Array.from({ length: height * width }, (_, at) => data[at * count + channel] as number);
    const image = imageOf({ data: values, width, height }, "a feature map", (value, out, at) => {
      const level = levelOf(value, low, high);
      out.set(table.subarray(3 * level, 3 * level + 3), at);
      out[at + 3] = 255;
    });
    const x = left + (i % columns) * (cellWidth + gap);
    const y = top + Math.floor(i / columns) * (cellHeight + gap);
    // Whole pixels: no seams, no blur at the edges.
    const [x0, y0, x1, y1] = [x, y, x + cellWidth, y + cellHeight].map(Math.round) as [number, number, number, number];
    const cell = { channel, x: x0, y: y0, width: Math.max(x1 - x0, 1), height: Math.max(y1 - y0, 1) };
    context.drawImage(image, cell.x, cell.y, cell.width, cell.height);
    if (numbers) drawNumber(context, cell, ratio);
    return cell;
  });
  context.restore();
  return cells;
}

function extentOf(context: Context2D): { width: number; height: number } {
  const { width, height } = canvasOf(context);
  return { width, height };
}

/** The number of columns with which cells are largest. */
function bestColumns({ width, height }: Rect, count: number, aspect: number, gap: number): number {
  const sizeOf = (columns: number) => {
    const rows = Math.ceil(count / columns);
    return Math.min((width - gap * (columns - 1)) / columns, (height - gap * (rows - 1)) / rows / aspect);
  };
  let best = 1;
  for (let columns = 2; columns <= count; columns++) if (sizeOf(columns) > sizeOf(best)) best = columns;
  return best;
}

function drawNumber(context: Context2D, { channel, x, y }: Rect & { channel: number }, ratio: number): void {
  const size = 10 * ratio;
  context.font = `500 ${size}px ${FONT}`;
  context.textBaseline = "middle";
  context.textAlign = "left";
  const text = String(channel);
  const width = context.measureText(text).width + 6 * ratio;
  context.fillStyle = "rgb(11 13 16 / 0.7)";
  context.fillRect(x, y, width, 14 * ratio);
  context.fillStyle = "#ffffff";
  context.fillText(text, x + 3 * ratio, y + 7.5 * ratio);
}
