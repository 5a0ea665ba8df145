import type { Engine } from "./engine.js";
import { failure } from "./errors.js";
import { Held, type Loaded } from "./held.js";
import type { NetHandle } from "./host.js";
import type { ImageInput } from "./tasks/input.js";
import { look, type PredictImageOptions, type Seen, withFrame } from "./tasks/look.js";
import { type Painted, type Painting, paintLook } from "./tasks/paint.js";
import type {
  Detections,
  DetectOptions,
  ImageSource,
  LoadOptions,
  ModelSource,
  PredictOptions,
  Report,
  TensorInfo,
  TensorInput,
  TensorOutput,
} from "./types.js";

/** A loaded network. Made by {@link Engine.load}; calls wait their turn. */
export class Net {
  /** The inputs that the model declares. */
  readonly inputs: readonly TensorInfo[];
  /** The outputs of {@link Net.predict}, in order. */
  readonly outputs: readonly TensorInfo[];
  /** It is a detector that striate knows, so that {@link Net.detect} works. */
  readonly detects: boolean;

  #engine: Engine;
  #held: Held<NetHandle>;

  /** @internal */
  constructor(engine: Engine, source: ModelSource, options: LoadOptions, loaded: Loaded<NetHandle>) {
    this.#engine = engine;
    // What told of the first loading and could stop it has had its time.
    const { signal: _signal, onProgress: _onProgress, ...again } = options;
    this.#held = new Held(engine, this, () => engine.open(source, again), loaded);
    this.inputs = loaded.handle.inputs;
    this.outputs = loaded.handle.outputs;
    this.detects = loaded.handle.detects;
  }

  /**
   * Runs the network on tensors, one for each input, and returns all outputs as typed arrays of their own.
   *
   * Elements alone take the declared shape, with 1 for each open dimension; `{ data, shape }` says it in full. Options
   * may follow the inputs.
   */
  async predict(...args: [...TensorInput[], PredictOptions] | TensorInput[]): Promise<TensorOutput[]> {
    const last = args.at(-1);
    const options = isOptions(last) ? (args.pop() as PredictOptions) : {};
    const inputs = (args as TensorInput[]).map((input, i) => {
      if (ArrayBuffer.isView(input)) return { data: input };
      if (isInput(input)) return { data: input.data, shape: [...input.shape] };
      throw failure("invalid", "an input is a typed array or { data, shape }", { layer: this.inputs[i]?.name });
    });
    return this.#held.call("predict", options.signal, ({ life, handle }) =>
      life.call((host) => host.predict(handle.id, inputs)),
    );
  }

  /** Finds things in a picture, in pixels of that picture, best first. Video and canvas are captured at the call. */
  async detect(source: ImageSource, options: DetectOptions = {}): Promise<Detections> {
    const start = performance.now();
    const { signal, ...rest } = options;
    if (!this.detects) {
      throw failure(
        "unsupported",
        "this network is not a detector that striate knows; use predict() and decode its outputs",
      );
    }
    const found = await withFrame(this.#engine, this.#held, "detect", source, signal, ({ life, handle }, _, send) =>
      life.call((host) => host.detect(handle.id, send(), rest)),
    );
    const { detections, preprocess, inference, decode } = found;
    const timings = { preprocess, inference, decode, total: performance.now() - start };
    return Object.assign(detections, { timings });
  }

  /**
   * Runs the network on a picture, prepared as `input` says; it goes into the first input. Video and canvas are captured at
   * the call.
   */
  predictImage(source: ImageSource, input: ImageInput = {}, options: PredictImageOptions = {}): Promise<Seen> {
    return look(this.#engine, this.#held, this.inputs, source, input, options);
  }

  /**
   * Runs the network on a picture and paints one of its outputs: every pixel in the colour of its class, or of how much of something
   * is there. On WebGPU the picture is made of the network's own buffer and never leaves the GPU, from camera to canvas.
   */
  paintImage(
    source: ImageSource,
    painting: Painting = {},
    input: ImageInput = {},
    options: PredictOptions = {},
  ): Promise<Painted> {
    return paintLook(this.#engine, this.#held, this, source, painting, input, options);
  }

  /** What the network costs and where its layers run. */
  report(): Promise<Report> {
    return this.#held.call("report", undefined, ({ life, handle }) => life.call((host) => host.report(handle.id)));
  }

  /** Lets go of the network's memory. A network that is merely forgotten is cleaned up too, but later. */
  dispose(): void {
    this.#held.dispose();
  }

  /** `using net = await engine.load(url)` disposes of it at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

function isInput(value: unknown): value is TensorInput {
  return (
    ArrayBuffer.isView(value) || (typeof value === "object" && value !== null && "data" in value && "shape" in value)
  );
}

function isOptions(value: TensorInput | PredictOptions | undefined): value is PredictOptions {
  return typeof value === "object" && value !== null && !ArrayBuffer.isView(value) && !("data" in value);
}
