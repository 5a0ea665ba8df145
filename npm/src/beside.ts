// WebAssembly modules beside the engine.

import { failure, fieldsOf } from "./errors.js";
import { isTrap } from "./traps.js";

/** A module that is fetched when it is first needed. One that fails to load, or breaks, is loaded again next time. */
export class Beside<M> {
  readonly #load: () => Promise<M>;
  readonly #onBreak: () => void;
  #module: Promise<M> | undefined;

  constructor(load: () => Promise<M>, onBreak = () => {}) {
    this.#load = load;
    this.#onBreak = onBreak;
  }

  /** The module. */
  get(): Promise<M> {
    this.#module ??= this.#load().catch((error) => {
      this.#module = undefined;
      throw error;
    });
    return this.#module;
  }

  /** Works with the module. Its errors become striate's, with `name` before them; a fault is one of memory, `while` something. */
  async work<T>(work: (module: M) => T, during: string, name?: string): Promise<T> {
    const module = await this.get();
    try {
      return work(module);
    } catch (thrown) {
      if (!isTrap(thrown)) {
        const { code, message, ...fields } = fieldsOf(thrown);
        throw failure(code, name === undefined ? message : `${name}: ${message}`, fields);
      }
      this.#onBreak();
      this.drop();
      throw failure("resource", `out of memory while ${during} (${thrown.message})`);
    }
  }

  /** Lets go of the module. */
  drop(): void {
    this.#module = undefined;
  }
}
