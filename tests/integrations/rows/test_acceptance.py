"""The statements of acceptance on the generic layer and scikit-learn, each with its test.

Those on patching, enabling, searches, plots and boosters are tested in the files of those
subjects, by names that begin with the statement's number.
"""

from __future__ import annotations

import inspect
import logging
import pydoc

import numpy as np
import pytest
import sklearn.metrics
import sklearn.model_selection
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.feature_selection import RFE
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.utils import all_estimators

import tracklet

X, Y = load_iris(return_X_y=True)
METHODS = (
    "fit",
    "fit_transform",
    "fit_predict",
    "partial_fit",
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "transform",
    "score",
)
CLASSES = [cls for _, cls in all_estimators()]


def hooks():
    (entry,) = [each for each in tracklet.autolog.plan() if each.name == "sklearn"]
    return entry.hooks


def facts(function):
    """What a caller, a reader and an editor can learn of a function."""
    return (
        function.__name__,
        function.__qualname__,
        function.__module__,
        function.__doc__,
        pydoc.render_doc(function),
        str(inspect.signature(function)),
        inspect.isfunction(function),
        inspect.isroutine(function),
        callable(function),
    )


def test_s11_1_every_watched_function_looks_and_is_called_as_before():
    tracklet.autolog(disable=True)
    targets = {
        (cls, name): inspect.getattr_static(cls, name)
        for cls in CLASSES
        for name in METHODS
        if inspect.isfunction(inspect.getattr_static(cls, name, None))
    }
    metrics = {
        (sklearn.metrics, name): getattr(sklearn.metrics, name)
        for name in sklearn.metrics.__all__
        if inspect.isfunction(getattr(sklearn.metrics, name))
    }
    targets |= metrics
    plain = {target: facts(getattr(*target)) for target in targets}
    tracklet.sklearn.autolog(log_models=False)
    LogisticRegression(max_iter=300).fit(X, Y)  # what is watched after a fit is watched now
    watched = [target for target in targets if getattr(*target) is not targets[target]]
    assert len(watched) > 300
    different = [target for target in watched if facts(getattr(*target))[:6] != plain[target][:6]]
    assert different == []


def test_s11_1_what_an_estimator_can_do_is_what_it_could_do():
    def abilities():
        estimators = [
            SVC(),
            SVC(probability=False, kernel="linear"),
            make_pipeline(StandardScaler(), KMeans(2)),
            make_pipeline(StandardScaler(), LinearRegression()),
            GridSearchCV(SVC(), {"C": [1]}),
            GridSearchCV(SVC(), {"C": [1]}, refit=False),
            StackingClassifier([("a", SVC())]),
            RFE(LinearRegression()),
            PCA(),
            FunctionTransformer(),
        ]
        return [[hasattr(each, name) for name in METHODS] for each in estimators]

    watched = abilities()
    tracklet.autolog(disable=True)
    assert watched == abilities()


class Exact(BaseEstimator):
    answer: object = None

    def fit(self, X, y=None, *more, option=1, **rest):
        self.seen_ = (X, y, more, option, rest)
        if isinstance(X, BaseException):
            raise X
        return type(self).answer


def test_s11_1_arguments_answer_and_error_are_the_very_objects():
    first, second, third, option, answer = (object() for _ in range(5))
    Exact.answer = answer
    estimator = Exact()
    assert estimator.fit(first, second, third, option=option, extra=answer) is answer
    seen = estimator.seen_
    assert seen[0] is first
    assert seen[1] is second
    assert seen[2][0] is third
    assert seen[3] is option
    assert list(seen[4]) == ["extra"]
    assert seen[4]["extra"] is answer
    error = LookupError("mine")
    with pytest.raises(LookupError) as caught:
        estimator.fit(error)
    assert caught.value is error
    assert (error.args, error.__cause__, error.__context__) == (("mine",), None, None)
    with pytest.raises(TypeError, match=r"fit\(\) missing 1 required positional argument: 'X'"):
        estimator.fit()


def test_s11_3_disabling_leaves_every_class_and_module_as_it_was(enable):
    def everything():
        tables = [vars(sklearn.metrics), vars(sklearn.model_selection)]
        tables += [vars(base) for cls in CLASSES for base in cls.__mro__]
        return [dict(table) for table in tables]

    def run():
        model = LogisticRegression(max_iter=300).fit(X, Y)
        sklearn.metrics.accuracy_score(Y, model.predict(X))
        PCA(2).fit_transform(X)
        return model.score(X, Y)

    run()  # what scikit-learn itself notes on its classes is noted
    tracklet.autolog(disable=True)
    before = everything()
    enable(log_models=False)
    run()
    assert hooks()
    assert any(
        watched.get(name) is not value
        for table, watched in zip(before, everything(), strict=True)
        for name, value in table.items()
    )
    tracklet.autolog(disable=True)
    after = everything()
    changed = [
        name
        for old, new in zip(before, after, strict=True)
        for name in {*old, *new}
        if old.get(name, old) is not new.get(name, new)
    ]
    assert changed == []


def test_s11_4_without_a_run_there_is_exactly_one_which_is_tagged_and_ended(enable, runs):
    enable(log_models=False)
    LogisticRegression(max_iter=300).fit(X, Y)
    assert tracklet.active_run() is None
    (run,) = runs()
    assert run.info.status == "FINISHED"
    assert run.info.end_time >= run.info.start_time
    assert run.data.tags["mlflow.autologging"] == "sklearn"
    assert tracklet.last_active_run().info.run_id == run.info.run_id
    with pytest.raises(ValueError, match="inconsistent"):
        LogisticRegression().fit(X, Y[:3])
    assert tracklet.active_run() is None
    assert [run.info.status for run in runs()] == ["FAILED", "FINISHED"]


def test_s11_5_a_run_of_the_users_gets_content_only_and_with_exclusive_nothing(enable, runs):
    enable(log_models=False)
    with tracklet.start_run(tags={"mine": "1"}) as run:
        LogisticRegression(max_iter=300).fit(X, Y)
        with pytest.raises(ValueError, match="inconsistent"):
            LogisticRegression().fit(X, Y[:3])
        assert tracklet.active_run() is run
        assert tracklet.get_run(run.info.run_id).info.status == "RUNNING"
    (found,) = runs()
    assert found.info.status == "FINISHED"
    assert found.data.tags["mine"] == "1"
    assert "mlflow.autologging" not in found.data.tags
    assert "training_score" in found.data.metrics
    enable(log_models=False, exclusive=True)
    with tracklet.start_run() as run:
        model = LogisticRegression(max_iter=300).fit(X, Y)
        model.score(X, Y)
    (exclusive, _) = runs()
    assert (exclusive.data.params, exclusive.data.metrics) == ({}, {})
    assert not [key for key in exclusive.data.tags if key.startswith(("tracklet", "estimator"))]
    assert exclusive.inputs.dataset_inputs == []


@pytest.mark.parametrize(
    "steps",
    [
        "tracklet.autolog(log_models=False); fit()",
        "import sklearn.linear_model; tracklet.autolog(log_models=False); fit()",
        "tracklet.sklearn.autolog(log_models=False); import sklearn; fit()",
        "from sklearn.linear_model import Ridge as R; "
        "tracklet.sklearn.autolog(log_models=False); R().fit([[0.], [1.]], [0, 1])",
    ],
    ids=["first", "generic after", "explicit first", "imported by name"],
)
def test_s11_7_a_fit_is_recorded_whenever_scikit_learn_was_imported(process, steps):
    script = f"""
        import tracklet

        def fit():
            from sklearn.linear_model import Ridge
            Ridge().fit([[0.], [1.]], [0, 1])

        {steps}
        (run,) = tracklet.search_runs(output_format="list")
        assert run.data.params["alpha"] == "1.0"
        assert run.info.status == "FINISHED"
    """
    process(script)


@pytest.mark.parametrize(
    ("model", "data", "kind"),
    [
        (RandomForestClassifier(3, random_state=0), (X[:100], Y[:100]), "classifier"),
        (RandomForestClassifier(3, random_state=0), (X, Y), "classifier"),
        (LinearRegression(), (X, Y), "regressor"),
        (KMeans(3, n_init=1, random_state=0), (X,), "clusterer"),
        (KMeans(3, n_init=1, random_state=0), (X, Y), "clusterer with labels"),
    ],
    ids=["binary", "multiclass", "linear", "kmeans", "kmeans with labels"],
)
def test_s11_9_params_metrics_tags_and_artifacts_are_exactly_these(enable, runs, model, data, kind):
    enable(iteration_metrics="none", log_plots=True, log_html=True)
    model.fit(*data)
    (run,) = runs()
    score = {"training_score"}
    assert (
        set(run.data.metrics)
        == {
            "classifier": score
            | {
                "training_precision_score",
                "training_recall_score",
                "training_f1_score",
                "training_accuracy_score",
                "training_log_loss",
                "training_roc_auc",
            },
            "regressor": score
            | {
                "training_mean_squared_error",
                "training_mean_absolute_error",
                "training_r2_score",
                "training_root_mean_squared_error",
            },
            "clusterer": set(),
            "clusterer with labels": score,
        }[kind]
    )
    assert run.data.params == {key: str(value) for key, value in model.get_params().items()}
    own = {key: value for key, value in run.data.tags.items() if "." not in key}
    cls = type(model)
    assert own == {
        "estimator_name": cls.__name__,
        "estimator_class": f"{cls.__module__}.{cls.__name__}",
    }
    plots = set()
    if kind == "classifier":
        plots.add("training_confusion_matrix.png")
        if len(np.unique(data[1])) == 2:
            plots |= {"training_roc_curve.png", "training_precision_recall_curve.png"}
    paths = {each.path for each in tracklet.TrackletClient().list_artifacts(run.info.run_id)}
    assert paths == plots | {"estimator.html", "model"}
    assert len(run.outputs.model_outputs) == len(run.inputs.dataset_inputs) == 1
    if score <= set(run.data.metrics):
        assert run.data.metrics["training_score"] == pytest.approx(model.score(*data))


def test_s11_2_r1_a_failing_store_costs_one_warning_and_no_result(monkeypatch, caplog, tmp_path):
    monkeypatch.delenv("TRACKLET_STRICT")
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("TRACKLET_TRACKING_URI", str(blocked / "mlruns"))
    with caplog.at_level(logging.WARNING):
        model = LogisticRegression(max_iter=300).fit(X, Y)
    assert model.score(X, Y) > 0.9
    assert len([record for record in caplog.records if record.name.startswith("tracklet")]) == 1


def test_s11_8_silent_says_nothing_and_the_frameworks_warnings_stay(process):
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
    done = process(script)
    assert "ConvergenceWarning" in done.stderr
    assert "tracklet" not in done.stderr


def test_s11_19_many_params_and_points_and_long_values_are_all_kept(enable, runs):
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


def test_s11_20_the_logged_model_has_the_runs_metrics_and_params_and_is_registered(enable, runs):
    enable(registered_model_name="iris", iteration_metrics="none")
    LogisticRegression(max_iter=300, C=0.5).fit(X, Y)
    (run,) = runs()
    model = tracklet.get_logged_model(run.outputs.model_outputs[0].model_id)
    assert {metric.key: metric.value for metric in model.metrics} == run.data.metrics
    assert model.params == run.data.params
    version = tracklet.TrackletClient().get_model_version("iris", "1")
    assert version.run_id == run.info.run_id
