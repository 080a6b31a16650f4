"""What a parameter search leaves on the record."""

from __future__ import annotations

import csv
import json
import logging
from pathlib import Path

import joblib
import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.base import BaseEstimator
from sklearn.datasets import load_iris
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 (makes the next possible)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import tracklet

X, Y = load_iris(return_X_y=True)
GRID = {"max_depth": [1, 2, 3, 4], "criterion": ["gini", "entropy"]}


@pytest.fixture(autouse=True)
def on(tracklet_home, monkeypatch):
    monkeypatch.setenv("TRACKLET_STRICT", "1")
    enable()
    yield
    tracklet.autolog(disable=True)


def enable(**options):
    quiet = {"iteration_metrics": "none", "log_plots": False, "log_html": False}
    tracklet.sklearn.autolog(**{**quiet, **options})


def parent_and_children():
    found = tracklet.search_runs(output_format="list", search_all_experiments=True)
    (parent,) = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in found if "mlflow.parentRunId" in run.data.tags]
    for run in found:
        assert "tracklet.faults" not in run.data.tags
        assert run.info.status == "FINISHED"
    assert {run.data.tags["mlflow.parentRunId"] for run in children} <= {parent.info.run_id}
    children.sort(key=lambda run: run.data.metrics.get("rank_test_score", 0))
    return parent, children


def artifact(run, path):
    return Path(
        tracklet.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=path)
    ).read_text()


def trials(run):
    table = json.loads(artifact(run, "trials.json"))
    return [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]


@pytest.mark.parametrize("max_tuning_runs", [None, 3])
@pytest.mark.parametrize("backend", ["sequential", "threading", "loky"])
@pytest.mark.parametrize("kind", [GridSearchCV, RandomizedSearchCV])
def test_s11_10_r26_searches_leave_their_best_candidates_as_child_runs_on_every_backend(
    kind, backend, max_tuning_runs
):
    enable(max_tuning_runs=max_tuning_runs, extra_tags={"team": "blue"}, log_models=False)
    if kind is GridSearchCV:
        search = GridSearchCV(DecisionTreeClassifier(random_state=0), GRID, cv=3, n_jobs=2)
    else:
        search = RandomizedSearchCV(
            DecisionTreeClassifier(random_state=0), GRID, n_iter=8, cv=3, n_jobs=2, random_state=0
        )
    with joblib.parallel_config(backend):
        search.fit(X, Y)
    parent, children = parent_and_children()
    results = search.cv_results_
    assert len(children) == (8 if max_tuning_runs is None else 3)
    ranks = sorted(results["rank_test_score"])
    assert [run.data.metrics["rank_test_score"] for run in children] == ranks[: len(children)]
    (recorded,) = parent.inputs.dataset_inputs
    for child in children:
        assert child.data.tags["estimator_name"] == "DecisionTreeClassifier"
        assert child.data.tags["mlflow.autologging"] == "sklearn"
        assert child.data.tags["team"] == "blue"
        assert child.info.start_time == parent.info.start_time
        (given,) = child.inputs.dataset_inputs
        assert given.dataset.digest == recorded.dataset.digest
        mine = {key: child.data.params[key] for key in GRID}
        (row,) = [
            number
            for number, params in enumerate(results["params"])
            if {key: str(value) for key, value in params.items()} == mine
        ]
        assert child.data.metrics["mean_test_score"] == results["mean_test_score"][row]
        assert child.data.params["random_state"] == "0"
        assert set(child.data.metrics) == {
            "mean_fit_time",
            "std_fit_time",
            "mean_score_time",
            "std_score_time",
            "mean_test_score",
            "std_test_score",
            "rank_test_score",
        }
    assert parent.data.params[f"best_{next(iter(GRID))}"] == str(search.best_params_["max_depth"])


def test_all_candidates_are_in_one_table_of_the_parent_whatever_number_become_runs():
    enable(max_tuning_runs=2)
    search = GridSearchCV(DecisionTreeClassifier(random_state=0), GRID, cv=2).fit(X, Y)
    parent, children = parent_and_children()
    rows = trials(parent)
    assert [row["param_max_depth"] for row in rows] == [
        params["max_depth"] for params in search.cv_results_["params"]
    ]
    assert [row["mean_test_score"] for row in rows] == search.cv_results_[
        "mean_test_score"
    ].tolist()
    with_runs = {row["run_id"]: row for row in rows if row["run_id"]}
    assert set(with_runs) == {run.info.run_id for run in children}
    for child in children:
        row = with_runs[child.info.run_id]
        assert child.data.metrics["mean_test_score"] == row["mean_test_score"]
        assert child.info.run_name.startswith(f"#{row['rank_test_score']}: ")
        assert f"max_depth={row['param_max_depth']}" in child.info.run_name
    frame = tracklet.load_table("trials.json", run_ids=[parent.info.run_id])
    assert len(frame) == len(rows)
    lines = list(csv.DictReader(artifact(parent, "cv_results.csv").splitlines()))
    assert [float(each["mean_test_score"]) for each in lines] == [
        row["mean_test_score"] for row in rows
    ]


def test_metrics_of_the_best_candidate_belong_to_the_best_estimators_model():
    search = GridSearchCV(LogisticRegression(max_iter=300), {"C": [0.01, 1.0]}, cv=2).fit(X, Y)
    parent, _ = parent_and_children()
    models = {
        model.name: model
        for model in (
            tracklet.get_logged_model(output.model_id) for output in parent.outputs.model_outputs
        )
    }
    assert set(models) == {"model", "best_estimator"}
    found = {metric.key: metric.value for metric in models["best_estimator"].metrics}
    assert found["mean_test_score"] == search.best_score_
    assert models["best_estimator"].params["C"] == str(search.best_params_["C"])


def test_several_metrics_rank_by_the_one_that_refits_and_the_table_has_all(caplog):
    enable(max_tuning_runs=1)
    with caplog.at_level(logging.INFO, logger="tracklet.autolog"):
        GridSearchCV(
            DecisionTreeClassifier(random_state=0),
            {"max_depth": [1, 3]},
            cv=2,
            scoring=["accuracy", "f1_macro"],
            refit="f1_macro",
            return_train_score=True,
        ).fit(X, Y)
    parent, (child,) = parent_and_children()
    assert child.data.metrics["rank_test_f1_macro"] == 1
    assert {"mean_test_accuracy", "mean_train_f1_macro"} <= set(child.data.metrics)
    assert {"split0_test_accuracy", "rank_test_accuracy"} <= set(trials(parent)[0])
    assert "Logging the best run, one run will be omitted." in caplog.messages
    assert any("rank_test_f1_macro" in message for message in caplog.messages)


@pytest.mark.parametrize("count", [0, 1, 100])
def test_the_number_of_child_runs_is_obeyed_and_said(count, caplog):
    enable(max_tuning_runs=count, log_models=False)
    with caplog.at_level(logging.INFO, logger="tracklet.autolog"):
        GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2).fit(X, Y)
    _, children = parent_and_children()
    assert len(children) == min(count, 2)
    said = {0: "no runs, 2 runs", 1: "the best run, one run", 100: "the 2 best runs, no runs"}
    assert f"Logging {said[count]} will be omitted." in caplog.messages


def test_w14_switched_off_datasets_are_off_for_child_runs_and_metrics_too():
    enable(log_datasets=False)
    GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2).fit(X, Y)
    parent, children = parent_and_children()
    assert len(children) == 2
    for run in (parent, *children):
        assert run.inputs.dataset_inputs == []
        for key in run.data.metrics:
            history = tracklet.TrackletClient().get_metric_history(run.info.run_id, key)
            assert all(point.dataset_name is None for point in history)


def test_w15_a_search_on_lists_has_child_runs():
    GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2).fit(X.tolist(), Y.tolist())
    _, children = parent_and_children()
    assert len(children) == 2


def test_w19_halving_searches_have_child_runs_a_table_and_best_params():
    search = HalvingGridSearchCV(
        DecisionTreeClassifier(random_state=0), GRID, cv=2, min_resources=30, random_state=0
    ).fit(X, Y)
    parent, children = parent_and_children()
    assert parent.data.params["best_criterion"] == search.best_params_["criterion"]
    assert len(children) == 5
    assert len(trials(parent)) == len(search.cv_results_["params"])
    assert {"iter", "n_resources"} <= set(children[0].data.metrics)


def test_w19_a_search_of_another_library_is_recorded_by_what_it_shows():
    class ThirdPartySearchCV(BaseEstimator):
        def __init__(self, estimator, depths):
            self.estimator = estimator
            self.depths = depths

        def fit(self, X, y):
            scores = np.array([float(depth) for depth in self.depths])
            self.cv_results_ = {
                "params": [{"max_depth": depth} for depth in self.depths],
                "mean_test_score": scores,
                "rank_test_score": (len(scores) - scores.argsort().argsort()).astype(int),
            }
            self.best_params_ = {"max_depth": max(self.depths)}
            self.best_score_ = scores.max()
            return self

    enable(log_models=False, max_tuning_runs=2)
    ThirdPartySearchCV(DecisionTreeClassifier(), [1, 3, 2]).fit(X, Y)
    parent, children = parent_and_children()
    assert parent.data.params["best_max_depth"] == "3"
    assert parent.data.metrics["best_cv_score"] == 3.0
    assert [run.data.params["max_depth"] for run in children] == ["3", "2"]
    assert len(trials(parent)) == 3


def test_w29_children_are_named_by_rank_and_params():
    enable(log_models=False)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
    search = GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1.0]}, cv=2).fit(X, Y)
    _, children = parent_and_children()
    best = search.best_params_["logisticregression__C"]
    assert children[0].info.run_name == f"#1: logisticregression__C={best}"


def test_candidates_that_fail_are_in_the_table_and_sort_last():
    def score(estimator, X, y):
        if estimator.max_depth == 1:
            return float("nan")
        return 0.5

    enable(training_metrics="none", log_models=False)
    search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2, scoring=score)
    with pytest.warns(UserWarning, match="non-finite"):
        search.fit(X, Y)
    parent, children = parent_and_children()
    assert [row["mean_test_score"] for row in trials(parent)] == [None, 0.5]
    assert children[0].data.params["max_depth"] == "2"


def test_random_distributions_among_the_params_are_recorded():
    enable(log_models=False, max_tuning_runs=1)
    RandomizedSearchCV(
        LogisticRegression(max_iter=300), {"C": loguniform(0.1, 1)}, n_iter=2, cv=2, random_state=0
    ).fit(X, Y)
    parent, (child,) = parent_and_children()
    assert float(child.data.params["C"]) == float(parent.data.params["best_C"])
