// ONNX models that keep their large tensors in files of their own ("external data").

import { failure } from "./errors.js";

/** A key and the beginning of its value, as protocol buffers have them: field 1 of 8 bytes, `location`, field 2. */
const KEY = Uint8Array.of(0x0a, 8, ...new TextEncoder().encode("location"), 0x12);

/** Most files of a model. */
const MAX_FILES = 1024;
/** Longest name. */
const MAX_NAME = 4096;

/** The files that an ONNX model names, in the order in which it does. */
export function externalFiles(model: Uint8Array, name: string): string[] {
  const files = new Set<string>();
  // Numbers of weights may look like anything: a name that is none is passed over, and a file that is named is fetched at worst.
  for (let at = find(model, 0); at >= 0; at = find(model, at)) {
    at += KEY.length;
    const file = textAt(model, at);
    if (file === undefined) continue;
    if (!isBeside(file)) {
      throw failure("invalid", `${name} keeps tensors in a file outside its folder`, { received: file });
    }
    files.add(file);
    if (files.size > MAX_FILES) throw failure("resource", `${name} keeps tensors in more than ${MAX_FILES} files`);
  }
  return [...files];
}

/** The place of the next key. */
function find(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(KEY[0] as number, from); at >= 0; at = bytes.indexOf(KEY[0] as number, at + 1)) {
    if (KEY.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}

/** Text with its length before it. */
function textAt(bytes: Uint8Array, at: number): string | undefined {
  const [low = 0, high = 0] = [bytes[at], bytes[at + 1]];
  const [length, start] = low < 0x80 ? [low, at + 1] : [(low & 0x7f) | (high << 7), at + 2];
  if (length === 0 || length > MAX_NAME || high >= 0x80 || start + length > bytes.length) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(start, start + length));
  } catch {
    return undefined;
  }
}

/** A plain name, perhaps of a file in a folder beside the model: nothing absolute, and no way upwards. */
function isBeside(file: string): boolean {
  return !/[:?#\\\0]/.test(file) && !file.startsWith("/") && !file.split("/").includes("..");
}
