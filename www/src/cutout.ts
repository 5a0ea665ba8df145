import type { Net, Segmentation, Segmenter } from "striate";
import { Backdrop } from "./backdrop.ts";
import { Choice, element, setText } from "./dom.ts";
import { Live } from "./live.ts";
import { type Desk, type Hooks, OwnNetwork } from "./own-network.ts";
import { savePng } from "./save.ts";
import { StateLine } from "./state-line.ts";

/** Less of the photo than this is not called a person. */
const SPECK = 0.01;

interface CutoutHooks extends Hooks {
  /** Has {@link Cutout.run} called anew. */
  again(): void;
  /** A photo was taken. */
  receive(file: File): void;
}

/** People cut out of the photo, or of what the camera shows, before another background. */
export class Cutout {
  readonly #canvas = element("cutout", HTMLCanvasElement);
  readonly #person = element("person", HTMLElement);
  readonly #saver = element("save-cutout", HTMLButtonElement);
  readonly #photo: HTMLCanvasElement;
  readonly #hooks: CutoutHooks;
  readonly #network: OwnNetwork<Segmenter<Net>>;
  readonly #backdrop = new Backdrop(() => this.#draw());
  readonly #source: Choice<"photo" | "camera">;
  readonly #live: Live;
  #fromCamera = false;
  #seen: Segmentation | undefined;

  constructor(photo: HTMLCanvasElement, hooks: CutoutHooks) {
    this.#photo = photo;
    this.#hooks = hooks;
    this.#network = new OwnNetwork(
      new StateLine("cutout"),
      (engine, how) => engine.models.selfieSegmentation(how),
      () => hooks.again(),
    );
    this.#live = new Live({
      desk: () => hooks.desk(),
      network: (desk) => this.#network.get(desk),
      draw: (frame, matte) => this.#drawFrame(frame, matte),
      fail: (error) => hooks.fail(error),
      leave: () => this.#from("photo"),
    });
    this.#source = new Choice<"photo" | "camera">(
      "cutout-source",
      (value) => (value === "photo" || value === "camera" ? value : undefined),
      (value) => this.#from(value),
    );
    this.#source.value = "photo";
    element("take-photo", HTMLButtonElement).addEventListener("click", () => void this.#take());
    this.#saver.addEventListener("click", () => savePng(this.#canvas, "cut-out"));
  }

  /** Another photo: what was seen is no more. */
  reset(): void {
    this.#seen = undefined;
    this.#saver.disabled = true;
    if (this.#fromCamera) return;
    const { width, height } = this.#photo;
    Object.assign(this.#canvas, { width, height });
    setText(this.#person, "");
  }

  /** Looks at the photo. */
  async run(desk: Desk): Promise<() => void> {
    // The camera asks for the network by itself.
    if (this.#fromCamera) return () => {};
    const network = await this.#network.get(desk);
    const seen = await network?.segment(this.#photo, { signal: desk.signal });
    return () => {
      if (this.#fromCamera) return;
      this.#seen = seen;
      this.#draw();
    };
  }

  #from(source: "photo" | "camera"): void {
    this.#fromCamera = source === "camera";
    this.#source.value = source;
    this.#person.hidden = this.#fromCamera;
    this.#saver.hidden = this.#fromCamera;
    if (this.#fromCamera) {
      this.#live.invite();
      return;
    }
    this.#live.leave();
    this.reset();
    this.#hooks.again();
  }

  async #take(): Promise<void> {
    try {
      const file = await this.#live.take();
      this.#from("photo");
      this.#hooks.receive(file);
    } catch (error) {
      this.#hooks.fail(error);
    }
  }

  #context(): CanvasRenderingContext2D {
    const context = this.#canvas.getContext("2d", { alpha: false });
    if (!context) throw new Error("This browser cannot draw.");
    return context;
  }

  #drawFrame(frame: HTMLCanvasElement, matte: ImageBitmap): void {
    const { width, height } = frame;
    if (this.#canvas.width !== width || this.#canvas.height !== height) Object.assign(this.#canvas, { width, height });
    this.#backdrop.draw(this.#context(), frame, matte);
    this.#canvas.setAttribute("aria-label", "What the camera shows: people, cut out");
  }

  #draw(): void {
    // Of the camera the next frame will be drawn anyway.
    if (this.#fromCamera) return;
    const { width, height } = this.#canvas;
    this.#saver.disabled = !this.#seen;
    if (!this.#seen) return;
    const matte = this.#seen.matte({ width, height });
    this.#backdrop.draw(this.#context(), this.#photo, matte);
    const share = matte.data.reduce((sum, value) => sum + value, 0) / matte.data.length;
    const words = share < SPECK ? "No person is seen" : `${Math.round(100 * share)} % of the photo`;
    setText(this.#person, words);
    this.#canvas.setAttribute(
      "aria-label",
      share < SPECK ? "The photo, with nobody cut out" : "What is taken for a person, cut out",
    );
  }
}
