import { element, make, setText } from "./dom.ts";

export interface Notice {
  readonly title: string;
  readonly text: string;
  readonly actions: readonly { readonly label: string; readonly run: () => void }[];
}

/** A trouble with the picture covers one with the engine, and uncovers it again when it is gone. */
export type Topic = "picture" | "engine";

/** The card that tells what went wrong and offers the way on. */
export class NoticeCard {
  readonly #card: HTMLElement;
  readonly #title: HTMLElement;
  readonly #text: HTMLElement;
  readonly #actions: HTMLElement;
  readonly #pending = new Map<Topic, Notice>();

  /** `of` is what the ids of its elements begin with, where a page has several. */
  constructor(of = "") {
    const part = (name: string): HTMLElement => element(`${of}notice${name}`, HTMLElement);
    [this.#card, this.#title, this.#text, this.#actions] = [part(""), part("-title"), part("-text"), part("-actions")];
  }

  show(topic: Topic, notice: Notice): void {
    this.#pending.set(topic, notice);
    this.#render();
  }

  hide(topic: Topic): void {
    if (this.#pending.delete(topic)) this.#render();
  }

  #render(): void {
    const topic: Topic = this.#pending.has("picture") ? "picture" : "engine";
    const notice = this.#pending.get(topic);
    this.#card.hidden = !notice;
    if (!notice) return;
    setText(this.#title, notice.title);
    setText(this.#text, notice.text);
    this.#actions.replaceChildren(
      ...notice.actions.map(({ label, run }, i) => {
        const button = make("button", {
          type: "button",
          textContent: label,
          className: i === 0 ? "solid small" : "outline small",
        });
        button.addEventListener("click", () => {
          this.hide(topic);
          run();
        });
        return button;
      }),
    );
  }
}
