import type { Net, Segmentation, Segmenter } from "striate";
import { drawMask, drawMatted } from "striate/draw";
import { Choice, element, setText } from "./dom.ts";
import { type Desk, OwnNetwork } from "./own-network.ts";
import { StateLine } from "./state-line.ts";

type Background = "blur" | "colour" | "matte";
const BACKGROUNDS: readonly Background[] = ["blur", "colour", "matte"];
/** Less of the photo than this is not called a person. */
const SPECK = 0.01;

/** People cut out of the photo, before another background. */
export class Cutout {
  readonly #canvas = element("cutout", HTMLCanvasElement);
  readonly #colour = element("colour", HTMLInputElement);
  readonly #photo: HTMLCanvasElement;
  readonly #network: OwnNetwork<Segmenter<Net>>;
  #background: Background = "blur";
  #seen: Segmentation | undefined;

  /** `again` has {@link run} called anew. */
  constructor(photo: HTMLCanvasElement, again: () => void) {
    this.#photo = photo;
    const line = new StateLine("cutout");
    this.#network = new OwnNetwork(line, (engine, how) => engine.models.selfieSegmentation(how), again);
    new Choice<Background>(
      "background",
      (value) => BACKGROUNDS.find((each) => each === value),
      (value) => {
        this.#background = value;
        element("colour-field", HTMLElement).hidden = value !== "colour";
        this.#draw();
      },
    ).value = this.#background;
    this.#colour.addEventListener("input", () => this.#draw());
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
    context.clearRect(0, 0, width, height);
    if (!this.#seen) return;
    const matte = this.#seen.matte({ width, height });
    if (this.#background === "matte") {
      drawMask(context, matte, { colour: [255, 255, 255], opacity: 1 });
    } else {
      const background = this.#background === "blur" ? "blur" : this.#colour.value;
      drawMatted(context, this.#photo, matte, { background, radius: width / 40, pixelRatio: 1 });
    }
    const share = matte.data.reduce((sum, value) => sum + value, 0) / matte.data.length;
    const words = share < SPECK ? "No person is seen" : `Cut out: ${Math.round(100 * share)} % of the photo`;
    setText(element("person", HTMLElement), words);
    this.#canvas.setAttribute(
      "aria-label",
      share < SPECK ? "The photo, with nobody cut out" : "What is taken for a person, cut out",
    );
  }
}
