"""Training metrics are, to the last bit, what scikit-learn's own functions give."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics
from sklearn.datasets import make_classification
from sklearn.ensemble import BaggingClassifier, ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

import tracklet

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
