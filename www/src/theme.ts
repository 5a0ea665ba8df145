import { element } from "./dom.ts";

type Theme = "light" | "dark";
const KEY = "striate-theme";

/** Follows the system until the button is used; then keeps what was chosen. */
export function offerThemes(changed: () => void): void {
  const button = element("theme", HTMLButtonElement);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const current = (): Theme => {
    const chosen = document.documentElement.dataset.theme;
    return chosen === "light" || chosen === "dark" ? chosen : dark.matches ? "dark" : "light";
  };
  const label = (): void => {
    button.setAttribute("aria-label", `Switch to ${current() === "dark" ? "light" : "dark"} colours`);
    changed();
  };
  const kept = recall();
  if (kept) document.documentElement.dataset.theme = kept;
  button.addEventListener("click", () => {
    const next = current() === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    keep(next);
    label();
  });
  dark.addEventListener("change", label);
  label();
}

function recall(): Theme | undefined {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === "light" || kept === "dark" ? kept : undefined;
  } catch {
    return undefined;
  }
}

function keep(theme: Theme): void {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    return; // storage is switched off: the choice lasts until the page is closed
  }
}
