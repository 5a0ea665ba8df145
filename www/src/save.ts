import { make } from "./dom.ts";

/** Hands the visitor what is on a canvas, as a file. */
export function savePng(canvas: HTMLCanvasElement, name: string): void {
  canvas.toBlob((blob) => {
    if (!blob) return;
    const href = URL.createObjectURL(blob);
    make("a", { href, download: `${name}.png` }).click();
    // The browser has the file in hand by then.
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
  }, "image/png");
}
