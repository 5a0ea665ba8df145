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
  kindOf,
  manifest,
  namesOf,
  refusePage,
  weightParts,
} from "../files.js";
import { type Model as GraphFile, given, recognise, whole as wholeGraph } from "../models.js";
import type { FetchOptions, ModelSource, OnnxFiles } from "../types.js";

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
  const file = await read(source, options, download, false);
  return download.use(() => use(file as KerasBytes));
}

/** As {@link withKeras}, also of files of graphs: TensorFlow.js, TFLite and ONNX. */
export async function withLayers<T>(
  source: ModelSource,
  options: FetchOptions,
  use: (file: KerasBytes | GraphFile) => Promise<T>,
): Promise<T> {
  const download = new Download(options);
  const file = await read(source, options, download, true);
  return download.use(() => use(file));
}

async function read(
  source: ModelSource,
  { signal }: FetchOptions,
  download: Download,
  graphs: boolean,
): Promise<KerasBytes | GraphFile> {
  throwIfAborted(signal, "loading");
  if (typeof source === "string" || source instanceof URL) {
    const url = absolute(source);
    const first = await download.first(url);
    if (!isJson(headOf(first))) {
      const read = (names: string[]) => download.others(beside(url, names.map(encodeURI)));
      return whole(first, url.href, true, graphs, read);
    }
    const kind = graphs ? kindOf(first, url.href) : "layers";
    const shards = await download.others(beside(url, manifest(first, url.href, kind)));
    return tfjs(kind, first, shards, url.href, true);
  }
  const bytes = asBytes(source);
  if (bytes) {
    await download.check(bytes, "the buffer", true);
    return whole(bytes, "the buffer", false, graphs, async () => []);
  }
  if (source instanceof Blob) return picked([source], download, graphs);
  if (typeof source === "object" && source !== null) {
    if (graphs && "onnx" in source && "data" in source) {
      download.refuseSums();
      return given(source as OnnxFiles);
    }
    if ("json" in source && "weights" in source) {
      download.refuseSums();
      const json = jsonBytes(source.json);
      const kind = graphs && isJson(headOf(json)) ? kindOf(json, "json") : "layers";
      return tfjs(kind, json, weightParts(source.weights), "model.json", false);
    }
    if (Symbol.iterator in source) return picked([...(source as Iterable<File>)], download, graphs);
  }
  throw failure("invalid", "a file is given as a URL, an ArrayBuffer, Files, or { json, weights }", {
    received: described(source),
  });
}

/** Files that the user chose. */
async function picked(files: Blob[], download: Download, graphs: boolean): Promise<KerasBytes | GraphFile> {
  const names = namesOf(files);
  const main = files.length === 1 ? 0 : names.findIndex((name) => (graphs ? /\.(json|onnx)$/i : /\.json$/i).test(name));
  const file = files[main];
  if (!file) {
    throw failure("invalid", "among the files is no model: its model.json is missing", {
      expected: "model.json",
      received: names.join(", ") || "no files",
    });
  }
  const first = await content(file);
  const name = names[main] || "the file";
  await download.check(first, names[main] ?? "", files.length === 1);
  if (!isJson(headOf(first))) {
    return whole(first, name, true, graphs, (wanted) => chosen(files, wanted, name, download));
  }
  const kind = graphs ? kindOf(first, name) : "layers";
  return tfjs(kind, first, await chosen(files, manifest(first, name, kind), name, download), name, true);
}

/** A TensorFlow.js model. */
function tfjs(
  kind: "graph" | "layers",
  json: Uint8Array,
  shards: Uint8Array[],
  name: string,
  owned: boolean,
): KerasBytes | GraphFile {
  if (kind === "graph") return { format: "tfjs", model: json, weights: shards, owned };
  return { name, json, bytes: joinWeights(shards), owned };
}

/** A file that is complete in itself, but for the files that an ONNX model may name. */
async function whole(
  bytes: Uint8Array,
  name: string,
  owned: boolean,
  graphs: boolean,
  read: (names: string[]) => Promise<Uint8Array[]>,
): Promise<KerasBytes | GraphFile> {
  const head = headOf(bytes);
  if (isJson(head)) {
    throw failure("invalid", `${name} is a model.json without its weights: pass { json, weights }, or its URL`);
  }
  refusePage(head, name);
  const format = graphs ? recognise(bytes) : undefined;
  return format ? wholeGraph(format, bytes, name, owned, read) : { name, bytes, owned };
}
