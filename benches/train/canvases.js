// Pictures to learn segmentation from: handwritten digits of several sizes, turned a little, on one canvas, and for every
// pixel which of them it belongs to. Runs in pages and in Node.

/** Classes: the background, then the digits 0 to 9. */
export const CLASSES = 11;
/** Ink from here on belongs to its digit; what is lighter is background. */
const INK = 0.25;
/** Side of a digit's picture. */
const SIDE = 28;

/** A stream of numbers from 0 to 1 that a seed decides (xorshift32). */
export function random(seed) {
  let state = (seed * 2654435761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}

/**
 * `count` canvases of `size` x `size` with one to four digits each, which do not overlap. `digits` are pictures of 28 x 28, 0 to 1,
 * one behind the other in `x`, and what they show in `y`.
 */
export function compose({ x, y }, count, size, next) {
  const canvases = new Float32Array(count * size * size);
  const labels = new Int32Array(count * size * size);
  for (let i = 0; i < count; i++) {
    const placed = [];
    const wanted = 1 + Math.floor(next() * 4);
    for (let attempt = 0; attempt < 20 && placed.length < wanted; attempt++) {
      const side = 16 + next() * 12;
      const [cx, cy] = [(next() * (size - side) + side / 2) | 0, (next() * (size - side) + side / 2) | 0];
      const apart = (other) => Math.max(Math.abs(other.cx - cx), Math.abs(other.cy - cy)) > 0.42 * (other.side + side);
      if (!placed.every(apart)) continue;
      placed.push({ cx, cy, side });
      const digit = Math.floor(next() * y.length);
      const turn = (next() - 0.5) * 0.6;
      const slant = (next() - 0.5) * 0.3;
      const ink = 0.7 + next() * 0.3;
      const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
      const reach = Math.ceil(side * 0.7);
      const scale = SIDE / side;
      for (let v = Math.max(0, cy - reach); v < Math.min(size, cy + reach); v++) {
        for (let u = Math.max(0, cx - reach); u < Math.min(size, cx + reach); u++) {
          // Four samples a pixel, since digits get smaller too.
          let value = 0;
          for (const dv of [0.25, 0.75]) {
            for (const du of [0.25, 0.75]) {
              const [px, py] = [u + du - cx, v + dv - cy];
              const qx = (cos * px + sin * py + slant * py) * scale + SIDE / 2;
              const qy = (cos * py - sin * px) * scale + SIDE / 2;
              value += sample(x, digit, qx, qy);
            }
          }
          value = (value / 4) * ink;
          const at = (i * size + v) * size + u;
          if (value > canvases[at]) {
            canvases[at] = value;
            if (value > INK) labels[at] = y[digit] + 1;
          }
        }
      }
    }
  }
  return {
    x: { data: canvases, shape: [count, size, size, 1] },
    y: { data: labels, shape: [count, size, size] },
  };
}

/** A digit's picture at a place, bilinear, nothing beyond its edges. */
function sample(x, digit, qx, qy) {
  const [u, v] = [qx - 0.5, qy - 0.5];
  const [left, top] = [Math.floor(u), Math.floor(v)];
  const pixel = (column, row) =>
    column < 0 || row < 0 || column >= SIDE || row >= SIDE ? 0 : x[(digit * SIDE + row) * SIDE + column];
  const [a, b] = [u - left, v - top];
  const upper = pixel(left, top) * (1 - a) + pixel(left + 1, top) * a;
  const lower = pixel(left, top + 1) * (1 - a) + pixel(left + 1, top + 1) * a;
  return upper * (1 - b) + lower * b;
}

/** Intersection over union of each class, and the share of ink that is called right. */
export function judge(truth, found) {
  const [both, either] = [new Float64Array(CLASSES), new Float64Array(CLASSES)];
  let [ink, right] = [0, 0];
  for (let i = 0; i < truth.length; i++) {
    const [t, f] = [truth[i], found[i]];
    either[t]++;
    if (t === f) both[t]++;
    else either[f]++;
    if (t > 0) {
      ink++;
      if (t === f) right++;
    }
  }
  const iou = Array.from(both, (count, c) => count / either[c]);
  return { iou, meanIoU: iou.reduce((a, b) => a + b, 0) / CLASSES, ink: right / ink };
}
