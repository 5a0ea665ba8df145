// The files of one model: from the network or out of the cache, checked against their hashes, counted for one progress.

import { cacheName, forget, keep, kept, unable } from "./cache.js";
import { Checksums, nameOf, sha256, verify } from "./checksum.js";
import { failure, throwIfAborted } from "./errors.js";
import { type Counter, transfer } from "./transfer.js";
import type { FetchOptions, OnProgress } from "./types.js";
import { readFile } from "./wasm.js";

/** Files that are fetched at the same time: what browsers allow for one HTTP/1 server. */
const PARALLEL = 6;

/** Counts the bytes of several files for one progress. */
class Meter implements Counter {
  #loaded = 0;
  #total = 0;
  #known = true;

  constructor(private readonly onProgress: OnProgress | undefined) {}

  expect(size: number | undefined): void {
    if (size === undefined) this.#known = false;
    else this.#total += size;
  }

  add(bytes: number): void {
    if (bytes === 0) return;
    this.#loaded += bytes;
    const total = this.#known && this.#loaded <= this.#total ? { total: this.#total } : {};
    this.onProgress?.({ stage: "download", loaded: this.#loaded, ...total });
  }
}

/** Fetches the files of one model: the first, then those that it names. */
export class Download {
  readonly #options: FetchOptions;
  readonly #sums: Checksums;
  readonly #meter: Meter;
  /** The cache to keep the files in. */
  readonly #cache: string | undefined;
  #files: [URL, Uint8Array<ArrayBuffer>][] = [];
  /** The first file came out of the cache: only then may the others, for they belong together. */
  #hit = false;
  /** Some file came over the network. */
  #fetched = false;

  constructor(options: FetchOptions) {
    this.#options = options;
    this.#sums = new Checksums(options.sha256);
    this.#meter = new Meter(options.onProgress);
    this.#cache = cacheName(options.cache);
  }

  /** The file that was asked for. */
  async first(url: URL): Promise<Uint8Array<ArrayBuffer>> {
    const { signal } = this.#options;
    throwIfAborted(signal, "loading");
    const sum = this.#sums.of(nameOf(url), true);
    const found = await this.#kept(url, sum);
    this.#hit = found !== undefined;
    const bytes = found ?? (await this.#fetch(url, sum, signal));
    this.#files.push([url, bytes]);
    return bytes;
  }

  /** The files that the first one names, a few at a time, in order. One that fails stops the rest. */
  async others(urls: URL[]): Promise<Uint8Array<ArrayBuffer>[]> {
    const { signal } = this.#options;
    const sums = urls.map((url) => this.#sums.of(nameOf(url), false));
    const stop = new AbortController();
    const abort = () => stop.abort(signal?.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort, { once: true });
    const files: Uint8Array<ArrayBuffer>[] = [];
    let next = 0;
    const lane = async () => {
      for (let i = next++; i < urls.length; i = next++) {
        const [url, sum] = [urls[i] as URL, sums[i]];
        const found = this.#hit ? await this.#kept(url, sum) : undefined;
        files[i] = found ?? (await this.#fetch(url, sum, stop.signal));
      }
    };
    try {
      await Promise.all(Array.from({ length: Math.min(PARALLEL, urls.length) }, lane));
    } catch (error) {
      stop.abort();
      throwIfAborted(signal, "loading");
      throw error;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
    for (const [i, url] of urls.entries()) this.#files.push([url, files[i] as Uint8Array<ArrayBuffer>]);
    return files;
  }

  /** Checks a file that was not fetched; `single` says that there are no others. */
  check(bytes: Uint8Array, name: string, single: boolean): Promise<void> {
    return verify(bytes, this.#sums.of(name, single), name || "the file", "invalid");
  }

  /** For files that have no names. */
  refuseSums(): void {
    if (this.#sums.any)
      throw failure("invalid", "`sha256` goes with files that have names, not with { json, weights }");
  }

  /**
   * Works with the files, which may give their bytes away, and keeps them meanwhile if that is wanted. Those that are kept and
   * turn out to be broken are let go of, so that the next try fetches them anew.
   */
  async use<T>(work: () => Promise<T>): Promise<T> {
    const urls = this.#files.map(([url]) => url);
    const keeping = this.#keep();
    try {
      return await work();
    } catch (error) {
      await keeping;
      const { code } = error as { code?: string };
      if (this.#cache !== undefined && (code === "invalid" || code === "shape-mismatch"))
        await forget(this.#cache, urls);
      throw error;
    } finally {
      await keeping;
    }
  }

  /** Keeps the files. What does not go is told as progress: the model is none the worse for it. */
  async #keep(): Promise<void> {
    const files = this.#files;
    this.#files = [];
    const url = files[0]?.[0];
    if (this.#cache === undefined || !this.#fetched || !url) return;
    const total = files.reduce((sum, [, bytes]) => sum + bytes.byteLength, 0);
    const reason = unable(url);
    const warning = reason ? `the model is not kept for the next time: ${reason}` : await keep(this.#cache, files);
    this.#options.onProgress?.({ stage: "cache", loaded: warning ? 0 : total, total, ...(warning ? { warning } : {}) });
  }

  async #fetch(url: URL, sum: string | undefined, signal: AbortSignal | undefined): Promise<Uint8Array<ArrayBuffer>> {
    this.#fetched = true;
    throwIfAborted(signal, "loading");
    const bytes = onDisk(url) ?? (await transfer(url, this.#meter, signal));
    await verify(bytes, sum, url.href, "network");
    throwIfAborted(signal, "loading");
    return bytes;
  }

  /** A file out of the cache, if it has the right hash. */
  async #kept(url: URL, sum: string | undefined): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const name = this.#cache;
    if (name === undefined || unable(url)) return undefined;
    const bytes = await kept(name, url);
    if (!bytes) return undefined;
    if (sum && (await sha256(bytes)) !== sum) {
      await forget(name, [url]);
      return undefined;
    }
    this.#meter.expect(bytes.byteLength);
    this.#meter.add(bytes.byteLength);
    return bytes;
  }
}

/** A file of this machine, in Node. */
function onDisk(url: URL): Uint8Array<ArrayBuffer> | undefined {
  if (url.protocol !== "file:") return undefined;
  try {
    return readFile(url);
  } catch (cause) {
    throw failure("network", `could not read ${url.href}: ${(cause as Error).message}`, { cause });
  }
}
