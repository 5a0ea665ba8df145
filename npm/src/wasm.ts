// What the WebAssembly side exports (`src/js/` of the crate), and how its binary is found and loaded.

import type { Looked } from "./inspect.js";
import { type Files, start } from "./start.js";
import type {
  AdapterInfo,
  Binary,
  Detection,
  Edition,
  OnProgress,
  Report,
  TensorData,
  TensorInfo,
  TensorOutput,
} from "./types.js";

export { type Files, readFile, start } from "./start.js";

/** What a binary for WebGPU has of every network. */
export interface WasmPainter {
  /**
   * Runs the network on tensors, or on a picture that goes in as `place` says ([height, width, x, y, width, height
   * of the part that is seen, scale of red, green and blue, offset of them]), and paints. Nothing
   * comes of a model in training.
   */
  paint?(
    given: ImageBitmap | { data: TensorData; shape?: number[] | undefined }[],
    place: Float64Array,
    recipe: Float64Array,
    palette: Uint32Array,
    read: boolean,
  ): Promise<WasmPainted | undefined>;
}

/** A network on the wasm side. Its methods take turns: a call during another throws. */
export interface WasmNet extends WasmPainter {
  inputs(): TensorInfo[];
  outputs(): TensorInfo[];
  /** It is one of the detectors that striate knows. */
  detects(): boolean;
  /** Compiles for the declared shapes (1 for what is open). */
  prepare(progress?: (done: number, total: number) => void): Promise<void>;
  predict(inputs: { data: TensorData; shape?: number[] | undefined }[]): Promise<TensorOutput[]>;
  detect(
    rgba: Uint8ClampedArray | Uint8Array,
    width: number,
    height: number,
    options: { scoreThreshold?: number; iouThreshold?: number; maxDetections?: number },
  ): Promise<{ detections: Detection[]; preprocess: number; inference: number; decode: number }>;
  /** On the GPU: the picture's pixels never leave it. */
  detectBitmap(
    bitmap: ImageBitmap,
    options: { scoreThreshold?: number; iouThreshold?: number; maxDetections?: number },
  ): Promise<{ detections: Detection[]; preprocess: number; inference: number; decode: number }>;
  report(): Report;
  /** How often the GPU was lost and had again. */
  losses(): number;
  free(): void;
}

/** A picture on the GPU, with the bytes from row to row, or one that was read: its RGBA bytes. */
export type WasmPainted =
  | { device: GPUDevice; pixels: GPUBuffer; pitch: number; data?: undefined }
  | { data: Uint8Array<ArrayBuffer> | Uint8ClampedArray<ArrayBuffer> };

/** A model on the wasm side that was built of layers. Its methods take turns, too. */
export interface WasmModel extends WasmPainter {
  /** A `ModelHandle` without its number, as JSON. */
  describe(): string;
  predict(inputs: { data: TensorData; shape?: number[] | undefined }[]): Promise<TensorOutput[]>;
  /** What a layer gives, the gradient of a class's score by it, and the model's output. */
  attribute(layer: string, classIndex: number, inputs: Given[]): Promise<TensorOutput[]>;
  weight(name: string): Float32Array<ArrayBuffer>;
  setWeight(name: string, data: Float32Array): void;
  /** An empty name means all layers. */
  setTrainable(layer: string, trainable: boolean): void;
  /** Takes over the weights of the model that is nested under this path. */
  adopt(path: string, nested: WasmModel): void;
  /** Ready for training, by Keras' arguments as JSON. */
  compile(json: string): void;
  /** The logs so far if `read`; else nothing is waited for. */
  trainOnBatch(
    x: Given[],
    y: Given[],
    weights: Given[],
    read: boolean,
  ): Promise<{ [name: string]: number } | undefined>;
  testOnBatch(x: Given[], y: Given[], weights: Given[]): Promise<{ [name: string]: number }>;
  /** Loss and metrics of the batches read since `resetLogs`. */
  logs(): { [name: string]: number };
  resetLogs(): void;
  learningRate(): number;
  setLearningRate(rate: number): void;
  /** Brings trained weights back from the device, for all that reads them. */
  sync(): Promise<void>;
  /** Bytes of a step at its peak, and of weights and optimizer. */
  trainingMemory(): Uint32Array;
  report(): Report;
  losses(): number;
  free(): void;
}

/** A tensor of a batch; nothing where an output has no labels or weights. */
export type Given = { data: TensorData; shape: number[] } | undefined;

/** A device of the wasm side. */
export interface WasmRuntime {
  adapter(): AdapterInfo | undefined;
  /** Milliseconds that one run of a small convolution network takes. */
  probe(): Promise<number>;
  free(): void;
}

/** A device that runs model files. */
export interface FilesRuntime extends WasmRuntime {
  /** `external` are the places of files among the weights, `[offset, bytes]` by name, `inputShapes` dimensions; as JSON. */
  load(
    format: string,
    model: Uint8Array,
    weights: Uint8Array,
    external: string | undefined,
    outputs: string[] | undefined,
    inputShapes: string | undefined,
  ): WasmNet;
}

/** A device that models are built on. */
export interface ModelsRuntime extends WasmRuntime {
  /** Builds a model of its JSON. */
  build(json: string): WasmModel;
  /** A network of the zoo, with options as JSON. */
  zoo(name: string, options: string): WasmModel;
  zooNames(): string[];
}

/** The device of each edition. */
export interface Runtimes {
  files: FilesRuntime;
  models: ModelsRuntime;
}

/** A network as layers, on its way to the edition that builds models. */
export interface WasmLayered {
  json(): string;
  /** Names of the weights. */
  names(): string[];
  weight(place: number): Float32Array;
  free(): void;
}

/** The module that wasm-bindgen writes. */
export interface Wasm<E extends Edition = Edition> {
  default(options: { module_or_path: WebAssembly.Module }): Promise<unknown>;
  /** Only in the `threads` binary. */
  initThreadPool?(threads: number): Promise<void>;
  /** The message of the panic that stopped the module, if one did. */
  lastPanic(): string | undefined;
  /** Only in the edition `files`: makes layers of graphs. Arguments as of {@link FilesRuntime.load}. */
  Layered?: {
    ofGraph(
      format: string,
      model: Uint8Array,
      weights: Uint8Array,
      external: string | undefined,
      outputs: string[] | undefined,
      inputShapes: string | undefined,
    ): WasmLayered;
  };
  /** Likewise. `model` is the `model.json`, TFLite or ONNX file; `inputShapes` are dimensions by name, as JSON. */
  inspect?(format: string, model: Uint8Array, outputs: string[] | undefined, inputShapes: string | undefined): Looked;
  Runtime: {
    /** Not in the `webgpu` binary. */
    cpu?(): Runtimes[E];
    /** Only in the `webgpu` binary. */
    webgpu?(allowSoftware: boolean): Promise<Runtimes[E]>;
  };
}

// Each address is written out so that Vite, webpack and other bundlers see it and carry the file along. The glue is an
// asset too and not a module of the bundle: the threads of the pool import it by its address.
const BESIDE: Record<Binary, Record<Edition, Files>> = {
  simd: {
    files: {
      glue: new URL("./wasm/simd-files/striate.js", import.meta.url),
      binary: new URL("./wasm/simd-files/striate_bg.wasm", import.meta.url),
    },
    models: {
      glue: new URL("./wasm/simd-models/striate.js", import.meta.url),
      binary: new URL("./wasm/simd-models/striate_bg.wasm", import.meta.url),
    },
  },
  relaxed: {
    files: {
      glue: new URL("./wasm/relaxed-files/striate.js", import.meta.url),
      binary: new URL("./wasm/relaxed-files/striate_bg.wasm", import.meta.url),
    },
    models: {
      glue: new URL("./wasm/relaxed-models/striate.js", import.meta.url),
      binary: new URL("./wasm/relaxed-models/striate_bg.wasm", import.meta.url),
    },
  },
  threads: {
    files: {
      glue: new URL("./wasm/threads-files/striate.js", import.meta.url),
      binary: new URL("./wasm/threads-files/striate_bg.wasm", import.meta.url),
    },
    models: {
      glue: new URL("./wasm/threads-models/striate.js", import.meta.url),
      binary: new URL("./wasm/threads-models/striate_bg.wasm", import.meta.url),
    },
  },
  webgpu: {
    files: {
      glue: new URL("./wasm/webgpu-files/striate.js", import.meta.url),
      binary: new URL("./wasm/webgpu-files/striate_bg.wasm", import.meta.url),
    },
    models: {
      glue: new URL("./wasm/webgpu-models/striate.js", import.meta.url),
      binary: new URL("./wasm/webgpu-models/striate_bg.wasm", import.meta.url),
    },
  },
};

/** Fetches, compiles and starts a binary. */
export function loadWasm<E extends Edition>(
  name: Binary,
  edition: E,
  assets: string | undefined,
  onProgress: OnProgress | undefined,
): Promise<Wasm<E>> {
  const files = assets
    ? {
        glue: new URL(`wasm/${name}-${edition}/striate.js`, assets),
        binary: new URL(`wasm/${name}-${edition}/striate_bg.wasm`, assets),
      }
    : BESIDE[name][edition];
  return start(files, onProgress);
}
