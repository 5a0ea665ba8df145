// striate, through its built npm package. Backends: wasm-2t (the threads binary), wasm-1t (the relaxed-SIMD binary, what
// a page that is not isolated gets), simd-1t (plain SIMD, the fallback of old browsers) and webgpu.
const settings = {
  'wasm-2t': { backend: 'wasm', threads: 2 },
  'wasm-1t': { backend: 'wasm', threads: 1 },
  'simd-1t': { backend: 'wasm', threads: 1, variant: 'simd' },
  webgpu: { backend: 'webgpu', threads: 1, allowSoftwareAdapter: true },
};
const variants = { 'wasm-2t': 'threads', 'wasm-1t': 'relaxed', 'simd-1t': 'simd', webgpu: 'webgpu' };

/** The package, and an engine that does run as it was asked to. */
export async function start(backend) {
  const striate = await import(new URL('../striate/index.js', import.meta.url).href);
  // In place: the race's own worker is the worker.
  const engine = await striate.striate({ ...settings[backend], worker: false });
  const { info } = engine;
  const asked = { backend: settings[backend].backend, variant: variants[backend], threads: settings[backend].threads };
  for (const [key, value] of Object.entries(asked))
    if (info[key] !== value) throw new Error(`striate runs with ${key} ${info[key]}, not ${value}: ${info.notes?.join(' ')}`);
  return { engine, striate };
}

export async function load({ graph, tfGraph }, backend) {
  const { engine } = await start(backend);
  const names = graph.outputs.map(({ id }) => id);
  const net = await engine.load(new URL(tfGraph, location.href).href, { outputs: names });
  const shape = [graph.batch, ...graph.input.shape];
  return {
    layout: 'nhwc',
    details: () => engine.info,
    async run(input) {
      const results = await net.predict({ data: input, shape });
      return names.map((name) => results.find((result) => result.name === name).data);
    },
  };
}
