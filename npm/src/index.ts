/**
 * Convolutional vision networks in the browser, on WebGPU and SIMD WebAssembly.
 *
 * ```ts
 * import { striate } from "striate";
 *
 * const engine = await striate();
 * const net = await engine.load("/models/ssd/model.tflite");
 * for (const { label, score, x, y, width, height } of await net.detect(video)) { … }
 * ```
 *
 * @packageDocumentation
 */
export { Engine, type EngineEventMap, striate } from "./engine.js";
export {
  AbortedError,
  DeviceLostError,
  type ErrorCode,
  type ErrorFields,
  InternalError,
  InvalidError,
  NetworkError,
  ResourceError,
  ShapeMismatchError,
  StriateError,
  UnsupportedError,
} from "./errors.js";
export { type Features, features } from "./features.js";
export { MAX_PIXELS } from "./image.js";
export { Net } from "./net.js";
export type * from "./types.js";
