import type { Net, Styler } from "striate";
import { Choice, element, make, setText } from "./dom.ts";
import { type Hooks, OwnNetwork } from "./own-network.ts";
import { savePng } from "./save.ts";
import { StateLine } from "./state-line.ts";

const STYLES = 26;
/** Longest side of what is painted: a second or two in WebAssembly. */
const LONGEST = 512;
/** Sides are multiples of this, and no shorter than it takes to see anything. */
const [STEP, SHORTEST] = [4, 64];

/** The photo in a painted style, or in a mix of two. */
export class Painter {
  readonly #photo: HTMLCanvasElement;
  readonly #hooks: Hooks;
  readonly #canvas = element("painted", HTMLCanvasElement);
  readonly #none = element("painted-none", HTMLElement);
  readonly #figures = element("painted-figures", HTMLElement);
  readonly #saver = element("save-painted", HTMLButtonElement);
  readonly #share: Slider;
  readonly #strength: Slider;
  readonly #line = new StateLine("painted");
  readonly #network: OwnNetwork<Styler<Net>>;
  readonly #thumbs: readonly HTMLButtonElement[];
  /** The last network: given back when one for another size takes its place. */
  #loaded: Net | undefined;
  /** Height and width that the network is for. */
  #size: readonly [number, number] = [0, 0];
  #mixing = false;
  /** The style, and the one that is mixed in. */
  #styles: [number | undefined, number | undefined] = [undefined, undefined];
  #picture: ImageData | undefined;
  #running: AbortController | undefined;

  constructor(photo: HTMLCanvasElement, hooks: Hooks) {
    this.#photo = photo;
    this.#hooks = hooks;
    this.#network = new OwnNetwork(
      this.#line,
      async (engine, how) => {
        this.#loaded?.dispose();
        const styler = await engine.models.styleTransfer({ ...how, size: this.#size });
        this.#loaded = styler.net;
        return styler;
      },
      () => void this.#paint(),
    );
    this.#thumbs = Array.from({ length: STYLES }, (_, style) => {
      const thumb = make("button", { type: "button", className: "style", ariaLabel: `Style ${style + 1}` });
      thumb.style.setProperty("--style", String(style));
      thumb.addEventListener("click", () => this.#pick(style));
      return thumb;
    });
    element("styles", HTMLElement).append(...this.#thumbs);
    new Choice<"one" | "two">(
      "style-count",
      (value) => (value === "one" || value === "two" ? value : undefined),
      (value) => this.#mix(value === "two"),
    ).value = "one";
    this.#share = new Slider("style-share");
    this.#share.input.addEventListener("change", () => void this.#paint());
    this.#strength = new Slider("style-strength");
    this.#strength.input.addEventListener("input", () => this.#draw());
    this.#saver.addEventListener("click", () => savePng(this.#canvas, "painted"));
    this.#mark();
  }

  /** Another photo: it is painted in the style that was picked, if one was. */
  reset(): void {
    this.#stop();
    this.#picture = undefined;
    this.#line.clear();
    const { width, height } = this.#photo;
    Object.assign(this.#canvas, { width, height });
    this.#draw();
    if (this.#styles[0] !== undefined && this.#hooks.desk()) void this.#paint();
  }

  #stop(): void {
    this.#running?.abort();
    this.#running = undefined;
  }

  #mix(on: boolean): void {
    this.#mixing = on;
    this.#mark();
    if (this.#styles[1] !== undefined) void this.#paint();
  }

  #pick(style: number): void {
    const second = this.#mixing && this.#styles[0] !== undefined;
    this.#styles[second ? 1 : 0] = style;
    this.#mark();
    void this.#paint();
  }

  /** Says which styles are picked, and what is to be picked next. */
  #mark(): void {
    const [first, second] = this.#styles;
    for (const [style, thumb] of this.#thumbs.entries()) {
      const turn = style === first ? "1" : this.#mixing && style === second ? "2" : "";
      thumb.setAttribute("aria-pressed", String(turn !== ""));
      thumb.dataset.turn = this.#mixing ? turn : "";
    }
    element("style-share-field", HTMLElement).hidden = !this.#mixing || second === undefined;
    const next = first === undefined ? "Pick a style." : "Pick the second style.";
    setText(element("style-hint", HTMLElement), this.#mixing && second === undefined ? next : "");
  }

  /** A weight for each style. */
  #weights(): number[] {
    const weights = new Array<number>(STYLES).fill(0);
    const [first = 0, second] = this.#styles;
    const share = this.#mixing && second !== undefined ? this.#share.value : 0;
    weights[first] = 1 - share;
    if (second !== undefined) weights[second] = (weights[second] ?? 0) + share;
    return weights;
  }

  async #paint(): Promise<void> {
    if (this.#styles[0] === undefined) return;
    const desk = this.#hooks.desk();
    if (!desk) {
      this.#line.say("The engine is not ready yet.");
      return;
    }
    this.#stop();
    const running = new AbortController();
    this.#running = running;
    const signal = AbortSignal.any([running.signal, desk.signal]);
    const cancel = { label: "Cancel", run: () => running.abort() };
    const { width, height } = this.#photo;
    try {
      const size = sizeFor(width, height);
      if (size.some((side, i) => side !== this.#size[i])) this.#network.forget();
      this.#size = size;
      const network = await this.#network.get(desk, signal, cancel);
      if (!network || signal.aborted) return;
      this.#line.busy("Painting …", undefined, cancel);
      const start = performance.now();
      const painted = await network.stylise(this.#photo, this.#weights(), { signal });
      const seconds = (performance.now() - start) / 1000;
      if (signal.aborted) return;
      this.#picture = painted as ImageData;
      this.#draw();
      setText(this.#figures, `${painted.width} × ${painted.height}, ${seconds.toFixed(1)} s`);
      this.#line.clear();
    } catch (error) {
      if (running.signal.aborted) {
        if (running === this.#running) this.#line.say("Cancelled.");
      } else if (!desk.signal.aborted) {
        this.#line.clear();
        this.#hooks.fail(error);
      } else if (running === this.#running) this.#line.clear();
    } finally {
      if (running === this.#running) this.#running = undefined;
    }
  }

  /** Draws the painting over the photo, as much of it as the visitor wants. */
  #draw(): void {
    const picture = this.#picture;
    this.#canvas.hidden = !picture;
    this.#none.hidden = picture !== undefined;
    this.#saver.hidden = !picture;
    element("style-strength-field", HTMLElement).hidden = !picture;
    if (!picture) {
      setText(this.#figures, "");
      return;
    }
    const context = this.#canvas.getContext("2d", { alpha: false });
    const layer = new OffscreenCanvas(picture.width, picture.height);
    const pixels = layer.getContext("2d");
    if (!context || !pixels) throw new Error("This browser cannot draw.");
    pixels.putImageData(picture, 0, 0);
    const { width, height } = this.#canvas;
    context.globalAlpha = 1;
    context.drawImage(this.#photo, 0, 0);
    context.globalAlpha = this.#strength.value;
    context.imageSmoothingQuality = "high";
    context.drawImage(layer, 0, 0, width, height);
    const [first = 0, second] = this.#styles;
    const mixed = this.#mixing && second !== undefined ? ` mixed with style ${second + 1}` : "";
    this.#canvas.setAttribute("aria-label", `The photo, painted in style ${first + 1}${mixed}`);
  }
}

/** A slider from 0 to 100 %, with its figure beside it. */
class Slider {
  readonly input: HTMLInputElement;
  readonly #output: HTMLOutputElement;

  constructor(id: string) {
    this.input = element(id, HTMLInputElement);
    this.#output = element(`${id}-value`, HTMLOutputElement);
    this.input.addEventListener("input", () => this.#show());
    this.#show();
  }

  /** 0 to 1. */
  get value(): number {
    return this.input.valueAsNumber / 100;
  }

  #show(): void {
    this.input.style.setProperty("--at", `${this.input.value}%`);
    setText(this.#output, `${this.input.value}%`);
  }
}

/** Height and width that a photo is painted at. */
function sizeFor(width: number, height: number): readonly [number, number] {
  const scale = Math.min(LONGEST / Math.max(width, height), 1);
  const side = (pixels: number): number => Math.max(Math.round((pixels * scale) / STEP) * STEP, SHORTEST);
  return [side(height), side(width)];
}
