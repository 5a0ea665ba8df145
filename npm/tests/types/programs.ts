// Programs that must type-check against the published declarations, and lines that must not.
import {
  type Detection,
  type Detections,
  type Engine,
  type EngineInfo,
  type Net,
  ShapeMismatchError,
  StriateError,
  striate,
  type TensorOutput,
} from "striate";

export async function detectOnVideo(video: HTMLVideoElement, signal: AbortSignal): Promise<Detection[]> {
  const engine: Engine = await striate({
    backend: "auto",
    threads: 4,
    onProgress: ({ stage, loaded }) => log(stage, loaded),
  });
  const net: Net = await engine.load("/model.json", { signal, onProgress: ({ total }) => log(total ?? "?") });
  const found: Detections = await net.detect(video, {
    scoreThreshold: 0.4,
    iouThreshold: 0.5,
    maxDetections: 20,
    signal,
  });
  log(found.timings.inference.toFixed(1));
  return found.filter(({ label, score, width, height }) => label === "Person" && score * width * height > 0);
}

export async function allSources(net: Net, blob: Blob, bitmap: ImageBitmap, frame: VideoFrame): Promise<void> {
  for (const source of [
    blob,
    bitmap,
    frame,
    new ImageData(1, 1),
    new OffscreenCanvas(1, 1),
    document.createElement("canvas"),
  ]) {
    await net.detect(source);
  }
  await net.detect({ data: new Uint8Array(4), width: 1, height: 1 });
  // @ts-expect-error a name is no picture
  await net.detect("photo.png");
  // @ts-expect-error there is no such option
  await net.detect(bitmap, { threshold: 1 });
}

export async function predictions(files: FileList, buffer: ArrayBuffer): Promise<Float32Array> {
  using engine = await striate({ backend: "wasm", worker: false, threads: false });
  const info: EngineInfo = engine.info;
  log(info.adapter?.name, info.variant === "threads" ? info.threads : 1, ...info.notes);
  using net = await engine.load(files, { format: "tfjs", outputs: ["scores"] });
  await engine.load(buffer);
  await engine.load({ json: {}, weights: [buffer] });
  const [first]: TensorOutput[] = await net.predict(new Float32Array(4), { data: new Int32Array(2), shape: [1, 2] });
  if (first?.dtype !== "float32") throw new Error("no floats");
  // Narrowed by the dtype.
  const data: Float32Array<ArrayBuffer> = first.data;
  // @ts-expect-error a list of numbers is no typed array
  await net.predict([1, 2, 3]);
  // @ts-expect-error there is no such backend
  await striate({ backend: "webgl" });
  return data;
}

export function explain(error: unknown): string {
  if (error instanceof ShapeMismatchError) return `${error.layer}: ${error.expected} and not ${error.received}`;
  if (!(error instanceof StriateError)) return "not ours";
  switch (error.code) {
    case "network":
    case "aborted":
      return "again";
    // @ts-expect-error no such code
    case "nonsense":
      return "";
    default:
      return error.message;
  }
}

declare function log(...what: unknown[]): void;
