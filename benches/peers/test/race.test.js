// What the race says must follow from its figures: node --test benches/peers/test
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kindOf, startOptions } from '../src/engines.js';
import { Graph, explicitPads, makeInput, materialise, transpose } from '../src/graph.js';
import { workloads } from '../src/networks.js';
import { benchmarks, markdown, readmeFigures, verdict } from '../src/report.js';
import { withFigures } from '../src/results.js';
import { encodeTfGraph } from '../src/tfgraph.js';

const entry = (min) => ({ min, median: min, cpu: { min, median: min }, gflops: 1, relative: 0, samples: [min], first: { totalMs: 1, scriptMs: 1, loadMs: 1, firstRunMs: 1 } });
const results = (engines) => ({
  preset: 'peers', date: '2026-01-01T00:00:00Z', machine: { cpu: 'a CPU', cores: 2 }, chromium: '1', environment: {}, downloads: {},
  workloads: [{ name: 'net', kind: 'network', gflop: 1, engines }],
});

test('the verdict counts every comparison with the same number of threads', () => {
  const faster = results({ 'tfjs/wasm-1t': entry(10), 'tfjs/wasm-2t': entry(6), 'striate/wasm-1t': entry(9), 'striate/wasm-2t': entry(6) });
  assert.match(verdict(faster), /no slower than TensorFlow\.js in all 2 comparisons \(highest ratio 1\.00: net, striate\/wasm-2t\)/);
  const slower = results({ 'tfjs/wasm-1t': entry(10), 'tfjs/wasm-2t': entry(5), 'striate/wasm-1t': entry(9), 'striate/wasm-2t': entry(6) });
  assert.match(verdict(slower), /in 1 of 2 comparisons; not in: net \(striate\/wasm-2t x1\.20\)/);
});

test('an engine that fails or is wrong is not a winner', () => {
  const failed = results({ 'tfjs/wasm-1t': entry(10), 'striate/wasm-1t': { failed: 'check', error: 'wrong result', relative: 0.5 } });
  assert.match(verdict(failed), /in 0 of 1 comparisons; not in: net \(striate\/wasm-1t, fails\)/);
  assert.match(markdown(failed), /\| net \| 1\.00 \| \*\*10\.0 \(10\.0\)\*\* \| wrong \|/);
});

test('plain SIMD is shown but not judged', () => {
  const only = results({ 'tfjs/wasm-1t': entry(10), 'striate/simd-1t': entry(20), 'striate/wasm-1t': entry(5) });
  assert.match(verdict(only), /in all 1 comparisons/);
  assert.match(markdown(only), /\| net \| \*\*2\.00\*\* \(2\.00\) \| 0\.50 \(0\.50\) \|/);
});

test('BENCHMARKS.md holds whatever has been measured', () => {
  const page = benchmarks({ peers: results({ 'tfjs/wasm-1t': entry(10) }), webgpu: null, coldstart: null, peak: null });
  assert.match(page, /## CPU/);
  assert.doesNotMatch(page, /WebGPU and WebGL|Cold start|Ceiling/);
});

test('training is reported by CPU time, with Keras beside it', () => {
  const workloads = [{ name: 'lenet-5-step', kind: 'step', gflop: 1, engines: {
    'striate-train/wasm-1t': entry(10), 'striate-train/forward-1t': { ...entry(9), cpu: { min: 4, median: 4 } },
    'tfjs-train/cpu': entry(600), 'jax-train/wasm': { failed: 'start', error: 'none' },
  } }];
  const training = { ...results({}), preset: 'training', workloads };
  assert.match(verdict(training), /LeNet-5: a step takes 2\.50 times its pass forward; others need as much CPU time as striate tfjs 60 times\./);
  const run = (accuracy) => ({ accuracy });
  const accuracy = { networks: { lenet5: { epochs: 5, runs: [run(0.94), run(0.96)] } } };
  const keras = { keras: '3', tensorflow: '2', cores: 2, networks: { lenet5: { runs: [run(0.945)] } } };
  const page = benchmarks({ peers: null, webgpu: null, coldstart: null, peak: null, training, accuracy, keras, transfer: null });
  assert.match(page, /## Training/);
  assert.match(page, /\| LeNet-5 \| 5 \| \*\*95\.00\*\* \(94\.00, 96\.00\) \| \*\*94\.50\*\* \(94\.50\) \| 0\.50 \|/);
});

test('the README gets its figures between its marks, and only there', () => {
  const text = readmeFigures(results({ 'striate/wasm-1t': entry(8), 'tfjs/wasm-1t': entry(10) }));
  assert.match(text, /\| net \| 1 \| 8\.00 \| 10\.0 \| – \|/);
  const page = 'before\n<!-- figures: written by benches/peers -->\nold\n<!-- end of figures -->\nafter\n';
  const once = withFigures(page, text);
  assert.ok(once.startsWith('before\n') && once.endsWith('<!-- end of figures -->\nafter\n') && !once.includes('old'));
  assert.equal(withFigures(once, text), once);
  assert.throws(() => withFigures('no marks', text));
});

test('engines without a file in their format sit a workload out', () => {
  assert.equal(startOptions('ort/wasm-1t', 'centernet', workloads.centernet.build()), null);
  assert.ok(startOptions('striate/wasm-1t', 'centernet', workloads.centernet.build()));
  assert.equal(kindOf('ort/webgpu-jspi'), 'webgpu');
  assert.equal(kindOf('striate/simd-1t'), 'cpu');
});

test('networks have the published sizes', () => {
  const millions = (name) => workloads[name].build().parameters / 1e6;
  assert.ok(Math.abs(millions('mobilenet-v2') - 3.54) < 0.01, `MobileNetV2 ${millions('mobilenet-v2')}`);
  assert.ok(Math.abs(millions('resnet-50') - 25.6) < 0.1, `ResNet-50 ${millions('resnet-50')}`);
  assert.ok(Math.abs(workloads['resnet-50'].build().flops / 2e9 - 3.86) < 0.02);
});

test('the shapes of a network are all of its convolutions', () => {
  for (const network of ['mobilenet-v2', 'resnet-50']) {
    const convolutions = workloads[network].build().nodes.filter(({ op }) => op === 'conv' || op === 'depthwise').length;
    const shapes = Object.values(workloads).filter((w) => w.kind === 'shape' && w.network === network);
    assert.equal(shapes.reduce((sum, { count }) => sum + count, 0), convolutions);
  }
});

test('"same" padding is asymmetric, with the surplus below and right', () => {
  assert.deepEqual(explicitPads([4, 5], [3, 3], 2, 1, 'same'), [0, 1, 1, 1]);
  assert.deepEqual(explicitPads([5, 5], [5, 5], 1, 1, 'valid'), [0, 0, 0, 0]);
});

test('weights and inputs are the same in every run', () => {
  const { build } = workloads['lenet-5'];
  assert.deepEqual([...materialise(build()).values()], [...materialise(build()).values()]);
  assert.deepEqual(makeInput(build()), makeInput(build()));
  assert.deepEqual([...transpose(Float32Array.of(1, 2, 3, 4, 5, 6), 1, 2, 3)], [1, 4, 2, 5, 3, 6]);
});

test('the graph model folds batch normalisation and keeps the names of outputs', () => {
  const g = new Graph('folded', [4, 4, 2]);
  const y = g.activation(g.batchNorm(g.conv(g.input, 3, 1, { bias: false })), 'relu');
  g.finish(y);
  const values = materialise(g), { model } = encodeTfGraph(g, values, 'w.bin');
  const [fused] = model.modelTopology.node.filter(({ op }) => op === '_FusedConv2D');
  assert.equal(fused.name, y.id);
  assert.deepEqual(fused.attr.fused_ops.list.s.map((s) => Buffer.from(s, 'base64').toString()), ['BiasAdd', 'Relu']);
  assert.ok(!model.modelTopology.node.some(({ op }) => op.includes('BatchNorm')));
});
