"""A training that is killed and restores its backup goes on in its run."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("keras")

SCRIPT = """
import os, signal, sys

import keras
import numpy as np

import tracklet

tracklet.keras.autolog(log_models=False)
is_first = not os.path.exists("backup")


class Killing(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        if is_first and int(self.model.optimizer.iterations) == 13:
            os.kill(os.getpid(), signal.SIGKILL)


class Backup(keras.callbacks.BackupAndRestore):
    # Of every second epoch: the one after it is done again.
    def on_epoch_end(self, epoch, logs=None):
        if epoch % 2:
            super().on_epoch_end(epoch, logs)


X = np.cos(np.arange(48.0)).reshape(16, 3)
network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
network.compile("sgd", "mse")
network.fit(X, X[:, :1], batch_size=4, epochs=5, verbose=0, callbacks=[Backup("backup"), Killing()])
"""


def test_a_restored_backup_goes_on_in_its_run(record, tracklet_home):
    """Killed in the fourth epoch, it goes on with the third, whose first value is superseded."""
    (tracklet_home / "train.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "tracklet", "run", "--resume", "train.py"]
    for code in (-9, 0):
        done = subprocess.run(
            command, cwd=tracklet_home, capture_output=True, text=True, check=False
        )
        assert done.returncode in (code, 128 - code), done.stderr[-3000:]
    run = record.only()
    assert run.info.status == "FINISHED"
    assert [step for step, _ in record.history(run, "loss")] == [0, 1, 2, 3, 4]
    assert [step for step, _ in record.history(run, "learning_rate")] == [0, 1, 2, 3, 4]
    attempts = json.loads(run.data.tags["tracklet.attempts"])
    assert [each["attempt"] for each in attempts] == [1, 2]
    assert attempts[1]["from_step"] == 1
    assert attempts[1]["from"].endswith("latest.weights.h5")
    assert attempts[1]["superseded"] == 2
    kept = record.artifact(run, "superseded/attempt_1.csv").read_text()
    assert len(kept.splitlines()) == 3
