// Engine id -> adapter, backend and the model format it reads. An id is a short name, a slash and a backend.
// To add an engine, add its adapter in engines/ and its ids here.
const family = (name, module, format, backends) =>
  backends.map((backend) => [`${name}/${backend}`, { module: `../engines/${module}`, format, backend }]);

export const engines = Object.fromEntries([
  ...family('tfjs', 'tfjs.js', 'tfGraph', ['wasm-2t', 'wasm-1t', 'webgpu', 'webgl']),
  ...family('ort', 'onnxruntime.js', 'onnx', ['wasm-2t', 'wasm-1t', 'webgpu', 'webgpu-jspi', 'webgpu-jsep']),
  ...family('striate', 'striate.js', 'tfGraph', ['wasm-2t', 'wasm-1t', 'simd-1t', 'webgpu']),
  // Those that train.
  ...family('striate-train', 'train-striate.js', 'steps', ['wasm-1t', 'forward-1t', 'wasm-2t', 'forward-2t', 'simd-1t', 'webgpu']),
  ...family('jax-train', 'train-jax.js', 'steps', ['wasm', 'webgpu']),
  ...family('tfjs-train', 'train-tfjs.js', 'smallSteps', ['cpu', 'webgl', 'webgpu']),
]);

/** Engines are compared within the same kind of backend: webgpu, webgl, or the CPU. */
export const kindOf = (id) => id.match(/\/(webgpu|webgl)/)?.[1] ?? 'cpu';

/** What a page needs of an engine to start it on a workload; null if there is no model file in its format. */
export function startOptions(id, workload, graph) {
  const { module, backend, format } = engines[id];
  return graph.files[format] ? { workload, module, backend } : null;
}
