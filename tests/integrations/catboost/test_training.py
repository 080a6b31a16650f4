"""What is on the record of trainings with CatBoost."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("catboost")

import catboost
from catboost import CatBoost, CatBoostClassifier, CatBoostRanker, CatBoostRegressor, Pool
from sklearn.datasets import make_classification

import tracklet
from tracklet import pyfunc
from tracklet_integrations.catboost.curves import TrainingFiles

X, Y = make_classification(400, 6, random_state=0)
QUIET: dict[str, Any] = {"thread_count": 1, "verbose": False}
MUTE: dict[str, Any] = {**QUIET, "allow_writing_files": False}
CLIENT = tracklet.TrackletClient


def only_run() -> Any:
    (run,) = tracklet.search_runs(output_format="list")
    return run


def points(run: Any, key: str) -> dict[int, float]:
    return {each.step: each.value for each in CLIENT().get_metric_history(run.info.run_id, key)}


def artifacts(run: Any) -> set[str]:
    return {each.path for each in CLIENT().list_artifacts(run.info.run_id)}


def test_every_round_of_every_set_is_there_to_the_bit(on, tmp_path: Path) -> None:
    """Also what CatBoost decided; no folder is made, and the model answers as the trained one."""
    model = CatBoostClassifier(iterations=20, **MUTE)
    model.fit(X[:300], Y[:300], eval_set=(X[300:], Y[300:]))
    assert not (tmp_path / "catboost_info").exists()
    run = only_run()
    for data, metrics in model.evals_result_.items():
        for metric, values in metrics.items():
            assert points(run, f"{data}-{metric}") == dict(enumerate(values))
    params = run.data.params
    assert params["learning_rate"] == str(model.get_all_params()["learning_rate"])
    assert params["random_seed"] == "0"
    assert params["iterations"] == "20"
    assert {"feature_importance_PredictionValuesChange.json"} <= artifacts(run)
    names = {each.dataset.name: each.tags[0].value for each in run.inputs.dataset_inputs}
    assert names == {"dataset": "train", "validation": "eval"}
    (logged,) = tracklet.search_logged_models(output_format="list")
    np.testing.assert_array_equal(pyfunc.load_model(logged.model_uri).predict(X), model.predict(X))


def test_rounds_of_a_period_keep_their_numbers(on) -> None:
    """The metric that decides when to stop is evaluated at every round, the others are not."""
    noisy, labels = make_classification(400, 6, random_state=0, flip_y=0.3)
    sets = [(noisy[200:300], labels[200:300]), (noisy[300:], labels[300:])]
    model = CatBoostClassifier(
        iterations=500, metric_period=4, custom_metric=["AUC"], early_stopping_rounds=5, **MUTE
    )
    model.fit(noisy[:200], labels[:200], eval_set=sets)
    run = only_run()
    watched = model.evals_result_["validation_1"]["Logloss"]
    history = CLIENT().get_metric_history(run.info.run_id, "validation_1-Logloss")
    trained = len(watched)
    assert [(each.step, each.value) for each in history[:trained]] == list(enumerate(watched))
    assert run.data.metrics["best_iteration"] == model.best_iteration_
    assert run.data.metrics["stopped_iteration"] == trained - 1
    # The best round once more, as the round after the last.
    assert (history[trained].step, history[trained].value) == (trained, min(watched))
    other = points(run, "validation_0-AUC")
    assert list(other)[:3] == [0, 4, 8]
    assert list(other.values()) == model.evals_result_["validation_0"]["AUC"]


def test_the_last_round_of_a_period_is_the_last(on) -> None:
    """Ten rounds, every fourth evaluated: 0, 4, 8 and 9."""
    CatBoostRegressor(iterations=10, metric_period=4, **MUTE).fit(X, X[:, 0])
    assert list(points(only_run(), "learn-RMSE")) == [0, 4, 8, 9]


def test_a_training_that_goes_on_counts_on(on) -> None:
    """Rounds of a model that continues another come after that one's."""
    with tracklet.start_run():
        first = CatBoostRegressor(iterations=4, **MUTE).fit(X, X[:, 0])
        CatBoostRegressor(iterations=3, **MUTE).fit(X, X[:, 0], init_model=first)
    assert list(points(only_run(), "learn-RMSE")) == list(range(7))


def test_what_the_files_did_not_tell_of_is_there(on, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were read to their end, and have not all: no value is lost, and none is twice."""
    stop = TrainingFiles.stop
    monkeypatch.setattr(TrainingFiles, "stop", lambda self, read=False: stop(self, read=True))
    model = CatBoostClassifier(
        iterations=30, metric_period=8, od_pval=1e-9, use_best_model=False, **QUIET
    )
    with warnings.catch_warnings(), tracklet.start_run():
        model.fit(X[:200], Y[:200], eval_set=(X[200:], Y[200:]))
        again = CatBoostClassifier(iterations=2, metric_period=8, **MUTE)
        again.fit(X[:200], Y[:200])
    run = only_run()
    watched = model.evals_result_["validation"]["Logloss"]
    assert len(watched) == 30
    found = points(run, "validation-Logloss")
    np.testing.assert_allclose([found[step] for step in range(30)], watched, rtol=1e-8)
    # Then the best round once more, and the next training comes after it.
    assert list(points(run, "learn-Logloss")) == [0, 8, 16, 24, 29, 30, 31, 32]


def test_a_model_that_goes_on_with_itself(on) -> None:
    """Its rounds are counted from those that it had before."""
    model = CatBoostRegressor(iterations=4, **MUTE).fit(X, X[:, 0])
    with tracklet.start_run() as run:
        model.fit(X, X[:, 0], init_model=model)
    values = model.evals_result_["learn"]["RMSE"]
    assert points(run, "learn-RMSE") == dict(enumerate(values, 4))


def test_params_of_numpys_are_numbers(on) -> None:
    """As a search over arrays gives them; arrays are lists."""
    CatBoostClassifier(
        iterations=np.int64(2), depth=np.int32(3), class_weights=np.array([1.0, 2.0]), **MUTE
    ).fit(X, Y)
    params = only_run().data.params
    assert (params["iterations"], params["depth"]) == ("2", "3")
    assert params["class_weights"] == "[1.0, 2.0]"


def test_a_failed_training_keeps_its_rounds(on) -> None:
    """They are in CatBoost's own files; the error is CatBoost's, as without us."""

    class Raising:
        def after_iteration(self, info: Any) -> bool:
            if info.iteration == 5:
                raise ValueError("enough")
            return True

    with pytest.raises(catboost.CatBoostError, match="enough"):
        CatBoostClassifier(iterations=10, **QUIET).fit(
            X[:300], Y[:300], eval_set=(X[300:], Y[300:]), callbacks=[Raising()]
        )
    run = only_run()
    assert run.info.status == "FAILED"
    assert {0, 1, 2, 3} <= set(points(run, "learn-Logloss")) <= {0, 1, 2, 3, 4, 5}
    assert set(points(run, "validation-Logloss")) == set(points(run, "learn-Logloss"))


def test_files_of_an_earlier_training_are_not_read(on) -> None:
    """One that fails before its first round has no metrics."""
    CatBoostClassifier(iterations=3, **QUIET).fit(X, Y)
    with pytest.raises(catboost.CatBoostError):
        CatBoostClassifier(
            iterations=3, loss_function="MultiClass", bootstrap_type="Poisson", **QUIET
        ).fit(X, Y)
    failed = next(
        run for run in tracklet.search_runs(output_format="list") if run.info.status == "FAILED"
    )
    assert failed.data.metrics == {}


def test_trainings_in_one_folder_are_kept_apart(on) -> None:
    """Three threads train at once: each run has its own rounds, to the bit."""
    models: dict[int, Any] = {}

    def train(seed: int) -> None:
        model = CatBoostClassifier(iterations=30, random_seed=seed, **QUIET)
        models[seed] = model.fit(X, Y)

    threads = [threading.Thread(target=train, args=(seed,)) for seed in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    runs = tracklet.search_runs(output_format="list")
    assert len(runs) == 3
    for run in runs:
        model = models[int(run.data.params["random_seed"])]
        expected = model.evals_result_["learn"]["Logloss"]
        assert points(run, "learn-Logloss") == dict(enumerate(expected))


def test_cross_validation_is_one_run(on) -> None:
    """Mean and deviation of each round."""
    params = {"iterations": 4, "loss_function": "Logloss", **MUTE}
    table = catboost.cv(Pool(X, Y), params, fold_count=3, logging_level="Silent")
    run = only_run()
    assert list(points(run, "test-Logloss-mean").values()) == list(table["test-Logloss-mean"])
    assert list(points(run, "train-Logloss-std").values()) == list(table["train-Logloss-std"])
    assert run.data.params["fold_count"] == "3"
    assert run.inputs.dataset_inputs


def test_a_search_of_its_own_is_one_run_with_the_best_training(on) -> None:
    """What it found as params, its curves, and the model that was trained on all data."""
    model = CatBoostRegressor(iterations=3, **MUTE)
    grid = {"depth": [1, 2], "learning_rate": [0.1, 0.3]}
    found = model.grid_search(grid, X, X[:, 0], cv=2, verbose=False)
    run = only_run()
    assert run.data.params["best_depth"] == str(found["params"]["depth"])
    curve = list(points(run, "cv-test-RMSE-mean").values())
    assert curve == list(found["cv_results"]["test-RMSE-mean"])
    assert list(points(run, "learn-RMSE").values()) == model.evals_result_["learn"]["RMSE"]
    (logged,) = tracklet.search_logged_models(output_format="list")
    np.testing.assert_array_equal(pyfunc.load_model(logged.model_uri).predict(X), model.predict(X))


def test_a_selection_of_features_is_one_run(on) -> None:
    """With the features that it kept, and the model of those."""
    model = CatBoostClassifier(iterations=3, **MUTE)
    kept = model.select_features(
        X,
        Y,
        features_for_select="0-5",
        num_features_to_select=2,
        steps=2,
        algorithm="RecursiveByShapValues",
        train_final_model=True,
        logging_level="Silent",
    )
    run = only_run()
    assert run.data.metrics["selected_feature_count"] == len(kept["selected_features"]) == 2
    assert "selected_features.json" in artifacts(run)
    assert len(tracklet.search_logged_models(output_format="list")) == 1


def test_train_and_rankers_and_objects_of_the_users(on) -> None:
    """``catboost.train`` is one run, no learn metric no fault; an object goes by its class."""

    class Metric:
        def is_max_optimal(self) -> bool:
            return True

        def evaluate(self, approxes: Any, target: Any, weight: Any) -> tuple[float, float]:
            return 1.0, 1.0

        def get_final_error(self, error: float, weight: float) -> float:
            return error / weight

    catboost.train(Pool(X, X[:, 0]), {"loss_function": "RMSE", **MUTE}, iterations=2)
    CatBoostRanker(iterations=2, **MUTE).fit(X, Y, group_id=np.arange(400) // 10)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Failed to import numba")
        CatBoostClassifier(iterations=2, eval_metric=Metric(), **MUTE).fit(X, Y)
    runs = tracklet.search_runs(output_format="list", order_by=["start_time ASC"])
    assert [run.info.status for run in runs] == ["FINISHED"] * 3
    assert list(points(runs[0], "learn-RMSE")) == [0, 1]
    assert runs[2].data.params["eval_metric"] == "Metric"
    assert all("0x" not in value for run in runs for value in run.data.params.values())


def test_a_search_of_scikit_learns_is_one_run(on) -> None:
    """Its folds are no runs."""
    from sklearn.model_selection import GridSearchCV

    search = GridSearchCV(CatBoostClassifier(iterations=2, **MUTE), {"depth": [1, 2]}, cv=2)
    search.fit(X, Y)
    parents = [
        run
        for run in tracklet.search_runs(output_format="list")
        if "mlflow.parentRunId" not in run.data.tags
    ]
    assert len(parents) == 1
    assert parents[0].data.params["best_depth"] == str(search.best_params_["depth"])


def test_text_and_categories_of_a_pool(on) -> None:
    """A pool of a frame: the model answers plain values as it answers the pool."""
    frame = pd.DataFrame(X[:, :2], columns=["a", "b"]).assign(k=np.where(Y, "yes", "no"))
    pool = Pool(frame, Y, cat_features=["k"])
    model = CatBoost({"iterations": 3, "loss_function": "Logloss", **MUTE}).fit(pool)
    (logged,) = tracklet.search_logged_models(output_format="list")
    answer = pyfunc.load_model(logged.model_uri).predict(frame[["k", "b", "a"]])
    np.testing.assert_array_equal(answer, model.predict(pool))
