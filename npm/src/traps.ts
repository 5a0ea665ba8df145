// Traps of WebAssembly: how they surface, and what becomes of them.

/**
 * The work's result; or the trap that ended it in the middle of something asynchronous, which surfaces as an uncaught
 * error of this place and leaves the work's own promise pending for good.
 */
export async function orTrap<T>(work: () => Promise<T>): Promise<T> {
  if (typeof globalThis.addEventListener !== "function") return work();
  const listening = new AbortController();
  const trapped = new Promise<never>((_, reject) => {
    const stop = (event: Event, error: unknown) => {
      if (!(error instanceof WebAssembly.RuntimeError)) return;
      event.preventDefault();
      reject(error);
    };
    const { signal } = listening;
    globalThis.addEventListener("error", (event) => stop(event, event.error), { signal });
    globalThis.addEventListener("unhandledrejection", (event) => stop(event, event.reason), { signal });
  });
  try {
    return await Promise.race([work(), trapped]);
  } finally {
    listening.abort();
  }
}

/** The WebAssembly instance stopped in the middle of its work and cannot be trusted any more. */
export function isTrap(thrown: unknown): thrown is WebAssembly.RuntimeError | RangeError {
  return thrown instanceof WebAssembly.RuntimeError || thrown instanceof RangeError;
}
