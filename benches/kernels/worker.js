// Times the workloads of one wasm build. The page starts one worker a build and lets them take turns.
let bench;
const loaded = {};

const handlers = {
  async start({ url, threads }) {
    bench = await import(url);
    await bench.default();
    if (threads > 0) await bench.initThreadPool(threads);
    return bench.workloads().split("\n");
  },
  prepare({ name }) {
    for (const old of Object.keys(loaded)) {
      loaded[old].free();
      delete loaded[old];
    }
    loaded[name] = bench.prepare(name);
    const first = performance.now();
    loaded[name].run(1);
    return { flops: loaded[name].flops(), first: performance.now() - first };
  },
  /** The shortest of several samples, each of as many runs as fill `fill` ms. */
  sample({ name, runs, count }) {
    let best = Infinity;
    for (let i = 0; i < count; i++) {
      const start = performance.now();
      loaded[name].run(runs);
      best = Math.min(best, (performance.now() - start) / runs);
    }
    return best;
  },
};

onmessage = async ({ data: { id, call, ...options } }) => {
  try {
    postMessage({ id, result: await handlers[call](options) });
  } catch (error) {
    postMessage({ id, error: String(error.stack ?? error) });
  }
};
