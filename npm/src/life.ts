import { proxy, type Remote, releaseProxy, transfer, wrap } from "comlink";
import type { HostOptions } from "./begin.js";
import { errorFrom, failure } from "./errors.js";
import type { Host, ModelHandle, NetHandle, Reply } from "./host.js";
import type { Frame } from "./image.js";
import type { KerasBytes } from "./keras/source.js";
import type { CustomLayer, LoadModelOptions } from "./keras/types.js";
import type { Model } from "./models.js";
import type { Column, Samples } from "./training/samples.js";
import type { EngineInfo, LoadOptions, OnProgress, TensorData } from "./types.js";

const WORKER_HINT =
  "Serve the package's worker.js as JavaScript from this site, name its folder with the option `assets`, allow it in the Content-Security-Policy (worker-src), or pass worker: false";

/**
 * One life of the engine's inside, in a worker or in place. A fault that breaks the WebAssembly instance ends a life;
 * the engine then begins another.
 */
export class Life {
  /** What this life runs on. */
  info: EngineInfo | undefined;
  /** It ended by a fault or by disposal. */
  ended = false;
  /** GPUs lost so far. */
  losses = 0;

  #host: Host | Remote<Host>;
  #worker: Worker | undefined;
  /** Why it ended. */
  #end: Error | undefined;
  /** Calls in flight, which fail with it. */
  readonly #waiting = new Set<(why: Error) => void>();

  private constructor(host: Host | Remote<Host>, worker: Worker | undefined) {
    this.#host = host;
    this.#worker = worker;
    worker?.addEventListener("error", (event) => {
      const detail = event.message ? `: ${event.message}` : "";
      const error = this.info
        ? failure("internal", `the engine's worker stopped${detail}`)
        : failure("network", `the worker did not start${detail}. ${WORKER_HINT}`);
      this.end(error);
    });
  }

  /** Begins a life. */
  static async begin(worker: boolean, options: HostOptions, onProgress: OnProgress | undefined): Promise<Life> {
    const life = worker ? Life.#elsewhere(options.assets) : await Life.#here();
    try {
      const info = await life.call((host) => host.start(options, life.#callback(onProgress)));
      life.info = { ...info, worker };
      return life;
    } catch (error) {
      life.end();
      throw error;
    }
  }

  static #elsewhere(assets: string | undefined): Life {
    const worker = startWorker(assets);
    return new Life(wrap<Host>(worker), worker);
  }

  /** In place: fetched only now, since most pages leave it to the worker. */
  static async #here(): Promise<Life> {
    const { Host } = await import("./host.js");
    return new Life(new Host(), undefined);
  }

  /** Asks the host for something; its error becomes an exception. */
  async call<T>(ask: (host: Host) => Promise<Reply<T>>): Promise<T> {
    const reply = await this.#unlessEnded(ask);
    this.losses = reply.losses;
    if (reply.ok) return reply.value;
    if (reply.fatal) this.end(failure("internal", "the engine stopped during another call: try again"));
    throw errorFrom(reply.error);
  }

  /**
   * Fails when the life ends. (A race against one promise for the whole life would keep every call's result until then:
   * a promise never forgets whom it is to tell.)
   */
  #unlessEnded<T>(ask: (host: Host) => Promise<T>): Promise<T> {
    if (this.#end) return Promise.reject(this.#end);
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      // Comlink's proxy has the host's own asynchronous methods.
      const work = ask(this.#host as Host);
      work.then(resolve, reject).finally(() => this.#waiting.delete(reject));
    });
  }

  /** Hands a model over. */
  load(file: Model, { outputs, inputShapes, onProgress }: LoadOptions): Promise<NetHandle> {
    const { format, model, weights, external } = this.#handed(file);
    const options = { outputs, inputShapes, external };
    return this.call((host) => host.load(format, model, weights, options, this.#callback(onProgress)));
  }

  /** Hands a model over that becomes layers. */
  raise(file: Model, { outputs, inputShapes }: LoadModelOptions, seed: number): Promise<ModelHandle> {
    const { format, model, weights, external } = this.#handed(file);
    return this.call((host) => host.raise(format, model, weights, { outputs, inputShapes, external }, seed));
  }

  /** To a worker go a model's own buffers, if striate may give them away. */
  #handed(file: Model): Model {
    const { model, weights, owned } = file;
    if (this.#worker && owned)
      transfer(weights, [...new Set([model, ...weights].map((part) => part.buffer as ArrayBuffer))]);
    return file;
  }

  /** Opens one of Keras' files. */
  openKeras(file: KerasBytes, classes: string[]): Promise<{ id: number; layers: CustomLayer[] }> {
    const { bytes, json, owned } = file;
    const parts = json ? [bytes, json] : [bytes];
    if (this.#worker && owned) transfer(file, [...new Set(parts.map((part) => part.buffer as ArrayBuffer))]);
    return this.call((host) => host.openKeras(file, classes));
  }

  /** Tensors for a call: to a worker goes a copy of just their elements, whatever else their memory holds. */
  hand<T extends { data: TensorData }>(tensors: T[]): T[] {
    if (!this.#worker) return tensors;
    const copies = tensors.map((tensor) => ({ ...tensor, data: tensor.data.slice() }));
    return transfer(
      copies,
      copies.map(({ data }) => data.buffer as ArrayBuffer),
    );
  }

  /** As {@link Life.hand}, for samples. */
  handSamples(list: Samples[]): Samples[] {
    if (!this.#worker) return list;
    const buffers: ArrayBuffer[] = [];
    const copy = ({ data, shape }: Column): Column => {
      const copied = data.slice();
      buffers.push(copied.buffer as ArrayBuffer);
      return { data: copied, shape };
    };
    const copies = list.map(({ size, x, y, weights }) => ({
      size,
      x: x.map(copy),
      y: y.map((column) => column && copy(column)),
      weights: weights.map((column) => column && copy(column)),
    }));
    return transfer(copies, buffers);
  }

  /** Lets go of samples to train on, of augmentations, or of an open file. */
  shut(id: number): void {
    if (!this.ended) void this.#host.shut(id);
  }

  /** Makes a frame go to the worker and not be copied. */
  send(frame: Frame): Frame {
    return this.#worker && frame.owned ? transfer(frame, [frame.image as Transferable]) : frame;
  }

  /** Lets go of a network. */
  free(id: number): void {
    if (!this.ended) void this.#host.free(id);
  }

  /** Ends this life; what is in flight fails. */
  end(why: Error = failure("invalid", "the engine was disposed of")): void {
    if (this.ended) return;
    this.ended = true;
    this.#end = why;
    for (const reject of this.#waiting) reject(why);
    this.#waiting.clear();
    if (this.#worker) {
      (this.#host as Remote<Host>)[releaseProxy]();
      this.#worker.terminate();
    }
  }

  /** Ends this life in good order. */
  dispose(): void {
    if (!this.ended && !this.#worker) (this.#host as Host).dispose();
    this.end();
  }

  #callback(onProgress: OnProgress | undefined): OnProgress | undefined {
    return onProgress && this.#worker ? proxy(onProgress) : onProgress;
  }
}

function startWorker(assets: string | undefined): Worker {
  try {
    // Written out so that bundlers see it.
    if (!assets) return new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "striate" });
    const url = new URL("worker.js", assets);
    if (url.origin === location.origin) return new Worker(url, { type: "module", name: "striate" });
    // A worker must come from this site, but may import from another.
    const blob = new Blob([`import ${JSON.stringify(url.href)};`], { type: "text/javascript" });
    return new Worker(URL.createObjectURL(blob), { type: "module", name: "striate" });
  } catch (cause) {
    throw failure(
      "network",
      `the worker did not start: ${(cause as Error).message}. Pass worker: false to do without`,
      {
        cause,
      },
    );
  }
}
