import { type Engine, input, layers, type Model, type SymbolicTensor } from "striate";
import { SIZE } from "./weights.ts";

/** A picture as the network takes it: red, green, blue from 0 to 1, row by row. */
export interface Pixels {
  readonly data: Float32Array;
  readonly width: number;
  readonly height: number;
}

/** One value for each pixel. */
export type FeatureMap = Float32Array;

export interface Result {
  /** One for each filter; then at each pixel the larger of them. */
  readonly maps: readonly FeatureMap[];
  readonly milliseconds: number;
}

/** The network: a convolution with two filters, and depth-wise max pooling behind it. Runs one picture at a time. */
export class Convolver {
  readonly #net: Model;

  private constructor(net: Model) {
    this.#net = net;
  }

  static async make(engine: Engine, signal: AbortSignal): Promise<Convolver> {
    const [photo, maps] = lines();
    const strongest = layers.depthMaxPool({ poolSize: 2 }).apply(maps);
    return new Convolver(await engine.model({ inputs: photo, outputs: [maps, strongest], signal }));
  }

  /** The maps of two filters, each given row by row. */
  async run({ data, width, height }: Pixels, filters: readonly (readonly number[])[]): Promise<Result> {
    const start = performance.now();
    await this.#net.setWeight("lines/kernel", kernel(filters));
    const [both, strongest] = await this.#net.predict({ data, shape: [1, height, width, 3] });
    if (both?.dtype !== "float32" || strongest?.dtype !== "float32") throw new Error("The network gave no maps.");
    const maps = [0, 1].map((map) => both.data.filter((_, i) => i % 2 === map));
    return { maps: [...maps, strongest.data], milliseconds: performance.now() - start };
  }
}

/** The layer of the textbook's first example: two filters, stride 1, SAME padding, over pictures of any size. */
function lines(): [photo: SymbolicTensor, maps: SymbolicTensor] {
  const photo = input({ shape: [null, null, 3] });
  const conv = layers.conv2d({ name: "lines", filters: 2, kernelSize: SIZE, padding: "same", useBias: false });
  return [photo, conv.apply(photo)];
}

/** The filters as Keras lays out a kernel: row, column, channel, filter. The three channels have the same weights. */
function kernel(filters: readonly (readonly number[])[]): Float32Array {
  const channels = 3;
  return Float32Array.from({ length: SIZE * SIZE * channels * filters.length }, (_, i) => {
    const place = Math.floor(i / (channels * filters.length));
    return filters[i % filters.length]?.[place] ?? 0;
  });
}
