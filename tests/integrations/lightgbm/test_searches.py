"""Searches of scikit-learn's over wrappers, with scikit-learn's own integration on and off."""

from __future__ import annotations

import json

import joblib
import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tracklet

pytestmark = [
    pytest.mark.usefixtures("on"),
    pytest.mark.filterwarnings("ignore:X does not have valid feature names"),
]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
FRAME = pd.DataFrame(X, columns=["a", "b", "c", "d"])


def booster(**params):
    return lgb.LGBMClassifier(**{"n_estimators": 2, "n_jobs": 1, "verbosity": -1, **params})


def children(record):
    return [run for run in record.runs() if "mlflow.parentRunId" in run.data.tags]


@pytest.mark.parametrize("generic", [False, True])
@pytest.mark.parametrize("backend", ["sequential", "threading", "loky"])
def test_w50_a_search_is_one_run_with_its_trials_and_no_run_per_fold(record, generic, backend):
    if generic:
        tracklet.autolog()
    search = GridSearchCV(booster(), {"num_leaves": [2, 3, 4]}, cv=2, n_jobs=2)
    with joblib.parallel_config(backend):
        search.fit(X, Y)
    tracklet.autolog.flush()
    run = record.outermost()
    assert run.data.tags["mlflow.autologging"] == ("sklearn" if generic else "lightgbm")
    assert run.data.params["best_num_leaves"] == str(search.best_params_["num_leaves"])
    assert run.data.metrics["best_cv_score"] == search.best_score_
    table = json.loads(record.artifact(run, "trials.json").read_text())
    scores = [row[table["columns"].index("mean_test_score")] for row in table["data"]]
    assert scores == list(search.cv_results_["mean_test_score"])
    assert {each.data.params["num_leaves"] for each in children(record)} == {"2", "3", "4"}


@pytest.mark.filterwarnings("ignore")  # newer versions would have `eval_X` in place of `eval_set`
def test_w50_the_best_candidates_training_is_recorded_like_every_training(record):
    search = GridSearchCV(booster(), {"num_leaves": [2, 4]}, cv=2)
    search.fit(FRAME, Y, eval_set=[(FRAME, Y)], eval_names=["held"])
    run = record.outermost()
    best = search.best_estimator_
    values = best.evals_result_["held"]["binary_logloss"]
    assert record.history(run, "held-binary_logloss") == list(enumerate(values))
    assert run.data.params["num_leaves"] == str(best.num_leaves)
    assert record.logged(run).name == "model"
    assert {"feature_importance_gain.json", "feature_importance_split.json"} <= record.files(run)


def test_a_search_over_a_pipeline_is_one_run(record):
    pipeline = make_pipeline(StandardScaler(), booster())
    GridSearchCV(pipeline, {"lgbmclassifier__num_leaves": [2, 4]}, cv=2).fit(X, Y)
    run = record.outermost()
    assert "best_lgbmclassifier__num_leaves" in run.data.params
    assert len(children(record)) == 2


def test_both_boosters_searches_are_told_apart(record):
    xgb = pytest.importorskip("xgboost")
    tracklet.xgboost.autolog()
    GridSearchCV(booster(), {"num_leaves": [2, 4]}, cv=2).fit(X, Y)
    GridSearchCV(xgb.XGBClassifier(n_estimators=2, n_jobs=1), {"max_depth": [1]}, cv=2).fit(X, Y)
    of = [run.data.tags["mlflow.autologging"] for run in record.runs()]
    assert sorted(of) == ["lightgbm"] * 3 + ["xgboost"] * 2
