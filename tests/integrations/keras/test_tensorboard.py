"""What TensorFlow and Keras write for TensorBoard is in the run, too."""

from __future__ import annotations

import os

import pytest

pytest.importorskip("keras")
pytest.importorskip("tensorboard")
pytest.importorskip("tensorflow")

import keras
import numpy as np
import tensorflow as tf

import tracklet

# TensorFlow's tensors as arrays of NumPy 2; the protocol buffers of TensorBoard.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

X = np.cos(np.arange(24.0)).reshape(8, 3)


@pytest.fixture
def mirrored(tracklet_home, monkeypatch):
    """Mirroring is on, and faults of its own are raised."""
    monkeypatch.setenv("TRACKLET_STRICT", "1")
    tracklet.tensorboard.autolog()
    yield
    tracklet.autolog(disable=True)


def network():
    made = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    made.compile("sgd", "mse", run_eagerly=True)
    return made


def test_what_tf_summary_writes_is_in_the_active_run(record, mirrored, tmp_path):
    with tracklet.start_run(), tf.summary.create_file_writer(str(tmp_path)).as_default():
        for step in range(3):
            tf.summary.scalar("loss", tf.constant(1.0) / (step + 1), step=step)
        tf.summary.experimental.set_step(7)
        tf.summary.scalar("later", 2.0)
        tf.summary.text("note", "well", step=2)
        tf.summary.image("picture", np.zeros((1, 4, 5, 3), "float32"), step=1)
        tf.summary.histogram("weights", np.arange(10.0), step=1)
        with tf.summary.record_if(False):
            tf.summary.scalar("unwritten", 1.0, step=0)
    tf.summary.scalar("unwritten", 1.0, step=0)  # there is no writer
    run = record.only()
    assert record.history(run, "loss") == [(0, 1.0), (1, 0.5), (2, pytest.approx(1 / 3))]
    assert record.history(run, "later") == [(7, 2.0)]
    assert "unwritten" not in run.data.metrics
    assert record.artifact(run, "texts/note/2.txt").read_text() == "well"
    assert {"histograms", "images", "texts"} <= record.files(run)


def test_without_a_run_each_writer_has_one_of_its_own(record, mirrored, tmp_path):
    """As in TensorBoard, where each folder is a run: training and validation say the same names."""
    train, test = (tf.summary.create_file_writer(str(tmp_path / name)) for name in "ab")
    for step in range(2):
        for writer, value in ((train, 1.0), (test, 2.0)):
            with writer.as_default():
                tf.summary.scalar("loss", value, step=step)
    assert sorted(run.data.metrics["loss"] for run in record.runs()) == [1.0, 2.0]
    for writer in (train, test):
        writer.close()
    assert {run.info.status for run in record.runs()} == {"FINISHED"}


def test_a_graph_with_summaries_is_traced_as_without(record, mirrored, tmp_path):
    """Its values are nobody's but the graph's."""
    traces = []

    @tf.function
    def step(value):
        traces.append(1)
        tf.summary.scalar("inside", value, step=0)
        return value * 2

    with tracklet.start_run(), tf.summary.create_file_writer(str(tmp_path)).as_default():
        assert float(step(tf.constant(1.0))) == float(step(tf.constant(1.0))) == 2.0
        operations = len(step.get_concrete_function(tf.constant(1.0)).graph.get_operations())
    assert len(traces) == 1
    assert "inside" not in record.only().data.metrics
    tracklet.autolog(disable=True)

    @tf.function
    def bare(value):
        tf.summary.scalar("inside", value, step=0)
        return value * 2

    with tf.summary.create_file_writer(str(tmp_path)).as_default():
        of_bare = bare.get_concrete_function(tf.constant(1.0)).graph.get_operations()
        assert operations == len(of_bare)


def test_what_kerass_callback_writes_is_kept_with_the_run_and_said_once(record, on, tmp_path):
    """Only what this training has written; scalars are metrics already."""
    tracklet.tensorboard.autolog()
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "older").write_text("of another")
    os.utime(logs / "older", (1, 1))
    callbacks = [keras.callbacks.TensorBoard(str(logs))]
    network().fit(X, X[:, :1], validation_data=(X, X[:, :1]), verbose=0, callbacks=callbacks)
    run = record.only()
    kept = record.artifact(run, "tensorboard_logs")
    assert {each.name for each in kept.iterdir()} == {"train", "validation"}
    written = sorted(each.read_bytes() for each in (logs / "train").iterdir())
    assert sorted(each.read_bytes() for each in (kept / "train").iterdir()) == written
    assert "epoch_loss" not in run.data.metrics
