// What models become: ONNX files, classifiers without dense layers. A module of its own does it, fetched when a page first
// needs it.

import { Beside } from "./beside.js";
import { type Files, start } from "./start.js";
import { isTrap } from "./traps.js";
import type { ModelsRuntime, WasmLayered, WasmModel } from "./wasm.js";

/** A model on its way into something else. */
interface ModelCopy {
  setWeight(name: string, values: Float32Array): void;
  toOnnx(name: string, channelsFirst: boolean): Uint8Array<ArrayBuffer>;
  toFullyConvolutional(): WasmLayered;
  free(): void;
}

/** What wasm-bindgen exports. */
interface ConvertModule {
  default(options: { module_or_path: WebAssembly.Module }): Promise<unknown>;
  ModelCopy: new (json: string) => ModelCopy;
}

// Written out for bundlers, as in `wasm.ts`.
const BESIDE: Files = {
  glue: new URL("./wasm/convert/convert.js", import.meta.url),
  binary: new URL("./wasm/convert/convert_bg.wasm", import.meta.url),
};

/** Writes models as ONNX, and makes classifiers convolutional. */
export class Converter {
  readonly #module: Beside<ConvertModule>;

  constructor(assets: string | undefined) {
    const files = assets
      ? { glue: new URL("wasm/convert/convert.js", assets), binary: new URL("wasm/convert/convert_bg.wasm", assets) }
      : BESIDE;
    this.#module = new Beside(() => start<ConvertModule>(files));
  }

  /** The ONNX file of a model with its weights. */
  write(model: WasmModel): Promise<Uint8Array<ArrayBuffer>> {
    return this.#copied(model, "an ONNX file was written", (copy, name) => copy.toOnnx(name, false));
  }

  /** A classifier without dense layers. */
  async convolutional(model: WasmModel, seed: number, builder: ModelsRuntime): Promise<WasmModel> {
    const what = "a model was made convolutional";
    return build(await this.#copied(model, what, (copy) => copy.toFullyConvolutional()), seed, builder);
  }

  /** Works with a copy of a model. */
  #copied<T>(model: WasmModel, what: string, work: (copy: ModelCopy, name: string) => T): Promise<T> {
    const { json, summary, weights } = JSON.parse(model.describe());
    return this.#module.work(({ ModelCopy }) => {
      const copy = new ModelCopy(JSON.stringify(json));
      try {
        for (const { name } of weights) copy.setWeight(name, model.weight(name));
        return work(copy, summary.name);
      } finally {
        copy.free();
      }
    }, what);
  }
}

/** Builds a network in the engine, with its weights, and lets go of what brought it. */
export function build(layered: WasmLayered, seed: number, builder: ModelsRuntime): WasmModel {
  try {
    const built = builder.build(JSON.stringify({ ...JSON.parse(layered.json()), seed }));
    try {
      for (const [place, name] of layered.names().entries()) built.setWeight(name, layered.weight(place));
      return built;
    } catch (error) {
      if (!isTrap(error)) built.free();
      throw error;
    }
  } finally {
    layered.free();
  }
}
