import { aborted, failure, throwIfAborted } from "./errors.js";
import type { OnProgress } from "./types.js";
import { readFile } from "./wasm.js";

/** Tries of one file; a server that is starting or a lost packet deserves another. */
const TRIES = 3;
/** Milliseconds before the second try; doubled for each further one. */
const BACKOFF = 250;

/** Files that are fetched at the same time: what browsers allow for one HTTP/1 server. */
const PARALLEL = 6;

/** Counts the bytes of several files for one progress. */
export class Meter {
  #loaded = 0;
  #total = 0;
  #known = true;

  constructor(private readonly onProgress: OnProgress | undefined) {}

  /** A file of this size begins; `undefined` if the server does not say. */
  expect(size: number | undefined): void {
    if (size === undefined) this.#known = false;
    else this.#total += size;
  }

  /** So many more bytes are there. */
  add(bytes: number): void {
    this.#loaded += bytes;
    const total = this.#known && this.#loaded <= this.#total ? { total: this.#total } : {};
    this.onProgress?.({ stage: "download", loaded: this.#loaded, ...total });
  }
}

/** Fetches several files, a few at a time, in order. */
export async function downloadAll(urls: URL[], meter: Meter, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>[]> {
  const files: Uint8Array<ArrayBuffer>[] = [];
  let next = 0;
  const lane = async () => {
    for (let i = next++; i < urls.length; i = next++) files[i] = await download(urls[i] as URL, meter, signal);
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, urls.length) }, lane));
  return files;
}

/** Fetches a file; tries again when the network or the server fails, but not when the server says no. */
export async function download(url: URL, meter: Meter, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  throwIfAborted(signal, "loading");
  if (url.protocol === "file:") {
    try {
      const bytes = readFile(url);
      if (bytes) return bytes;
    } catch (cause) {
      throw failure("network", `could not read ${url.href}: ${(cause as Error).message}`, { cause });
    }
  }
  for (let attempt = 1; ; attempt++) {
    let received = 0;
    try {
      const response = await fetch(url, signal ? { signal } : {});
      if (!response.ok) {
        const type = response.headers.get("content-type") ?? "no MIME type";
        const error = failure(
          "network",
          `${url.href} answered ${response.status} ${response.statusText} (${type}); check the address`,
        );
        if (response.status < 500 || attempt === TRIES) throw error;
      } else {
        // A compressed answer has another length than its content.
        const size = response.headers.get("content-encoding") ? null : response.headers.get("content-length");
        if (attempt === 1) meter.expect(size ? Number(size) : undefined);
        return await read(response, (bytes) => {
          received += bytes;
          meter.add(bytes);
        });
      }
    } catch (cause) {
      meter.add(-received);
      if (signal?.aborted) throw aborted(signal, "loading");
      if (cause instanceof Error && cause.name === "NetworkError" && "code" in cause) throw cause;
      if (attempt === TRIES) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw failure("network", `could not fetch ${url.href} in ${TRIES} tries: ${reason}`, { cause });
      }
    }
    await pause(BACKOFF * 2 ** (attempt - 1), signal);
  }
}

async function read(response: Response, count: (bytes: number) => void): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  const reader = response.body?.getReader();
  if (!reader) return new Uint8Array(await response.arrayBuffer());
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    chunks.push(part.value);
    count(part.value.byteLength);
  }
  return concat(chunks);
}

/** One array of several. */
export function concat(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      if (signal) reject(aborted(signal, "loading"));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
