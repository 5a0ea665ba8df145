import { failure } from "../errors.js";
import type { ImageSource, PredictOptions, TensorOutput } from "../types.js";
import type { ImageInput } from "./input.js";
import type { Seen, Viewer } from "./look.js";

/** A class with its score. */
export interface Classification {
  /** What it is, in words; the class' number where there are no labels. */
  label: string;
  /** What it is, as the network counts. */
  class: number;
  /** How sure the network is. */
  score: number;
}

/** Options of a {@link Classifier}. */
export interface ClassifierHead {
  /** How the network wants its pictures. */
  input?: ImageInput;
  /** Names of the classes. */
  labels?: readonly string[];
  /** The network ends in logits: a softmax makes scores of them. Default `false`. */
  logits?: boolean;
  /** Where the scores are, by name. Default: the first output. */
  output?: string;
}

/** Options of {@link Classifier.classify}. */
export interface ClassifyOptions extends PredictOptions {
  /** How many classes, best first. Default 5. */
  topK?: number;
}

/** Says what a picture shows. Made by `engine.models`, or around a network of one's own. */
export class Classifier<V extends Viewer = Viewer> {
  /** The network. */
  readonly net: V;
  /** Names of the classes. */
  readonly labels: readonly string[];
  readonly #head: ClassifierHead;

  constructor(net: V, head: ClassifierHead = {}) {
    this.net = net;
    this.labels = head.labels ?? [];
    this.#head = head;
  }

  /** How the network wants its pictures: for {@link Viewer.predictImage}, or to prepare pictures for training. */
  get input(): ImageInput {
    return this.#head.input ?? {};
  }

  /** The classes that the picture shows, most likely first. */
  async classify(
    source: ImageSource,
    options: ClassifyOptions = {},
  ): Promise<Classification[] & { timings: Seen["timings"] }> {
    const { topK: count = 5, signal } = options;
    const { outputs, timings } = await this.net.predictImage(source, this.input, signal ? { signal } : {});
    const output = outputNamed(outputs, this.#head.output);
    const scores = this.#head.logits ? softmax(output.data) : output.data;
    const { labels } = this;
    if (labels.length > 0 && labels.length !== scores.length) {
      throw failure("shape-mismatch", "the labels do not fit the network", {
        layer: output.name,
        expected: `${scores.length} classes`,
        received: `${labels.length} labels`,
      });
    }
    const best = topK(scores, count).map((at) => ({
      label: labels[at] ?? String(at),
      class: at,
      score: scores[at] as number,
    }));
    return Object.assign(best, { timings });
  }
}

/** The output of this name, or the first. */
export function outputNamed(outputs: readonly TensorOutput[], name: string | undefined): TensorOutput {
  const found = name === undefined ? outputs[0] : outputs.find((output) => output.name === name);
  if (found) return found;
  throw failure("invalid", `the network has no output named "${name}"`, {
    expected: outputs.map((output) => output.name).join(", "),
  });
}

/** Where the `count` largest scores are, the largest first; of equals the first. */
export function topK(scores: ArrayLike<number>, count: number): number[] {
  const order = Array.from(scores, (_, i) => i);
  order.sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b);
  return order.slice(0, Math.max(0, count));
}

/** Scores that add up to 1. */
export function softmax(logits: ArrayLike<number>): Float32Array<ArrayBuffer> {
  const top = Array.from(logits).reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const scores = Float32Array.from(logits, (x) => Math.exp(x - top));
  const sum = scores.reduce((a, b) => a + b, 0);
  return scores.map((x) => x / sum);
}
