import type { Json } from "../layers/arguments.js";
import type { Layer } from "../layers/tensor.js";
import type { FetchOptions, LoadOptions, ModelSource } from "../types.js";

/**
 * What stands for layers that Keras does not have: by class name, a function from the layer's arguments (as the file spells
 * them) to a layer.
 *
 * ```ts
 * const customLayers = {
 *   MultiplyBeta: ({ beta }) => layers.rescaling({ scale: beta as number }),
 *   PixelShuffle2x: () => layers.lambda((x) => ops.depthToSpace(x, 2)),
 * };
 * ```
 */
export type CustomLayers = { [className: string]: (config: { [argument: string]: Json }) => Layer };

/** Options of {@link Engine.loadModel}. */
export interface LoadModelOptions extends FetchOptions, Pick<LoadOptions, "outputs" | "inputShapes"> {
  /** What stands for layers that Keras does not have. */
  customLayers?: CustomLayers;
  /** Decides random numbers of training. Default: a random one. */
  seed?: number;
}

/** Options of a network that is built with weights out of a file. */
export interface WeightsOptions extends FetchOptions {
  /**
   * A file with the network's weights. Keras': `.h5`, `.weights.h5`, `.keras` or safetensors, as {@link Model.loadWeights} reads them by
   * default. Or safetensors of PyTorch, by torchvision's or timm's names (ResNets, VGGs, MobileNetV2, DenseNets, EfficientNet-Lite0): the
   * network is theirs then, with their borders, strides and constants; without a classifier in the file it ends in features; and it takes
   * pixels from 0 to 255, red first, unless `includePreprocessing` is `false`. Default: random values.
   */
  weights?: ModelSource;
}

/** Options of {@link Model.loadWeights}. */
export interface LoadWeightsOptions extends FetchOptions {
  /**
   * By the names of layers, and layers that only one side has are passed over. The default is by order, as Keras wrote the
   * file.
   */
  byName?: boolean;
  /** Layers whose weights do not fit keep theirs; else that is an error, and nothing changes. */
  skipMismatch?: boolean;
}

/** What {@link Model.loadWeights} did. */
export interface LoadedWeights {
  /** Names of the weights that have new values. */
  loaded: string[];
  /** Layers that were passed over with `skipMismatch`, and why. */
  skipped: { layer: string; reason: string }[];
}

/**
 * Formats of {@link Model.save}: `"keras"` is what Keras 3 opens, `"weights.h5"` its weights alone, `"tfjs"` a TensorFlow.js
 * layers model, `"safetensors"` the weights by name with the network beside them; {@link Engine.loadModel} reads all of these but
 * `"weights.h5"`, {@link Model.loadWeights} all. `"onnx"` is for other runtimes; both {@link Engine.load} and {@link Engine.loadModel} read it.
 */
export type SaveFormat = "keras" | "weights.h5" | "safetensors" | "tfjs" | "onnx";

/** A layer of a file that the page has a stand-in for. */
export interface CustomLayer {
  class: string;
  config: { [argument: string]: Json };
}

/** A custom layer, and the layer that stands for it. */
export interface StandIn extends CustomLayer {
  by: { class: string; config: object };
}
