/**
 * What is around networks, without an engine: boxes, heads of detectors, suppression, tracks, measures, class maps, pictures.
 * In windows, workers and Node.
 *
 * ```ts
 * import { loadVision } from "striate/vision";
 *
 * const vision = await loadVision(); // fetches 143 KB, once
 * const { indices } = vision.nonMaxSuppression(boxes, scores, { iouThreshold: 0.5 });
 * ```
 *
 * @packageDocumentation
 */
import { loadModule } from "./module.js";
import { Vision } from "./vision.js";

export { ConfusionMatrix, type ConfusionOptions, type Labelled } from "./confusion.js";
export { loadLabels } from "./labels.js";
export { Tracker } from "./tracker.js";
export type * from "./types.js";
export type { Vision } from "./vision.js";
export { type Classifier, slidingWindow, type WindowOptions } from "./window.js";

/** Options of {@link loadVision}. */
export interface VisionOptions {
  /** Address of the package's `dist/` folder, where a bundler does not find it by itself. */
  assets?: string | URL;
}

/** What was loaded, by where it lies. */
const loaded = new Map<string, Promise<Vision>>();

/**
 * Loads the module, once: later calls give the same. After a fault (out of memory) the next call loads a new one.
 *
 * Rejects with a `StriateError` of code `network` if the module cannot be fetched.
 */
export async function loadVision({ assets }: VisionOptions = {}): Promise<Vision> {
  const base = assets && new URL(assets, globalThis.location?.href ?? import.meta.url).href.replace(/\/?$/, "/");
  const key = base ?? "";
  let vision = loaded.get(key);
  if (vision && (await vision.catch(() => undefined))?.broken) {
    // Of several calls that wait here the first one loads.
    if (loaded.get(key) === vision) loaded.delete(key);
    vision = loaded.get(key);
  }
  if (!vision) {
    vision = loadModule(base).then((module) => new Vision(module));
    loaded.set(key, vision);
    vision.catch(() => loaded.delete(key));
  }
  return vision;
}
