#!/usr/bin/env node
// Time to the first result in a freshly started browser, nothing cached, and what was downloaded:
// node coldstart.js [--engines=LIST] [--workloads=LIST] [--reps=N]
import os from 'node:os';
import { mkdir, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { openPage } from './src/browser.js';
import { startOptions } from './src/engines.js';
import { ensureModel } from './src/models.js';
import { workloads } from './src/networks.js';
import { coldMarkdown } from './src/report.js';
import { saveJson, writeBenchmarks } from './src/results.js';
import { startServer } from './src/server.js';

const { values: flags } = parseArgs({ options: Object.fromEntries(['engines', 'workloads', 'reps'].map((name) => [name, { type: 'string' }])) });
const ids = flags.engines?.split(',') ?? ['striate/wasm-2t', 'striate/wasm-1t', 'striate/webgpu', 'tfjs/wasm-2t', 'tfjs/webgpu', 'tfjs/webgl', 'ort/wasm-2t', 'ort/webgpu'];
const names = flags.workloads?.split(',') ?? ['fashion-cnn', 'mobilenet-v2'];
const results = {
  date: new Date().toISOString(),
  machine: { cpu: os.cpus()[0].model.trim(), cores: os.cpus().length },
  reps: Number(flags.reps ?? 5),
  runs: [],
};

for (const workload of names) {
  const graph = workloads[workload].build();
  await ensureModel(graph);
  for (const engine of ids) {
    const options = startOptions(engine, workload, graph);
    if (options) results.runs.push({ workload, engine, options, runs: [] });
  }
}
for (let rep = 0; rep < results.reps; rep++) {
  for (const entry of results.runs) {
    const server = await startServer();
    const { browser, page, version } = await openPage(server.origin);
    results.chromium = version;
    try {
      const first = await page.evaluate(([id, settings]) => globalThis.bench.start(id, settings),
        [entry.engine, { ...entry.options, timeoutMs: 120_000 }]);
      entry.runs.push({ total: first.totalMs, script: first.scriptMs, load: first.loadMs, firstRun: first.firstRunMs });
      entry.download = server.downloads()[entry.engine];
    } catch (error) {
      entry.error = String(error.message).split('\n')[0].replaceAll(server.origin, '');
    }
    await browser.close();
    server.close();
  }
}
for (const entry of results.runs) delete entry.options;

const directory = new URL('./results/', import.meta.url);
await mkdir(directory, { recursive: true });
await saveJson(new URL('coldstart.json', directory), results);
const text = coldMarkdown(results);
await writeFile(new URL('coldstart.md', directory), text);
await writeBenchmarks();
console.log(text);
