/** The rate is the mean over this many milliseconds. */
const WINDOW = 2000;

/** How many frames a second are looked at, and how many of the camera's are left out. */
export class Rate {
  #frames: { readonly end: number; readonly skipped: number }[] = [];

  /** A frame is done; so many of the camera's were dropped before it. */
  add(skipped: number): void {
    const end = performance.now();
    this.#frames = [...this.#frames.filter((frame) => frame.end >= end - WINDOW), { end, skipped }];
  }

  clear(): void {
    this.#frames = [];
  }

  /** "24.1 fps"; nothing after one frame alone. */
  get fps(): string {
    const [first, last] = [this.#frames[0], this.#frames.at(-1)];
    if (!first || !last || first === last) return "";
    return `${figure(((this.#frames.length - 1) * 1000) / (last.end - first.end))} fps`;
  }

  /** The same, with the share of frames that are left out. */
  get text(): string {
    const skipped = this.#frames.reduce((sum, frame) => sum + frame.skipped, 0);
    const share = Math.round((100 * skipped) / Math.max(skipped + this.#frames.length, 1));
    return share > 0 ? `${this.fps} · ${share}% of frames skipped` : this.fps;
  }
}

/** A number with as many digits as can be read in passing. */
export function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}
