// Small plates with text.

import type { Context2D, Rect } from "./canvas.js";
import { inkOn } from "./colours.js";

/** What the system has for interfaces. */
export const FONT = "system-ui, sans-serif";

/** What stands on a plate. */
export interface TagText {
  name: string;
  /** Beside the name, in a lighter weight. */
  detail: string;
  /** Of the text, in pixels of the canvas. */
  size: number;
  font: string;
  /** Pixels of the canvas for a CSS pixel. */
  ratio: number;
}

/** A plate that was measured. */
export interface Tag extends TagText {
  width: number;
  height: number;
  nameWidth: number;
  gap: number;
}

const fontOf = (weight: number, { size, font }: TagText): string => `${weight} ${size}px ${font}`;

/** How large the plate is; a name that would make it wider than `most` is shortened. */
export function measureTag(context: Context2D, text: TagText, most: number): Tag {
  const { size, ratio, detail } = text;
  context.font = fontOf(500, text);
  const detailWidth = detail ? context.measureText(detail).width : 0;
  context.font = fontOf(600, text);
  const padding = 1.2 * size;
  const room = most - detailWidth - padding;
  let { name } = text;
  const gapOf = () => (name && detail ? 0.46 * size : 0);
  let nameWidth = context.measureText(name).width;
  if (nameWidth + gapOf() > room) {
    const letters = [...name];
    while (letters.length > 0 && context.measureText(`${letters.join("")}…`).width + gapOf() > room) letters.pop();
    name = letters.length > 0 ? `${letters.join("").trimEnd()}…` : "";
    nameWidth = context.measureText(name).width;
  }
  const width = Math.ceil(nameWidth + detailWidth + gapOf() + padding);
  return { ...text, name, width, height: Math.round(size + 10 * ratio), nameWidth, gap: gapOf() };
}

/** Draws the plate. */
export function fillTag(context: Context2D, { x, y }: Pick<Rect, "x" | "y">, tag: Tag, colour: string): void {
  const { width, height, ratio, nameWidth, gap, size } = tag;
  context.beginPath();
  context.roundRect(x, y, width, height, 5 * ratio);
  context.fillStyle = colour;
  context.fill();
  context.lineWidth = ratio;
  context.strokeStyle = "rgb(8 10 14 / 0.55)";
  context.stroke();
  context.fillStyle = inkOn(colour);
  context.textBaseline = "middle";
  context.textAlign = "left";
  const [left, middle] = [x + 0.6 * size, y + height / 2 + 0.5 * ratio];
  context.font = fontOf(600, tag);
  context.fillText(tag.name, left, middle);
  context.font = fontOf(500, tag);
  context.fillText(tag.detail, left + nameWidth + gap, middle);
}
