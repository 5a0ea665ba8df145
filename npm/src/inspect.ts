// What is in a model file, and whether it will run: told before the weights are fetched.

import { Download } from "./download.js";
import { failure, throwIfAborted } from "./errors.js";
import { absolute, asBytes, content, described, headOf, isJson, jsonBytes, namesOf, refusePage } from "./files.js";
import type { Life } from "./life.js";
import { recognise } from "./models.js";
import type { FetchOptions, LoadOptions, ModelFiles, ModelFormat, ModelSource, TensorInfo } from "./types.js";

/** Options of {@link Engine.inspect}. */
export type InspectOptions = FetchOptions & Pick<LoadOptions, "outputs" | "inputShapes">;

/** A layer that cannot run, and why. */
export interface Unsupported {
  /** The node's or layer's name; empty if it is about the whole file. */
  layer: string;
  /** Its operator, or Keras' class. */
  operator: string;
  /** A sentence. */
  reason: string;
}

/** What {@link Engine.inspect} tells of a model. */
export interface Inspection {
  /** What kind of file it is; `"layers"` is a TensorFlow.js layers model. */
  format: ModelFormat | "layers" | "keras" | "h5" | "safetensors";
  /** Who reads it: {@link Engine.load}, {@link Engine.loadModel}, or {@link Model.loadWeights} for weights without a network. */
  loader: "load" | "loadModel" | "loadWeights";
  /** Everything on the way to the outputs is supported, as far as can be told without the weights. */
  supported: boolean;
  /** What is not. */
  unsupported: Unsupported[];
  /** How often each operator occurs on the way to the outputs; of Keras' files the classes of layers. */
  operators: { [name: string]: number };
  /** The inputs. */
  inputs: TensorInfo[];
  /** The outputs; a shape is empty where only the weights would tell. */
  outputs: TensorInfo[];
  /** Number of parameters. */
  parameters: number;
  /** Bytes of the weights, as they are stored. */
  weightBytes: number;
  /** Files that belong to the one that was looked at, and are still to be fetched. */
  files: { name: string; bytes: number }[];
  /** Bytes of these files. */
  bytesToFetch: number;
  /** The detector that striate knows it as, so that {@link Net.detect} will work. */
  detector?: string;
}

/** What a runtime finds in a file. */
export interface Looked
  extends Omit<Inspection, "format" | "loader" | "supported" | "operators" | "files" | "bytesToFetch"> {
  operators: [name: string, count: number][];
  files: [name: string, bytes: number][];
}

/** What the module for Keras' files finds. */
export interface LookedKeras extends Omit<Looked, "files" | "detector"> {
  hasModel: boolean;
}

/** Looks into a model. */
export async function inspect(
  starting: Promise<Life>,
  source: ModelSource,
  options: InspectOptions,
): Promise<Inspection> {
  const download = new Download(options);
  const { bytes, name, fetched } = await firstFile(source, options, download);
  const head = headOf(bytes);
  const json = isJson(head);
  const look = async () => {
    const life = await starting;
    throwIfAborted(options.signal, "inspect");
    return json ? lookJson(life, bytes, name, options) : lookFile(life, bytes, head, name, options);
  };
  // Only what is complete is kept: a `model.json` without its weights is not.
  return fetched && !json ? download.use(look) : look();
}

async function firstFile(
  source: ModelSource,
  { signal }: InspectOptions,
  download: Download,
): Promise<{ bytes: Uint8Array; name: string; fetched: boolean }> {
  throwIfAborted(signal, "inspect");
  if (typeof source === "string" || source instanceof URL) {
    const url = absolute(source);
    return { bytes: await download.first(url), name: url.href, fetched: true };
  }
  const bytes = asBytes(source);
  if (bytes) {
    await download.check(bytes, "the buffer", true);
    return { bytes, name: "the buffer", fetched: false };
  }
  if (typeof source === "object" && source !== null) {
    if ("json" in source) return { bytes: jsonBytes((source as ModelFiles).json), name: "json", fetched: false };
    const files = source instanceof Blob ? [source] : Symbol.iterator in source ? [...(source as Iterable<File>)] : [];
    const names = namesOf(files);
    const main =
      files.length === 1 ? 0 : names.findIndex((name) => /\.(json|tflite|onnx|keras|h5|safetensors)$/i.test(name));
    const file = files[main];
    if (file) {
      const bytes = await content(file);
      await download.check(bytes, names[main] ?? "", true);
      return { bytes, name: names[main] || "the file", fetched: false };
    }
  }
  throw failure("invalid", "a model is looked at from a URL, an ArrayBuffer, Files, or { json }", {
    received: described(source),
  });
}

/** `model.json`, of one kind or the other. */
async function lookJson(life: Life, bytes: Uint8Array, name: string, options: InspectOptions): Promise<Inspection> {
  let topology: { node?: unknown } | undefined;
  try {
    topology = JSON.parse(new TextDecoder().decode(bytes))?.modelTopology;
  } catch (cause) {
    throw failure("invalid", `${name} is not valid JSON (cut off?): ${(cause as Error).message}`, { cause });
  }
  if (topology?.node) return graph(await looked(life, "tfjs", bytes, options), "tfjs");
  if (!topology) throw failure("invalid", `${name} is JSON, but not a TensorFlow.js model: it has no modelTopology`);
  const found = await life.call((host) =>
    host.inspectKeras({ name, json: bytes, bytes: new Uint8Array(0), owned: false }),
  );
  const manifest = JSON.parse(new TextDecoder().decode(bytes)).weightsManifest as { paths?: string[] }[];
  const paths = Array.isArray(manifest) ? manifest.flatMap((group) => group.paths ?? []) : [];
  // The manifest tells only what they come to: shards are filled one after the other, and most are as large as can be.
  const shard =
    paths.length === Math.ceil(found.weightBytes / SHARD) ? SHARD : Math.ceil(found.weightBytes / paths.length);
  const files = paths.map((path, i): [string, number] => [
    path,
    Math.max(0, Math.min(shard, found.weightBytes - i * shard)),
  ]);
  return keras(found, "layers", files);
}

/** What the converter puts into one file. */
const SHARD = 4 << 20;

async function lookFile(
  life: Life,
  bytes: Uint8Array,
  head: string,
  name: string,
  options: InspectOptions,
): Promise<Inspection> {
  const format = recognise(bytes);
  if (format === "tflite" || format === "onnx") return graph(await looked(life, format, bytes, options), format);
  const kind = head.startsWith("PK\x03\x04") ? "keras" : head.startsWith("\x89HDF") ? "h5" : "safetensors";
  if (kind === "safetensors" && head.slice(8, 10) !== `{"`) {
    refusePage(head, name);
    throw failure("invalid", `${name} is no model file that striate knows`, {
      received: [...bytes.subarray(0, 8)].join(" "),
    });
  }
  return keras(await life.call((host) => host.inspectKeras({ name, bytes, owned: false })), kind, []);
}

function looked(life: Life, format: ModelFormat, bytes: Uint8Array, options: InspectOptions): Promise<Looked> {
  const { outputs, inputShapes } = options;
  return life.call((host) => host.inspect(format, bytes, { outputs, inputShapes }));
}

function graph({ detector, ...found }: Looked, format: ModelFormat): Inspection {
  return { ...whole(found, found.files), format, loader: "load", ...(detector ? { detector } : {}) };
}

function keras({ hasModel, ...found }: LookedKeras, format: Inspection["format"], files: Looked["files"]): Inspection {
  return { ...whole(found, files), format, loader: hasModel ? "loadModel" : "loadWeights" };
}

function whole({ operators, ...found }: Omit<Looked, "files">, files: Looked["files"]) {
  return {
    ...found,
    supported: found.unsupported.length === 0,
    operators: Object.fromEntries(operators),
    files: files.map(([name, bytes]) => ({ name, bytes })),
    bytesToFetch: files.reduce((sum, [, bytes]) => sum + bytes, 0),
  };
}
