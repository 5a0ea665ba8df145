// Where results live, and the page made from them.
import { readFile, writeFile } from 'node:fs/promises';
import { benchmarks, readmeFigures } from './report.js';

const directory = new URL('../results/', import.meta.url);
const root = new URL('../../../', import.meta.url);

/** JSON with one line per list of numbers. */
export const saveJson = (url, value) =>
  writeFile(url, `${JSON.stringify(value, null, 1).replace(/\[\s+([-\d.,\s]+?)\s+\]/g, (_, list) => `[${list.replace(/\s+/g, ' ')}]`)}\n`);

async function load(name, from = directory) {
  try {
    return JSON.parse(await readFile(new URL(`${name}.json`, from), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}

/** `page` with what stands between the marks of its figures replaced. */
export function withFigures(page, text) {
  const [begin, end] = ['<!-- figures: written by benches/peers -->\n', '<!-- end of figures -->'];
  const from = page.indexOf(begin) + begin.length, to = page.indexOf(end);
  if (from < begin.length || to < from) throw new Error('README.md has lost the marks of its figures');
  return `${page.slice(0, from)}\n${text}\n${page.slice(to)}`;
}

/** Writes BENCHMARKS.md and the README's figures from the results that are there. */
export async function writeBenchmarks() {
  const own = ['peers', 'webgpu', 'coldstart', 'peak', 'training'], theirs = ['accuracy', 'keras', 'transfer'];
  const trained = new URL('benches/train/results/', root);
  const list = await Promise.all([...own.map((name) => load(name)), ...theirs.map((name) => load(name, trained))]);
  const results = Object.fromEntries([...own, ...theirs].map((name, i) => [name, list[i]])), { peers } = results;
  await writeFile(new URL('BENCHMARKS.md', root), benchmarks(results));
  if (!peers) return;
  const readme = new URL('README.md', root);
  await writeFile(readme, withFigures(await readFile(readme, 'utf8'), readmeFigures(peers)));
}
