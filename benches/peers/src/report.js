// Turns results into Markdown: a page per results file, and BENCHMARKS.md from all of them.
import { kindOf } from './engines.js';
import { ms, table, where } from './tables.js';
import { trainingSection, trainingVerdict } from './training-report.js';

const KiB = (bytes) => (bytes / 1024).toFixed(0);
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const idsOf = (results) => [...new Set(results.workloads.flatMap((w) => Object.keys(w.engines)))];

/** striate's engines and the tfjs engine that each is held against. */
const rivals = (ids) => ids.filter((id) => id.startsWith('striate/'))
  .map((id) => [id, id.replace('striate/simd', 'tfjs/wasm').replace('striate/', 'tfjs/')])
  .filter(([, rival]) => ids.includes(rival));

/** Every comparison of striate with TensorFlow.js on the same file and number of threads. */
const duels = (results) => results.workloads.flatMap((w) => rivals(idsOf(results)).flatMap(([id, rival]) => {
  const own = w.engines[id], theirs = w.engines[rival];
  if (!theirs?.min || !own) return [];
  return [{ workload: w.name, id, failed: own.failed, ratio: own.min / theirs.min, cpuRatio: own.cpu && theirs.cpu ? own.cpu.min / theirs.cpu.min : NaN }];
}));

/** One line: is striate no slower than TensorFlow.js? */
export function verdict(results) {
  if (results.workloads.every(({ kind }) => kind === 'step')) return trainingVerdict(results);
  const all = duels(results).filter(({ id }) => id !== 'striate/simd-1t');
  if (!all.length) return 'No row has both striate and TensorFlow.js.';
  const failed = all.filter((d) => d.failed), slower = all.filter((d) => d.ratio > 1);
  if (!failed.length && !slower.length) {
    const closest = all.reduce((a, b) => (a.ratio > b.ratio ? a : b));
    return `striate is no slower than TensorFlow.js in all ${all.length} comparisons (highest ratio ${closest.ratio.toFixed(2)}: ${closest.workload}, ${closest.id}).`;
  }
  const name = (d) => `${d.workload} (${d.id}${d.failed ? ', fails' : ` x${d.ratio.toFixed(2)}`})`;
  return `striate is no slower than TensorFlow.js in ${all.length - failed.length - slower.length} of ${all.length} comparisons; not in: ${[...failed, ...slower].map(name).join(', ')}.`;
}

const cellOf = (e, text) => {
  if (!e) return '–';
  if (e.min === undefined) return e.failed === 'check' && e.relative !== undefined ? 'wrong' : 'fails';
  return text(e);
};

/** Minimum and, in brackets, median; the fastest of its kind in bold. */
function times(results) {
  const ids = idsOf(results);
  return table(['workload', 'GFLOP', ...ids], results.workloads.map((w) => [
    w.name, w.gflop.toFixed(w.gflop < 1 ? 3 : 2),
    ...ids.map((id) => cellOf(w.engines[id], (e) => {
      const same = ids.filter((other) => kindOf(other) === kindOf(id)).map((other) => w.engines[other]?.min ?? Infinity);
      const text = e.single ? `${ms(e.min)} (one cold run)` : `${ms(e.min)} (${ms(e.median)})`;
      return e.min === Math.min(...same) ? `**${text}**` : text;
    })),
  ]));
}

/** striate's minimum over TensorFlow.js', wall clock and CPU time. */
function ratios(results) {
  const pairs = rivals(idsOf(results)), list = duels(results);
  const rows = results.workloads.map((w) => [w.name, ...pairs.map(([id]) => {
    const duel = list.find((d) => d.workload === w.name && d.id === id);
    if (!duel) return '–';
    if (duel.failed) return 'fails';
    return `${duel.ratio > 1 ? `**${duel.ratio.toFixed(2)}**` : duel.ratio.toFixed(2)}${Number.isNaN(duel.cpuRatio) ? '' : ` (${duel.cpuRatio.toFixed(2)})`}`;
  })]);
  return table(['workload', ...pairs.map(([id, rival]) => `${id} / ${rival}`)], rows);
}

const figures = (results, heading, text) => {
  const ids = idsOf(results);
  return [`## ${heading}`, '', table(['workload', ...ids], results.workloads.map((w) => [w.name, ...ids.map((id) => (w.engines[id]?.min === undefined ? '' : text(w.engines[id])))])), ''];
};

const softwareGpu = (results) => (results.environment.webgpu?.architecture === 'swiftshader' && idsOf(results).some((id) => kindOf(id) !== 'cpu')
  ? ['**WebGPU and WebGL ran on SwiftShader, a software adapter on the same CPU cores: only ratios between engines on the same backend mean anything, and even they only roughly.**', '']
  : []);

/** The page of one results file. */
export function markdown(results) {
  const ids = idsOf(results), pairs = rivals(ids);
  const failures = results.workloads.flatMap((w) => ids.filter((id) => w.engines[id]?.failed)
    .map((id) => `- ${w.name}, ${id}, at ${w.engines[id].failed}: ${w.engines[id].error}`));
  return [
    `# Race: ${results.preset}`, '', `${where(results)}.`, '', ...softwareGpu(results),
    ...(pairs.length ? [verdict(results), '', '## striate over TensorFlow.js', '',
      'Ratio of the minimum times (of the minimum CPU times): below 1, striate is faster.', '', ratios(results), ''] : []),
    '## Time per run', '', 'Milliseconds, input and result copies included: minimum (median). Bold: the fastest on its kind of backend.', '', times(results), '',
    ...figures(results, 'GFLOP/s, from the minimum', (e) => e.gflops.toPrecision(3)),
    ...figures(results, 'CPU time per run', (e) => (e.cpu ? `${ms(e.cpu.min)} (${ms(e.cpu.median)})` : '')),
    ...figures(results, 'First result in a fresh worker: scripts + loading + first run', ({ first: f }) => `${ms(f.totalMs)} (${ms(f.scriptMs)} + ${ms(f.loadMs)} + ${ms(f.firstRunMs)})`),
    ...figures(results, 'Largest difference from the first engine, relative to the largest value', (e) => e.relative.toExponential(1)),
    ...(failures.length ? ['## Failures', '', ...failures, ''] : []),
  ].join('\n');
}

const coldTable = (cold) => table(
  ['network', 'engine', 'first result, median', 'minimum', 'JS + wasm KiB', 'gzipped KiB'],
  cold.runs.map((r) => (r.runs.length
    ? [r.workload, r.engine, median(r.runs.map((x) => x.total)).toFixed(0), Math.min(...r.runs.map((x) => x.total)).toFixed(0), KiB(r.download.raw), KiB(r.download.gzip)]
    : [r.workload, r.engine, `fails: ${r.error}`, '', '', ''])));

/** The page of the cold-start results. */
export const coldMarkdown = (cold) => [
  '# Cold start', '', `${where(cold)}.`, '',
  `A new browser for each run, nothing cached, files served from the same machine; milliseconds over ${cold.reps} runs.`, '', coldTable(cold), '',
].join('\n');

export const peakMarkdown = (peak) => [
  '# Ceiling of one core', '', `${where(peak)}. GFLOP/s of float32 register-tiled inner loops in WebAssembly, best of ${peak.reps}.`, '',
  table(['tile (rows x columns)', 'multiply, add', 'fused (relaxed SIMD)'], peak.tiles.map(({ tile, rates }) => [tile, ...rates.map((r) => r?.toFixed(1) ?? 'not supported')])), '',
].join('\n');

/** The README's table: the networks, milliseconds a run. */
export function readmeFigures(peers) {
  const engines = ['striate', 'tfjs', 'ort'];
  const rows = peers.workloads.filter((w) => w.kind === 'network').flatMap((w) => ['1t', '2t'].map((threads) => [
    w.name, threads[0],
    ...engines.map((name) => cellOf(w.engines[`${name}/wasm-${threads}`], (e) => ms(e.min))),
  ]));
  return [
    'Milliseconds a run on the CPU, the same weights, everything in one browser with WebAssembly SIMD:', '',
    table(['network', 'threads', 'striate', 'TensorFlow.js', 'ONNX Runtime Web'], rows), '', `${where(peers)}.`, '',
  ].join('\n');
}

/** BENCHMARKS.md: what was measured, and how to measure again. */
export function benchmarks({ peers, webgpu, coldstart, peak, ...learning }) {
  const deeper = (text) => text.replace(/^#/gm, '##');
  return [
    '# Benchmarks', '',
    '<!-- Written by benches/peers from its results; do not edit. -->', '',
    'The race: striate, TensorFlow.js and ONNX Runtime Web run the same networks with the same weights in one headless Chromium,',
    'each engine in its own worker, taking turns. Engines whose results differ by more than a thousandth of the largest value are',
    'not timed. Everything is float32, batch 1. [benches/peers](benches/peers/README.md) says how the timing works.', '',
    '```sh', 'cargo xtask bench --peers                      # the race on the CPU: about 15 minutes',
    'node benches/peers/bench.js --preset=webgpu    # the same on the GPU',
    'node benches/peers/bench.js --preset=training  # steps of training', 'node benches/train/accuracy.mjs                # what training reaches; its head says how Keras is run',
    'node benches/peers/coldstart.js                # downloads and time to the first result', '```', '',
    'Every run rewrites this page. Compare within a row; times are only as good as the machine was quiet.', '',
    ...(peers || webgpu || coldstart || peak ? [] : ['Nothing has been measured yet.', '']),
    ...(peers ? ['## CPU: WebAssembly with SIMD, one and two threads', '', `${where(peers)}.`, '', `**${verdict(peers)}**`, '',
      'Ratio of the minimum times, in brackets of the minimum CPU times; below 1, striate is faster. `wasm-1t` and `wasm-2t` use relaxed',
      'SIMD where the browser has it, `simd-1t` does not.', '', ratios(peers), '',
      'Milliseconds per run, from a `Float32Array` to `Float32Array`s: minimum (median). Bold: the fastest.', '', times(peers), ''] : []),
    ...(webgpu ? ['## WebGPU and WebGL', '', `${where(webgpu)}.`, '', ...softwareGpu(webgpu), times(webgpu), ''] : []),
    ...trainingSection(learning),
    ...(coldstart ? [deeper(coldMarkdown(coldstart))] : []),
    ...(peak ? [deeper(peakMarkdown(peak))] : []),
  ].join('\n');
}
