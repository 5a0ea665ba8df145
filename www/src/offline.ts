/**
 * The service worker: keeps the application for offline use and, when asked to, adds the two headers (COOP, COEP) that
 * WebAssembly threads need and that hosts such as GitHub Pages cannot send.
 *
 * Threads are asked for by a click, because the headers take effect only after a reload. A browser that refuses them is
 * noticed after that reload: the page says so, does not ask again and never reloads by itself.
 */
import type { ToWorker } from "./sw-messages.ts";

const ASKED = "striate-threads";

export type Isolation =
  /** The page is isolated: by the host's headers, or by the worker's. */
  | "on"
  /** It is not, and a click may change that. */
  | "possible"
  /** It was asked for and did not come. */
  | "refused"
  /** No service worker, no shared memory, or one core: nothing to gain. */
  | "pointless";

export function isolation(): Isolation {
  if (globalThis.crossOriginIsolated) return "on";
  if (!("serviceWorker" in navigator) || !isSecureContext || navigator.hardwareConcurrency < 2) return "pointless";
  return recall() ? "refused" : "possible";
}

/** Registers the worker. Failure is no news: the page works without it, but not offline. */
export async function keepOffline(): Promise<void> {
  if (!("serviceWorker" in navigator) || !import.meta.env.PROD) return;
  await navigator.serviceWorker.register("sw.js").catch(() => undefined);
}

/** Keeps the engine's binary of this variant as well (the page loads only one), or a module beside it, by name. */
export async function keepVariant(variant: string): Promise<void> {
  await tell({ keep: variant });
}

/** Turns the headers on and reloads. */
export async function askForThreads(): Promise<void> {
  remember();
  await tell({ isolate: true });
  location.reload();
}

async function tell(message: ToWorker): Promise<void> {
  if (!("serviceWorker" in navigator) || !import.meta.env.PROD) return;
  const { active } = await navigator.serviceWorker.ready;
  if (!active) return;
  const channel = new MessageChannel();
  const answered = new Promise((resolve) => (channel.port1.onmessage = resolve));
  active.postMessage(message, [channel.port2]);
  await answered;
  channel.port1.close();
}

/** Storage may be switched off; then a refusal is forgotten, which costs a click and nothing more. */
function remember(): void {
  try {
    localStorage.setItem(ASKED, "asked");
  } catch {
    return;
  }
}

function recall(): boolean {
  try {
    return localStorage.getItem(ASKED) !== null;
  } catch {
    return false;
  }
}
