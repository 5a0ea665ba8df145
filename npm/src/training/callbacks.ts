// What happens between the steps: callbacks, with Keras' names.

import { failure } from "../errors.js";
import { snake } from "../layers/arguments.js";
import type { Model, WeightValue } from "../model.js";
import { indexedDb, type WeightStore } from "./store.js";

/** Loss and metrics by Keras' names: `loss`, `accuracy`, `val_loss` ... A callback may add its own. */
export interface Logs {
  [name: string]: number;
}

/** What a callback can learn of and do to the training that it watches. */
export interface TrainingContext {
  /** The model. Between epochs it can be used in any way; during one, predict and read or set weights. */
  readonly model: Model;
  /** What was asked for. */
  readonly params: { readonly epochs: number; readonly steps: number | undefined; readonly batchSize: number };
  /** Ends the training after this step, as if it had been the last. */
  stopTraining(): void;
}

type Done = void | Promise<void>;

/** What to do when; all of it may be asynchronous and is waited for. */
export interface Callback {
  onTrainBegin?(context: TrainingContext): Done;
  onEpochBegin?(epoch: number, context: TrainingContext): Done;
  /**
   * Some steps are done; `batch` counts those of the epoch, from 0. Not every step: in a worker about ten times a second,
   * or as `logEvery` says.
   */
  onTrainBatchEnd?(batch: number, logs: Logs, context: TrainingContext): Done;
  onTestBegin?(context: TrainingContext): Done;
  onTestEnd?(logs: Logs, context: TrainingContext): Done;
  /** `epoch` counts from 0; the logs have `val_` values where there is data to validate with. */
  onEpochEnd?(epoch: number, logs: Logs, context: TrainingContext): Done;
  onTrainEnd?(logs: Logs, context: TrainingContext): Done;
}

/** A value that is to get better. */
export interface MonitorOptions {
  /** Its name in the logs. Default `"val_loss"`. */
  monitor?: string;
  /** Which direction is better. Default `"auto"`: by the name. */
  mode?: "auto" | "min" | "max";
  /** Better is better by more than this. */
  minDelta?: number;
}

const RISING = [
  "acc",
  "auc",
  "precision",
  "recall",
  "iou",
  "io_u",
  "score",
  "true_",
  "specificity",
  "sensitivity",
  "similarity",
];
const FALLING = ["loss", "error", "false_positives", "false_negatives"];

/** Watches a value. */
class Monitor {
  readonly name: string;
  readonly #sign: 1 | -1;
  readonly #minDelta: number;
  best: number | undefined;

  constructor(owner: string, { monitor = "val_loss", mode = "auto", minDelta }: MonitorOptions, delta: number) {
    this.name = snake(monitor);
    if (!["auto", "min", "max"].includes(mode)) {
      throw failure("invalid", "no such mode", { layer: owner, expected: "auto, min, max", received: String(mode) });
    }
    const rises = RISING.some((part) => this.name.includes(part)) && !FALLING.some((part) => this.name.includes(part));
    this.#sign = mode === "max" || (mode === "auto" && rises) ? 1 : -1;
    this.#minDelta = Math.abs(minDelta ?? delta);
  }

  /** The value in these logs. */
  value(logs: Logs, owner: string): number {
    const value = logs[this.name];
    if (value !== undefined) return value;
    throw failure("invalid", `${owner} watches a value that is not in the logs`, {
      expected: Object.keys(logs).join(", "),
      received: this.name,
    });
  }

  better(value: number, than: number | undefined): boolean {
    return than === undefined ? !Number.isNaN(value) : this.#sign * (value - than) > this.#minDelta;
  }
}

/** Options of {@link earlyStopping}. */
export interface EarlyStoppingOptions extends MonitorOptions {
  /** Epochs without anything better before it stops. Default 0. */
  patience?: number;
  /** Nothing below this counts as better. */
  baseline?: number;
  /** Epochs at the start that do not count. Default 0. */
  startFromEpoch?: number;
  /** Puts the weights of the best epoch back at the end. Default `false`. */
  restoreBestWeights?: boolean;
}

/** An {@link earlyStopping} callback. */
export interface EarlyStopping extends Callback {
  /** The epoch that was best, from 0. */
  readonly bestEpoch: number | undefined;
  /** The epoch that it stopped after, from 0. */
  readonly stoppedEpoch: number | undefined;
}

/** Stops when a value has not got better for some epochs. */
export function earlyStopping(options: EarlyStoppingOptions = {}): EarlyStopping {
  const { patience = 0, baseline, startFromEpoch = 0, restoreBestWeights = false } = options;
  let monitor = new Monitor("earlyStopping", options, 0);
  let wait = 0;
  let bestEpoch: number | undefined;
  let stoppedEpoch: number | undefined;
  let weights: Record<string, WeightValue> | undefined;
  return {
    get bestEpoch() {
      return bestEpoch;
    },
    get stoppedEpoch() {
      return stoppedEpoch;
    },
    onTrainBegin() {
      monitor = new Monitor("earlyStopping", options, 0);
      wait = 0;
      bestEpoch = stoppedEpoch = weights = undefined;
    },
    async onEpochEnd(epoch, logs, context) {
      const value = monitor.value(logs, "earlyStopping");
      if (epoch < startFromEpoch) return;
      const better = monitor.better(value, monitor.best);
      // Were nothing ever better, the first would be the best.
      if (better || bestEpoch === undefined) {
        bestEpoch = epoch;
        if (restoreBestWeights) weights = await context.model.getWeights();
      }
      wait++;
      if (better) {
        monitor.best = value;
        // The wait begins anew only when the baseline is beaten too.
        if (baseline === undefined || monitor.better(value, baseline)) wait = 0;
      } else if (wait >= patience && epoch > 0) {
        stoppedEpoch = epoch;
        context.stopTraining();
      }
    },
    async onTrainEnd(_, { model }) {
      if (weights) await model.setWeights(weights);
      weights = undefined;
    },
  };
}

/** Options of {@link reduceLROnPlateau}. */
export interface ReduceLROnPlateauOptions extends MonitorOptions {
  /** What the learning rate is multiplied by. Default 0.1. */
  factor?: number;
  /** Epochs without anything better before it falls. Default 10. */
  patience?: number;
  /** Epochs after a fall that do not count. Default 0. */
  cooldown?: number;
  /** It falls no lower. Default 0. */
  minLr?: number;
}

/** Lowers the learning rate when a value has not got better for some epochs; `minDelta` is 0.0001 by default. */
export function reduceLROnPlateau(options: ReduceLROnPlateauOptions = {}): Callback {
  const { factor = 0.1, patience = 10, cooldown = 0, minLr = 0 } = options;
  if (!(factor >= 0 && factor < 1)) {
    throw failure("invalid", "`factor` of reduceLROnPlateau must be below 1", { received: String(factor) });
  }
  let monitor = new Monitor("reduceLROnPlateau", options, 1e-4);
  let [wait, cooling] = [0, 0];
  return {
    onTrainBegin() {
      monitor = new Monitor("reduceLROnPlateau", options, 1e-4);
      [wait, cooling] = [0, 0];
    },
    async onEpochEnd(_, logs, { model }) {
      const value = monitor.value(logs, "reduceLROnPlateau");
      const rate = await model.getLearningRate();
      logs.learning_rate = rate;
      if (cooling > 0) {
        cooling--;
        wait = 0;
      }
      if (monitor.better(value, monitor.best)) {
        monitor.best = value;
        wait = 0;
      } else if (cooling === 0 && ++wait >= patience && rate > minLr) {
        await model.setLearningRate(Math.max(rate * factor, minLr));
        cooling = cooldown;
        wait = 0;
      }
    },
  };
}

/** Sets the learning rate at the start of every epoch, by the epoch (from 0) and the rate so far. */
export function learningRateScheduler(
  schedule: (epoch: number, learningRate: number) => number | Promise<number>,
): Callback {
  return {
    async onEpochBegin(epoch, { model }) {
      const rate = await schedule(epoch, await model.getLearningRate());
      if (typeof rate !== "number" || !Number.isFinite(rate)) {
        throw failure("invalid", "the function of learningRateScheduler gives a number", { received: String(rate) });
      }
      await model.setLearningRate(rate);
    },
    async onEpochEnd(_, logs, { model }) {
      logs.learning_rate = await model.getLearningRate();
    },
  };
}

/** Options of {@link modelCheckpoint}. */
export interface ModelCheckpointOptions extends MonitorOptions {
  /** The name under which weights are kept; each save replaces the one before. */
  key: string;
  /** Saves only when the value got better. Default `false`: after every epoch. */
  saveBestOnly?: boolean;
  /** Where. Default: `stores.indexedDb()`, which a browser keeps for this site, as it keeps `stores.opfs()`: in files. */
  store?: WeightStore;
}

/** Saves the weights after epochs. `model.setWeights((await store.get(key)).weights)` puts them back. */
export function modelCheckpoint(options: ModelCheckpointOptions): Callback {
  const { key, saveBestOnly = false } = options;
  const store = options.store ?? indexedDb();
  const monitor = new Monitor("modelCheckpoint", options, 0);
  return {
    async onEpochEnd(epoch, logs, { model }) {
      if (saveBestOnly) {
        const value = monitor.value(logs, "modelCheckpoint");
        if (!monitor.better(value, monitor.best)) return;
        monitor.best = value;
      }
      await store.set(key, { epoch, logs: { ...logs }, weights: await model.getWeights() });
    },
  };
}

/** Tells of progress: after some steps and after every epoch. */
export function progress(
  tell: (progress: { epoch: number; epochs: number; step: number; steps: number | undefined; logs: Logs }) => Done,
): Callback {
  let [epoch, step] = [0, 0];
  const report = (logs: Logs, { params: { epochs, steps } }: TrainingContext) =>
    tell({ epoch, epochs, step, steps, logs });
  return {
    onEpochBegin(now) {
      [epoch, step] = [now, 0];
    },
    onTrainBatchEnd(batch, logs, context) {
      step = batch + 1;
      return report(logs, context);
    },
    onEpochEnd: (_, logs, context) => report(logs, context),
  };
}
