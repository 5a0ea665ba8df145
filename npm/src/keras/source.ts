import { Download } from "../download.js";
import { failure, throwIfAborted } from "../errors.js";
import {
  absolute,
  asBytes,
  beside,
  chosen,
  content,
  described,
  headOf,
  isJson,
  joinWeights,
  jsonBytes,
  manifest,
  namesOf,
  refusePage,
  weightParts,
} from "../files.js";
import type { FetchOptions, ModelFiles, ModelSource } from "../types.js";

/** One of Keras' files. */
export interface KerasBytes {
  /** What errors call it. */
  name: string;
  /** The file; of a TensorFlow.js layers model the weight files, one behind the other. */
  bytes: Uint8Array;
  /** `model.json` of a TensorFlow.js layers model. */
  json?: Uint8Array;
  /** The buffers are striate's own and may be transferred away. */
  owned: boolean;
}

/** Gets a file's bytes from wherever they are and does something with them. */
export async function withKeras<T>(
  source: ModelSource,
  options: FetchOptions,
  use: (file: KerasBytes) => Promise<T>,
): Promise<T> {
  const download = new Download(options);
  const file = await readKeras(source, options, download);
  return download.use(() => use(file));
}

async function readKeras(source: ModelSource, { signal }: FetchOptions, download: Download): Promise<KerasBytes> {
  throwIfAborted(signal, "loading");
  if (typeof source === "string" || source instanceof URL) {
    const url = absolute(source);
    const first = await download.first(url);
    if (!isJson(headOf(first))) return whole(first, url.href, true);
    const shards = beside(url, manifest(first, url.href, "layers"));
    return { name: url.href, json: first, bytes: joinWeights(await download.others(shards)), owned: true };
  }
  const bytes = asBytes(source);
  if (bytes) {
    await download.check(bytes, "the buffer", true);
    return whole(bytes, "the buffer", false);
  }
  if (source instanceof Blob) return picked([source], download);
  if (typeof source === "object" && source !== null) {
    if ("json" in source && "weights" in source) {
      download.refuseSums();
      return inMemory(source as ModelFiles);
    }
    if (Symbol.iterator in source) return picked([...(source as Iterable<File>)], download);
  }
  throw failure("invalid", "a file is given as a URL, an ArrayBuffer, Files, or { json, weights }", {
    received: described(source),
  });
}

/** Files that the user chose. */
async function picked(files: Blob[], download: Download): Promise<KerasBytes> {
  const names = namesOf(files);
  const main = files.length === 1 ? 0 : names.findIndex((name) => /\.json$/i.test(name));
  const file = files[main];
  if (!file) {
    throw failure("invalid", "several files are a TensorFlow.js layers model: its model.json is missing", {
      expected: "model.json",
      received: names.join(", ") || "no files",
    });
  }
  const first = await content(file);
  const name = names[main] || "the file";
  await download.check(first, names[main] ?? "", true);
  if (!isJson(headOf(first))) return whole(first, name, true);
  const shards = await chosen(files, manifest(first, name, "layers"), name, download);
  return { name, json: first, bytes: joinWeights(shards), owned: true };
}

function inMemory({ json, weights }: ModelFiles): KerasBytes {
  const parts = weightParts(weights);
  return { name: "model.json", json: jsonBytes(json), bytes: joinWeights(parts), owned: false };
}

/** A file that is complete in itself. */
function whole(bytes: Uint8Array, name: string, owned: boolean): KerasBytes {
  const head = headOf(bytes);
  if (isJson(head)) {
    throw failure("invalid", `${name} is a model.json without its weights: pass { json, weights }, or its URL`);
  }
  refusePage(head, name);
  return { name, bytes, owned };
}
