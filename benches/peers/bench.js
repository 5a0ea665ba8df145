#!/usr/bin/env node
// The race: several engines on the same networks in one browser. See README.md.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import os from 'node:os';
import { parseArgs } from 'node:util';
import { openPage } from './src/browser.js';
import { engines } from './src/engines.js';
import { workloads } from './src/networks.js';
import { race, tolerance } from './src/race.js';
import { markdown, verdict } from './src/report.js';
import { saveJson, writeBenchmarks } from './src/results.js';
import { startServer } from './src/server.js';

const usage = `node bench.js [options]
  --preset=NAME         engines and workloads to start from: peers (default), layers, all, webgpu, shapes, quick, training
  --engines=LIST        e.g. tfjs/wasm-2t,striate/wasm-2t (see --list)
  --workloads=LIST      names, the kinds network, layer, step and shape, or NETWORK~ for the shapes of one network
  --reps=N              samples per engine and workload, at most (default 15)
  --budget=SECONDS      timed part of one workload (default 40; at least 3 samples are taken)
  --max-minutes=N       stop starting workloads after this long (default 60)
  --timeout=SECONDS     longest single answer from an engine (default 180)
  --calm=SECONDS        per workload, how long to wait in all for a quiet machine (default 0)
  --append              keep the results file's other workloads, replace those measured now
  --out=DIRECTORY       where NAME.json and NAME.md go (default results/, from which BENCHMARKS.md is written)
  --chrome-args=LIST    further Chromium switches, comma-separated
  --list                print engines and workloads`;

const wasm = ['tfjs', 'ort', 'striate'].flatMap((name) => [`${name}/wasm-1t`, `${name}/wasm-2t`]);
const layers = ['conv3x3-64-64@56', 'conv3x3-256-256@14', 'conv1x1-256-64@56', 'conv7x7s2-3-64@224', 'depthwise3x3-96@112',
  'convtranspose4x4s2-64-64@56', 'bilinear-x8-21@28', 'maxpool3x3s2-64@112', 'dense-4096-4096'];
const presets = {
  peers: { engines: [...wasm, 'striate/simd-1t'], workloads: ['centernet', 'mobilenet-v2', 'resnet-50', ...layers] },
  layers: { engines: wasm, workloads: ['layer'] },
  all: { engines: wasm, workloads: ['network', 'layer'] },
  shapes: { engines: ['tfjs/wasm-1t', 'striate/wasm-1t', 'tfjs/wasm-2t', 'striate/wasm-2t'], workloads: ['shape'] },
  quick: {
    engines: ['tfjs/wasm-1t', 'striate/wasm-1t', 'tfjs/wasm-2t', 'striate/wasm-2t'],
    workloads: ['centernet', 'mobilenet-v2', 'conv3x3-64-64@56', 'depthwise3x3-96@112'],
  },
  training: {
    engines: ['wasm-1t', 'forward-1t', 'wasm-2t', 'forward-2t'].map((backend) => `striate-train/${backend}`).concat('jax-train/wasm', 'tfjs-train/cpu'),
    workloads: ['step'],
  },
  webgpu: {
    engines: ['tfjs/webgpu', 'tfjs/webgl', 'ort/webgpu', 'striate/webgpu'],
    workloads: ['centernet', 'mobilenet-v2', ...layers, 'fashion-cnn'],
  },
};

const { values: flags } = parseArgs({
  options: Object.fromEntries([
    ...['preset', 'engines', 'workloads', 'reps', 'budget', 'max-minutes', 'timeout', 'calm', 'out', 'chrome-args']
      .map((name) => [name, { type: 'string' }]),
    ...['list', 'help', 'append'].map((name) => [name, { type: 'boolean' }]),
  ]),
});
if (flags.help) { console.log(usage); process.exit(); }
if (flags.list) {
  console.log(`engines:\n  ${Object.keys(engines).join('\n  ')}\nworkloads:`);
  for (const [name, { kind, build }] of Object.entries(workloads)) {
    const graph = build();
    console.log(`  ${name.padEnd(40)} ${kind.padEnd(8)} ${(graph.flops / 1e9).toFixed(3).padStart(7)} GFLOP ${(graph.parameters / 1e6).toFixed(2).padStart(6)} M parameters`);
  }
  process.exit();
}

const preset = flags.preset ?? 'peers';
if (!presets[preset]) throw new Error(`no preset ${preset}\n${usage}`);
const number = (name, fallback) => (flags[name] === undefined ? fallback : Number(flags[name]));
const settings = {
  reps: number('reps', 15), budgetMs: 1000 * number('budget', 40), timeoutMs: 1000 * number('timeout', 180), calmMs: 1000 * number('calm', 0),
};
const deadline = Date.now() + 60_000 * number('max-minutes', 60);
const pick = (flag, fallback) => flags[flag]?.split(',') ?? fallback;
const expand = (name) => {
  if (workloads[name]) return [name];
  const members = Object.keys(workloads).filter((w) => workloads[w].kind === name || (name.endsWith('~') && w.startsWith(name)));
  if (!members.length) throw new Error(`no workload ${name}; --list prints them`);
  return members;
};
const workloadNames = pick('workloads', presets[preset].workloads).flatMap(expand);
const engineNames = pick('engines', presets[preset].engines);
for (const id of engineNames) if (!engines[id]) throw new Error(`no engine ${id}; --list prints them`);

const directory = flags.out ? new URL(`${flags.out}/`, `file://${process.cwd()}/`) : new URL('./results/', import.meta.url);
const file = (extension) => new URL(`${preset}.${extension}`, directory);
await mkdir(directory, { recursive: true });

const server = await startServer();
const opened = await openPage(server.origin, pick('chrome-args', []));
try {
  const environment = await opened.page.evaluate(() => globalThis.bench.environment());
  if (!environment.crossOriginIsolated) throw new Error('the page is not cross-origin isolated: no wasm threads');
  const earlier = flags.append ? JSON.parse(await readFile(file('json'), 'utf8')) : { workloads: [], downloads: {} };
  const results = {
    preset,
    date: new Date().toISOString(),
    machine: { cpu: os.cpus()[0].model.trim(), cores: os.cpus().length, memoryGiB: Math.round(os.totalmem() / 2 ** 30) },
    chromium: opened.version,
    environment,
    settings: { reps: settings.reps, budgetSeconds: settings.budgetMs / 1000, tolerance },
    workloads: earlier.workloads.filter(({ name }) => !workloadNames.includes(name)),
    downloads: earlier.downloads,
  };
  const order = Object.keys(workloads);
  for (const name of workloadNames) {
    if (Date.now() > deadline) { results.stoppedEarly = true; console.log(`time is up before ${name}`); break; }
    console.log(name);
    const record = await race(name, engineNames, opened, settings);
    for (const [id, e] of Object.entries(record.engines)) {
      console.log(e.min === undefined ? `  ${id.padEnd(18)} ${e.failed}: ${e.error}`
        : `  ${id.padEnd(18)} min ${e.min.toFixed(2).padStart(9)} ms  median ${e.median.toFixed(2).padStart(9)} ms  cpu ${(e.cpu?.min ?? NaN).toFixed(2).padStart(9)} ms  ${e.gflops.toFixed(1).padStart(6)} GFLOP/s  first result ${e.first.totalMs.toFixed(0)} ms  error ${e.relative.toExponential(1)}  (${e.samples.length} x ${e.inner})`);
    }
    results.workloads.push(record);
    results.workloads.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
    Object.assign(results.downloads, server.downloads());
    await saveJson(file('json'), results);
    await writeFile(file('md'), markdown(results));
  }
  console.log(`\n${verdict(results)}`);
  if (!flags.out) await writeBenchmarks();
} finally {
  await opened.browser.close();
  server.close();
}
