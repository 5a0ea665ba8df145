import { failure } from "../errors.js";
import { permutation, uniform } from "./random.js";
import type { TrainingData } from "./samples.js";

/** Options of {@link mixup}. */
export interface MixupOptions {
  /** The smaller, the less is mixed; 0.2 is usual. */
  alpha?: number;
  /** Decides what is mixed with what, and how. */
  seed?: number;
}

type Floats = { data: Float32Array; shape: number[] };

/**
 * Mixes the pictures of a batch with others of it, and their labels alike (Zhang et al. 2018, "mixup: Beyond Empirical Risk
 * Minimization"): for {@link Dataset.map} on batches. Labels are one-hot floats: `losses.categoricalCrossentropy()` takes shares.
 *
 * ```ts
 * await net.fit(samples.batch(32).map(data.mixup({ alpha: 0.2 })));
 * ```
 */
export function mixup({ alpha = 0.2, seed = Math.floor(Math.random() * 2 ** 30) }: MixupOptions = {}) {
  if (!(alpha > 0 && Number.isFinite(alpha))) {
    throw failure("invalid", "`alpha` is a number above 0", { received: String(alpha) });
  }
  return <T extends TrainingData>(batch: T, index: number): T => {
    const random = uniform(seed, index);
    const [x, y] = [floats(batch.x, "x"), floats(batch.y, "y")];
    const count = x.shape[0] ?? 0;
    if (y.shape[0] !== count) {
      throw failure("shape-mismatch", "not as many labels as pictures", {
        expected: String(count),
        received: String(y.shape[0]),
      });
    }
    const [others, share] = [permutation(count, random), beta(alpha, random)];
    const mixed = ({ data, shape }: Floats): Floats => {
      const row = count === 0 ? 0 : data.length / count;
      const out = Float32Array.from(data, (value, i) => {
        const other = data[(others[Math.floor(i / row)] as number) * row + (i % row)] as number;
        return share * value + (1 - share) * other;
      });
      return { data: out, shape };
    };
    return { ...batch, x: mixed(x), y: mixed(y) };
  };
}

function floats(value: unknown, what: string): Floats {
  const { data, shape } = (value ?? {}) as Partial<Floats>;
  if (data instanceof Float32Array && Array.isArray(shape)) return { data, shape };
  throw failure("unsupported", `mixup() takes one tensor of floats as ${what}; labels are one-hot`, {
    expected: "{ data: Float32Array, shape }",
    received: data?.constructor.name ?? typeof value,
  });
}

/** A number of the distribution Beta(a, a), out of two of Gamma(a). */
function beta(a: number, random: () => number): number {
  const [x, y] = [gamma(a, random), gamma(a, random)];
  // Both may be too small for a double where `a` is.
  return x + y > 0 ? x / (x + y) : Math.round(random());
}

/** Marsaglia & Tsang 2000, "A Simple Method for Generating Gamma Variables". */
function gamma(a: number, random: () => number): number {
  if (a < 1) return gamma(a + 1, random) * random() ** (1 / a);
  const d = a - 1 / 3;
  for (;;) {
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    const normal = radius * Math.cos(2 * Math.PI * random());
    const v = (1 + normal / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(1 - random()) < 0.5 * normal * normal + d - d * v + d * Math.log(v)) return d * v;
  }
}
