// One workload, several engines: start each, check them against each other, then let them take turns.
import os from 'node:os';
import { startOptions } from './engines.js';
import { cpuTime, waitForCalm } from './machine.js';
import { ensureModel } from './models.js';
import { workloads } from './networks.js';

/** Results that differ by more than this, relative to the largest value, are wrong; their engine is not timed. */
export const tolerance = 1e-3;
const slowMs = 30_000; // a first run longer than this is the only one
const sampleMs = 60; // shorter runs are repeated to fill a sample
const gapMs = 30; // lets the other engines' thread pools go to sleep before a sample

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const median = (list) => {
  const sorted = [...list].sort((a, b) => a - b), middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

/**
 * @param opened  what `openPage` returned
 * @param settings  { reps, budgetMs, timeoutMs, calmMs }
 * @returns the workload's record: one entry an engine, with its samples or why it has none
 */
export async function race(name, ids, { page, pids }, { reps, budgetMs, timeoutMs, calmMs }) {
  const inPage = (fn, ...parameters) => page.evaluate(([f, list]) => globalThis.bench[f](...list), [fn, parameters]);
  const clean = (error) => String(error.message ?? error)
    .replace(/^page\.evaluate: (Error: )?/, '').replace(/http:\/\/127\.0\.0\.1:\d+/g, '').split('\n')[0].slice(0, 400);

  const { kind, build, count, network } = workloads[name];
  const graph = build();
  await ensureModel(graph);
  const record = {
    name, kind, network, count, gflop: graph.flops / 1e9, parameters: graph.parameters,
    load: os.loadavg().map((x) => +x.toFixed(2)), engines: {},
  };
  let alive = [];
  const attempt = async (id, stage, action) => {
    try {
      return await action();
    } catch (error) {
      Object.assign(record.engines[id], { failed: stage, error: clean(error) });
      await inPage('stop', id);
      return null;
    }
  };
  const drop = (id) => { alive = alive.filter((other) => other !== id); };

  for (const id of ids) {
    const options = startOptions(id, name, graph);
    if (!options) continue;
    record.engines[id] = {};
    const first = await attempt(id, 'start', () => inPage('start', id, { ...options, timeoutMs }));
    if (!first) continue;
    record.engines[id].first = first;
    alive.push(id);
  }

  const [reference] = alive;
  for (const id of alive) {
    const entry = record.engines[id];
    const check = await attempt(id, 'check', async () => {
      entry.largestOutputs = await inPage('collect', id, { workload: name, timeoutMs });
      return inPage('compare', id, reference);
    });
    Object.assign(entry, check);
    if (check && !(check.relative <= tolerance)) {
      Object.assign(entry, { failed: 'check', error: `wrong result: relative error ${check.relative}` });
      await inPage('stop', id);
    }
    if (entry.failed) drop(id);
  }

  let roundMs = 0;
  for (const id of alive) {
    const entry = record.engines[id];
    if (entry.first.firstRunMs > slowMs) {
      Object.assign(entry, { single: true, inner: 1, samples: [+entry.first.firstRunMs.toFixed(1)], cpuSamples: [] });
      drop(id);
      continue;
    }
    const warmed = await attempt(id, 'warm-up', () => inPage('call', id, { command: 'warm', minRuns: 3, minMs: 600, maxMs: 30_000 }, timeoutMs));
    if (!warmed) { drop(id); continue; }
    const inner = Math.max(1, Math.min(200, Math.ceil(sampleMs / warmed.estimate)));
    Object.assign(entry, { warmRuns: warmed.runs, inner, samples: [], cpuSamples: [] });
    roundMs += inner * warmed.estimate + gapMs;
  }

  const processes = await pids();
  const rounds = Math.max(3, Math.min(reps, Math.floor(budgetMs / roundMs)));
  for (let round = 0; round < rounds && alive.length; round++) {
    const shift = round % alive.length;
    for (const id of [...alive.slice(shift), ...alive.slice(0, shift)]) {
      await pause(gapMs);
      if (calmMs > 0) calmMs -= await waitForCalm(calmMs);
      const entry = record.engines[id], cpuBefore = cpuTime(processes);
      const ms = await attempt(id, 'sample', () => inPage('call', id, { command: 'sample', inner: entry.inner }, timeoutMs));
      if (ms === null) { drop(id); continue; }
      entry.samples.push(+ms.toFixed(4));
      if (cpuBefore !== null) entry.cpuSamples.push(+((cpuTime(processes) - cpuBefore) / entry.inner).toFixed(3));
    }
  }

  for (const [id, entry] of Object.entries(record.engines)) {
    await inPage('stop', id);
    if (entry.failed || !entry.samples?.length) continue;
    entry.min = Math.min(...entry.samples);
    entry.median = median(entry.samples);
    if (entry.cpuSamples.length) entry.cpu = { min: Math.min(...entry.cpuSamples), median: median(entry.cpuSamples) };
    entry.gflops = record.gflop / (entry.min / 1000);
  }
  return record;
}
