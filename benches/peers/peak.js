#!/usr/bin/env node
// The ceiling for float32 matrix kernels in this browser on one core: register-tiled inner loops
// (rows x columns accumulators, operands in the first-level cache) with separate multiply and
// add, and with relaxed SIMD's fused multiply-add.
import os from 'node:os';
import { mkdir, writeFile } from 'node:fs/promises';
import { openPage } from './src/browser.js';
import { peakMarkdown } from './src/report.js';
import { saveJson, writeBenchmarks } from './src/results.js';
import { startServer } from './src/server.js';

const REPS = 40;
const DEPTH = 256; // multiply-accumulates per accumulator and pass: panels of a few KiB

const leb = (n) => (n < 128 ? [n] : [(n & 127) | 128, ...leb(n >>> 7)]);
const section = (id, bytes) => [id, ...leb(bytes.length), ...bytes];
const simd = (opcode, ...rest) => [0xfd, ...leb(opcode), ...rest];
const get = (i) => [0x20, ...leb(i)], set = (i) => [0x21, ...leb(i)];
const signedLeb = (n) => (n < 64 ? [n] : [(n & 127) | 128, ...signedLeb(n >>> 7)]);
const i32 = (n) => [0x41, ...signedLeb(n)];
const [I32, F32, V128] = [0x7f, 0x7d, 0x7b];

/** A module exporting run(passes): `rows` x `columns` outputs, `columns` a multiple of 4. */
function kernel(rows, columns, fused) {
  const vectors = columns / 4;
  const [passes, a, b, i, x] = [0, 1, 2, 3, 4]; // locals; then the vectors of b and the accumulators
  const right = (j) => 5 + j, sum = (r, j) => 5 + vectors + r * vectors + j;
  const code = [
    ...[0x03, 0x40], ...i32(0), ...set(a), ...i32(8192), ...set(b), ...i32(DEPTH), ...set(i),
    ...[0x03, 0x40],
  ];
  for (let j = 0; j < vectors; j++) code.push(...get(b), ...simd(0, 4, ...leb(16 * j)), ...set(right(j))); // v128.load
  for (let r = 0; r < rows; r++) {
    code.push(...get(a), ...simd(9, 2, ...leb(4 * r)), ...set(x)); // v128.load32_splat
    for (let j = 0; j < vectors; j++) {
      code.push(...(fused
        ? [...get(x), ...get(right(j)), ...get(sum(r, j)), ...simd(0x105)] // f32x4.relaxed_madd
        : [...get(sum(r, j)), ...get(x), ...get(right(j)), ...simd(0xe6), ...simd(0xe4)]), // f32x4.mul, f32x4.add
      ...set(sum(r, j)));
    }
  }
  const step = (local, n) => [...get(local), ...i32(n), 0x6a, ...set(local)];
  code.push(...step(a, 4 * rows), ...step(b, 4 * columns));
  const repeat = (local) => [...get(local), ...i32(1), 0x6b, 0x22, local, 0x0d, 0, 0x0b];
  code.push(...repeat(i), ...repeat(passes), ...get(sum(0, 0)));
  for (let r = 0; r < rows; r++)
    for (let j = 0; j < vectors; j++) if (r || j) code.push(...get(sum(r, j)), ...simd(0xe4));
  code.push(...simd(0x1f, 0), 0x0b); // f32x4.extract_lane
  const locals = [2, 3, I32, ...leb(1 + vectors + rows * vectors), V128];
  const body = [...locals, ...code];
  return [
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [1, 0x60, 1, I32, 1, F32]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, 1]),
    ...section(7, [1, 3, ...Buffer.from('run'), 0, 0]),
    ...section(10, [1, ...leb(body.length), ...body]),
  ];
}

const server = await startServer();
const { browser, page, version } = await openPage(server.origin);
const measure = (bytes, flopsPerPass) => page.evaluate(async ([list, flops, reps]) => {
  const binary = Uint8Array.from(list);
  if (!WebAssembly.validate(binary)) return null;
  const { instance } = await WebAssembly.instantiate(binary);
  let best = Infinity;
  for (let n = 0; n < reps; n++) {
    const t = performance.now();
    instance.exports.run(1000);
    best = Math.min(best, performance.now() - t);
  }
  return (1000 * flops) / best / 1e6;
}, [bytes, flopsPerPass, REPS]);

const results = {
  date: new Date().toISOString(),
  machine: { cpu: os.cpus()[0].model.trim(), cores: os.cpus().length },
  chromium: version,
  reps: REPS,
  tiles: [],
};
for (const [rows, columns] of [[3, 8], [4, 8], [5, 8], [6, 8], [7, 8], [2, 16], [3, 12], [4, 12], [8, 4], [12, 4]]) {
  const rates = [];
  for (const fused of [false, true]) rates.push(await measure(kernel(rows, columns, fused), 2 * rows * columns * DEPTH));
  results.tiles.push({ tile: `${rows} x ${columns}`, rates });
}
await browser.close();
server.close();

const directory = new URL('./results/', import.meta.url);
await mkdir(directory, { recursive: true });
await saveJson(new URL('peak.json', directory), results);
await writeFile(new URL('peak.md', directory), peakMarkdown(results));
await writeBenchmarks();
console.log(peakMarkdown(results));
