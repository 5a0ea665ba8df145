// The sample photos and the boxes that the original implementations find on them.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");
/** Where `cargo xtask models` puts the pretrained networks. */
export const VENDOR = join(ROOT, "vendor");
/** The sample photos. */
export const IMAGES = join(ROOT, "tests/data/images");

/** The photos with their expected boxes, for a model's name. */
export function expectedBoxes(model) {
  const { results } = JSON.parse(readFileSync(join(ROOT, "tests/data/expected", `${model}.json`), "utf8"));
  return Object.entries(results)
    .map(([name, { detections }]) => ({ name, photo: join(IMAGES, name), boxes: detections }))
    .filter(({ photo }) => existsSync(photo));
}

/** The first difference in words: same things, boxes that overlap by 0.95, scores within 0.01. */
export function missingBox(found, boxes) {
  if (found.length !== boxes.length) return `${found.length} things instead of ${boxes.length}`;
  const missing = boxes.find(
    ({ label, score, box_xyxy_px: box }) =>
      !found.some(
        (thing) => thing.label === label && Math.abs(thing.score - score) <= 0.01 && overlap(thing, box) >= 0.95,
      ),
  );
  return missing && `no ${missing.label} ${missing.score} at ${missing.box_xyxy_px}`;
}

function overlap({ x, y, width, height }, [x1, y1, x2, y2]) {
  const across = Math.min(x + width, x2) - Math.max(x, x1);
  const down = Math.min(y + height, y2) - Math.max(y, y1);
  const both = Math.max(0, across) * Math.max(0, down);
  return both / (width * height + (x2 - x1) * (y2 - y1) - both);
}
