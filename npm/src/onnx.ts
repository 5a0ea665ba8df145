// Models as ONNX files: written by a module of its own, fetched when a page first saves one.

import { failure, fieldsOf } from "./errors.js";
import { type Files, start } from "./start.js";
import { isTrap } from "./traps.js";
import type { WasmModel } from "./wasm.js";

/** A model on its way into a file. */
interface OnnxWriter {
  setWeight(name: string, values: Float32Array): void;
  write(name: string, channelsFirst: boolean): Uint8Array<ArrayBuffer>;
  free(): void;
}

/** What wasm-bindgen exports. */
interface ExportModule {
  default(options: { module_or_path: WebAssembly.Module }): Promise<unknown>;
  OnnxWriter: new (json: string) => OnnxWriter;
}

// Written out for bundlers, as in `wasm.ts`.
const BESIDE: Files = {
  glue: new URL("./wasm/export/export.js", import.meta.url),
  binary: new URL("./wasm/export/export_bg.wasm", import.meta.url),
};

/** Writes models. */
export class OnnxFiles {
  readonly #files: Files;
  #module: Promise<ExportModule> | undefined;

  constructor(assets: string | undefined) {
    this.#files = assets
      ? { glue: new URL("wasm/export/export.js", assets), binary: new URL("wasm/export/export_bg.wasm", assets) }
      : BESIDE;
  }

  /** The file of a model with its weights. */
  async write(model: WasmModel): Promise<Uint8Array<ArrayBuffer>> {
    this.#module ??= start<ExportModule>(this.#files);
    const { OnnxWriter } = await this.#module.catch((error) => {
      // The next save tries again.
      this.#module = undefined;
      throw error;
    });
    const { json, summary, weights } = JSON.parse(model.describe());
    try {
      const writer = new OnnxWriter(JSON.stringify(json));
      try {
        for (const { name } of weights) writer.setWeight(name, model.weight(name));
        return writer.write(summary.name, false);
      } finally {
        writer.free();
      }
    } catch (thrown) {
      if (!isTrap(thrown)) {
        const { code, message, ...fields } = fieldsOf(thrown);
        throw failure(code, message, fields);
      }
      this.#module = undefined;
      throw failure("resource", `out of memory while an ONNX file was written (${thrown.message})`);
    }
  }
}
