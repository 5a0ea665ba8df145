// The WebAssembly module that changes pictures (`src/js/augment.rs` of the crate), fetched when a page first trains on such.

import { type Files, start } from "../start.js";

/** Augmentations. */
export interface WasmAugmenter {
  /**
   * Changes pictures, and with them labels of their pixels and labels that are boxes, in parts of the picture and of these forms:
   * `[pictures, maps, boxes, kept]`; `first` is the first sample's number, `kept` is 1 for each sample and label of one box that
   * is still in the picture.
   */
  apply(
    pictures: object,
    maps: object | undefined,
    boxes: object[],
    forms: Uint8Array,
    first: number,
  ): [pictures: object, maps: object | undefined, boxes: object[], kept: Uint8Array];
  free(): void;
}

/** What wasm-bindgen exports. */
export interface AugmentModule {
  default(options: { module_or_path: WebAssembly.Module }): Promise<unknown>;
  Augmenter: new (json: string) => WasmAugmenter;
}

// Written out for bundlers, as in `wasm.ts`.
const BESIDE: Files = {
  glue: new URL("./wasm/augment/augment.js", import.meta.url),
  binary: new URL("./wasm/augment/augment_bg.wasm", import.meta.url),
};

/** Fetches, compiles and starts the module. */
export function loadAugmenter(assets: string | undefined): Promise<AugmentModule> {
  if (!assets) return start(BESIDE);
  return start({
    glue: new URL("wasm/augment/augment.js", assets),
    binary: new URL("wasm/augment/augment_bg.wasm", assets),
  });
}
