// Training in Node: the wasm runs in place, plain or relaxed.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  augment,
  callbacks,
  input,
  layers,
  losses,
  metrics,
  optimizers,
  StriateError,
  schedules,
  stores,
  striate,
} from "striate";
import { worst } from "./models.js";
import { digits, points } from "./samples.js";

let engine;
before(async () => {
  engine = await striate();
});
after(() => engine.dispose());

/** Expects a StriateError with these fields. */
async function fails(work, fields) {
  await assert.rejects(typeof work === "function" ? async () => work() : work, (error) => {
    assert.ok(error instanceof StriateError, `not a StriateError: ${error?.stack}`);
    for (const [key, value] of Object.entries(fields)) {
      if (value instanceof RegExp) assert.match(String(error[key]), value, `${key} of "${error.message}"`);
      else assert.equal(error[key], value, `${key} of "${error.message}"`);
    }
    return true;
  });
}

/** The chapter's CNN, small. */
const cnn = (options = {}, on = engine) =>
  on.sequential(
    [
      layers.conv2d({ filters: 8, kernelSize: 3, padding: "same", activation: "relu", inputShape: [12, 12, 1] }),
      layers.maxPooling2d(),
      layers.conv2d({ filters: 16, kernelSize: 3, padding: "same", activation: "relu" }),
      layers.maxPooling2d(),
      layers.flatten(),
      layers.dense({ units: 32, activation: "relu" }),
      layers.dropout({ rate: 0.2 }),
      layers.dense({ units: 4, activation: "softmax", name: "digit" }),
    ],
    { seed: 7, ...options },
  );

/** Two dense layers that tell two clouds of points apart. */
const small = (options = {}) =>
  engine.sequential(
    [layers.dense({ units: 8, activation: "tanh", inputShape: [2] }), layers.dense({ units: 2, name: "out" })],
    { seed: 3, ...options },
  );
const logits = losses.sparseCategoricalCrossentropy({ fromLogits: true });

describe("fit", () => {
  test("teaches the chapter's CNN digits, and evaluate and predict agree", async () => {
    const net = await cnn();
    const optimizer = optimizers.nadam({ learningRate: 0.005 });
    await net.compile({ optimizer, loss: "sparseCategoricalCrossentropy", metrics: ["accuracy"] });
    const train = digits(320, 1);
    const test = digits(100, 2);
    const told = [];
    const history = await net.fit(train, {
      epochs: 6,
      validationData: test,
      callbacks: callbacks.progress((progress) => told.push(progress)),
    });
    assert.deepEqual(history.epoch, [0, 1, 2, 3, 4, 5]);
    assert.deepEqual(Object.keys(history.history), ["loss", "accuracy", "val_loss", "val_accuracy"]);
    const { loss, val_accuracy: accuracy } = history.history;
    assert.ok(loss[5] < 0.5 * loss[0], `${loss}`);
    assert.ok(accuracy[5] > 0.95, `${accuracy}`);
    // In place every step is told of, and the end of each epoch.
    assert.equal(told.length, 6 * (10 + 1));
    assert.deepEqual([told[0].step, told[0].steps, told[0].epochs], [1, 10, 6]);
    const logs = await net.evaluate(test, { batchSize: 30 });
    assert.ok(Math.abs(logs.loss - history.history.val_loss[5]) < 1e-5, `${logs.loss}`);
    const [{ data: predicted, shape }] = await net.predict(test.x, { batchSize: 7 });
    assert.deepEqual(shape, [100, 4]);
    const right = test.y.filter((label, i) => {
      const row = predicted.subarray(4 * i, 4 * i + 4);
      return row[label] === Math.max(...row);
    });
    assert.ok(Math.abs(right.length / 100 - logs.accuracy) < 1e-6, `${right.length} ${logs.accuracy}`);
  });

  test("gives the same weights for the same seed, bit for bit", async () => {
    const weights = async (seed) => {
      const net = await cnn({ seed });
      await net.compile({ optimizer: "adam", loss: "sparseCategoricalCrossentropy" });
      await net.fit(digits(96, 1), { epochs: 2 });
      return Buffer.from((await net.getWeight("digit/kernel")).data.buffer);
    };
    const first = await weights(11);
    assert.ok(first.equals(await weights(11)));
    assert.ok(!first.equals(await weights(12)));
  });

  test("trains two outputs with weights for their losses", async () => {
    const x = input({ shape: [2], name: "point" });
    const hidden = layers.dense({ units: 16, activation: "tanh" }).apply(x);
    const side = layers.dense({ units: 2, activation: "softmax", name: "side" }).apply(hidden);
    const radius = layers.dense({ units: 1, name: "radius" }).apply(hidden);
    const net = await engine.model({ inputs: x, outputs: [side, radius], seed: 5 });
    await net.compile({
      optimizer: optimizers.sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true }),
      loss: { side: "sparseCategoricalCrossentropy", radius: losses.meanSquaredError() },
      lossWeights: { side: 1, radius: 0.25 },
      metrics: { side: ["accuracy"], radius: [metrics.meanAbsoluteError({ name: "off" })] },
    });
    const { x: xs, y } = points(256, 1);
    const radii = Float32Array.from(y, (_, i) => Math.hypot(xs[2 * i], xs[2 * i + 1]));
    const samples = { x: { point: xs }, y: { side: y, radius: radii } };
    const { history } = await net.fit(samples, { epochs: 12 });
    assert.deepEqual(Object.keys(history).sort(), ["loss", "radius_loss", "radius_off", "side_accuracy", "side_loss"]);
    const last = Object.fromEntries(Object.entries(history).map(([name, values]) => [name, values.at(-1)]));
    assert.ok(Math.abs(last.loss - (last.side_loss + 0.25 * last.radius_loss)) < 1e-5, JSON.stringify(last));
    assert.ok(last.side_accuracy > 0.95 && last.radius_loss < 0.1, JSON.stringify(last));
  });

  test("stops at a signal in the midst of an epoch, and goes on afterwards", async () => {
    const net = await cnn();
    await net.compile({ optimizer: "adam", loss: "sparseCategoricalCrossentropy", metrics: ["accuracy"] });
    const controller = new AbortController();
    let steps = 0;
    const onTrainBatchEnd = () => {
      if (++steps === 5) controller.abort(new Error("enough"));
    };
    const samples = digits(320, 1);
    const before = await net.getWeight("digit/bias");
    await fails(net.fit(samples, { signal: controller.signal, callbacks: { onTrainBatchEnd } }), {
      code: "aborted",
      message: /fit was stopped/,
    });
    assert.equal(steps, 5);
    assert.notDeepEqual(await net.getWeight("digit/bias"), before);
    const { loss } = await net.evaluate(samples);
    assert.ok(loss > 0 && loss < 10);
    const { history } = await net.fit(samples, { epochs: 2 });
    assert.ok(history.loss[1] < loss);
  });
});

describe("the engine", () => {
  test("takes no more memory from step to step", async () => {
    // Its memory is caught when the instance is made: Node makes small ones of its own.
    const { instantiate } = WebAssembly;
    let memory;
    WebAssembly.instantiate = async (...given) => {
      const made = await instantiate(...given);
      const { memory: found } = (made.instance ?? made).exports;
      if (found && !(memory?.buffer.byteLength > found.buffer.byteLength)) memory = found;
      return made;
    };
    const own = await striate();
    WebAssembly.instantiate = instantiate;
    const net = await cnn({}, own);
    await net.compile({ optimizer: "adam", loss: "sparseCategoricalCrossentropy", metrics: ["accuracy"] });
    // The last batch is smaller.
    const [train, test] = [digits(310, 1), digits(50, 2)];
    await net.fit(train, { epochs: 2, validationData: test });
    const { byteLength } = memory.buffer;
    assert.ok(byteLength > 2 ** 20);
    await net.fit(train, { epochs: 20, validationData: test });
    assert.equal(memory.buffer.byteLength, byteLength, "200 steps later");
    const { peakBytes, variableBytes } = await net.trainingMemory();
    // Adam keeps two numbers for every weight.
    assert.ok(variableBytes >= 3 * 4 * net.countParams() && peakBytes > 0, `${peakBytes} ${variableBytes}`);
    own.dispose();
  });

  test("lets evaluations that are asked for at once wait for each other", async () => {
    const net = await small();
    await net.compile({ optimizer: "sgd", loss: logits });
    const [near, far] = [points(64, 1), points(100, 2)];
    const [first, second, third] = await Promise.all([net.evaluate(near), net.evaluate(far), net.testOnBatch(near)]);
    assert.ok(Math.abs(first.loss - third.loss) < 1e-5, `${first.loss} ${third.loss}`);
    assert.deepEqual(second, await net.evaluate(far));
    assert.notEqual(first.loss, second.loss);
  });

  test("lets predict and the weights be used between steps", async () => {
    const net = await small();
    await net.compile({ optimizer: "sgd", loss: logits });
    const { x, y } = points(64, 1);
    const outputs = [];
    let busy;
    await net
      .fit(
        { x, y },
        {
          callbacks: {
            async onTrainBatchEnd() {
              outputs.push((await net.predict(x))[0].data[0]);
              busy = await net.evaluate({ x, y }).catch((error) => error);
            },
            async onEpochEnd(_, logs) {
              logs.other = (await net.evaluate({ x, y })).loss;
            },
          },
        },
      )
      .then(({ history }) => assert.ok(history.other[0] > 0));
    assert.equal(new Set(outputs).size, 2, "every step changes what is predicted");
    assert.match(busy.message, /evaluate\(\) cannot run in the midst of a fit/);
  });
});

describe("callbacks", () => {
  test("early stopping waits, and puts the best weights back", async () => {
    const net = await small();
    await net.compile({ optimizer: optimizers.sgd({ learningRate: 0.1 }), loss: logits });
    const samples = points(64, 1);
    const seen = [];
    const stopping = callbacks.earlyStopping({ patience: 2, restoreBestWeights: true });
    const { epoch } = await net.fit(samples, {
      epochs: 20,
      validationData: samples,
      callbacks: [
        // From the third epoch on it unlearns.
        callbacks.learningRateScheduler((epoch) => (epoch < 3 ? 0.1 : -1)),
        { onEpochEnd: async (_, logs) => void seen.push({ ...logs, kernel: await net.getWeight("out/kernel") }) },
        stopping,
      ],
    });
    assert.deepEqual([epoch, stopping.bestEpoch, stopping.stoppedEpoch], [[0, 1, 2, 3, 4], 2, 4]);
    assert.ok(seen[4].val_loss > seen[2].val_loss);
    assert.deepEqual(seen[1].learning_rate, Math.fround(0.1) && seen[0].learning_rate);
    assert.deepEqual(await net.getWeight("out/kernel"), seen[2].kernel);
    await fails(net.fit(samples, { callbacks: callbacks.earlyStopping() }), { received: "val_loss", expected: "loss" });
  });

  /** What a callback does with made-up values of each epoch. */
  const rates = async (callback, values, rate) => {
    const model = {
      getLearningRate: async () => rate,
      setLearningRate: async (next) => {
        rate = next;
      },
    };
    const seen = [];
    callback.onTrainBegin();
    for (const [epoch, value] of values.entries()) {
      await callback.onEpochEnd(epoch, { val_loss: value }, { model });
      seen.push(rate);
    }
    return seen;
  };

  test("a plateau lowers the rate, with a cooldown", async () => {
    const plateau = callbacks.reduceLROnPlateau({ patience: 2, factor: 0.5, cooldown: 1, minLr: 0.2 });
    const values = [3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2];
    assert.deepEqual(await rates(plateau, values, 1), [1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2]);
    assert.throws(() => callbacks.reduceLROnPlateau({ factor: 1 }), StriateError);
  });

  test("early stopping counts as Keras does", async () => {
    const stops = async (options, values, name = "val_loss") => {
      const callback = callbacks.earlyStopping(options);
      callback.onTrainBegin();
      for (const [epoch, value] of values.entries()) {
        let stopped = false;
        const stopTraining = () => {
          stopped = true;
        };
        await callback.onEpochEnd(epoch, { [name]: value }, { stopTraining });
        if (stopped) return epoch;
      }
    };
    const values = [1, 0.8, 0.9, 0.85, 0.7, 0.75, 0.72, 0.71];
    assert.equal(await stops({ patience: 3 }, values), 7);
    assert.equal(await stops({ patience: 2 }, values), 3);
    assert.equal(await stops({ patience: 3, minDelta: 0.15 }, values), 4);
    assert.equal(await stops({}, [1, 1]), 1);
    assert.equal(await stops({ monitor: "valAccuracy", patience: 2 }, [0.1, 0.5, 0.4, 0.45], "val_accuracy"), 3);
    assert.equal(await stops({ patience: 1, startFromEpoch: 3 }, values), 5);
    assert.equal(await stops({ patience: 3, baseline: 0.1 }, [1, 0.9, 0.8, 0.85]), 3);
  });

  test("a checkpoint keeps the best weights by name", async () => {
    const net = await small();
    await net.compile({ optimizer: "sgd", loss: logits });
    const store = stores.memory();
    const samples = points(64, 1);
    const kernels = [];
    await net.fit(samples, {
      epochs: 4,
      callbacks: [
        callbacks.learningRateScheduler((epoch) => (epoch < 2 ? 0.1 : -1)),
        callbacks.modelCheckpoint({ key: "small", monitor: "loss", saveBestOnly: true, store }),
        { onEpochEnd: async () => void kernels.push(await net.getWeight("out/kernel")) },
      ],
    });
    assert.deepEqual(await store.keys(), ["small"]);
    const { epoch, weights } = await store.get("small");
    assert.deepEqual(weights["out/kernel"], kernels[epoch]);
    await net.setWeights(weights);
    assert.deepEqual(await net.getWeight("out/kernel"), kernels[epoch]);
    assert.throws(() => callbacks.modelCheckpoint({ key: "k" }), { code: "unsupported", message: /IndexedDB/ });
  });

  test("come in Keras' order and may stop it all", async () => {
    const net = await small();
    await net.compile({ optimizer: "sgd", loss: logits });
    const samples = points(64, 1);
    const events = [];
    const names = ["TrainBegin", "EpochBegin", "TrainBatchEnd", "TestBegin", "TestEnd", "EpochEnd", "TrainEnd"];
    const callback = Object.fromEntries(names.map((name) => [`on${name}`, () => void events.push(name)]));
    const stop = { onEpochEnd: (_, __, context) => context.stopTraining() };
    await net.fit(samples, { epochs: 5, validationData: samples, callbacks: [callback, stop] });
    assert.deepEqual(events, ["TrainBegin", "EpochBegin", "TrainBatchEnd", ...names.slice(2)]);
  });
});

describe("arguments", () => {
  test("weigh samples and classes", async () => {
    const { x, y } = points(32, 1);
    const loss = async (more, options) => {
      const net = await small();
      await net.compile({ optimizer: "sgd", loss: logits });
      return (await net.trainOnBatch({ x, y, ...more }, options)).loss;
    };
    const [zeros, ones] = [0, 1].map((kept) => Float32Array.from(y, (label) => Number(label === kept)));
    const [plain, first, second] = [
      await loss(),
      await loss({ sampleWeight: zeros }),
      await loss({ sampleWeight: ones }),
    ];
    assert.ok(Math.abs(plain - first - second) < 1e-6);
    const weighed = await loss({}, { classWeight: { 0: 3, 1: 0.5 } });
    assert.ok(Math.abs(weighed - (3 * first + 0.5 * second)) < 1e-6, `${weighed}`);
    const both = await loss({ sampleWeight: zeros }, { classWeight: { 0: 3, 1: 0.5 } });
    assert.ok(Math.abs(both - 3 * first) < 1e-6);
  });

  test("take optimizers with schedules, losses and metrics by name or with arguments", async () => {
    const { x, y } = points(32, 1);
    for (const optimizer of [
      "rmsprop",
      optimizers.adam({ beta1: 0.8, epsilon: 1e-5, clipnorm: 1 }),
      optimizers.adamw({ weightDecay: 0.01 }),
      optimizers.adagrad(),
      optimizers.adadelta({ learningRate: 1 }),
      optimizers.adamax(),
      optimizers.sgd({
        learningRate: schedules.exponentialDecay({ initialLearningRate: 0.1, decaySteps: 2, decayRate: 0.5 }),
      }),
      optimizers.sgd({ learningRate: 0.1, decay: 0.5 }),
    ]) {
      const net = await small();
      await net.compile({ optimizer, loss: logits, metrics: "accuracy" });
      const rate = await net.getLearningRate();
      const { loss } = await net.trainOnBatch({ x, y });
      const next = await net.trainOnBatch({ x, y });
      assert.ok(next.loss < loss, `${JSON.stringify(optimizer)}: ${loss} to ${next.loss}`);
      if (typeof optimizer === "object" && JSON.stringify(optimizer).includes("decay_rate")) {
        assert.deepEqual([rate, await net.getLearningRate()], [0.1, 0.05]);
        await fails(net.setLearningRate(1), { message: /schedule/ });
      }
    }
    const oneHot = Float32Array.from({ length: 64 }, (_, i) => Number(y[i >> 1] === i % 2));
    const net = await engine.sequential([
      layers.dense({ units: 2, activation: "softmax", inputShape: [2], name: "out" }),
    ]);
    await net.compile({
      loss: losses.categoricalCrossentropy({ labelSmoothing: 0.1 }),
      metrics: [
        "accuracy",
        metrics.precision({ thresholds: [0.3, 0.6] }),
        "auc",
        metrics.f1Score({ average: "macro" }),
      ],
      weightedMetrics: [metrics.recall({ classId: 1, name: "found" })],
    });
    const logs = await net.testOnBatch({ x, y: oneHot });
    const names = ["loss", "accuracy", "precision_0", "precision_1", "auc", "f1_score", "found"];
    assert.deepEqual(Object.keys(logs), names);
    assert.ok(Object.values(logs).every(Number.isFinite), JSON.stringify(logs));
  });

  test("that are wrong come back with what would be right", async () => {
    const net = await small();
    const samples = points(32, 1);
    await fails(net.fit(samples), { code: "invalid", message: /call compile\(\) first/ });
    await fails(net.compile({ loss: "mse", optimiser: "sgd" }), { message: /no argument `optimiser`/ });
    await fails(net.compile({ loss: "mse", optimizer: optimizers.sgd({ lr: 1 }) }), { message: /lr/ });
    await net.compile({ loss: { out: "categoricalCrossentropy" } });
    await fails(net.fit(samples), { layer: "out", message: /sparse/ });
    await net.compile({ optimizer: "sgd", loss: logits });
    await fails(net.fit({ x: samples.x }), { message: /\{ x, y \}/ });
    await fails(net.fit({ ...samples, y: samples.y.subarray(1) }), { code: "shape-mismatch", layer: "out" });
    await fails(net.fit({ ...samples, y: { off: samples.y } }), { layer: "off", expected: "out" });
    await fails(net.fit(samples, { epochs: 0 }), { message: /`epochs`/, received: "0" });
    await fails(net.fit(samples, { batchSize: 0 }), { message: /`batchSize`/ });
    await fails(net.fit(samples, { validationSplit: 1 }), { message: /`validationSplit`/ });
    await fails(
      net.fit({ x: samples.x, y: samples.y.map(() => 7) }).then(() => net.fit(samples)),
      {},
    ).catch(() => {});
    const { history } = await net.fit(samples, { validationSplit: 0.25, epochs: 2, stepsPerEpoch: 3, batchSize: 5 });
    assert.equal(history.val_loss.length, 2);
    const { log } = console;
    const lines = [];
    console.log = (line) => lines.push(line);
    const resumed = await net.fit(samples, { initialEpoch: 2, epochs: 4, verbose: 1 }).finally(() => {
      console.log = log;
    });
    assert.deepEqual(resumed.epoch, [2, 3]);
    assert.match(lines.join(), /^Epoch 3\/4 - \d+\.\d s - loss: \d.*Epoch 4\/4/);
  });

  test("frozen layers stay, and thawed ones learn", async () => {
    const net = await small();
    const samples = points(64, 1);
    await net.setTrainable("dense", false);
    await net.compile({ optimizer: optimizers.sgd({ learningRate: 0.5 }), loss: logits });
    const [body, head] = [await net.getWeight("dense/kernel"), await net.getWeight("out/kernel")];
    await net.fit(samples);
    assert.deepEqual(await net.getWeight("dense/kernel"), body);
    assert.notDeepEqual(await net.getWeight("out/kernel"), head);
    await net.setTrainable("dense", true);
    await net.fit(samples);
    assert.notDeepEqual(await net.getWeight("dense/kernel"), body);
  });
});

describe("augmentations", () => {
  test("change pictures in another way each time, from the seed", async () => {
    const weights = async (steps, seed = 1) => {
      const net = await cnn();
      await net.compile({ optimizer: "sgd", loss: "sparseCategoricalCrossentropy" });
      await net.fit(digits(64, 1), { epochs: 2, augment: steps, seed, shuffle: false });
      return [...(await net.getWeight("digit/kernel")).data];
    };
    const steps = [augment.randomTranslation({ heightFactor: 0.1, widthFactor: [-0.2, 0.2], fillMode: "constant" })];
    const [plain, first] = [await weights([]), await weights(steps)];
    assert.deepEqual(await weights(steps), first);
    assert.notDeepEqual(first, plain);
    assert.notDeepEqual(await weights(steps, 2), first);
    await fails(weights([augment.randomCrop({ height: 10 })]), { layer: "RandomCrop", message: /width/ });
    await fails(weights([augment.randomFlip({ mod: "vertical" })]), { message: /unknown setting "mod"/ });
  });

  test("take labels of pixels along", async () => {
    const net = await engine.sequential(
      [layers.conv2d({ filters: 2, kernelSize: 1, name: "out", inputShape: [6, 5, 1] })],
      { seed: 1 },
    );
    await net.compile({ optimizer: optimizers.adam({ learningRate: 0.3 }), loss: logits, metrics: ["accuracy"] });
    // Bright pixels are of class 1.
    const x = Float32Array.from({ length: 16 * 30 }, (_, i) => Number(Math.sin(i * i) > 0.3));
    const y = { data: Int32Array.from(x), shape: [16, 6, 5] };
    const { history } = await net.fit(
      { x, y },
      {
        epochs: 30,
        batchSize: 8,
        augment: [
          augment.randomFlip(),
          augment.randomTranslation({ heightFactor: 0.3, widthFactor: 0.3, interpolation: "nearest" }),
        ],
      },
    );
    assert.equal(history.accuracy[29], 1);
    assert.ok(history.loss[29] < 0.05, `${history.loss[29]}`);
  });
});

describe("boxes move with augmented pictures", () => {
  /** The mean square of the labels that a step sees: of a network that gives zeros, its loss. */
  const seen = async (y, shape, steps, boxes, count = 1) => {
    const units = shape.slice(1).reduce((a, b) => a * b);
    const net = await engine.sequential([
      layers.flatten({ inputShape: [8, 8, 1] }),
      layers.dense({ units, kernelInitializer: "zeros" }),
      layers.reshape({ targetShape: shape.slice(1), name: "box" }),
    ]);
    await net.compile({ optimizer: optimizers.sgd({ learningRate: 0 }), loss: "meanSquaredError" });
    const data = { x: new Float32Array(64 * count), y: { data: Float32Array.from(y), shape } };
    const { history } = await net.fit(data, { augment: steps, boxes, seed: 1, shuffle: false });
    return history.loss[0];
  };
  const square = (...numbers) => numbers.reduce((sum, x) => sum + x * x, 0) / numbers.length;
  const close = (a, b) => assert.ok(Math.abs(a - b) < 1e-5, `${a}, and not ${b}`);
  const down = (part) => augment.randomTranslation({ heightFactor: [part, part], widthFactor: [0, 0] });

  test("as they are written", async () => {
    close(await seen([0.5, 0.25, 0.2, 0.1], [1, 4], [down(0.25)], "centre"), square(0.5, 0.5, 0.2, 0.1));
    close(await seen([0.5, 0.25, 0.2, 0.1], [1, 4], [down(0.25)], { box: "xywh" }), square(0.5, 0.5, 0.2, 0.1));
    // Cut off at the edge.
    close(await seen([0, 0.5, 0.5, 1], [1, 4], [down(0.25)], "corners"), square(0, 0.75, 0.5, 1));
    // Colours leave them alone.
    const brighter = augment.randomBrightness({ factor: [0.5, 0.5] });
    close(await seen([0, 0.5, 0.5, 1], [1, 4], [brighter], "corners"), square(0, 0.5, 0.5, 1));
    // Nothing is a box unless it is said.
    close(await seen([0.5, 0.25, 0.2, 0.1], [1, 4], [down(0.25)]), square(0.5, 0.25, 0.2, 0.1));
  });

  test("one that has left the picture no longer counts, several leave zeros", async () => {
    assert.equal(await seen([0, 0.5, 0.5, 1], [1, 4], [down(1)], "corners"), 0);
    // Of two samples one goes on.
    const two = [0.1, 0, 0.3, 0.2, 0.2, 0.8, 0.4, 1];
    close((await seen(two, [2, 4], [down(0.5)], "corners", 2)) * 2, square(0.1, 0.5, 0.3, 0.7));
    const list = [0.1, 0, 0.3, 0.2, 0.2, 0.8, 0.4, 1, 0, 0, 0, 0];
    close(await seen(list, [1, 3, 4], [down(0.5)], "corners"), square(0.1, 0.5, 0.3, 0.7, 0, 0, 0, 0, 0, 0, 0, 0));
  });

  test("what is no box is an error", async () => {
    await fails(seen([0, 0, 1, 1], [1, 4], [down(0)], "corner"), { code: "invalid", received: "corner" });
    await fails(seen([0, 0, 1, 1], [1, 4], [down(0)], { bax: "corners" }), { received: "bax", expected: "box" });
    await fails(seen([0, 0, 1], [1, 3], [down(0)], "corners"), { code: "shape-mismatch" });
  });
});

test("a base that was trained before serves another task: freeze, train the head, thaw, go on", async () => {
  const options = { includeTop: false, inputShape: [32, 32, 3], alpha: 0.35, pooling: "avg", seed: 1 };
  const base = await engine.zoo.mobilenetV2(options);
  // Random weights with untouched statistics leave nothing of a picture after 17 blocks: these are more like trained ones.
  const variances = base.weights.filter(({ name }) => name.endsWith("/moving_variance"));
  await base.setWeights(
    Object.fromEntries(variances.map(({ name, shape }) => [name, new Float32Array(shape[0]).fill(0.1)])),
  );
  const head = layers.dense({ units: 2, activation: "softmax", name: "head" });
  const net = await engine.sequential([base, head], { seed: 1 });
  // Red or blue pictures.
  const y = Int32Array.from({ length: 32 }, (_, i) => i % 2);
  const x = Float32Array.from({ length: 32 * 32 * 32 * 3 }, (_, i) => {
    const wanted = y[Math.floor(i / 3072)] ? 2 : 0;
    return (i % 3 === wanted ? 0.8 : -0.6) + 0.2 * Math.sin(i);
  });
  const values = async () =>
    Object.fromEntries(Object.entries(await net.getWeights()).map(([name, { data }]) => [name, data]));
  const changed = (a, b) => Object.keys(a).filter((name) => a[name].some((value, i) => value !== b[name][i]));

  await net.setTrainable(base.name, false);
  const loss = "sparseCategoricalCrossentropy";
  await net.compile({ optimizer: optimizers.adam({ learningRate: 0.02 }), loss, metrics: ["accuracy"] });
  const first = await values();
  const { history } = await net.fit({ x, y }, { epochs: 6, batchSize: 8 });
  const second = await values();
  assert.deepEqual(changed(first, second), ["head/kernel", "head/bias"], "frozen, moving statistics included");
  assert.ok(history.accuracy[5] > 0.9 && history.loss[5] < 0.5 * history.loss[0], JSON.stringify(history));

  await net.setTrainable(base.name, true);
  await net.compile({ optimizer: optimizers.adam({ learningRate: 1e-5 }), loss, metrics: ["accuracy"] });
  assert.equal(await net.getLearningRate(), 1e-5);
  await net.fit({ x, y }, { batchSize: 8 });
  const third = await values();
  assert.ok(changed(second, third).length > 100);
  const kernel = "head/kernel";
  assert.ok(worst(third[kernel], second[kernel]) < 1e-3, "a small rate");
});

test("a loss that is not a number names the step and the layer, and the weights before it stay", async () => {
  const net = await engine.sequential(
    [
      layers.dense({ units: 8, activation: "relu", inputShape: [2], name: "first" }),
      layers.dense({ units: 4, activation: "exponential", name: "burst" }),
      layers.dense({ units: 2, name: "out" }),
    ],
    { seed: 3 },
  );
  await net.compile({ optimizer: optimizers.sgd({ learningRate: 1000 }), loss: logits });
  const { x, y } = points(64, 1);
  await fails(net.fit({ x, y }, { epochs: 20 }), {
    code: "invalid",
    layer: "burst",
    message: /the loss of step \d+ is/,
  });
  const weights = await net.getWeights();
  for (const [name, { data }] of Object.entries(weights)) assert.ok(data.every(Number.isFinite), name);
  await net.setWeights(
    Object.fromEntries(Object.entries(weights).map(([name, { data }]) => [name, data.map((v) => v / 1e6)])),
  );
  await net.compile({ optimizer: optimizers.sgd({ learningRate: 0.01 }), loss: logits });
  const { history } = await net.fit({ x, y });
  assert.ok(Number.isFinite(history.loss[0]));
});
