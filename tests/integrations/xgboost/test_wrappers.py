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


class Twice(xgb.XGBRegressor):
    def fit(self, X, y, **options):
        super().fit(X[:50], y[:50], eval_set=[(X, y)], verbose=False)
        self.max_depth = 2
        return super().fit(X, y, eval_set=[(X, y)], verbose=False)


def test_a_wrapper_is_one_run_whose_model_is_the_wrapper(record):
    model = xgb.XGBClassifier(n_estimators=3, n_jobs=1).fit(
        FRAME, THREE, eval_set=[(FRAME[:50], THREE[:50])], verbose=False
    )
    run = record.only()
    assert run.data.params["num_boost_round"] == "3"
    assert run.data.params["objective"] == "multi:softprob"
    assert run.data.params["num_class"] == "3"
    assert run.data.params["max_depth"] == "None"
    assert run.data.params["n_estimators"] == "3"
    assert run.data.params["missing"] == "nan"
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


def test_every_constructor_parameter_of_a_wrapper_is_recorded(record):
    """What was set and the defaults, but for callbacks; also of a fit that fails at once."""
    given = {"missing": -1.0, "enable_categorical": True, "importance_type": "gain"}
    model = xgb.XGBClassifier(n_estimators=2, n_jobs=1, validate_parameters=True, **given)
    expected = {key: str(value) for key, value in model.get_params().items()}
    del expected["callbacks"]
    with pytest.raises(ValueError, match="Invalid classes"):
        model.fit(X, Y + 5)
    failed = record.only()
    assert failed.info.status == "FAILED"
    del expected["objective"]
    assert {**failed.data.params, **expected} == failed.data.params
    model.fit(X, Y)
    (params,) = [r.data.params for r in record.runs() if r.info.status == "FINISHED"]
    assert {**params, **expected, "objective": "binary:logistic"} == params


def test_two_trainings_in_one_fit_are_told_apart(record):
    """Params that differ, steps and artifacts are the second's own; the model is the wrapper."""

    Twice(n_estimators=2, n_jobs=1).fit(X, Y)
    run = record.only()
    assert "tracklet.faults" not in run.data.tags
    assert run.data.params["max_depth"] == "None"
    assert run.data.params["fit_2.max_depth"] == "2"
    assert [step for step, _ in record.history(run, "validation_0-rmse")] == [0, 1, 2, 3]
    loaded = models.load_model(f"runs:/{run.info.run_id}/model")
    assert loaded.get_params()["max_depth"] == 2


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
