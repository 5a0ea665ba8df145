import { type Engine, raceAbort } from "./engine.js";
import { failure, throwIfAborted } from "./errors.js";
import type { Life } from "./life.js";

/** Something that lives in one life of the engine, under a number. */
export interface Loaded<H extends { id: number } = { id: number }> {
  life: Life;
  handle: H;
}

/**
 * What a {@link Net} or a model has in the engine: calls take turns, and after a restart of the engine it is made anew.
 */
export class Held<H extends { id: number }> {
  #engine: Engine;
  #owner: object;
  #open: () => Promise<Loaded<H>>;
  #loaded: Loaded<H> | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  /** `open` makes it once more; `owner` is what the page holds, and may forget. */
  constructor(engine: Engine, owner: object, open: () => Promise<Loaded<H>>, loaded: Loaded<H>) {
    this.#engine = engine;
    this.#owner = owner;
    this.#open = open;
    this.#loaded = loaded;
    engine.keep(owner, loaded);
  }

  /** Waits for the call before, makes it anew if the engine had to restart, then works. */
  call<T>(what: string, signal: AbortSignal | undefined, work: (loaded: Loaded<H>) => Promise<T>): Promise<T> {
    const result = this.#turn.then(async () => {
      throwIfAborted(signal, what);
      const loaded = await this.current();
      return this.#engine.watch(loaded.life, work(loaded));
    });
    this.#turn = result.catch(() => {});
    return raceAbort(result, signal, what);
  }

  /** What there is in the current life. */
  async current(): Promise<Loaded<H>> {
    if (!this.#loaded) throw failure("invalid", "this network was disposed of: load or build it again");
    if ((await this.#engine.start()) !== this.#loaded.life) {
      this.#loaded = await this.#open();
      this.#engine.keep(this.#owner, this.#loaded);
    }
    return this.#loaded;
  }

  /** Lets go of it. */
  dispose(): void {
    if (this.#loaded) this.#engine.drop(this.#owner, this.#loaded);
    this.#loaded = undefined;
  }
}
