import { type DrawnBox, drawBoxes as drawAll, type Placement } from "striate/draw";

/** What the overlay needs to know of a detection: pixels of the source picture. */
export type Box = Readonly<DrawnBox & { label: string; score: number }>;

const FONT = '"Instrument Sans", system-ui, sans-serif';

/** Draws boxes and labels on an empty canvas. `focus` is the index of the box to bring out. */
export function drawBoxes(
  context: CanvasRenderingContext2D,
  boxes: readonly Box[],
  at: Placement,
  pixelRatio: number,
  focus = -1,
): void {
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
  drawAll(context, boxes, { at, pixelRatio, focus, font: FONT });
}
