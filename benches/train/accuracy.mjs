#!/usr/bin/env node
// Trains LeNet-5 and the Fashion-MNIST CNN of A. Géron's "Hands-On Machine Learning", chapter 14, from scratch on MNIST, in headless
// Chromium; `with_keras.py` does the same with Keras. And LeNet-5 on fewer digits on WebGPU (Chromium's software adapter, which is
// slow) and on the CPU, to compare the curves.
//
//   cargo xtask build
//   node benches/train/accuracy.mjs [--runs=3] [--only=lenet5,cnn,webgpu] [--threads=1]
//   python benches/train/with_keras.py            (needs `tensorflow`; uses the same split, which the line above writes)
//   node benches/peers/report.js             (writes BENCHMARKS.md)
//
// Batches of 32, Adam whose rate falls along half a cosine from 0.001 to 0 over the whole training, so that the last accuracy depends little
// on where it stops. Dropout, the order of the digits and the first weights differ from run to run.
import { launch } from "../../npm/tests/chromium.js";
import { page as html, serve } from "../../npm/tests/server.js";
import { folder, padded, write } from "./mnist.mjs";
import { keep, read } from "./record.mjs";

const options = Object.fromEntries(process.argv.slice(2).map((a) => a.replace(/^--/, "").split("=")));
const runs = Number(options.runs ?? 3);
const threads = Number(options.threads ?? 1);
const only = options.only?.split(",") ?? ["lenet5", "cnn", "webgpu"];
/** What `with_keras.py` repeats. */
const EPOCHS = { lenet5: 5, cnn: 2 };

const dist = new URL("../../npm/dist", import.meta.url).pathname;
write();
const server = await serve({ "/dist/": dist, "/data/": folder }, { "/": (_, response) => html(response) });
const browser = await launch();

/** Runs in the page. */
async function train({ name, epochs, seed, backend, threads, samples, pad }) {
  const { losses, optimizers, schedules, striate, layers } = await import("/isolated/dist/index.js");
  const repad = new Function(`return ${pad}`)();
  const bytes = async (file) => (await fetch(`/isolated/data/${file}`)).arrayBuffer();
  const part = async (part, count) => {
    const y = new Int32Array(await bytes(`${part}-y.bin`));
    // Every so many-th: all digits, since they lie in order.
    const rows = Array.from({ length: count ?? y.length }, (_, i) => Math.floor((i * y.length) / (count ?? y.length)));
    const all = new Float32Array(await bytes(`${part}-x.bin`));
    const x = new Float32Array(rows.length * 784);
    rows.forEach((row, i) => {
      x.set(all.subarray(row * 784, row * 784 + 784), i * 784);
    });
    return { x: name === "lenet5" ? repad(x) : x, y: Int32Array.from(rows, (row) => y[row]) };
  };
  const [digits, test] = [await part("train", samples), await part("test", samples && samples / 2)];
  const engine = await striate({ backend, threads, allowSoftwareAdapter: true });
  const { info } = engine;
  const nets = {
    // Its outputs are distances to a centre for each class: the nearest wins.
    async lenet5() {
      const base = await engine.zoo.lenet5({ seed, squared: true });
      return engine.sequential([base, layers.lambda((x) => x.neg())], { seed });
    },
    cnn: () => engine.zoo.fashionMnist({ seed }),
  };
  const net = await nets[name]();
  const decaySteps = epochs * Math.ceil(digits.y.length / 32);
  await net.compile({
    optimizer: optimizers.adam({ learningRate: schedules.cosineDecay({ initialLearningRate: 0.001, decaySteps }) }),
    loss: losses.sparseCategoricalCrossentropy({ fromLogits: name === "lenet5" }),
    metrics: ["accuracy"],
  });
  const start = performance.now();
  const steps = [];
  const told = samples && { logEvery: 1, callbacks: { onTrainBatchEnd: (_, logs) => void steps.push(logs.loss) } };
  const { history } = await net.fit(digits, { epochs, batchSize: 32, seed, ...told });
  const seconds = (performance.now() - start) / 1000;
  const { accuracy, loss } = await net.evaluate(test);
  const memory = await net.trainingMemory();
  engine.dispose();
  const backendName = info.backend === "webgpu" ? "webgpu" : `${info.variant}, ${info.threads} thread(s)`;
  return { backend: backendName, accuracy, loss, train: history, seconds: Math.round(seconds), ...memory, steps };
}

async function inPage(argument) {
  const page = await browser.newPage();
  try {
    await page.goto(`${server.origin}/isolated/`);
    return await page.evaluate(
      ([source, argument]) => new Function(`return ${source}`)()(argument),
      [train.toString(), { threads, ...argument, pad: padded.toString() }],
    );
  } finally {
    await page.close();
  }
}

const record = read("accuracy") ?? { networks: {} };
const save = () => keep("accuracy", browser, record);

try {
  for (const name of ["lenet5", "cnn"].filter((name) => only.includes(name))) {
    const found = [];
    for (let seed = 1; seed <= runs; seed++) {
      const { steps, train, ...result } = await inPage({ name, epochs: EPOCHS[name], seed, backend: "wasm" });
      found.push({ ...result, losses: train.loss });
      console.log(
        `${name} run ${seed}: ${(100 * result.accuracy).toFixed(2)} % of the test digits, ${result.seconds} s (${result.backend})`,
      );
      record.networks[name] = { epochs: EPOCHS[name], batchSize: 32, runs: found };
      save();
    }
  }
  if (only.includes("webgpu")) {
    const samples = 512;
    const small = { name: "lenet5", epochs: 2, seed: 1, samples };
    const [cpu, gpu] = [await inPage({ ...small, backend: "wasm" }), await inPage({ ...small, backend: "webgpu" })];
    const worst = Math.max(...cpu.steps.map((loss, i) => Math.abs(loss - gpu.steps[i]) / loss));
    record.webgpu = {
      samples,
      epochs: small.epochs,
      steps: cpu.steps.length,
      worst,
      cpu: { accuracy: cpu.accuracy, losses: cpu.train.loss, seconds: cpu.seconds },
      webgpu: { accuracy: gpu.accuracy, losses: gpu.train.loss, seconds: gpu.seconds },
    };
    console.log(
      `LeNet-5 on ${samples} digits, ${cpu.steps.length} steps: losses of WebGPU and CPU differ by ${worst.toExponential(1)} of the loss at most`,
    );
    console.log(`accuracy ${cpu.accuracy} and ${gpu.accuracy}; ${cpu.seconds} s and ${gpu.seconds} s`);
    save();
  }
} finally {
  await browser.close();
  await server.close();
}
