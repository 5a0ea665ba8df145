// Runs in the page: one dedicated worker per engine, so that each has its own heap, its own
// wasm instance and its own thread pool; the benchmark driver calls these functions.
import { transpose } from '../src/graph.js';
import { workloads } from '../src/networks.js';

const engines = new Map();

function call(id, message, timeoutMs) {
  const engine = engines.get(id);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    engine.worker.onmessage = ({ data }) => {
      clearTimeout(timer);
      data.error ? reject(new Error(data.error)) : resolve(data.result);
    };
    engine.worker.onerror = (event) => {
      clearTimeout(timer);
      reject(new Error(event.message || 'the worker failed to start'));
    };
    engine.worker.postMessage(message);
  });
}

/** Starts a fresh worker for the engine and brings it to its first result. */
async function start(id, { timeoutMs, ...settings }) {
  const worker = new Worker(`/e/${id.replace('/', '~')}/page/worker.js`, { type: 'module' });
  engines.set(id, { worker, outputs: null });
  return call(id, { command: 'start', ...settings }, timeoutMs);
}

function stop(id) {
  engines.get(id)?.worker.terminate();
  engines.delete(id);
}

/** Fetches the engine's outputs, as NHWC, into the page; returns their magnitudes. */
async function collect(id, { workload, timeoutMs }) {
  const graph = workloads[workload].build();
  const { outputs, layout } = await call(id, { command: 'outputs' }, timeoutMs);
  engines.get(id).outputs = outputs.map((data, i) => {
    const [h, w, c] = graph.outputs[i].shape;
    return layout === 'nchw' && w !== undefined ? transpose(data, graph.batch, c, h * w) : data;
  });
  return engines.get(id).outputs.map((data) => data.reduce((m, v) => Math.max(m, Math.abs(v)), 0));
}

/** Largest difference of an engine's outputs from the reference engine's, absolute and relative to the largest value. */
function compare(id, referenceId) {
  const a = engines.get(id).outputs, b = engines.get(referenceId).outputs;
  let maxAbs = 0, relative = 0;
  if (a.length !== b.length) return { maxAbs: NaN, relative: NaN };
  a.forEach((data, k) => {
    if (data.length !== b[k].length) { maxAbs = relative = NaN; return; }
    let difference = 0, scale = 0;
    for (let i = 0; i < data.length; i++) {
      const d = Math.abs(data[i] - b[k][i]);
      if (!(d <= difference)) difference = d; // also keeps NaN
      scale = Math.max(scale, Math.abs(b[k][i]));
    }
    maxAbs = Math.max(maxAbs, difference);
    relative = Math.max(relative, difference / (scale || 1));
  });
  return { maxAbs, relative };
}

async function environment() {
  let adapter = null;
  if (navigator.gpu) {
    const gpu = await navigator.gpu.requestAdapter();
    if (gpu) {
      const { vendor, architecture, device, description } = gpu.info;
      adapter = { vendor, architecture, device, description, features: [...gpu.features].sort() };
    }
  }
  return {
    userAgent: navigator.userAgent,
    crossOriginIsolated,
    hardwareConcurrency: navigator.hardwareConcurrency,
    jspi: 'Suspending' in WebAssembly,
    webgpu: adapter,
  };
}

globalThis.bench = { start, stop, call, collect, compare, environment };
