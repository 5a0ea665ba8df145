// Keras' `compile`, `fit`, `evaluate` and the rest, on the page's side: what needs to be decided between the steps.

import { failure, throwIfAborted } from "../errors.js";
import type { Model } from "../model.js";
import type { TensorInfo } from "../types.js";
import { formOf } from "../vision/inputs.js";
import type { BoxForm } from "../vision/types.js";
import type { Augmentation } from "./augment.js";
import type { Callback, Logs, TrainingContext } from "./callbacks.js";
import { type CompileOptions, compileJson } from "./compile.js";
import { Dataset } from "./dataset.js";
import { type Feed, feedOf, type Place } from "./feed.js";
import type { Augmenting } from "./loop.js";
import { type ClassWeight, type Samples, samplesOf, splitOff, type TrainingData } from "./samples.js";

/** Samples that are run at once by default. */
const BATCH_SIZE = 32;

/** Options of {@link Model.fit}. */
export interface FitOptions {
  /** How often all samples are gone through. Default 1. */
  epochs?: number;
  /** The number of the first epoch, to go on from an earlier training. Default 0. */
  initialEpoch?: number;
  /** Samples of a step. Default 32. Datasets may be batched already. */
  batchSize?: number;
  /** Steps of an epoch; the next goes on where it ended. Default: all samples. */
  stepsPerEpoch?: number;
  /** What to evaluate on after each epoch. */
  validationData?: TrainingData | Dataset;
  /** Uses the last share of the arrays to evaluate on. */
  validationSplit?: number;
  /** Arrays are gone through in another order each epoch. Default `true`. (Datasets have `shuffle()`.) */
  shuffle?: boolean;
  /** Decides the orders. Default: the model's seed. */
  seed?: number;
  /**
   * Changes the pictures of the first input, each time in another way that follows from the seed. Labels of pixels move
   * along, and so do {@link FitOptions.boxes}. What is validated with stays as it is.
   */
  augment?: readonly Augmentation[];
  /**
   * Labels that are boxes, and what their numbers are, by output (one output: the form alone). In parts of the picture, 0 to 1,
   * `[batch, 4]` or `[batch, boxes, 4]`. `augment` moves them, cuts them off at the edge, and sets those that have left the
   * picture to zeros; a sample whose only box is gone does not count for this output.
   */
  boxes?: BoxForm | { readonly [output: string]: BoxForm };
  /** How much samples count by their class. */
  classWeight?: ClassWeight;
  /** What happens between the steps. */
  callbacks?: Callback | readonly Callback[];
  /** Stops between two steps; the model stays as far as it has come. */
  signal?: AbortSignal;
  /** 1 writes a line for each epoch to the console. Default 0. */
  verbose?: 0 | 1;
  /** Callbacks learn of every so many steps. Default: as it comes, in a worker about ten times a second. */
  logEvery?: number;
  /** Loss and metrics are read from the device for one step of so many: on a GPU the others need not wait. Default 1. */
  readEvery?: number;
}

/** What came of a {@link Model.fit}. */
export interface History {
  /** The epochs' numbers. */
  epoch: number[];
  /** Loss and metrics of each epoch, by Keras' names: `loss`, `accuracy`, `val_loss` ... */
  history: { [name: string]: number[] };
}

/** Options of {@link Model.evaluate}. */
export interface EvaluateOptions {
  /** Samples that run at once. Default 32. */
  batchSize?: number;
  /** At most so many batches. Default: all. */
  steps?: number;
  /** Gives up between two batches. */
  signal?: AbortSignal;
}

/** What training needs of the model. */
export interface Trainee {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly seed: number;
  /** Waits for its turn, then works. */
  call<T>(what: string, signal: AbortSignal | undefined, work: (place: Place) => Promise<T>): Promise<T>;
  /** Keeps a copy of the weights for the case that the engine has to restart. */
  remember(): Promise<void>;
}

/** A model's training. */
export class Training {
  readonly #model: Model;
  readonly #trainee: Trainee;
  /** What it was compiled for: a restart does it again. */
  #compiled: string | undefined;
  /** Rounds through arrays since then: each has an order of its own. */
  readonly #rounds = { count: 0 };
  #fitting = false;
  #inEpoch = false;
  /** Loss and metrics are summed up for one at a time: an epoch, an evaluation, a step. */
  #summing: Promise<unknown> = Promise.resolve();

  constructor(model: Model, trainee: Trainee) {
    this.#model = model;
    this.#trainee = trainee;
  }

  /** Does again what a restart undid. */
  async again({ life, handle }: Place): Promise<void> {
    const json = this.#compiled;
    if (json !== undefined) await life.call((host) => host.compile(handle.id, json));
  }

  async compile(options: CompileOptions): Promise<void> {
    this.#idle("compile", this.#fitting);
    const json = compileJson(options);
    await this.#trainee.call("compile", undefined, ({ life, handle }) =>
      life.call((host) => host.compile(handle.id, json)),
    );
    this.#compiled = json;
    this.#rounds.count = 0;
  }

  async fit(data: TrainingData | Dataset, options: FitOptions = {}): Promise<History> {
    this.#idle("fit", this.#fitting);
    this.#fitting = true;
    const feeds: { close(): void }[] = [];
    try {
      return await this.#fit(data, options, feeds);
    } catch (error) {
      // The model stays as far as it has come, over a restart too; whoever stopped it need not wait for that.
      void this.#trainee.remember().catch(() => {});
      throw error;
    } finally {
      this.#fitting = false;
      for (const feed of feeds) feed.close();
    }
  }

  async #fit(data: TrainingData | Dataset, options: FitOptions, feeds: { close(): void }[]): Promise<History> {
    const { epochs = 1, initialEpoch = 0, batchSize = BATCH_SIZE, signal, verbose = 0 } = options;
    for (const name of ["epochs", "stepsPerEpoch", "logEvery", "readEvery"] as const) {
      const value = options[name];
      if (value !== undefined && !(Number.isInteger(value) && value >= 1)) {
        throw failure("invalid", `\`${name}\` is a whole number from 1`, { received: String(value) });
      }
    }
    throwIfAborted(signal, "fit");
    const [train, validation] = this.#data(data, options);
    feeds.push(train, ...(validation ? [validation] : []));
    const steps = options.stepsPerEpoch ?? train.steps;
    const callbacks = [options.callbacks ?? []].flat();
    let stopped = false;
    const context: TrainingContext = {
      model: this.#model,
      params: { epochs, steps, batchSize },
      stopTraining: () => {
        stopped = true;
      },
    };
    const tell = async (event: (callback: Callback) => void | Promise<void>) => {
      for (const callback of callbacks) await event(callback);
      throwIfAborted(signal, "fit");
    };
    const history: History = { epoch: [], history: {} };
    let logs: Logs = {};
    await tell((callback) => callback.onTrainBegin?.(context));
    const { augment = [], seed = this.#trainee.seed } = options;
    const boxes = boxOutputs(options.boxes, this.#trainee.outputs);
    const augmenting = augment.length > 0 ? { json: JSON.stringify({ seed, steps: augment }), boxes } : undefined;
    const run = new Run(this.#trainee, signal, augmenting);
    feeds.push(run);
    for (let epoch = initialEpoch; epoch < epochs && !stopped; epoch++) {
      await tell((callback) => callback.onEpochBegin?.(epoch, context));
      const start = performance.now();
      logs = await this.#alone(async () => {
        this.#inEpoch = true;
        const logs = await run.round("fit", train, {
          steps: options.stepsPerEpoch,
          logEvery: options.logEvery,
          readEvery: options.readEvery ?? 1,
          onSteps: async (step, logs) => {
            await tell((callback) => callback.onTrainBatchEnd?.(step - 1, { ...logs }, context));
            return stopped;
          },
        });
        if (validation) {
          await tell((callback) => callback.onTestBegin?.(context));
          const found = await run.round("evaluate", validation, { steps: undefined, readEvery: 1 });
          await tell((callback) => callback.onTestEnd?.({ ...found }, context));
          for (const [name, value] of Object.entries(found)) logs[`val_${name}`] = value;
        }
        return logs;
      }).finally(() => {
        this.#inEpoch = false;
      });
      await tell((callback) => callback.onEpochEnd?.(epoch, logs, context));
      history.epoch.push(epoch);
      for (const [name, value] of Object.entries(logs)) {
        history.history[name] ??= [];
        history.history[name].push(value);
      }
      if (verbose) console.log(line(epoch, epochs, logs, performance.now() - start));
    }
    await tell((callback) => callback.onTrainEnd?.(logs, context));
    await this.#trainee.remember();
    return history;
  }

  async evaluate(data: TrainingData | Dataset, options: EvaluateOptions = {}): Promise<Logs> {
    this.#idle("evaluate", this.#inEpoch);
    const { batchSize = BATCH_SIZE, signal, steps } = options;
    const feed = feedOf(data, this.#trainee.inputs, this.#trainee.outputs, { batchSize });
    const run = new Run(this.#trainee, signal);
    try {
      return await this.#alone(() => run.round("evaluate", feed, { steps, readEvery: 1 }));
    } finally {
      feed.close();
    }
  }

  /** One step, or the evaluation of one batch. */
  async once(train: boolean, data: TrainingData, classWeight?: ClassWeight): Promise<Logs> {
    const what = train ? "trainOnBatch" : "testOnBatch";
    this.#idle(what, this.#inEpoch);
    const { inputs, outputs } = this.#trainee;
    const samples = samplesOf(data, inputs, outputs, classWeight);
    const work = async ({ life, handle }: Place) => {
      await life.call((host) => host.resetLogs(handle.id));
      const sent = life.handSamples([samples]);
      const limit = { steps: 1, milliseconds: Number.POSITIVE_INFINITY, from: 0, readEvery: 1, seen: 0 };
      const ask = life.call((host) => (train ? host.train(handle.id, sent, limit) : host.test(handle.id, sent, limit)));
      return (await ask).logs;
    };
    return this.#alone(() => this.#trainee.call(what, undefined, work));
  }

  /** Waits for whoever sums up, then works. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#summing.then(work);
    this.#summing = result.catch(() => {});
    return result;
  }

  #data(data: TrainingData | Dataset, options: FitOptions): [Feed, Feed | undefined] {
    const { inputs, outputs, seed: modelSeed } = this.#trainee;
    const { batchSize = BATCH_SIZE, shuffle = true, seed = modelSeed, validationSplit, classWeight } = options;
    let train: TrainingData | Dataset | Samples = data;
    let validation: TrainingData | Dataset | Samples | undefined = options.validationData;
    if (validationSplit !== undefined) {
      if (data instanceof Dataset) {
        throw failure("invalid", "`validationSplit` is for arrays: a dataset has split()");
      }
      // Classes weigh nothing in validation.
      const share = (weight?: ClassWeight) => splitOff(samplesOf(data, inputs, outputs, weight), validationSplit);
      train = share(classWeight)[0];
      validation = share()[1];
    }
    const order = { seed: shuffle ? seed : undefined, rounds: this.#rounds };
    const feed = feedOf(train, inputs, outputs, { batchSize, classWeight, ...order });
    return [feed, validation && feedOf(validation, inputs, outputs, { batchSize })];
  }

  #idle(what: string, busy: boolean): void {
    if (busy) throw failure("invalid", `${what}() cannot run in the midst of a fit: wait for it, or stop it`);
  }
}

/** How a round goes. */
interface RoundOptions {
  steps: number | undefined;
  readEvery: number;
  logEvery?: number | undefined;
  /** Is told of steps done; `true` ends the round. */
  onSteps?: (steps: number, logs: Logs) => Promise<boolean>;
}

/** Rounds of one fit or evaluation; all of them in one life of the engine. */
class Run {
  readonly #trainee: Trainee;
  readonly #signal: AbortSignal | undefined;
  #life: Place["life"] | undefined;
  /** A feed goes on where the round before ended. */
  #midway = false;
  /** Samples trained on so far. */
  #seen = 0;
  readonly #augment: { json: string; boxes: Augmenting["boxes"] } | undefined;
  #augmenter: number | undefined;

  constructor(
    trainee: Trainee,
    signal: AbortSignal | undefined,
    augment?: { json: string; boxes: Augmenting["boxes"] },
  ) {
    this.#trainee = trainee;
    this.#signal = signal;
    this.#augment = augment;
  }

  /** Lets go of what it has in the engine. */
  close(): void {
    if (this.#augmenter !== undefined) this.#life?.shut(this.#augmenter);
  }

  /** All batches, or so many steps; loss and metrics over them. */
  async round(what: "fit" | "evaluate", feed: Feed, options: RoundOptions): Promise<Logs> {
    const { steps = Number.POSITIVE_INFINITY, logEvery = Number.POSITIVE_INFINITY, readEvery, onSteps } = options;
    const train = what === "fit";
    const [begin, resume] = [!(train && this.#midway), train && options.steps !== undefined];
    await this.#turn(what, async (place) => {
      await place.life.call((host) => host.resetLogs(place.handle.id));
      const steps = this.#augment;
      if (steps) this.#augmenter ??= await place.life.call((host) => host.augmenter(steps.json, steps.boxes));
      if (begin) await feed.begin(place);
    });
    let [done, told, fruitless] = [0, 0, false];
    let logs: Logs = {};
    this.#midway = false;
    while (done < steps) {
      const most = Math.min(steps - done, logEvery - (done - told));
      const augmenter = train ? this.#augmenter : undefined;
      const chunk = { train, steps: most, from: done, readEvery, seen: this.#seen, augmenter };
      const ran = await this.#turn(what, (place) => feed.run(place, chunk));
      done += ran.steps;
      if (train) this.#seen += ran.samples;
      if (ran.steps > 0) logs = ran.logs;
      fruitless = ran.steps > 0 ? false : fruitless;
      const due = logEvery === Number.POSITIVE_INFINITY || done - told >= logEvery || ran.done || done >= steps;
      if (ran.steps > 0 && due) {
        told = done;
        if (await onSteps?.(done, logs)) break;
      }
      if (ran.done) {
        if (!resume || done >= steps || fruitless) break;
        // So many steps were asked for: the samples are gone through once more.
        fruitless = true;
        await this.#turn(what, (place) => feed.begin(place));
      } else {
        this.#midway = resume;
      }
      if (!train || done < steps) await this.#breathe();
    }
    if (done === 0) {
      throw failure("invalid", "the data had no batches: what can be gone through only once is used up after an epoch");
    }
    if (train) {
      await this.#turn(what, ({ life, handle }) => life.call((host) => host.sync(handle.id)));
    }
    return logs;
  }

  #turn<T>(what: string, work: (place: Place) => Promise<T>): Promise<T> {
    return this.#trainee.call(what, this.#signal, (place) => {
      this.#life ??= place.life;
      if (place.life !== this.#life) {
        throw failure("internal", "the engine had to restart: what this training did is lost");
      }
      return work(place);
    });
  }

  /** In place: lets the page do something between two steps. */
  async #breathe(): Promise<void> {
    if (!this.#life?.info?.worker) await pause();
  }
}

/** The outputs whose labels are boxes, with the number of their form. */
function boxOutputs(boxes: FitOptions["boxes"], outputs: readonly TensorInfo[]): Augmenting["boxes"] {
  if (boxes === undefined) return [];
  const names = outputs.map(({ name }) => name);
  if (typeof boxes === "string" && outputs.length > 1) {
    throw failure("invalid", "`boxes` is by output: which labels are boxes?", { expected: names.join(", ") });
  }
  const byName = typeof boxes === "string" ? { [names[0] as string]: boxes } : boxes;
  return Object.entries(byName).map(([name, form]) => {
    const output = names.indexOf(name);
    if (output < 0) {
      throw failure("invalid", "`boxes` names no output", { expected: names.join(", "), received: name });
    }
    return [output, formOf(form)];
  });
}

/** A turn of the event loop: timers would wait 4 ms, and `scheduler.yield()` lets no timer in between. */
function pause(): Promise<void> {
  const { setImmediate } = globalThis as { setImmediate?(done: () => void): void };
  return new Promise((resolve) => {
    if (setImmediate) return void setImmediate(resolve);
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

function line(epoch: number, epochs: number, logs: Logs, milliseconds: number): string {
  const values = Object.entries(logs).map(([name, value]) => `${name}: ${Number(value.toPrecision(4))}`);
  return `Epoch ${epoch + 1}/${epochs} - ${(milliseconds / 1000).toFixed(1)} s - ${values.join(" - ")}`;
}
