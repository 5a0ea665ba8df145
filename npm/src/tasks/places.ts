// Maps of a network at the size of a picture: what lies under each pixel.

import type { View } from "./input.js";

/** How maps lie in memory. */
export interface Places {
  height: number;
  width: number;
  channels: number;
  /** Elements from one row, place or channel to the next. */
  row: number;
  column: number;
  plane: number;
}

/** A picture over maps, and the part of it that they are of, in its pixels. */
export interface Over {
  width: number;
  height: number;
  view: View;
}

/** A picture of this size over maps of a part of a source, whatever the source's size. */
export function over(width: number, height: number, source: { width: number; height: number; view: View }): Over {
  const [across, down] = [width / source.width, height / source.height];
  const { x, y, width: w, height: h } = source.view;
  return { width, height, view: { x: x * across, y: y * down, width: w * across, height: h * down } };
}

/** The two rows (or columns) of maps around a pixel, and the share of the second: half-pixel centres, edges repeated. */
function tap(i: number, of: number, start: number, length: number): readonly [number, number, number] {
  const at = Math.min(Math.max(((i + 0.5 - start) / length) * of - 0.5, 0), of - 1);
  const first = Math.floor(at);
  return [first, Math.min(first + 1, of - 1), at - first];
}

/** Calls `each` with the number of the first channel that is nearest to every pixel. */
export function nearest(
  data: ArrayLike<number>,
  { height, width, row, column }: Places,
  { width: across, height: rows, view }: Over,
  each: (at: number, found: number) => void,
): void {
  const place = (i: number, of: number, start: number, length: number) => {
    const [first, second, share] = tap(i, of, start, length);
    return share < 0.5 ? first : second;
  };
  const columns = Array.from({ length: across }, (_, x) => place(x, width, view.x, view.width) * column);
  for (let y = 0; y < rows; y++) {
    const start = place(y, height, view.y, view.height) * row;
    for (let x = 0; x < across; x++) each(y * across + x, data[start + (columns[x] as number)] as number);
  }
}

/** Calls `each` with the interpolated scores of every pixel, in an array that is used again. */
export function resampled(
  data: ArrayLike<number>,
  { height, width, channels, row, column, plane }: Places,
  { width: across, height: rows, view }: Over,
  each: (at: number, scores: Float32Array) => void,
): void {
  const columns = Array.from({ length: across }, (_, x) => tap(x, width, view.x, view.width));
  // A row of maps for a row of pixels: interpolated once, not once for each pixel.
  const between = new Float32Array(width * channels);
  const scores = new Float32Array(channels);
  for (let y = 0; y < rows; y++) {
    const [top, bottom, down] = tap(y, height, view.y, view.height);
    for (let c = 0; c < channels; c++) {
      let [a, b] = [top * row + c * plane, bottom * row + c * plane];
      for (let i = c; i < between.length; i += channels, a += column, b += column) {
        between[i] = (data[a] as number) + ((data[b] as number) - (data[a] as number)) * down;
      }
    }
    for (let x = 0; x < across; x++) {
      const [left, right, along] = columns[x] as (typeof columns)[number];
      for (let c = 0; c < channels; c++) {
        const value = between[left * channels + c] as number;
        scores[c] = value + ((between[right * channels + c] as number) - value) * along;
      }
      each(y * across + x, scores);
    }
  }
}

/** The channel with the highest score, the first of equals. */
export function highest(scores: Float32Array): number {
  let best = 0;
  for (let c = 1; c < scores.length; c++) if ((scores[c] as number) > (scores[best] as number)) best = c;
  return best;
}

/** A channel's share by the softmax over all; of a single one, by its sigmoid. */
export function shareOf(scores: Float32Array, channel: number): number {
  const own = scores[channel] as number;
  if (scores.length === 1) return 1 / (1 + Math.exp(-own));
  let sum = 0;
  for (const score of scores) sum += Math.exp(score - own);
  return 1 / sum;
}
