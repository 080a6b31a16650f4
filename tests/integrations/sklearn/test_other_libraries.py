"""Estimators of other libraries: what they keep of their iterations, and named classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification

import tracklet
from tracklet import pyfunc
from tracklet.errors import InvalidParameterValue

X, Y = make_classification(200, 4, random_state=0, weights=[0.8])


class Duck:
    """It only follows the interface."""

    def __init__(self, level: float = 1.0) -> None:
        self.level = level

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {"level": self.level}

    def fit(self, X: Any, y: Any) -> Duck:
        self.mean_ = float(np.mean(y))
        return self

    def predict(self, X: Any) -> Any:
        return np.full(len(X), self.mean_ * self.level)


class Curves(ClassifierMixin, BaseEstimator):
    """It keeps what other libraries keep: NGBoost's dicts, and skorch's list."""

    def __init__(self, kind: str = "sets") -> None:
        self.kind = kind

    def fit(self, X: Any, y: Any) -> Curves:
        self.classes_ = np.unique(y)
        if self.kind == "sets":
            self.evals_result = {"train": {"LOGSCORE": [3.0, 2.0]}, "val": {"LOGSCORE": [3.0, 2.5]}}
            self.best_val_loss_itr = 1
        else:
            self.history_ = [
                {
                    "epoch": 1,
                    "dur": 0.1,
                    "batches": [],
                    "train_loss": np.float64(2),
                    "a_best": True,
                },
                {
                    "epoch": 2,
                    "dur": 0.1,
                    "batches": [],
                    "train_loss": np.float64(1),
                    "a_best": True,
                },
            ]
        return self


@pytest.fixture
def on(tracklet_home: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TRACKLET_STRICT", "1")
    tracklet.sklearn.autolog(log_models=False)
    yield
    tracklet.autolog(disable=True)


def only_run() -> Any:
    (run,) = tracklet.search_runs(output_format="list")
    return run


def points(run: Any, key: str) -> list[tuple[int, float]]:
    history = tracklet.TrackletClient().get_metric_history(run.info.run_id, key)
    return [(each.step, each.value) for each in history]


def test_what_is_kept_by_set_and_metric_is_a_curve_each(on: None) -> None:
    """As `<set>-<metric>`, with the best iteration."""
    Curves().fit(X, Y)
    run = only_run()
    assert points(run, "train-LOGSCORE") == [(0, 3.0), (1, 2.0)]
    assert points(run, "val-LOGSCORE") == [(0, 3.0), (1, 2.5)]
    assert run.data.metrics["best_iteration"] == 1


def test_what_is_kept_by_epoch_is_a_curve_each(on: None) -> None:
    """But for what is no result."""
    Curves("epochs").fit(X, Y)
    run = only_run()
    assert points(run, "train_loss") == [(0, 2.0), (1, 1.0)]
    assert not {"epoch", "dur", "a_best"} & set(run.data.metrics)


@pytest.mark.parametrize("named", [Duck, f"{__name__}.Duck", f"{__name__}:Duck"])
def test_a_named_class_is_watched(on: None, named: Any) -> None:
    """Without deriving from anything: its params, and a model that answers as it does."""
    Duck().fit(X, Y)
    assert tracklet.search_runs(output_format="list") == []
    tracklet.sklearn.autolog(estimators=[named])
    model = Duck(2.0).fit(X, Y)
    run = only_run()
    assert run.data.params["level"] == "2.0"
    assert run.data.tags["estimator_name"] == "Duck"
    (logged,) = tracklet.search_logged_models(output_format="list")
    np.testing.assert_array_equal(pyfunc.load_model(logged.model_uri).predict(X), model.predict(X))
    tracklet.sklearn.autolog()
    Duck().fit(X, Y)
    only_run()


def test_names_that_are_none(on: None) -> None:
    """The error says what a name looks like, and what was configured stays in force."""
    for given in (["Duck"], "a.b", [3]):
        with pytest.raises(InvalidParameterValue, match="estimators must be"):
            tracklet.sklearn.autolog(estimators=given)


@pytest.mark.parametrize("named", ["json.NoSuchThing", "json:NoSuchThing"])
def test_a_class_that_is_not_there_is_said_once(on: None, caplog: Any, named: str) -> None:
    """Training goes on."""
    tracklet.sklearn.autolog(estimators=[named])
    assert "json has no class 'NoSuchThing'" in caplog.text
