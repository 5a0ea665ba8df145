/** Fetches models and sample photos, with progress and cancelling, and keeps them in the browser's cache so that the page works offline. */

const CACHE = "striate-data-1";

export class DownloadError extends Error {
  override readonly name = "DownloadError";
  /** Status of the answer; absent when there was none at all. */
  readonly status: number | undefined;

  constructor(message: string, status?: number, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

export interface Download {
  readonly files: readonly ArrayBuffer[];
  readonly cached: boolean;
  /** Keeps the files for the next visit. Called once the engine has accepted them: a damaged file is never kept. */
  keep(): Promise<void>;
}

export interface DownloadOptions {
  readonly signal?: AbortSignal;
  /** Told how many bytes of all the files together have arrived. */
  readonly onProgress?: (received: number) => void;
}

export async function download(
  urls: readonly string[],
  { signal, onProgress }: DownloadOptions = {},
): Promise<Download> {
  const kept = await readCache(urls);
  if (kept) return { files: kept, cached: true, keep: async () => {} };
  let received = 0;
  const files = await Promise.all(
    urls.map((url) =>
      fetchBytes(url, signal, (bytes) => {
        received += bytes;
        onProgress?.(received);
      }),
    ),
  );
  return {
    files,
    cached: false,
    keep: async () => {
      const cache = await openCache();
      await Promise.all(urls.map((url, i) => cache?.put(url, new Response(files[i])))).catch(() => {
        // A full disk or private browsing: the model stays in memory and is downloaded again next time.
      });
    },
  };
}

/** Forgets kept files, so that the next download really asks the network. */
export async function forget(urls: readonly string[]): Promise<void> {
  const cache = await openCache();
  await Promise.all(urls.map((url) => cache?.delete(url)));
}

/** The cache is missing on insecure pages and refused in some private windows; the page then works without it. */
async function openCache(): Promise<Cache | undefined> {
  try {
    return await globalThis.caches?.open(CACHE);
  } catch {
    return undefined;
  }
}

async function readCache(urls: readonly string[]): Promise<ArrayBuffer[] | undefined> {
  const cache = await openCache();
  const hits = await Promise.all(urls.map((url) => cache?.match(url)));
  const files = await Promise.all(hits.map((hit) => hit?.arrayBuffer()));
  return files.every((file) => file !== undefined) ? files : undefined;
}

async function fetchBytes(
  url: string,
  signal: AbortSignal | undefined,
  onBytes: (bytes: number) => void,
): Promise<ArrayBuffer> {
  try {
    const response = await fetch(url, signal ? { signal } : {});
    if (!response.ok || !response.body) {
      throw new DownloadError(`The server answered ${response.status} for ${url}.`, response.status);
    }
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    const reader = response.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      chunks.push(part.value);
      onBytes(part.value.length);
    }
    return await new Blob(chunks).arrayBuffer();
  } catch (error) {
    if (signal?.aborted || error instanceof DownloadError) throw error;
    throw new DownloadError(`${url} could not be fetched.`, undefined, { cause: error });
  }
}
