import { type Engine, raceAbort } from "./engine.js";
import { failure, throwIfAborted } from "./errors.js";
import { Held, type Loaded } from "./held.js";
import type { ModelHandle } from "./host.js";
import { withKeras } from "./keras/source.js";
import type { LoadedWeights, LoadWeightsOptions, SaveFormat } from "./keras/types.js";
import type { Json, LayerOptions } from "./layers/arguments.js";
import type { Recorder } from "./layers/record.js";
import { Layer, type SymbolicTensor, type SymbolicTensors } from "./layers/tensor.js";
import type { Life } from "./life.js";
import { type PlotOptions, plot } from "./plot.js";
import { batches, type ModelInputs, type ModelPredictOptions, type Predictions, predictions } from "./predict.js";
import type { ImageInput } from "./tasks/input.js";
import { look, type PredictImageOptions, type Seen } from "./tasks/look.js";
import { type Painted, type Painting, paintLook } from "./tasks/paint.js";
import type { Logs } from "./training/callbacks.js";
import type { CompileOptions } from "./training/compile.js";
import type { Dataset } from "./training/dataset.js";
import type { ClassWeight, TrainingData } from "./training/samples.js";
import { type EvaluateOptions, type FitOptions, type History, Training } from "./training/trainer.js";
import type {
  ImageSource,
  LayerInfo,
  ModelSource,
  ModelSummary,
  PredictOptions,
  Report,
  TensorInfo,
  TensorOutput,
  WeightInfo,
} from "./types.js";

/** Options of building a model. */
export interface BuildOptions {
  /** The model's name. */
  name?: string;
  /** Decides the random first values of weights: the same seed, the same values, on every machine. Default: a random one. */
  seed?: number;
  /** Stops the building. */
  signal?: AbortSignal;
}

/** A weight with its values. */
export interface WeightValue {
  /** Dimensions. */
  shape: readonly number[];
  /** Elements in row-major order; yours to keep. */
  data: Float32Array<ArrayBuffer>;
}

/** What a score rests on; see {@link Model.attribute}. */
export interface Attribution {
  /** What the layer gives. */
  activation: TensorOutput;
  /** The gradient of the score by each of its numbers. */
  gradient: TensorOutput;
  /** The model's first output. */
  output: TensorOutput;
}

/** New values of a weight: elements in row-major order, alone or as {@link Model.getWeight} gives them. */
export type WeightInput = Float32Array | readonly number[] | { readonly data: Float32Array | readonly number[] };

/** How a model comes into a life of the engine: when it is built, and after each restart. */
type Recipe = (life: Life) => Promise<ModelHandle>;

/** Makes `new Model` reachable here only: models are built by an engine. */
let create: (engine: Engine, recipe: Recipe, seed: number, loaded: Loaded<ModelHandle>) => Model;

/**
 * A network that was built here, layer by layer. Made by {@link Engine.sequential} and {@link Engine.model}.
 *
 * Calls wait their turn. If the engine has to restart after a fault, the model is built again, with the same seed and with
 * all weights that were set from this side ({@link Model.setWeights}).
 */
export class Model {
  readonly #engine: Engine;
  readonly #held: Held<ModelHandle>;
  readonly #seed: number;
  #about: ModelHandle;
  #layer: Layer | undefined;
  readonly #training: Training;
  /** Weights that were set, and layers frozen or thawed, since the model was built: what a restart would lose. */
  readonly #known = new Map<string, Float32Array<ArrayBuffer>>();
  readonly #trainable: [layer: string, trainable: boolean][] = [];

  static {
    create = (...given) => new Model(...given);
  }

  private constructor(engine: Engine, recipe: Recipe, seed: number, loaded: Loaded<ModelHandle>) {
    this.#engine = engine;
    this.#seed = seed;
    this.#about = loaded.handle;
    this.#held = new Held(engine, this, () => this.#again(recipe), loaded);
    const { inputs, outputs } = loaded.handle;
    this.#training = new Training(this, {
      inputs,
      outputs,
      seed,
      call: (what, signal, work) => this.#held.call(what, signal, work),
      remember: () => this.#remember(),
    });
  }

  /** The model's name. */
  get name(): string {
    return this.#about.summary.name;
  }

  /** The seed of its random first weights. */
  get seed(): number {
    return this.#seed;
  }

  /** The inputs, in the order of {@link Model.predict}. */
  get inputs(): readonly TensorInfo[] {
    return this.#about.inputs;
  }

  /** The outputs, in the order of {@link Model.predict}. */
  get outputs(): readonly TensorInfo[] {
    return this.#about.outputs;
  }

  /** The layers, in Keras' order. */
  get layers(): readonly LayerInfo[] {
    return this.#about.summary.layers;
  }

  /** Name, shape and trainability of every weight, in Keras' order. */
  get weights(): readonly WeightInfo[] {
    return this.#about.weights;
  }

  /** A layer by name; of layers in nested models the name is `outer/inner`. */
  getLayer(name: string): LayerInfo {
    let layers: readonly LayerInfo[] | undefined = this.layers;
    for (let rest = name; layers; ) {
      const found: LayerInfo | undefined = layers.find((layer) => rest === layer.name);
      if (found) return found;
      const outer: LayerInfo | undefined = layers.find((layer) => rest.startsWith(`${layer.name}/`));
      rest = rest.slice((outer?.name.length ?? 0) + 1);
      layers = outer?.layers;
    }
    throw failure("invalid", `the model has no layer named "${name}"`, {
      layer: name,
      expected: this.layers.map((layer) => layer.name).join(", "),
    });
  }

  /** Number of parameters, moving statistics included. */
  countParams(): number {
    return this.#about.summary.params.total;
  }

  /** Keras' table of layers, output shapes and parameters as text; with `data`, the same as an object. */
  summary(options?: { data?: false }): string;
  summary(options: { data: true }): ModelSummary;
  summary(options: { data?: boolean } = {}): string | ModelSummary {
    return options.data ? this.#about.summary : this.#about.text;
  }

  /** The network as a picture: SVG, complete in itself, to be saved or shown as an image. */
  plot(options: PlotOptions = {}): string {
    return plot(this.#about.summary, this.inputs, options);
  }

  /** The model without its weights, as JSON. */
  toJSON(): { [key: string]: Json } {
    return { ...this.#about.json, seed: this.#seed };
  }

  /**
   * Runs the network on any number of samples, `batchSize` (32) at a time.
   *
   * One input: elements alone, or `{ data, shape }`; several: an array of those, or an object by the inputs' names. Where
   * all sizes but the batch are known, elements alone will do.
   */
  async predict(inputs: ModelInputs, options: ModelPredictOptions = {}): Promise<Predictions> {
    const { signal, onProgress } = options;
    const parts = batches(inputs, this.inputs, options.batchSize);
    return this.#held.call("predict", signal, async ({ life, handle }) => {
      const results = [];
      let loaded = 0;
      for (const { size, tensors } of parts) {
        throwIfAborted(signal, "predict");
        const sent = life.hand(tensors);
        results.push(await life.call((host) => host.predict(handle.id, sent)));
        loaded += size;
        onProgress?.({ stage: "predict", loaded, total: parts.total });
      }
      return predictions(results, parts);
    });
  }

  /**
   * What a layer gives (`outer/inner` in nested models), and the gradient of a class's score by it, before a softmax at the end:
   * what `gradCam()` and `cam()` are made of. Inputs as for {@link Model.predict}, all in one batch.
   */
  attribute(
    inputs: ModelInputs,
    { layer, classIndex, signal }: { layer: string; classIndex: number; signal?: AbortSignal },
  ): Promise<Attribution> {
    if (!Number.isInteger(classIndex) || classIndex < 0) {
      throw failure("invalid", "classIndex is a whole number", { expected: "0 or more", received: String(classIndex) });
    }
    const [part, ...more] = batches(inputs, this.inputs, Number.MAX_SAFE_INTEGER);
    if (!part || more.length > 0) throw failure("invalid", "these inputs are not one batch");
    return this.#held.call("attribute", signal, async ({ life, handle }) => {
      const sent = life.hand(part.tensors);
      const results = await life.call((host) => host.attribute(handle.id, layer, classIndex, sent));
      const [activation, gradient, output] = results as [TensorOutput, TensorOutput, TensorOutput];
      return { activation, gradient, output };
    });
  }

  /**
   * Runs the network on a picture, prepared as `input` says; it goes into the first input. Video and canvas are captured at
   * the call.
   */
  predictImage(source: ImageSource, input: ImageInput = {}, options: PredictImageOptions = {}): Promise<Seen> {
    return look(this.#engine, this.#held, this.inputs, source, input, options);
  }

  /** Runs the network on a picture and paints one of its outputs; see {@link Net.paintImage}. */
  paintImage(
    source: ImageSource,
    painting: Painting = {},
    input: ImageInput = {},
    options: PredictOptions = {},
  ): Promise<Painted> {
    return paintLook(this.#engine, this.#held, this, source, painting, input, options);
  }

  /**
   * Makes the model ready for training; once more, and the optimizer begins anew. Frozen and thawed layers need no call of
   * it.
   */
  compile(options: CompileOptions): Promise<void> {
    return this.#training.compile(options);
  }

  /**
   * Trains on arrays or a dataset, epoch by epoch. The steps run where the engine lives; the page is told of progress by
   * callbacks. Between steps `predict` and the weights may be used.
   *
   * A loss that is no longer a number is a {@link StriateError} that names the step and the layer.
   */
  fit(data: TrainingData | Dataset, options?: FitOptions): Promise<History> {
    return this.#training.fit(data, options);
  }

  /** Loss and metrics over all samples, by Keras' names. */
  evaluate(data: TrainingData | Dataset, options?: EvaluateOptions): Promise<Logs> {
    return this.#training.evaluate(data, options);
  }

  /**
   * One step; loss and metrics of this batch before it. Of what it learned nothing is kept on this side: a restart of the
   * engine goes back to the last {@link Model.fit} or {@link Model.setWeights}.
   */
  trainOnBatch(data: TrainingData, options: { classWeight?: ClassWeight } = {}): Promise<Logs> {
    return this.#training.once(true, data, options.classWeight);
  }

  /** Loss and metrics of one batch. */
  testOnBatch(data: TrainingData): Promise<Logs> {
    return this.#training.once(false, data);
  }

  /** The learning rate of the next step. */
  getLearningRate(): Promise<number> {
    return this.#held.call("getLearningRate", undefined, ({ life, handle }) =>
      life.call((host) => host.learningRate(handle.id)),
    );
  }

  /** Changes the learning rate; not one that a schedule gives. */
  async setLearningRate(rate: number): Promise<void> {
    await this.#held.call("setLearningRate", undefined, ({ life, handle }) =>
      life.call((host) => host.learningRate(handle.id, rate)),
    );
  }

  /** Bytes that a training step needs at its peak, and bytes of the weights and of what the optimizer keeps for them. */
  trainingMemory(): Promise<{ peakBytes: number; variableBytes: number }> {
    return this.#held.call("trainingMemory", undefined, ({ life, handle }) =>
      life.call((host) => host.trainingMemory(handle.id)),
    );
  }

  /** The values of a weight: `conv2d/kernel`; `outer/conv2d/kernel` in nested models. */
  async getWeight(name: string): Promise<WeightValue> {
    this.#weight(name);
    return (await this.#read([name]))[name] as WeightValue;
  }

  /** The values of all weights by name, or of those of one layer. */
  async getWeights(layer?: string): Promise<Record<string, WeightValue>> {
    if (layer !== undefined) this.getLayer(layer);
    const names = this.weights.map((weight) => weight.name);
    return this.#read(layer === undefined ? names : names.filter((name) => name.startsWith(`${layer}/`)));
  }

  /** Replaces the values of a weight. */
  setWeight(name: string, value: WeightInput): Promise<void> {
    return this.setWeights({ [name]: value });
  }

  /**
   * Replaces the values of weights by name; others stay. Takes what {@link Model.getWeights} gives, too. The values are
   * copied, and one copy stays on this side for the case that the engine has to restart.
   */
  async setWeights(values: Record<string, WeightInput>): Promise<void> {
    // All are checked before the first is set.
    const list = Object.entries(values).map(([name, value]) => {
      const data = Float32Array.from("data" in value ? value.data : value);
      const { shape } = this.#weight(name);
      if (data.length !== shape.reduce((product, size) => product * size, 1)) {
        throw failure("shape-mismatch", `the values do not fit the weight ${name}`, {
          layer: name.slice(0, name.lastIndexOf("/")),
          expected: `[${shape.join(", ")}]`,
          received: `${data.length} values`,
        });
      }
      return { name, data };
    });
    await this.#held.call("setWeights", undefined, async ({ life, handle }) => {
      await this.#write(life, handle.id, list);
      for (const { name, data } of list) this.#known.set(name, data);
    });
  }

  /**
   * Puts the weights of a file into the network: Keras' `.weights.h5`, `.h5` or `.keras`, a TensorFlow.js layers model or
   * safetensors. The network stays as it was built, whatever the file's looks like.
   *
   * ```ts
   * const net = await engine.zoo.vgg16({ classes: 5 });
   * await net.loadWeights("vgg16_imagenet.h5", { byName: true, skipMismatch: true });
   * ```
   *
   * By default layers go by their order, as Keras does it, and what does not fit is a {@link StriateError} with `layer`,
   * `expected` and `received`; then no weight has changed.
   */
  async loadWeights(source: ModelSource, options: LoadWeightsOptions = {}): Promise<LoadedWeights> {
    const { byName = false, skipMismatch = false, signal } = options;
    return this.#held.call("loadWeights", signal, async ({ life, handle }) => {
      const done = await withKeras(source, options, async (bytes) => {
        const file = await life.openKeras(bytes, []);
        try {
          throwIfAborted(signal, "loadWeights");
          return await life.call((host) => host.loadKeras(handle.id, file.id, { byName, skipMismatch }));
        } finally {
          life.shut(file.id);
        }
      });
      // As of weights that were set: a copy for the case that the engine has to restart.
      const values = await life.call((host) => host.weights(handle.id, done.loaded));
      for (const [i, name] of done.loaded.entries()) {
        this.#known.set(name, values[i]?.data as Float32Array<ArrayBuffer>);
      }
      return done;
    });
  }

  /**
   * Writes the network with its weights as a file, to be downloaded or stored: `"keras"` for Keras 3, `"weights.h5"`,
   * `"safetensors"`, `"onnx"` (operator set 17 or what it takes; images stay channels last); or as the files of a TensorFlow.js
   * layers model, `model.json` first.
   *
   * ```ts
   * const file = await net.save("keras");
   * link.href = URL.createObjectURL(file);
   * link.download = file.name;
   * ```
   */
  save(format: Exclude<SaveFormat, "tfjs">): Promise<File>;
  save(format: "tfjs"): Promise<File[]>;
  async save(format: SaveFormat): Promise<File | File[]> {
    const written = await this.#held.call("save", undefined, ({ life, handle }) =>
      life.call((host) => host.saveKeras(handle.id, format)),
    );
    const name = (ending: string) => ending.replace(/^model\.(?!json)/, `${this.name}.`);
    const files = written.map((file) => new File([file.data], name(file.name)));
    return format === "tfjs" ? files : (files[0] as File);
  }

  /** Freezes or thaws a layer (`outer/inner` in nested models), or all: `setTrainable(false)`. */
  async setTrainable(...[layer, flag]: [layer: string, trainable: boolean] | [all: boolean]): Promise<void> {
    const change: [string, boolean] = typeof layer === "string" ? [layer, flag ?? true] : ["", layer];
    if (change[0]) this.getLayer(change[0]);
    await this.#held.call("setTrainable", undefined, async ({ life, handle }) => {
      this.#about = await life.call((host) => host.setTrainable(handle.id, [change]));
      this.#trainable.push(change);
    });
  }

  /**
   * The same classifier for images of any size from its own: dense layers behind the map become convolutions, so that it
   * classifies every window of a larger image at once. A model of its own, with a copy of the weights.
   */
  toFullyConvolutional(options: Pick<BuildOptions, "signal"> = {}): Promise<Model> {
    const recipe = async (life: Life) => {
      const id = await this.lend(life);
      return life.call((host) => host.convolutional(id, this.#seed));
    };
    return conceive(this.#engine, recipe, this.#seed, options.signal);
  }

  /** What the network costs and where its layers run, as it was run last. */
  report(): Promise<Report> {
    return this.#held.call("report", undefined, ({ life, handle }) => life.call((host) => host.report(handle.id)));
  }

  /**
   * Uses the model as a layer of another: its layers are copied, with the weights of the moment when the other is built.
   * Applied twice it has one set of weights there. Of a model with several outputs use {@link Model.applyAll}.
   */
  apply(inputs: SymbolicTensors): SymbolicTensor {
    return this.asLayer.apply(inputs);
  }

  /** As {@link Model.apply}, of a model with any number of outputs. */
  applyAll(inputs: SymbolicTensors): SymbolicTensor[] {
    return this.asLayer.applyAll(inputs);
  }

  /** Lets go of the model's memory. A model that is merely forgotten is cleaned up too, but later. */
  dispose(): void {
    this.#held.dispose();
    this.#known.clear();
  }

  /** `using net = await engine.sequential(…)` disposes of it at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal The model as a layer. */
  get asLayer(): Layer {
    this.#layer ??= new NestedModel(this);
    return this.#layer;
  }

  /** @internal Its number in a life of the engine, for another model to take its weights from. */
  async lend(life: Life): Promise<number> {
    const loaded = await this.#held.current();
    if (loaded.life !== life) throw failure("internal", "the engine stopped during another call: try again");
    return loaded.handle.id;
  }

  async #again(recipe: Recipe): Promise<Loaded<ModelHandle>> {
    const life = await this.#engine.start();
    const handle = await recipe(life);
    try {
      if (this.#trainable.length > 0) await life.call((host) => host.setTrainable(handle.id, this.#trainable));
      const known = [...this.#known].map(([name, data]) => ({ name, data }));
      if (known.length > 0) await this.#write(life, handle.id, known);
      await this.#training.again({ life, handle });
    } catch (error) {
      life.free(handle.id);
      throw error;
    }
    return { life, handle };
  }

  #weight(name: string): WeightInfo {
    const found = this.weights.find((weight) => weight.name === name);
    if (found) return found;
    const [layer] = name.split("/", 1);
    const near = this.weights.filter((weight) => weight.name.startsWith(`${layer}/`));
    throw failure("invalid", `the model has no weight named "${name}"`, {
      layer,
      expected: (near.length > 0 ? near : this.weights).map((weight) => weight.name).join(", "),
      received: name,
    });
  }

  async #remember(): Promise<void> {
    for (const [name, { data }] of Object.entries(await this.getWeights())) this.#known.set(name, data);
  }

  #read(names: string[]): Promise<Record<string, WeightValue>> {
    return this.#held.call("getWeights", undefined, async ({ life, handle }) => {
      const values = await life.call((host) => host.weights(handle.id, names));
      return Object.fromEntries(names.map((name, i) => [name, values[i] as WeightValue]));
    });
  }

  #write(life: Life, id: number, list: { name: string; data: Float32Array }[]): Promise<null> {
    const sent = life.hand(list);
    return life.call((host) => host.setWeights(id, sent));
  }
}

/** A built model as a layer. */
class NestedModel extends Layer {
  readonly #model: Model;

  constructor(model: Model) {
    const { name } = model.toJSON() as LayerOptions;
    super(name === undefined || isDefaultName(name) ? {} : { name });
    this.#model = model;
  }

  override get className(): string {
    return this.#model.toJSON().class as string;
  }

  override outputCount(): number {
    return this.#model.outputs.length;
  }

  override describe(recorder: Recorder, path: string): { class: string; config: object } {
    recorder.adopted.push({ path: path.slice(0, -1), model: this.#model });
    return { class: this.className, config: this.#model.toJSON() };
  }
}

/** The name of a model that was given none: as a layer, it is named like layers are. */
const isDefaultName = (name: string) => name === "sequential" || name === "functional";

/** @internal Makes a model by a recipe, unless the signal stops it. */
export async function conceive(
  engine: Engine,
  recipe: Recipe,
  seed: number,
  signal: AbortSignal | undefined,
): Promise<Model> {
  throwIfAborted(signal, "building");
  const work = engine.start().then(async (life) => ({ life, handle: await engine.watch(life, recipe(life)) }));
  const drop = () => void work.then(({ life, handle }) => life.free(handle.id)).catch(() => {});
  return create(engine, recipe, seed, await raceAbort(work, signal, "building", drop));
}
