import { type Engine, type LoadOptions, StriateError } from "striate";
import { type Action, type StateLine, shareOf } from "./state-line.ts";

/** What the pieces of the page are worked with: an engine, for as long as it is the one that was chosen. */
export interface Desk {
  readonly engine: Engine;
  readonly signal: AbortSignal;
}

/** What a piece asks of its page. */
export interface Hooks {
  /** The engine, if there is one. */
  desk(): Desk | undefined;
  /** Told of errors that are not a network's that does not come. */
  fail(error: unknown): void;
}

export type Loading = Required<Pick<LoadOptions, "signal" | "onProgress" | "cache">>;

/**
 * The network of one piece: loaded when it is first asked for, and again for another engine. One that does not come is said in the
 * piece's line; the other pieces work without it.
 */
export class OwnNetwork<N> {
  readonly #line: StateLine;
  readonly #load: (engine: Engine, loading: Loading) => Promise<N>;
  readonly #retry: () => void;
  #desk: Desk | undefined;
  #network: N | undefined;
  #failed = false;
  #loading = new AbortController();

  /** `retry` asks for it again, when the visitor wants to. */
  constructor(line: StateLine, load: (engine: Engine, loading: Loading) => Promise<N>, retry: () => void) {
    this.#line = line;
    this.#load = load;
    this.#retry = retry;
  }

  /** Lets go of it, so that it is loaded anew; a loading that is on its way is stopped, and nobody is given its network. */
  forget(): void {
    this.#loading.abort();
    this.#loading = new AbortController();
    this.#desk = undefined;
    this.#network = undefined;
    this.#failed = false;
  }

  /**
   * The network; nothing if it could not be loaded, or was forgotten meanwhile. A loading that `signal` stops is an error, as are the
   * engine's own; `cancel` is offered meanwhile.
   */
  async get(desk: Desk, signal: AbortSignal = desk.signal, cancel?: Action): Promise<N | undefined> {
    if (this.#desk === desk && (this.#network !== undefined || this.#failed)) return this.#network;
    this.forget();
    const forgotten = this.#loading.signal;
    let loading = true;
    this.#line.busy("Fetching the network …", undefined, cancel);
    try {
      const network = await this.#load(desk.engine, {
        signal: AbortSignal.any([signal, forgotten]),
        cache: true,
        onProgress: (progress) => {
          if (forgotten.aborted || !loading) return;
          const share = shareOf(progress);
          if (progress.stage === "download") this.#line.busy("Fetching the network …", share, cancel);
          else if (progress.stage === "compile") this.#line.busy("Preparing the network …", share, cancel);
        },
      });
      loading = false;
      if (forgotten.aborted) return undefined;
      this.#network = network;
      this.#line.clear();
    } catch (error) {
      loading = false;
      if (forgotten.aborted) {
        if (signal.aborted) throw error;
        return undefined;
      }
      // Stopped, or lost with the engine: not the network's fault.
      if (signal.aborted || desk.signal.aborted || isEngines(error)) {
        this.#line.clear();
        throw error;
      }
      this.#failed = true;
      const run = () => {
        this.forget();
        this.#retry();
      };
      this.#line.say(explain(error), { label: "Try again", run });
    }
    this.#desk = desk;
    return this.#network;
  }
}

/** Whether this is the engine's fault, and another engine the way on. */
export function isEngines(error: unknown): boolean {
  return error instanceof StriateError && error.code === "device-lost";
}

function explain(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof StriateError && error.code === "network")) return `The network cannot be used: ${message}`;
  if (!navigator.onLine) return "You are offline. The network is needed once; after that it works without.";
  return `The network could not be fetched: ${message}`;
}
