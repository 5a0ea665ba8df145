// Model files wherever they come from: addresses, chosen files, buffers; and the weight files that a `model.json` names.

import type { Download } from "./download.js";
import { failure } from "./errors.js";
import type { ModelFiles } from "./types.js";

/** An address against the page's, or in Node against the working directory. */
export function absolute(url: string | URL): URL {
  const { document, location, process } = globalThis as {
    document?: Document;
    location?: Location;
    process?: { cwd?(): string };
  };
  const base = document?.baseURI ?? location?.href ?? (process?.cwd ? `file://${process.cwd()}/` : undefined);
  try {
    return new URL(url, base);
  } catch (cause) {
    throw failure("invalid", `"${url}" is not an address`, { cause });
  }
}

/** Bytes, if it is a buffer of them. */
export function asBytes(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return undefined;
}

/** What kind of value it is, in a word. */
export function described(value: unknown): string {
  return value === null ? "null" : typeof value === "object" ? value.constructor.name : typeof value;
}

/** One buffer of the weight files. */
export function joinWeights(parts: Uint8Array[]): Uint8Array {
  if (parts.length === 1 && parts[0]) return parts[0];
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

/** Where files lie among joined ones: `[offset, bytes]` by name, as JSON. */
export function places(names: string[] | undefined, parts: Uint8Array[]): string | undefined {
  if (!names) return undefined;
  const files: Record<string, [offset: number, bytes: number]> = {};
  let at = 0;
  for (const [i, { byteLength }] of parts.entries()) {
    files[names[i] as string] = [at, byteLength];
    at += byteLength;
  }
  return JSON.stringify(files);
}

/** A file's bytes. */
export async function content(file: Blob): Promise<Uint8Array> {
  return new Uint8Array(await file.arrayBuffer());
}

/** What chosen files are called; those without a name "". */
export function namesOf(files: Blob[]): string[] {
  return files.map((file) => ("name" in file ? (file as File).name : ""));
}

/** How a file begins, as text. */
export function headOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, 64));
}

/** Whether a file begins as JSON. */
export function isJson(head: string): boolean {
  return /^[\s\xef\xbb\xbf]*\{/.test(head);
}

/** Explains a web page in place of a file. */
export function refusePage(head: string, name: string): void {
  if (!/^\s*</.test(head)) return;
  throw failure(
    "network",
    `${name} is an HTML page and not a model: probably the server's page for a missing file; check the address`,
  );
}

/** `json` of {@link ModelFiles} as a file. */
export function jsonBytes(json: ModelFiles["json"]): Uint8Array {
  return asBytes(json) ?? new TextEncoder().encode(typeof json === "string" ? json : JSON.stringify(json));
}

/** `weights` of {@link ModelFiles} as files. */
export function weightParts(weights: ModelFiles["weights"]): Uint8Array[] {
  const parts = (Array.isArray(weights) ? weights : [weights]).map(asBytes);
  if (parts.includes(undefined)) throw failure("invalid", "`weights` is an ArrayBuffer or an array of them");
  return parts as Uint8Array[];
}

/** The kinds of TensorFlow.js models: what only the other kind has, and who reads that. */
const KINDS = {
  graph: { others: "model_config", advice: "a TFJS layers model; engine.loadModel() reads it" },
  layers: { others: "node", advice: "a TFJS graph model: engine.load() and engine.loadModel() read it" },
};

/** A `model.json`, as far as it is looked at here. */
type ModelJson = { modelTopology?: { [key: string]: unknown }; weightsManifest?: { paths?: unknown[] }[] };

function parsed(json: Uint8Array, name: string): ModelJson {
  try {
    return JSON.parse(new TextDecoder().decode(json));
  } catch (cause) {
    throw failure("invalid", `${name} is not valid JSON (cut off?): ${(cause as Error).message}`, { cause });
  }
}

/** Which kind of TensorFlow.js model this `model.json` is. */
export function kindOf(json: Uint8Array, name: string): keyof typeof KINDS {
  return parsed(json, name)?.modelTopology?.[KINDS.layers.others] ? "graph" : "layers";
}

/** The weight files that the `model.json` of a model of this kind names, in order. */
export function manifest(json: Uint8Array, name: string, kind: keyof typeof KINDS): string[] {
  const { modelTopology, weightsManifest } = parsed(json, name) ?? {};
  const { others, advice } = KINDS[kind];
  if (modelTopology?.[others]) throw failure("unsupported", `${name} is ${advice}`);
  if (!modelTopology || !Array.isArray(weightsManifest)) {
    throw failure("invalid", `${name} is JSON, but not a TFJS ${kind} model (no modelTopology or weightsManifest)`);
  }
  const paths = weightsManifest.flatMap((group) => group?.paths ?? []);
  if (!paths.every((path) => typeof path === "string")) {
    throw failure("invalid", `${name}: the weightsManifest's paths are not strings`);
  }
  return paths as string[];
}

/** Where the files lie that another one names. A signed address carries its query along. */
export function beside(url: URL, paths: string[]): URL[] {
  return paths.map((path) => {
    const file = new URL(path, url);
    if (!file.search) file.search = url.search;
    return file;
  });
}

/** Among chosen files those that another one, of this name, names; checked. */
export function chosen(files: Blob[], paths: string[], name: string, download: Download): Promise<Uint8Array[]> {
  const names = namesOf(files);
  const file = async (path: string) => {
    const wanted = path.slice(path.lastIndexOf("/") + 1);
    const found = files[names.indexOf(wanted)];
    if (found) {
      const bytes = await content(found);
      await download.check(bytes, wanted, false);
      return bytes;
    }
    throw failure("invalid", `${name} needs the weight file ${wanted}: choose it too`, {
      expected: wanted,
      received: names.join(", "),
    });
  };
  return Promise.all(paths.map(file));
}
