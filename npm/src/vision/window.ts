import { failure, throwIfAborted } from "../errors.js";
import * as given from "./inputs.js";
import type { FloatTensor, TensorLike } from "./types.js";

/** What {@link slidingWindow} wants of a model: `Model` and anything like it. */
export interface Classifier {
  /** The first one says how large a window is. */
  readonly inputs: readonly { readonly shape: readonly (number | null)[] }[];
  /** Classifies a batch of windows. */
  predict(
    windows: { data: Float32Array<ArrayBuffer>; shape: number[] },
    options?: { batchSize?: number; signal?: AbortSignal },
  ): Promise<readonly { data: ArrayLike<number>; shape: readonly number[] }[]>;
}

/** Options of {@link slidingWindow}. */
export interface WindowOptions {
  /** Pixels from one window to the next, in both directions or down and across. */
  stride: number | readonly [down: number, across: number];
  /** Height and width of a window. Default: the model's input. */
  window?: readonly [height: number, width: number];
  /** Windows that are classified at once. Default: 32. */
  batchSize?: number;
  /** Stops the work between two batches. */
  signal?: AbortSignal;
}

/**
 * Classifies every window of an image `[height, width, channels]` (or a batch of one): `[rows, columns, classes]`. Windows lie
 * wholly inside the image.
 *
 * A network without padding gives the same answers, at the stride of its pooling, in one run over the whole image:
 * `model.toFullyConvolutional()`, which computes what windows share only once.
 */
export async function slidingWindow(
  model: Classifier,
  image: TensorLike,
  { stride, window, batchSize = 32, signal }: WindowOptions,
): Promise<FloatTensor> {
  const { data, shape } = given.tensor(image, "the image");
  const [height, width, channels] = (shape.length === 4 && shape[0] === 1
    ? shape.slice(1)
    : shape) as unknown as number[];
  if (
    shape.length < 3 ||
    shape.length > 4 ||
    !(height && width && channels) ||
    data.length !== height * width * channels
  ) {
    throw failure("shape-mismatch", "the image is one picture", {
      expected: "[height, width, channels] and as many numbers",
      received: `[${[...shape].join(", ")}] and ${data.length}`,
    });
  }
  const input = model.inputs[0]?.shape ?? [];
  const [h, w] = window ?? [input[1], input[2]];
  if (!h || !w) {
    throw failure("invalid", "the model takes images of any size: say in `window` how large a window is", {
      received: `[${input.map((size) => size ?? "?").join(", ")}]`,
    });
  }
  const [down, across] = (typeof stride === "number" ? [stride, stride] : stride).map((step) =>
    given.whole(step, "stride"),
  ) as [number, number];
  if (down === 0 || across === 0 || given.whole(batchSize, "batchSize") === 0) {
    throw failure("invalid", "stride and batchSize must be above 0");
  }
  given.sizeOf({ width: w, height: h }, "a window");
  if (h > height || w > width) {
    throw failure("shape-mismatch", "the image is smaller than a window", {
      expected: `at least ${h} x ${w}`,
      received: `${height} x ${width}`,
    });
  }
  const [rows, columns] = [1 + Math.floor((height - h) / down), 1 + Math.floor((width - w) / across)];
  const count = rows * columns;
  let result: FloatTensor | undefined;
  for (let first = 0; first < count; first += batchSize) {
    throwIfAborted(signal, "slidingWindow");
    const size = Math.min(batchSize, count - first);
    const windows = new Float32Array(size * h * w * channels);
    for (let i = 0; i < size; i++) {
      const [top, left] = [Math.floor((first + i) / columns) * down, ((first + i) % columns) * across];
      for (let y = 0; y < h; y++) {
        const from = ((top + y) * width + left) * channels;
        windows.set(data.subarray(from, from + w * channels), (i * h + y) * w * channels);
      }
    }
    const outputs = await model.predict(
      { data: windows, shape: [size, h, w, channels] },
      { batchSize: size, ...(signal ? { signal } : {}) },
    );
    const output = outputs[0];
    const classes = (output?.data.length ?? 0) / size;
    if (!output || !Number.isInteger(classes)) throw failure("invalid", "the model gives no score for every window");
    result ??= { data: new Float32Array(count * classes), shape: [rows, columns, classes] };
    result.data.set(output.data, first * classes);
  }
  return result as FloatTensor;
}
