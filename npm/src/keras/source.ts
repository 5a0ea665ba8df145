import { download, downloadAll, Meter } from "../download.js";
import { failure, throwIfAborted } from "../errors.js";
import { absolute, asBytes, content, described, joinWeights } from "../models.js";
import type { ModelFiles, ModelSource, OnProgress } from "../types.js";

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

/** How a file is fetched. */
interface Fetching {
  onProgress?: OnProgress | undefined;
  signal?: AbortSignal | undefined;
}

/** Gets a file's bytes from wherever they are. */
export async function readKeras(source: ModelSource, { onProgress, signal }: Fetching): Promise<KerasBytes> {
  throwIfAborted(signal, "loading");
  if (typeof source === "string" || source instanceof URL) {
    const url = absolute(source);
    const meter = new Meter(onProgress);
    const first = await download(url, meter, signal);
    if (!isJson(first)) return whole(first, url.href, true);
    const shards = shardsOf(first, url.href).map((path) => {
      const shard = new URL(path, url);
      if (!shard.search) shard.search = url.search;
      return shard;
    });
    const weights = joinWeights(await downloadAll(shards, meter, signal));
    return { name: url.href, json: first, bytes: weights, owned: true };
  }
  const bytes = asBytes(source);
  if (bytes) return whole(bytes, "the buffer", false);
  if (source instanceof Blob) return chosen([source]);
  if (typeof source === "object" && source !== null) {
    if ("json" in source && "weights" in source) return inMemory(source as ModelFiles);
    if (Symbol.iterator in source) return chosen([...(source as Iterable<File>)]);
  }
  throw failure("invalid", "a file is given as a URL, an ArrayBuffer, Files, or { json, weights }", {
    received: described(source),
  });
}

/** Files that the user chose. */
async function chosen(files: Blob[]): Promise<KerasBytes> {
  const names = files.map((file) => ("name" in file ? (file as File).name : ""));
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
  if (!isJson(first)) return whole(first, name, true);
  const shards = shardsOf(first, name).map((path) => {
    const wanted = path.slice(path.lastIndexOf("/") + 1);
    const shard = files[names.indexOf(wanted)];
    if (!shard) {
      throw failure("invalid", `${name} needs the weight file ${wanted}: choose it too`, {
        expected: wanted,
        received: names.join(", "),
      });
    }
    return content(shard);
  });
  return { name, json: first, bytes: joinWeights(await Promise.all(shards)), owned: true };
}

function inMemory({ json, weights }: ModelFiles): KerasBytes {
  const text = typeof json === "string" ? json : undefined;
  const parts = (Array.isArray(weights) ? weights : [weights]).map(asBytes);
  if (parts.includes(undefined)) throw failure("invalid", "`weights` is an ArrayBuffer or an array of them");
  const model = asBytes(json) ?? new TextEncoder().encode(text ?? JSON.stringify(json));
  return { name: "model.json", json: model, bytes: joinWeights(parts as Uint8Array[]), owned: false };
}

/** A file that is complete in itself. */
function whole(bytes: Uint8Array, name: string, owned: boolean): KerasBytes {
  if (isJson(bytes)) {
    throw failure("invalid", `${name} is a model.json without its weights: pass { json, weights }, or its URL`);
  }
  const head = String.fromCharCode(...bytes.subarray(0, 64));
  if (/^\s*</.test(head)) {
    throw failure(
      "network",
      `${name} is an HTML page and not a model: probably the server's page for a missing file; check the address`,
    );
  }
  return { name, bytes, owned };
}

const isJson = (bytes: Uint8Array) => /^[\s\xef\xbb\xbf]*\{/.test(String.fromCharCode(...bytes.subarray(0, 64)));

/** The weight files that a `model.json` names, in order. What else is in it, the module looks at. */
function shardsOf(json: Uint8Array, name: string): string[] {
  type Json = { modelTopology?: { node?: unknown }; weightsManifest?: { paths?: unknown[] }[] };
  let parsed: Json;
  try {
    parsed = JSON.parse(new TextDecoder().decode(json));
  } catch (cause) {
    throw failure("invalid", `${name} is not valid JSON (cut off?): ${(cause as Error).message}`, { cause });
  }
  if (parsed?.modelTopology?.node) {
    throw failure("unsupported", `${name} is a TFJS graph model: engine.load() reads it`);
  }
  if (!parsed?.modelTopology || !Array.isArray(parsed.weightsManifest)) {
    throw failure("invalid", `${name} is JSON, but not a TFJS layers model (no modelTopology or weightsManifest)`);
  }
  const paths = parsed.weightsManifest.flatMap((group) => group?.paths ?? []);
  if (!paths.every((path) => typeof path === "string")) {
    throw failure("invalid", `${name}: the weightsManifest's paths are not strings`);
  }
  return paths as string[];
}
