"""Searches around Keras' trainings: KerasTuner's, and scikit-learn's by way of scikeras."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("keras")

import keras
import numpy as np

import tracklet

# TensorFlow's tensors as arrays of NumPy 2; the libraries' own.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings(r"ignore:(currentThread|getName)\(\) is deprecated"),
    pytest.mark.filterwarnings("ignore:Skipping variable loading:UserWarning"),
]

X = np.cos(np.arange(48.0)).reshape(16, 3)
Y = X[:, :1] * 2


def network(units=2, rate=0.1):
    made = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units), keras.layers.Dense(1)])
    made.compile(keras.optimizers.SGD(rate), "mse", run_eagerly=True)
    return made


def searched(folder, build=None, *, callbacks=(), **settings):
    keras_tuner = pytest.importorskip("keras_tuner")
    keras.utils.set_random_seed(7)
    tuner = keras_tuner.RandomSearch(
        build or (lambda hp: network(hp.Int("units", 1, 8), hp.Float("rate", 1e-3, 1e-2))),
        objective="val_loss",
        max_trials=3,
        seed=3,
        directory=str(folder),
        **settings,
    )
    given = {
        "epochs": 2,
        "validation_data": (X[:5], Y[:5]),
        "verbose": 0,
        "callbacks": [*callbacks],
    }
    tuner.search(X, Y, **given)
    return tuner


def table_of(record, run):
    found = json.loads(record.artifact(run, "trials.json").read_text())
    return [dict(zip(found["columns"], row, strict=True)) for row in found["data"]]


def test_a_search_of_keras_tuner_is_one_run_and_its_trials_a_table(record, on, tmp_path):
    """Its settings and the best trial's params; each trial's score by its number."""
    tuner = searched(tmp_path, executions_per_trial=2)
    run = record.only()
    assert run.info.status == "FINISHED"
    best = tuner.oracle.get_best_trials(1)[0]
    expected = {
        "tuner": "RandomSearch",
        "objective": "val_loss",
        "direction": "min",
        "max_trials": "3",
        "executions_per_trial": "2",
        "epochs": "2",
        "best_units": str(best.hyperparameters.get("units")),
    }
    assert expected.items() <= run.data.params.items()
    rows = table_of(record, run)
    assert [row["trial"] for row in rows] == [0, 1, 2]
    trials = [*tuner.oracle.trials.values()]
    assert [row["score"] for row in rows] == [each.score for each in trials]
    units = [each.hyperparameters.get("units") for each in trials]
    assert [row["param_units"] for row in rows] == units
    assert {row["status"] for row in rows} == {"COMPLETED"}
    assert record.history(run, "score") == [(at, each.score) for at, each in enumerate(trials)]
    assert run.data.metrics["best_score"] == best.score
    contexts = {each.tags[0].value for each in run.inputs.dataset_inputs}
    assert contexts == {"train", "eval"}


def test_a_search_finds_what_it_finds_unwatched(record, on, tmp_path):
    watched = searched(tmp_path / "watched")
    tracklet.autolog(disable=True)
    bare = searched(tmp_path / "bare")
    for one, other in zip(watched.oracle.trials.values(), bare.oracle.trials.values(), strict=True):
        assert one.hyperparameters.values == other.hyperparameters.values
        assert one.score == other.score


def test_a_search_that_is_cut_off_keeps_its_trials_and_a_trial_that_fails_is_one(
    record, on, tmp_path
):
    class Cutting(keras.callbacks.Callback):
        built = 0

        def on_epoch_end(self, epoch, logs=None):
            if Cutting.built == 3:
                raise KeyboardInterrupt

    def build(hp):
        Cutting.built += 1
        rate = hp.Float("rate", 1e-3, 1e-2)
        if Cutting.built == 2:  # beside the one that the tuner builds to learn the space
            raise ValueError("theirs")
        return network(2, rate)

    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path, build, callbacks=[Cutting()])
    run = record.only()
    assert run.info.status == "KILLED"
    assert table_of(record, run)[0]["status"] == "FAILED"


def test_scikeras_trains_in_one_run_also_within_a_search(record, tracklet_home, monkeypatch):
    """What scikit-learn's wrapper fits is scikit-learn's training; Keras' adds none to it."""
    scikeras = pytest.importorskip("scikeras.wrappers")
    selection = pytest.importorskip("sklearn.model_selection")
    monkeypatch.setenv("TRACKLET_STRICT", "1")
    tracklet.keras.autolog(log_models=False)
    tracklet.sklearn.autolog(log_models=False, max_tuning_runs=0)
    try:
        wrapped = scikeras.KerasRegressor(network, units=2, epochs=1, verbose=0)
        wrapped.fit(X, Y)
        run = record.only()
        assert run.data.tags["mlflow.autologging"] == "sklearn"
        assert run.data.params["epochs"] == "1"
        selection.GridSearchCV(wrapped, {"units": [1, 2]}, cv=2).fit(X, Y)
        assert len(record.runs()) == 2
    finally:
        tracklet.autolog(disable=True)
