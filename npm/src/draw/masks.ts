import { failure } from "../errors.js";
import {
  type Context2D,
  canvasOf,
  clamp,
  type DrawOptions,
  type Extent,
  imageOf,
  type PixelMap,
  paint,
  placementOf,
  ratioOf,
} from "./canvas.js";
import { classColour, type Rgb } from "./colours.js";
import { type Scratch, scratchesOf } from "./scratch.js";
import { FONT } from "./tag.js";

/** Options of {@link drawClassMap}. */
export interface ClassMapOptions extends DrawOptions {
  /** 0 hides it, 1 hides the picture. Default: 0.55. */
  opacity?: number;
  /** Classes that are not drawn. Default: 0, which most networks call background. */
  hidden?: readonly number[];
  /** Colour of a class. Default: {@link classColour}, PASCAL VOC's. */
  colour?: (value: number) => Rgb;
}

/**
 * Colours a picture by the class of each pixel; a map of any size is stretched over the picture. One that is painted already
 * (`segmenter.paint()`) has its colours.
 */
export function drawClassMap(context: Context2D, map: PixelMap | ImageBitmap, options: ClassMapOptions = {}): void {
  const { opacity = 0.55, hidden = [0], colour = classColour } = options;
  const colours = new Map<number, Rgb | undefined>();
  const image = isPainted(map)
    ? map
    : imageOf(map, "the class map", (value, out, at) => {
        if (!colours.has(value)) colours.set(value, hidden.includes(value) ? undefined : colour(value));
        const rgb = colours.get(value);
        if (rgb) out.set([...rgb, 255], at);
      });
  context.save();
  context.globalAlpha = opacity;
  // Mixed classes would be colours of others, but a jagged edge is uglier than a soft one.
  context.imageSmoothingEnabled = true;
  paint(context, image, placementOf(context, options));
  context.restore();
}

/** What a number of a matte means: from 0 to `max`. Default: 1, and 255 for bytes. */
export interface MatteRange {
  /** The number that stands for all. */
  max?: number;
}

function maxOf({ data }: PixelMap, { max }: MatteRange): number {
  return max ?? (data instanceof Uint8Array || data instanceof Uint8ClampedArray ? 255 : 1);
}

/** A picture, not numbers. */
const isPainted = (map: PixelMap | ImageBitmap): map is ImageBitmap => !("data" in map);

/** Gives out canvases aside, by their use. */
type Aside = ReturnType<typeof scratchesOf>;

/** The matte as a picture: of this colour, as opaque as the matte is high. */
const alphaImage = (
  matte: PixelMap | ImageBitmap,
  range: MatteRange,
  [r, g, b]: Rgb,
  aside: Aside,
): CanvasImageSource => {
  const make = (width: number, height: number) => aside("mask", width, height);
  if (isPainted(matte)) {
    const [image, layer] = make(matte.width, matte.height);
    layer.drawImage(matte, 0, 0);
    layer.globalCompositeOperation = "source-in";
    layer.fillStyle = `rgb(${r} ${g} ${b})`;
    layer.fillRect(0, 0, matte.width, matte.height);
    return image;
  }
  const factor = 255 / maxOf(matte, range);
  const colour = (value: number, out: Uint8ClampedArray, at: number) => {
    out[at] = r;
    out[at + 1] = g;
    out[at + 2] = b;
    out[at + 3] = value * factor;
  };
  return imageOf(matte, "the matte", colour, make);
};

/** Options of {@link drawMask}. */
export interface MaskOptions extends DrawOptions, MatteRange {
  /** Red, green, blue. Default: a green. */
  colour?: Rgb;
  /** Default: 0.55. */
  opacity?: number;
}

/** Colours a picture where a mask is; soft masks shade off. Of a painted one (`segmenter.paint({ class })`) it is the alpha. */
export function drawMask(context: Context2D, mask: PixelMap | ImageBitmap, options: MaskOptions = {}): void {
  const { colour = [38, 208, 124], opacity = 0.55 } = options;
  context.save();
  context.globalAlpha = opacity;
  paint(context, alphaImage(mask, options, colour, scratchesOf(context)), placementOf(context, options));
  context.restore();
}

/** Options of {@link drawMatted}. */
export interface MattedOptions extends DrawOptions, MatteRange {
  /** `"blur"`, a colour as CSS has it, or a picture, which fills the place. Default: `"blur"`. */
  background?: string | CanvasImageSource;
  /** How far it blurs, in CSS pixels. Default: 12. */
  radius?: number;
}

/** Draws a picture with another background: blurred, a colour, or another picture. The matte says what is in front; of a painted one its alpha does. */
export function drawMatted(
  context: Context2D,
  picture: CanvasImageSource,
  matte: PixelMap | ImageBitmap,
  options: MattedOptions = {},
): void {
  const { background = "blur", radius = 12 } = options;
  const [at, ratio] = [placementOf(context, options), ratioOf(context, options)];
  const aside = scratchesOf(context);
  const [front, layer] = aside("front", at.width, at.height);
  layer.drawImage(picture, 0, 0, front.width, front.height);
  layer.globalCompositeOperation = "destination-in";
  const mask = isPainted(matte) ? matte : alphaImage(matte, options, [0, 0, 0], aside);
  layer.drawImage(mask, 0, 0, front.width, front.height);
  context.save();
  // What the background spills over stays within the picture.
  context.beginPath();
  context.rect(at.x, at.y, at.width, at.height);
  context.clip();
  if (background === "blur") {
    paint(context, blurred(picture, at, radius * ratio, aside), at);
  } else if (typeof background === "string") {
    context.fillStyle = background;
    context.fillRect(at.x, at.y, at.width, at.height);
  } else {
    const size = sizeOf(background);
    const scale = Math.max(at.width / size[0], at.height / size[1]);
    const [width, height] = [size[0] * scale, size[1] * scale];
    context.drawImage(background, at.x + (at.width - width) / 2, at.y + (at.height - height) / 2, width, height);
  }
  paint(context, front, at);
  context.restore();
}

/** A blurred picture. Halving it again and again is a blur that every browser has (`filter` is missing in some). */
function blurred(
  picture: CanvasImageSource,
  { width, height }: Extent,
  radius: number,
  aside: Aside,
): CanvasImageSource {
  let [image, layer] = aside("blur", width, height);
  layer.drawImage(picture, 0, 0, image.width, image.height);
  const sizes: [number, number][] = [];
  // Each halving blurs as far as two pixels of its result.
  for (let reach = 2; reach <= Math.max(radius, 2) && image.width > 2 && image.height > 2; reach *= 2) {
    sizes.push([image.width, image.height]);
    image = resized(image, aside(`down ${reach}`, image.width / 2, image.height / 2));
  }
  // Back in the same steps: one large step would show the pixels as diamonds.
  for (const [i, [w, h]] of [...sizes.entries()].reverse()) image = resized(image, aside(`up ${i}`, w, h));
  return image;
}

function resized(image: CanvasImageSource, [canvas, layer]: Scratch): Scratch[0] {
  layer.imageSmoothingQuality = "medium";
  layer.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** Width and height of a picture that can be drawn. */
function sizeOf(image: CanvasImageSource): [number, number] {
  const { displayWidth, displayHeight, naturalWidth, naturalHeight, videoWidth, videoHeight, width, height } =
    image as unknown as { [name: string]: number | undefined };
  const size = [
    displayWidth ?? naturalWidth ?? videoWidth ?? width,
    displayHeight ?? naturalHeight ?? videoHeight ?? height,
  ];
  if (!size.every((n) => typeof n === "number" && n > 0)) {
    throw failure("invalid", "the background is empty, or not loaded yet", { received: size.join(" x ") });
  }
  return size as [number, number];
}

/** A line of a legend, as `vision.legend()` gives them. */
export interface LegendLine {
  /** What it is. */
  label: string;
  /** As CSS has it. */
  colour: string;
  /** Part of the picture, 0 to 1. */
  share?: number;
}

/** Options of {@link drawLegend}. */
export interface LegendOptions extends DrawOptions {
  /** Which corner of the canvas. Default: `"bottom-left"`. */
  corner?: "top-left" | "top-right" | "bottom-left" | "bottom-right";
  /** Size of the text in CSS pixels. Default: 13. */
  fontSize?: number;
  /** Font families, as CSS has them. */
  font?: string;
}

/** Draws what the colours mean, in a corner. Lines that do not fit on the canvas are counted in the last one. */
export function drawLegend(context: Context2D, lines: readonly LegendLine[], options: LegendOptions = {}): void {
  const { corner = "bottom-left", fontSize = 13, font = FONT } = options;
  if (lines.length === 0) return;
  const canvas = canvasOf(context);
  const ratio = ratioOf(context, options);
  const size = fontSize * ratio;
  const [row, padding, margin] = [Math.round(1.5 * size), 0.7 * size, 8 * ratio];
  const fitting = Math.max(1, Math.floor((canvas.height - 2 * margin - 2 * padding) / row));
  const shown = lines.length > fitting ? lines.slice(0, fitting - 1) : lines;
  const left = lines.length - shown.length;
  const texts = shown.map(({ label, share }) => [label, share === undefined ? "" : percent(share)] as const);
  if (left > 0) texts.push([`and ${left} more`, ""]);
  context.save();
  context.font = `500 ${size}px ${font}`;
  const widths = texts.map(([a, b]) => context.measureText(a).width + (b ? size + context.measureText(b).width : 0));
  const width = Math.min(Math.max(...widths) + 2 * padding + 1.5 * size, canvas.width - 2 * margin);
  const height = texts.length * row + 2 * padding;
  const x = corner.endsWith("right") ? canvas.width - margin - width : margin;
  const y = corner.startsWith("bottom") ? Math.max(canvas.height - margin - height, 0) : margin;
  context.beginPath();
  context.roundRect(x, y, width, height, 8 * ratio);
  context.fillStyle = "rgb(11 13 16 / 0.82)";
  context.fill();
  context.clip();
  context.textBaseline = "middle";
  for (const [i, [label, detail]] of texts.entries()) {
    const middle = y + padding + (i + 0.5) * row;
    const line = shown[i];
    if (line) {
      context.beginPath();
      context.roundRect(x + padding, middle - size / 2, size, size, 3 * ratio);
      context.fillStyle = line.colour;
      context.fill();
      context.lineWidth = ratio;
      context.strokeStyle = "rgb(255 255 255 / 0.45)";
      context.stroke();
    }
    context.fillStyle = "#f4f6f8";
    context.textAlign = "left";
    const room = width - 2 * padding - 1.5 * size - (detail ? size + context.measureText(detail).width : 0);
    context.fillText(label, x + padding + 1.5 * size, middle + 0.5 * ratio, Math.max(room, size));
    context.textAlign = "right";
    context.fillStyle = "rgb(244 246 248 / 0.72)";
    context.fillText(detail, x + width - padding, middle + 0.5 * ratio);
  }
  context.restore();
}

const percent = (share: number): string => {
  const value = clamp(100 * share, 0, 100);
  return value > 0 && value < 1 ? "< 1%" : `${Math.round(value)}%`;
};
