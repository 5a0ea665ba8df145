import type { Engine, Model, Upscaler } from "striate";
import { Choice, element, setText } from "./dom.ts";
import { keepVariant } from "./offline.ts";
import { type Hooks, type Loading, OwnNetwork } from "./own-network.ts";
import { StateLine, shareOf } from "./state-line.ts";

/** Pixels of the photo that are enlarged: a few seconds' work, and still something to see. */
const [WIDTH, HEIGHT] = [192, 128];
/** Side of the tiles: so small that progress is seen. */
const TILE = 96;
/** How far an arrow key moves the frame, in pixels. */
const STEP = 16;

type Kind = "photos" | "drawings";

/** The networks: by how much they enlarge, and how they are loaded. */
const NETWORKS = {
  photos: { factor: 2, load: (engine: Engine, how: Loading) => engine.models.esrganSlim(how) },
  drawings: { factor: 4, load: (engine: Engine, how: Loading) => engine.models.realEsrAnimeVideo(how) },
} as const;

const isKind = (value: string): value is Kind => value in NETWORKS;

/** A part of the photo, larger: drawn so by the browser, and by a network for photos or for drawings. */
export class Enlarger {
  readonly #photo: HTMLCanvasElement;
  readonly #hooks: Hooks;
  readonly #frame = element("frame", HTMLElement);
  readonly #before = element("before", HTMLCanvasElement);
  readonly #after = element("after", HTMLCanvasElement);
  readonly #button = element("enlarge", HTMLButtonElement);
  readonly #divider = element("divider", HTMLInputElement);
  readonly #line = new StateLine("larger");
  readonly #networks: Readonly<Record<Kind, OwnNetwork<Upscaler<Model>>>>;
  #kind: Kind = "photos";
  #part = { x: 0, y: 0, width: 0, height: 0 };
  #running: AbortController | undefined;

  constructor(photo: HTMLCanvasElement, hooks: Hooks) {
    this.#photo = photo;
    this.#hooks = hooks;
    const own = (kind: Kind) => new OwnNetwork(this.#line, NETWORKS[kind].load, () => void this.#enlarge());
    this.#networks = { photos: own("photos"), drawings: own("drawings") };
    new Choice<Kind>(
      "larger-kind",
      (value) => (isKind(value) ? value : undefined),
      (kind) => this.#choose(kind),
    ).value = this.#kind;
    this.#button.addEventListener("click", () => void this.#enlarge());
    this.#divider.addEventListener("input", () => this.#divide());
    this.#divide();
    this.#listen();
  }

  /** Another photo: the frame where faces and flowers often are, above the middle. */
  reset(): void {
    const [width, height] = [Math.min(WIDTH, this.#photo.width), Math.min(HEIGHT, this.#photo.height)];
    this.#part = { x: 0, y: 0, width, height };
    this.#move(this.#photo.width / 2, 0.28 * this.#photo.height);
  }

  #choose(kind: Kind): void {
    this.#kind = kind;
    for (const each of Object.keys(NETWORKS)) element(`larger-${each}`, HTMLElement).hidden = each !== kind;
    this.#begin();
  }

  /** Stops what runs; the engine was replaced, or the part is another. */
  stop(): void {
    this.#running?.abort();
    this.#running = undefined;
  }

  #listen(): void {
    const at = ({ clientX, clientY }: PointerEvent): [number, number] => {
      const { photo, left, top, scale } = this.#placed();
      return [(clientX - photo.left - left) / scale, (clientY - photo.top - top) / scale];
    };
    this.#photo.addEventListener("click", (event) => this.#move(...at(event as PointerEvent)));
    this.#frame.addEventListener("pointerdown", (event) => this.#frame.setPointerCapture(event.pointerId));
    this.#frame.addEventListener("pointermove", (event) => {
      if (this.#frame.hasPointerCapture(event.pointerId)) this.#move(...at(event));
    });
    this.#frame.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
      if (!by) return;
      event.preventDefault();
      const { x, y, width, height } = this.#part;
      this.#move(x + width / 2 + (by[0] ?? 0), y + height / 2 + (by[1] ?? 0));
    });
    new ResizeObserver(() => this.#place()).observe(this.#photo);
  }

  /** Where the photo lies in its canvas' box (the arithmetic of `object-fit: contain`), in CSS pixels. */
  #placed() {
    const photo = this.#photo.getBoundingClientRect();
    const scale = Math.min(photo.width / this.#photo.width, photo.height / this.#photo.height);
    const left = (photo.width - this.#photo.width * scale) / 2;
    const top = (photo.height - this.#photo.height * scale) / 2;
    return { photo, left, top, scale };
  }

  #place(): void {
    const { left, top, scale } = this.#placed();
    const { x, y, width, height } = this.#part;
    this.#frame.hidden = width === 0;
    Object.assign(this.#frame.style, {
      left: `${left + x * scale}px`,
      top: `${top + y * scale}px`,
      width: `${width * scale}px`,
      height: `${height * scale}px`,
    });
  }

  /** Brings the frame's middle here, as far as the photo goes. */
  #move(x: number, y: number): void {
    const { width, height } = this.#part;
    const within = (middle: number, size: number, all: number): number =>
      Math.round(Math.min(Math.max(middle - size / 2, 0), all - size));
    this.#part = { width, height, x: within(x, width, this.#photo.width), y: within(y, height, this.#photo.height) };
    this.#place();
    this.#begin();
  }

  /** Shows the part as the browser enlarges it; nothing else is known of it yet. */
  #begin(): void {
    const { x, y, width, height } = this.#part;
    const { factor } = NETWORKS[this.#kind];
    this.stop();
    this.#line.clear();
    this.#compare(false);
    setText(element("larger-figures", HTMLElement), `${width} × ${height}`);
    Object.assign(this.#before, { width: factor * width, height: factor * height });
    const context = this.#before.getContext("2d", { alpha: false });
    if (!context) throw new Error("This browser cannot draw.");
    context.imageSmoothingQuality = "high";
    context.drawImage(this.#photo, x, y, width, height, 0, 0, factor * width, factor * height);
  }

  async #enlarge(): Promise<void> {
    const desk = this.#hooks.desk();
    if (!desk) {
      this.#line.say("The engine is not ready yet.");
      return;
    }
    this.stop();
    const running = new AbortController();
    this.#running = running;
    const signal = AbortSignal.any([running.signal, desk.signal]);
    const cancel = { label: "Cancel", run: () => running.abort() };
    this.#button.disabled = true;
    try {
      const network = await this.#networks[this.#kind].get(desk, signal, cancel);
      if (!network) return;
      this.#line.busy("Enlarging …", 0, cancel);
      const { x, y, width, height } = this.#part;
      const part = this.#photo.getContext("2d")?.getImageData(x, y, width, height);
      if (!part) throw new Error("This browser cannot draw.");
      const start = performance.now();
      const onProgress: NonNullable<Parameters<typeof network.upscale>[1]>["onProgress"] = (progress) =>
        this.#line.busy("Enlarging …", shareOf(progress), cancel);
      const larger = await network.upscale(part, { tile: TILE, signal, onProgress });
      const seconds = (performance.now() - start) / 1000;
      if (signal.aborted) return;
      Object.assign(this.#after, { width: larger.width, height: larger.height });
      this.#after.getContext("2d", { alpha: false })?.putImageData(larger as ImageData, 0, 0);
      this.#compare(true);
      setText(
        element("larger-figures", HTMLElement),
        `${width} × ${height} → ${larger.width} × ${larger.height}, ${seconds.toFixed(1)} s`,
      );
      this.#line.clear();
      void keepVariant("keras");
    } catch (error) {
      if (running.signal.aborted) {
        if (running === this.#running) this.#line.say("Cancelled.");
      } else if (!desk.signal.aborted) {
        this.#line.clear();
        this.#hooks.fail(error);
      }
    } finally {
      if (running === this.#running || !this.#running) this.#button.disabled = false;
      if (running === this.#running) this.#running = undefined;
    }
  }

  /** Shows the network's picture beside the browser's, or not. */
  #compare(on: boolean): void {
    for (const each of [this.#after, this.#divider, element("after-side", HTMLElement)]) each.hidden = !on;
  }

  #divide(): void {
    const at = `${this.#divider.value}%`;
    this.#divider.style.setProperty("--at", at);
    this.#after.parentElement?.style.setProperty("--at", at);
  }
}
