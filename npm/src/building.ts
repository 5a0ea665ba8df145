// The ways to a model: layer by layer, of the zoo, out of a file.

import type { Engine } from "./engine.js";
import { failure } from "./errors.js";
import { withKeras, withLayers } from "./keras/source.js";
import type { CustomLayer, CustomLayers, LoadModelOptions, StandIn, WeightsOptions } from "./keras/types.js";
import { type Adopted, inputsOf, Recorder } from "./layers/record.js";
import { Layer, type SymbolicTensor, type SymbolicTensors, tensorsOf } from "./layers/tensor.js";
import type { Life } from "./life.js";
import { type BuildOptions, conceive, Model } from "./model.js";
import type { ModelSource } from "./types.js";

/** A random seed for whoever gave none. */
function seedOf({ seed = Math.floor(Math.random() * 2 ** 30) }: BuildOptions): number {
  if (Number.isSafeInteger(seed) && seed >= 0) return seed;
  throw failure("invalid", "`seed` is a whole number from 0", { received: String(seed) });
}

/** @internal */
export async function buildSequential(
  engine: Engine,
  list: readonly (Layer | Model | SymbolicTensor)[],
  options: BuildOptions,
): Promise<Model> {
  const recorder = new Recorder();
  const seed = seedOf(options);
  const layers = recorder.chain(list.map((item) => (item instanceof Model ? item.asLayer : item)));
  return begin(engine, { class: "Sequential", name: options.name, seed, layers }, recorder.adopted, options);
}

/** @internal */
export async function buildFunctional(
  engine: Engine,
  graph: { inputs: SymbolicTensors; outputs: SymbolicTensors } & BuildOptions,
): Promise<Model> {
  const name = graph.name ?? "model";
  const [inputs, outputs] = [tensorsOf(graph.inputs, name), tensorsOf(graph.outputs, name)];
  const inner = inputs.find((tensor) => tensor.call.inputs.length > 0);
  if (inner) {
    throw failure("invalid", "the inputs of a model are made by input()", {
      layer: inner.layer.name ?? inner.layer.className,
    });
  }
  const recorder = new Recorder();
  const json = { class: "Functional", name: graph.name, seed: seedOf(graph), ...recorder.graph(inputs, outputs) };
  return begin(engine, json, recorder.adopted, graph);
}

/** @internal A network of the zoo. */
export async function buildZoo(
  engine: Engine,
  name: string,
  options: BuildOptions & WeightsOptions = {},
): Promise<Model> {
  const { signal, weights, sha256, cache, onProgress, ...rest } = options;
  const seed = seedOf(options);
  const json = JSON.stringify({ ...rest, seed });
  if (weights === undefined) {
    return conceive(engine, (life) => life.call((host) => host.zoo(name, json)), seed, signal);
  }
  const recipe = (life: Life) =>
    withKeras(weights, options, async (file) => {
      const { id } = await life.openKeras(file, []);
      try {
        return await life.call((host) => host.zooOf(name, json, id));
      } finally {
        life.shut(id);
      }
    });
  return conceive(engine, recipe, seed, signal);
}

/** @internal The network of a file: one of Keras', or a graph that becomes layers. */
export async function loadLayers(engine: Engine, source: ModelSource, options: LoadModelOptions): Promise<Model> {
  const { customLayers = {}, signal } = options;
  const seed = seedOf(options as BuildOptions);
  const recipe = (life: Life) =>
    withLayers(source, options, async (file) => {
      if ("format" in file) return life.raise(file, options, seed);
      const { id, layers } = await life.openKeras(file, Object.keys(customLayers));
      try {
        const standIns = layers.map((layer) => standIn(layer, customLayers));
        return await life.call((host) => host.buildKeras(id, standIns, seed));
      } finally {
        life.shut(id);
      }
    });
  return conceive(engine, recipe, seed, signal);
}

/** The layer that the page gives for one of a file's. */
function standIn(layer: CustomLayer, customLayers: CustomLayers): StandIn {
  const found = customLayers[layer.class]?.(layer.config);
  if (!(found instanceof Layer)) {
    throw failure("invalid", `what stands for ${layer.class} is not a layer`, { layer: layer.class });
  }
  const recorder = new Recorder();
  const by = found.describe(recorder, "");
  if (recorder.adopted.length > 0) {
    throw failure("unsupported", `what stands for ${layer.class} cannot have weights of its own`, {
      layer: layer.class,
    });
  }
  return { ...layer, by };
}

/** @internal Names of the zoo's networks. */
export async function zooNames(engine: Engine): Promise<string[]> {
  const life = await engine.start();
  return engine.watch(
    life,
    life.call((host) => host.zooNames()),
  );
}

/** @internal The shapes of tensors that no model has yet. */
export async function shapesOf(engine: Engine, tensors: SymbolicTensors): Promise<(number | null)[][]> {
  const outputs = tensorsOf(tensors, "shape");
  const graph = new Recorder().graph(inputsOf(outputs), outputs);
  const life = await engine.start();
  const text = JSON.stringify({ class: "Functional", ...graph });
  return engine.watch(
    life,
    life.call((host) => host.shapes(text)),
  );
}

function begin(
  engine: Engine,
  json: { seed: number; [key: string]: unknown },
  adopted: readonly Adopted[],
  options: BuildOptions,
): Promise<Model> {
  const text = JSON.stringify(json);
  const recipe = async (life: Life) => {
    const nested = await Promise.all(adopted.map(async ({ path, model }) => ({ path, id: await model.lend(life) })));
    return life.call((host) => host.build(text, nested));
  };
  return conceive(engine, recipe, json.seed, options.signal);
}
