import type { EngineInfo } from "striate";
import type { Phase } from "./detector.ts";
import { element, megabytes, setText } from "./dom.ts";
import { askForThreads, isolation } from "./offline.ts";
import type { BackendChoice } from "./settings.ts";

const VARIANTS = { simd: "SIMD", relaxed: "relaxed SIMD", threads: "relaxed SIMD", webgpu: "" } as const;
const STEPS = {
  engine: "Starting the engine",
  download: "Fetching the model",
  compile: "Preparing the network",
} as const;

const RECOVERED = {
  devicelost: "The graphics card was lost for a moment; the network was set up again by itself.",
  restart: "The engine had a fault and started afresh by itself.",
} as const;

/** What the panel is told: of an engine that is ready, what it runs on. */
type Shown = Exclude<Phase, { readonly phase: "ready" }> | { readonly phase: "ready"; readonly engine: EngineInfo };

/** Says what really runs, and how far loading has come. */
export class EnginePanel {
  readonly #loading = element("loading", HTMLElement);
  readonly #what = element("loading-what", HTMLElement);
  readonly #figures = element("loading-figures", HTMLElement);
  readonly #bar = element("loading-bar", HTMLElement);
  readonly #running = element("running", HTMLElement);
  readonly #note = element("engine-note", HTMLElement);
  readonly #threads = element("threads", HTMLElement);

  constructor() {
    element("use-threads", HTMLButtonElement).addEventListener("click", () => void askForThreads());
  }

  show(phase: Shown, choice: BackendChoice): void {
    this.#loading.hidden = phase.phase !== "loading";
    switch (phase.phase) {
      case "loading":
        this.#showProgress(phase.step, phase.done, phase.total);
        break;
      case "ready":
        this.#showEngine(phase.engine, choice);
        break;
      case "idle":
      case "failed":
        setText(this.#running, "Not running.");
        this.#note.hidden = true;
        this.#threads.hidden = true;
    }
  }

  /** A trouble that is over: said without getting in the way. */
  mention(recovered: keyof typeof RECOVERED): void {
    this.#note.hidden = false;
    setText(this.#note, RECOVERED[recovered]);
  }

  #showProgress(step: keyof typeof STEPS, done: number, total: number | undefined): void {
    const share = total ? done / total : undefined;
    setText(this.#what, STEPS[step]);
    setText(
      this.#figures,
      step === "compile" || !total ? "" : `${megabytes(done).split(" ")[0]} / ${megabytes(total)}`,
    );
    setText(this.#running, `${STEPS[step]} …`);
    this.#bar.classList.toggle("unknown", share === undefined);
    if (share === undefined) {
      this.#bar.removeAttribute("aria-valuenow");
    } else {
      this.#bar.style.setProperty("--share", String(share));
      this.#bar.setAttribute("aria-valuenow", String(Math.round(share * 100)));
    }
  }

  #showEngine(info: EngineInfo, choice: BackendChoice): void {
    const { backend, variant, threads, adapter } = info;
    const cores = threads > 1 ? `${threads} threads` : "one thread";
    setText(
      this.#running,
      backend === "webgpu" ? `WebGPU on ${describe(adapter)}` : `WebAssembly with ${VARIANTS[variant]}, ${cores}`,
    );
    this.#running.dataset.backend = backend;
    this.#running.dataset.variant = variant;
    this.#running.dataset.threads = String(threads);

    const isolated = isolation();
    const notes = info.notes.map(sentence);
    if (choice === "auto" && backend === "wasm" && !("gpu" in navigator)) {
      notes.unshift("This browser has no WebGPU, so the processor does the work. The results are the same.");
    }
    if (isolated === "refused" && backend === "wasm")
      notes.unshift("This browser did not turn threads on; one core does the work.");
    this.#note.hidden = notes.length === 0;
    setText(this.#note, notes.join(" "));
    this.#threads.hidden = backend !== "wasm" || isolated !== "possible";
  }
}

/** The engine's notes are half sentences, for logs; the page gives them a capital and a full stop. */
function sentence(note: string): string {
  return `${note.charAt(0).toUpperCase()}${note.slice(1)}${/[.!?]$/.test(note) ? "" : "."}`;
}

function describe(adapter: EngineInfo["adapter"]): string {
  if (!adapter) return "a graphics card";
  const name = adapter.name || adapter.vendor || "a graphics card";
  return adapter.software ? `${name} (emulated, slow)` : name;
}
