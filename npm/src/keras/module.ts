// The WebAssembly module that knows Keras' files (`crates/keras`): fetched when a page first opens or saves one.

import { type Files, start } from "../wasm.js";

/** An open file. */
export interface KerasFile {
  /** There is a network in it, and not only weights. */
  hasModel(): boolean;
  /** Elements of all weights, and their bytes. */
  totals(): Float64Array;
  /** Layers of these classes in the file's network, as JSON: {@link CustomLayer}`[]`. */
  layers(classes: string[]): string;
  /** The file's network as the engine's JSON; `standIns` are JSON of {@link StandIn}`[]`. */
  model(standIns: string): string;
  /** Finds a tensor for the weights of a network, described as JSON; how many there are. */
  assign(model: string, weights: string, byName: boolean, skipMismatch: boolean): number;
  /**
   * Of a file with PyTorch's tensors: options, as JSON, that the zoo builds this network with to be given them; else nothing.
   */
  torch(network: string, options: string): string | undefined;
  /** The zoo's network, as JSON, as PyTorch has it; {@link KerasFile.torch} comes before. */
  adapt(network: string): string;
  /** As {@link KerasFile.assign}, of PyTorch's tensors. */
  assignTorch(model: string, weights: string): number;
  /** The weight, by position, that a found tensor is for. */
  weight(found: number): number;
  /** The numbers of a found tensor. */
  values(found: number): Float32Array<ArrayBuffer>;
  /** Layers that were passed over, as JSON: `{ layer, reason }[]`. */
  skipped(): string;
  free(): void;
}

/** Collects a network's weights, in order, and writes files. */
export interface KerasWriter {
  add(values: Float32Array): void;
  write(format: string): [name: string, bytes: Uint8Array<ArrayBuffer>][];
  free(): void;
}

/** What wasm-bindgen exports. */
export interface KerasModule {
  default(options: { module_or_path: WebAssembly.Module }): Promise<unknown>;
  KerasFile: {
    open(bytes: Uint8Array): KerasFile;
    openTfjs(json: Uint8Array, weights: Uint8Array): KerasFile;
    /** A `model.json` alone. */
    sketch(json: Uint8Array): KerasFile;
  };
  KerasWriter: new (model: string, weights: string) => KerasWriter;
}

// Written out for bundlers, as in `wasm.ts`.
const BESIDE: Files = {
  glue: new URL("./wasm/keras/keras.js", import.meta.url),
  binary: new URL("./wasm/keras/keras_bg.wasm", import.meta.url),
};

/** Fetches, compiles and starts the module. */
export function loadModule(assets: string | undefined): Promise<KerasModule> {
  if (!assets) return start(BESIDE);
  return start({ glue: new URL("wasm/keras/keras.js", assets), binary: new URL("wasm/keras/keras_bg.wasm", assets) });
}
