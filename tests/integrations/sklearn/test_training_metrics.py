"""Training metrics are, to the last bit, what scikit-learn's own functions give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.datasets import make_classification
from sklearn.ensemble import BaggingClassifier, ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

import tracklet
from tracklet_integrations.sklearn import training_metrics

NAMES = np.array(["often", "never", "sometimes"])


@pytest.mark.filterwarnings("ignore:A column-vector y was passed")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("labels", ["integers", "texts", "objects", "booleans", "list", "column"])
@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(5, max_depth=3, random_state=0),
        ExtraTreesClassifier(3, max_depth=2, random_state=0),
        BaggingClassifier(n_estimators=3, max_samples=0.1, random_state=0),
        BaggingClassifier(LogisticRegression(), n_estimators=2, random_state=0),
        LogisticRegression(),
        GaussianNB(),
    ],
    ids=lambda each: type(each).__name__,
)
def test_metrics_are_those_of_the_functions(record, estimator, labels, classes, weighted):
    if labels == "booleans" and classes > 2:
        pytest.skip("there are two of them")
    rows, codes = make_classification(
        200, 6, n_informative=4, n_classes=classes, flip_y=0.3, random_state=1
    )
    y = {
        "integers": codes,
        "texts": NAMES[codes],
        "objects": NAMES[codes].astype(object),
        "booleans": codes == 1,
        "list": NAMES[codes].tolist(),
        "column": codes[:, None],
    }[labels]
    weight = np.random.default_rng(0).uniform(0.1, 3.0, 200) if weighted else None
    tracklet.sklearn.autolog(log_models=False, log_plots=False, log_html=False)
    estimator.fit(rows, y, **({"sample_weight": weight} if weighted else {}))
    tracklet.sklearn.autolog(disable=True)

    flat = np.ravel(y)
    predicted, probabilities = estimator.predict(rows), estimator.predict_proba(rows)
    average = metrics.precision_recall_fscore_support(
        flat, predicted, average="weighted", sample_weight=weight, zero_division=0
    )
    expected = {
        "training_precision_score": average[0],
        "training_recall_score": average[1],
        "training_f1_score": average[2],
        "training_accuracy_score": metrics.accuracy_score(flat, predicted, sample_weight=weight),
        "training_score": estimator.score(rows, flat, sample_weight=weight),
        "training_log_loss": metrics.log_loss(flat, probabilities, sample_weight=weight),
    }
    if classes == 2:
        expected["training_roc_auc"] = metrics.roc_auc_score(
            flat, probabilities[:, 1], sample_weight=weight
        )
    elif not weighted:
        expected["training_roc_auc"] = metrics.roc_auc_score(
            flat, probabilities, average="weighted", multi_class="ovo"
        )
    found = {key: record.only().data.metrics.get(key) for key in expected}
    assert found == expected


def test_a_forest_is_asked_once_and_answers_as_it_predicts(record, monkeypatch):
    asked = []
    original = RandomForestClassifier.predict_proba

    def predict_proba(self, rows):
        asked.append(len(rows))
        return original(self, rows)

    rows, labels = make_classification(300, 5, flip_y=0.3, random_state=0)
    tracklet.sklearn.autolog(log_models=False, log_plots=False, log_html=False)
    monkeypatch.setattr(RandomForestClassifier, "predict_proba", predict_proba)
    forest = RandomForestClassifier(5, max_depth=2, random_state=0).fit(rows, labels)
    assert asked == [300]
    tracklet.sklearn.autolog(disable=True)
    run = record.only()
    assert run.data.metrics["training_accuracy_score"] == forest.score(rows, labels)


def test_predict_of_a_users_forest_is_the_users(record):
    class Contrary(RandomForestClassifier):
        def predict(self, X):
            return 1 - super().predict(X)

    rows, labels = make_classification(300, 5, random_state=0)
    tracklet.sklearn.autolog(
        log_models=False, log_plots=False, log_html=False, training_metrics="all"
    )
    forest = Contrary(5, max_depth=2, random_state=0).fit(rows, labels)
    tracklet.sklearn.autolog(disable=True)
    accuracy = metrics.accuracy_score(labels, forest.predict(rows))
    assert record.only().data.metrics["training_accuracy_score"] == accuracy < 0.5


def test_what_is_not_defined_is_left_out_and_the_run_says_why(record):
    rows, labels = make_classification(60, 6, n_informative=4, n_classes=3, random_state=1)
    tracklet.sklearn.autolog(log_models=False, log_plots=False, log_html=False)
    GaussianNB().fit(rows, labels, sample_weight=np.linspace(0.1, 1.0, 60))
    tracklet.sklearn.autolog(disable=True)
    data = record.only().data
    assert "training_roc_auc" not in data.metrics
    assert data.tags["tracklet.training_metrics"] == (
        "left out: training_roc_auc: multi-class ROC AUC takes no sample weights"
    )
    assert "training_log_loss" in data.metrics


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("single", [False, True])
@given(seed=st.integers(0, 2**32 - 1), digits=st.sampled_from([1, 2, 17]))
@settings(max_examples=30, deadline=None)
def test_what_is_computed_here_is_scikit_learns_to_the_last_bit(classes, single, seed, digits):
    """Whatever the probabilities, with many or few that are the same, in either precision."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.append(np.arange(classes), random.integers(0, classes, 80)))
    probabilities = random.dirichlet(np.ones(classes), len(labels)).round(digits)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    probabilities = probabilities.astype(np.float32 if single else float)
    scores = probabilities if classes > 2 else probabilities[:, 1]
    expected = metrics.roc_auc_score(labels, scores, average="weighted", multi_class="ovo")
    assert training_metrics.roc_auc(labels, probabilities) == expected
    expected = metrics.log_loss(labels, probabilities)
    assert training_metrics.log_loss(labels, probabilities) == expected
    predicted = probabilities.argmax(axis=1) % (2 if digits == 1 else classes)  # some never
    codes = training_metrics.Codes.of(labels, predicted)
    for positive in (None, 0, 1) if classes == 2 else (None,):
        average = {"average": "binary", "pos_label": positive}
        if positive is None:
            average = {"average": "weighted"}
        expected = metrics.precision_recall_fscore_support(
            labels, predicted, zero_division=0, **average
        )
        assert codes.precision_recall_f1(positive) == list(expected[:3])
