/** Turns a file into a picture the page can show and the engine can read, or says what is wrong with it. */

export type PhotoProblem = "unreadable" | "empty" | "large";

export class PhotoError extends Error {
  override readonly name = "PhotoError";
  readonly problem: PhotoProblem;
  readonly size: { width: number; height: number } | undefined;

  constructor(problem: PhotoProblem, size?: { width: number; height: number }) {
    super(`picture ${problem}`);
    this.problem = problem;
    this.size = size;
  }
}

/** Above this a decoded picture takes more than 200 MB, which phones answer by closing the tab. */
export const MAX_PIXELS = 50e6;
/** The long side after shrinking on request: still four times what the networks look at. */
const SHRUNK_SIDE = 2048;

/** Reads the size from the file's header, without decoding its pixels, and refuses what would not fit. */
export async function openPhoto(blob: Blob): Promise<{ blob: Blob; bitmap: ImageBitmap }> {
  const size = await measure(blob);
  if (size.width * size.height > MAX_PIXELS) throw new PhotoError("large", size);
  return { blob, bitmap: await decode(blob) };
}

/** Decodes a picture that `openPhoto` found too large, at a size that fits. */
export async function shrinkPhoto(blob: Blob): Promise<{ blob: Blob; bitmap: ImageBitmap }> {
  const { width, height } = await measure(blob);
  const scale = Math.min(SHRUNK_SIDE / Math.max(width, height), 1);
  const bitmap = await decode(blob, {
    resizeWidth: Math.max(Math.round(width * scale), 1),
    resizeHeight: Math.max(Math.round(height * scale), 1),
    resizeQuality: "high",
  });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
  return { blob: await canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 }), bitmap };
}

async function decode(blob: Blob, resize: ImageBitmapOptions = {}): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(blob, { imageOrientation: "from-image", ...resize });
  } catch {
    throw new PhotoError("unreadable");
  }
}

async function measure(blob: Blob): Promise<{ width: number; height: number }> {
  if (blob.size === 0 || (await isEmptyPng(blob))) throw new PhotoError("empty");
  const image = new Image();
  image.src = URL.createObjectURL(blob);
  try {
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = () => reject(new PhotoError("unreadable"));
    });
  } finally {
    URL.revokeObjectURL(image.src);
  }
  if (image.naturalWidth === 0 || image.naturalHeight === 0) throw new PhotoError("empty");
  return { width: image.naturalWidth, height: image.naturalHeight };
}

/** Browsers call a PNG of 0 x 0 broken; this tells it apart from a file that is no picture at all. */
async function isEmptyPng(blob: Blob): Promise<boolean> {
  const header = new DataView(await blob.slice(0, 24).arrayBuffer());
  if (header.byteLength < 24 || header.getUint32(0) !== 0x89504e47) return false;
  return header.getUint32(16) === 0 || header.getUint32(20) === 0;
}
