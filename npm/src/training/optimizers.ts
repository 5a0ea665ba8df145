// How weights learn: Keras' optimizers. Defaults are Keras'; what is wrong or unknown is said by `compile`.

import { Spec } from "../layers/arguments.js";
import type { Schedule } from "./schedules.js";

/** An optimizer with arguments. */
export type OptimizerSpec = Spec<"optimizer">;

/** An optimizer by name, or one of `optimizers` with arguments. */
export type Optimizer =
  | "sgd"
  | "rmsprop"
  | "adam"
  | "adamw"
  | "adagrad"
  | "adadelta"
  | "nadam"
  | "adamax"
  | OptimizerSpec;

/** Options that every optimizer has. */
export interface OptimizerOptions {
  /** How far each step goes; or one of `schedules`. Default 0.001, of SGD 0.01. */
  learningRate?: number | Schedule;
  /** Step t, from 0, goes `learningRate / (1 + decay t)` far. */
  decay?: number;
  /** Takes this part (times the learning rate) off the weights at each step. */
  weightDecay?: number;
  /** The gradient of each weight is made no longer than this. */
  clipnorm?: number;
  /** No element of a gradient is larger than this. */
  clipvalue?: number;
  /** All gradients together are made no longer than this. */
  globalClipnorm?: number;
  /** Keeps a moving average of the weights. */
  useEma?: boolean;
  /** How much of the average stays at each step. Default 0.99. */
  emaMomentum?: number;
  /** After how many steps the average takes the weights' place, time and again. */
  emaOverwriteFrequency?: number;
  /** Updates only every so many steps, by the mean of their gradients. */
  gradientAccumulationSteps?: number;
}

/** Options with a small number against division by zero. */
export interface EpsilonOptions extends OptimizerOptions {
  /** Default 1e-7. */
  epsilon?: number;
}

/** Options of Adam and its kin. */
export interface AdamOptions extends EpsilonOptions {
  /** How much of the gradients' average stays. Default 0.9. */
  beta1?: number;
  /** How much of the squares' average stays. Default 0.999. */
  beta2?: number;
}

const make = (className: string, options: object = {}): OptimizerSpec => new Spec("optimizer", className, options);

/** Keras writes `beta_1`. */
const betas = ({ beta1, beta2, ...rest }: AdamOptions = {}): object => ({ ...rest, beta_1: beta1, beta_2: beta2 });

/** Gradient descent, with `momentum` (0) and, if asked for, Nesterov's look ahead. */
export const sgd = (options?: OptimizerOptions & { momentum?: number; nesterov?: boolean }): OptimizerSpec =>
  make("SGD", options);
/** Hinton 2012. */
export const rmsprop = (
  options?: EpsilonOptions & { rho?: number; momentum?: number; centered?: boolean },
): OptimizerSpec => make("RMSprop", options);
/** Kingma & Ba 2014. */
export const adam = (options?: AdamOptions & { amsgrad?: boolean }): OptimizerSpec => make("Adam", betas(options));
/** Adam with weight decay of its own, 0.004; Loshchilov & Hutter 2017. */
export const adamw = (options?: AdamOptions & { amsgrad?: boolean }): OptimizerSpec => make("AdamW", betas(options));
/** Duchi et al. 2011. */
export const adagrad = (options?: EpsilonOptions & { initialAccumulatorValue?: number }): OptimizerSpec =>
  make("Adagrad", options);
/** Zeiler 2012. */
export const adadelta = (options?: EpsilonOptions & { rho?: number }): OptimizerSpec => make("Adadelta", options);
/** Adam with Nesterov's momentum; Dozat 2015. */
export const nadam = (options?: AdamOptions): OptimizerSpec => make("Nadam", betas(options));
/** Adam with the largest gradient in place of the squares. */
export const adamax = (options?: AdamOptions): OptimizerSpec => make("Adamax", betas(options));
