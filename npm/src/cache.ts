// Model files that are kept for the next visit, in the browser's Cache API: it is there in windows and workers, writes an
// entry whole or not at all, and counts towards the site's quota. (The origin private file system can do no more for files
// that are read whole, and would have to be told how to replace one safely.)

import { nameOf } from "./checksum.js";
import type { FetchOptions } from "./types.js";

/** A file that is kept. */
export interface CachedFile {
  /** Its address. */
  url: string;
  /** The address that was loaded: of a weight file that of its `model.json`. */
  model: string;
  /** Its size. */
  bytes: number;
  /** When it was stored. */
  date: Date;
  /** The name given as the option `cache`; empty for `true`. */
  cache: string;
}

/** What all of striate's caches are called, alone or with a colon and a name. */
const PREFIX = "striate-models";
/** What is noted beside a file. */
const [MODEL, BYTES, DATE] = ["x-striate-model", "x-striate-bytes", "x-striate-date"] as const;

/** The browser's caches; nothing in Node and on pages that are not secure contexts. */
const storage = () => (globalThis as { caches?: CacheStorage }).caches;

const fullName = (name: string) => (name ? `${PREFIX}:${name}` : PREFIX);

/** Of the option `cache`: the name, empty for `true`; nothing if nothing is to be kept. */
export function cacheName(cache: FetchOptions["cache"]): string | undefined {
  return cache === true ? "" : typeof cache === "string" && cache ? cache : undefined;
}

/** Why nothing can be kept here; nothing if it can. */
export function unable(url: URL): string | undefined {
  if (!storage()) return "this place has no Cache API (Node, or a page that is neither https nor localhost)";
  if (!/^https?:$/.test(url.protocol)) return `what comes from ${url.protocol} is not kept`;
  return undefined;
}

/** A file that is kept, whole; nothing if there is none, or the cache cannot be read. */
export async function kept(name: string, url: URL): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    const response = await storage()?.match(url, { cacheName: fullName(name), ignoreVary: true });
    if (!response) return undefined;
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (String(bytes.byteLength) === response.headers.get(BYTES)) return bytes;
    await forget(name, [url]);
  } catch {
    // A browser that forbids storage, or lost a file of it: as if there were none.
  }
  return undefined;
}

/** Lets go of files. */
export async function forget(name: string, urls: URL[]): Promise<void> {
  try {
    const all = storage();
    if (!(await all?.has(fullName(name)))) return;
    const cache = await all?.open(fullName(name));
    for (const url of urls) await cache?.delete(url);
  } catch {
    // Storage is forbidden: there is nothing to let go of.
  }
}

/**
 * Keeps the files of a model: all, or none. The first, which names the others, comes last, so that a page that is closed in the
 * middle leaves no model with missing weights. A sentence, if that did not go.
 */
export async function keep(name: string, files: [URL, Uint8Array<ArrayBuffer>][]): Promise<string | undefined> {
  const model = files[0]?.[0].href ?? "";
  const stored: URL[] = [];
  // Copied at once: the bytes go to the worker meanwhile.
  const responses = files.map(([url, bytes]) => {
    const headers = {
      "content-type": "application/octet-stream",
      [MODEL]: model,
      [BYTES]: String(bytes.byteLength),
      [DATE]: new Date().toISOString(),
    };
    return [url, new Response(new Blob([bytes]), { headers })] as const;
  });
  try {
    const cache = await (storage() as CacheStorage).open(fullName(name));
    // Files of an older version must not stand beside the new `model.json`.
    await cache.delete(responses[0]?.[0] as URL);
    for (const [url, response] of responses.reverse()) {
      stored.push(url);
      await cache.put(url, response);
    }
    return undefined;
  } catch (cause) {
    await forget(name, stored);
    const { name: kind, message } = cause as Error;
    const full = kind === "QuotaExceededError" ? "the browser's storage for this site is full" : message || kind;
    return `${nameOf(new URL(model))} was loaded, but not kept for the next time: ${full}`;
  }
}

/** striate's caches and the names they were given; or the one of this name. */
async function caches(name: string | undefined): Promise<[name: string, cache: Cache][]> {
  const all = storage();
  if (!all) return [];
  const names = (await all.keys()).filter((key) => key === PREFIX || key.startsWith(`${PREFIX}:`));
  const wanted = names.map((key) => key.slice(PREFIX.length + 1)).filter((key) => name === undefined || key === name);
  return Promise.all(wanted.map(async (key) => [key, await all.open(fullName(key))] as [string, Cache]));
}

/** The files, each with its cache. */
async function entries(name: string | undefined): Promise<[Cache, CachedFile][]> {
  const list: [Cache, CachedFile][] = [];
  for (const [key, cache] of await caches(name)) {
    for (const request of await cache.keys()) {
      const headers = (await cache.match(request))?.headers;
      if (!headers) continue;
      const { url } = request;
      const file = {
        url,
        model: headers.get(MODEL) ?? url,
        bytes: Number(headers.get(BYTES)),
        date: new Date(headers.get(DATE) ?? 0),
        cache: key,
      };
      list.push([cache, file]);
    }
  }
  return list;
}

/**
 * The model files that the option `cache` kept on this device, for this site. `name` is what the option was; without one all are
 * meant. Where there is no Cache API (Node, insecure pages) nothing is ever kept.
 *
 * ```ts
 * const net = await engine.load(url, { cache: true }); // the next time without the network
 * console.log(await modelCache.size()); // bytes
 * await modelCache.delete(url);
 * ```
 */
export const modelCache = {
  /** The files that are kept. */
  async list(name?: string): Promise<CachedFile[]> {
    return (await entries(name)).map(([, file]) => file);
  },

  /** Bytes of all files that are kept. */
  async size(name?: string): Promise<number> {
    return (await entries(name)).reduce((sum, [, { bytes }]) => sum + bytes, 0);
  },

  /** Lets go of what was loaded from this address: the file, and the weight files that came with it. Whether there was any. */
  async delete(url: string | URL, name?: string): Promise<boolean> {
    const { href } = new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href);
    const found = (await entries(name)).filter(([, file]) => file.url === href || file.model === href);
    for (const [cache, file] of found) await cache.delete(file.url);
    return found.length > 0;
  },

  /** Lets go of all of them. */
  async clear(name?: string): Promise<void> {
    for (const [key] of await caches(name)) await storage()?.delete(fullName(key));
  },
};
