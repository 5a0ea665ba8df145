import { type Edition, type Engine, type EngineInfo, StriateError, striate } from "striate";
import { Choice, element } from "./dom.ts";
import { EnginePanel } from "./engine-panel.ts";
import { explainEngine } from "./messages.ts";
import { type Notice, NoticeCard } from "./notice.ts";
import { keepVariant } from "./offline.ts";
import { type BackendChoice, parseBackend, type Settings } from "./settings.ts";

/** What a page has an engine for. */
export interface Work<T> {
  /** Makes what is worked with; once for each engine that is chosen. */
  make(engine: Engine, signal: AbortSignal): Promise<T>;
  /** Works on what there is at the moment. What it gives draws the result; it is not called if the engine was replaced meanwhile. */
  run(made: T): Promise<(() => void) | undefined>;
  /** What is to be said of an error that is not the engine's. */
  unexpected: string;
  /** Modules that are kept for use without the network, beside the engine's binary. */
  readonly modules?: readonly string[];
  /** What the engine begins with: the other edition follows when it is needed. Default: `"models"`. */
  readonly edition?: Edition;
}

/** The pages of several pieces: an engine that is chosen, and work that is done anew whenever something changes. */
export class Bench<T> {
  readonly notice = new NoticeCard();
  readonly #panel = new EnginePanel();
  readonly #main = element("main", HTMLElement);
  readonly #settings: Settings;
  readonly #work: Work<T>;
  readonly #choice: Choice<BackendChoice>;
  #backend: BackendChoice;
  #engine: Engine | undefined;
  #made: T | undefined;
  #starting = new AbortController();
  #working = false;
  #again = false;

  constructor(settings: Settings, work: Work<T>) {
    this.#settings = settings;
    this.#backend = settings.backend;
    this.#work = work;
    this.#choice = new Choice("backend", parseBackend, (choice) => void this.start(choice));
  }

  /** What is worked with at the moment; nothing while an engine starts. */
  get made(): T | undefined {
    return this.#made;
  }

  /** Starts an engine, in place of the last one; by default as it was chosen. */
  async start(choice: BackendChoice = this.#backend): Promise<void> {
    this.#backend = choice;
    this.#choice.value = choice;
    this.notice.hide("engine");
    this.#panel.show({ phase: "loading", step: "engine", done: 0, total: undefined }, choice);
    try {
      const engine = await this.#begin(choice);
      // Another call came in between.
      if (!engine) return;
      this.#panel.show({ phase: "ready", engine }, choice);
      for (const name of [engine.variant, ...(this.#work.modules ?? [])]) void keepVariant(name);
      await this.work();
    } catch (error) {
      this.#panel.show({ phase: "failed", error }, choice);
      this.fail(error);
    }
  }

  /** Works and draws. What changes meanwhile is worked on once more afterwards. */
  async work(): Promise<void> {
    this.#again = true;
    if (this.#working) return;
    this.#working = true;
    this.#main.dataset.busy = "true";
    try {
      for (let made = this.#made; this.#again && made !== undefined; made = this.#made) {
        this.#again = false;
        const draw = await this.#work.run(made).catch((error: unknown) => {
          // Nobody waits for an engine that was replaced.
          if (made === this.#made) throw error;
          return undefined;
        });
        if (made === this.#made) draw?.();
      }
    } catch (error) {
      this.fail(error);
    } finally {
      this.#working = false;
      this.#main.dataset.busy = "false";
    }
  }

  /** Says what went wrong, and offers the way on. */
  fail(error: unknown): void {
    const retry = { label: "Try again", run: () => void this.start() };
    this.notice.show("engine", this.#explain(error, retry));
  }

  #explain(error: unknown, retry: Notice["actions"][number]): Notice {
    if (error instanceof StriateError) {
      return explainEngine(error, { useWasm: () => void this.start("wasm") }, retry);
    }
    const text = error instanceof Error ? error.message : String(error);
    return { title: this.#work.unexpected, text, actions: [retry] };
  }

  async #begin(backend: BackendChoice): Promise<EngineInfo | undefined> {
    this.#starting.abort();
    const starting = new AbortController();
    this.#starting = starting;
    this.#engine?.dispose();
    this.#engine = undefined;
    this.#made = undefined;
    const { threads, softwareAdapter } = this.#settings;
    try {
      const engine = await striate({
        edition: this.#work.edition ?? "models",
        backend,
        allowSoftwareAdapter: softwareAdapter,
        signal: starting.signal,
        ...(threads ? { threads } : {}),
      });
      this.#engine = engine;
      for (const event of ["devicelost", "restart"] as const) {
        engine.addEventListener(event, () => this.#panel.mention(event));
      }
      const made = await this.#work.make(engine, starting.signal);
      if (starting.signal.aborted) return undefined;
      this.#made = made;
      return engine.info;
    } catch (error) {
      if (starting.signal.aborted) return undefined;
      throw error;
    }
  }
}
