#!/usr/bin/env node
// Trains LeNet-5 on MNIST digits in Node, and times a training step beside a run forward:
//
//   cargo xtask build            (or --dev simd, which is no measure of speed)
//   node benches/train/run.mjs [--variant=relaxed] [--epochs=3] [--steps=30]
//
// 8,000 digits to learn from and 2,000 to test with, of the 10,000 in `mnist.mjs`. Times are the least of all steps, batch 32,
// one thread: milliseconds of a whole `trainOnBatch` (forward, backward, update, loss and accuracy read) and of `predict` with the
// same variables, and with weights packed once as a network that is not in training has them.
import { layers, losses, optimizers, striate } from "../../npm/dist/index.js";
import { padded, split } from "./mnist.mjs";

const options = Object.fromEntries(process.argv.slice(2).map((a) => a.replace(/^--/, "").split("=")));
const [epochs, steps] = [Number(options.epochs ?? 3), Number(options.steps ?? 30)];
const engine = await striate(options.variant ? { variant: options.variant } : {});
console.log(`${engine.info.variant} binary, one thread, Node ${process.versions.node}`);

/** LeNet-5 with its distances as logits: the nearest centre wins. */
async function lenet5() {
  const base = await engine.zoo.lenet5({ seed: 1, squared: true });
  return engine.sequential([base, layers.lambda((x) => x.neg())], { seed: 1 });
}

const loss = losses.sparseCategoricalCrossentropy({ fromLogits: true });
const parts = split();
const [train, test] = [parts.train, parts.test].map(({ x, y }) => ({ x: padded(x), y }));

const net = await lenet5();
await net.compile({ optimizer: optimizers.nadam({ learningRate: 0.002 }), loss, metrics: ["accuracy"] });
console.log(
  `LeNet-5, ${net.countParams()} parameters, ${train.y.length} digits to learn from, ${test.y.length} to test with`,
);
const start = performance.now();
await net.fit(train, { epochs, batchSize: 32, validationData: test, verbose: 1 });
console.log(`${epochs} epochs in ${((performance.now() - start) / 1000).toFixed(1)} s`);

/** Least milliseconds of a call. */
async function least(call) {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < steps; i++) {
    const start = performance.now();
    await call();
    best = Math.min(best, performance.now() - start);
  }
  return best;
}

async function time(name, build, shape, outputLoss) {
  const x = Float32Array.from({ length: 32 * shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i));
  const batch = { x, y: Int32Array.from({ length: 32 }, (_, i) => i % 10) };
  const [trained, plain] = [await build(), await build()];
  await trained.compile({ optimizer: "nadam", loss: outputLoss, metrics: ["accuracy"] });
  const step = await least(() => trained.trainOnBatch(batch));
  const forward = await least(() => trained.predict(x));
  const packed = await least(() => plain.predict(x));
  const { peakBytes, variableBytes } = await trained.trainingMemory();
  const mb = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  console.log(
    `${name}: step ${step.toFixed(1)} ms, forward ${forward.toFixed(1)} ms (${(step / forward).toFixed(2)} times), ` +
      `forward with packed weights ${packed.toFixed(1)} ms (${(step / packed).toFixed(2)} times); ` +
      `${mb(peakBytes)} of activations, ${mb(variableBytes)} of variables`,
  );
}

await time("LeNet-5", lenet5, [32, 32, 1], loss);
const fashion = () => engine.zoo.fashionMnist({ seed: 1 });
await time("Fashion CNN", fashion, [28, 28, 1], "sparseCategoricalCrossentropy");
engine.dispose();
