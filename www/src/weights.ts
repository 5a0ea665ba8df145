import { make } from "./dom.ts";

/** Rows and columns of a filter. */
export const SIZE = 7;

const filter = (weight: (row: number, column: number) => number): readonly number[] =>
  Array.from({ length: SIZE * SIZE }, (_, i) => weight(Math.floor(i / SIZE), i % SIZE));
const MIDDLE = (SIZE - 1) / 2;

/** Filters to begin with. The first two are the textbook's. */
export const PRESETS = {
  Vertical: filter((_, column) => Number(column === MIDDLE)),
  Horizontal: filter((row) => Number(row === MIDDLE)),
  Diagonal: filter((row, column) => Number(row + column === SIZE - 1)),
  Edge: filter((_, column) => Math.sign(column - MIDDLE)),
  Square: filter(() => 1),
} as const;

export type Preset = keyof typeof PRESETS;

/** What a tap makes of a weight. */
const next = (weight: number): number => (weight === 0 ? 1 : weight === 1 ? -1 : 0);
const written = (weight: number): string => String(weight).replace("-", "−");

/** The weights of a filter as a grid of buttons: one stop for the Tab key, arrows within. */
export class Weights {
  readonly #cells: readonly HTMLButtonElement[];
  readonly #presets: readonly { readonly name: Preset; readonly button: HTMLButtonElement }[];
  readonly #changed: () => void;
  #values: number[];
  /** The weight that the mouse paints while its button is held. */
  #paint: number | undefined;

  constructor(grid: HTMLElement, presets: HTMLElement, first: Preset, changed: () => void) {
    this.#changed = changed;
    this.#values = [...PRESETS[first]];
    this.#cells = this.#values.map((_, i) => {
      const cell = make("button", { type: "button", tabIndex: i === 0 ? 0 : -1 });
      cell.setAttribute("role", "gridcell");
      return cell;
    });
    for (let row = 0; row < SIZE; row++) {
      const line = make("div", {}, ...this.#cells.slice(row * SIZE, (row + 1) * SIZE));
      line.setAttribute("role", "row");
      grid.append(line);
    }
    this.#presets = (Object.keys(PRESETS) as Preset[]).map((name) => {
      const button = make("button", { type: "button", className: "outline small", textContent: name });
      button.addEventListener("click", () => this.set(PRESETS[name]));
      return { name, button };
    });
    presets.append(...this.#presets.map(({ button }) => button));
    this.#listen(grid);
    this.#show();
  }

  /** Row by row. */
  get values(): readonly number[] {
    return this.#values;
  }

  set(values: readonly number[]): void {
    this.#values = [...values];
    this.#show();
    this.#changed();
  }

  #listen(grid: HTMLElement): void {
    const at = (event: Event): number => this.#cells.indexOf(event.target as HTMLButtonElement);
    grid.addEventListener("click", (event) => {
      const i = at(event);
      // A mouse has painted already when its button went down; keys and fingers have not.
      if (i >= 0 && !(event instanceof PointerEvent && event.pointerType === "mouse"))
        this.#change(i, next(this.#at(i)));
    });
    grid.addEventListener("pointerdown", (event) => {
      const i = at(event);
      if (i < 0 || event.pointerType !== "mouse" || event.button !== 0) return;
      this.#paint = next(this.#at(i));
      this.#change(i, this.#paint);
    });
    grid.addEventListener("pointerover", (event) => {
      const i = at(event);
      if (i >= 0 && this.#paint !== undefined && event.buttons === 1) this.#change(i, this.#paint);
    });
    addEventListener("pointerup", () => (this.#paint = undefined));
    grid.addEventListener("keydown", (event) => {
      const to = moved(at(event), event.key);
      if (to === undefined) return;
      event.preventDefault();
      this.#cells[to]?.focus();
    });
    grid.addEventListener("focusin", (event) => {
      for (const cell of this.#cells) cell.tabIndex = cell === event.target ? 0 : -1;
    });
  }

  #at(i: number): number {
    return this.#values[i] ?? 0;
  }

  #change(i: number, weight: number): void {
    if (this.#at(i) === weight) return;
    this.#values[i] = weight;
    this.#show();
    this.#changed();
  }

  #show(): void {
    for (const [i, cell] of this.#cells.entries()) {
      const weight = written(this.#at(i));
      if (cell.textContent === weight) continue;
      cell.textContent = weight;
      cell.dataset.weight = weight;
      cell.setAttribute("aria-label", `Row ${Math.floor(i / SIZE) + 1}, column ${(i % SIZE) + 1}: ${weight}`);
    }
    for (const { name, button } of this.#presets) {
      const same = PRESETS[name].every((weight, i) => weight === this.#at(i));
      button.setAttribute("aria-pressed", String(same));
    }
  }
}

/** Where a key leads from a cell, if anywhere. */
function moved(from: number, key: string): number | undefined {
  const [row, column] = [Math.floor(from / SIZE), from % SIZE];
  const to = {
    ArrowLeft: [row, column - 1],
    ArrowRight: [row, column + 1],
    ArrowUp: [row - 1, column],
    ArrowDown: [row + 1, column],
    Home: [row, 0],
    End: [row, SIZE - 1],
  }[key];
  if (from < 0 || !to) return undefined;
  const [r = 0, c = 0] = to.map((place) => Math.min(Math.max(place, 0), SIZE - 1));
  return r * SIZE + c;
}
