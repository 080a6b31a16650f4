"""Estimators that other libraries made for scikit-learn: imbalanced-learn, NGBoost, skorch."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("imblearn")
pytest.importorskip("ngboost")
pytest.importorskip("skorch")

import ngboost
import numpy as np
import skorch
import torch
from imblearn.ensemble import BalancedRandomForestClassifier
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline
from sklearn.datasets import make_classification
from sklearn.tree import DecisionTreeClassifier

import tracklet
from tracklet import pyfunc

X, Y = make_classification(200, 4, random_state=0, weights=[0.8])


@pytest.fixture
def on(tracklet_home: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TRACKLET_STRICT", "1")
    tracklet.sklearn.autolog()
    yield
    tracklet.autolog(disable=True)


def only_run() -> Any:
    (run,) = tracklet.search_runs(output_format="list")
    return run


def points(run: Any, key: str) -> list[tuple[int, float]]:
    history = tracklet.TrackletClient().get_metric_history(run.info.run_id, key)
    return [(each.step, each.value) for each in history]


def answers(data: Any) -> Any:
    (logged,) = tracklet.search_logged_models(output_format="list")
    return pyfunc.load_model(logged.model_uri).predict(data)


def test_a_forest_of_imbalanced_learns(on: None) -> None:
    """Its metrics on the training data, and a model that answers as it does."""
    model = BalancedRandomForestClassifier(5, random_state=0).fit(X, Y)
    run = only_run()
    assert run.data.metrics["training_score"] == model.score(X, Y)
    np.testing.assert_array_equal(answers(X), model.predict(X))


def test_what_a_sampler_made_of_the_classes(on: None) -> None:
    """Inside of a pipeline: the rows of each class before and after; alone it is no training."""
    RandomOverSampler(random_state=0).fit_resample(X, Y)
    assert tracklet.search_runs(output_format="list") == []
    make_pipeline(RandomOverSampler(random_state=0), DecisionTreeClassifier(max_depth=2)).fit(X, Y)
    run = only_run()
    path = f"{run.info.artifact_uri}/resampling_RandomOverSampler.json"
    counts = json.loads(tracklet.artifacts.load_text(path))
    before = {str(each): int((each == Y).sum()) for each in (0, 1)}
    assert counts["before"] == before
    assert set(counts["after"].values()) == {max(before.values())}


def test_ngboost_itself(on: None) -> None:
    """Its curves are what it kept."""
    model = ngboost.NGBClassifier(n_estimators=4, verbose=False, random_state=0)
    model.fit(X[:150], Y[:150], X_val=X[150:], Y_val=Y[150:])
    run = only_run()
    for data, metrics in model.evals_result.items():
        assert points(run, f"{data}-LOGSCORE") == list(enumerate(metrics["LOGSCORE"]))
    np.testing.assert_array_equal(answers(X), model.predict(X))


def test_skorch_itself(on: None) -> None:
    """One run, with the losses of each epoch."""
    module = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.Softmax(-1))
    net = skorch.NeuralNetClassifier(module, max_epochs=2, verbose=0)
    net.fit(X.astype("float32"), Y.astype("int64"))
    run = only_run()
    assert points(run, "train_loss") == list(enumerate(net.history[:, "train_loss"]))
    assert points(run, "valid_acc") == list(enumerate(net.history[:, "valid_acc"]))
