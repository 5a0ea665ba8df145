import { failure } from "./errors.js";
import { imageSize } from "./sniff.js";
import type { ImageSource, RawImage } from "./types.js";

/** Most pixels in a picture: 256 MB as RGBA, about what a phone's tab survives. */
export const MAX_PIXELS = 64 * 2 ** 20;

/** A picture on its way to the network. */
export interface Frame {
  image: ImageBitmap | VideoFrame | RawImage;
  width: number;
  height: number;
  /** striate made it and closes it. */
  owned: boolean;
}

/** Closes a frame that striate made. */
export function close({ image, owned }: Frame): void {
  if (owned && "close" in image) image.close();
}

/** How pictures are decoded: the stored values, upright. */
export const BITMAP: ImageBitmapOptions = {
  colorSpaceConversion: "none",
  premultiplyAlpha: "none",
  imageOrientation: "from-image",
};

const is = <T>(name: string, value: unknown): value is T => {
  const found = (globalThis as Record<string, unknown>)[name];
  return typeof found === "function" && value instanceof found;
};

/** Width and height of a source that knows them; checked before anything is allocated. */
function sizeOf(source: ImageSource): [number, number, string] {
  if (is<VideoFrame>("VideoFrame", source)) {
    return [source.displayWidth, source.displayHeight, "the VideoFrame is closed or empty"];
  }
  if (is<HTMLVideoElement>("HTMLVideoElement", source)) {
    const ready = source.readyState >= 2;
    const hint = "the video has no picture yet: wait for its `loadeddata` event";
    return ready ? [source.videoWidth, source.videoHeight, hint] : [0, 0, hint];
  }
  if (is<HTMLImageElement>("HTMLImageElement", source)) {
    const hint = "the image is not loaded, or broken: `await image.decode()` first";
    return [source.naturalWidth, source.naturalHeight, hint];
  }
  return [(source as RawImage).width, (source as RawImage).height, "the picture is empty or closed"];
}

/** Rejects what is empty or too large. */
export function checkSize(width: number, height: number, empty: string): void {
  if (!(width > 0 && height > 0)) {
    throw failure("invalid", empty, { expected: "at least 1 x 1", received: `${width} x ${height}` });
  }
  if (width * height > MAX_PIXELS) {
    const scale = Math.sqrt(MAX_PIXELS / (width * height));
    const fit = `${Math.floor(width * scale)} x ${Math.floor(height * scale)}`;
    throw failure("resource", `the picture has more than 64 megapixels: scale it down, to ${fit} or less`, {
      expected: `at most ${MAX_PIXELS} pixels`,
      received: `${width} x ${height}`,
    });
  }
}

/**
 * Takes the picture out of a source, as something that can go to a worker. Video, canvas and image elements are
 * captured now, so that the page may go on drawing. `copy` makes a copy even of what could be used where it is.
 */
export async function capture(source: ImageSource, copy: boolean): Promise<Frame> {
  if (is<Blob>("Blob", source)) return captureBlob(source);
  const raw = rawImage(source);
  const bitmap = is<ImageBitmap>("ImageBitmap", source);
  const frame = is<VideoFrame>("VideoFrame", source);
  const drawable = ["HTMLVideoElement", "HTMLImageElement", "HTMLCanvasElement", "OffscreenCanvas"];
  if (!raw && !bitmap && !frame && !drawable.some((name) => is(name, source))) {
    throw failure(
      "unsupported",
      "a picture is an ImageBitmap, VideoFrame, video, img, canvas, OffscreenCanvas, ImageData, Blob or { data, width, height }",
      { received: source === null ? "null" : typeof source === "object" ? source.constructor.name : typeof source },
    );
  }
  const [width, height, empty] = sizeOf(source);
  checkSize(width, height, empty);
  if (raw) return { image: raw, width, height, owned: false };
  if (!copy && (bitmap || frame)) return { image: source, width, height, owned: false };
  const image = frame ? source.clone() : await decode(source as ImageBitmapSource);
  return {
    image,
    width: frame ? width : (image as ImageBitmap).width,
    height: frame ? height : (image as ImageBitmap).height,
    owned: true,
  };
}

async function captureBlob(blob: Blob): Promise<Frame> {
  const size = await imageSize(blob);
  if (size) checkSize(size[0], size[1], "the picture is empty");
  const image = await decode(blob);
  const { width, height } = image;
  try {
    checkSize(width, height, "the picture is empty");
  } catch (error) {
    image.close();
    throw error;
  }
  return { image, width, height, owned: true };
}

async function decode(source: ImageBitmapSource): Promise<ImageBitmap> {
  if (typeof createImageBitmap !== "function") {
    throw failure("unsupported", "pictures cannot be decoded here: pass their pixels as { data, width, height }");
  }
  try {
    return await createImageBitmap(source, BITMAP);
  } catch (cause) {
    throw unreadable(cause);
  }
}

/** What browsers throw when pixels cannot be had, in words. */
export function unreadable(cause: unknown): Error {
  const { name, message } = cause as Error;
  if (name === "SecurityError" || name === "DataCloneError") {
    return failure(
      "invalid",
      'the picture comes from another origin, which hides its pixels: set crossOrigin = "anonymous" on the element and let the server send Access-Control-Allow-Origin',
      { cause },
    );
  }
  return failure("invalid", `the picture cannot be decoded by this browser: ${message}`, { cause });
}

/** `ImageData`, or anything of its form. */
function rawImage(source: unknown): RawImage | undefined {
  if (typeof source !== "object" || source === null || !("data" in source)) return undefined;
  const { data, width, height } = source as RawImage;
  if (!(data instanceof Uint8ClampedArray || data instanceof Uint8Array)) return undefined;
  const [w, h] = [Number(width), Number(height)];
  if (!(Number.isInteger(w) && Number.isInteger(h) && w >= 0 && h >= 0 && data.length === w * h * 4)) {
    throw failure("invalid", "the pixels do not fit width and height; four bytes (RGBA) each", {
      expected: `${width} x ${height} x 4 = ${w * h * 4} bytes`,
      received: `${data.length} bytes`,
    });
  }
  return { data, width, height };
}

/** Reads pixels, with one canvas for all frames. */
export class PixelReader {
  #context: OffscreenCanvasRenderingContext2D | undefined;

  /** The frame as RGBA bytes. */
  read({ image, width, height }: Frame): Uint8ClampedArray | Uint8Array {
    if ("data" in image) return image.data;
    try {
      const context = this.#canvas(width, height);
      context.drawImage(image, 0, 0, width, height);
      return context.getImageData(0, 0, width, height).data;
    } catch (cause) {
      throw unreadable(cause);
    }
  }

  #canvas(width: number, height: number): OffscreenCanvasRenderingContext2D {
    let context = this.#context;
    if (!context) {
      // The pixels are read each time: a canvas in main memory spares the way through the GPU.
      context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true }) ?? undefined;
      if (!context) throw failure("unsupported", "this browser has no 2D OffscreenCanvas");
      // The last frame must not shine through a transparent one.
      context.globalCompositeOperation = "copy";
      this.#context = context;
    }
    const { canvas } = context;
    if (canvas.width !== width || canvas.height !== height) {
      // Setting either clears the canvas and its state.
      canvas.width = width;
      canvas.height = height;
      context.globalCompositeOperation = "copy";
    }
    return context;
  }
}
