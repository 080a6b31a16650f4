"""Optuna's pruning callback and ours, side by side."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest

optuna = pytest.importorskip("optuna")
pruning = pytest.importorskip("optuna_integration.lightgbm")

# Optuna warns of experimental features, newer versions of LightGBM of `eval_set`.
pytestmark = [pytest.mark.usefixtures("on"), pytest.mark.filterwarnings("ignore")]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 3))
Y = RNG.integers(0, 2, 100)


def native(trial, callbacks):
    data = lgb.Dataset(X, label=Y)
    result = {}
    callbacks = [*callbacks, lgb.record_evaluation(result)]
    given = list(callbacks)
    params = {"learning_rate": trial.suggest_float("rate", 0.01, 0.5), "metric": "rmse"}
    lgb.train(
        {**params, "num_threads": 1, "verbosity": -1, "num_leaves": 4},
        data,
        6,
        valid_sets=[lgb.Dataset(X, label=Y)],
        callbacks=callbacks,
    )
    assert callbacks == given


def wrapper(trial, callbacks):
    model = lgb.LGBMRegressor(
        n_estimators=6,
        n_jobs=1,
        num_leaves=4,
        verbosity=-1,
        metric="rmse",
        learning_rate=trial.suggest_float("rate", 0.01, 0.5),
    )
    model.fit(X, Y, eval_set=[(X + 0, Y)], callbacks=callbacks)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("train", [native, wrapper])
def test_pruning_and_ours_live_side_by_side(record, train, first):
    """A pruned trial ends by an exception of the user's: FAILED, with all of its rounds."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seen = []

    def mine(env):
        seen.append(env.evaluation_result_list[0][2])

    def objective(trial):
        callbacks = [pruning.LightGBMPruningCallback(trial, "rmse"), mine]
        train(trial, callbacks if first else callbacks[::-1])
        return seen[-1]

    study = optuna.create_study(
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=1),
    )
    study.optimize(objective, n_trials=6)
    runs = record.runs()
    states = [trial.state.name for trial in study.trials]
    assert len(runs) == 6
    assert {"PRUNED", "COMPLETE"} <= set(states)
    assert len(seen) >= 6 * states.count("COMPLETE")
    trials = {str(trial.params["rate"]): trial for trial in study.trials}
    for run in runs:
        trial = trials.pop(run.data.params["learning_rate"])
        values = [value for _, value in record.history(run, "valid_0-rmse")]
        assert values == list(trial.intermediate_values.values())
        assert run.info.status == ("FAILED" if trial.state.name == "PRUNED" else "FINISHED")
        assert "tracklet.faults" not in run.data.tags
