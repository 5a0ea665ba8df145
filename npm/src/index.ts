/**
 * Convolutional vision networks in the browser, on WebGPU and SIMD WebAssembly: built with Keras' layers, or loaded.
 *
 * ```ts
 * import { striate } from "striate";
 *
 * const engine = await striate();
 * const net = await engine.load("/models/ssd/model.tflite");
 * for (const { label, score, x, y, width, height } of await net.detect(video)) { … }
 * ```
 *
 * @packageDocumentation
 */
export { type CachedFile, modelCache } from "./cache.js";
export * as constraints from "./constraints.js";
export { Engine, type EngineEventMap, striate } from "./engine.js";
export {
  AbortedError,
  DeviceLostError,
  type ErrorCode,
  type ErrorFields,
  InternalError,
  InvalidError,
  NetworkError,
  ResourceError,
  ShapeMismatchError,
  StriateError,
  UnsupportedError,
} from "./errors.js";
export { type ActivationMap, type ActivationMapOptions, cam, gradCam } from "./explain.js";
export { type Features, features } from "./features.js";
export { MAX_PIXELS } from "./image.js";
export * as initializers from "./initializers.js";
export type { Inspection, InspectOptions, Unsupported } from "./inspect.js";
export type {
  CustomLayers,
  LoadedWeights,
  LoadModelOptions,
  LoadWeightsOptions,
  SaveFormat,
  WeightsOptions,
} from "./keras/types.js";
export * as layers from "./layers/index.js";
export {
  type InputOptions,
  input,
  KerasLayer,
  Layer,
  SymbolicTensor,
  type SymbolicTensors,
} from "./layers/tensor.js";
export { type Attribution, type BuildOptions, Model, type WeightInput, type WeightValue } from "./model.js";
export { Net } from "./net.js";
export type { PlotOptions } from "./plot.js";
export type { ModelInputs, ModelPredictOptions, Predictions } from "./predict.js";
export * as regularizers from "./regularizers.js";
export type { CardName, ModelCard, Task } from "./tasks/cards.js";
export {
  type Classification,
  Classifier,
  type ClassifierHead,
  type ClassifyOptions,
} from "./tasks/classifier.js";
export { cosineSimilarity, FeatureExtractor } from "./tasks/features.js";
export {
  FaceDetector,
  type FaceOptions,
  PoseEstimator,
  TextDetector,
  type TextDetectorOptions,
} from "./tasks/finders.js";
export { type ImageInput, preprocessing, type View } from "./tasks/input.js";
export { imageTensor, type PredictImageOptions, type Seen, type Viewer } from "./tasks/look.js";
export type { CarriedOptions, Models, SizedOptions } from "./tasks/models.js";
export type { Painted, PaintedChannel, PaintedClasses, Painting } from "./tasks/paint.js";
export {
  type Pixels,
  Styler,
  type StylerHead,
  type StyliseOptions,
  type UpscaleOptions,
  Upscaler,
  type UpscalerHead,
} from "./tasks/pictures.js";
export {
  type Area,
  type Maps,
  Segmentation,
  Segmenter,
  type SegmenterHead,
  type SegmentPaintOptions,
} from "./tasks/segmenter.js";
export type { Augmentation, ColourOptions, Factor, WarpOptions } from "./training/augment.js";
export * as augment from "./training/augment.js";
export type {
  Callback,
  EarlyStopping,
  EarlyStoppingOptions,
  Logs,
  ModelCheckpointOptions,
  MonitorOptions,
  ReduceLROnPlateauOptions,
  TrainingContext,
} from "./training/callbacks.js";
export * as callbacks from "./training/callbacks.js";
export type { CompileOptions, Metrics, PerOutput } from "./training/compile.js";
export * as data from "./training/data.js";
export { Dataset, type RowSets, type Rows, type Sample, type Source, type Tensor } from "./training/data.js";
export * as losses from "./training/losses.js";
export * as metrics from "./training/metrics.js";
export * as optimizers from "./training/optimizers.js";
export type { ClassWeight, Labels, Targets, TrainingData } from "./training/samples.js";
export * as schedules from "./training/schedules.js";
export type { Checkpoint, WeightStore } from "./training/store.js";
export * as stores from "./training/store.js";
export type { EvaluateOptions, FitOptions, History } from "./training/trainer.js";
export type * from "./types.js";
export type * from "./zoo.js";
