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
