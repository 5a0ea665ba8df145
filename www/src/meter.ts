import { element, setText } from "./dom.ts";
import { figure, Rate } from "./rate.ts";

export const STAGES = ["preprocess", "inference", "decode", "draw"] as const;
export type Stage = (typeof STAGES)[number];
export type Times = Readonly<Record<Stage, number>>;

/** Number of frames the picture remembers, one thin bar each. */
const MEMORY = 90;

/**
 * Frame rate, the time of each stage, and a grating. For moving pictures one bar is one frame and its height the time; for a
 * photo the whole grating is its time, shared out among the stages.
 */
export class Meter {
  readonly #canvas = element("meter", HTMLCanvasElement);
  readonly #context = this.#canvas.getContext("2d");
  readonly #rateText = element("rate", HTMLElement);
  readonly #rate = new Rate();
  readonly #values = STAGES.map((stage) => ({ stage, node: element(`time-${stage}`, HTMLElement) }));
  #frames: Times[] = [];
  #still = false;
  #scheduled = false;

  constructor() {
    new ResizeObserver(() => this.#schedule()).observe(this.#canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  /** Adds a frame. `skipped` is the number of camera frames dropped before it; undefined for a photo. */
  add(times: Times, skipped: number | undefined): void {
    this.#still = skipped === undefined;
    if (this.#still) this.#frames = [];
    this.#frames.push(times);
    if (this.#frames.length > MEMORY) this.#frames.shift();
    this.#rate.add(skipped ?? 0);
    setText(this.#rateText, skipped === undefined ? `${figure(total(times))} ms` : this.#rate.text);
    for (const { stage, node } of this.#values) setText(node, `${figure(times[stage])} ms`);
    this.#schedule();
  }

  clear(): void {
    this.#frames = [];
    this.#rate.clear();
    setText(this.#rateText, "");
    for (const { node } of this.#values) setText(node, "–");
    this.#schedule();
  }

  redraw(): void {
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.#draw();
    });
  }

  #draw(): void {
    const context = this.#context;
    if (!context) return;
    const box = this.#canvas.getBoundingClientRect();
    // In device pixels, and bars on whole ones: anything else shows as moire.
    const width = Math.round(box.width * devicePixelRatio);
    const height = Math.round(box.height * devicePixelRatio);
    this.#canvas.width = width;
    this.#canvas.height = height;
    const style = getComputedStyle(this.#canvas);
    const colours = STAGES.map((stage) => style.getPropertyValue(`--${stage}`));
    const step = width / MEMORY;
    const bar = Math.max(Math.floor(step * 0.7), 1);
    const rect = (i: number, bottom: number, tall: number, colour: string | undefined): void => {
      context.fillStyle = colour ?? "";
      context.fillRect(Math.round(i * step), bottom - tall, bar, tall);
    };
    const [only] = this.#frames;
    if (this.#still && only) {
      const ends = STAGES.map((_, s) => sum(STAGES.slice(0, s + 1).map((stage) => only[stage])) / total(only));
      for (let i = 0; i < MEMORY; i++)
        rect(i, height, height, colours[ends.findIndex((end) => (i + 0.5) / MEMORY <= end)]);
      return;
    }
    const highest = Math.max(...this.#frames.map(total), 1) * 1.08;
    const start = MEMORY - this.#frames.length;
    for (let i = 0; i < start; i++) rect(i, height, 3 * devicePixelRatio, style.getPropertyValue("--line"));
    for (const [i, times] of this.#frames.entries()) {
      let bottom = height;
      for (const [s, stage] of STAGES.entries()) {
        const tall = (times[stage] / highest) * height;
        rect(start + i, bottom, tall, colours[s]);
        bottom -= tall;
      }
    }
  }
}

function total(times: Times): number {
  return sum(STAGES.map((stage) => times[stage]));
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
