import { type ModelId, parseModel } from "./models.ts";

export type BackendChoice = "auto" | "webgpu" | "wasm";

/**
 * What the address asks for. Everything has a default; the parameters exist so that a setup can be linked to and scripted:
 * `?photo=coffee&model=centernet&backend=wasm&threads=1`. `software-adapter` lets WebGPU run on an emulated GPU, for tests.
 */
export interface Settings {
  readonly photo: string | undefined;
  readonly model: ModelId;
  readonly backend: BackendChoice;
  readonly threads: number | undefined;
  readonly softwareAdapter: boolean;
}

export function readSettings(query: URLSearchParams): Settings {
  const threads = Number(query.get("threads"));
  return {
    photo: query.get("photo") ?? undefined,
    model: parseModel(query.get("model")) ?? "ssd",
    backend: parseBackend(query.get("backend")) ?? "auto",
    threads: Number.isInteger(threads) && threads > 0 ? threads : undefined,
    softwareAdapter: query.has("software-adapter"),
  };
}

export function parseBackend(value: string | null): BackendChoice | undefined {
  return value === "auto" || value === "webgpu" || value === "wasm" ? value : undefined;
}
