// Samples to learn from, made here: the same on every machine.

/** Numbers from 0 to 1. */
function random(seed) {
  let state = seed * 2654435761;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Bars as digits are: upright, lying, rising and falling, 12 x 12, shifted, with noise. */
export function digits(count, seed) {
  const next = random(seed);
  const x = new Float32Array(count * 144);
  const y = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const kind = Math.floor(next() * 4);
    const [dx, dy] = [Math.floor(next() * 5) - 2, Math.floor(next() * 5) - 2];
    y[i] = kind;
    for (let at = 2; at < 10; at++) {
      const [u, v] = [
        [6, at],
        [at, 6],
        [at, at],
        [at, 11 - at],
      ][kind];
      const [column, row] = [u + dx, v + dy];
      if (column >= 0 && column < 12 && row >= 0 && row < 12) x[i * 144 + row * 12 + column] = 1;
    }
    for (let j = 0; j < 144; j++) x[i * 144 + j] += 0.4 * next();
  }
  return { x, y };
}

/** Two clouds of points in the plane, left and right. */
export function points(count, seed) {
  const next = random(seed);
  const x = new Float32Array(count * 2);
  const y = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    y[i] = i % 2;
    x[2 * i] = (i % 2 ? 1 : -1) + 0.8 * (next() - 0.5);
    x[2 * i + 1] = 2 * (next() - 0.5);
  }
  return { x, y };
}
