// Programs that must type-check against the published declarations, and lines that must not.
import {
  augment,
  type Callback,
  callbacks,
  constraints,
  type Detection,
  type Detections,
  data,
  type Engine,
  type EngineInfo,
  type History,
  initializers,
  input,
  Layer,
  type LayerInfo,
  type Logs,
  layers,
  losses,
  type Model,
  type ModelSummary,
  metrics,
  type Net,
  optimizers,
  regularizers,
  ShapeMismatchError,
  StriateError,
  type SymbolicTensor,
  schedules,
  stores,
  striate,
  type Tensor,
  type TensorOutput,
  type TrainingData,
} from "striate";
import { type ConvOptions, conv2d } from "striate/layers";

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

/** A layer composed of others. */
class ResidualUnit extends Layer {
  readonly #convs: Layer[];
  constructor({ filters, strides = 1 }: { filters: number; strides?: number }) {
    super({ name: "unit", trainable: false });
    const options = { filters, kernelSize: 3, padding: "same", useBias: false } as const;
    this.#convs = [layers.conv2d({ ...options, strides }), layers.reLU(), layers.conv2d(options)];
  }
  override call(x: SymbolicTensor): SymbolicTensor {
    const y = this.#convs.reduce((y, layer) => layer.apply(y), x);
    return layers.add().apply([x, y]);
  }
}

/** One of two inputs. */
class Both extends Layer {
  override call(a: SymbolicTensor, b: SymbolicTensor): SymbolicTensor[] {
    return [layers.subtract().apply([a, b]), a];
  }
}

export async function build(engine: Engine, signal: AbortSignal): Promise<string> {
  using cnn: Model = await engine.sequential(
    [
      layers.conv2d({
        filters: 8,
        kernelSize: [3, 5],
        padding: "same",
        activation: "leakyRelu",
        inputShape: [28, 28, 1],
        kernelInitializer: initializers.heNormal(),
        kernelRegularizer: regularizers.l2({ l2: 1e-4 }),
        kernelConstraint: constraints.maxNorm({ maxValue: 2, axis: [0, 1, 2] }),
      }),
      conv2d({ filters: 8, kernelSize: 1 } satisfies ConvOptions<2>),
      layers.maxPooling2d(),
      new ResidualUnit({ filters: 8 }),
      layers.conv1d({ filters: 2, kernelSize: 3, padding: "causal" }),
      layers.zeroPadding2d({
        padding: [
          [1, 2],
          [0, 3],
        ],
      }),
      layers.activation("softmax"),
      layers.lambda((x) => x.sub(x.mean([1, 2], true)).clipByValue(-1, 1)),
      layers.lambda((a, b) => [a.where(b.greater(0), 0), a.mul([1, 2]).matMul({ data: [1, 2], shape: [2, 1] })]),
      // @ts-expect-error no such operation
      layers.lambda((x) => x.cube()),
    ],
    { seed: 1, name: "cnn", signal },
  );
  const [a, b] = [input({ shape: [null, null, 3], name: "a" }), input({ batchShape: [1, 4], dtype: "int32" })];
  const [difference, same] = new Both().applyAll([a, a]);
  const y = layers.concatenate({ axis: -1 }).apply([cnn.apply(a), ...(difference && same ? [difference, same] : [])]);
  const net = await engine.model({ inputs: [a, b], outputs: y, seed: 3 });
  const shape: (number | null)[] = await engine.shape(y);
  const [first] = await net.predict(
    { a: { data: new Float32Array(12), shape: [1, 2, 2, 3] }, input_layer: new Int32Array(4) },
    { batchSize: 8, signal, onProgress: ({ loaded, total }) => log(loaded, total ?? 0) },
  );
  const named: TensorOutput | undefined = (await net.predict([new Float32Array(3)])).named.out;
  const layer: LayerInfo = net.getLayer("unit/conv2d");
  const { data } = await net.getWeight("unit/conv2d/kernel");
  await net.setWeights({ ...(await net.getWeights("unit")), "unit/conv2d/kernel": data, "out/bias": [1, 2] });
  await net.setTrainable("unit", false);
  await net.setTrainable(false);
  const text: string = net.summary();
  const table: ModelSummary = net.summary({ data: true });
  log(shape, first?.shape, named?.data, layer.outputShapes, text, table.params.total, JSON.stringify(net));

  // @ts-expect-error misspelt
  layers.conv2d({ filters: 3, kernelSize: 3, activaton: "relu" });
  // @ts-expect-error Python's spelling
  layers.conv2d({ filters: 3, kernel_size: 3 });
  // @ts-expect-error no such activation
  layers.dense({ units: 3, activation: "rleu" });
  // @ts-expect-error what Keras requires is required
  layers.dense({});
  // @ts-expect-error causal is for one dimension
  layers.conv2d({ filters: 3, kernelSize: 3, padding: "causal" });
  // @ts-expect-error one size for each axis
  layers.maxPooling2d({ poolSize: [1, 2, 3] });
  // @ts-expect-error a regularizer is no initializer
  layers.dense({ units: 3, kernelInitializer: regularizers.l2() });
  // @ts-expect-error layers are applied to tensors
  layers.flatten().apply(layers.flatten());
  // @ts-expect-error models come from an engine
  await engine.sequential(["dense"]);
  return net.plot({ expand: ["unit"], params: false });
}

export async function train(
  engine: Engine,
  images: Uint8Array,
  labels: Int32Array,
  signal: AbortSignal,
): Promise<number> {
  const base = await engine.zoo.mobilenetV2({
    includeTop: false,
    inputShape: [96, 96, 3],
    alpha: 0.35,
    pooling: "avg",
  });
  const net = await engine.sequential([base, layers.dense({ units: 3, activation: "softmax", name: "out" })]);
  await net.setTrainable(base.name, false);
  const rate = schedules.cosineDecay({ initialLearningRate: 0.1, decaySteps: 100 });
  await net.compile({
    optimizer: optimizers.sgd({ learningRate: rate, momentum: 0.9, nesterov: true, decay: 0 }),
    loss: { out: losses.sparseCategoricalCrossentropy({ ignoreClass: 3 }) },
    lossWeights: [1],
    metrics: ["accuracy", metrics.meanIoU({ numClasses: 3 })],
    weightedMetrics: { out: "mae" },
  });
  const best = callbacks.earlyStopping({ monitor: "val_accuracy", patience: 3, restoreBestWeights: true });
  const own: Callback = {
    onTrainBatchEnd: (batch: number, logs: Logs) => log(batch, logs.loss),
    async onEpochEnd(epoch, _, { model, stopTraining }) {
      log(epoch, await model.getLearningRate());
      stopTraining();
    },
  };
  const samples: TrainingData = { x: images, y: labels, sampleWeight: [1, 2] };
  const { history, epoch }: History = await net.fit(samples, {
    epochs: 3,
    batchSize: 16,
    validationSplit: 0.2,
    shuffle: true,
    seed: 1,
    classWeight: { 0: 2 },
    augment: [augment.randomFlip({ mode: "horizontal" }), augment.randomRotation({ factor: [0, 0.1] })],
    callbacks: [best, own, callbacks.modelCheckpoint({ key: "net", saveBestOnly: true, store: stores.memory() })],
    signal,
    verbose: 1,
  });
  const stream = data
    .fromArrays({ x: { data: images, shape: [2, 96, 96, 3] }, y: labels })
    .map(({ x, y }) => ({ x: { ...x, data: Float32Array.from((x as Tensor).data) }, y }))
    .shuffle(100, 1)
    .repeat()
    .batch(8)
    .prefetch(2);
  await net.fit(stream, { stepsPerEpoch: 10, validationData: { x: [images], y: [labels] } });
  const { loss, ...rest } = await net.evaluate(stream, { steps: 3, signal });
  log(history.loss?.[0], epoch[0], best.bestEpoch, loss, rest, await net.trainOnBatch(samples));

  // @ts-expect-error misspelt
  await net.compile({ optimiser: "sgd", loss: "mse" });
  // @ts-expect-error no such optimizer
  await net.compile({ optimizer: "momentum", loss: "mse" });
  // @ts-expect-error a metric is no loss
  await net.compile({ loss: metrics.auc() });
  // @ts-expect-error Python's spelling
  optimizers.adam({ learning_rate: 0.1 });
  // @ts-expect-error what Keras requires is required
  schedules.cosineDecay({ initialLearningRate: 0.1 });
  // @ts-expect-error no such mode
  augment.randomFlip({ mode: "sideways" });
  // @ts-expect-error no labels
  await net.fit({ x: images });
  // @ts-expect-error no such option
  await net.fit(samples, { epoch: 3 });
  return (await net.testOnBatch(samples)).loss ?? Number.NaN;
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
