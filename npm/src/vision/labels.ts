import { failure } from "../errors.js";
import { readFile } from "../start.js";

/**
 * Names of classes from a file: a line for each, a JSON list, or Keras' `imagenet_class_index.json` (`{"0": ["n01440764",
 * "tench"], …}`). The source is an address, or the text itself as a `Blob`.
 */
export async function loadLabels(
  source: string | URL | Blob,
  { signal }: { signal?: AbortSignal } = {},
): Promise<string[]> {
  const text = await textOf(source, signal);
  if (/^\s*<(!doctype|html)/i.test(text)) {
    throw failure("network", `${String(source)} is a web page and not a list of labels`);
  }
  if (!/^\s*[[{]/.test(text)) {
    return text
      .split(/\r?\n/)
      .map((line) => line.trim())
      .filter((line, i, lines) => line !== "" || i + 1 < lines.length);
  }
  const parsed = ((): unknown => {
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw failure("invalid", `the labels are broken JSON: ${(cause as Error).message}`, { cause });
    }
  })();
  const entries = Array.isArray(parsed) ? parsed : numbered(parsed as { [index: string]: unknown });
  return entries.map((entry, i) => {
    const name = Array.isArray(entry) ? entry[entry.length - 1] : entry;
    if (typeof name === "string") return name;
    throw failure("invalid", `label ${i} is no text`, { expected: "a list of names", received: typeof name });
  });
}

/** The members of an object whose keys count from 0, in order. */
function numbered(object: { [index: string]: unknown }): unknown[] {
  const list = Array.from({ length: Object.keys(object).length }, (_, i) => object[i]);
  if (list.includes(undefined)) throw failure("invalid", "the labels are an object whose keys do not count from 0");
  return list;
}

async function textOf(source: string | URL | Blob, signal: AbortSignal | undefined): Promise<string> {
  if (source instanceof Blob) return source.text();
  const url = new URL(source, globalThis.location?.href ?? import.meta.url);
  if (url.protocol === "file:") {
    const bytes = readFile(url);
    if (bytes) return new TextDecoder().decode(bytes);
  }
  const response = await fetch(url, signal ? { signal } : {}).catch((cause) => {
    const why = signal?.aborted ? "aborted" : "network";
    throw failure(why, `could not fetch ${url.href}: ${cause.message}`, { cause });
  });
  if (!response.ok) throw failure("network", `${url.href} answered ${response.status} ${response.statusText}`);
  return response.text();
}
