// Runs one engine on one workload. The engine is loaded only on the `start` command, so that
// the time to its first result counts its scripts, its wasm, the model and the first run.
import { makeInput, transpose } from '../src/graph.js';
import { workloads } from '../src/networks.js';

let session, input, outputs;

/** A photo stretched to the input's size, as RGB values from 0 to 255. */
async function readPhoto({ photo, shape: [height, width] }) {
  const bitmap = await createImageBitmap(await (await fetch(photo)).blob());
  const context = new OffscreenCanvas(width, height).getContext('2d');
  context.drawImage(bitmap, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const pixels = new Float32Array(3 * width * height);
  for (let i = 0, p = 0; p < data.length; p += 4) for (let c = 0; c < 3; c++) pixels[i++] = data[p + c];
  return pixels;
}

async function start({ workload, module, backend }) {
  const graph = workloads[workload].build();
  input = graph.input.photo ? await readPhoto(graph.input) : makeInput(graph);

  const began = performance.now();
  const engine = await import(module);
  const imported = performance.now();
  session = await engine.load({ graph, ...graph.files }, backend);
  const loaded = performance.now();
  if (session.layout === 'nchw' && graph.input.shape.length === 3) {
    const [h, w, c] = graph.input.shape;
    input = transpose(input, graph.batch, h * w, c);
  }
  const ready = performance.now();
  outputs = await (session.first ?? session.run)(input);
  const done = performance.now();
  return {
    scriptMs: imported - began,
    loadMs: loaded - imported,
    firstRunMs: done - ready,
    totalMs: done - ready + (loaded - began),
    details: session.details(),
  };
}

/** Repeats until both bounds are met or the time is up; the shortest duration is the estimate. */
async function warm({ minRuns, minMs, maxMs }) {
  const began = performance.now();
  let estimate = Infinity, runs = 0;
  do {
    const t = performance.now();
    await session.run(input);
    estimate = Math.min(estimate, performance.now() - t);
    runs++;
  } while ((runs < minRuns || performance.now() - began < minMs) && performance.now() - began < maxMs);
  return { runs, estimate };
}

async function sample({ inner }) {
  const t = performance.now();
  for (let i = 0; i < inner; i++) await session.run(input);
  return (performance.now() - t) / inner;
}

const commands = {
  start,
  warm,
  sample,
  outputs: () => ({ outputs: outputs.map((o) => Float32Array.from(o)), layout: session.layout }),
};

onmessage = async ({ data }) => {
  try {
    postMessage({ result: await commands[data.command](data) });
  } catch (error) {
    postMessage({ error: String(error?.message ?? error) });
  }
};
