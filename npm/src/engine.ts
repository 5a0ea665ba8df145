import type { HostOptions } from "./begin.js";
import { buildFunctional, buildSequential, loadLayers, shapesOf } from "./building.js";
import { aborted, failure, throwIfAborted } from "./errors.js";
import type { Loaded } from "./held.js";
import type { NetHandle } from "./host.js";
import { type Inspection, type InspectOptions, inspect } from "./inspect.js";
import type { LoadModelOptions } from "./keras/types.js";
import type { Layer, SymbolicTensor, SymbolicTensors } from "./layers/tensor.js";
import { Life } from "./life.js";
import type { BuildOptions, Model } from "./model.js";
import { withModel } from "./models.js";
import { Net } from "./net.js";
import { Models } from "./tasks/models.js";
import type { EngineInfo, EngineOptions, LoadOptions, ModelSource } from "./types.js";
import { Zoo } from "./zoo.js";

/** Ends the worker of an engine that nobody holds any more. */
const forgotten = new FinalizationRegistry<{ life: Life | undefined }>((held) => held.life?.dispose());

/** Ends the networks that nobody holds any more. */
const forgottenNets = new FinalizationRegistry<{ life: Life; id: number }>(({ life, id }) => life.free(id));

/** Events of an {@link Engine}. */
export interface EngineEventMap {
  /** The GPU was lost; networks were rebuilt on a new one and the call was repeated. */
  devicelost: Event;
  /** The engine's inside was started afresh after a fault; networks load again when they are next used. */
  restart: Event;
}

/** Starts an engine: finds out what the browser can do and loads the WebAssembly binary that suits it. */
export async function striate(options: EngineOptions = {}): Promise<Engine> {
  const { signal } = options;
  throwIfAborted(signal, "starting the engine");
  const engine = new Engine(options);
  const starting = engine.start().then(() => engine);
  if (!signal) return starting;
  // The half-started engine is let go of as soon as it can be.
  const drop = () => void starting.then(() => engine.dispose()).catch(() => {});
  return raceAbort(starting, signal, "starting the engine", drop);
}

/** Rejects as soon as the signal aborts; `onAbort` cleans up after the work that goes on. */
export function raceAbort<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  what: string,
  onAbort?: () => void,
): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const stop = () => {
      onAbort?.();
      reject(aborted(signal, what));
    };
    if (signal.aborted) {
      // Nobody waits for the work any more.
      work.catch(() => {});
      return stop();
    }
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

/** Runs networks, on WebGPU or in WebAssembly, by default in a worker of its own. Made by {@link striate}. */
export class Engine extends EventTarget {
  #options: HostOptions;
  #inWorker: boolean;
  #onProgress: EngineOptions["onProgress"];
  #models: string;
  #held: { life: Life | undefined } = { life: undefined };
  #starting: Promise<Life> | undefined;
  #losses = 0;
  #disposed = false;

  /** @internal */
  constructor(options: EngineOptions) {
    super();
    const { backend = "auto", threads, variant, edition, worker, allowSoftwareAdapter, assets, onProgress } = options;
    this.#models = String(options.models ?? "models/").replace(/\/?$/, "/");
    if (!["auto", "webgpu", "wasm"].includes(backend)) {
      throw failure("invalid", "no such backend", { expected: "auto, webgpu or wasm", received: String(backend) });
    }
    if (threads !== undefined && threads !== false && !(threads >= 1)) {
      throw failure("invalid", "`threads` is a number from 1, or false", { received: String(threads) });
    }
    this.#inWorker = worker ?? typeof Worker === "function";
    this.#onProgress = onProgress;
    this.#options = { backend, allowSoftwareAdapter: allowSoftwareAdapter ?? false };
    if (variant !== undefined && !["simd", "relaxed", "threads"].includes(variant)) {
      throw failure("invalid", "no such binary", { expected: "simd, relaxed or threads", received: String(variant) });
    }
    if (edition !== undefined && !["files", "models"].includes(edition)) {
      throw failure("invalid", "no such edition", { expected: "files or models", received: String(edition) });
    }
    if (threads !== undefined) this.#options.threads = threads;
    if (edition !== undefined) this.#options.edition = edition;
    if (variant !== undefined) this.#options.variant = variant;
    if (assets !== undefined) this.#options.assets = folder(assets);
    forgotten.register(this, this.#held, this);
  }

  /** What this engine runs on. */
  get info(): EngineInfo {
    const info = this.#held.life?.info;
    if (!info) throw failure("invalid", "the engine was disposed of");
    return info;
  }

  /**
   * Loads a network: fetches it if need be, compiles it for this engine's backend.
   *
   * The format is told by the content: a TFJS graph model (`model.json` with weight files beside it),
   * TFLite or ONNX.
   */
  async load(source: ModelSource, options: LoadOptions = {}): Promise<Net> {
    throwIfAborted(options.signal, "loading");
    const work = this.open(source, options);
    const drop = () => void work.then(({ life, handle }) => life.free(handle.id)).catch(() => {});
    return new Net(this, source, options, await raceAbort(work, options.signal, "loading", drop));
  }

  /**
   * Tells what is in a model, and whether it will run, before its weights are fetched: of TensorFlow.js models only the
   * `model.json` is, of ONNX with external data only the `.onnx`; all others are one file. Reads what {@link Engine.load},
   * {@link Engine.loadModel} and `loadWeights` read and says which of them to call. With the option `cache` nothing is fetched
   * twice.
   */
  inspect(source: ModelSource, options: InspectOptions = {}): Promise<Inspection> {
    const { signal } = options;
    return raceAbort(inspect(this.start(), source, options), signal, "inspect");
  }

  /**
   * Loads a network of layers with its weights from one of Keras' files: `.keras`, `.h5`, or a TensorFlow.js layers model
   * (`model.json` with its weight files beside it); or from safetensors that {@link Model.save} wrote. It can be trained and
   * changed like one that was built here.
   *
   * ```ts
   * const net = await engine.loadModel("/models/digits.keras");
   * ```
   *
   * So can the network of a graph, which is what {@link Engine.load} reads: ONNX, TFLite, or a TensorFlow.js graph model. Its
   * operations become layers and its learned constants their weights; images are channels last, and the batch may be of any
   * size. `outputs` cuts it where a head of one's own is to go on:
   *
   * ```ts
   * const base = await engine.loadModel("/models/mobilenet.onnx", { outputs: ["features"] });
   * await base.setTrainable(false);
   * ```
   *
   * What reads these files is fetched when it is first needed. Layers of one's own have no meaning here:
   * {@link LoadModelOptions.customLayers} says what stands for them.
   */
  loadModel(source: ModelSource, options: LoadModelOptions = {}): Promise<Model> {
    return loadLayers(this, source, options);
  }

  /**
   * Builds a network of layers one after the other. The first brings the `inputShape` (of one sample), or `input()` comes
   * first.
   *
   * ```ts
   * const net = await engine.sequential([
   *   layers.conv2d({ filters: 64, kernelSize: 7, padding: "same", activation: "relu", inputShape: [28, 28, 1] }),
   *   layers.maxPooling2d(),
   *   layers.flatten(),
   *   layers.dense({ units: 10, activation: "softmax" }),
   * ]);
   * ```
   *
   * What does not fit is a {@link StriateError} with `layer`, `expected` and `received`. Each call builds weights of its
   * own; layers that models are to share belong into a model that is nested in both.
   */
  sequential(list: readonly (Layer | Model | SymbolicTensor)[], options: BuildOptions = {}): Promise<Model> {
    return buildSequential(this, list, options);
  }

  /** Builds the network that computes `outputs` from `inputs`, one tensor or several each. See {@link Engine.sequential}. */
  model(graph: { inputs: SymbolicTensors; outputs: SymbolicTensors } & BuildOptions): Promise<Model> {
    return buildFunctional(this, graph);
  }

  /** Well-known networks: `await engine.zoo.resnet50({ includeTop: false })`. */
  get zoo(): Zoo {
    return new Zoo(this);
  }

  /** Published networks, a line each: `await engine.models.poseNet()`. */
  get models(): Models {
    return new Models(this, this.#models, this.#options.assets);
  }

  /** The shape of a tensor while a network is being written down; `null` where any size fits. */
  async shape(tensor: SymbolicTensor): Promise<(number | null)[]> {
    return (await shapesOf(this, tensor))[0] ?? [];
  }

  /** Lets go of the engine and all its networks. */
  dispose(): void {
    this.#disposed = true;
    forgotten.unregister(this);
    this.#held.life?.dispose();
  }

  /** `using engine = await striate()` disposes of it at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  override addEventListener<K extends keyof EngineEventMap>(
    type: K,
    listener: (this: Engine, event: EngineEventMap[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(type: string, listener: never, options?: boolean | AddEventListenerOptions): void {
    super.addEventListener(type, listener, options);
  }

  /**
   * The current life; begins one at the start and after a fault.
   * @internal
   */
  start(): Promise<Life> {
    if (this.#disposed) return Promise.reject(failure("invalid", "the engine was disposed of"));
    const { life } = this.#held;
    if (life && !life.ended) return Promise.resolve(life);
    this.#starting ??= Life.begin(this.#inWorker, this.#options, this.#onProgress)
      .then((begun) => {
        if (this.#disposed) begun.dispose();
        this.#held.life = begun;
        if (life) this.dispatchEvent(new Event("restart"));
        return begun;
      })
      .finally(() => {
        this.#starting = undefined;
      });
    return this.#starting;
  }

  /**
   * Reads a model and hands it to the current life.
   * @internal
   */
  async open(source: ModelSource, options: LoadOptions): Promise<Loaded<NetHandle>> {
    const starting = this.start();
    const work = withModel(source, options, async (model) => {
      const life = await starting;
      throwIfAborted(options.signal, "loading");
      return { life, handle: await life.load(model, options) };
    });
    return (await Promise.all([work, starting]))[0];
  }

  /**
   * Looks after a call: tells of lost GPUs.
   * @internal
   */
  async watch<T>(life: Life, call: Promise<T>): Promise<T> {
    try {
      return await call;
    } finally {
      if (life.losses > this.#losses) this.dispatchEvent(new Event("devicelost"));
      this.#losses = life.losses;
    }
  }

  /** @internal */
  keep(net: object, { life, handle }: Loaded): void {
    forgottenNets.unregister(net);
    forgottenNets.register(net, { life, id: handle.id }, net);
  }

  /** @internal */
  drop(net: object, { life, handle }: Loaded): void {
    forgottenNets.unregister(net);
    life.free(handle.id);
  }
}

/** The address of a folder, with the slash that relative addresses need. */
function folder(assets: string | URL): string {
  const { href } = new URL(assets, globalThis.document?.baseURI ?? globalThis.location?.href);
  return href.endsWith("/") ? href : `${href}/`;
}
