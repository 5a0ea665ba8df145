// Networks that find faces, bodies and text. Their outputs are read by the module of vision functions, which is fetched with the first
// picture.

import { failure } from "../errors.js";
import type { ImageSource, PredictOptions, TensorOutput } from "../types.js";
import type { Vision, VisionOptions } from "../vision/index.js";
import type { FaceHeadOptions, Pose, ScoredBox, TextLine, TextMapOptions } from "../vision/types.js";
import { outputNamed } from "./classifier.js";
import type { Viewer } from "./look.js";

/** Options of {@link FaceDetector.detect}. */
export type FaceOptions = PredictOptions & FaceHeadOptions;

/** Options of {@link TextDetector.detect}. */
export type TextDetectorOptions = PredictOptions & TextMapOptions;

/** A network, and the module that reads its outputs. */
abstract class Finder<V extends Viewer> {
  /** The network. */
  readonly net: V;
  readonly #options: VisionOptions;
  #vision: Promise<Vision> | undefined;

  /** @internal */
  constructor(net: V, options: VisionOptions) {
    this.net = net;
    this.#options = options;
  }

  /** The module, fetched when it is first needed. */
  protected async vision(): Promise<Vision> {
    this.#vision ??= import("../vision/index.js").then(({ loadVision }) => loadVision(this.#options));
    try {
      return await this.#vision;
    } catch (error) {
      // The next picture tries again.
      this.#vision = undefined;
      throw error;
    }
  }
}

/** Finds faces. Made by `engine.models`. */
export class FaceDetector<V extends Viewer = Viewer> extends Finder<V> {
  /** The faces of a picture, surest first. */
  async detect(source: ImageSource, options: FaceOptions = {}): Promise<ScoredBox[]> {
    const { signal, ...rest } = options;
    const [vision, seen] = await Promise.all([
      this.vision(),
      this.net.predictImage(source, { fit: "pad" }, signal ? { signal } : {}),
    ]);
    return vision.decodeFaces(outputNamed(seen.outputs, undefined), seen, rest);
  }
}

/** Finds the parts of a person's body. Made by `engine.models`. */
export class PoseEstimator<V extends Viewer = Viewer> extends Finder<V> {
  /** The body of the most visible person, in pixels of the picture. */
  async estimate(source: ImageSource, options: PredictOptions = {}): Promise<Pose> {
    const [vision, seen] = await Promise.all([
      this.vision(),
      this.net.predictImage(source, { scale: 1 / 127.5, offset: -1 }, options),
    ]);
    const [heat, offsets] = ["heatmap", "offset"].map((name) => {
      const found = seen.outputs.find((output) => output.name.includes(name));
      if (found) return found;
      throw failure("unsupported", `the network has no output for the ${name}`, {
        received: seen.outputs.map((output) => output.name).join(", "),
      });
    }) as [TensorOutput, TensorOutput];
    return vision.decodePose({ heat, offsets }, { input: this.#input(), picture: seen });
  }

  #input(): { width: number; height: number } {
    const [, height, width] = this.net.inputs[0]?.shape ?? [];
    return { width: width ?? 385, height: height ?? 385 };
  }
}

/** Finds lines of text. Made by `engine.models`. */
export class TextDetector<V extends Viewer = Viewer> extends Finder<V> {
  /** The lines of text of a picture, at any angle, surest first, in pixels of it. `drawBoxes` of `striate/draw` draws them. */
  async detect(source: ImageSource, options: TextDetectorOptions = {}): Promise<TextLine[]> {
    const { signal, ...rest } = options;
    const [vision, seen] = await Promise.all([
      this.vision(),
      this.net.predictImage(source, { scale: 1 / 127.5, offset: -1 }, signal ? { signal } : {}),
    ]);
    return vision.decodeText(outputNamed(seen.outputs, undefined), seen, rest);
  }
}
