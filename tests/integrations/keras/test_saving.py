"""What scripts save with TensorFlow's own checkpoints is told by the run that trains."""

from __future__ import annotations

import pytest

pytest.importorskip("keras")
pytest.importorskip("tensorflow")

import keras
import numpy as np
import tensorflow as tf

import tracklet

# TensorFlow's tensors as arrays of NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

X = np.cos(np.arange(24.0, dtype="float32")).reshape(8, 3)


def saved(folder):
    """A loop that keeps its newest checkpoints, and its best."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD(0.1)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)
    newest = tf.train.CheckpointManager(checkpoint, str(folder / "newest"), max_to_keep=2)
    best, least = None, float("inf")
    for _ in range(3):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model(X) ** 2)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        newest.save()
        if float(loss) < least:
            least, best = float(loss), checkpoint.write(str(folder / "best"))
    return newest.latest_checkpoint, best, newest.checkpoints


@pytest.mark.parametrize("whose", ["own", "mine"])
def test_best_and_newest_of_tensorflows_checkpoints_are_told_apart(record, on, tmp_path, whose):
    """In the run of the loop, or in the active one; only those are kept that would be."""
    if whose == "own":
        newest, best, kept = saved(tmp_path)
    else:
        with tracklet.start_run():
            newest, best, kept = saved(tmp_path)
    tracklet.autolog(disable=True)  # ends the loop's own run
    (run,) = record.runs()
    assert run.data.tags["checkpoint.last_model_path"] == newest
    assert run.data.tags["checkpoint.best_model_path"] == best
    assert len(kept) == 2


def test_a_checkpoint_outside_of_a_run_makes_none(record, on, tmp_path):
    path = tf.train.Checkpoint(value=tf.Variable(1.0)).save(str(tmp_path / "some"))
    assert path == str(tmp_path / "some-1")
    assert not record.runs()


def test_keras_2_is_left_alone(record, tracklet_home):
    """Its trainings are its own, and its classes what they were; Keras 3 beside it is recorded."""
    tf_keras = pytest.importorskip("tf_keras")
    original = tf_keras.Model.fit
    tracklet.autolog()
    try:
        assert tf_keras.Model.fit is original
        old = tf_keras.Sequential([tf_keras.layers.Dense(1)])
        old.compile("sgd", "mse", run_eagerly=True)
        history = old.fit(X, X[:, :1], verbose=0).history
        assert history["loss"]
        assert not record.runs()
    finally:
        tracklet.autolog(disable=True)
