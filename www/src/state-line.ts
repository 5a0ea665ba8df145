import type { Progress } from "striate";
import { element, setText } from "./dom.ts";

/** A way on. */
export interface Action {
  readonly label: string;
  readonly run: () => void;
}

/** The line below a picture of a piece: what is being done, what went wrong, and the ways on: two at most. */
export class StateLine {
  readonly #line: HTMLElement;
  readonly #text: HTMLElement;
  readonly #bar: HTMLElement;
  readonly #buttons: readonly HTMLButtonElement[];
  #actions: readonly Action[] = [];

  constructor(id: string) {
    this.#line = element(`${id}-state`, HTMLElement);
    this.#text = element(`${id}-state-text`, HTMLElement);
    this.#bar = element(`${id}-state-bar`, HTMLElement);
    this.#buttons = ["action", "other"].map((which) => element(`${id}-state-${which}`, HTMLButtonElement));
    for (const [i, button] of this.#buttons.entries()) button.addEventListener("click", () => this.#actions[i]?.run());
  }

  /** Says a sentence, and offers ways on. */
  say(text: string, ...actions: readonly Action[]): void {
    this.#show(text, actions);
    this.#bar.hidden = true;
  }

  /** Says what is being done, and how far it has come: 0 to 1, or not known. */
  busy(text: string, share?: number, action?: Action): void {
    this.#show(text, action ? [action] : []);
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

  #show(text: string, actions: readonly Action[]): void {
    this.#line.hidden = false;
    setText(this.#text, text);
    this.#actions = actions;
    for (const [i, button] of this.#buttons.entries()) {
      button.hidden = !actions[i];
      setText(button, actions[i]?.label ?? "");
    }
  }
}

/** How far, if that is known. */
export function shareOf({ loaded, total }: Progress): number | undefined {
  return total ? Math.min(loaded / total, 1) : undefined;
}
