"""Searches of scikit-learn's over wrappers, with scikit-learn's own integration on and off."""

from __future__ import annotations

import csv
import json

import joblib
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tracklet

pytestmark = pytest.mark.usefixtures("on")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
FRAME = pd.DataFrame(X, columns=["a", "b", "c", "d"])


def booster(**params):
    return xgb.XGBClassifier(**{"n_estimators": 2, "n_jobs": 1, **params})


def children(record):
    return [run for run in record.runs() if "mlflow.parentRunId" in run.data.tags]


@pytest.mark.parametrize("generic", [False, True])
@pytest.mark.parametrize("backend", ["sequential", "threading", "loky"])
def test_w50_a_search_is_one_run_with_its_trials_and_no_run_per_fold(record, generic, backend):
    if generic:
        tracklet.autolog()
    search = GridSearchCV(booster(), {"max_depth": [1, 2, 3]}, cv=2, n_jobs=2)
    with joblib.parallel_config(backend):
        search.fit(X, Y)
    tracklet.autolog.flush()
    run = record.outermost()
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.autologging"] == ("sklearn" if generic else "xgboost")
    assert run.data.params["best_max_depth"] == str(search.best_params_["max_depth"])
    assert run.data.params["cv"] == "2"
    assert run.data.metrics["best_cv_score"] == search.best_score_
    table = json.loads(record.artifact(run, "trials.json").read_text())
    scores = [row[table["columns"].index("mean_test_score")] for row in table["data"]]
    assert scores == list(search.cv_results_["mean_test_score"])
    depths = [row[table["columns"].index("param_max_depth")] for row in table["data"]]
    assert depths == [1, 2, 3]
    with record.artifact(run, "cv_results.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 3
    found = children(record)
    assert len(found) == 3
    assert {each.data.tags["mlflow.parentRunId"] for each in found} == {run.info.run_id}
    assert {each.info.run_id for each in found} == {row[-1] for row in table["data"]}
    assert {each.data.params["max_depth"] for each in found} == {"1", "2", "3"}
    assert {each.data.params["n_estimators"] for each in found} == {"2"}


def test_w50_the_best_candidates_training_is_recorded_like_every_training(record):
    search = GridSearchCV(booster(), {"max_depth": [1, 2]}, cv=2).fit(
        FRAME, Y, eval_set=[(FRAME, Y)], verbose=False
    )
    run = record.outermost()
    best = search.best_estimator_
    values = best.evals_result()["validation_0"]["logloss"]
    assert record.history(run, "validation_0-logloss") == list(enumerate(values))
    assert run.data.params["max_depth"] == str(best.max_depth)
    assert run.data.params["num_boost_round"] == "2"
    scores = json.loads(record.artifact(run, "feature_importance_weight.json").read_text())
    assert scores == best.get_booster().get_score(importance_type="weight")
    model = record.logged(run)
    assert model.name == "model"
    loaded = tracklet.xgboost.load_model(f"runs:/{run.info.run_id}/model")
    np.testing.assert_array_equal(loaded.predict(FRAME), search.predict(FRAME))
    digest = tracklet.data.from_pandas(FRAME).digest
    assert [each.dataset.digest for each in run.inputs.dataset_inputs] == [digest]
    for child in children(record):
        assert [each.dataset.digest for each in child.inputs.dataset_inputs] == [digest]


def test_a_search_over_a_pipeline_is_one_run(record):
    pipeline = make_pipeline(StandardScaler(), booster())
    RandomizedSearchCV(
        pipeline, {"xgbclassifier__max_depth": [1, 2, 3]}, n_iter=2, cv=2, random_state=0
    ).fit(X, Y)
    run = record.outermost()
    assert "best_xgbclassifier__max_depth" in run.data.params
    assert run.data.params["num_boost_round"] == "2"
    assert len(children(record)) == 2


@pytest.mark.parametrize("generic", [False, True])
def test_a_halving_search_is_one_run(record, generic):
    if generic:
        tracklet.autolog()
    search = HalvingGridSearchCV(booster(), {"max_depth": [1, 2, 3]}, cv=2, random_state=0)
    search.fit(X, Y)
    tracklet.autolog.flush()
    run = record.outermost()
    table = json.loads(record.artifact(run, "trials.json").read_text())
    assert len(table["data"]) == len(search.cv_results_["params"])


def test_no_more_than_five_candidates_become_child_runs(record):
    GridSearchCV(booster(), {"max_depth": [1, 2, 3, 4], "n_estimators": [1, 2]}, cv=2).fit(X, Y)
    run = record.outermost()
    assert len(children(record)) == 5
    assert len(json.loads(record.artifact(run, "trials.json").read_text())["data"]) == 8


def test_a_search_without_refit_has_trials_and_no_model(record):
    GridSearchCV(booster(), {"max_depth": [1, 2]}, cv=2, refit=False).fit(X, Y)
    run = record.outermost()
    assert "trials.json" in record.files(run)
    assert list(run.outputs.model_outputs) == []
    assert "num_boost_round" not in run.data.params


def test_a_search_in_the_users_run_adds_to_it(record):
    with tracklet.start_run() as run:
        GridSearchCV(booster(), {"max_depth": [1, 2]}, cv=2).fit(X, Y)
    found = record.outermost()
    assert found.info.run_id == run.info.run_id
    assert "trials.json" in record.files(found)
    assert "mlflow.autologging" not in found.data.tags


def test_a_search_that_fails_is_one_failed_run(record):
    with pytest.raises(ValueError, match="ninefold"):
        GridSearchCV(booster(), {"max_depth": [1, 2]}, cv="ninefold").fit(X, Y)
    with pytest.raises(Exception, match="max_depth"):
        GridSearchCV(booster(), {"max_depth": [-1]}, cv=2, error_score="raise").fit(X, Y)
    assert [run.info.status for run in record.runs()] == ["FAILED", "FAILED"]


def test_searches_over_other_estimators_are_none_of_xgboosts(record):
    GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=2).fit(X, Y)
    assert record.runs() == []


def test_what_a_search_does_not_want_recorded_is_not(record):
    tracklet.xgboost.autolog(log_models=False, log_datasets=False)
    GridSearchCV(booster(), {"max_depth": [1, 2]}, cv=2).fit(X, Y)
    for run in record.runs():
        assert list(run.outputs.model_outputs) == []
        assert list(run.inputs.dataset_inputs) == []


def test_a_search_that_is_not_recorded_is_the_same(record):
    def fitted():
        search = GridSearchCV(booster(random_state=3, subsample=0.7), {"max_depth": [1, 2]}, cv=2)
        search.fit(X, Y)
        raw = search.best_estimator_.get_booster().save_raw("ubj")
        return bytes(raw), search.cv_results_["mean_test_score"].tolist(), sorted(vars(search))

    watched = fitted()
    tracklet.xgboost.autolog(disable=True)
    assert fitted() == watched
    assert record.outermost()
