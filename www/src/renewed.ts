import { type Engine, type EngineInfo, striate } from "striate";
import type { BackendChoice, Settings } from "./settings.ts";

/** Something that a page needs an engine for, made anew with every engine that is chosen. One at a time. */
export class Renewed<T> {
  readonly #settings: Settings;
  readonly #make: (engine: Engine, signal: AbortSignal) => Promise<T>;
  #engine: Engine | undefined;
  #value: T | undefined;
  #starting = new AbortController();

  constructor(settings: Settings, make: (engine: Engine, signal: AbortSignal) => Promise<T>) {
    this.#settings = settings;
    this.#make = make;
  }

  /** What was made; nothing while an engine starts. */
  get value(): T | undefined {
    return this.#value;
  }

  /** Starts an engine with this backend in place of the last one; nothing if another call came in between. */
  async start(
    backend: BackendChoice,
    recovered: (from: "devicelost" | "restart") => void,
  ): Promise<EngineInfo | undefined> {
    this.#starting.abort();
    const starting = new AbortController();
    this.#starting = starting;
    this.#engine?.dispose();
    this.#engine = undefined;
    this.#value = undefined;
    const { threads, softwareAdapter } = this.#settings;
    try {
      const engine = await striate({
        edition: "models",
        backend,
        allowSoftwareAdapter: softwareAdapter,
        signal: starting.signal,
        ...(threads ? { threads } : {}),
      });
      this.#engine = engine;
      engine.addEventListener("devicelost", () => recovered("devicelost"));
      engine.addEventListener("restart", () => recovered("restart"));
      const value = await this.#make(engine, starting.signal);
      if (starting.signal.aborted) return undefined;
      this.#value = value;
      return engine.info;
    } catch (error) {
      if (starting.signal.aborted) return undefined;
      throw error;
    }
  }
}
