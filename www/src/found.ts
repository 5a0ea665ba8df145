import { colourOf } from "striate/draw";
import { element, make, setText } from "./dom.ts";
import type { Box } from "./draw.ts";

/** How often a screen reader hears of a change, and how often the list changes under the eyes, in milliseconds. */
const ANNOUNCE_EVERY = 2500;
const LIST_EVERY = 200;

interface Row {
  readonly item: HTMLLIElement;
  readonly swatch: HTMLElement;
  readonly label: HTMLElement;
  readonly where: HTMLElement;
  readonly score: HTMLElement;
}

/** The detections as a list: the same facts as the boxes, for reading, for pointing at one, and for screen readers. */
export class FoundList {
  readonly #list = element("found", HTMLOListElement);
  readonly #empty = element("found-empty", HTMLElement);
  readonly #count = element("found-count", HTMLElement);
  readonly #announce = element("announce", HTMLElement);
  readonly #rows: Row[] = [];
  readonly #focused: (index: number) => void;
  #announced = 0;
  #timer = 0;
  #listed = 0;

  constructor(focused: (index: number) => void) {
    this.#focused = focused;
    this.#list.addEventListener("pointerleave", () => focused(-1));
    this.#list.addEventListener("focusout", () => focused(-1));
  }

  /** `live` holds updates back to what can be read; a photo's result is shown at once. */
  show(boxes: readonly Box[], live: boolean, empty: string): void {
    if (live && performance.now() - this.#listed < LIST_EVERY) return;
    this.#listed = performance.now();
    while (this.#rows.length < boxes.length) this.#addRow();
    for (const [i, row] of this.#rows.entries()) {
      const box = boxes[i];
      row.item.hidden = !box;
      if (box) fill(row, box);
    }
    this.#empty.hidden = boxes.length > 0;
    setText(this.#empty, empty);
    setText(this.#count, boxes.length > 0 ? String(boxes.length) : "");
    this.#say(boxes.length > 0 ? `Found ${summary(boxes)}.` : empty);
  }

  clear(text: string): void {
    for (const row of this.#rows) row.item.hidden = true;
    this.#empty.hidden = false;
    setText(this.#empty, text);
    setText(this.#count, "");
  }

  #say(text: string): void {
    clearTimeout(this.#timer);
    const wait = Math.max(this.#announced + ANNOUNCE_EVERY - performance.now(), 0);
    this.#timer = window.setTimeout(() => {
      this.#announced = performance.now();
      setText(this.#announce, text);
    }, wait);
  }

  #addRow(): void {
    const index = this.#rows.length;
    const swatch = make("span", { className: "swatch" });
    const label = make("span", { className: "label" });
    const where = make("span", { className: "where figures" });
    const score = make("span", { className: "score figures" });
    const button = make("button", { type: "button" }, swatch, label, where, score);
    button.addEventListener("pointerenter", () => this.#focused(index));
    button.addEventListener("focus", () => this.#focused(index));
    const item = make("li", {}, button);
    this.#list.append(item);
    this.#rows.push({ item, swatch, label, where, score });
  }
}

function fill({ item, swatch, label, where, score }: Row, box: Box): void {
  swatch.style.backgroundColor = colourOf(box.label);
  setText(label, box.label);
  setText(where, `${Math.round(box.width)} × ${Math.round(box.height)} at ${Math.round(box.x)}, ${Math.round(box.y)}`);
  setText(score, `${Math.round(box.score * 100)}%`);
  // Unrounded, for the scripts that compare the page with the expected results.
  item.dataset.label = box.label;
  item.dataset.score = String(box.score);
  item.dataset.box = [box.x, box.y, box.width, box.height].join(" ");
}

/** "2 Car, 1 Person", most frequent first. */
function summary(boxes: readonly Box[]): string {
  const counts = new Map<string, number>();
  for (const { label } of boxes) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([label, count]) => `${count} ${label}`)
    .join(", ");
}
