// Canvases, and where a picture stands on them.

import { failure } from "../errors.js";
import { type Scratch, scratch } from "./scratch.js";

/** A canvas of the page, or one of a worker. */
export type Context2D = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

/** Width and height. */
export interface Extent {
  /** Pixels in a row. */
  width: number;
  /** Rows. */
  height: number;
}

/** A rectangle on a canvas, in its pixels. */
export interface Rect extends Extent {
  /** Left edge. */
  x: number;
  /** Upper edge. */
  y: number;
}

/** Where a picture stands on a canvas, in pixels of the canvas, and whether it is shown mirrored; from {@link fit}. */
export interface Placement extends Rect {
  /** Pixels of the canvas for one of the picture. */
  scale: number;
  /** Left is right, as in a mirror. Text stays as it is. */
  mirrored: boolean;
}

/** What all functions understand. */
export interface DrawOptions {
  /** Where the picture stands; see {@link fit}. Default: the canvas is the picture, pixel for pixel. */
  at?: Placement;
  /**
   * Pixels of the canvas for a CSS pixel, so that lines and text have the same size on every screen. Default: as the canvas
   * is laid out on the page; 1 where it is on none.
   */
  pixelRatio?: number;
}

/** Something for every pixel, row by row. */
export interface PixelMap<T extends ArrayLike<number> = ArrayLike<number>> extends Extent {
  /** The values. */
  data: T;
}

/**
 * Where a picture stands on a canvas that shows it whole (`"contain"`) or fills itself with it (`"cover"`), as CSS' `object-fit`
 * does it.
 */
export function fit(
  canvas: Extent,
  picture: Extent,
  { mode = "contain", mirrored = false }: { mode?: "contain" | "cover"; mirrored?: boolean } = {},
): Placement {
  const [x, y] = [canvas.width / picture.width, canvas.height / picture.height];
  const ratio = mode === "cover" ? Math.max(x, y) : Math.min(x, y);
  const scale = Number.isFinite(ratio) && ratio > 0 ? ratio : 1;
  const [width, height] = [picture.width * scale, picture.height * scale];
  return { x: (canvas.width - width) / 2, y: (canvas.height - height) / 2, width, height, scale, mirrored };
}

/** The canvas of a context. */
export const canvasOf = (context: Context2D): Extent & { clientWidth?: number } => context.canvas;

/** The placement of the options, or the whole canvas. */
export function placementOf(context: Context2D, { at }: DrawOptions): Placement {
  const { width, height } = canvasOf(context);
  return at ?? { x: 0, y: 0, width, height, scale: 1, mirrored: false };
}

/** Pixels of the canvas for a CSS pixel. */
export function ratioOf(context: Context2D, { pixelRatio }: DrawOptions): number {
  if (pixelRatio !== undefined) return pixelRatio;
  const { width, clientWidth } = canvasOf(context);
  return clientWidth ? width / clientWidth : 1;
}

/** A point of the picture on the canvas. */
export function onCanvas(at: Placement, x: number, y: number): [number, number] {
  const across = x * at.scale;
  return [at.mirrored ? at.x + at.width - across : at.x + across, at.y + y * at.scale];
}

/** Draws an image where the picture stands. */
export function paint(context: Context2D, image: CanvasImageSource, at: Placement): void {
  context.save();
  context.translate(at.mirrored ? at.x + at.width : at.x, at.y);
  if (at.mirrored) context.scale(-1, 1);
  context.drawImage(image, 0, 0, at.width, at.height);
  context.restore();
}

/** An image of a colour (red, green, blue, alpha, 0 to 255) for every pixel of a map, on a canvas that `make` gives. */
export function imageOf(
  map: PixelMap,
  what: string,
  colour: (value: number, out: Uint8ClampedArray, at: number) => void,
  make: (width: number, height: number) => Scratch = scratch,
): OffscreenCanvas | HTMLCanvasElement {
  const { data, width, height } = map;
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    throw failure("invalid", `${what} is empty`, { expected: "at least 1 x 1", received: `${width} x ${height}` });
  }
  if (data?.length !== width * height) {
    throw failure("shape-mismatch", `${what} needs a number for every pixel`, {
      expected: `${width} x ${height} = ${width * height}`,
      received: String(data?.length),
    });
  }
  const [canvas, context] = make(width, height);
  const image = context.createImageData(width, height);
  for (let i = 0; i < data.length; i++) colour(data[i] as number, image.data, 4 * i);
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Bounded on both sides. */
export const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high);
