// The boxes that the reference implementations of the two networks find on the sample photos.
import { readFileSync } from "node:fs";

const FILES = { ssd: "ssd_mobilenetv2_oidv4.json", centernet: "centernet_mb3.json" };
export const PHOTOS = ["astronaut", "chelsea", "coffee"];
export const MODELS = Object.keys(FILES);

/** Label, score and box (x, y, width, height) of each detection expected on a photo. */
export function expectedOn(model, photo) {
  const file = new URL(`../../tests/data/expected/${FILES[model]}`, import.meta.url);
  const { results } = JSON.parse(readFileSync(file, "utf8"));
  return results[`${photo}.png`].detections.map(({ label, score, box_xyxy_px: [x1, y1, x2, y2] }) => ({
    label,
    score,
    box: [x1, y1, x2 - x1, y2 - y1],
  }));
}
