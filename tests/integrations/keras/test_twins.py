"""Training is the same to the last bit, watched or not, on each backend."""

from __future__ import annotations

import os

import pytest

pytest.importorskip("keras")

SCRIPT = """
import sys

watched = sys.argv[1] == "watched"
import keras
from keras import layers  # names bound before

import tracklet

if watched:
    tracklet.autolog()
import hashlib
import json

import numpy as np

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
keras.utils.set_random_seed(3)
X = np.random.default_rng(0).normal(size=(48, 4)).astype("float32")
Y = X[:, :1] * 2


def digest(model, history):
    numbers = [each.numpy() for each in (*model.variables, *model.optimizer.variables)]
    drawn = [float(np.random.random()), keras.random.uniform((2,)).tolist()
             if hasattr(keras.random.uniform((2,)), "tolist")
             else np.asarray(keras.random.uniform((2,))).tolist()]
    text = hashlib.sha256(b"".join(each.tobytes() for each in numbers)).hexdigest()
    return [text, history.history, history.epoch, drawn]


class Subclassed(keras.Model):
    traces = 0

    def __init__(self):
        super().__init__()
        self.hidden, self.out = layers.Dense(5, activation="relu"), layers.Dense(1)
        self.dropout = layers.Dropout(0.5)

    def call(self, x, training=False):
        Subclassed.traces += 1
        return self.out(self.dropout(self.hidden(x), training=training))


def subclassed(data, **settings):
    model = Subclassed()
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    history = model.fit(*data, epochs=3, verbose=0, **settings)
    return digest(model, history) + [Subclassed.traces]


def generated():
    drawn = []

    def batches():
        for at in range(100):
            drawn.append(at)
            yield X[:8], Y[:8]

    found = subclassed((batches(),), steps_per_epoch=2)
    return found, len(drawn)


def two_inputs():
    one, other = keras.Input((4,), name="one"), keras.Input((1,), name="other")
    joined = layers.Concatenate()([one, other])
    model = keras.Model([one, other], [layers.Dense(1, name="a")(joined), layers.Dense(1)(joined)])
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.9)
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), ["mse", "mae"])
    stopping = keras.callbacks.EarlyStopping("loss", patience=1, restore_best_weights=True)
    history = model.fit(
        [X, Y], [Y, Y], epochs=3, verbose=0, validation_split=0.25, callbacks=[stopping]
    )
    return digest(model, history)


def looped(made):
    model, optimizer = Subclassed(), keras.optimizers.Adam(0.01)
    traces, losses = [], []

    def step(x, y):
        traces.append(1)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    step = made(step)
    for epoch in range(4):
        for x, y in tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(48).batch(16):
            losses.append(float(step(x, y)))
    if hasattr(step, "get_concrete_function"):
        nodes = len(step.get_concrete_function(x, y).graph.as_graph_def().node)
        traces += [nodes, step.experimental_get_tracing_count()]
    model.optimizer, history = optimizer, keras.callbacks.History()
    history.epoch, history.history = traces, losses
    return digest(model, history)


found = {
    "arrays": subclassed((X, Y), validation_data=(X, Y)),
    "generator": generated(),
    "two inputs": two_inputs(),
}
if keras.backend.backend() == "tensorflow":
    taken = []

    def note(x, y):
        taken.append(1)
        return x, y

    source = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(48)
    source = source.map(lambda x, y: tf.py_function(note, (x, y), (tf.float32, tf.float32)))
    source = source.map(lambda x, y: (tf.ensure_shape(x, (4,)), tf.ensure_shape(y, (1,))))
    found["tf.data"] = subclassed((source.batch(16).prefetch(1),)), len(taken)
    found |= {"eager loop": looped(lambda step: step), "loop": looped(tf.function)}
if watched:
    tracklet.autolog.flush()
    tracklet.autolog(disable=True)
    runs = tracklet.search_runs(output_format="list")
    assert len(runs) == len(found), runs
    for run in runs:
        assert "tracklet.faults" not in run.data.tags, run.data.tags
        if "train_loss" in run.data.metrics:  # of a loop
            assert run.data.metrics["epoch"] == 4
            assert run.data.params["model"] == "Subclassed"
            continue
        assert run.data.params["epochs"] == "3"
        assert "loss" in run.data.metrics
        assert "lr" not in run.data.metrics  # as a plain loop on PyTorch would have
    two = [run for run in runs if run.data.params.get("model") == "Functional"][0]
    assert two.data.params["optimizer_learning_rate"] == "ExponentialDecay"
    assert "restored_epoch" in two.data.metrics
print(json.dumps(found))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_training_is_the_same_to_the_last_bit(twins, record, monkeypatch, backend):
    """Weights, optimizer, history, random numbers, traces, and how often data are asked for."""
    pytest.importorskip(backend)
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    assert os.environ["KERAS_BACKEND"] == backend
    twins(SCRIPT)
