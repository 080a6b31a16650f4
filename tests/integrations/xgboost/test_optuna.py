"""Optuna's pruning callback and ours, side by side."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost as xgb

optuna = pytest.importorskip("optuna")
pruning = pytest.importorskip("optuna_integration.xgboost")

# Optuna warns of experimental features, and before XGBoost 3 of its own use of them.
pytestmark = [pytest.mark.usefixtures("on"), pytest.mark.filterwarnings("ignore")]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 3))
Y = RNG.integers(0, 2, 100)


def native(trial, pruner, others, first):
    data = xgb.DMatrix(X, label=Y)
    callbacks = [pruner("train-rmse"), *others] if first else [*others, pruner("train-rmse")]
    given = list(callbacks)
    result = {}
    xgb.train(
        {"eta": trial.suggest_float("eta", 0.01, 0.5), "nthread": 1},
        data,
        6,
        evals=[(data, "train")],
        evals_result=result,
        verbose_eval=False,
        callbacks=callbacks,
    )
    assert callbacks == given
    return result["train"]["rmse"][-1]


def wrapper(trial, pruner, others, first):
    callbacks = [pruner("validation_0-rmse"), *others]
    model = xgb.XGBRegressor(
        n_estimators=6,
        n_jobs=1,
        learning_rate=trial.suggest_float("eta", 0.01, 0.5),
        callbacks=callbacks if first else callbacks[::-1],
    )
    model.fit(X, Y, eval_set=[(X, Y)], verbose=False)
    return model.evals_result()["validation_0"]["rmse"][-1]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("train", [native, wrapper])
def test_pruning_and_ours_live_side_by_side(record, train, first):
    """A pruned trial ends by an exception of the user's: FAILED, with all of its rounds."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seen = []

    class Mine(xgb.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            seen.append(epoch)
            return False

    def objective(trial):
        def pruner(key):
            return pruning.XGBoostPruningCallback(trial, key)

        return train(trial, pruner, [Mine()], first)

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
    key, param = (
        ("train-rmse", "eta") if train is native else ("validation_0-rmse", "learning_rate")
    )
    trials = {str(trial.params["eta"]): trial for trial in study.trials}
    for run in runs:
        trial = trials.pop(run.data.params[param])
        values = [value for _, value in record.history(run, key)]
        assert values == list(trial.intermediate_values.values())
        assert run.info.status == ("FAILED" if trial.state.name == "PRUNED" else "FINISHED")
        assert "tracklet.faults" not in run.data.tags
