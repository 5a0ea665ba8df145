// Between model files and layers: models as ONNX files, graphs as models. A module of its own does it, fetched when a page
// first needs it.

import { failure, fieldsOf } from "./errors.js";
import { joinWeights } from "./files.js";
import type { Importing } from "./host.js";
import { type Files, start } from "./start.js";
import { isTrap } from "./traps.js";
import type { ModelFormat } from "./types.js";
import type { ModelsRuntime, WasmModel } from "./wasm.js";

/** A model on its way into a file. */
interface OnnxWriter {
  setWeight(name: string, values: Float32Array): void;
  write(name: string, channelsFirst: boolean): Uint8Array<ArrayBuffer>;
  free(): void;
}

/** The network of a model file as layers. */
interface Raised {
  json(): string;
  /** Names of the weights. */
  names(): string[];
  weight(place: number): Float32Array;
  free(): void;
}

/** What wasm-bindgen exports. */
interface ConvertModule {
  default(options: { module_or_path: WebAssembly.Module }): Promise<unknown>;
  OnnxWriter: new (json: string) => OnnxWriter;
  /** `inputShapes` are dimensions by name, as JSON. */
  Raised: new (
    format: string,
    model: Uint8Array,
    weights: Uint8Array,
    outputs: string[] | undefined,
    inputShapes: string | undefined,
  ) => Raised;
}

// Written out for bundlers, as in `wasm.ts`.
const BESIDE: Files = {
  glue: new URL("./wasm/convert/convert.js", import.meta.url),
  binary: new URL("./wasm/convert/convert_bg.wasm", import.meta.url),
};

/** Writes models as ONNX, and makes models of graphs. */
export class Converter {
  readonly #files: Files;
  #module: Promise<ConvertModule> | undefined;

  constructor(assets: string | undefined) {
    this.#files = assets
      ? { glue: new URL("wasm/convert/convert.js", assets), binary: new URL("wasm/convert/convert_bg.wasm", assets) }
      : BESIDE;
  }

  /** The ONNX file of a model with its weights. */
  write(model: WasmModel): Promise<Uint8Array<ArrayBuffer>> {
    return this.#work("an ONNX file was written", ({ OnnxWriter }) => {
      const { json, summary, weights } = JSON.parse(model.describe());
      const writer = new OnnxWriter(JSON.stringify(json));
      try {
        for (const { name } of weights) writer.setWeight(name, model.weight(name));
        return writer.write(summary.name, false);
      } finally {
        writer.free();
      }
    });
  }

  /** The network of a model file, built of layers, with its weights. */
  async raise(
    format: ModelFormat,
    model: Uint8Array,
    weights: Uint8Array[],
    { outputs, inputShapes }: Importing,
    seed: number,
    builder: ModelsRuntime,
  ): Promise<WasmModel> {
    const shapes = inputShapes && JSON.stringify(inputShapes);
    const raised = await this.#work(
      "a model file was read",
      ({ Raised }) => new Raised(format, model, joinWeights(weights), outputs, shapes),
    );
    try {
      const built = builder.build(JSON.stringify({ ...JSON.parse(raised.json()), seed }));
      try {
        for (const [place, name] of raised.names().entries()) built.setWeight(name, raised.weight(place));
        return built;
      } catch (error) {
        if (!isTrap(error)) built.free();
        throw error;
      }
    } finally {
      raised.free();
    }
  }

  /** Works with the module. One that fails to load, or breaks, is loaded again next time. */
  async #work<T>(what: string, work: (module: ConvertModule) => T): Promise<T> {
    this.#module ??= start<ConvertModule>(this.#files);
    const module = await this.#module.catch((error) => {
      this.#module = undefined;
      throw error;
    });
    try {
      return work(module);
    } catch (thrown) {
      if (!isTrap(thrown)) {
        const { code, message, ...fields } = fieldsOf(thrown);
        throw failure(code, message, fields);
      }
      this.#module = undefined;
      throw failure("resource", `out of memory while ${what} (${thrown.message})`);
    }
  }
}
