"""What is measured of which estimators; and what is left out, the run says."""

from __future__ import annotations

import functools
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import average_precision_score, precision_score, roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

import tracklet
from tracklet_integrations.sklearn import plots

X, Y = load_breast_cancer(return_X_y=True)
X, Y = X[::10, :4], Y[::10]
ALL = "tracklet.training_metrics"


@pytest.fixture(autouse=True)
def on(tracklet_home, monkeypatch):
    monkeypatch.setenv("TRACKLET_STRICT", "1")
    enable()
    yield
    tracklet.autolog(disable=True)


def enable(**options):
    quiet = {"log_plots": False, "log_html": False, "log_models": False, "max_tuning_runs": 0}
    tracklet.sklearn.autolog(**{**quiet, **options})


def my_scorer(estimator, X, y):
    my_scorer.calls += 1
    return float(np.mean(estimator.predict(X) == y))


def doubled(values):
    return values * 2


class Mine(BaseEstimator, TransformerMixin):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X


def test_a_search_that_is_scored_by_the_users_function_is_measured_by_all_but_that(record):
    my_scorer.calls = 0
    enable(log_models=True)
    search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, scoring=my_scorer, cv=2)
    search.fit(X, Y)
    assert my_scorer.calls == 4
    run = record.only()
    assert run.data.metrics["training_accuracy_score"] == np.mean(search.predict(X) == Y)
    assert run.data.tags[ALL] == "left out: training_score: scoring is a function of yours"
    info = tracklet.models.get_model_info(f"runs:/{run.info.run_id}/model")
    assert info.signature.outputs is not None


def test_models_of_installed_libraries_are_measured_wherever_they_stand(record):
    lightgbm = pytest.importorskip("lightgbm")
    booster = lightgbm.LGBMClassifier(n_estimators=2, verbosity=-1, n_jobs=1)
    for model in (
        make_pipeline(StandardScaler(), booster),
        VotingClassifier([("a", booster), ("b", GaussianNB())]),
        make_pipeline(FunctionTransformer(np.log1p), GaussianNB()),
    ):
        model.fit(X, Y)
    for run in record.runs():
        assert "training_accuracy_score" in run.data.metrics
        assert ALL not in run.data.tags


@pytest.mark.parametrize(
    ("step", "named"),
    [
        (Mine(), "Mine"),
        (FunctionTransformer(doubled), "doubled"),
        (FunctionTransformer(functools.partial(doubled)), "doubled"),
        (FunctionTransformer(np.vectorize(doubled)), "doubled"),
        (FunctionTransformer(lambda values: values), "<lambda>"),
    ],
    ids=["class", "function", "partial", "vectorized", "lambda"],
)
def test_what_would_run_the_users_code_is_not_measured_and_the_run_names_it(record, step, named):
    make_pipeline(step, GaussianNB()).fit(X, Y)
    data = record.only().data
    assert not any(key.startswith("training_") for key in data.metrics)
    assert named in data.tags[ALL]
    assert "training_metrics='all'" in data.tags[ALL]


@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize("model", [GaussianNB(), LinearSVC()], ids=["probabilities", "distances"])
def test_the_positive_class_reaches_the_curves(monkeypatch, positive, model):
    titles = []
    monkeypatch.setattr(plots, "_curve", lambda x, y, title, *labels: titles.append(title) or b"")
    enable(pos_label=positive, log_plots=True)
    model.fit(X, Y)
    tracklet.autolog.flush()
    if isinstance(model, GaussianNB):
        scores = model.predict_proba(X)[:, positive]
    else:
        scores = model.decision_function(X) * (2 * positive - 1)
    assert titles == [
        f"ROC curve (AUC = {roc_auc_score(positive == Y, scores):.3f})",
        f"Precision-recall curve (AP = {average_precision_score(positive == Y, scores):.3f})",
    ]


def test_a_positive_class_that_there_is_not_is_said(record, caplog):
    enable(pos_label="1")
    GaussianNB().fit(X, Y)
    data = record.only().data
    assert "pos_label='1' is none of the labels [0, 1]" in data.tags[ALL]
    assert "pos_label='1'" in caplog.text
    assert "training_accuracy_score" in data.metrics
    assert "training_f1_score" not in data.metrics
    enable(pos_label=0)
    model = GaussianNB().fit(X, Y)
    expected = precision_score(Y, model.predict(X), pos_label=0)
    assert record.runs()[0].data.metrics["training_precision_score"] == expected


def test_weights_that_a_pipeline_passes_on_are_those_of_its_metrics(record):
    weight = np.linspace(0.1, 3.0, len(X))
    model = make_pipeline(StandardScaler(), GaussianNB())
    model.fit(X, Y, gaussiannb__sample_weight=weight)
    expected = np.average(model.predict(X) == Y, weights=weight)
    assert record.only().data.metrics["training_accuracy_score"] == expected


def test_a_search_at_the_end_of_a_pipeline_leaves_its_trials(record):
    search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2)
    make_pipeline(StandardScaler(), search).fit(X, Y)
    run = record.only()
    assert {"trials.json", "cv_results.csv"} <= record.files(run)
    assert run.data.params["best_max_depth"] in ("1", "2")
    assert "best_cv_score" in run.data.metrics


class Frame(pd.DataFrame):
    @property
    def _constructor(self):
        raise AssertionError("the user's code was run")


class Array(np.ndarray):
    def __getitem__(self, key):
        raise AssertionError("the user's code was run")


def test_frames_and_arrays_of_a_subclass_are_read_as_the_librarys_own(record):
    GaussianNB().fit(Frame(X, columns=list("abcd")), Y)
    GaussianNB().fit(X.view(Array), Y)
    for run in record.runs():
        assert "training_accuracy_score" in run.data.metrics
        assert len(run.inputs.dataset_inputs) == 1


class Rows:
    """Data of the user's own kind."""

    def __array__(self, dtype=None, copy=None):
        return X


def test_data_that_cannot_be_read_are_named(record):
    GaussianNB().fit(Rows(), Y)
    tags = record.only().data.tags
    assert "Rows" in tags["tracklet.dataset"]
    assert "Rows" in tags[ALL]


def test_data_that_the_fit_may_have_overwritten_are_no_training_data_and_the_run_says_so(record):
    Ridge(copy_X=False).fit(X.copy(), Y)
    assert "copy_X=False" in record.only().data.tags[ALL]


def test_params_are_the_same_in_every_process(record):
    model = make_pipeline(FunctionTransformer(doubled), GaussianNB())
    model.fit(X, Y)
    assert all(" at 0x" not in value for value in record.only().data.params.values())
    assert "doubled" in record.only().data.params["functiontransformer__func"]


def test_a_fit_that_fails_leaves_its_params(record):
    for model in (
        make_pipeline(StandardScaler(), GaussianNB()),
        GridSearchCV(GaussianNB(), {"var_smoothing": [1e-9]}, cv=2),
    ):
        with pytest.raises(ValueError, match="inconsistent"):
            model.fit(X, Y[:-1])
    search, pipeline = record.runs()
    assert "gaussiannb__var_smoothing" in pipeline.data.params
    assert "param_grid" in search.data.params
    assert {search.info.status, pipeline.info.status} == {"FAILED"}


def test_the_page_of_an_estimator_says_nothing_of_its_docstring(tracklet_home):
    code = (
        "import warnings; warnings.simplefilter('error')\n"
        "import tracklet; tracklet.sklearn.autolog(log_models=False)\n"
        "from sklearn.base import BaseEstimator\n"
        "class Mine(BaseEstimator):\n"
        "    '''A model.\\n\\n    Parameters\\n    ---\\n    alpha : float\\n        x\\n\\n"
        "    Anything\\n    --------\\n    y\\n    '''\n"
        "    def __init__(self, alpha=1): self.alpha = alpha\n"
        "    def fit(self, X, y=None): self.fitted_ = True; return self\n"
        "Mine().fit([[0.0]])\n"
        "tracklet.autolog.flush()\n"
        "run = tracklet.last_active_run()\n"
        "assert 'tracklet.faults' not in run.data.tags, run.data.tags\n"
        "print([each.path for each in tracklet.artifacts.list_artifacts(run_id=run.info.run_id)])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "estimator.html" in done.stdout
    assert "underline" not in done.stderr


@pytest.mark.parametrize("form", ["coo", "dia", "lil", "csc"])
def test_sparse_matrices_of_every_form_are_measured_described_and_have_a_signature(record, form):
    enable(log_models=True)
    model = LogisticRegression().fit(scipy.sparse.csr_matrix(X).asformat(form), Y)
    run = record.only()
    assert run.data.metrics["training_accuracy_score"] == np.mean(model.predict(X) == Y)
    assert len(run.inputs.dataset_inputs) == 1
    info = tracklet.models.get_model_info(f"runs:/{run.info.run_id}/model")
    assert info.signature.inputs is not None
    assert info.signature.outputs is not None


def test_an_arrow_table_is_measured_and_described(record):
    arrow = pytest.importorskip("pyarrow")
    table = arrow.table({name: X[:, n] for n, name in enumerate("abcd")})
    model = LogisticRegression().fit(table, Y)
    run = record.only()
    assert run.data.metrics["training_accuracy_score"] == np.mean(model.predict(table) == Y)
    assert run.inputs.dataset_inputs or "tracklet.dataset" in run.data.tags
