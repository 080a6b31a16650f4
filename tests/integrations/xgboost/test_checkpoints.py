"""Checkpoints: written during training, and training goes on from them."""

from __future__ import annotations

import json
import sys

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb

import tracklet
from tracklet.autolog import budget
from tracklet.errors import ResourceDoesNotExist
from tracklet.fluent import resuming

pytestmark = pytest.mark.usefixtures("on")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
NOISY = np.where(RNG.random(200) < 0.3, 1 - Y, Y)
FRAME = pd.DataFrame(X, columns=["a", "b", "c", "d"])
PARAMS = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1}


def train(rounds=5, data=FRAME, label=Y, **options):
    matrix = xgb.DMatrix(data, label=label)
    options.setdefault("evals", [(matrix, "train")])
    return xgb.train(
        {**PARAMS, **options.pop("params", {})}, matrix, rounds, verbose_eval=False, **options
    )


def test_s11_16_checkpoints_are_written_during_training_and_the_last_are_kept(record):
    tracklet.xgboost.autolog(log_checkpoints=True, checkpoint_save_freq=2, checkpoint_keep_last=2)
    train(7)
    run = record.only()
    folders = [
        each.path
        for each in tracklet.artifacts.list_artifacts(f"runs:/{run.info.run_id}/checkpoints")
    ]
    assert folders == ["checkpoints/global_step_3", "checkpoints/global_step_5"]
    newest = "checkpoints/global_step_5/checkpoint.ubj"
    assert run.data.tags["mlflow.latest_checkpoint_artifact"] == newest
    facts = json.loads(
        record.artifact(run, "checkpoints/global_step_5/checkpoint_metrics.json").read_text()
    )
    assert facts["global_step"] == 5
    assert facts["train-logloss"] == dict(record.history(run, "train-logloss"))[5]
    assert tracklet.load_checkpoint(run).num_boosted_rounds() == 6
    assert tracklet.load_checkpoint(run.info.run_id, step=3).num_boosted_rounds() == 4
    with pytest.raises(ResourceDoesNotExist, match=r"\[3, 5\]"):
        tracklet.load_checkpoint(run, step=1)


@pytest.mark.parametrize("metric", ["logloss", "auc"])
def test_only_the_best_checkpoint_by_a_metric(record, metric):
    tracklet.xgboost.autolog(
        log_checkpoints=True, checkpoint_save_freq=1, checkpoint_save_best_only=True
    )
    train_set, held = (
        xgb.DMatrix(X[:100], label=NOISY[:100]),
        xgb.DMatrix(X[100:], label=NOISY[100:]),
    )
    params = {**PARAMS, "eta": 1.0, "eval_metric": metric}
    xgb.train(params, train_set, 30, evals=[(held, "held")], verbose_eval=False)
    run = record.only()
    points = record.history(run, f"held-{metric}")
    choose = max if metric == "auc" else min
    best = choose(points, key=lambda point: point[1])[0]
    assert tracklet.load_checkpoint(run).num_boosted_rounds() == best + 1
    assert run.data.tags["mlflow.latest_checkpoint_artifact"] == "checkpoints/latest_checkpoint.ubj"
    with pytest.raises(ResourceDoesNotExist, match="only its best"):
        tracklet.load_checkpoint(run, step=29 if best != 29 else 28)


@pytest.mark.parametrize("shape", [{}, {"tree_method": "exact"}, {"objective": "reg:squarederror"}])
def test_training_continued_from_a_checkpoint_gives_the_uninterrupted_model(record, shape):
    class Stop(xgb.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            return epoch == 6

    tracklet.xgboost.autolog(log_checkpoints=True, checkpoint_save_freq=5, log_models=False)
    data = xgb.DMatrix(X, label=NOISY)
    params = {**PARAMS, **shape}
    whole = xgb.train(params, data, 12)
    xgb.train(params, data, 12, callbacks=[Stop()])
    run = record.runs()[0]
    start = tracklet.load_checkpoint(run)
    assert start.num_boosted_rounds() == 5
    again = xgb.train(params, data, 7, xgb_model=start)
    np.testing.assert_array_equal(again.predict(data), whole.predict(data))
    assert again.get_dump(with_stats=True) == whole.get_dump(with_stats=True)


def test_a_training_that_failed_goes_on_in_its_run(record, monkeypatch):
    """From its checkpoint, in a further attempt: each round has one value, the later one."""

    class Fail(xgb.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            if epoch == 7:
                raise RuntimeError("preempted")

    monkeypatch.setattr(sys, "argv", [__file__])  # the script that is started again
    tracklet.xgboost.autolog(log_checkpoints=True, checkpoint_save_freq=5, log_models=False)
    resuming._started.begin()
    with pytest.raises(RuntimeError, match="preempted"), tracklet.start_run(resume="auto"):
        train(12, callbacks=[Fail()])
    budget.forget(record.only().info.run_id)
    resuming._started.begin()  # as a process that has just begun
    with tracklet.start_run(resume="auto"):
        start = tracklet.load_checkpoint()
        train(7, xgb_model=start)
    run = record.only()
    key = next(key for key in run.data.metrics if "logloss" in key)
    history = tracklet.MlflowClient().get_metric_history(run.info.run_id, key)
    assert sorted(point.step for point in history) == list(range(12))
    _, attempt = json.loads(run.data.tags["tracklet.attempts"])
    assert (attempt["from_step"], attempt["superseded"] > 0) == (4, True)
    kept = record.artifact(run, "superseded/attempt_1.csv").read_text()
    assert f"{key},6," in kept
    assert f"{key},4," not in kept


def test_a_run_without_checkpoints_says_so(record):
    train()
    with pytest.raises(ResourceDoesNotExist, match="log_checkpoints=True"):
        tracklet.load_checkpoint(record.only())
