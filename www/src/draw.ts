import { colourOf, LABEL_TEXT } from "./colour.ts";

/** What the overlay needs to know of a detection: pixels of the source picture. */
export interface Box {
  readonly label: string;
  readonly score: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Where the picture stands on the canvas, in canvas pixels, and whether it is shown mirrored. */
export interface Placement {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
  readonly width: number;
  readonly height: number;
  readonly mirrored: boolean;
}

interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}

const FONT = '"Instrument Sans", system-ui, sans-serif';

/**
 * Draws boxes and labels. A box is a coloured line between two dark hairlines, so it shows on snow and on soot; its label is dark
 * text on the class colour and moves down where it would cover another label. `focus` is the index of the box to bring out.
 */
export function drawBoxes(
  context: CanvasRenderingContext2D,
  boxes: readonly Box[],
  at: Placement,
  ratio: number,
  focus = -1,
): void {
  const { canvas } = context;
  context.clearRect(0, 0, canvas.width, canvas.height);
  const placed = boxes.map((box) => place(box, at));
  const order = boxes.map((_, i) => i).reverse(); // the surest box last, on top
  if (focus >= 0) order.push(focus);
  for (const i of order) {
    const box = boxes[i];
    const rect = placed[i];
    if (box && rect) drawFrame(context, rect, colourOf(box.label), ratio, focus < 0 || i === focus);
  }
  const taken: Rect[] = [];
  for (const [i, box] of boxes.entries()) {
    const rect = placed[i];
    if (rect && (focus < 0 || i === focus)) taken.push(drawLabel(context, box, rect, taken, ratio));
  }
}

/** On the canvas, cut off at the picture's edge, over which a box may reach. */
function place(box: Box, at: Placement): Rect {
  const left = (at.mirrored ? at.width / at.scale - box.x - box.width : box.x) * at.scale;
  const top = box.y * at.scale;
  const x0 = clamp(left, 0, at.width);
  const y0 = clamp(top, 0, at.height);
  const x1 = clamp(left + box.width * at.scale, 0, at.width);
  const y1 = clamp(top + box.height * at.scale, 0, at.height);
  return { x: at.x + x0, y: at.y + y0, width: x1 - x0, height: y1 - y0 };
}

function drawFrame(
  context: CanvasRenderingContext2D,
  rect: Rect,
  colour: string,
  ratio: number,
  bright: boolean,
): void {
  const line = 3 * ratio;
  const inset = line / 2 + ratio;
  const { x, y } = { x: rect.x + inset, y: rect.y + inset };
  const width = Math.max(rect.width - 2 * inset, 1);
  const height = Math.max(rect.height - 2 * inset, 1);
  const radius = Math.min(5 * ratio, width / 2, height / 2);
  context.globalAlpha = bright ? 1 : 0.35;
  context.beginPath();
  context.roundRect(x, y, width, height, radius);
  context.lineWidth = line + 2 * ratio;
  context.strokeStyle = "rgb(8 10 14 / 0.55)";
  context.stroke();
  context.lineWidth = line;
  context.strokeStyle = colour;
  context.stroke();
  context.globalAlpha = 1;
}

function drawLabel(
  context: CanvasRenderingContext2D,
  box: Box,
  rect: Rect,
  taken: readonly Rect[],
  ratio: number,
): Rect {
  const { canvas } = context;
  const size = 13 * ratio;
  const height = Math.round(23 * ratio);
  const gap = 6 * ratio;
  const percent = `${Math.round(box.score * 100)}%`;
  context.textBaseline = "middle";
  context.font = `600 ${size}px ${FONT}`;
  const nameWidth = context.measureText(box.label).width;
  context.font = `500 ${size}px ${FONT}`;
  const percentWidth = context.measureText(percent).width;
  const width = Math.ceil(nameWidth + percentWidth + gap + 16 * ratio);

  const tag: Rect = {
    x: clamp(rect.x + ratio, 0, Math.max(canvas.width - width, 0)),
    y: rect.y >= height + ratio ? rect.y - height + ratio : rect.y + ratio,
    width,
    height,
  };
  while (taken.some((other) => overlap(other, tag)) && tag.y + 2 * height < canvas.height) tag.y += height + 2 * ratio;

  context.beginPath();
  context.roundRect(tag.x, tag.y, tag.width, tag.height, 5 * ratio);
  context.fillStyle = colourOf(box.label);
  context.fill();
  context.lineWidth = ratio;
  context.strokeStyle = "rgb(8 10 14 / 0.55)";
  context.stroke();
  context.fillStyle = LABEL_TEXT;
  const middle = tag.y + tag.height / 2 + 0.5 * ratio;
  context.font = `600 ${size}px ${FONT}`;
  context.fillText(box.label, tag.x + 8 * ratio, middle);
  context.font = `500 ${size}px ${FONT}`;
  context.fillText(percent, tag.x + 8 * ratio + nameWidth + gap, middle);
  return tag;
}

function overlap(a: Rect, b: Rect): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
