import { Download } from "./download.js";
import { failure, throwIfAborted } from "./errors.js";
import { externalFiles } from "./external.js";
import {
  absolute,
  asBytes,
  beside,
  chosen,
  content,
  described,
  headOf,
  isJson,
  jsonBytes,
  manifest,
  namesOf,
  refusePage,
  weightParts,
} from "./files.js";
import type { LoadOptions, ModelFiles, ModelFormat, ModelSource, OnnxFiles } from "./types.js";

/** The bytes of a model file, ready for the importer. */
export interface Model {
  format: ModelFormat;
  /** `model.json`, or the TFLite or ONNX file. */
  model: Uint8Array;
  /** The weight files in the manifest's order; none for TFLite, and for ONNX those that it names. */
  weights: Uint8Array[];
  /** Names of an ONNX model's weight files. */
  external?: string[];
  /** The buffers are striate's own and may be transferred away. */
  owned: boolean;
}

/** Gets a model's bytes from wherever they are and does something with them. */
export async function withModel<T>(
  source: ModelSource,
  options: LoadOptions,
  use: (model: Model) => Promise<T>,
): Promise<T> {
  const download = new Download(options);
  const model = await readModel(source, options, download);
  return download.use(() => use(model));
}

async function readModel(source: ModelSource, options: LoadOptions, download: Download): Promise<Model> {
  const { signal, format } = options;
  throwIfAborted(signal, "loading");
  if (typeof source === "string" || source instanceof URL) return fetchModel(absolute(source), format, download);
  if (source instanceof Blob) return filesModel([source], format, download);
  const bytes = asBytes(source);
  if (bytes) {
    await download.check(bytes, "the buffer", true);
    return { ...single(bytes, format, "the buffer"), owned: false };
  }
  if (typeof source === "object" && source !== null) {
    if ("onnx" in source && "data" in source) {
      download.refuseSums();
      return given(source as OnnxFiles);
    }
    if ("json" in source && "weights" in source) {
      download.refuseSums();
      return memoryModel(source as ModelFiles, format);
    }
    if (Symbol.iterator in source) return filesModel([...(source as Iterable<File>)], format, download);
  }
  throw failure("invalid", "a model is loaded from a URL, an ArrayBuffer, Files, or { json, weights }", {
    received: described(source),
  });
}

async function fetchModel(url: URL, format: ModelFormat | undefined, download: Download): Promise<Model> {
  const first = await download.first(url);
  const found = sniff(first, format, url.href);
  if (found !== "tfjs") {
    return whole(found, first, url.href, true, (names) => download.others(beside(url, names.map(encodeURI))));
  }
  const shards = beside(url, manifest(first, url.href, "graph"));
  return { format: "tfjs", model: first, weights: await download.others(shards), owned: true };
}

function memoryModel({ json, weights }: ModelFiles, format: ModelFormat | undefined): Model {
  const model = jsonBytes(json);
  if (sniff(model, format, "json") !== "tfjs") {
    throw failure("invalid", "`json` holds a TFLite or ONNX file: pass its buffer alone");
  }
  return { format: "tfjs", model, weights: weightParts(weights), owned: false };
}

async function filesModel(files: Blob[], format: ModelFormat | undefined, download: Download): Promise<Model> {
  const names = namesOf(files);
  const main = files.length === 1 ? 0 : names.findIndex((name) => /\.(json|tflite|onnx)$/i.test(name));
  const file = files[main];
  if (!file) {
    throw failure(
      "invalid",
      "among the files is no model: expected model.json with its weight files, a .tflite or an .onnx",
      {
        received: names.join(", ") || "no files",
      },
    );
  }
  const bytes = await content(file);
  const name = names[main] || "the file";
  const found = sniff(bytes, format, name);
  await download.check(bytes, names[main] ?? "", files.length === 1);
  if (found !== "tfjs") {
    return whole(found, bytes, name, true, (wanted) => chosen(files, wanted, name, download));
  }
  const weights = await chosen(files, manifest(bytes, name, "graph"), name, download);
  return { format: "tfjs", model: bytes, weights, owned: true };
}

/** A TFLite or ONNX file, with the files that it names. */
export async function whole(
  format: ModelFormat,
  model: Uint8Array,
  name: string,
  owned: boolean,
  read: (names: string[]) => Promise<Uint8Array[]>,
): Promise<Model> {
  const external = format === "onnx" ? externalFiles(model, name) : [];
  if (external.length === 0) return { format, model, weights: [], owned };
  return { format, model, weights: await read(external), external, owned };
}

/** For an ONNX file whose others are given by name. */
export function given({ onnx, data }: OnnxFiles): Promise<Model> {
  const model = asBytes(onnx);
  if (!model || recognise(model) !== "onnx") throw failure("invalid", "`onnx` is the content of an ONNX file");
  return whole("onnx", model, "the file", false, async (names) =>
    names.map((name) => {
      const bytes = asBytes(data[name]);
      if (bytes) return bytes;
      throw failure("invalid", `the model needs the file ${name}`, {
        expected: name,
        received: Object.keys(data).join(", ") || "no files",
      });
    }),
  );
}

function single(bytes: Uint8Array, format: ModelFormat | undefined, name: string): Omit<Model, "owned"> {
  const found = sniff(bytes, format, name);
  if (found !== "tfjs") return { format: found, model: bytes, weights: [] };
  throw failure("invalid", `${name} is a model.json without its weights: pass { json, weights }, or its URL`);
}

/** Formats that people try, and how their files begin. */
const OTHERS: [(head: string) => boolean, string][] = [
  [
    (head) => head.startsWith("\x89HDF"),
    "an HDF5 file: Keras' .h5 is read by engine.loadModel() and model.loadWeights()",
  ],
  [(head) => head.startsWith("PK\x03\x04"), "a zip archive: a .keras file is read by engine.loadModel()"],
  [(head) => head.slice(8, 10) === `{"`, "a safetensors file: model.loadWeights() reads it"],
];

/**
 * Whether a file begins as ONNX. A protocol buffer has no signature: an ONNX file begins with its version (field 1) and one of
 * the fields 2 to 8.
 */
function isOnnx([tag, version = 0, next = 0]: Uint8Array): boolean {
  return tag === 0x08 && version > 0 && version < 0x80 && [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42].includes(next);
}

/** The format of a file by how it begins; `"tfjs"` is any JSON. */
export function recognise(bytes: Uint8Array): ModelFormat | undefined {
  const head = headOf(bytes);
  return head.slice(4, 8) === "TFL3" ? "tflite" : isJson(head) ? "tfjs" : isOnnx(bytes) ? "onnx" : undefined;
}

/** As {@link recognise}; what is no model, or not of the format asked for, is an error. */
function sniff(bytes: Uint8Array, format: ModelFormat | undefined, name: string): ModelFormat {
  const head = headOf(bytes);
  const found = recognise(bytes);
  if (format && found && format !== found) {
    throw failure("invalid", `${name} is not of the format asked for`, { expected: format, received: found });
  }
  if (found) return found;
  refusePage(head, name);
  const other = OTHERS.find(([matches]) => matches(head));
  if (other)
    throw failure("unsupported", `${name} is ${other[1]}; engine.load() reads TFJS graph models, TFLite and ONNX`);
  const length = bytes.byteLength;
  throw failure("invalid", `${name} (${length} bytes) is neither a TFJS graph model nor a TFLite or ONNX file`);
}
