import { element, setText } from "./dom.ts";

export const STAGES = ["preprocess", "inference", "decode", "draw"] as const;
export type Stage = (typeof STAGES)[number];
export type Times = Readonly<Record<Stage, number>>;

/** Number of frames the picture remembers, one thin bar each. */
const MEMORY = 90;
/** The rate is the mean over this many milliseconds. */
const WINDOW = 2000;

/**
 * Frame rate, the time of each stage, and a grating. For moving pictures one bar is one frame and its height the time; for a
 * photo the whole grating is its time, shared out among the stages.
 */
export class Meter {
  readonly #canvas = element("meter", HTMLCanvasElement);
  readonly #context = this.#canvas.getContext("2d");
  readonly #rate = element("rate", HTMLElement);
  readonly #values = STAGES.map((stage) => ({ stage, node: element(`time-${stage}`, HTMLElement) }));
  #frames: Times[] = [];
  #ends: number[] = [];
  #skipped: number[] = [];
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
    const now = performance.now();
    this.#ends.push(now);
    this.#skipped.push(skipped ?? 0);
    while ((this.#ends[0] ?? now) < now - WINDOW) {
      this.#ends.shift();
      this.#skipped.shift();
    }
    setText(this.#rate, skipped === undefined ? `${format(total(times))} ms` : this.#describeRate(now));
    for (const { stage, node } of this.#values) setText(node, `${format(times[stage])} ms`);
    this.#schedule();
  }

  clear(): void {
    this.#frames = [];
    this.#ends = [];
    this.#skipped = [];
    setText(this.#rate, "");
    for (const { node } of this.#values) setText(node, "–");
    this.#schedule();
  }

  redraw(): void {
    this.#schedule();
  }

  #describeRate(now: number): string {
    const first = this.#ends[0] ?? now;
    const rate = this.#ends.length > 1 ? ((this.#ends.length - 1) * 1000) / (now - first) : 0;
    const skipped = sum(this.#skipped);
    const share = Math.round((100 * skipped) / Math.max(skipped + this.#ends.length, 1));
    const text = rate > 0 ? `${format(rate)} fps` : "";
    return share > 0 ? `${text} · ${share}% of frames skipped` : text;
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

function format(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}
