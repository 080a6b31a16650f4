"""What a fit leaves on the record."""

from __future__ import annotations

import csv
import json
import logging
import threading
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris, make_regression
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import tracklet

X, Y = load_iris(return_X_y=True)
BINARY_X, BINARY_Y = X[:100], Y[:100]
CLASSIFIER_METRICS = {
    "training_precision_score",
    "training_recall_score",
    "training_f1_score",
    "training_accuracy_score",
    "training_log_loss",
    "training_roc_auc",
    "training_score",
}
REGRESSOR_METRICS = {
    "training_mean_squared_error",
    "training_mean_absolute_error",
    "training_r2_score",
    "training_root_mean_squared_error",
    "training_score",
}


def enable(**options):
    """With what MLflow records too; the rest has tests of its own."""
    quiet = {
        "iteration_metrics": "none",
        "log_plots": False,
        "max_tuning_runs": 0,
        "log_post_training_metrics": False,
    }
    tracklet.sklearn.autolog(**{**quiet, **options})


@pytest.fixture(autouse=True)
def on(tracklet_home, monkeypatch):
    monkeypatch.setenv("TRACKLET_STRICT", "1")
    enable()
    yield
    tracklet.autolog(disable=True)


def runs():
    return tracklet.search_runs(output_format="list", search_all_experiments=True)


def only_run():
    (run,) = runs()
    assert "tracklet.faults" not in run.data.tags
    return run


def test_s11_9_classifier_leaves_params_tags_metrics_dataset_and_a_model_that_predicts_the_same():
    model = RandomForestClassifier(n_estimators=3, random_state=0).fit(X, Y)
    run = only_run()
    assert run.data.params == {key: str(value) for key, value in model.get_params().items()}
    assert set(run.data.metrics) == CLASSIFIER_METRICS
    assert run.data.metrics["training_score"] == model.score(X, Y)
    own = {key: value for key, value in run.data.tags.items() if "." not in key}
    assert own == {
        "estimator_name": "RandomForestClassifier",
        "estimator_class": "sklearn.ensemble._forest.RandomForestClassifier",
    }
    (dataset,) = run.inputs.dataset_inputs
    assert dataset.dataset.name == "dataset"
    assert [(tag.key, tag.value) for tag in dataset.tags] == [("mlflow.data.context", "train")]
    (output,) = run.outputs.model_outputs
    logged = tracklet.get_logged_model(output.model_id)
    assert logged.params == run.data.params
    assert {metric.key for metric in logged.metrics} == CLASSIFIER_METRICS
    loaded = tracklet.sklearn.load_model(f"runs:/{run.info.run_id}/model")
    assert np.array_equal(loaded.predict(X), model.predict(X))


def test_signature_comes_from_the_first_rows_and_the_answer_to_them():
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    LogisticRegression(max_iter=500).fit(frame, Y)
    run = only_run()
    model = tracklet.models.get_model_info(f"runs:/{run.info.run_id}/model")
    assert model.signature.inputs.input_names() == ["a", "b", "c", "d"]
    assert model.signature.outputs is not None


def test_s11_9_regressor_leaves_its_metrics():
    features, targets = make_regression(50, 3, noise=1.0, random_state=0)
    weights = np.linspace(1, 2, 50)
    model = LinearRegression().fit(features, targets, sample_weight=weights)
    metrics = only_run().data.metrics
    assert set(metrics) == REGRESSOR_METRICS
    assert metrics["training_r2_score"] == model.score(features, targets, weights)
    assert metrics["training_score"] == metrics["training_r2_score"]


def test_positive_class_makes_the_metrics_binary():
    enable(pos_label=1)
    predicted = SVC(C=0.001).fit(BINARY_X, BINARY_Y).predict(BINARY_X)
    from sklearn.metrics import precision_score

    metrics = only_run().data.metrics
    assert metrics["training_precision_score"] == precision_score(BINARY_Y, predicted, pos_label=1)
    assert "training_log_loss" not in metrics


def test_pipeline_is_one_run_with_the_params_of_its_steps():
    pipeline = make_pipeline(StandardScaler(), PCA(2), LogisticRegression(C=0.5))
    pipeline.fit(X, Y)
    run = only_run()
    assert run.data.tags["estimator_name"] == "Pipeline"
    assert run.data.params["logisticregression__C"] == "0.5"
    assert run.data.params["standardscaler__copy"] == "True"
    assert run.data.metrics["training_score"] == pipeline.score(X, Y)
    assert len(run.outputs.model_outputs) == 1


@pytest.mark.parametrize("backend", ["sequential", "threading", "loky"])
def test_r26_search_is_one_run_with_its_best_whatever_runs_its_candidates(backend):
    import joblib

    search = GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.1, 1.0]}, cv=3, n_jobs=2)
    with joblib.parallel_config(backend):
        search.fit(X, Y)
    run = only_run()
    assert run.data.params["best_C"] == str(search.best_params_["C"])
    assert "estimator__C" not in run.data.params
    assert run.data.metrics["best_cv_score"] == search.best_score_
    assert set(run.data.metrics) == CLASSIFIER_METRICS | {"best_cv_score"}
    names = {tracklet.get_logged_model(each.model_id).name for each in run.outputs.model_outputs}
    assert names == {"model", "best_estimator"}
    path = tracklet.artifacts.download_artifacts(
        run_id=run.info.run_id, artifact_path="cv_results.csv"
    )
    rows = list(csv.DictReader(Path(path).read_text().splitlines()))
    assert [float(row["mean_test_score"]) for row in rows] == list(
        search.cv_results_["mean_test_score"]
    )


def test_search_without_refit_on_lists_and_other_searches_are_recorded_too():
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401 (makes the next possible)
    from sklearn.model_selection import HalvingGridSearchCV

    grid = {"max_depth": [1, 2]}
    GridSearchCV(DecisionTreeClassifier(), grid, cv=2, refit=False).fit(X.tolist(), Y.tolist())
    HalvingGridSearchCV(DecisionTreeClassifier(), grid, cv=2, min_resources=50).fit(X, Y)
    halving, plain = runs()
    assert "best_max_depth" in plain.data.params
    assert plain.data.metrics["best_cv_score"] > 0
    assert "training_score" not in plain.data.metrics
    assert "best_max_depth" in halving.data.params


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_meta_estimators_are_recorded_once(n_jobs):
    import joblib

    voters = [("a", LogisticRegression(max_iter=500)), ("b", DecisionTreeClassifier())]
    with joblib.parallel_config("threading"):
        VotingClassifier(voters, voting="soft", n_jobs=n_jobs).fit(X, Y)
    assert only_run().data.tags["estimator_name"] == "VotingClassifier"


def test_joblib_threads_of_the_users_record_each_fit():
    import joblib

    jobs = (joblib.delayed(LogisticRegression(C=c, max_iter=500).fit)(X, Y) for c in (0.1, 0.2))
    joblib.Parallel(2, backend="threading")(jobs)
    assert sorted(run.data.params["C"] for run in runs()) == ["0.1", "0.2"]


def test_r26_joblib_processes_record_nothing():
    import joblib

    jobs = (joblib.delayed(LogisticRegression(C=c, max_iter=500).fit)(X, Y) for c in (0.1, 0.2))
    fitted = joblib.Parallel(2, backend="loky")(jobs)
    assert [model.C for model in fitted] == [0.1, 0.2]
    assert runs() == []


def test_threads_of_the_users_have_runs_of_their_own():
    threads = [
        threading.Thread(target=lambda c=c: LogisticRegression(C=c, max_iter=500).fit(X, Y))
        for c in (0.1, 0.2, 0.3, 0.4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = runs()
    assert sorted(run.data.params["C"] for run in found) == ["0.1", "0.2", "0.3", "0.4"]
    assert all(set(run.data.metrics) == CLASSIFIER_METRICS for run in found)


@pytest.mark.parametrize("function", [cross_val_score, cross_validate, cross_val_predict])
def test_s11_12_cross_validation_creates_no_run_and_adds_nothing_to_the_users(function):
    function(LogisticRegression(max_iter=500), X, Y, cv=2)
    assert runs() == []
    with tracklet.start_run():
        function(LogisticRegression(max_iter=500), X, Y, cv=2, n_jobs=2)
    (run,) = runs()
    assert run.data.params == run.data.metrics == {}


def test_preparing_data_alone_is_no_training():
    StandardScaler().fit(X)
    StandardScaler().fit_transform(X)
    ColumnTransformer([("pca", PCA(1), [0, 1])]).fit(X)
    assert runs() == []
    FeatureUnion([("pca", PCA(1))]).fit(X)
    assert only_run().data.tags["estimator_name"] == "FeatureUnion"


def test_unsupervised_and_transforming_estimators_are_recorded_once():
    labels = KMeans(3, n_init=1, random_state=0).fit_predict(X)
    reduced = PCA(2).fit_transform(X)
    assert labels.shape == (150,)
    assert reduced.shape == (150, 2)
    pca, kmeans = runs()
    assert (kmeans.data.tags["estimator_name"], kmeans.data.metrics) == ("KMeans", {})
    assert (pca.data.tags["estimator_name"], pca.data.metrics) == ("PCA", {})
    for run in (pca, kmeans):
        info = tracklet.models.get_model_info(f"runs:/{run.info.run_id}/model")
        assert info.signature.outputs is not None


class Spy(ClassifierMixin, BaseEstimator):
    calls: ClassVar[list[str]] = []

    def __init__(self, width=1):
        self.width = width

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        Spy.calls.append("predict")
        return np.full(len(X), self.classes_[0])

    def predict_proba(self, X):
        Spy.calls.append("predict_proba")
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    def score(self, X, y):
        Spy.calls.append("score")
        return 0.25


def test_r7_estimator_of_the_users_is_recorded_without_one_call_to_it():
    Spy.calls.clear()
    Spy().fit(X, Y)
    make_pipeline(StandardScaler(), Spy()).fit(X, Y)
    make_pipeline(FunctionTransformer(lambda rows: rows), LogisticRegression(max_iter=500)).fit(
        X, Y
    )
    assert Spy.calls == []
    found = runs()
    assert len(found) == 3
    assert all(run.data.metrics == {} for run in found)
    assert all(len(run.outputs.model_outputs) <= 1 for run in found)


def test_training_metrics_all_calls_the_users_estimator_once_each():
    enable(training_metrics="all")
    Spy.calls.clear()
    Spy().fit(X, Y)
    assert Spy.calls == ["predict", "predict_proba", "score"]
    assert only_run().data.metrics["training_score"] == 0.25


def test_training_metrics_none_computes_none():
    enable(training_metrics="none")
    LogisticRegression(max_iter=500).fit(X, Y)
    assert only_run().data.metrics == {}


def test_training_metrics_over_the_time_budget_are_left_out_and_the_run_says_so():
    enable(training_metrics_seconds=0.0, log_models=False, log_datasets=False)
    features = np.random.default_rng(0).normal(size=(30_000, 2))
    LinearRegression().fit(features, features[:, 0])
    run = only_run()
    assert run.data.metrics == {}
    assert "training_metrics_seconds=0" in run.data.tags["tracklet.training_metrics"]


def test_w20_class_defined_after_enabling_is_watched_and_a_subclass_is_recorded_once():
    class Later(RegressorMixin, BaseEstimator):
        def fit(self, X, y=None):
            return self

        def predict(self, X):
            return np.zeros(len(X))

    class Child(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            return super().fit(X, y, sample_weight)

    Later().fit(X, Y)
    Child(max_iter=500).fit(X, Y)
    child, later = runs()
    assert later.data.tags["estimator_name"] == "Later"
    assert child.data.tags["estimator_name"] == "Child"
    tracklet.autolog(disable=True)
    assert "__init_subclass__" not in vars(BaseEstimator)
    assert type(vars(Later)["fit"]).__name__ == "function"
    assert type(vars(Child)["fit"]).__name__ == "function"

    class TooLate(TransformerMixin, BaseEstimator):
        def fit(self, X, y=None):
            return self

    assert type(vars(TooLate)["fit"]).__name__ == "function"


def test_module_imported_after_enabling_is_watched():
    from sklearn.isotonic import IsotonicRegression

    IsotonicRegression().fit(X[:, 0], Y)
    assert only_run().data.tags["estimator_name"] == "IsotonicRegression"


def test_s11_5_fit_into_a_run_of_the_users_adds_content_only():
    with tracklet.start_run(run_name="mine") as run:
        LogisticRegression(max_iter=500).fit(X, Y)
        assert tracklet.active_run() is run
    found = only_run()
    assert found.info.run_name == "mine"
    assert set(found.data.metrics) == CLASSIFIER_METRICS
    assert "mlflow.autologging" not in found.data.tags


def test_switches_leave_out_what_they_say():
    enable(log_models=False, log_datasets=False)
    LogisticRegression(max_iter=500).fit(X, Y)
    run = only_run()
    assert run.outputs.model_outputs == []
    assert run.inputs.dataset_inputs == []
    assert set(run.data.metrics) == CLASSIFIER_METRICS


def test_input_example_signature_and_registration_follow_their_switches():
    enable(log_input_examples=True, log_model_signatures=False, registered_model_name="iris")
    LogisticRegression(max_iter=500).fit(X, Y)
    run = only_run()
    info = tracklet.models.get_model_info(f"runs:/{run.info.run_id}/model")
    assert info.saved_input_example_info is not None
    assert info.signature is None
    assert tracklet.TrackletClient().get_model_version("iris", "1").run_id == run.info.run_id


@pytest.mark.parametrize("serialization_format", ["pickle", "cloudpickle", "skops"])
def test_serialization_format_is_obeyed(serialization_format):
    enable(serialization_format=serialization_format)
    LogisticRegression(max_iter=500).fit(X, Y)
    run = only_run()
    info = tracklet.models.get_model_info(f"runs:/{run.info.run_id}/model")
    assert info.flavors["sklearn"]["serialization_format"] == serialization_format


@pytest.mark.parametrize(
    "options",
    [
        {"max_tuning_runs": -1},
        {"serialization_format": "json"},
        {"training_metrics": "some"},
        {"training_metrics_seconds": float("nan")},
        {"extra_tags": 3},
    ],
)
def test_option_that_breaks_its_rule_is_refused(options):
    with pytest.raises(tracklet.TrackletException, match=next(iter(options))):
        tracklet.sklearn.autolog(**options)


def sparse(values):
    from scipy.sparse import csr_matrix

    return csr_matrix(values)


def polars(values):
    import polars as pl

    return pl.DataFrame(values, schema=["a", "b", "c", "d"])


@pytest.mark.parametrize(
    "kind",
    [
        np.asarray,
        np.asfortranarray,
        np.ma.masked_array,
        pd.DataFrame,
        sparse,
        polars,
        list,
        lambda values: values.tolist(),
    ],
    ids=["array", "fortran", "masked", "pandas", "sparse", "polars", "list", "lists"],
)
@pytest.mark.filterwarnings("default")  # some inputs warn in scikit-learn itself
def test_every_kind_of_training_data_is_recorded_and_untouched(kind):
    data = kind(X)
    model = LogisticRegression(max_iter=500).fit(data, Y)
    run = only_run()
    assert set(run.data.metrics) == CLASSIFIER_METRICS
    assert run.data.metrics["training_score"] == model.score(data, Y)
    assert len(run.outputs.model_outputs) == 1


@pytest.mark.parametrize(
    "labels",
    [
        Y.astype(str),
        Y.tolist(),
        pd.Series(Y),
        np.zeros_like(Y) + (np.arange(len(Y)) % 2),
    ],
    ids=["strings", "list", "series", "binary"],
)
def test_every_kind_of_labels_gives_all_metrics(labels):
    DecisionTreeClassifier(max_depth=1).fit(X, labels)
    assert set(only_run().data.metrics) == CLASSIFIER_METRICS


def test_multi_label_and_multi_output_give_what_is_defined():
    several = np.stack([Y == 0, Y == 1], axis=1).astype(int)
    DecisionTreeClassifier().fit(X, several)
    MultiOutputClassifier(LogisticRegression(max_iter=500)).fit(X, several)
    LinearRegression().fit(X, several)
    linear, multi, tree = runs()
    assert "training_accuracy_score" in tree.data.metrics
    assert "training_score" in multi.data.metrics
    assert set(linear.data.metrics) == REGRESSOR_METRICS


def test_r10_one_shot_iterator_is_consumed_by_the_estimator_alone():
    from sklearn.feature_extraction.text import CountVectorizer

    taken = []

    def texts():
        for text in ("a b", "b c", "c d", "d e"):
            taken.append(text)
            yield text

    make_pipeline(CountVectorizer(token_pattern=r"\w"), LogisticRegression()).fit(
        texts(), [0, 1, 0, 1]
    )
    assert taken == ["a b", "b c", "c d", "d e"]
    run = only_run()
    assert run.data.metrics == {}
    assert len(run.outputs.model_outputs) == 1


def test_training_that_may_overwrite_its_data_gets_no_metrics_on_it():
    data = np.array(X)
    LinearRegression(copy_X=False).fit(data, Y)
    assert only_run().data.metrics == {}


def test_one_class_is_no_reason_to_fail():
    DecisionTreeClassifier().fit(X, np.ones(len(X)))
    metrics = only_run().data.metrics
    assert metrics["training_accuracy_score"] == 1.0
    assert "training_roc_auc" not in metrics


def test_multi_class_with_sample_weights_gives_all_but_the_area():
    LogisticRegression(max_iter=500).fit(X, Y, sample_weight=np.ones(len(Y)))
    assert set(only_run().data.metrics) == CLASSIFIER_METRICS - {"training_roc_auc"}


def test_s11_4_users_exception_marks_the_run_with_its_params():
    with pytest.raises(ValueError, match="negative"):
        _raise_in_fit()
    run = only_run()
    assert run.info.status == "FAILED"
    assert run.data.tags["tracklet.end_reason"] == "exception: ValueError"
    assert run.data.params["functiontransformer__validate"] == "False"
    assert run.outputs.model_outputs == []


def _raise_in_fit():
    def fail(rows):
        raise ValueError("negative")

    make_pipeline(FunctionTransformer(fail), LinearRegression()).fit(X, Y)


def test_model_that_cannot_be_pickled_costs_the_model_only(monkeypatch, caplog):
    monkeypatch.delenv("TRACKLET_STRICT")

    class Locked(BaseEstimator):
        def fit(self, X, y=None):
            self.lock_ = threading.Lock()
            return self

    with caplog.at_level(logging.WARNING):
        Locked().fit(X)
    (run,) = runs()
    assert run.info.status == "FINISHED"
    assert run.data.tags["estimator_name"] == "Locked"
    assert json.loads(run.data.tags["tracklet.faults"])["count"] == 1
    assert len(caplog.records) == 1


def test_plan_lists_every_watched_class():
    (entry,) = [each for each in tracklet.autolog.plan() if each.name == "sklearn"]
    assert "sklearn.linear_model._logistic.LogisticRegression.fit" in entry.hooks
    assert "sklearn.pipeline.Pipeline.fit_predict" in entry.hooks
    assert "sklearn.model_selection._validation._fit_and_score" in entry.hooks
    assert any("predict may have side effects" in why for why in entry.omits.values())


def test_r18_importing_scikit_learn_is_watched_without_importing_more_of_it(tracklet_home):
    import subprocess
    import sys

    script = (
        "import sys\n{}\nimport sklearn.linear_model\n"
        "print(*sorted(m for m in sys.modules if m.split('.')[0] == 'sklearn'))"
    )
    plain, watched = (
        subprocess.run(
            [sys.executable, "-c", script.format(first)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for first in ("", "import tracklet; tracklet.autolog()")
    )
    assert watched == plain


def test_s11_1_hasattr_and_delegation_of_pipelines_keep_their_meaning():
    pipeline = Pipeline([("scale", StandardScaler()), ("svc", SVC())])
    assert not hasattr(pipeline, "fit_predict")
    assert hasattr(Pipeline([("scale", StandardScaler()), ("k", KMeans(2))]), "fit_predict")
    assert not hasattr(pipeline, "transform")


@pytest.mark.filterwarnings("ignore:Constructing a DIA")
@pytest.mark.parametrize("form", ["bsr", "coo", "dia", "dok"])
def test_sparse_data_in_any_format_gives_a_signature_that_takes_it(form):
    """Also in formats that cannot be sliced; the loaded model answers the very matrix."""
    table = getattr(scipy.sparse, f"{form}_matrix")(X)
    enable(log_models=True, log_input_examples=True)
    model = LogisticRegression(max_iter=200).fit(table, Y)
    loaded = tracklet.pyfunc.load_model(tracklet.last_logged_model().model_uri)
    assert loaded.signature.inputs.is_tensor_spec()
    assert loaded.predict(table).tolist() == model.predict(table).tolist()
    assert loaded.metadata.load_input_example().shape == (5, 4)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(X).convert_dtypes(dtype_backend="pyarrow"),
        pd.DataFrame(X, columns=pd.date_range("2020-01-01", periods=4)),
        pd.DataFrame(X, columns=pd.period_range("2020-01", periods=4, freq="M")),
        pd.DataFrame(X)
        .assign(c=pd.Series([1, None] * 75, dtype="Int64"))
        .set_axis(list("abcde"), axis=1),
    ],
    ids=["arrow", "dates", "periods", "gaps"],
)
def test_a_model_is_recorded_and_takes_its_frame(frame):
    """Whatever the dtypes and the names of its columns are."""
    enable(log_models=True, log_input_examples=True)
    model = HistGradientBoostingClassifier(max_iter=2).fit(frame, Y)
    loaded = tracklet.pyfunc.load_model(tracklet.last_logged_model().model_uri)
    assert len(loaded.signature.inputs) == frame.shape[1]
    assert loaded.predict(frame).tolist() == model.predict(frame).tolist()
