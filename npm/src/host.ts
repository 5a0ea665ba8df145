import { transfer } from "comlink";
import { type Begun, begin, beginBeside, type HostOptions } from "./begin.js";
import { Beside } from "./beside.js";
import { build, Converter } from "./convert.js";
import { Easel } from "./easel.js";
import { type ErrorFields, failure, fieldsOf } from "./errors.js";
import { joinWeights, places } from "./files.js";
import { BITMAP, close, type Frame, PixelReader } from "./image.js";
import type { Looked, LookedKeras } from "./inspect.js";
import { KerasFiles } from "./keras/host.js";
import type { KerasBytes } from "./keras/source.js";
import type { CustomLayer, LoadedWeights, LoadWeightsOptions, SaveFormat, StandIn } from "./keras/types.js";
import type { Json } from "./layers/arguments.js";
import { paintPixels, premultiplied, type Recipe, recipeNumbers } from "./painting.js";
import type { Sent } from "./predict.js";
import { type Plan, placeNumbers, tensorOf } from "./tasks/input.js";
import { type AugmentModule, loadAugmenter } from "./training/augmenter.js";
import { type Batches, BatchList, Loader, type Round } from "./training/loader.js";
import { type Augmenting, type Limit, type Ran, run } from "./training/loop.js";
import type { Samples } from "./training/samples.js";
import { isTrap, orTrap } from "./traps.js";
import type {
  Detection,
  DetectOptions,
  Edition,
  EngineInfo,
  LoadOptions,
  ModelFormat,
  ModelSummary,
  OnProgress,
  Report,
  TensorData,
  TensorInfo,
  TensorOutput,
  WeightInfo,
} from "./types.js";
import type { ModelsRuntime, WasmModel, WasmNet, WasmPainted } from "./wasm.js";

/** What to take from a model file, and how. */
export interface Importing {
  outputs: LoadOptions["outputs"] | undefined;
  /** Names of the weight files of an ONNX model. */
  external?: string[] | undefined;
  inputShapes: LoadOptions["inputShapes"] | undefined;
}

/** A network, as the page knows it. */
export interface NetHandle {
  id: number;
  inputs: TensorInfo[];
  outputs: TensorInfo[];
  detects: boolean;
}

/** A model that was built here, as the page knows it. */
export interface ModelHandle {
  id: number;
  /** Keras' table. */
  text: string;
  summary: ModelSummary;
  inputs: TensorInfo[];
  outputs: TensorInfo[];
  weights: WeightInfo[];
  /** All but the weights. */
  json: { [key: string]: Json };
}

/** What a detection sends back. */
export interface Found {
  detections: Detection[];
  preprocess: number;
  inference: number;
  decode: number;
}

/** What a painted picture sends back. */
export interface PaintedFrame {
  image: ImageBitmap;
  preprocess: number;
  inference: number;
}

/** What a picture shown to a network sends back. */
export interface Shown {
  outputs: TensorOutput[];
  preprocess: number;
  inference: number;
}

/**
 * An answer of the host. Errors travel as plain fields, since structured cloning drops an error's own; `fatal` says
 * that the WebAssembly instance is broken and this host with it; `losses` counts the GPUs lost so far.
 */
export type Reply<T> =
  | { ok: true; value: T; losses: number }
  | { ok: false; error: ErrorFields; fatal: boolean; losses: number };

/** Every WebGPU device takes textures this wide and high; larger photos go by way of a canvas. */
const MAX_TEXTURE = 8192;

/** The engine's inside: owns the WebAssembly instances and the networks. Lives in the worker, or in place. */
export class Host {
  #options: HostOptions = {};
  #onProgress: OnProgress | undefined;
  /** The editions in use: the other begins when something first asks for it. */
  #sides: { [E in Edition]?: Promise<Begun<E>> } = {};
  /** Those that have begun; the first is what the engine started with. */
  #started: Begun<Edition>[] = [];
  #nets = new Map<number, { net: WasmNet | WasmModel; losses: number }>();
  /** Samples to train on. */
  #loaders = new Map<number, Loader>();
  #augmenters = new Map<number, Augmenting>();
  /** What changes pictures: a module of its own. */
  #changing: Beside<AugmentModule> | undefined;
  #keras: KerasFiles | undefined;
  #converter: Converter | undefined;
  #nextId = 1;
  #losses = 0;
  #pixels = new PixelReader();
  #easel = new Easel();

  /** Loads the binary and picks the backend. */
  start(options: HostOptions, onProgress?: OnProgress): Promise<Reply<Omit<EngineInfo, "worker">>> {
    return this.#reply(async () => {
      this.#options = options;
      this.#onProgress = onProgress;
      const notes: string[] = [];
      const { edition = "files" } = options;
      const first: Begun<Edition> = await this.#keepSide(edition, begin(edition, options, notes, onProgress));
      const { backend, binary, threads, runtime } = first;
      const adapter = runtime.adapter();
      return { backend, variant: binary, threads, notes, ...(adapter ? { adapter } : {}) };
    });
  }

  /** Imports a model and compiles it. */
  load(
    format: ModelFormat,
    model: Uint8Array,
    weights: Uint8Array[],
    { outputs, inputShapes, external }: Importing,
    onProgress?: OnProgress,
  ): Promise<Reply<NetHandle>> {
    return this.#reply(async () => {
      const shapes = inputShapes && JSON.stringify(inputShapes);
      const { runtime } = await this.#side("files");
      const net = runtime.load(format, model, joinWeights(weights), places(external, weights), outputs, shapes);
      try {
        await net.prepare((loaded, total) => onProgress?.({ stage: "compile", loaded, total }));
        const id = this.#nextId++;
        const handle = { id, inputs: net.inputs(), outputs: net.outputs(), detects: net.detects() };
        this.#nets.set(id, { net, losses: 0 });
        return handle;
      } catch (error) {
        if (!isTrap(error)) net.free();
        throw error;
      }
    });
  }

  /** Builds the network of a model file as layers, with its weights. */
  raise(
    format: ModelFormat,
    model: Uint8Array,
    weights: Uint8Array[],
    { outputs, inputShapes, external }: Importing,
    seed: number,
  ): Promise<Reply<ModelHandle>> {
    return this.#reply(async () => {
      const { Layered } = (await this.#side("files")).wasm;
      if (!Layered) throw failure("internal", "the binary for files makes no layers");
      const builder = await this.#builder();
      const shapes = inputShapes && JSON.stringify(inputShapes);
      const files = places(external, weights);
      const layered = Layered.ofGraph(format, model, joinWeights(weights), files, outputs, shapes);
      return this.#keep(build(layered, seed, builder));
    });
  }

  /** Looks into a model file. */
  inspect(format: ModelFormat, model: Uint8Array, { outputs, inputShapes }: Importing): Promise<Reply<Looked>> {
    return this.#reply(async () => {
      const { wasm } = await this.#side("files");
      if (!wasm.inspect) throw failure("internal", "the binary for files does not inspect");
      return wasm.inspect(format, model, outputs, inputShapes && JSON.stringify(inputShapes));
    });
  }

  /** Looks into one of Keras' files: builds its network, without the weights, and lets go of it. */
  inspectKeras(file: KerasBytes): Promise<Reply<LookedKeras>> {
    return this.#reply(async () => {
      this.#keras ??= new KerasFiles(this.#options.assets);
      const builder = await this.#builder();
      return this.#keras.inspect(file, (json) => {
        const model = builder.build(json);
        const { inputs, outputs } = describe(model);
        model.free();
        return { inputs, outputs };
      });
    });
  }

  /** Builds a model of its JSON; `nested` are models within it whose weights it takes over. */
  build(json: string, nested: { path: string; id: number }[] = []): Promise<Reply<ModelHandle>> {
    return this.#reply(async () => {
      const model = (await this.#builder()).build(json);
      try {
        for (const { path, id } of nested) model.adopt(path, await this.#synced(id));
        return this.#keep(model);
      } catch (error) {
        if (!isTrap(error)) model.free();
        throw error;
      }
    });
  }

  /** Builds a network of the zoo with options as JSON. */
  zoo(name: string, options: string): Promise<Reply<ModelHandle>> {
    return this.#reply(async () => this.#keep((await this.#builder()).zoo(name, options)));
  }

  /** Builds a network of the zoo with the weights of an open file. */
  zooOf(name: string, options: string, file: number): Promise<Reply<ModelHandle>> {
    return this.#reply(async () => {
      const builder = await this.#builder();
      return this.#keep(await this.#files().zoo(file, name, options, builder));
    });
  }

  /** Names of the zoo's networks. */
  zooNames(): Promise<Reply<string[]>> {
    return this.#reply(async () => (await this.#builder()).zooNames());
  }

  /** A classifier without dense layers. */
  convolutional(id: number, seed: number): Promise<Reply<ModelHandle>> {
    return this.#reply(async () => {
      this.#converter ??= new Converter(this.#options.assets);
      return this.#keep(await this.#converter.convolutional(await this.#synced(id), seed, await this.#builder()));
    });
  }

  /** What a layer of a model gives, and the gradient of a score by it. */
  attribute(
    id: number,
    layer: string,
    classIndex: number,
    inputs: { data: TensorData; shape: number[] }[],
  ): Promise<Reply<TensorOutput[]>> {
    return this.#reply(async () => (await this.#synced(id)).attribute(layer, classIndex, inputs), id);
  }

  /** Opens one of Keras' files: its number, and those of its layers that are of these classes. */
  openKeras(file: KerasBytes, classes: string[]): Promise<Reply<{ id: number; layers: CustomLayer[] }>> {
    return this.#reply(async () => {
      this.#keras ??= new KerasFiles(this.#options.assets);
      const id = this.#nextId++;
      return { id, layers: await this.#keras.open(id, file, classes) };
    });
  }

  /** Builds the network of an open file, with its weights. */
  buildKeras(file: number, standIns: StandIn[], seed: number): Promise<Reply<ModelHandle>> {
    return this.#reply(async () => {
      const json = await this.#files().network(file, standIns, seed);
      const model = (await this.#builder()).build(json);
      try {
        await this.#files().load(file, model, {});
        return this.#keep(model);
      } catch (error) {
        if (!isTrap(error)) model.free();
        throw error;
      }
    });
  }

  /** Puts the weights of an open file into a model. */
  loadKeras(id: number, file: number, options: LoadWeightsOptions): Promise<Reply<LoadedWeights>> {
    return this.#reply(async () => this.#files().load(file, await this.#synced(id), options));
  }

  /** Writes a model in one of Keras' formats, or as ONNX. */
  saveKeras(id: number, format: SaveFormat): Promise<Reply<{ name: string; data: Uint8Array<ArrayBuffer> }[]>> {
    return this.#reply(async () => {
      const model = await this.#synced(id);
      if (format === "onnx") {
        this.#converter ??= new Converter(this.#options.assets);
        return [{ name: "model.onnx", data: await this.#converter.write(model) }];
      }
      this.#keras ??= new KerasFiles(this.#options.assets);
      return this.#keras.save(model, format);
    });
  }

  /** The shapes of a model's outputs. */
  shapes(json: string): Promise<Reply<(number | null)[][]>> {
    return this.#reply(async () => {
      const model = (await this.#builder()).build(json);
      const { outputs } = describe(model);
      model.free();
      return outputs.map(({ shape }) => shape);
    });
  }

  /** The values of a model's weights. */
  weights(id: number, names: string[]): Promise<Reply<{ shape: number[]; data: Float32Array<ArrayBuffer> }[]>> {
    return this.#reply(async () => {
      const model = await this.#synced(id);
      const shapes = new Map(describe(model).weights.map(({ name, shape }) => [name, shape]));
      return names.map((name) => ({ shape: shapes.get(name) ?? [], data: model.weight(name) }));
    });
  }

  /** Replaces values of a model's weights. */
  setWeights(id: number, values: { name: string; data: Float32Array }[]): Promise<Reply<null>> {
    return this.#reply(async () => {
      const model = this.#model(id);
      for (const { name, data } of values) model.setWeight(name, data);
      return null;
    });
  }

  /** Freezes or thaws layers of a model, an empty name meaning all. */
  setTrainable(id: number, layers: [layer: string, trainable: boolean][]): Promise<Reply<ModelHandle>> {
    return this.#reply(async () => {
      const model = this.#model(id);
      for (const [layer, trainable] of layers) model.setTrainable(layer, trainable);
      return { id, ...describe(model) };
    });
  }

  /** Makes a model ready for training. */
  compile(id: number, json: string): Promise<Reply<null>> {
    return this.#reply(async () => {
      this.#model(id).compile(json);
      return null;
    });
  }

  /** Keeps samples to train on. */
  open(id: number, [samples]: Samples[]): Promise<Reply<number>> {
    return this.#reply(async () => {
      const loader = new Loader(samples as Samples, describe(this.#model(id)).inputs);
      this.#loaders.set(this.#nextId, loader);
      return this.#nextId++;
    });
  }

  /** Keeps augmentations; of these outputs the labels are boxes. */
  augmenter(json: string, boxes: Augmenting["boxes"]): Promise<Reply<number>> {
    return this.#reply(async () => {
      this.#changing ??= new Beside(() => loadAugmenter(this.#options.assets));
      const { Augmenter } = await this.#changing.get();
      this.#augmenters.set(this.#nextId, { augmenter: new Augmenter(json), boxes });
      return this.#nextId++;
    });
  }

  /** Lets go of samples, augmentations or an open file. */
  shut(id: number): void {
    this.#loaders.delete(id);
    this.#augmenters.get(id)?.augmenter.free();
    this.#augmenters.delete(id);
    this.#keras?.close(id);
  }

  /** Begins a round through samples. */
  begin(loader: number, round: Round): Promise<Reply<null>> {
    return this.#reply(async () => {
      this.#loader(loader).begin(round);
      return null;
    });
  }

  /** Trains on the next batches of samples, as many as the limit lets; or on these batches. */
  train(id: number, batches: number | Samples[], limit: Limit): Promise<Reply<Ran>> {
    const augmenting = this.#augmenters.get(limit.augmenter ?? -1);
    return this.#reply(() => run(this.#model(id), this.#batches(batches), limit, true, augmenting), id);
  }

  /** As `train`, evaluating. */
  test(id: number, batches: number | Samples[], limit: Limit): Promise<Reply<Ran>> {
    return this.#reply(() => run(this.#model(id), this.#batches(batches), limit, false), id);
  }

  /** Forgets loss and metrics so far. */
  resetLogs(id: number): Promise<Reply<null>> {
    return this.#reply(async () => {
      this.#model(id).resetLogs();
      return null;
    });
  }

  /** Brings trained weights back from the device: a lost one takes what came after with it. */
  sync(id: number): Promise<Reply<null>> {
    return this.#reply(async () => {
      await this.#synced(id);
      return null;
    });
  }

  /** The learning rate of the next step; a number changes it before. */
  learningRate(id: number, rate?: number): Promise<Reply<number>> {
    return this.#reply(async () => {
      const model = this.#model(id);
      if (rate !== undefined) model.setLearningRate(rate);
      return model.learningRate();
    });
  }

  /** Bytes that training needs. */
  trainingMemory(id: number): Promise<Reply<{ peakBytes: number; variableBytes: number }>> {
    return this.#reply(async () => {
      const [peakBytes = 0, variableBytes = 0] = this.#model(id).trainingMemory();
      return { peakBytes, variableBytes };
    });
  }

  /** Runs a network on tensors. */
  predict(id: number, inputs: { data: TensorData; shape?: number[] }[]): Promise<Reply<TensorOutput[]>> {
    return this.#reply(() => this.#any(id).predict(inputs), id);
  }

  /** Finds things in a picture. */
  detect(id: number, frame: Frame, options: Omit<DetectOptions, "signal">): Promise<Reply<Found>> {
    return this.#reply(async () => {
      try {
        const net = this.#net(id);
        if (this.#started[0]?.backend === "webgpu") {
          const found = await withBitmap(frame, (bitmap) => net.detectBitmap(bitmap, options));
          if (found) return found;
        }
        const start = performance.now();
        const rgba = this.#pixels.read(frame);
        const read = performance.now() - start;
        const found = await net.detect(rgba, frame.width, frame.height, options);
        return { ...found, preprocess: found.preprocess + read };
      } finally {
        close(frame);
      }
    }, id);
  }

  /** Runs a network on a picture, prepared as planned, and on its other inputs. */
  show(id: number, frame: Frame, how: Plan, others: Sent[]): Promise<Reply<Shown>> {
    return this.#reply(async () => {
      try {
        const start = performance.now();
        const input = tensorOf(this.#pixels.read(frame), frame.width, frame.height, how);
        const ready = performance.now();
        const outputs = await this.#any(id).predict([input, ...others]);
        return { outputs, preprocess: ready - start, inference: performance.now() - ready };
      } finally {
        close(frame);
      }
    }, id);
  }

  /** Runs a network on a picture and paints one of its outputs: on the GPU, if that is where it runs. */
  paint(id: number, frame: Frame, how: Plan, recipe: Recipe): Promise<Reply<PaintedFrame>> {
    return this.#reply(async () => {
      try {
        const { width, height, output } = recipe;
        this.#easel.check(width, height);
        const net = this.#any(id);
        const [first] = this.#started;
        const start = performance.now();
        let ready = start;
        const tensor = () => {
          const input = tensorOf(this.#pixels.read(frame), frame.width, frame.height, how);
          ready = performance.now();
          return [input];
        };
        let painted: WasmPainted | undefined;
        if (net.paint && first?.backend === "webgpu") {
          // The canvas of a software adapter can take Chromium's GPU process down.
          const read = first.runtime.adapter()?.software ?? false;
          const palette = read ? recipe.palette : premultiplied(recipe.palette);
          const place = placeNumbers(how);
          const paint = (given: ImageBitmap | Sent[]) =>
            net.paint?.(given, place ?? new Float64Array(), recipeNumbers(recipe), palette, read);
          painted = (place && (await withBitmap(frame, paint))) ?? (await paint(tensor()));
        }
        if (!painted) {
          const outputs = await net.predict(tensor());
          painted = { data: paintPixels(outputs[output] as TensorOutput, recipe) };
        }
        const image = await this.#easel.picture(painted, width, height);
        return { image, preprocess: ready - start, inference: performance.now() - ready };
      } finally {
        close(frame);
      }
    }, id);
  }

  /** What a network costs. */
  report(id: number): Promise<Reply<Report>> {
    return this.#reply(async () => this.#any(id).report());
  }

  /** Lets go of a network. */
  free(id: number): void {
    this.#nets.get(id)?.net.free();
    this.#nets.delete(id);
  }

  /** Lets go of everything. */
  dispose(): void {
    for (const id of [...this.#nets.keys()]) this.free(id);
    for (const id of [...this.#loaders.keys(), ...this.#augmenters.keys()]) this.shut(id);
    this.#keras?.dispose();
    for (const { runtime } of this.#started.splice(0)) runtime.free();
    this.#sides = {};
  }

  /** The edition for this work; begins it if need be. */
  #side<E extends Edition>(edition: E): Promise<Begun<E>> {
    const [first] = this.#started;
    if (!first) return Promise.reject(failure("invalid", "the engine has not started"));
    const known = this.#sides[edition] as Promise<Begun<E>> | undefined;
    return known ?? this.#keepSide(edition, beginBeside(first, edition, this.#options, this.#onProgress));
  }

  #keepSide<E extends Edition>(edition: E, beginning: Promise<Begun<E>>): Promise<Begun<E>> {
    const sides = this.#sides as { [key in Edition]?: Promise<Begun<E>> };
    const side = beginning.then(
      (begun) => {
        this.#started.push(begun);
        return begun;
      },
      (error) => {
        // The next call tries again: the network may be back.
        delete sides[edition];
        throw error;
      },
    );
    sides[edition] = side;
    return side;
  }

  #files(): KerasFiles {
    if (!this.#keras) throw failure("invalid", "this file was closed");
    return this.#keras;
  }

  async #builder(): Promise<ModelsRuntime> {
    return (await this.#side("models")).runtime;
  }

  #keep(model: WasmModel): ModelHandle {
    const handle = { id: this.#nextId++, ...describe(model) };
    this.#nets.set(handle.id, { net: model, losses: 0 });
    return handle;
  }

  #any(id: number): WasmNet | WasmModel {
    const net = this.#nets.get(id)?.net;
    if (!net) throw failure("invalid", "this network was disposed of: load or build it again");
    return net;
  }

  #net(id: number): WasmNet {
    return this.#any(id) as WasmNet;
  }

  #model(id: number): WasmModel {
    return this.#any(id) as WasmModel;
  }

  /** A model whose weights are those that training made. */
  async #synced(id: number): Promise<WasmModel> {
    const model = this.#model(id);
    await model.sync();
    return model;
  }

  #loader(id: number): Loader {
    const loader = this.#loaders.get(id);
    if (!loader) throw failure("invalid", "these samples were let go of");
    return loader;
  }

  #batches(batches: number | Samples[]): Batches {
    return typeof batches === "number" ? this.#loader(batches) : new BatchList(batches);
  }

  async #reply<T>(work: () => Promise<T>, id?: number): Promise<Reply<T>> {
    try {
      const value = await orTrap(work);
      const reply: Reply<T> = { ok: true, value, losses: this.#lost(id) };
      // To a page in place this changes nothing.
      const { outputs, image } = (value ?? {}) as Partial<Shown & PaintedFrame>;
      const tensors = Array.isArray(value) ? value : outputs;
      if (image) return transfer(reply, [image]);
      return Array.isArray(tensors) ? transfer(reply, buffersOf(tensors)) : reply;
    } catch (thrown) {
      if (!isTrap(thrown)) return { ok: false, error: fieldsOf(thrown), fatal: false, losses: this.#lost(id) };
      return { ok: false, error: this.#trapFields(thrown), fatal: true, losses: this.#losses };
    }
  }

  /** GPUs lost so far, those during a call to this network included. */
  #lost(id: number | undefined): number {
    const known = this.#nets.get(id ?? -1);
    if (known) {
      const losses = known.net.losses();
      this.#losses += losses - known.losses;
      known.losses = losses;
    }
    return this.#losses;
  }

  /** A trap with a panic behind it is a fault of striate; without one the allocator gave up. */
  #trapFields(trap: WebAssembly.RuntimeError | RangeError): ErrorFields {
    const panic = this.#started.map(({ wasm }) => wasm.lastPanic()).find(Boolean);
    return panic
      ? { code: "internal", message: `internal error, please report it: ${panic}` }
      : {
          code: "resource",
          message: `out of memory (${trap.message}): use a smaller model or picture, or dispose of networks you no longer need`,
        };
  }
}

/** All that the page is to know of a model. */
function describe(model: WasmModel): Omit<ModelHandle, "id"> {
  return JSON.parse(model.describe());
}

/** The memory of tensors: results of their own, which go to the page and are not copied. */
function buffersOf(tensors: { data?: unknown }[]): ArrayBuffer[] {
  const buffers = tensors.map(({ data }) => (ArrayBuffer.isView(data) ? data.buffer : undefined));
  return buffers.filter((buffer) => buffer instanceof ArrayBuffer);
}

/** Does something with a frame that the browser holds, if it does hold it and a GPU takes it. */
async function withBitmap<T>(
  { image, width, height }: Frame,
  work: (bitmap: ImageBitmap) => Promise<T> | undefined,
): Promise<T | undefined> {
  if (Math.max(width, height) > MAX_TEXTURE) return undefined;
  if (image instanceof ImageBitmap) return work(image);
  if (typeof VideoFrame === "undefined" || !(image instanceof VideoFrame)) return undefined;
  const bitmap = await createImageBitmap(image, BITMAP);
  try {
    return await work(bitmap);
  } finally {
    bitmap.close();
  }
}
