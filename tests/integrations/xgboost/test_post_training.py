"""What the user computes of a fitted wrapper belongs to the wrapper's run."""

from __future__ import annotations

import json

import numpy as np
import pytest
import sklearn.metrics
import xgboost as xgb
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score

import tracklet

pytestmark = pytest.mark.usefixtures("on")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)


def later_metrics(record, run_id):
    tracklet.autolog.flush()
    run = tracklet.get_run(run_id)
    assert "tracklet.faults" not in run.data.tags
    return {key for key in run.data.metrics if not key.startswith("training_")}


@pytest.mark.parametrize("others", [[], ["sklearn"], ["sklearn", "lightgbm"]])
def test_s11_11_predictions_and_scores_are_recorded_once_whichever_integrations_are_on(
    record, others
):
    """The keys, texts and inputs are MLflow's; interop/test_boosters.py compares them."""
    for name in others:
        getattr(tracklet, name).autolog()
    model = xgb.XGBClassifier(n_estimators=2, n_jobs=1).fit(X, Y)
    X_te, y_te = X[:30], Y[:30]
    p = model.predict(X_te)
    sklearn.metrics.accuracy_score(y_te, p)
    sklearn.metrics.log_loss(y_te, model.predict_proba(X_te))
    score = model.score(X_te, y_te)
    run = record.only()
    names = {"XGBClassifier_score_X_te", "accuracy_score_X_te", "log_loss_X_te"}
    assert later_metrics(record, run.info.run_id) == names
    run = record.only()
    assert record.history(run, "XGBClassifier_score_X_te") == [(0, score)]
    assert record.history(run, "accuracy_score_X_te") == [(0, score)]
    texts = json.loads(record.artifact(run, "metric_info.json").read_text())
    assert texts["XGBClassifier_score_X_te"] == "XGBClassifier.score(X=X_te, y=y_te)"
    assert texts["accuracy_score_X_te"] == "accuracy_score(y_true=y_te, y_pred=p)"
    contexts = {tag.value for each in run.inputs.dataset_inputs for tag in each.tags}
    assert contexts == {"train", "eval"}
    assert names <= {metric.key for metric in record.logged(run).metrics}


def test_a_score_of_a_search_belongs_to_its_run(record):
    search = GridSearchCV(xgb.XGBClassifier(n_estimators=2, n_jobs=1), {"max_depth": [1]}, cv=2)
    search.fit(X, Y)
    search.score(X, Y)
    sklearn.metrics.accuracy_score(Y, search.predict(X))
    run_id = record.outermost().info.run_id
    found = later_metrics(record, run_id)
    assert {"GridSearchCV_score_X", "accuracy_score_X"} <= found


def test_what_is_computed_of_two_models_in_one_run_is_numbered_together(record):
    """One of them is XGBoost's, the other scikit-learn's."""
    tracklet.sklearn.autolog(log_plots=False, log_html=False, training_metrics="none")
    with tracklet.start_run() as run:
        one = xgb.XGBClassifier(n_estimators=2, n_jobs=1).fit(X, Y)
        other = LogisticRegression().fit(X, Y)
        for model in (one, other):
            sklearn.metrics.accuracy_score(Y, model.predict(X))
    found = later_metrics(record, run.info.run_id)
    assert {"accuracy_score_X", "accuracy_score-2_X"} <= found
    texts = json.loads(record.artifact(run, "metric_info.json").read_text())
    assert set(texts) == {"accuracy_score_X", "accuracy_score-2_X"}


def test_w8_turning_scikit_learns_integration_off_leaves_the_boosters_evaluations_on(record):
    tracklet.sklearn.autolog()
    tracklet.sklearn.autolog(disable=True)
    model = xgb.XGBRegressor(n_estimators=2, n_jobs=1).fit(X, Y)
    model.score(X, Y)
    run = record.only()
    assert later_metrics(record, run.info.run_id) == {"XGBRegressor_score_X"}


def test_cross_validation_of_a_fitted_wrapper_adds_nothing(record):
    model = xgb.XGBClassifier(n_estimators=2, n_jobs=1).fit(X, Y)
    cross_val_score(model, X, Y, cv=2)
    assert later_metrics(record, record.only().info.run_id) == set()
