// Where results live, and the page made from them.
import { readFile, writeFile } from 'node:fs/promises';
import { benchmarks } from './report.js';

const directory = new URL('../results/', import.meta.url);

/** JSON with one line per list of numbers. */
export const saveJson = (url, value) =>
  writeFile(url, `${JSON.stringify(value, null, 1).replace(/\[\s+([-\d.,\s]+?)\s+\]/g, (_, list) => `[${list.replace(/\s+/g, ' ')}]`)}\n`);

async function load(name) {
  try {
    return JSON.parse(await readFile(new URL(`${name}.json`, directory), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}

/** Writes BENCHMARKS.md from the results that are there. */
export async function writeBenchmarks() {
  const [peers, webgpu, coldstart, peak] = await Promise.all(['peers', 'webgpu', 'coldstart', 'peak'].map(load));
  await writeFile(new URL('../../../BENCHMARKS.md', import.meta.url), benchmarks({ peers, webgpu, coldstart, peak }));
}
