// Colours of classes, and of numbers.

import { failure } from "../errors.js";
import { scratch } from "./scratch.js";

/** Red, green and blue, 0 to 255. */
export type Rgb = readonly [number, number, number];

/** Text on dark grounds, and on light ones. */
const INKS = ["#ffffff", "#0b0d10"] as const;
const inks = new Map<string, string>();

const known = new Map<string, string>();

/**
 * The colour of a class, as CSS has it: it follows from the name alone, so that it is the same on every picture and in every
 * session. All of them are light: dark text reads on them.
 */
export function colourOf(label: string): string {
  const key = label.toLowerCase();
  const before = known.get(key);
  if (before) return before;
  const colour = mix(key);
  known.set(key, colour);
  // What is known need not be measured by a canvas.
  inks.set(colour, INKS[1]);
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

/** The colour of a class in PASCAL VOC's colour map: its bits dealt out to the channels, highest first. */
export function classColour(value: number): Rgb {
  const channel = (first: number) => {
    let sum = 0;
    for (let i = 0; i < 8; i++) sum |= ((value >> (3 * i + first)) & 1) << (7 - i);
    return sum;
  };
  return [channel(0), channel(1), channel(2)];
}

/** The text colour that reads on a ground. */
export function inkOn(ground: string): string {
  const before = inks.get(ground);
  if (before) return before;
  // Only the browser understands every way to write a colour.
  const [, context] = scratch(1, 1);
  context.fillStyle = ground;
  context.fillRect(0, 0, 1, 1);
  const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].map((c) => {
    const part = c / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  // At this luminance black and white have the same contrast (WCAG 2).
  const ink = 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? INKS[1] : INKS[0];
  inks.set(ground, ink);
  return ink;
}

/** Colours of numbers from low to high; between the stops they are mixed. */
const RAMPS = {
  grey: [
    [0, 0, 0],
    [255, 255, 255],
  ],
  /** As of glowing iron: dark to light throughout, so that it reads without colours, too. */
  heat: [
    [4, 3, 18],
    [62, 12, 94],
    [138, 28, 98],
    [206, 58, 62],
    [244, 120, 26],
    [250, 196, 52],
    [252, 253, 190],
  ],
  /** Blue over green and yellow to red: what class activation maps are shown in. */
  spectrum: [
    [24, 20, 120],
    [30, 96, 226],
    [26, 190, 208],
    [96, 214, 92],
    [236, 214, 48],
    [240, 116, 30],
    [176, 16, 20],
  ],
  /** Negative is blue, 0 white, positive red. */
  diverging: [
    [24, 66, 158],
    [122, 168, 224],
    [246, 246, 246],
    [240, 152, 116],
    [168, 18, 38],
  ],
} satisfies { [name: string]: Rgb[] };

/** Names of the colour scales. */
export type Ramp = keyof typeof RAMPS;

/** 256 colours of a scale, three bytes each. */
export function ramp(name: Ramp): Uint8Array {
  const stops: readonly Rgb[] | undefined = RAMPS[name];
  if (!stops) {
    throw failure("invalid", "no such colour scale", {
      expected: Object.keys(RAMPS).join(", "),
      received: String(name),
    });
  }
  const colours = new Uint8Array(3 * 256);
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * (stops.length - 1);
    const first = Math.min(Math.floor(place), stops.length - 2);
    const [a, b] = [stops[first] as Rgb, stops[first + 1] as Rgb];
    for (let c = 0; c < 3; c++) {
      const [from, to] = [a[c] as number, b[c] as number];
      colours[3 * i + c] = Math.round(from + (to - from) * (place - first));
    }
  }
  return colours;
}

/** Least and largest of the finite numbers; 0 and 1 if there are none. */
export function rangeOf(values: ArrayLike<number>, start = 0, step = 1): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = start; i < values.length; i += step) {
    const value = values[i] as number;
    if (Number.isFinite(value)) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  return low <= high ? [low, high] : [0, 1];
}
