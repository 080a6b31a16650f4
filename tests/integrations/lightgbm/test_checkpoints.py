"""Checkpoints: written during training, and training goes on from them."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

import tracklet
from tracklet.errors import ResourceDoesNotExist

pytestmark = pytest.mark.usefixtures("on")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
NOISY = np.where(RNG.random(300) < 0.3, 1 - Y, Y)
FRAME = pd.DataFrame(X, columns=["a", "b", "c", "d"])
PARAMS = {"objective": "binary", "num_threads": 1, "verbosity": -1, "num_leaves": 4}


def train(rounds=5, data=FRAME, label=Y, params=None, **options):
    matrix = lgb.Dataset(data, label=label)
    options.setdefault("valid_sets", [matrix])
    return lgb.train({**PARAMS, **(params or {})}, matrix, rounds, **options)


def test_s11_16_checkpoints_are_written_during_training_and_the_last_are_kept(record):
    tracklet.lightgbm.autolog(log_checkpoints=True, checkpoint_save_freq=2, checkpoint_keep_last=2)
    train(7)
    run = record.only()
    newest = "checkpoints/global_step_5/checkpoint.lgb"
    assert run.data.tags["mlflow.latest_checkpoint_artifact"] == newest
    assert tracklet.load_checkpoint(run).current_iteration() == 6
    assert tracklet.load_checkpoint(run, step=3).current_iteration() == 4
    with pytest.raises(ResourceDoesNotExist, match=r"\[3, 5\]"):
        tracklet.load_checkpoint(run, step=1)


@pytest.mark.parametrize("metric", ["binary_logloss", "auc"])
def test_only_the_best_checkpoint_by_a_metric(record, metric):
    tracklet.lightgbm.autolog(
        log_checkpoints=True, checkpoint_save_freq=1, checkpoint_save_best_only=True
    )
    data = lgb.Dataset(X[:150], label=NOISY[:150])
    held = lgb.Dataset(X[150:], label=NOISY[150:], reference=data)
    lgb.train({**PARAMS, "learning_rate": 0.5, "metric": metric}, data, 20, [held])
    run = record.only()
    points = record.history(run, f"valid_0-{metric}")
    choose = max if metric == "auc" else min
    best = choose(points, key=lambda point: point[1])[0]
    assert tracklet.load_checkpoint(run).current_iteration() == best + 1


def test_training_continued_from_a_checkpoint_is_what_the_framework_makes_of_the_same_rounds(
    record,
):
    # LightGBM starts a continued training from the predictions of the first model; that is what
    # the checkpoint gives, to the bit.
    tracklet.lightgbm.autolog(log_checkpoints=True, checkpoint_save_freq=5, log_models=False)
    data = lgb.Dataset(X, label=NOISY, free_raw_data=False)
    first = lgb.train(PARAMS, data, 5)
    expected = lgb.train(PARAMS, lgb.Dataset(X, label=NOISY), 7, init_model=first)
    start = tracklet.load_checkpoint(record.runs()[-1])
    again = lgb.train(PARAMS, lgb.Dataset(X, label=NOISY), 7, init_model=start)
    assert again.model_to_string() == expected.model_to_string()
