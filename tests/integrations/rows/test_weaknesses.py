"""Weaknesses of other autologging, each shown not to be ours.

A name begins with the row of the list that it belongs to. Rows on XGBoost and LightGBM are tested
with those integrations; rows on patching, enabling and searches in the files of those subjects.
"""

from __future__ import annotations

import json
import logging
import platform
import threading
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.tree import DecisionTreeClassifier

import tracklet
from tracklet.data import digests
from tracklet.patching import report

X, Y = load_iris(return_X_y=True)


def test_w3_a_fault_of_ours_after_a_good_training_leaves_the_run_finished(
    runs, monkeypatch, caplog
):
    monkeypatch.delenv("TRACKLET_STRICT")
    from tracklet import models

    def broken(*_, **__):
        raise RuntimeError("no model today")

    monkeypatch.setattr(models, "log_model", broken)
    with caplog.at_level(logging.WARNING, logger="tracklet"):
        LogisticRegression(max_iter=300).fit(X, Y)
    (run,) = runs()
    assert run.info.status == "FINISHED"
    assert "training_score" in run.data.metrics
    assert json.loads(run.data.tags["tracklet.faults"])["count"] == 1
    assert sum("no model today" in message for message in caplog.messages) == 1


def test_w4_parallel_fits_in_threads_with_runs_of_their_own_do_not_meet(runs):
    def train(c):
        with tracklet.start_run(tags={"c": str(c)}):
            LogisticRegression(C=c, max_iter=300).fit(X, Y)

    threads = [threading.Thread(target=train, args=(c,)) for c in (0.1, 0.2, 0.3, 0.4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = runs()
    assert len(found) == 4
    assert all(run.data.params["C"] == run.data.tags["c"] for run in found)


def test_w6_muting_some_integrations_keeps_their_options(enable, runs):
    enable(max_tuning_runs=7)
    with tracklet.autolog.disable_discrete_autologging(["sklearn"]):
        KMeans(2, n_init=1).fit(X)
    assert tracklet.autolog.get_autologging_config("sklearn", "max_tuning_runs") == 7
    assert runs() == []


def test_w16_sparse_data_stay_sparse(enable, runs):
    from scipy.sparse import csr_matrix

    rows = np.arange(20_000)
    wide = csr_matrix((np.ones(20_000), (rows, rows * 5)), shape=(20_000, 100_000))
    labels = np.arange(20_000) % 2
    enable(log_models=False)
    SGDClassifier(max_iter=1, tol=None).fit(wide, labels)  # 16 GB if it were dense
    (run,) = runs()
    assert run.inputs.dataset_inputs
    assert "tracklet.faults" not in run.data.tags


def test_w25_the_users_tags_are_not_changed_and_reach_all_runs_that_are_started(enable, runs):
    tags = {"team": "blue", "mlflow.autologging": "mine"}
    enable(extra_tags=tags, log_models=False)
    GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2).fit(X, Y)
    assert tags == {"team": "blue", "mlflow.autologging": "mine"}
    found = runs()
    assert len(found) == 3
    for run in found:
        assert run.data.tags["team"] == "blue"
        assert run.data.tags["mlflow.autologging"] == "sklearn"


def test_w42_training_data_are_not_copied(enable):
    big = np.random.default_rng(0).normal(size=(400_000, 10))
    labels = big[:, 0] * 2

    class Mean(RegressorMixin, BaseEstimator):
        def fit(self, X, y):
            self.mean_ = float(y.mean())
            return self

    enable(log_datasets=False)
    Mean().fit(big[:10], labels[:10])
    tracemalloc.start()
    try:
        Mean().fit(big, labels)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < big.nbytes / 4


def test_w45_a_fit_says_nothing(process):
    script = """
        import tracklet; tracklet.sklearn.autolog()
        from sklearn.linear_model import LogisticRegression
        for _ in range(3):
            LogisticRegression().fit([[0.], [1.], [2.]], [0, 1, 1])
    """
    done = process(script, "-W", "error")
    assert (done.stdout, done.stderr) == ("", "")


def test_w49_a_run_of_the_users_says_what_a_fit_cost():
    with tracklet.start_run() as run:
        LogisticRegression(max_iter=300).fit(X, Y)
    phases = json.loads(tracklet.get_run(run.info.run_id).data.tags["tracklet.overhead_ms"])
    assert {"total", "params", "training metrics", "model"} <= set(phases)
    assert phases["total"] == pytest.approx(sum(phases.values()) / 2, abs=0.1)


def test_w8_taking_one_of_two_integrations_away_leaves_the_other_whole(enable, runs):
    """Both watch the same functions of scikit-learn, and each has its own patches of them."""
    pytest.importorskip("xgboost")
    enable(log_models=False)
    tracklet.xgboost.autolog()
    tracklet.xgboost.autolog(disable=True)
    model = DecisionTreeClassifier(max_depth=2).fit(X, Y)
    sklearn.metrics.accuracy_score(Y, model.predict(X))
    cross_val_score(model, X, Y, cv=3)
    (run,) = runs()
    assert "accuracy_score_X" in run.data.metrics


def test_w13_the_second_fit_of_a_run_has_params_tags_steps_and_a_model_of_its_own(enable, runs):
    with tracklet.start_run() as run:
        first = LogisticRegression(max_iter=300, C=0.5).fit(X, Y)
        second = DecisionTreeClassifier(max_depth=2).fit(X, Y)
        expected = [first.score(X, Y), second.score(X, Y)]
    (found,) = runs()
    assert found.data.params["C"] == "0.5"
    assert found.data.params["max_depth"] == "2"
    assert found.data.tags["estimator_name"] == "LogisticRegression"
    assert found.data.tags["fit_2.estimator_name"] == "DecisionTreeClassifier"
    points = tracklet.TrackletClient().get_metric_history(run.info.run_id, "training_score")
    assert [(point.step, point.value) for point in points] == [*enumerate(expected)]
    models = [tracklet.get_logged_model(each.model_id) for each in found.outputs.model_outputs]
    scores = [
        [metric.value for metric in model.metrics if metric.key == "training_score"]
        for model in models
    ]
    assert sorted(scores) == sorted([[score] for score in expected])
    assert "tracklet.faults" not in found.data.tags


def test_w20_an_estimator_of_the_users_with_a_fit_of_its_own_is_recorded(enable, runs):
    class Own(BaseEstimator):
        def __init__(self, depth=3):
            self.depth = depth

        def fit(self, X, y=None):
            self.seen_ = len(X)
            return self

    enable(log_models=False)
    Own(depth=5).fit(X)
    (run,) = runs()
    assert run.data.params == {"depth": "5"}
    assert run.data.tags["estimator_name"] == "Own"


def test_w20_metrics_of_a_decision_function_belong_to_the_models_run(enable, runs):
    enable(log_models=False)
    model = LogisticRegression(max_iter=300).fit(X[:100], Y[:100])
    expected = sklearn.metrics.roc_auc_score(Y[:100], model.decision_function(X[:100]))
    (run,) = runs()
    assert run.data.metrics["roc_auc_score_unknown_dataset"] == expected


def test_w28_long_values_and_keys_that_begin_alike_stay_apart(enable, runs):
    class Long(BaseEstimator):
        def __init__(self, one="", other=""):
            self.one = one
            self.other = other

        def fit(self, X, y=None):
            return self

    enable(log_models=False)
    Long("x" * 9000 + "a", "x" * 9000 + "b").fit(X)
    (run,) = runs()
    assert len(run.data.params["one"]) == 6000
    assert run.data.params["one"] != run.data.params["other"]


def test_w31_enabling_everything_has_no_effect_beyond_ours(process):
    script = """
        import atexit, logging, sys, threading
        import tracklet
        tracklet.autolog.status  # what tracklet imports for its own is imported
        before = (logging.getLogger().handlers[:], logging.getLogger().level,
                  atexit._ncallbacks(), threading.enumerate())
        tracklet.autolog()
        assert before == (logging.getLogger().handlers[:], logging.getLogger().level,
                          atexit._ncallbacks(), threading.enumerate())
        heavy = {"sklearn", "numpy", "pandas", "xgboost", "lightgbm", "matplotlib", "torch",
                 "tensorflow", "tensorboard"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
    """
    process(script)


def test_w40_r25_a_later_fit_starts_no_process_imports_nothing_and_opens_no_more_files(process):
    """Measured by what the system is asked for, which does not depend on the machine."""
    script = """
        import sys
        import tracklet
        tracklet.sklearn.autolog()
        from sklearn.linear_model import LogisticRegression

        events = []

        def fit():
            events.clear()
            LogisticRegression().fit([[0.], [1.], [2.]], [0, 1, 1])
            tracklet.autolog.flush()
            return list(events)

        fit()
        sys.addaudithook(lambda event, _: events.append(event))
        later = [fit() for _ in range(3)]
        for found in later:
            begun = {"subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec", "os.system"}
            assert not begun & set(found), begun & set(found)
            assert found.count("import") == 0
            assert found.count("socket.connect") == 0
        opened = [found.count("open") for found in later]
        assert max(opened) - min(opened) <= 3, opened
    """
    process(script)


@pytest.mark.parametrize("log_datasets", [True, False])
def test_w41_data_are_fingerprinted_once_by_vectorised_hashing(
    enable, runs, monkeypatch, log_datasets
):
    calls, cells = [], []
    original = digests.of_bytes
    monkeypatch.setattr(digests, "of_bytes", lambda parts: calls.append(1) or original(parts))
    infer = pd.api.types.infer_dtype
    monkeypatch.setattr(
        pd.api.types,
        "infer_dtype",
        lambda *args, **kwargs: cells.append(1) or infer(*args, **kwargs),
    )
    enable(log_datasets=log_datasets, max_tuning_runs=None)
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(300, 40)))
    search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2)
    search.fit(frame, np.arange(300) % 2)
    found = runs()
    assert len(calls) == log_datasets
    assert cells == []
    assert {len(run.inputs.dataset_inputs) for run in found} == {int(log_datasets)}


def test_w46_silence_of_a_fit_is_not_heard_in_other_threads(enable, monkeypatch, caplog):
    """While a silent fit runs elsewhere, the log and warnings of this thread are as ever."""
    monkeypatch.delenv("TRACKLET_STRICT")
    enable(silent=True, log_models=False)
    inside, leave = threading.Event(), threading.Event()

    class Waiting(BaseEstimator):
        def fit(self, X, y=None):
            inside.set()
            assert leave.wait(100)
            return self

    fitting = threading.Thread(target=lambda: Waiting().fit(X))
    fitting.start()
    try:
        assert inside.wait(100)
        with caplog.at_level(logging.WARNING):
            logging.getLogger("tracklet.autolog").warning("said by another thread")
            report(RuntimeError("a fault"), "the place", "another integration")
        with pytest.warns(UserWarning, match="mine"):
            warnings.warn("mine", stacklevel=1)
    finally:
        leave.set()
        fitting.join()
    assert caplog.messages[0] == "said by another thread"
    assert any("a fault" in message for message in caplog.messages[1:])


def test_w49_a_run_of_the_users_says_who_recorded_a_fit_and_how_long_it_took(runs):
    with tracklet.start_run():
        LogisticRegression(max_iter=300).fit(X, Y)
        KMeans(2, n_init=1).fit(X)
    (run,) = runs()
    assert "mlflow.autologging" not in run.data.tags
    for key in ("tracklet.fit", "fit_2.tracklet.fit"):
        record = json.loads(run.data.tags[key])
        assert record["integration"] == "sklearn"
        assert record["version"] == sklearn.__version__
        assert record["python"] == platform.python_version()
        assert 0 < record["seconds"] < 60
