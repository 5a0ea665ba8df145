/** One colour per class, the same on every picture, in every session and for both models: it follows from the name alone. */

/** Dark text reads on every class colour: they are all light. */
export const LABEL_TEXT = "#0b0d10";

const known = new Map<string, string>();

export function colourOf(label: string): string {
  const key = label.toLowerCase();
  const colour = known.get(key) ?? mix(key);
  known.set(key, colour);
  return colour;
}

/** Start of the hash, searched for so that the names met most (person, cat, dog, car, bicycle, cup) get hues far apart. */
const SEED = 28468;

/** FNV-1a to one of 24 hues at two lightnesses: light enough to carry dark text. */
function mix(key: string): string {
  let hash = SEED;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 15;
  const hue = ((hash >>> 0) % 24) * 15 + 8;
  const light = (hash >>> 8) & 1 ? 0.85 : 0.77;
  return `oklch(${light} 0.165 ${hue})`;
}
