// The section on training of BENCHMARKS.md: the race's steps, and what benches/train measured.
import { ms, table, where } from './tables.js';

const percent = (x) => (100 * x).toFixed(2);
const mean = (list) => list.reduce((sum, x) => sum + x, 0) / list.length;
const MiB = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const titles = { lenet5: 'LeNet-5', cnn: 'Fashion-MNIST CNN', 'lenet-5-step': 'LeNet-5', 'fashion-cnn-step': 'Fashion-MNIST CNN' };

/** Least time of one engine over another's, by CPU time where it is known: a busy machine stretches the wall clock. */
function times(workload, id, other) {
  const [a, b] = [workload.engines[id], workload.engines[other]];
  if (!a?.min || !b?.min) return null;
  return a.cpu && b.cpu ? a.cpu.min / b.cpu.min : a.min / b.min;
}

/** One line a network: how many passes forward a step takes, and how much longer others need. */
export function trainingVerdict(training) {
  return training.workloads.map((w) => {
    const forward = times(w, 'striate-train/wasm-1t', 'striate-train/forward-1t');
    const others = ['tfjs-train/cpu', 'jax-train/wasm'].flatMap((id) => {
      const ratio = times(w, id, 'striate-train/wasm-1t');
      return ratio ? [`${id.split('-')[0]} ${ratio.toFixed(0)} times`] : [];
    });
    return `${titles[w.name] ?? w.name}: a step takes ${forward?.toFixed(2) ?? '?'} times its pass forward`
      + `${others.length ? `; others need as much CPU time as striate ${others.join(', ')}` : ''}.`;
  }).join(' ');
}

function race(training, keras) {
  const ids = [...new Set(training.workloads.flatMap((w) => Object.keys(w.engines)))];
  const native = keras?.steps ?? {};
  const cell = (e) => (e === undefined ? '–' : e.min === undefined ? 'fails' : `${ms(e.min)} (${e.cpu ? ms(e.cpu.min) : '?'})`);
  const own = (name, what) => (native[name] ? `${ms(native[name][what].min)} (${ms(native[name][what].cpu)})` : '–');
  return [
    `${where(training)}.`, '', `**${trainingVerdict(training)}**`, '',
    'Milliseconds of a step (forward, backward, update, the loss read), 32 pictures: least wall clock (least CPU time over all threads). `forward` is the',
    'same network\'s pass forward over the same batch, its weights packed once. TensorFlow.js trains in plain JavaScript (its wasm backend lacks the gradient of a',
    'filter), jax-js on its wasm backend with threads.'
      + `${keras ? ` Keras ${keras.keras} on TensorFlow ${keras.tensorflow}, native, on the same ${keras.cores} cores, was measured by itself.` : ''}`, '',
    table(['network', ...ids, 'Keras: step', 'Keras: forward'], training.workloads.map((w) =>
      [titles[w.name] ?? w.name, ...ids.map((id) => cell(w.engines[id])), own(w.name, 'step'), own(w.name, 'forward')])), '',
    ...training.workloads.flatMap((w) => {
      const { peakBytes, variableBytes } = w.engines['striate-train/wasm-1t']?.first?.details ?? {};
      return peakBytes ? [`Memory of a step, ${titles[w.name]}: ${MiB(peakBytes)} at its peak, and ${MiB(variableBytes)} of weights.`] : [];
    }), '',
  ];
}

function accuracies(accuracy, keras) {
  const rows = Object.entries(accuracy.networks).map(([name, { epochs, runs }]) => {
    const theirs = keras?.networks[name];
    const [ours, other] = [runs, theirs?.runs ?? []].map((list) => list.map((run) => run.accuracy));
    const list = (values) => (values.length ? `**${percent(mean(values))}** (${values.map(percent).join(', ')})` : '–');
    return [titles[name], String(epochs), list(ours), list(other), other.length ? percent(mean(ours) - mean(other)) : '–'];
  });
  const { webgpu } = accuracy;
  return [
    '### Accuracy', '',
    'Trained from scratch in Chromium, and with Keras on the same digits: 8,000 of MNIST\'s, batches of 32, Adam with a rate that falls along a cosine.',
    'Percent of 2,000 other digits, the mean (each run).', '',
    table(['network', 'epochs', 'striate', 'Keras', 'difference'], rows), '',
    ...(webgpu ? [`LeNet-5 on ${webgpu.samples} digits, ${webgpu.steps} steps, on WebGPU (a software adapter) and on the CPU: the losses of no step differ by more than `
      + `${webgpu.worst.toExponential(1)} of the loss.`, ''] : []),
  ];
}

const transferred = (t) => [
  '### Transfer learning', '',
  `Frames of four clips as four classes, on EfficientNet-Lite0 with its ImageNet weights: ${t.seen} frames to learn from, ${t.held} held out. A new head, ${t.epochs} epochs on features`,
  `computed once: ${t.headSeconds.toFixed(1)} s, **${percent(t.frozen)} %** of the held-out frames. One epoch more of the whole network: ${t.thawedSeconds.toFixed(1)} s, `
    + `${percent(t.thawed)} %, ${MiB(t.peakBytes)} at the peak of a step of 8.`, '',
];

/** The section, of whatever has been measured. */
export const trainingSection = ({ training, accuracy, keras, transfer }) => (training || accuracy || transfer ? [
  '## Training', '',
  ...(training ? race(training, keras) : []),
  ...(accuracy ? accuracies(accuracy, keras) : []),
  ...(transfer ? transferred(transfer) : []),
] : []);
