import type { Variant } from "./types.js";

/** What this place can run. */
export interface Features {
  /** 128-bit SIMD: without it nothing runs. */
  simd: boolean;
  /** Relaxed SIMD: a fused multiply-add, about 1.3 times faster. */
  relaxed: boolean;
  /** Shared memory, atomics, and a thread that may block. */
  threads: boolean;
  /** Why there are no threads, if there are none. */
  noThreads?: string;
}

/** The header and the type section of a module with one function `() -> result`. */
const module = (type: number[], rest: number[]) => new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, ...type, ...rest]);
const V128 = [5, 1, 96, 0, 1, 123];

/** `i32.const 0; i8x16.splat; i8x16.popcnt` */
const SIMD = module(V128, [3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11]);
/** `i32.const 1; i8x16.splat; i32.const 2; i8x16.splat; i8x16.relaxed_swizzle` */
const RELAXED = module(V128, [3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11]);
/** A shared memory and `i32.const 0; i32.atomic.load; drop` */
const THREADS = module([4, 1, 96, 0, 0], [3, 2, 1, 0, 5, 4, 1, 3, 1, 1, 10, 11, 1, 9, 0, 65, 0, 254, 16, 2, 0, 26, 11]);

/** Finds out what this place can run. A window may not block, so threads need a worker. */
export function features(): Features {
  const inWorker = "WorkerGlobalScope" in globalThis;
  const isolated = globalThis.crossOriginIsolated === true;
  const relaxed = WebAssembly.validate(RELAXED);
  const shared = relaxed && WebAssembly.validate(THREADS);
  const noThreads = !shared
    ? "this browser has no WebAssembly threads with relaxed SIMD"
    : !inWorker
      ? "threads need the engine in a worker"
      : !isolated
        ? "the page is not cross-origin isolated (headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp)"
        : undefined;
  return {
    simd: WebAssembly.validate(SIMD),
    relaxed,
    threads: noThreads === undefined,
    ...(noThreads === undefined ? {} : { noThreads }),
  };
}

/** How many threads to start: what was asked for, or one a core; beyond 8 the convolutions of small networks lose. */
export function threadCount(asked: number | false | undefined): number {
  if (asked === false) return 1;
  return Math.max(1, Math.floor(asked ?? Math.min(globalThis.navigator?.hardwareConcurrency ?? 1, 8)));
}

/** The binary to load, `best` at most. */
export function chooseVariant(found: Features, threads: number, best: Variant = "threads"): Variant {
  if (threads > 1 && found.threads && best === "threads") return "threads";
  return found.relaxed && best !== "simd" ? "relaxed" : "simd";
}
