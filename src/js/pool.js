// Both sides of starting a pool's workers. This file is its own worker: folded into the glue or beside it, whichever
// module carries this code is loaded once more, under a name that tells it what it is.
const NAME = "striate-pool";

if (globalThis.name === NAME && typeof WorkerGlobalScope !== "undefined") {
  globalThis.onmessage = async ({ data: { glue, module, memory, number } }) => {
    try {
      const wasm = await import(/* webpackIgnore: true */ /* @vite-ignore */ glue);
      await wasm.default({ module_or_path: module, memory });
      postMessage({ ready: true });
      wasm.standBy(number);
    } catch (error) {
      postMessage({ failed: String(error) });
    }
  };
}

/** Held for as long as the module lives: some browsers collect workers that nobody refers to. */
const workers = [];

export async function startWorkers(glue, module, memory, count) {
  const start = (number) =>
    new Promise((resolve, reject) => {
      const script = import.meta.url;
      const worker = new Worker(script, { type: "module", name: NAME });
      workers.push(worker);
      worker.onmessage = ({ data }) => (data.ready ? resolve() : reject(new Error(data.failed)));
      worker.onerror = (event) => reject(new Error(event.message || `the worker ${script} could not be loaded`));
      worker.postMessage({ glue, module, memory, number });
    });
  try {
    await Promise.all(Array.from({ length: count }, (_, number) => start(number)));
  } catch (error) {
    for (const worker of workers.splice(0)) worker.terminate();
    throw error;
  }
}
