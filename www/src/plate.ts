import type { FeatureMap, Pixels } from "./convolver.ts";
import { element, setText } from "./dom.ts";

/** Longest side of a picture here: a phone convolves it in an instant, and seven pixels of it still can be seen. */
const LONGEST = 1024;

function drawing(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  if (!context) throw new Error("This browser cannot draw.");
  return context;
}

/** Draws the picture on the page's canvas for it, smaller if need be; on that it can be read back. */
export function drawPhoto(bitmap: ImageBitmap): CanvasRenderingContext2D {
  const canvas = element("photo", HTMLCanvasElement);
  const scale = Math.min(LONGEST / Math.max(bitmap.width, bitmap.height), 1);
  canvas.width = Math.max(Math.round(bitmap.width * scale), 1);
  canvas.height = Math.max(Math.round(bitmap.height * scale), 1);
  const context = drawing(canvas);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return context;
}

/** Draws the picture and reads its pixels back. */
export function showPhoto(bitmap: ImageBitmap): Pixels {
  const context = drawPhoto(bitmap);
  const { width, height } = context.canvas;
  const rgba = context.getImageData(0, 0, width, height).data;
  const data = new Float32Array(width * height * 3);
  for (let from = 0, to = 0; to < data.length; from += 4) {
    for (let channel = 0; channel < 3; channel++) data[to++] = (rgba[from + channel] ?? 0) / 255;
  }
  return { data, width, height };
}

/** Draws a map from black, its smallest value, to white, its largest; says what these are. */
export function showMap(index: number, map: FeatureMap, { width, height }: Pixels): void {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of map) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const canvas = element(`map-${index}`, HTMLCanvasElement);
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  const scale = high > low ? 255 / (high - low) : 0;
  for (let from = 0, to = 0; from < map.length; from++) {
    const grey = ((map[from] ?? 0) - low) * scale; // this kind of array rounds by itself
    image.data[to++] = grey;
    image.data[to++] = grey;
    image.data[to++] = grey;
    image.data[to++] = 255;
  }
  drawing(canvas).putImageData(image, 0, 0);
  setText(element(`range-${index}`, HTMLElement), `${written(low)} to ${written(high)}`);
}

const written = (value: number): string => value.toFixed(2).replace("-", "−");
