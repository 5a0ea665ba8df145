import {
  type Context2D,
  canvasOf,
  clamp,
  type DrawOptions,
  onCanvas,
  type Placement,
  placementOf,
  type Rect,
  ratioOf,
} from "./canvas.js";
import { colourOf } from "./colours.js";
import { FONT, fillTag, measureTag, type TagText } from "./tag.js";

/** A box in pixels of the picture, as `net.detect()` gives them. */
export interface DrawnBox extends Rect {
  /** What it is. */
  label?: string;
  /** How sure the network is, 0 to 1. */
  score?: number;
  /** Corners of what lies at an angle, in order (lines of text): these are drawn in place of the upright box. */
  corners?: readonly (readonly [x: number, y: number])[];
}

/** Options of {@link drawBoxes}. */
export interface BoxOptions<B extends DrawnBox = DrawnBox> extends DrawOptions {
  /** Colour of a box, as CSS has it. Default: {@link colourOf} its label. */
  colour?: (box: B, index: number) => string;
  /** What stands on a box: a word, or a word and something beside it; nothing for no label. Default: label and score. */
  text?: (box: B, index: number) => string | readonly [string, string] | undefined;
  /** Index of a box to bring out: the others are pale and without labels. Default: -1, none. */
  focus?: number;
  /** Width of the lines in CSS pixels. Default: 3. */
  lineWidth?: number;
  /** Size of the text in CSS pixels. Default: 13. */
  fontSize?: number;
  /** Font families, as CSS has them. */
  font?: string;
}

/** A dark hairline around what is coloured: with it a line shows on snow and on soot. */
export const EDGE = "rgb(8 10 14 / 0.55)";

/**
 * Draws boxes and labels; where a box has corners, the polygon of these. A box is a coloured line between two dark hairlines, so
 * that it shows on any ground, and is cut off at the picture's edge. A label is text on the class colour; it stays on the canvas and moves where it would cover another, and
 * a name that is wider than its box and half of the canvas is shortened. The first box, which is the surest, lies on top.
 */
export function drawBoxes<B extends DrawnBox>(
  context: Context2D,
  boxes: readonly B[],
  options: BoxOptions<B> = {},
): void {
  const { focus = -1, lineWidth = 3, fontSize = 13, font = FONT } = options;
  const [at, ratio] = [placementOf(context, options), ratioOf(context, options)];
  const colour = options.colour ?? ((box: B) => colourOf(box.label ?? ""));
  const text = options.text ?? named;
  const placed = boxes.map((box) => place(box, at));
  const order = boxes.map((_, i) => i).reverse();
  if (focus >= 0) order.push(focus);
  context.save();
  for (const i of order) {
    const [box, rect] = [boxes[i], placed[i]];
    if (!box || !rect) continue;
    const corners = box.corners?.map(([x, y]) => onCanvas(at, x, y));
    drawFrame(context, corners ?? rect, colour(box, i), lineWidth * ratio, ratio, focus < 0 || i === focus);
  }
  const taken: Rect[] = [];
  for (const [i, box] of boxes.entries()) {
    const [rect, words] = [placed[i], text(box, i)];
    if (!rect || words === undefined || (focus >= 0 && i !== focus)) continue;
    const [name, detail] = typeof words === "string" ? [words, ""] : words;
    const tag = { name, detail, size: fontSize * ratio, font, ratio };
    taken.push(drawLabel(context, rect, tag, colour(box, i), taken));
  }
  context.restore();
}

const named = ({ label, score }: DrawnBox): readonly [string, string] | undefined => {
  const percent = score === undefined ? "" : `${Math.round(score * 100)}%`;
  return label || percent ? [label ?? "", percent] : undefined;
};

/** On the canvas, cut off at the picture's edge, over which a box may reach; nothing for one outside of it. */
function place(box: Rect, at: Placement): Rect | undefined {
  const [from, to] = [onCanvas(at, box.x, box.y), onCanvas(at, box.x + box.width, box.y + box.height)];
  const [left, right] = [Math.min(from[0], to[0]), Math.max(from[0], to[0])];
  const x0 = clamp(left, at.x, at.x + at.width);
  const y0 = clamp(from[1], at.y, at.y + at.height);
  const x1 = clamp(right, at.x, at.x + at.width);
  const y1 = clamp(to[1], at.y, at.y + at.height);
  return x1 > x0 && y1 > y0 ? { x: x0, y: y0, width: x1 - x0, height: y1 - y0 } : undefined;
}

/** The frame of an upright box, just inside of it; around corners, upon their lines. */
function drawFrame(
  context: Context2D,
  shape: Rect | readonly [number, number][],
  colour: string,
  line: number,
  ratio: number,
  bright: boolean,
): void {
  context.globalAlpha = bright ? 1 : 0.35;
  context.beginPath();
  if ("width" in shape) {
    const inset = line / 2 + ratio;
    const width = Math.max(shape.width - 2 * inset, 1);
    const height = Math.max(shape.height - 2 * inset, 1);
    const round = Math.min(5 * ratio, width / 2, height / 2);
    context.roundRect(shape.x + inset, shape.y + inset, width, height, round);
  } else {
    for (const corner of shape) context.lineTo(...corner);
    context.closePath();
    context.lineJoin = "round";
  }
  context.lineWidth = line + 2 * ratio;
  context.strokeStyle = EDGE;
  context.stroke();
  context.lineWidth = line;
  context.strokeStyle = colour;
  context.stroke();
  context.globalAlpha = 1;
}

/** Draws a label where there is room for it; where that is. */
function drawLabel(context: Context2D, rect: Rect, text: TagText, colour: string, taken: readonly Rect[]): Rect {
  const canvas = canvasOf(context);
  const { ratio } = text;
  // A name may be as wide as its box; half of the canvas is enough for any.
  const tag = measureTag(context, text, Math.min(canvas.width, Math.max(rect.width, canvas.width / 2)));
  const { width, height } = tag;
  const bottom = Math.max(canvas.height - height, 0);
  const at = (x: number, y: number): Rect => ({
    x: clamp(x, 0, Math.max(canvas.width - width, 0)),
    y: clamp(y, 0, bottom),
    width,
    height,
  });
  const left = rect.x + ratio;
  const inside = rect.y + ratio;
  // On the upper edge, within it, below it and so on downwards, then upwards; at last where it belongs, whatever is there.
  const above = rect.y >= height + ratio ? [rect.y - height + ratio] : [];
  const step = height + 2 * ratio;
  const down = Array.from(
    { length: 1 + Math.max(0, Math.floor((bottom - inside) / step)) },
    (_, i) => inside + i * step,
  );
  const up = Array.from({ length: Math.max(0, Math.floor(rect.y / step)) }, (_, i) => rect.y - (i + 1) * step);
  const places = [...above, ...down, ...up].map((y) => at(left, y));
  const free = places.find((place) => !taken.some((other) => overlap(other, place))) ?? at(left, inside);
  fillTag(context, free, tag, colour);
  return free;
}

function overlap(a: Rect, b: Rect): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

/** A box that is followed over frames; see `vision.tracker()`. */
export interface DrawnTrack extends DrawnBox {
  /** Number of the track. */
  id: number;
}

/** Where tracks have been: points in pixels of the picture, the newest last. */
export type Trails = Map<number, [x: number, y: number][]>;

/** Options of {@link drawTracks}. */
export interface TrackOptions<T extends DrawnTrack = DrawnTrack> extends BoxOptions<T> {
  /** Where the tracks have been; see {@link extendTrails}. */
  trails?: Trails;
}

/** Draws the boxes of tracks in a colour for each track, with its number, and the ways that they came. */
export function drawTracks<T extends DrawnTrack>(
  context: Context2D,
  tracks: readonly T[],
  { trails, ...options }: TrackOptions<T> = {},
): void {
  const [at, ratio] = [placementOf(context, options), ratioOf(context, options)];
  const colour = options.colour ?? ((track: T) => colourOf(`track ${track.id}`));
  context.save();
  context.lineJoin = context.lineCap = "round";
  for (const [i, track] of tracks.entries()) {
    const [first, ...points] = (trails?.get(track.id) ?? []).map(([x, y]) => onCanvas(at, x, y));
    if (!first || points.length === 0) continue;
    context.beginPath();
    context.moveTo(...first);
    for (const point of points) context.lineTo(...point);
    context.lineWidth = 4 * ratio;
    context.strokeStyle = EDGE;
    context.globalAlpha = 0.6;
    context.stroke();
    // Older parts are thinner. (Not paler: where two see-through strokes meet there would be beads.)
    context.globalAlpha = 1;
    context.strokeStyle = colour(track, i);
    let before = first;
    for (const [n, point] of points.entries()) {
      context.beginPath();
      context.moveTo(...before);
      context.lineTo(...point);
      context.lineWidth = (0.75 + (2.25 * (n + 1)) / points.length) * ratio;
      context.stroke();
      before = point;
    }
  }
  context.restore();
  const text = ({ id, label }: T): readonly [string, string] => [label ?? "", `#${id}`];
  drawBoxes(context, tracks, { text, ...options, colour });
}

/** Adds the middles of the tracks' lower edges to their trails, and drops the trails of tracks that are gone. */
export function extendTrails(
  trails: Trails,
  tracks: readonly DrawnTrack[],
  { length = 32 }: { length?: number } = {},
): Trails {
  const alive = new Set(tracks.map(({ id }) => id));
  for (const id of trails.keys()) if (!alive.has(id)) trails.delete(id);
  for (const { id, x, y, width, height } of tracks) {
    const points = trails.get(id) ?? [];
    points.push([x + width / 2, y + height]);
    trails.set(id, points.slice(-length));
  }
  return trails;
}
