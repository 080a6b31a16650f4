"""Wrappers in the manner of scikit-learn: alone, in pipelines and in searches."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tracklet
from tracklet import models, pyfunc

pytestmark = pytest.mark.usefixtures("on")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
NOISY = np.where(RNG.random(200) < 0.3, 1 - Y, Y)
THREE = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
FRAME = pd.DataFrame(X, columns=["a", "b", "c", "d"])


def test_a_wrapper_is_one_run_whose_model_is_the_wrapper(record):
    model = xgb.XGBClassifier(n_estimators=3, n_jobs=1).fit(
        FRAME, THREE, eval_set=[(FRAME[:50], THREE[:50])], verbose=False
    )
    run = record.only()
    assert run.data.params["num_boost_round"] == "3"
    assert run.data.params["objective"] == "multi:softprob"
    assert run.data.params["num_class"] == "3"
    assert run.data.params["max_depth"] == "None"
    assert not {"missing", "enable_categorical", "importance_type", "n_estimators"} & set(
        run.data.params
    )
    own = {key for key in run.data.tags if not key.startswith(("mlflow.", "tracklet."))}
    assert own == set()
    values = model.evals_result()["validation_0"]["mlogloss"]
    assert record.history(run, "validation_0-mlogloss") == list(enumerate(values))
    assert {i.dataset.name for i in run.inputs.dataset_inputs} == {"dataset", "validation_0"}
    about = models.Model.load(f"runs:/{run.info.run_id}/model")
    assert about.flavors["xgboost"]["model_class"] == "xgboost.sklearn.XGBClassifier"
    assert about.signature.inputs.input_names() == ["a", "b", "c", "d"]
    view = pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    np.testing.assert_array_equal(view.predict(FRAME), model.predict(FRAME))


def test_s11_18_a_wrappers_early_stopping_and_callbacks(record):
    callbacks = [xgb.callback.LearningRateScheduler(lambda epoch: 1.0)]
    model = xgb.XGBClassifier(
        n_estimators=60, n_jobs=1, early_stopping_rounds=3, callbacks=callbacks, max_depth=2
    )
    model.fit(X[:100], NOISY[:100], eval_set=[(X[100:], NOISY[100:])], verbose=False)
    run = record.only()
    assert len(callbacks) == 1
    assert model.callbacks is callbacks
    assert run.data.metrics["best_iteration"] == model.best_iteration
    assert run.data.params["early_stopping_rounds"] == "3"


@pytest.mark.parametrize("generic", [False, True])
def test_a_wrapper_alone_is_xgboosts_whichever_integrations_are_on(record, generic):
    if generic:
        tracklet.autolog()
    xgb.XGBRegressor(n_estimators=2, n_jobs=1).fit(X, Y)
    run = record.only()
    assert run.data.tags["mlflow.autologging"] == "xgboost"
    assert "estimator_name" not in run.data.tags
    assert record.logged(run).name == "model"


@pytest.mark.filterwarnings("ignore:.*deprecated")  # of random forests, since XGBoost 3.4
@pytest.mark.parametrize("kind", [xgb.XGBRFClassifier, xgb.XGBRFRegressor, xgb.XGBRegressor])
def test_every_wrapper_is_recorded_once(record, kind):
    kind(n_estimators=2, n_jobs=1).fit(X, Y)
    assert record.only().data.params["n_jobs"] == "1"


def test_s11_13_a_pipeline_is_scikit_learns_and_logged_once(record):
    tracklet.autolog()
    pipeline = make_pipeline(StandardScaler(), xgb.XGBClassifier(n_estimators=2, n_jobs=1))
    pipeline.fit(X, Y)
    run = record.only()
    assert run.data.tags["mlflow.autologging"] == "sklearn"
    assert run.data.params["xgbclassifier__n_estimators"] == "2"
    assert "reg_lambda" not in run.data.params
    paths = [each.path for each in tracklet.artifacts.list_artifacts(run_id=run.info.run_id)]
    assert not any(path.startswith("feature_importance") for path in paths)


def test_a_pipeline_without_scikit_learns_integration_is_recorded_as_its_booster(record):
    make_pipeline(StandardScaler(), xgb.XGBClassifier(n_estimators=2, n_jobs=1)).fit(X, Y)
    assert record.only().data.params["num_boost_round"] == "2"


def test_cross_val_score_records_nothing(record):
    cross_val_score(xgb.XGBClassifier(n_estimators=2, n_jobs=1), X, Y, cv=2)
    assert record.runs() == []


def test_scikit_learns_integration_alone_records_a_wrapper_like_any_estimator(record):
    tracklet.xgboost.autolog(disable=True)
    tracklet.sklearn.autolog()
    model = xgb.XGBClassifier(n_estimators=2, n_jobs=1).fit(X, Y)
    run = record.only()
    assert run.data.tags["estimator_name"] == "XGBClassifier"
    loaded = models.load_model(f"runs:/{run.info.run_id}/model")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_w8_turning_this_integration_off_leaves_scikit_learns_on(record):
    tracklet.sklearn.autolog()
    tracklet.xgboost.autolog(disable=True)
    cross_val_score(LogisticRegression(), X, Y, cv=2)
    assert record.runs() == []
    LogisticRegression().fit(X, Y)
    assert record.only().data.tags["mlflow.autologging"] == "sklearn"


def test_other_estimators_are_none_of_xgboosts(record):
    LogisticRegression().fit(X, Y)
    assert record.runs() == []
