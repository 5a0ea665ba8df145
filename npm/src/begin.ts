// Which backend, which binary: found out once, at the start. The other edition begins as the first did.

import { failure, fieldsOf } from "./errors.js";
import { chooseVariant, features, threadCount } from "./features.js";
import { isTrap } from "./traps.js";
import type { Backend, Binary, Edition, EngineOptions, OnProgress } from "./types.js";
import { loadWasm, type Runtimes, type Wasm } from "./wasm.js";

/** The options that cross to a worker. */
export type HostOptions = Pick<EngineOptions, "backend" | "allowSoftwareAdapter" | "variant" | "edition"> & {
  threads?: number | false;
  assets?: string;
};

/** A binary at work, and how it runs. */
export interface Begun<E extends Edition> {
  wasm: Wasm<E>;
  runtime: Runtimes[E];
  backend: Backend;
  binary: Binary;
  /** Threads of the wasm backend. */
  threads: number;
}

/** How long the thread pool may take to start before the engine goes on without. */
const POOL_TIMEOUT = 10_000;

/** The WebGPU backend must win the probe by this much: its results still have to be read back. */
const GPU_ADVANTAGE = 1.1;

/** Chooses the backend and starts it; `notes` gets what did not go as asked. */
export async function begin<E extends Edition>(
  edition: E,
  options: HostOptions,
  notes: string[],
  onProgress: OnProgress | undefined,
): Promise<Begun<E>> {
  const { backend = "auto", allowSoftwareAdapter = false } = options;
  if (!features().simd) {
    throw failure("unsupported", "striate needs WebAssembly SIMD: Chrome 91, Firefox 89, Safari 16.4 or later");
  }
  const onCpu = () => beginCpu(edition, options, notes, onProgress);
  const onGpu = () => beginGpu(edition, options, onProgress);
  if (backend === "wasm") return onCpu();
  const missing = await noGpu(backend === "webgpu" && allowSoftwareAdapter);
  if (backend === "webgpu") {
    if (missing) throw failure("unsupported", `${missing}. The backend "wasm" runs everywhere`);
    return onGpu();
  }
  if (missing) {
    notes.push(missing);
    return onCpu();
  }
  // Both at once: a page with a GPU fetches both binaries, and keeps the faster.
  const started = onGpu().catch((error) => {
    if (isTrap(error)) throw error;
    notes.push(`WebGPU did not start: ${fieldsOf(error).message}`);
    return undefined;
  });
  const [gpu, cpu] = await Promise.all([started, onCpu()]);
  if (!gpu) return cpu;
  try {
    const [gpuTime, cpuTime] = [await gpu.runtime.probe(), await cpu.runtime.probe()];
    if (gpuTime * GPU_ADVANTAGE < cpuTime) {
      cpu.runtime.free();
      return gpu;
    }
    notes.push(`WebGPU lost the probe to WebAssembly, ${gpuTime.toFixed(1)} ms against ${cpuTime.toFixed(1)} ms`);
    gpu.runtime.free();
  } catch (error) {
    if (isTrap(error)) throw error;
    notes.push(`WebGPU did not start: ${fieldsOf(error).message}`);
  }
  return cpu;
}

/** Starts another edition on the backend that was chosen. */
export function beginBeside<E extends Edition>(
  first: Begun<Edition>,
  edition: E,
  options: HostOptions,
  onProgress: OnProgress | undefined,
): Promise<Begun<E>> {
  return first.backend === "webgpu"
    ? beginGpu(edition, options, onProgress)
    : beginCpu(edition, { ...options, threads: first.threads }, [], onProgress);
}

async function beginGpu<E extends Edition>(
  edition: E,
  { assets, allowSoftwareAdapter = false }: HostOptions,
  onProgress: OnProgress | undefined,
): Promise<Begun<E>> {
  const wasm = await loadWasm("webgpu", edition, assets, onProgress);
  if (!wasm.Runtime.webgpu) throw failure("internal", "the binary for WebGPU has no WebGPU");
  const runtime = await wasm.Runtime.webgpu(allowSoftwareAdapter);
  return { wasm, runtime, backend: "webgpu", binary: "webgpu", threads: 1 };
}

async function beginCpu<E extends Edition>(
  edition: E,
  options: HostOptions,
  notes: string[],
  onProgress: OnProgress | undefined,
): Promise<Begun<E>> {
  const found = features();
  const threads = threadCount(options.threads);
  const begun = async (binary: Binary, threads: number, ready?: (wasm: Wasm<E>) => Promise<unknown>) => {
    const wasm = await loadWasm(binary, edition, options.assets, onProgress);
    await ready?.(wasm);
    if (!wasm.Runtime.cpu) throw failure("internal", "the binary for WebAssembly has no kernels");
    return { wasm, runtime: wasm.Runtime.cpu(), backend: "wasm" as const, binary, threads };
  };
  if (chooseVariant(found, threads, options.variant) === "threads") {
    try {
      return await begun("threads", threads, (wasm) => within(POOL_TIMEOUT, wasm.initThreadPool?.(threads)));
    } catch (error) {
      notes.push(`the thread pool did not start (${(error as Error).message}); running on one thread`);
    }
  } else if (typeof options.threads === "number" && options.threads > 1 && found.noThreads) {
    notes.push(`running on one thread: ${found.noThreads}`);
  }
  return begun(chooseVariant(found, 1, options.variant), 1);
}

function within<T>(milliseconds: number, work: Promise<T> | undefined): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${milliseconds / 1000} s`)), milliseconds);
  });
  return Promise.race([Promise.resolve(work), late]).finally(() => clearTimeout(timer));
}

/** Why there is no GPU to use, or nothing. */
async function noGpu(allowSoftware: boolean): Promise<string | undefined> {
  const { gpu } = (globalThis.navigator ?? {}) as { gpu?: GPU };
  if (!gpu) return "WebGPU is not here: it needs a browser that has it, and a page on https or localhost";
  const adapter = await gpu.requestAdapter().catch(() => null);
  if (!adapter) return "WebGPU found no graphics adapter";
  const software = adapter.info.isFallbackAdapter;
  if (software && !allowSoftware) return "WebGPU has only a software adapter, which is slower than WebAssembly";
  return undefined;
}
