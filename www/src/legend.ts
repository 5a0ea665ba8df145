import type { Rgb } from "striate/draw";
import { make } from "./dom.ts";

/** A class that is seen. */
export interface LegendLine {
  readonly label: string;
  readonly colour: Rgb;
  /** Part of the picture, 0 to 1. */
  readonly share: number;
}

/** Lists classes with their colours, and how much of the picture each covers. */
export function showLegend(list: HTMLElement, lines: readonly LegendLine[]): void {
  const entry = ({ label, colour, share }: LegendLine) => {
    const chip = make("span", { className: "chip" });
    chip.style.setProperty("--colour", `rgb(${colour.join(" ")})`);
    const part = make("span", { className: "figures" }, `${(100 * share).toFixed(1)} %`);
    return make("li", {}, chip, make("span", { className: "what" }, label), part);
  };
  list.replaceChildren(...lines.map(entry));
}
