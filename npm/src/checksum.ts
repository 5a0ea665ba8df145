// SHA-256 of files, by the browser where it lends its own (secure contexts, Node), else by the few lines at the end.

import { failure } from "./errors.js";
import type { FetchOptions } from "./types.js";

/** What a file must hash to, by the last part of its address. */
export class Checksums {
  readonly #given: FetchOptions["sha256"];

  constructor(given: FetchOptions["sha256"]) {
    const all = typeof given === "string" ? [given] : Object.values(given ?? {});
    for (const hash of all) {
      if (typeof hash === "string" && /^[0-9a-f]{64}$/i.test(hash)) continue;
      throw failure("invalid", "`sha256` is 64 hexadecimal digits, or an object of them by file name", {
        received: String(hash),
      });
    }
    this.#given = given;
  }

  /** The hash of a file of this name; `single` says that the model is one file. Nothing if none is asked for. */
  of(name: string, single: boolean): string | undefined {
    if (this.#given === undefined) return undefined;
    if (typeof this.#given === "string") {
      if (single) return this.#given.toLowerCase();
      throw failure(
        "invalid",
        "this model has several files: `sha256` is an object with a hash for each, by file name",
        {
          layer: name,
        },
      );
    }
    const hash = this.#given[name];
    if (hash) return hash.toLowerCase();
    throw failure("invalid", `\`sha256\` has no hash for ${name || "a file without a name"}`, {
      expected: name,
      received: Object.keys(this.#given).join(", "),
    });
  }

  /** Something is to be checked. */
  get any(): boolean {
    return this.#given !== undefined;
  }
}

/** Throws, with this code, unless the bytes have this hash; `where` is what errors call the file. */
export async function verify(
  bytes: Uint8Array,
  expected: string | undefined,
  where: string,
  code: "network" | "invalid",
): Promise<void> {
  if (!expected) return;
  const received = await sha256(bytes);
  if (received === expected) return;
  throw failure(code, `${where} is not the file that was asked for: its SHA-256 differs`, { expected, received });
}

/** The last part of an address or path, without query. */
export function nameOf(address: string | URL): string {
  const path = address instanceof URL ? address.pathname : address;
  const name = path.slice(path.lastIndexOf("/") + 1);
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** SHA-256 in lower-case hexadecimal. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  const { subtle } = (globalThis.crypto ?? {}) as { subtle?: SubtleCrypto };
  if (!subtle) return hex(digest(bytes));
  return hex(new Uint8Array(await subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>)));
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The first 32 bits of the fractional parts of the roots of the first primes (FIPS 180-4, section 4.2.2 and 5.3.3). */
function fractions(count: number, power: number): Uint32Array {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) {
    if (found.every((_, i) => n % (primes[i] as number) !== 0)) {
      primes[found.length] = n;
      found.push((n ** power % 1) * 2 ** 32);
    }
  }
  return Uint32Array.from(found);
}
const primes: number[] = [];

/** SHA-256 as FIPS 180-4 writes it down; for pages that are not secure contexts, about 100 MB a second. */
export function digest(bytes: Uint8Array): Uint8Array {
  const k = fractions(64, 1 / 3);
  const state = fractions(8, 1 / 2);
  const tail = new Uint8Array(bytes.length % 64 < 56 ? 64 : 128);
  const whole = bytes.length - (bytes.length % 64);
  tail.set(bytes.subarray(whole));
  tail[bytes.length % 64] = 0x80;
  const end = new DataView(tail.buffer);
  end.setUint32(tail.length - 8, Math.floor(bytes.length / 2 ** 29));
  end.setUint32(tail.length - 4, (bytes.length * 8) >>> 0);
  const w = new Uint32Array(64);
  const turn = (x: number, n: number) => (x >>> n) | (x << (32 - n));
  const blocks = (view: DataView, length: number) => {
    for (let at = 0; at < length; at += 64) {
      for (let i = 0; i < 16; i++) w[i] = view.getUint32(at + 4 * i);
      for (let i = 16; i < 64; i++) {
        const [a, b] = [w[i - 15] as number, w[i - 2] as number];
        const s0 = turn(a, 7) ^ turn(a, 18) ^ (a >>> 3);
        const s1 = turn(b, 17) ^ turn(b, 19) ^ (b >>> 10);
        w[i] = ((w[i - 16] as number) + s0 + (w[i - 7] as number) + s1) | 0;
      }
      let [a, b, c, d, e, f, g, h] = state as unknown as [
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      for (let i = 0; i < 64; i++) {
        const s1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
        const one = (h + s1 + ((e & f) ^ (~e & g)) + (k[i] as number) + (w[i] as number)) | 0;
        const s0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
        const two = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
      }
      for (const [i, value] of [a, b, c, d, e, f, g, h].entries()) state[i] = ((state[i] as number) + value) | 0;
    }
  };
  blocks(new DataView(bytes.buffer, bytes.byteOffset, whole), whole);
  blocks(end, tail.length);
  const out = new DataView(new ArrayBuffer(32));
  for (const [i, value] of state.entries()) out.setUint32(4 * i, value);
  return new Uint8Array(out.buffer);
}
