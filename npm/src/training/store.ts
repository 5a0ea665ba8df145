// Where weights are kept between visits: a small key-value store.

import { failure } from "../errors.js";
import type { WeightValue } from "../model.js";

/** What a checkpoint holds. */
export interface Checkpoint {
  /** The epoch after which it was saved, from 0. */
  epoch: number;
  /** Loss and metrics of that epoch. */
  logs: { [name: string]: number };
  /** The weights by name, for `model.setWeights`. */
  weights: Record<string, WeightValue>;
}

/** Somewhere to keep weights. */
export interface WeightStore {
  get(key: string): Promise<Checkpoint | undefined>;
  set(key: string, checkpoint: Checkpoint): Promise<void>;
  delete(key: string): Promise<void>;
  keys(): Promise<string[]>;
}

const TABLE = "weights";

/** Kept by the browser for this site, until it runs out of space or the user clears it. */
export function indexedDb(name = "striate"): WeightStore {
  const { indexedDB } = globalThis;
  if (!indexedDB) {
    throw failure("unsupported", "there is no IndexedDB here: pass a `store` of your own, or `stores.memory()`");
  }
  let opened: Promise<IDBDatabase> | undefined;
  const open = () => {
    opened ??= new Promise((resolve, reject) => {
      const request = indexedDB.open(name, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(TABLE);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(denied(request.error));
    });
    return opened;
  };
  const work = async <T>(mode: IDBTransactionMode, ask: (table: IDBObjectStore) => IDBRequest<T>): Promise<T> => {
    const database = await open();
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(TABLE, mode);
      const request = ask(transaction.objectStore(TABLE));
      transaction.oncomplete = () => resolve(request.result);
      // A quota that is used up aborts the whole of it.
      transaction.onabort = () => reject(denied(transaction.error));
    });
  };
  return {
    get: (key) => work<Checkpoint | undefined>("readonly", (table) => table.get(key)),
    set: async (key, checkpoint) => void (await work("readwrite", (table) => table.put(checkpoint, key))),
    delete: async (key) => void (await work("readwrite", (table) => table.delete(key))),
    keys: async () => (await work("readonly", (table) => table.getAllKeys())).map(String),
  };
}

/**
 * Kept by the browser for this site in files of its own (the origin private file system), until it runs out of space or the
 * user clears it. A checkpoint is written beside the one before and takes its place when it is complete.
 */
export function opfs(name = "striate"): WeightStore {
  const { storage } = globalThis.navigator ?? {};
  if (!storage?.getDirectory) {
    throw failure("unsupported", "there is no origin private file system here: pass another `store`");
  }
  let opened: Promise<FileSystemDirectoryHandle> | undefined;
  const open = () => {
    opened ??= storage.getDirectory().then((root) => root.getDirectoryHandle(name, { create: true }));
    return opened;
  };
  const work = async <T>(use: (folder: FileSystemDirectoryHandle) => Promise<T>): Promise<T | undefined> => {
    try {
      return await use(await open());
    } catch (cause) {
      if ((cause as Error).name === "NotFoundError") return undefined;
      opened = undefined;
      throw denied(cause);
    }
  };
  return {
    get: async (key) => {
      const file = await work(async (folder) => (await folder.getFileHandle(fileOf(key))).getFile());
      return file && unpack(await file.arrayBuffer(), key);
    },
    set: async (key, checkpoint) => {
      await work(async (folder) => {
        const handle = await folder.getFileHandle(fileOf(key), { create: true });
        const writable = await handle.createWritable();
        try {
          for (const part of pack(checkpoint)) await writable.write(part);
        } catch (error) {
          await writable.abort();
          throw error;
        }
        await writable.close();
      });
    },
    delete: async (key) => void (await work((folder) => folder.removeEntry(fileOf(key)))),
    keys: async () => {
      const keys: string[] = [];
      await work(async (folder) => {
        for await (const file of folder.keys()) keys.push(decodeURIComponent(file));
      });
      return keys;
    },
  };
}

/** What a key's file is called: any key makes a name. */
const fileOf = (key: string) => encodeURIComponent(key).replaceAll(".", "%2E");

/** All but the numbers of a checkpoint; `weights` are names with shapes, whose numbers follow in this order. */
interface Head extends Omit<Checkpoint, "weights"> {
  weights: [name: string, shape: readonly number[]][];
}

/** A checkpoint as bytes: the length of the head, the head as JSON, and the numbers of the weights. */
function pack({ weights, ...rest }: Checkpoint): (Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>)[] {
  const all = Object.entries(weights);
  const head: Head = { ...rest, weights: all.map(([name, { shape }]) => [name, shape]) };
  const text = new TextEncoder().encode(JSON.stringify(head));
  return [new Uint8Array(Uint32Array.of(text.byteLength).buffer), text, ...all.map(([, { data }]) => data)];
}

/** Reads what {@link pack} wrote. */
function unpack(bytes: ArrayBuffer, key: string): Checkpoint {
  try {
    const [length = 0] = new Uint32Array(bytes.slice(0, 4));
    const { weights, ...rest }: Head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
    let at = 4 + length;
    const read = ([name, shape]: [string, readonly number[]]): [string, WeightValue] => {
      const end = at + 4 * shape.reduce((product, size) => product * size, 1);
      if (end > bytes.byteLength) throw new Error("it is cut off");
      const data = new Float32Array(bytes.slice(at, end));
      at = end;
      return [name, { shape, data }];
    };
    return { ...rest, weights: Object.fromEntries(weights.map(read)) };
  } catch (cause) {
    throw failure("invalid", `the checkpoint "${key}" cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** Kept as long as the page. */
export function memory(): WeightStore {
  const kept = new Map<string, Checkpoint>();
  return {
    get: async (key) => kept.get(key),
    set: async (key, checkpoint) => void kept.set(key, checkpoint),
    delete: async (key) => void kept.delete(key),
    keys: async () => [...kept.keys()],
  };
}

const denied = (cause: unknown) =>
  failure("resource", `the browser did not store the weights: ${(cause as Error | null)?.message ?? "aborted"}`, {
    cause,
  });
