import { failure } from "../errors.js";
import type { ImageSource, PredictOptions } from "../types.js";
import type { ImageInput } from "./input.js";
import type { Viewer } from "./look.js";

/** Says what a picture is like, in numbers: pictures of like things have like numbers. */
export class FeatureExtractor<V extends Viewer = Viewer> {
  /** The network. */
  readonly net: V;
  /** How the network wants its pictures. */
  readonly input: ImageInput;

  constructor(net: V, { input = {} }: { input?: ImageInput } = {}) {
    this.net = net;
    this.input = input;
  }

  /** The features of a picture. */
  async features(source: ImageSource, options: PredictOptions = {}): Promise<Float32Array<ArrayBuffer>> {
    const { outputs } = await this.net.predictImage(source, this.input, options);
    const data = outputs[0]?.data;
    if (data instanceof Float32Array) return data;
    throw failure("unsupported", "the network's first output is no floats", { received: outputs[0]?.dtype });
  }
}

/** How alike two lists of features are: the cosine of the angle between them, 1 for the same direction. */
export function cosineSimilarity(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) {
    throw failure("shape-mismatch", "only as many features can be compared", {
      expected: String(a.length),
      received: String(b.length),
    });
  }
  let [product, left, right] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] as number, b[i] as number];
    product += x * y;
    left += x * x;
    right += y * y;
  }
  return left > 0 && right > 0 ? product / Math.sqrt(left * right) : 0;
}
