"""Known ways in which autologging breaks or bloats training, each shown not to happen here.

Names begin with the row: w for weaknesses of others, s11 for statements of acceptance, r for the
ways in which instrumentation alters training. Rows with a file of their own are tested there.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import subprocess
import sys
import textwrap
import threading
import tracemalloc
import warnings
import weakref

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

import tracklet

X, Y = load_iris(return_X_y=True)


@pytest.fixture(autouse=True)
def on(tracklet_home, monkeypatch):
    monkeypatch.setenv("TRACKLET_STRICT", "1")
    enable()
    yield
    tracklet.autolog(disable=True)


def enable(**options):
    tracklet.sklearn.autolog(**{"log_plots": False, "log_html": False, **options})


def runs():
    tracklet.autolog.flush()
    return tracklet.search_runs(output_format="list", search_all_experiments=True)


def process(script, home, *flags, check=True):
    return subprocess.run(
        [sys.executable, *flags, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        cwd=home,
        check=check,
        timeout=60,
        env={key: value for key, value in os.environ.items() if key != "TRACKLET_STRICT"},
    )


def test_w3_a_fault_of_ours_after_a_good_training_leaves_the_run_finished(monkeypatch, caplog):
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


def test_w4_parallel_fits_in_threads_with_runs_of_their_own_do_not_meet():
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


def test_w6_muting_some_integrations_keeps_their_options():
    enable(max_tuning_runs=7)
    with tracklet.autolog.disable_discrete_autologging(["sklearn"]):
        KMeans(2, n_init=1).fit(X)
    assert tracklet.autolog.get_autologging_config("sklearn", "max_tuning_runs") == 7
    assert runs() == []


def test_w16_sparse_data_stay_sparse():
    from scipy.sparse import csr_matrix

    rows = np.arange(20_000)
    wide = csr_matrix((np.ones(20_000), (rows, rows * 5)), shape=(20_000, 100_000))
    labels = np.arange(20_000) % 2
    enable(log_models=False)
    SGDClassifier(max_iter=1, tol=None).fit(wide, labels)  # 16 GB if it were dense
    (run,) = runs()
    assert run.inputs.dataset_inputs
    assert "tracklet.faults" not in run.data.tags


def test_w25_the_users_tags_are_not_changed_and_reach_all_runs_that_are_started():
    tags = {"team": "blue", "mlflow.autologging": "mine"}
    enable(extra_tags=tags, log_models=False)
    GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2).fit(X, Y)
    assert tags == {"team": "blue", "mlflow.autologging": "mine"}
    found = runs()
    assert len(found) == 3
    for run in found:
        assert run.data.tags["team"] == "blue"
        assert run.data.tags["mlflow.autologging"] == "sklearn"


def test_w42_training_data_are_not_copied():
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


def test_w45_a_fit_says_nothing(tracklet_home):
    script = """
        import tracklet; tracklet.sklearn.autolog()
        from sklearn.linear_model import LogisticRegression
        for _ in range(3):
            LogisticRegression().fit([[0.], [1.], [2.]], [0, 1, 1])
    """
    done = process(script, tracklet_home, "-W", "error")
    assert (done.stdout, done.stderr) == ("", "")


def test_w49_a_run_of_the_users_says_what_a_fit_cost():
    with tracklet.start_run() as run:
        LogisticRegression(max_iter=300).fit(X, Y)
    phases = json.loads(tracklet.get_run(run.info.run_id).data.tags["tracklet.overhead_ms"])
    assert {"total", "params", "training metrics", "model"} <= set(phases)
    assert phases["total"] == pytest.approx(sum(phases.values()) / 2, abs=0.1)


def test_s11_2_r1_a_failing_store_costs_one_warning_and_no_result(monkeypatch, caplog, tmp_path):
    monkeypatch.delenv("TRACKLET_STRICT")
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("TRACKLET_TRACKING_URI", str(blocked / "mlruns"))
    with caplog.at_level(logging.WARNING):
        model = LogisticRegression(max_iter=300).fit(X, Y)
    assert model.score(X, Y) > 0.9
    assert len([record for record in caplog.records if record.name.startswith("tracklet")]) == 1


def test_s11_8_silent_says_nothing_and_the_frameworks_warnings_stay(tracklet_home):
    script = """
        import threading, tracklet; tracklet.sklearn.autolog(silent=True, log_models=False)
        from sklearn.linear_model import LogisticRegression
        from sklearn.datasets import load_iris
        X, y = load_iris(return_X_y=True)
        tracklet.set_tracking_uri("/dev/null/nowhere")
        threads = [
            threading.Thread(target=lambda: LogisticRegression(max_iter=1).fit(X, y))
            for _ in range(50)
        ]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    """
    done = process(script, tracklet_home)
    assert "ConvergenceWarning" in done.stderr
    assert "tracklet" not in done.stderr


def test_s11_19_many_params_and_points_and_long_values_are_all_kept():
    class Wide(BaseEstimator):
        def __init__(self, **_):
            pass

        def get_params(self, deep=True):
            return {**{f"p{number}": number for number in range(250)}, "long": "x" * 9000}

        def fit(self, X, y=None):
            self.loss_curve_ = [float(number) for number in range(1500)]
            return self

    enable(log_models=False)
    Wide().fit(X)
    (run,) = runs()
    assert len(run.data.params) == 251
    assert len(run.data.params["long"]) == 6000
    assert "9000 characters, sha256" in run.data.params["long"]
    history = tracklet.TrackletClient().get_metric_history(run.info.run_id, "loss")
    assert [point.value for point in history] == [float(number) for number in range(1500)]


def test_s11_20_the_logged_model_has_the_runs_metrics_and_params_and_is_registered():
    enable(registered_model_name="iris", iteration_metrics="none")
    LogisticRegression(max_iter=300, C=0.5).fit(X, Y)
    (run,) = runs()
    model = tracklet.get_logged_model(run.outputs.model_outputs[0].model_id)
    assert {metric.key: metric.value for metric in model.metrics} == run.data.metrics
    assert model.params == run.data.params
    version = tracklet.TrackletClient().get_model_version("iris", "1")
    assert version.run_id == run.info.run_id


class Spy(ClassifierMixin, BaseEstimator):
    def fit(self, X, y, sample_weight=None, **more):
        type(self).seen = (X, y, sample_weight, more)
        self.classes_ = np.unique(y)
        return self


def test_r4_arguments_are_the_very_objects_and_stay_as_they_were():
    features, labels, weight = X.copy(), Y.copy(), np.ones(len(Y))
    for array in (features, labels, weight):
        array.flags.writeable = False
    before = [array.tobytes() for array in (features, labels, weight)]
    extra = object()
    Spy().fit(features, labels, weight, extra=extra)
    seen = Spy.seen
    assert seen[0] is features
    assert seen[1] is labels
    assert seen[2] is weight
    assert seen[3] == {"extra": extra}
    assert [array.tobytes() for array in (features, labels, weight)] == before


def test_r7_nothing_of_an_estimator_of_the_users_is_called():
    calls = []

    class Counting(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

        def __getattribute__(self, name):
            if name in ("predict", "predict_proba", "score", "transform", "decision_function"):
                calls.append(name)
            return super().__getattribute__(name)

        def predict(self, X):
            calls.append("called")
            return np.zeros(len(X))

    enable(log_models=False)
    Counting().fit(X, Y)
    assert "called" not in calls


def test_r11_lazy_frames_are_not_collected():
    import polars as pl

    collected = []

    class Spying(pl.LazyFrame):
        def collect(self, *args, **kwargs):
            collected.append("collect")
            return super().collect(*args, **kwargs)

    class Lazy(BaseEstimator):
        def fit(self, X, y=None):
            return self

    enable(log_models=False)
    lazy = Spying({"a": [1.0, 2.0]})
    Lazy().fit(lazy)
    assert collected == []
    assert runs()[0].inputs.dataset_inputs == []


def test_r14_a_hierarchy_is_recorded_once_by_its_outermost_class():
    class Mixin:
        def fit(self, X, y):
            return super().fit(X, y)

    class Left(Mixin, LogisticRegression):
        def fit(self, X, y):
            return super().fit(X, y)

    class Diamond(Left, LogisticRegression):
        pass

    Diamond(max_iter=300).fit(X, Y)
    (run,) = runs()
    assert run.data.tags["estimator_name"] == "Diamond"


def test_r15_an_estimator_that_fits_another_in_its_representation_does_not_recurse():
    class Strange(BaseEstimator):
        def __init__(self, inner=None):
            self.inner = inner

        def fit(self, X, y=None):
            return self

        def __str__(self):
            LinearRegression().fit([[0.0], [1.0]], [0, 1])
            return "strange"

    class Outer(BaseEstimator):
        def __init__(self, part=None):
            self.part = part

        def fit(self, X, y=None):
            return self

    enable(log_models=False)
    Outer(Strange()).fit(X)
    (run,) = runs()
    assert run.data.params["part"] == "strange"


def test_r19_r20_r22_warnings_logging_and_environment_are_as_they_were(tracklet_home):
    script = """
        import logging, os, signal, sys, warnings
        import sklearn.linear_model, sklearn.metrics
        before = (list(warnings.filters), warnings.showwarning, dict(os.environ), os.getcwd(),
                  signal.getsignal(signal.SIGINT), sys.excepthook, logging.getLogger().handlers[:],
                  logging.getLogger().level, sys.gettrace())
        import tracklet; tracklet.sklearn.autolog()
        sklearn.linear_model.LogisticRegression().fit([[0.], [1.], [2.]], [0, 1, 1])
        tracklet.autolog.flush()
        after = (list(warnings.filters), warnings.showwarning, dict(os.environ), os.getcwd(),
                 signal.getsignal(signal.SIGINT), sys.excepthook, logging.getLogger().handlers[:],
                 logging.getLogger().level, sys.gettrace())
        assert [one == other for one, other in zip(before, after)] == [True] * 9, [
            number for number in range(9) if before[number] != after[number]]
        handlers = {name for name, logger in logging.root.manager.loggerDict.items()
                    if name.startswith("tracklet") and any(
                        type(each) is not logging.NullHandler
                        for each in getattr(logger, "handlers", ()))}
        assert not handlers
    """
    process(script, tracklet_home)


def test_r24_nothing_of_a_fit_is_retained():
    enable(log_plots=True, log_html=True)
    features, labels = X.copy(), Y.copy()
    model = LogisticRegression(max_iter=300).fit(features, labels)
    model.score(features, labels)
    tracklet.autolog.flush()
    references = [weakref.ref(each) for each in (model, features, labels)]
    del model, features, labels
    gc.collect()
    assert [reference() for reference in references] == [None, None, None]


def test_r24_nothing_is_retained_of_a_fit_that_failed():
    model, features = LogisticRegression(), X.copy()
    with pytest.raises(ValueError, match="inconsistent") as caught:
        model.fit(features, Y[:3])
    references = [weakref.ref(model), weakref.ref(features)]
    del model, features, caught
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_r29_fits_while_the_interpreter_ends_say_nothing(tracklet_home):
    script = """
        import atexit
        import tracklet; tracklet.sklearn.autolog(log_models=False)
        from sklearn.linear_model import LogisticRegression

        def fit():
            LogisticRegression().fit([[0.], [1.], [2.]], [0, 1, 1])

        class Late:
            def __del__(self):
                fit()

        late = Late()
        atexit.register(fit)
        fit()
    """
    done = process(script, tracklet_home)
    assert "watching" not in done.stderr  # scikit-learn itself cannot fit that late, and says so


def test_r33_no_row_of_the_training_data_is_on_the_record(tracklet_home):
    canary = "canary-7f3a"
    frame = pd.DataFrame({"name": [canary, "b", "c"], "value": [918273.645, 2.0, 3.0]})

    class Own(BaseEstimator):
        def fit(self, X, y=None):
            self.rows_ = len(X)
            return self

    Own().fit(frame)
    DecisionTreeClassifier(max_depth=1).fit([[918273.645], [1.0], [2.0]], [0, 1, 1])
    runs()
    for folder, _, files in os.walk(tracklet_home / "mlruns"):
        for name in files:
            with open(os.path.join(folder, name), "rb") as file:
                content = file.read()
            assert canary.encode() not in content
            assert b"918273" not in content


def test_r35_hostile_objects_are_no_reason_to_fail():
    class Hostile:
        def __bool__(self):
            raise ValueError("no truth")

        def __eq__(self, other):
            raise ValueError("no equality")

        __hash__ = None

        def __len__(self):
            raise ValueError("no length")

        def __array_function__(self, *args, **kwargs):
            raise ValueError("no functions")

        def __getattr__(self, name):
            raise RuntimeError(f"no attribute {name}")

    class Takes(BaseEstimator):
        def __init__(self, option=None):
            self.option = option

        def fit(self, X, y=None, sample_weight=None):
            return self

    enable(log_models=False)
    hostile = Hostile()
    Takes(option=3).fit(hostile, hostile, sample_weight=hostile)
    (run,) = runs()
    assert run.info.status == "FINISHED"
    assert run.data.params == {"option": "3"}
    assert "tracklet.faults" not in run.data.tags


def test_odd_a_param_whose_text_fails_is_left_out_and_counted(monkeypatch):
    monkeypatch.delenv("TRACKLET_STRICT")

    class Wordless:
        def __repr__(self):
            raise RuntimeError("no words")

    class Takes(BaseEstimator):
        def __init__(self, option=None, other=1):
            self.option = option
            self.other = other

        def fit(self, X, y=None):
            return self

    enable(log_models=False, silent=True)
    Takes(Wordless()).fit(X)
    (run,) = runs()
    assert run.data.params == {"other": "1"}
    assert json.loads(run.data.tags["tracklet.faults"])["count"] == 1


def test_odd_a_million_rows_cost_what_the_budget_allows():
    rows = np.random.default_rng(0).normal(size=(1_000_000, 2))
    enable(log_models=False, training_metrics_seconds=0.0)
    LinearRegression().fit(rows, rows[:, 0])
    (run,) = runs()
    assert "training_metrics_seconds=0" in run.data.tags["tracklet.training_metrics"]
    assert json.loads(run.data.tags["tracklet.overhead_ms"])["total"] < 5000


def test_odd_estimators_whose_answers_draw_random_numbers_leave_the_users_stream_alone():
    import random

    class Noisy(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

        def predict(self, X):
            random.random()
            return np.random.choice(self.classes_, len(X))

    enable(training_metrics="all", log_models=False)
    random.seed(3)
    np.random.seed(3)
    expected = random.random(), np.random.random()
    random.seed(3)
    np.random.seed(3)
    Noisy().fit(X, Y)
    assert (random.random(), np.random.random()) == expected
    assert "training_score" in runs()[0].data.metrics


def test_odd_the_frameworks_warnings_reach_the_user_unchanged():
    with warnings.catch_warnings(record=True) as plain:
        warnings.simplefilter("always")
        with tracklet.autolog.disable_autologging():
            LogisticRegression(max_iter=1).fit(X, Y)
    with warnings.catch_warnings(record=True) as watched:
        warnings.simplefilter("always")
        LogisticRegression(max_iter=1).fit(X, Y)
    assert [str(each.message) for each in watched] == [str(each.message) for each in plain]
    assert [each.category for each in watched] == [ConvergenceWarning]


def test_odd_forests_in_threads_of_their_own_are_the_same():
    with tracklet.autolog.disable_autologging():
        plain = RandomForestClassifier(5, random_state=0, n_jobs=2).fit(X, Y)
    watched = RandomForestClassifier(5, random_state=0, n_jobs=2).fit(X, Y)
    assert np.array_equal(watched.predict_proba(X), plain.predict_proba(X))
