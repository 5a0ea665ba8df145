/**
 * What networks find, drawn on a 2D canvas of a page or of a worker: boxes, tracks, masks, mattes, heat maps, feature maps, poses.
 * Plain functions without dependencies; each draws over what is there and leaves the context as it was.
 *
 * ```ts
 * import { drawBoxes, fit } from "striate/draw";
 *
 * const at = fit(canvas, { width: video.videoWidth, height: video.videoHeight });
 * context.clearRect(0, 0, canvas.width, canvas.height);
 * drawBoxes(context, await net.detect(video), { at });
 * ```
 *
 * @packageDocumentation
 */
export {
  type BoxOptions,
  type DrawnBox,
  type DrawnTrack,
  drawBoxes,
  drawTracks,
  extendTrails,
  type TrackOptions,
  type Trails,
} from "./boxes.js";
export type { Context2D, DrawOptions, Extent, PixelMap, Placement, Rect } from "./canvas.js";
export { fit } from "./canvas.js";
export { classColour, colourOf, inkOn, type Ramp, type Rgb } from "./colours.js";
export * from "./maps.js";
export * from "./masks.js";
export * from "./poses.js";
