// One file over HTTP: tried again when the connection breaks, and then taken up where it broke, if the server can do that
// and the file is still the same.

import type { ErrorFields, StriateError } from "./errors.js";
import { aborted, failure, throwIfAborted } from "./errors.js";

/** Tries in a row that bring nothing; a server that is starting or a lost packet deserves another. */
const TRIES = 3;
/** Milliseconds before the second try; doubled for each further one. */
const BACKOFF = 250;
/** Bytes that make a try count as one that brought something. */
const PROGRESS = 256 << 10;
/** Seconds that a server may ask to wait (`Retry-After`); a page does not stand still for longer. */
const MAX_WAIT = 20;

/** Answers that another try may change. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Is told of bytes that arrived, or (negative) of those that are dropped. */
export interface Counter {
  /** The size of the file; `undefined` if the server does not say. Told once. */
  expect(size: number | undefined): void;
  add(bytes: number): void;
}

/** What is known of the file from its first answer. */
interface Known {
  /** Bytes, where the answer can be trusted to say. */
  size: number | undefined;
  /** What `If-Range` takes: a strong ETag, or a date. */
  validator: string | undefined;
  etag: string | null;
  modified: string | null;
}

/** Fetches a file whole. */
export async function transfer(url: URL, counter: Counter, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  const held = new Collector();
  let known: Known | undefined;
  let expected = false;
  let [failures, most] = [0, 0];
  const drop = () => {
    counter.add(-held.length);
    held.clear();
    known = undefined;
  };
  for (;;) {
    let wait = BACKOFF * 2 ** failures;
    try {
      throwIfAborted(signal, "loading");
      const resume = known?.validator && held.length > 0 ? known.validator : undefined;
      const headers: HeadersInit = resume ? { range: `bytes=${held.length}-`, "if-range": resume } : {};
      // What the browser keeps of a file that may have changed is no help: it would answer with the old one.
      const response = await fetch(url, {
        headers,
        ...(resume ? { cache: "no-store" as const } : {}),
        signal: signal ?? null,
      });
      if (!response.ok && !(resume && response.status === 416)) {
        void response.body?.cancel();
        wait = waiting(response, url, failures + 1 >= TRIES) ?? wait;
        throw new Error(`it answered ${response.status} ${response.statusText}`);
      }
      if (!resume || !known || !continues(response, known, held.length)) {
        drop();
        // A range that was not asked for, or is another one: only the whole file will do.
        if (response.status === 206 || !response.ok) {
          void response.body?.cancel();
          throw new Error("it answered with a part of the file that does not fit");
        }
        known = knownOf(response);
        if (!expected) counter.expect(sizeOf(response));
        expected = true;
      }
      await read(response, held, known.size, counter, url);
      if (known.size !== undefined && held.length < known.size) throw new Error("the connection broke off");
      return held.take();
    } catch (cause) {
      if (signal?.aborted) throw aborted(signal, "loading");
      if (isFinal(cause)) {
        drop();
        throw cause;
      }
      if (!known?.validator) drop();
      failures = held.length >= most + PROGRESS ? 0 : failures + 1;
      most = Math.max(most, held.length);
      if (failures >= TRIES) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        drop();
        throw failure("network", `could not fetch ${url.href} in ${TRIES} tries: ${reason}`, { cause });
      }
    }
    await pause(wait, signal);
  }
}

/** Our own errors say all there is to say. */
function isFinal(thrown: unknown): thrown is StriateError {
  return (
    thrown instanceof Error &&
    "code" in thrown &&
    typeof (thrown as Partial<ErrorFields>).code === "string" &&
    ["NetworkError", "ResourceError", "AbortedError"].includes(thrown.name)
  );
}

/** Milliseconds to wait after a refusal, if the server says; throws if another try is no use. */
function waiting(response: Response, url: URL, last: boolean): number | undefined {
  const { status, statusText, headers } = response;
  const type = headers.get("content-type") ?? "no MIME type";
  const refusal = `${url.href} answered ${status} ${statusText} (${type})`;
  if (!PASSING.has(status)) throw failure("network", `${refusal}; check the address`);
  const seconds = retryAfter(headers.get("retry-after"));
  if (seconds !== undefined && seconds > MAX_WAIT) {
    throw failure("network", `${refusal} and asks to come back in ${Math.ceil(seconds)} seconds`);
  }
  if (last) throw failure("network", `${refusal} ${TRIES} times; try again later`);
  return seconds === undefined ? undefined : seconds * 1000;
}

/** Seconds of a `Retry-After`: a number, or a date. */
function retryAfter(value: string | null): number | undefined {
  if (!value) return undefined;
  if (/^\s*\d+\s*$/.test(value)) return Number(value);
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, (date - Date.now()) / 1000);
}

/** What the server says about the size. A compressed answer has another length than its content. */
function sizeOf(response: Response): number | undefined {
  const length = response.headers.get("content-encoding") ? null : response.headers.get("content-length");
  return length && /^\d+$/.test(length) ? Number(length) : undefined;
}

function knownOf(response: Response): Known {
  const { headers, type } = response;
  // Of other sites' answers the encoding is not shown: their length may be that of compressed bytes.
  const size = type === "cors" ? undefined : sizeOf(response);
  const [etag, modified] = [headers.get("etag"), headers.get("last-modified")];
  const strong = etag && !etag.startsWith("W/") ? etag : undefined;
  const validator = headers.get("content-encoding") ? undefined : (strong ?? modified ?? undefined);
  return { size, validator, etag, modified };
}

/** Whether an answer is the rest of the same file, and no other bytes. */
function continues(response: Response, known: Known, at: number): boolean {
  const { status, headers } = response;
  if (status !== 206 || headers.get("content-encoding")) return false;
  const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers.get("content-range") ?? "");
  if (!range || Number(range[1]) !== at || Number(range[2]) < at) return false;
  const total = range[3] === "*" ? undefined : Number(range[3]);
  if (total !== undefined && Number(range[2]) >= total) return false;
  if (total !== undefined && known.size !== undefined && total !== known.size) return false;
  // Servers that do not know `If-Range` send the rest of whatever file is there now.
  if (known.validator === known.etag) return headers.get("etag") === known.etag;
  const modified = headers.get("last-modified");
  if (modified !== null && modified !== known.modified) return false;
  known.size ??= total;
  return true;
}

async function read(response: Response, held: Collector, size: number | undefined, counter: Counter, url: URL) {
  const reader = response.body?.getReader();
  if (!reader) return;
  if (size !== undefined) held.reserve(size, url);
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const { value } = part;
      if (size !== undefined && held.length + value.byteLength > size) {
        counter.add(-held.length);
        held.clear();
        throw new Error(`it sent more than the ${size} bytes of the file`);
      }
      held.push(value, url);
      counter.add(value.byteLength);
    }
  } catch (cause) {
    void reader.cancel().catch(() => {});
    throw cause;
  }
}

/** Bytes that arrive piece by piece, in one buffer. */
class Collector {
  #buffer = new Uint8Array(0);
  length = 0;

  /** Makes room for so many in all. */
  reserve(size: number, url: URL): void {
    if (size <= this.#buffer.length) return;
    try {
      const grown = new Uint8Array(size);
      grown.set(this.#buffer.subarray(0, this.length));
      this.#buffer = grown;
    } catch (cause) {
      throw failure("resource", `there is no memory for the ${size} bytes of ${url.href}`, { cause });
    }
  }

  push(part: Uint8Array, url: URL): void {
    const end = this.length + part.byteLength;
    if (end > this.#buffer.length)
      this.reserve(Math.max(end, Math.min(2 * this.#buffer.length, end + (64 << 20))), url);
    this.#buffer.set(part, this.length);
    this.length = end;
  }

  clear(): void {
    this.length = 0;
  }

  /** All of it, in a buffer of exactly that size. */
  take(): Uint8Array<ArrayBuffer> {
    return this.length === this.#buffer.length ? this.#buffer : this.#buffer.slice(0, this.length);
  }
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
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
  });
}
