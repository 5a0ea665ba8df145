import { drawMask, drawMatted, type PixelMap } from "striate/draw";
import { listenForFilesOn } from "./arrivals.ts";
import { Choice, element } from "./dom.ts";
import { explainPhoto } from "./messages.ts";
import { openPhoto, PhotoError, shrinkPhoto } from "./photo.ts";
import { fetchSample, SAMPLES, type Sample, SCENES, showSamples } from "./samples.ts";
import { StateLine } from "./state-line.ts";

type Kind = "blur" | "colour" | "picture" | "matte";
const KINDS: readonly Kind[] = ["blur", "colour", "picture", "matte"];
/** Longest side of the picture behind: it is drawn with every frame of the camera. */
const LONGEST = 1280;

/** What is put behind the people who are cut out: the picture itself, blurred, a colour, another picture; or their matte is shown. */
export class Backdrop {
  readonly #changed: () => void;
  readonly #colour = element("colour", HTMLInputElement);
  readonly #chooser = element("behind-file", HTMLInputElement);
  readonly #line = new StateLine("behind");
  readonly #choice: Choice<Kind>;
  readonly #samples: ReturnType<typeof showSamples>;
  /** A place with nobody in it: what is offered first. */
  readonly #offered: readonly [Sample, ...Sample[]] = [...SCENES, ...SAMPLES.slice(1)];
  #kind: Kind = "blur";
  #picture: ImageBitmap | undefined;
  /** Counts pictures opened, so that a slow file cannot replace a newer one. */
  #opened = 0;

  /** `changed` is called when there is another. */
  constructor(changed: () => void) {
    this.#changed = changed;
    this.#choice = new Choice<Kind>(
      "background",
      (value) => KINDS.find((each) => each === value),
      (value) => this.#show(value),
    );
    this.#choice.value = this.#kind;
    this.#colour.addEventListener("input", changed);
    this.#samples = showSamples(
      this.#offered,
      (name) => void this.#openSample(this.#offered.find((each) => each.name === name) ?? this.#offered[0]),
      element("behind-thumbs", HTMLUListElement),
      "Behind: ",
    );
    element("choose-behind", HTMLButtonElement).addEventListener("click", this.#ways.choosePhoto);
    this.#chooser.addEventListener("change", () => {
      const [file] = this.#chooser.files ?? [];
      if (file) void this.#open(file);
      this.#chooser.value = ""; // so that the same file can be chosen again
    });
    listenForFilesOn(element("cutout-plate", HTMLElement), (file) => void this.#open(file));
  }

  /** Draws a picture before it; the matte, numbers or a picture of them, says what is in front. */
  draw(context: CanvasRenderingContext2D, picture: CanvasImageSource, matte: PixelMap | ImageBitmap): void {
    if (this.#kind === "matte") {
      const { width, height } = context.canvas;
      context.fillStyle = "#000";
      context.fillRect(0, 0, width, height);
      drawMask(context, matte, { colour: [255, 255, 255], opacity: 1 });
      return;
    }
    const picked = this.#kind === "picture" ? this.#picture : undefined;
    const background = picked ?? (this.#kind === "colour" ? this.#colour.value : "blur");
    drawMatted(context, picture, matte, { background, radius: context.canvas.width / 40, pixelRatio: 1 });
  }

  readonly #ways = {
    choosePhoto: (): void => this.#chooser.click(),
    shrink: (): void => {},
  };

  #show(kind: Kind): void {
    this.#kind = kind;
    this.#choice.value = kind;
    element("colour-field", HTMLElement).hidden = kind !== "colour";
    element("behind-field", HTMLElement).hidden = kind !== "picture";
    if (kind === "picture" && !this.#picture) void this.#openSample(this.#offered[0]);
    else this.#changed();
  }

  async #openSample(sample: Sample): Promise<void> {
    try {
      const { blob, keep } = await fetchSample(sample);
      await this.#open(blob, sample.name);
      await keep();
    } catch {
      this.#line.say("The sample photo could not be fetched.", {
        label: "Choose a picture",
        run: this.#ways.choosePhoto,
      });
    }
  }

  async #open(blob: Blob, name = "", decode = openPhoto): Promise<void> {
    const turn = ++this.#opened;
    this.#line.clear();
    try {
      const { bitmap } = await decode(blob);
      const picture = await smaller(bitmap);
      if (turn !== this.#opened) return;
      this.#picture?.close();
      this.#picture = picture;
      this.#samples.select(name);
      this.#show("picture");
    } catch (error) {
      if (turn === this.#opened) this.#fail(error, blob);
    }
  }

  #fail(error: unknown, blob: Blob): void {
    if (!(error instanceof PhotoError)) throw error;
    const ways = { ...this.#ways, shrink: () => void this.#open(blob, "", shrinkPhoto) };
    const { title, text, actions } = explainPhoto(error, ways, { label: "", run: () => {} });
    this.#line.say(`${title}. ${text}`, ...actions.slice(0, 1));
  }
}

async function smaller(bitmap: ImageBitmap): Promise<ImageBitmap> {
  const scale = LONGEST / Math.max(bitmap.width, bitmap.height);
  if (scale >= 1) return bitmap;
  const [resizeWidth, resizeHeight] = [bitmap.width, bitmap.height].map((side) =>
    Math.max(Math.round(side * scale), 1),
  );
  const small = await createImageBitmap(bitmap, {
    ...(resizeWidth && resizeHeight ? { resizeWidth, resizeHeight } : {}),
    resizeQuality: "high",
  });
  bitmap.close();
  return small;
}
