import { listenForFiles } from "./arrivals.ts";
import type { Bench } from "./bench.ts";
import { element, setText } from "./dom.ts";
import { explainPhoto } from "./messages.ts";
import { openPhoto, PhotoError, shrinkPhoto } from "./photo.ts";
import { fetchSample, type Sample, showSamples } from "./samples.ts";

/** The photo that a page works on: samples, files, what is dropped or pasted. */
export class Gallery {
  readonly #offered: readonly [Sample, ...Sample[]];
  readonly #bench: Bench<unknown>;
  readonly #show: (bitmap: ImageBitmap) => { readonly width: number; readonly height: number };
  readonly #samples: ReturnType<typeof showSamples>;
  readonly #chooser = element("photo-file", HTMLInputElement);
  #refused: Blob | undefined;
  /** Counts pictures opened, so that a slow file cannot replace a newer one. */
  #opened = 0;

  /** `show` draws a picture and gives the size it is drawn at; the work is done anew after it. */
  constructor(
    offered: readonly [Sample, ...Sample[]],
    bench: Bench<unknown>,
    show: (bitmap: ImageBitmap) => { readonly width: number; readonly height: number },
  ) {
    this.#offered = offered;
    this.#bench = bench;
    this.#show = show;
    this.#samples = showSamples(offered, (name) => this.begin(name));
    element("choose-photo", HTMLButtonElement).addEventListener("click", this.#ways.choosePhoto);
    this.#chooser.addEventListener("change", () => {
      const [file] = this.#chooser.files ?? [];
      if (file) this.receive(file);
      this.#chooser.value = ""; // so that the same file can be chosen again
    });
    listenForFiles((file) => this.receive(file));
  }

  /** Opens the sample of this name, or the first. */
  begin(name?: string): void {
    void this.#openSample(this.#offered.find((each) => each.name === name) ?? this.#offered[0]);
  }

  /** Opens a file. */
  receive(file: File): void {
    const name = file.name || "pasted picture";
    void this.#open(file, { name, shows: name });
  }

  readonly #ways = {
    choosePhoto: (): void => this.#chooser.click(),
    shrink: (): void => {
      if (this.#refused) void this.#open(this.#refused, { name: "smaller copy", shows: "smaller copy" }, shrinkPhoto);
    },
  };

  async #openSample(sample: Sample): Promise<void> {
    try {
      const { blob, keep } = await fetchSample(sample);
      await this.#open(blob, sample);
      await keep();
    } catch {
      this.#bench.notice.show("picture", {
        title: "The sample photo could not be fetched",
        text: "Choose a photo of your own, or try again when the network is back.",
        actions: [{ label: "Choose a photo", run: this.#ways.choosePhoto }],
      });
    }
  }

  async #open(blob: Blob, { name, shows }: Sample, decode = openPhoto): Promise<void> {
    const turn = ++this.#opened;
    this.#bench.notice.hide("picture");
    try {
      const { bitmap } = await decode(blob);
      if (turn === this.#opened) {
        this.#refused = undefined;
        const { width, height } = this.#show(bitmap);
        element("main", HTMLElement).dataset.picture = name;
        this.#samples.select(name);
        element("photo", HTMLCanvasElement).setAttribute("aria-label", `The photo: ${shows}`);
        setText(element("now", HTMLElement), `${width} × ${height}`);
        void this.#bench.work();
      }
      bitmap.close();
    } catch (error) {
      if (turn !== this.#opened) return;
      this.#refused = blob;
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (error instanceof PhotoError) {
      const sample = { label: "Use a sample photo", run: () => this.begin() };
      this.#bench.notice.show("picture", explainPhoto(error, this.#ways, sample));
    } else this.#bench.fail(error);
  }
}
