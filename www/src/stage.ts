import { fit } from "striate/draw";
import { element } from "./dom.ts";
import { type Box, drawBoxes } from "./draw.ts";

/** The picture or video, and the canvas with the boxes over it. */
export class Stage {
  readonly photo = element("photo", HTMLImageElement);
  readonly video = element("video", HTMLVideoElement);
  readonly #frame = element("frame", HTMLElement);
  readonly #stage = element("stage", HTMLElement);
  readonly #canvas = element("overlay", HTMLCanvasElement);
  readonly #context = this.#canvas.getContext("2d");
  #boxes: readonly Box[] = [];
  /** Size of the picture the boxes are measured in. */
  #size = { width: 0, height: 0 };
  #focus = -1;
  #mirrored = false;

  constructor() {
    new ResizeObserver(() => this.#resize()).observe(this.#frame);
    // A change of zoom or screen changes the pixel ratio without changing the size in CSS pixels.
    matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener("change", () => this.#resize());
    void document.fonts?.ready.then(() => this.draw());
  }

  show(kind: "photo" | "video" | "nothing"): void {
    this.photo.hidden = kind !== "photo";
    this.video.hidden = kind !== "video";
    this.#stage.dataset.showing = kind;
    this.clear();
  }

  set mirrored(on: boolean) {
    this.#mirrored = on;
    this.#frame.classList.toggle("mirrored", on);
    this.draw();
  }

  /** Index of the box to bring out, or -1. */
  set focus(index: number) {
    if (index === this.#focus) return;
    this.#focus = index;
    this.draw();
  }

  clear(): void {
    this.#focus = -1;
    this.setBoxes([], this.#size);
  }

  /** Draws these boxes, measured in pixels of a picture of this size; says how long it took, in milliseconds. */
  setBoxes(boxes: readonly Box[], size: { width: number; height: number }): number {
    const start = performance.now();
    this.#boxes = boxes;
    this.#size = size;
    if (this.#focus >= boxes.length) this.#focus = -1;
    this.draw();
    return performance.now() - start;
  }

  draw(): void {
    if (!this.#context) return;
    // The same arithmetic as `object-fit: contain`.
    const at = fit(this.#canvas, this.#size, { mirrored: this.#mirrored });
    drawBoxes(this.#context, this.#boxes, at, devicePixelRatio, this.#focus);
  }

  #resize(): void {
    const { width, height } = this.#frame.getBoundingClientRect();
    this.#canvas.width = Math.round(width * devicePixelRatio);
    this.#canvas.height = Math.round(height * devicePixelRatio);
    this.draw();
  }
}
