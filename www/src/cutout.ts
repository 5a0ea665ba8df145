import type { Net, Segmentation, Segmenter } from "striate";
import { Backdrop } from "./backdrop.ts";
import { element, setText } from "./dom.ts";
import { type Desk, OwnNetwork } from "./own-network.ts";
import { StateLine } from "./state-line.ts";

/** Less of the photo than this is not called a person. */
const SPECK = 0.01;

/** People cut out of the photo, before another background. */
export class Cutout {
  readonly #canvas = element("cutout", HTMLCanvasElement);
  readonly #photo: HTMLCanvasElement;
  readonly #network: OwnNetwork<Segmenter<Net>>;
  readonly #backdrop = new Backdrop(() => this.#draw());
  #seen: Segmentation | undefined;

  /** `again` has {@link run} called anew. */
  constructor(photo: HTMLCanvasElement, again: () => void) {
    this.#photo = photo;
    const line = new StateLine("cutout");
    this.#network = new OwnNetwork(line, (engine, how) => engine.models.selfieSegmentation(how), again);
  }

  /** Another photo: what was seen is no more. */
  reset(): void {
    this.#seen = undefined;
    const { width, height } = this.#photo;
    Object.assign(this.#canvas, { width, height });
    setText(element("person", HTMLElement), "");
  }

  /** Looks at the photo. */
  async run(desk: Desk): Promise<() => void> {
    const network = await this.#network.get(desk);
    const seen = await network?.segment(this.#photo, { signal: desk.signal });
    return () => {
      this.#seen = seen;
      this.#draw();
    };
  }

  #draw(): void {
    const context = this.#canvas.getContext("2d", { alpha: false });
    if (!context) throw new Error("This browser cannot draw.");
    const { width, height } = this.#canvas;
    if (!this.#seen) return;
    const matte = this.#seen.matte({ width, height });
    this.#backdrop.draw(context, this.#photo, matte);
    const share = matte.data.reduce((sum, value) => sum + value, 0) / matte.data.length;
    const words = share < SPECK ? "No person is seen" : `${Math.round(100 * share)} % of the photo`;
    setText(element("person", HTMLElement), words);
    this.#canvas.setAttribute(
      "aria-label",
      share < SPECK ? "The photo, with nobody cut out" : "What is taken for a person, cut out",
    );
  }
}
