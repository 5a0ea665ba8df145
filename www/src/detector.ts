import {
  type Detections,
  type Engine,
  type EngineInfo,
  type ImageSource,
  type Net,
  type Progress,
  StriateError,
  striate,
} from "striate";
import { DownloadError, download, forget } from "./download.ts";
import type { Model } from "./models.ts";
import type { BackendChoice, Settings } from "./settings.ts";

export type Phase =
  | { readonly phase: "idle" }
  | {
      readonly phase: "loading";
      readonly step: "engine" | "download" | "compile";
      readonly done: number;
      readonly total: number | undefined;
    }
  | { readonly phase: "ready"; readonly engine: EngineInfo; readonly model: Model }
  | { readonly phase: "failed"; readonly error: unknown };

/** A model file that the engine refused. */
export class BrokenModel extends Error {
  override readonly name = "BrokenModel";
}

/**
 * Owns the engine and the network in it. `configure` may be called at any time: the newest call wins, an older one still
 * loading is stopped. One detection runs at a time.
 */
export class Detector {
  readonly #settings: Settings;
  readonly #changed: (phase: Phase) => void;
  readonly #recovered: (from: "devicelost" | "restart") => void;
  #engine: Engine | undefined;
  #backend: BackendChoice | undefined;
  #net: Net | undefined;
  #loading = new AbortController();
  /** Starts and stops follow one another, so that two engines never stand side by side. */
  #tail: Promise<void> = Promise.resolve();
  #running: Promise<Detections> | undefined;

  /** `recovered` is told of losses the engine has already made good by itself. */
  constructor(
    settings: Settings,
    changed: (phase: Phase) => void,
    recovered: (from: "devicelost" | "restart") => void,
  ) {
    this.#settings = settings;
    this.#changed = changed;
    this.#recovered = recovered;
  }

  get ready(): boolean {
    return this.#net !== undefined;
  }

  /** Resolves when no detection is running. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running.catch(() => undefined);
  }

  /** Starts the engine, if need be anew, and loads this model into it. `fresh` asks the network even for a kept file. */
  configure(model: Model, backend: BackendChoice, fresh = false): Promise<void> {
    this.#loading.abort();
    const loading = new AbortController();
    const { signal } = loading;
    this.#loading = loading;
    this.#tail = this.#tail.then(async () => {
      if (signal.aborted) return;
      try {
        const engine = await this.#load(model, backend, fresh, signal);
        this.#changed({ phase: "ready", engine: engine.info, model });
      } catch (error) {
        if (signal.aborted) return;
        loading.abort(); // whatever else was on its way is of no use now
        this.#changed({ phase: "failed", error });
      }
    });
    return this.#tail;
  }

  /** Stops what is loading; the page stays without a network until the next `configure`. */
  cancel(): void {
    this.#loading.abort();
    this.#changed({ phase: "idle" });
  }

  /** Nothing if there is no network, or if one detection is running already. */
  async detect(source: ImageSource, scoreThreshold: number, iouThreshold: number): Promise<Detections | undefined> {
    const net = this.#net;
    if (!net || this.#running) return undefined;
    this.#running = net.detect(source, { scoreThreshold, iouThreshold, maxDetections: 100 });
    try {
      return await this.#running;
    } catch (error) {
      if (net !== this.#net) return undefined; // its engine was replaced meanwhile
      throw error;
    } finally {
      this.#running = undefined;
    }
  }

  async #load(model: Model, backend: BackendChoice, fresh: boolean, signal: AbortSignal): Promise<Engine> {
    const report = (step: "engine" | "download" | "compile", done: number, total: number | undefined): void => {
      if (!signal.aborted) this.#changed({ phase: "loading", step, done, total });
    };
    const compiling = ({ stage, loaded, total }: Progress): void => {
      if (stage === "compile") report("compile", loaded, total);
    };
    this.#net?.dispose();
    this.#net = undefined;
    if (fresh) await forget(model.files);

    // The engine starts while the model is on its way.
    report("download", 0, model.bytes);
    const files = download(model.files, { signal, onProgress: (done) => report("download", done, model.bytes) });
    files.catch(() => undefined); // looked at below; an engine that fails first must not leave it unhandled
    const engine = await this.#start(backend, signal);
    const got = await files;
    report("compile", 0, undefined);
    try {
      const [first, ...rest] = got.files;
      if (!first) throw new DownloadError(`The model ${model.name} names no files.`);
      this.#net = await engine.load(rest.length === 0 ? first : { json: first, weights: rest }, {
        signal,
        onProgress: compiling,
      });
    } catch (error) {
      if (error instanceof StriateError && error.code === "invalid")
        throw new BrokenModel(error.message, { cause: error });
      throw error;
    }
    await got.keep();
    return engine;
  }

  async #start(backend: BackendChoice, signal: AbortSignal): Promise<Engine> {
    if (this.#engine && this.#backend === backend) return this.#engine;
    this.#engine?.dispose();
    this.#engine = undefined;
    const { threads, softwareAdapter } = this.#settings;
    const engine = await striate({
      backend,
      allowSoftwareAdapter: softwareAdapter,
      signal,
      ...(threads ? { threads } : {}),
    });
    engine.addEventListener("devicelost", () => this.#recovered("devicelost"));
    engine.addEventListener("restart", () => this.#recovered("restart"));
    this.#backend = backend;
    this.#engine = engine;
    return engine;
  }
}
