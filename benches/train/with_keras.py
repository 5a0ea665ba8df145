#!/usr/bin/env python3
"""What Keras reaches with the digits, networks, budget and number of epochs of `accuracy.mjs`, and how long its step takes.

    python3 -m venv target/train/venv && target/train/venv/bin/pip install tensorflow-cpu
    node benches/train/accuracy.mjs                      # writes the digits' split
    target/train/venv/bin/python benches/train/with_keras.py [--only=lenet5,cnn,steps] [--runs=3]
"""

import json
import os
import pathlib
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras import layers

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "target/train"
FILE = pathlib.Path(__file__).resolve().parent / "results/keras.json"
EPOCHS = {"lenet5": 5, "cnn": 2}


class RBF(layers.Layer):
    """Minus the squared distance to each unit's centre."""

    def __init__(self, units):
        super().__init__()
        self.units = units

    def build(self, shape):
        init = keras.initializers.RandomNormal(stddev=0.05)
        self.centers = self.add_weight(shape=(self.units, shape[-1]), initializer=init)

    def call(self, x):
        return -keras.ops.sum(keras.ops.square(keras.ops.expand_dims(x, 1) - self.centers), axis=-1)


def lenet5():
    return keras.Sequential([
        keras.Input((32, 32, 1)),
        layers.Conv2D(6, 5, activation="tanh"),
        layers.AveragePooling2D(2),
        layers.Activation("tanh"),
        layers.Conv2D(16, 5, activation="tanh"),
        layers.AveragePooling2D(2),
        layers.Activation("tanh"),
        layers.Conv2D(120, 5, activation="tanh"),
        layers.Flatten(),
        layers.Dense(84, activation="tanh"),
        RBF(10),
    ])


def cnn():
    conv = lambda filters, size=3: layers.Conv2D(filters, size, padding="same", activation="relu")
    return keras.Sequential([
        keras.Input((28, 28, 1)),
        conv(64, 7), layers.MaxPooling2D(),
        conv(128), conv(128), layers.MaxPooling2D(),
        conv(256), conv(256), layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(128, activation="relu"), layers.Dropout(0.5),
        layers.Dense(64, activation="relu"), layers.Dropout(0.5),
        layers.Dense(10, activation="softmax"),
    ])


def digits(part):
    y = np.fromfile(DATA / f"{part}-y.bin", np.int32)
    return np.fromfile(DATA / f"{part}-x.bin", np.float32).reshape(-1, 28, 28, 1), y


def padded(x):
    """As LeCun et al. have it."""
    return np.pad(x * 1.275 - 0.1, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=-0.1).astype(np.float32)


def train(name):
    (x, y), (tx, ty) = digits("train"), digits("test")
    if name == "lenet5":
        x, tx = padded(x), padded(tx)
    net = {"lenet5": lenet5, "cnn": cnn}[name]()
    rate = keras.optimizers.schedules.CosineDecay(0.001, EPOCHS[name] * -(-len(y) // 32))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=name == "lenet5")
    net.compile(optimizer=keras.optimizers.Adam(rate), loss=loss, metrics=["accuracy"])
    start = time.perf_counter()
    history = net.fit(x, y, epochs=EPOCHS[name], batch_size=32, verbose=0)
    seconds = time.perf_counter() - start
    loss, accuracy = net.evaluate(tx, ty, verbose=0)
    return {"accuracy": accuracy, "loss": loss, "seconds": round(seconds), "losses": history.history["loss"]}


def race_network(name):
    """The networks of the race (benches/peers), which have no dropout and end in logits."""
    if name == "lenet-5-step":
        tanh = {"activation": "tanh"}
        return keras.Sequential([
            keras.Input((32, 32, 1)),
            layers.Conv2D(6, 5, **tanh), layers.AveragePooling2D(2),
            layers.Conv2D(16, 5, **tanh), layers.AveragePooling2D(2),
            layers.Conv2D(120, 5, **tanh), layers.Flatten(),
            layers.Dense(84, **tanh), layers.Dense(10),
        ])
    without = [layer for layer in cnn().layers if not isinstance(layer, layers.Dropout)]
    return keras.Sequential([keras.Input((28, 28, 1)), *without[:-1], layers.Dense(10)])


def step_times(name, count):
    """Milliseconds of a training step and of a pass forward, batch 32: wall clock and CPU time, the least of all."""
    net = race_network(name)
    x = tf.constant(np.random.default_rng(1).uniform(-1, 1, (32, *net.input_shape[1:])).astype(np.float32))
    y = tf.constant((np.arange(32) * 7 % 10).astype(np.int32))
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(0.05)
    optimizer.build(net.trainable_variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = loss_of(y, net(x, training=True))
        optimizer.apply_gradients(zip(tape.gradient(loss, net.trainable_variables), net.trainable_variables))
        return loss

    @tf.function
    def forward():
        return net(x, training=False)

    def least(call):
        call(), call()
        wall = cpu = float("inf")
        for _ in range(count):
            t, c = time.perf_counter(), time.process_time()
            call().numpy()
            wall, cpu = min(wall, time.perf_counter() - t), min(cpu, time.process_time() - c)
        return {"min": round(1000 * wall, 3), "cpu": round(1000 * cpu, 3)}

    return {"step": least(step), "forward": least(forward)}


def main():
    options = dict(a.removeprefix("--").split("=", 1) for a in sys.argv[1:])
    only, runs = options.get("only", "lenet5,cnn,steps").split(","), int(options.get("runs", 3))
    record = json.loads(FILE.read_text()) if FILE.exists() else {"networks": {}}
    record.update(keras=keras.__version__, tensorflow=tf.__version__, cores=os.cpu_count())
    for name in [n for n in EPOCHS if n in only]:
        found = []
        for run in range(runs):
            found.append(train(name))
            print(f"{name} run {run + 1}: {100 * found[-1]['accuracy']:.2f} % of the test digits, {found[-1]['seconds']} s", flush=True)
        record["networks"][name] = {"epochs": EPOCHS[name], "batchSize": 32, "runs": found}
    if "steps" in only:
        record["steps"] = {name: step_times(name, 20 if "cnn" in name else 200) for name in ("lenet-5-step", "fashion-cnn-step")}
        print(record["steps"])
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(record, indent=1) + "\n")


main()
