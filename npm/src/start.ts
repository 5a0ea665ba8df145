// Modules that wasm-bindgen made: fetched, compiled and started.

import { failure } from "./errors.js";
import type { OnProgress } from "./types.js";

/** Where a module lies: its glue in JavaScript, and the binary. */
export interface Files {
  glue: URL;
  binary: URL;
}

/** What to do when a file of the package is not where it should be. */
const HINT =
  "Serve the package's dist/ folder beside the bundle, or tell striate() where it lies with the option `assets`.";

/** How often each binary was loaded here; a second life needs a module of its own. */
const lives = new Map<string, number>();

/** Fetches, compiles and starts a module that wasm-bindgen made. */
export async function start<M extends { default(options: { module_or_path: WebAssembly.Module }): Promise<unknown> }>(
  files: Files,
  onProgress?: OnProgress,
): Promise<M> {
  const module = compile(files.binary, onProgress);
  // The glue keeps its instance for good: after a trap a fresh copy is imported under another query.
  const life = (lives.get(files.glue.href) ?? 0) + 1;
  lives.set(files.glue.href, life);
  const address = life === 1 ? files.glue.href : `${files.glue.href}?life=${life}`;
  const glue = import(/* @vite-ignore */ /* webpackIgnore: true */ address) as Promise<M>;
  const [compiled, started] = await Promise.all([
    module,
    glue.catch((cause) => {
      throw failure("network", `could not load ${files.glue.href}: ${cause.message}. ${HINT}`, { cause });
    }),
  ]);
  await started.default({ module_or_path: compiled });
  return started;
}

/** Fetches and compiles a binary; errors name the address, the status and the MIME type. */
async function compile(url: URL, onProgress: OnProgress | undefined): Promise<WebAssembly.Module> {
  if (url.protocol === "file:") {
    const bytes = readFile(url);
    if (bytes) return WebAssembly.compile(bytes);
  }
  onProgress?.({ stage: "engine", loaded: 0 });
  const response = await fetch(url).catch((cause) => {
    throw failure("network", `could not fetch ${url.href}: ${cause.message}. ${HINT}`, { cause });
  });
  const type = response.headers.get("content-type") ?? "no MIME type";
  const answer = `${url.href} answered ${response.status} ${response.statusText} (${type})`;
  if (!response.ok) throw failure("network", `${answer} instead of the WebAssembly binary. ${HINT}`);

  // Streaming is what browsers keep compiled code for; it insists on the MIME type.
  if (type.startsWith("application/wasm")) {
    const module = await WebAssembly.compileStreaming(response);
    const size = Number(response.headers.get("content-length")) || 1;
    onProgress?.({ stage: "engine", loaded: size, total: size });
    return module;
  }
  const bytes = await response.arrayBuffer();
  const magic = new Uint8Array(bytes, 0, Math.min(4, bytes.byteLength));
  if (String.fromCharCode(...magic) !== "\0asm") {
    throw failure("network", `${answer}, which is not a WebAssembly binary. ${HINT}`);
  }
  onProgress?.({ stage: "engine", loaded: bytes.byteLength, total: bytes.byteLength });
  return WebAssembly.compile(bytes);
}

/** Reads a file where there is a file system (Node), without an import that bundlers would follow. */
export function readFile(url: URL | string): Uint8Array<ArrayBuffer> | undefined {
  type Fs = { readFileSync(path: URL | string): Uint8Array<ArrayBuffer> };
  const { process } = globalThis as { process?: { getBuiltinModule?(name: string): Fs } };
  return process?.getBuiltinModule?.("node:fs").readFileSync(url);
}
