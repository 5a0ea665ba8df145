// Keras' files on the side of the engine: between the module that knows files and the one that knows networks go JSON and
// the numbers of weights.

import { Beside } from "../beside.js";
import { failure, fieldsOf } from "../errors.js";
import type { LookedKeras } from "../inspect.js";
import { isTrap } from "../traps.js";
import type { ModelsRuntime, WasmModel } from "../wasm.js";
import { type KerasFile, type KerasModule, loadModule } from "./module.js";
import type { KerasBytes } from "./source.js";
import type { CustomLayer, LoadedWeights, LoadWeightsOptions, SaveFormat, StandIn } from "./types.js";

/** A network as the engine describes it, as far as files need it. */
interface Described {
  json: object;
  weights: { name: string }[];
}

const describe = (model: WasmModel): Described => JSON.parse(model.describe());

/** The open files, and the module that reads them. */
export class KerasFiles {
  readonly #module: Beside<KerasModule>;
  readonly #files = new Map<number, { name: string; file: KerasFile }>();

  constructor(assets: string | undefined) {
    // The files of a broken instance are gone with it.
    this.#module = new Beside(
      () => loadModule(assets),
      () => this.#files.clear(),
    );
  }

  /** Opens a file under a number; its layers of these classes. */
  open(id: number, { name, bytes, json }: KerasBytes, classes: string[]): Promise<CustomLayer[]> {
    return this.#work(({ KerasFile }) => {
      const file = json ? KerasFile.openTfjs(json, bytes) : KerasFile.open(bytes);
      this.#files.set(id, { name, file });
      return classes.length > 0 ? JSON.parse(file.layers(classes)) : [];
    }, name);
  }

  /** The JSON of a file's network. */
  network(id: number, standIns: StandIn[], seed: number): Promise<string> {
    return this.#work(() => {
      const json = JSON.parse(this.#file(id).model(JSON.stringify(standIns)));
      return JSON.stringify({ ...json, seed });
    }, this.#files.get(id)?.name);
  }

  /** Puts a file's weights into a network. */
  load(
    id: number,
    model: WasmModel,
    { byName = false, skipMismatch = false }: Pick<LoadWeightsOptions, "byName" | "skipMismatch">,
  ): Promise<LoadedWeights> {
    const { json, weights } = describe(model);
    return this.#work(() => {
      const file = this.#file(id);
      const count = file.assign(JSON.stringify(json), JSON.stringify(weights), byName, skipMismatch);
      return { loaded: fill(model, weights, file, count), skipped: JSON.parse(file.skipped()) };
    }, this.#files.get(id)?.name);
  }

  /** A network of the zoo with a file's weights: Keras', or PyTorch's, which make it torchvision's or timm's network. */
  async zoo(
    id: number,
    name: string,
    options: string,
    builder: Pick<ModelsRuntime, "zoo" | "build">,
  ): Promise<WasmModel> {
    const torch = await this.#work(() => this.#file(id).torch(name, options), this.#files.get(id)?.name);
    let model: WasmModel;
    if (torch === undefined) model = builder.zoo(name, options);
    else {
      const plain = builder.zoo(name, torch);
      const network = JSON.stringify(describe(plain).json);
      plain.free();
      model = builder.build(await this.#work(() => this.#file(id).adapt(network), this.#files.get(id)?.name));
    }
    try {
      if (torch === undefined) await this.load(id, model, {});
      else {
        const { json, weights } = describe(model);
        await this.#work(() => {
          const file = this.#file(id);
          fill(model, weights, file, file.assignTorch(JSON.stringify(json), JSON.stringify(weights)));
        }, this.#files.get(id)?.name);
      }
      return model;
    } catch (error) {
      if (!isTrap(error)) model.free();
      throw error;
    }
  }

  /** Looks into a file; `build` has the engine build its network and tells the inputs and outputs. */
  inspect(
    { name, bytes, json }: KerasBytes,
    build: (json: string) => Pick<LookedKeras, "inputs" | "outputs">,
  ): Promise<LookedKeras> {
    return this.#work(({ KerasFile }) => {
      const file = json ? KerasFile.sketch(json) : KerasFile.open(bytes);
      try {
        const [parameters = 0, weightBytes = 0] = file.totals();
        const hasModel = file.hasModel();
        const found = { parameters, weightBytes, hasModel, operators: [], unsupported: [], inputs: [], outputs: [] };
        return hasModel ? { ...found, ...lookAtLayers(file, build) } : found;
      } finally {
        file.free();
      }
    }, name);
  }

  /** Writes a network. */
  save(
    model: WasmModel,
    format: Exclude<SaveFormat, "onnx">,
  ): Promise<{ name: string; data: Uint8Array<ArrayBuffer> }[]> {
    const { json, weights } = describe(model);
    return this.#work(({ KerasWriter }) => {
      const writer = new KerasWriter(JSON.stringify(json), JSON.stringify(weights));
      try {
        for (const { name } of weights) writer.add(model.weight(name));
        return writer.write(format).map(([name, data]) => ({ name, data }));
      } finally {
        writer.free();
      }
    });
  }

  /** Lets go of a file. */
  close(id: number): void {
    this.#files.get(id)?.file.free();
    this.#files.delete(id);
  }

  /** Lets go of all. */
  dispose(): void {
    for (const id of [...this.#files.keys()]) this.close(id);
    this.#module.drop();
  }

  #file(id: number): KerasFile {
    const open = this.#files.get(id);
    if (!open) throw failure("invalid", "this file was closed");
    return open.file;
  }

  /** Works with the module. Errors name the file. */
  #work<T>(work: (module: KerasModule) => T, name?: string): Promise<T> {
    return this.#module.work(work, "a file was read or written", name);
  }
}

/** Puts the tensors that a file has found into a network; their weights' names. */
function fill(model: WasmModel, weights: Described["weights"], file: KerasFile, count: number): string[] {
  const names = Array.from({ length: count }, (_, i) => weights[file.weight(i)]?.name as string);
  // A damaged array shows itself when its numbers are read: all are, before the first is set.
  const values = names.map((_, i) => file.values(i));
  for (const [i, name] of names.entries()) model.setWeight(name, values[i] as Float32Array);
  return names;
}

/** Layers of the engine's JSON, those of nested models too. */
interface LayerJson {
  name: string;
  class?: string;
  config?: { layers?: LayerJson[] };
}

/** Layers with a class, wherever they are; a model in a model counts as one besides. */
function layersOf(list: LayerJson[]): LayerJson[] {
  return list.flatMap((layer) => (layer.class ? [layer, ...layersOf(layer.config?.layers ?? [])] : []));
}

/** What stands for a class that the engine does not know, so that the others can be looked at. */
const ANYTHING = { class: "Activation", config: { activation: "linear" } };

/** The layers of a network, all those that the engine does not know, and (if it knows all) the inputs and outputs. */
function lookAtLayers(
  file: KerasFile,
  build: (json: string) => Pick<LookedKeras, "inputs" | "outputs">,
): Pick<LookedKeras, "operators" | "unsupported" | "inputs" | "outputs"> {
  const all = layersOf(JSON.parse(file.model("[]")).layers ?? []);
  const counts = new Map<string, number>();
  for (const { class: name = "" } of all) counts.set(name, (counts.get(name) ?? 0) + 1);
  const operators = [...counts];
  const unsupported: LookedKeras["unsupported"] = [];
  const standIns: StandIn[] = [];
  // Each round finds a class at least, so there are no more rounds than classes.
  for (;;) {
    try {
      const { inputs, outputs } = build(file.model(JSON.stringify(standIns)));
      const known = unsupported.length === 0;
      return { operators, unsupported, inputs, outputs: known ? outputs : [] };
    } catch (thrown) {
      if (isTrap(thrown)) throw thrown;
      const { code, message, layer } = fieldsOf(thrown);
      const found = all.find(({ name }) => name === layer || layer?.endsWith(`/${name}`));
      const before = unsupported.some(({ operator }) => operator === found?.class);
      // A stand-in has another shape than what it stands for: that says nothing.
      if (unsupported.length > 0 && (code !== "unsupported" || before || !found)) {
        return { operators, unsupported, inputs: [], outputs: [] };
      }
      if (code === "internal" || code === "resource") throw thrown;
      const alike = all.filter((one) => found && one.class === found.class);
      if (!found || code !== "unsupported") {
        unsupported.push({ layer: layer ?? "", operator: found?.class ?? "", reason: message });
        return { operators, unsupported, inputs: [], outputs: [] };
      }
      for (const one of alike) unsupported.push({ layer: one.name, operator: one.class ?? "", reason: message });
      const configs = JSON.parse(file.layers([found.class ?? ""])) as CustomLayer[];
      standIns.push(...configs.map((config) => ({ ...config, by: ANYTHING })));
    }
  }
}
