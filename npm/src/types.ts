/** Where networks run. */
export type Backend = "webgpu" | "wasm";

/** Which WebAssembly to run on: plain SIMD, fused multiply-add besides, threads besides. */
export type Variant = "simd" | "relaxed" | "threads";

/** A WebAssembly binary: kernels of a {@link Variant}, or the WebGPU backend. */
export type Binary = Variant | "webgpu";

/**
 * What a binary can do besides running networks: read model files (and find things in pictures), or build and train
 * models of layers and of the zoo.
 */
export type Edition = "files" | "models";

/** How far a long piece of work has come. */
export interface Progress {
  /**
   * `engine`: the WebAssembly binary is being fetched; `download`: the model is; `compile`: weights are packed and
   * pipelines built; `predict`: samples are run, batch by batch; `cache`: the model's files were kept for the next time, or
   * not (once, at the end).
   */
  stage: "engine" | "download" | "compile" | "predict" | "cache";
  /** Bytes (`engine`, `download`, `cache`), steps (`compile`) or samples (`predict`) done. */
  loaded: number;
  /** Of how many; absent while unknown. */
  total?: number;
  /** Why nothing was kept (`cache`), a sentence: no room, no Cache API. The model is loaded all the same. */
  warning?: string;
}

/** Called with each {@link Progress}. */
export type OnProgress = (progress: Progress) => void;

/** Options of {@link striate}. */
export interface EngineOptions {
  /**
   * `"auto"` (default) takes WebGPU if there is a real GPU and a probe of about 50 ms says that it is faster, else
   * WebAssembly. `"webgpu"` and `"wasm"` insist: what is not there is an error.
   */
  backend?: "auto" | Backend;
  /**
   * Threads of the wasm backend: a number, or `false` for one. Default: the machine's cores, 8 at most. More than one
   * needs a cross-origin isolated page (COOP and COEP headers) and a worker; where that is missing one thread is used
   * and `engine.info.notes` says why.
   */
  threads?: number | false;
  /**
   * The best WebAssembly binary to take, to measure or to test: `"simd"` is the plainest. The default is the best that
   * the page can run.
   */
  variant?: Variant;
  /**
   * What to load at the start: `"files"` (default) reads model files, `"models"` builds and trains. The other is loaded when
   * it is first needed.
   */
  edition?: Edition;
  /** `false` runs the engine in place and not in a worker of its own. Default: `true` where there are workers. */
  worker?: boolean;
  /** Lets WebGPU run on a software adapter (for tests: correct, slow). `"auto"` never chooses one. */
  allowSoftwareAdapter?: boolean;
  /**
   * The folder in which `worker.js` and `wasm/` lie, for builds that do not follow `new URL(…, import.meta.url)`
   * (esbuild, Rollup). Default: beside this module.
   */
  assets?: string | URL;
  /**
   * The address under which the published networks of `engine.models` are served, a folder for each. Default: `models/` beside the page
   * (in Node: in the working directory).
   */
  models?: string | URL;
  /** Is told how far the WebAssembly binary has come. */
  onProgress?: OnProgress;
  /** Stops the start. */
  signal?: AbortSignal;
}

/** The GPU in use. */
export interface AdapterInfo {
  /** Its name or description; browsers may leave it empty. */
  name: string;
  /** Its vendor. */
  vendor: string;
  /** It is emulated on the CPU. */
  software: boolean;
}

/** What an engine runs on. */
export interface EngineInfo {
  /** Where networks run. */
  backend: Backend;
  /** The WebAssembly binary in use. */
  variant: Binary;
  /** Threads of the wasm backend. */
  threads: number;
  /** The engine lives in a worker of its own. */
  worker: boolean;
  /** The GPU, on `webgpu`. */
  adapter?: AdapterInfo;
  /** What did not go as asked, each a sentence: a thread pool that did not start, a GPU that was passed over. */
  notes: string[];
}

/** Element type of a tensor. */
export type DType = "float32" | "int32" | "uint8";

/** The typed array of each element type. */
export interface TypedArrays {
  /** 32-bit floats. */
  float32: Float32Array<ArrayBuffer>;
  /** 32-bit integers. */
  int32: Int32Array<ArrayBuffer>;
  /** Bytes. */
  uint8: Uint8Array<ArrayBuffer>;
}

/** Elements in row-major order; the array's class says the element type. */
export type TensorData = Float32Array | Int32Array | Uint8Array | Uint8ClampedArray;

/** An input or output that a network declares. */
export interface TensorInfo {
  /** Its name in the model. */
  name: string;
  /** Element type. */
  dtype: DType;
  /** Dimensions; `null` where any size fits. */
  shape: (number | null)[];
}

/** An input of {@link Net.predict}: elements alone where the shape is known, or with a shape. */
export type TensorInput = TensorData | { data: TensorData; shape: number[] };

/** An output of {@link Net.predict}. */
export type TensorOutput = {
  [D in DType]: {
    /** Its name in the model. */
    name: string;
    /** Element type. */
    dtype: D;
    /** Dimensions. */
    shape: number[];
    /** Elements in row-major order; yours to keep. */
    data: TypedArrays[D];
  };
}[DType];

/** A TFJS graph model's files in memory. (A TFLite or ONNX file is passed as its buffer alone.) */
export interface ModelFiles {
  /** The content of `model.json`, parsed or not. */
  json: object | string | ArrayBuffer | Uint8Array;
  /** The weight files, in the order of the manifest. */
  weights: ArrayBuffer | Uint8Array | (ArrayBuffer | Uint8Array)[];
}

/** An ONNX file in memory whose large tensors are in files of their own. */
export interface OnnxFiles {
  /** The content of the `.onnx` file. */
  onnx: ArrayBuffer | Uint8Array;
  /** The content of the files that it names, by these names. */
  data: { [name: string]: ArrayBuffer | Uint8Array };
}

/**
 * Where a model comes from: an address, bytes, files that the user chose. The weight files of a TensorFlow.js model and those in which
 * an ONNX model keeps its large tensors are beside it.
 */
export type ModelSource =
  | string
  | URL
  | ArrayBuffer
  | Uint8Array
  | Blob
  | File
  | Iterable<File>
  | ModelFiles
  | OnnxFiles;

/** Model formats that striate reads. */
export type ModelFormat = "tfjs" | "tflite" | "onnx";

/** How files are fetched: options of all that loads. */
export interface FetchOptions {
  /**
   * SHA-256 of the file in hexadecimal; of a model of several files an object of them by file name
   * (`{ "model.json": "…", "weights.bin": "…" }`). A file with another hash is an error.
   */
  sha256?: string | { readonly [file: string]: string };
  /**
   * `true` keeps what is fetched on this device, in the Cache API, for the next time and without the network; a name keeps it
   * apart from others ({@link modelCache} lists and deletes). What is kept is used without asking the server: a model that
   * changes takes another address, name or `sha256`. If there is no room, or no Cache API (Node, insecure pages), `onProgress`
   * is told and the model loads all the same. For addresses only.
   */
  cache?: boolean | string;
  /** Is told how far things have come. */
  onProgress?: OnProgress;
  /** Stops the loading. */
  signal?: AbortSignal;
}

/** Options of {@link Engine.load}. */
export interface LoadOptions extends FetchOptions {
  /** Insists on a format; the default tells by the content. */
  format?: ModelFormat;
  /** Only these outputs; layers that they do not need may even be unsupported. */
  outputs?: string[];
  /**
   * Shapes of inputs by name, as the file counts axes (ONNX: channels first). For ONNX files whose open dimensions decide what
   * the network is; the error says so.
   */
  inputShapes?: Record<string, number[]>;
}

/** Options of {@link Net.predict}. */
export interface PredictOptions {
  /** Gives up waiting; what already runs is finished and dropped. */
  signal?: AbortSignal;
}

/** Pixels as `ImageData` holds them, for places that have none (Node). */
export interface RawImage {
  /** Red, green, blue, alpha for each pixel, row by row. */
  data: Uint8ClampedArray | Uint8Array;
  /** Pixels in a row. */
  width: number;
  /** Rows. */
  height: number;
}

/** A picture to look at. */
export type ImageSource =
  | ImageBitmap
  | VideoFrame
  | HTMLVideoElement
  | HTMLImageElement
  | HTMLCanvasElement
  | OffscreenCanvas
  | ImageData
  | Blob
  | RawImage;

/** Options of {@link Net.detect}; each has the network's own default. */
export interface DetectOptions {
  /** Lowest score to report, 0 to 1. */
  scoreThreshold?: number;
  /** Of two boxes that overlap by more than this (intersection over union) the weaker is dropped, 0 to 1. */
  iouThreshold?: number;
  /** At most so many. */
  maxDetections?: number;
  /** Gives up waiting; what already runs is finished and dropped. */
  signal?: AbortSignal;
}

/** A thing found in a picture; the box is in pixels of the picture and may reach over its edge. */
export interface Detection {
  /** What it is, in words. */
  label: string;
  /** What it is, as the network counts. */
  class: number;
  /** How sure the network is, 0 to 1. */
  score: number;
  /** Left edge. */
  x: number;
  /** Top edge. */
  y: number;
  /** Width. */
  width: number;
  /** Height. */
  height: number;
}

/** Milliseconds that the stages of one detection took. */
export interface Timings {
  /** Reading the pixels, resizing, normalising; where the GPU does that, it is part of the inference. */
  preprocess: number;
  /** The network, reading back its outputs included. */
  inference: number;
  /** Boxes out of outputs, suppression of overlaps. */
  decode: number;
  /** From call to result; more than the sum of the others by the way to the worker and back, and by waiting in line. */
  total: number;
}

/** The things found, best first, with the time it took. */
export type Detections = Detection[] & {
  /** Milliseconds by stage. */
  timings: Timings;
};

/** What a compiled network costs and where its layers run. */
export interface Report {
  /** Where it runs. */
  backend: Backend;
  /** Floating-point operations of one run (a multiply-add is two). */
  flops: number;
  /** Bytes of weights as the backend keeps them. */
  weightBytes: number;
  /** Most bytes of intermediate results at any time. */
  peakBytes: number;
  /** Each layer in order, with where it runs. */
  placement: { layer: string; op: string; backend: Backend }[];
}

/** A layer of a model. */
export interface LayerInfo {
  /** Its name. */
  name: string;
  /** Keras' class, or that of a layer written here. */
  className: string;
  /** Dimensions of the outputs of its first call; `null` where any size fits. */
  outputShapes: (number | null)[][];
  /** Number of parameters. */
  params: number;
  /** Training changes it: it is not frozen. */
  trainable: boolean;
  /** Names of the layers whose outputs it takes, first call first. */
  inbound: string[];
  /** What it is made of, if it is a model. */
  layers?: LayerInfo[];
}

/** What a model is made of. */
export interface ModelSummary {
  /** The model's name. */
  name: string;
  /** `Sequential` or `Functional`. */
  className: string;
  /** The layers in Keras' order; a sequential model's input is none of them. */
  layers: LayerInfo[];
  /** Numbers of parameters. */
  params: { total: number; trainable: number; nonTrainable: number };
}

/** A weight of a model. */
export interface WeightInfo {
  /** `layer/kernel`; `outer/inner/kernel` in nested models. */
  name: string;
  /** Dimensions. */
  shape: number[];
  /** Training changes it: it can, and no layer around it is frozen. */
  trainable: boolean;
}
