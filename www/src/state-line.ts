import type { Progress } from "striate";
import { element, setText } from "./dom.ts";

/** A way on. */
export interface Action {
  readonly label: string;
  readonly run: () => void;
}

/** The line below a picture of a piece: what is being done, what went wrong, and the way on. */
export class StateLine {
  readonly #line: HTMLElement;
  readonly #text: HTMLElement;
  readonly #bar: HTMLElement;
  readonly #action: HTMLButtonElement;
  #run: () => void = () => {};

  constructor(id: string) {
    this.#line = element(`${id}-state`, HTMLElement);
    this.#text = element(`${id}-state-text`, HTMLElement);
    this.#bar = element(`${id}-state-bar`, HTMLElement);
    this.#action = element(`${id}-state-action`, HTMLButtonElement);
    this.#action.addEventListener("click", () => this.#run());
  }

  /** Says a sentence, and offers a way on. */
  say(text: string, action?: Action): void {
    this.#show(text, action);
    this.#bar.hidden = true;
  }

  /** Says what is being done, and how far it has come: 0 to 1, or not known. */
  busy(text: string, share?: number, action?: Action): void {
    this.#show(text, action);
    this.#bar.hidden = false;
    this.#bar.classList.toggle("unknown", share === undefined);
    if (share === undefined) {
      this.#bar.removeAttribute("aria-valuenow");
    } else {
      this.#bar.style.setProperty("--share", String(share));
      this.#bar.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    }
  }

  clear(): void {
    this.#line.hidden = true;
  }

  #show(text: string, action: Action | undefined): void {
    this.#line.hidden = false;
    setText(this.#text, text);
    this.#action.hidden = !action;
    setText(this.#action, action?.label ?? "");
    this.#run = action?.run ?? (() => {});
  }
}

/** How far, if that is known. */
export function shareOf({ loaded, total }: Progress): number | undefined {
  return total ? Math.min(loaded / total, 1) : undefined;
}
