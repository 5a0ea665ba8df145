// Pictures on their way into a network that lives in the engine.

import type { Engine } from "../engine.js";
import { failure, throwIfAborted } from "../errors.js";
import type { Held, Loaded } from "../held.js";
import { capture, close, type Frame, PixelReader } from "../image.js";
import { withShape } from "../predict.js";
import type {
  ImageSource,
  PredictOptions,
  RawImage,
  TensorData,
  TensorInfo,
  TensorInput,
  TensorOutput,
} from "../types.js";
import { type ImageInput, plan, tensorOf, type View } from "./input.js";
import type { Painted, Painting } from "./paint.js";

/** Options of `predictImage`. */
export interface PredictImageOptions extends PredictOptions {
  /** What the network's other inputs are given, in order; the picture goes into the first. */
  others?: readonly TensorInput[];
}

/** What a network said of a picture. */
export interface Seen {
  /** The outputs, in order. */
  outputs: TensorOutput[];
  /** The picture's width. */
  width: number;
  /** The picture's height. */
  height: number;
  /** The part of the picture that the network saw, in pixels of it. */
  view: View;
  /** Milliseconds: reading and resizing the picture, the network, and all from call to result. */
  timings: { preprocess: number; inference: number; total: number };
}

/** What can be shown a picture: a `Net` or a `Model`. */
export interface Viewer {
  /** The inputs; the picture goes into the first. */
  readonly inputs: readonly TensorInfo[];
  /** The outputs. */
  readonly outputs: readonly TensorInfo[];
  /** Runs it on a picture. */
  predictImage(source: ImageSource, input?: ImageInput, options?: PredictImageOptions): Promise<Seen>;
  /** Runs it on a picture and paints an output. */
  paintImage(source: ImageSource, painting?: Painting, input?: ImageInput, options?: PredictOptions): Promise<Painted>;
}

/** Takes the picture out of a source at once, and works with it when it is the network's turn. */
export async function withFrame<H extends { id: number }, T>(
  engine: Engine,
  held: Held<H>,
  what: string,
  source: ImageSource,
  signal: AbortSignal | undefined,
  work: (loaded: Loaded<H>, frame: Frame, send: () => Frame) => Promise<T>,
): Promise<T> {
  throwIfAborted(signal, what);
  const frame = await capture(source, engine.info.worker);
  let sent = false;
  try {
    return await held.call(what, signal, (loaded) =>
      work(loaded, frame, () => {
        sent = true;
        return loaded.life.send(frame);
      }),
    );
  } finally {
    if (!sent) close(frame);
  }
}

/** Runs a network on a picture. */
export async function look<H extends { id: number }>(
  engine: Engine,
  held: Held<H>,
  declared: readonly TensorInfo[],
  source: ImageSource,
  input: ImageInput,
  { signal, others = [] }: PredictImageOptions,
): Promise<Seen> {
  const start = performance.now();
  const more = others.map((tensor, i) => {
    const info = declared[i + 1];
    if (info) return withShape(tensor, info);
    throw failure("shape-mismatch", "wrong number of inputs", {
      expected: String(declared.length),
      received: String(others.length + 1),
    });
  });
  return withFrame(engine, held, "predictImage", source, signal, async ({ life, handle }, frame, send) => {
    const { width, height } = frame;
    const how = plan(input, declared[0], width, height);
    const { outputs, preprocess, inference } = await life.call((host) =>
      host.show(handle.id, send(), how, life.hand(more)),
    );
    const timings = { preprocess, inference, total: performance.now() - start };
    return { outputs, width, height, view: how.view, timings };
  });
}

/** One canvas for all pictures that are read on this side. */
const pixels = new PixelReader();

/** The pixels of a source, on this side. */
export async function pixelsOf(source: ImageSource): Promise<RawImage> {
  const frame = await capture(source, false);
  try {
    return { data: pixels.read(frame), width: frame.width, height: frame.height };
  } finally {
    close(frame);
  }
}

/**
 * A picture as the tensor that a network takes, a batch of one: to train with, or to explain ({@link gradCam}). What `input` leaves open
 * the network decides, if one is given.
 */
export async function imageTensor(
  source: ImageSource,
  input: ImageInput = {},
  net?: Pick<Viewer, "inputs">,
): Promise<{ data: TensorData; shape: number[] }> {
  const { data, width, height } = await pixelsOf(source);
  return tensorOf(data, width, height, plan(input, net?.inputs[0], width, height));
}
