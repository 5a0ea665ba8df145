// Where in a picture a network looks: class activation maps.

import { failure } from "./errors.js";
import type { Model } from "./model.js";
import type { TensorInput, TensorOutput } from "./types.js";

/** Options of {@link gradCam} and {@link cam}. */
export interface ActivationMapOptions {
  /** The layer whose maps are weighed, `outer/inner` in nested models. Default: the last one that gives maps. */
  layer?: string;
  /** The class to explain. Default: the one with the highest score. */
  classIndex?: number;
  /** Stops the work. */
  signal?: AbortSignal;
}

/** How much each place of a picture speaks for a class; `drawHeatMap()` of `striate/draw` puts it over the picture. */
export interface ActivationMap {
  /** Row by row; the larger, the more. */
  data: Float32Array<ArrayBuffer>;
  /** Places in a row: those of the layer, fewer than the picture's pixels. */
  width: number;
  /** Rows. */
  height: number;
  /** The class. */
  classIndex: number;
  /** What the network gives the class; of a fully convolutional one the mean over its places. */
  score: number;
  /** The layer. */
  layer: string;
}

/**
 * Grad-CAM (Selvaraju et al. 2017): the layer's maps, each weighed by the mean gradient of the class's score (before a softmax)
 * by it, summed; what speaks against the class is cut off. For any classifier, whatever is behind the layer.
 *
 * `image` is one picture as the model takes it. Errors: no such layer or class, a layer that gives no maps or passes its input on.
 */
export async function gradCam(
  model: Model,
  image: TensorInput,
  options: ActivationMapOptions = {},
): Promise<ActivationMap> {
  const { weights, values, ...found } = await weighed(model, image, options);
  const data = summed(values, weights).map((value) => Math.max(value, 0));
  return { data, ...found };
}

/**
 * The plain class activation map (Zhou et al. 2016), for networks whose maps are averaged and go into one dense layer: the maps
 * weighed by that layer's weights of the class. Negative numbers speak against it. Errors: other networks; use {@link gradCam}.
 */
export async function cam(
  model: Model,
  image: TensorInput,
  options: ActivationMapOptions = {},
): Promise<ActivationMap> {
  const { weights, values, gradient, ...found } = await weighed(model, image, options);
  // Behind an average and a dense layer the gradient is the same everywhere: the weight, by the number of places.
  const largest = gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const channels = weights.length;
  if (gradient.some((value, i) => Math.abs(value - (weights[i % channels] as number)) > 1e-4 * largest)) {
    throw failure("unsupported", "a plain class activation map wants averaging and one dense layer: use gradCam()", {
      layer: found.layer,
    });
  }
  const places = found.width * found.height;
  const data = summed(values, weights).map((value) => value * places);
  return { data, ...found };
}

/** The maps, the mean gradient of each, and what else there is to say. */
async function weighed(model: Model, image: TensorInput, { layer, classIndex, signal }: ActivationMapOptions) {
  const name = layer ?? lastMaps(model);
  const picture = one(image);
  const stop = signal ? { signal } : {};
  const index = classIndex ?? best(scoresOf((await model.predict(picture, stop))[0]));
  const { activation, gradient, output } = await model.attribute(picture, { layer: name, classIndex: index, ...stop });
  const [batch, height, width, channels] = activation.shape as [number, number, number, number];
  if (activation.shape.length !== 4 || batch !== 1) {
    throw failure("shape-mismatch", "an activation map wants one picture, and a layer that gives maps", {
      layer: name,
      expected: "[1, height, width, channels]",
      received: `[${activation.shape.join(", ")}]`,
    });
  }
  const sums = new Float64Array(channels);
  gradient.data.forEach((value, i) => {
    sums[i % channels] = (sums[i % channels] as number) + value;
  });
  const weights = sums.map((sum) => sum / (height * width));
  const score = scoresOf(output)[index] as number;
  return {
    values: activation.data,
    gradient: gradient.data as Float32Array,
    weights,
    width,
    height,
    classIndex: index,
    score,
    layer: name,
  };
}

/** Sums over the channels, each times its weight. */
function summed(values: ArrayLike<number>, weights: Float64Array): Float32Array<ArrayBuffer> {
  const map = new Float32Array(values.length / weights.length);
  for (let at = 0; at < map.length; at++) {
    let sum = 0;
    for (let c = 0; c < weights.length; c++)
      sum += (weights[c] as number) * (values[at * weights.length + c] as number);
    map[at] = sum;
  }
  return map;
}

/** Pass on what they get, when they do not train. */
const PASSIVE = /Dropout|^InputLayer$|^GaussianNoise$|^ActivityRegularization$/;

function lastMaps(model: Model): string {
  const maps = model.layers.filter(
    ({ className, outputShapes }) => outputShapes[0]?.length === 4 && !PASSIVE.test(className),
  );
  const last = maps[maps.length - 1];
  if (!last) throw failure("invalid", "no layer of the model gives maps: say in `layer` which one is meant");
  return last.name;
}

/** A picture without a batch is a batch of one. */
function one(image: TensorInput): TensorInput {
  if (ArrayBuffer.isView(image) || image.shape.length !== 3) return image;
  return { data: image.data, shape: [1, ...image.shape] };
}

/** The score of each class; of a map of scores their means. */
function scoresOf(output: TensorOutput | undefined): Float64Array {
  const classes = output?.shape[output.shape.length - 1] ?? 0;
  const scores = new Float64Array(classes);
  output?.data.forEach((value, i) => {
    scores[i % classes] = (scores[i % classes] as number) + (value * classes) / output.data.length;
  });
  return scores;
}

function best(scores: ArrayLike<number>): number {
  let index = 0;
  for (let i = 1; i < scores.length; i++) if ((scores[i] as number) > (scores[index] as number)) index = i;
  return index;
}
