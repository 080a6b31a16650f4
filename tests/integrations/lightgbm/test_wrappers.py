"""Wrappers in the manner of scikit-learn: alone, in pipelines and in searches."""

from __future__ import annotations

import inspect

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tracklet
from tracklet import models, pyfunc

pytestmark = pytest.mark.usefixtures("on")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
NOISY = np.where(RNG.random(300) < 0.3, 1 - Y, Y)
THREE = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
FRAME = pd.DataFrame(X, columns=["a", "b", "c", "d"])
# What a whole array as evaluation set of a wrapper is called depends on the version.
NEWER = "eval_X" in inspect.signature(lgb.LGBMClassifier.fit).parameters


def evaluated(features, targets):
    return (
        {"eval_X": (features,), "eval_y": (targets,)}
        if NEWER
        else {"eval_set": [(features, targets)]}
    )


def wrapper(kind=lgb.LGBMClassifier, **params):
    return kind(**{"n_estimators": 3, "n_jobs": 1, "verbosity": -1, **params})


def test_a_wrapper_is_one_run_whose_model_is_the_wrapper(record):
    model = wrapper().fit(FRAME, THREE, **evaluated(FRAME[:50], THREE[:50]))
    run = record.only()
    assert set(run.data.params) >= {
        "boosting_type",
        "colsample_bytree",
        "learning_rate",
        "max_depth",
        "min_child_samples",
        "min_child_weight",
        "min_split_gain",
        "num_leaves",
        "random_state",
        "reg_alpha",
        "reg_lambda",
        "subsample",
        "subsample_for_bin",
        "subsample_freq",
        "objective",
        "num_class",
        "metric",
        "num_threads",
        "num_boost_round",
        "keep_training_booster",
    }
    assert run.data.params["num_class"] == "3"
    own = {key for key in run.data.tags if not key.startswith(("mlflow.", "tracklet."))}
    assert own == set()
    values = model.evals_result_["valid_0"]["multi_logloss"]
    assert record.history(run, "valid_0-multi_logloss") == list(enumerate(values))
    about = models.Model.load(f"runs:/{run.info.run_id}/model")
    assert about.flavors["lightgbm"]["model_class"] == "lightgbm.sklearn.LGBMClassifier"
    assert about.signature.inputs.input_names() == ["a", "b", "c", "d"]
    view = pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    np.testing.assert_array_equal(view.predict(FRAME), model.predict(FRAME))


def test_s11_18_a_wrappers_callbacks_and_early_stopping(record):
    callbacks = [lgb.early_stopping(3, verbose=False)]
    model = wrapper(n_estimators=60, learning_rate=0.5)
    model.fit(X[:150], NOISY[:150], callbacks=callbacks, **evaluated(X[150:], NOISY[150:]))
    assert len(callbacks) == 1
    assert record.only().data.metrics["best_iteration"] == model.best_iteration_


@pytest.mark.parametrize("generic", [False, True])
def test_a_wrapper_alone_is_lightgbms_whichever_integrations_are_on(record, generic):
    if generic:
        tracklet.autolog()
    wrapper(lgb.LGBMRegressor).fit(X, Y)
    run = record.only()
    assert run.data.tags["mlflow.autologging"] == "lightgbm"
    assert "estimator_name" not in run.data.tags


def test_a_ranker_is_recorded(record):
    wrapper(lgb.LGBMRanker).fit(X, THREE, group=[30] * 10)
    assert record.only().data.params["objective"] == "lambdarank"


def test_s11_13_a_pipeline_is_scikit_learns_and_logged_once(record):
    tracklet.autolog()
    make_pipeline(StandardScaler(), wrapper()).fit(X, Y)
    run = record.only()
    assert run.data.tags["mlflow.autologging"] == "sklearn"
    assert run.data.params["lgbmclassifier__n_estimators"] == "3"
    assert "num_leaves" not in run.data.params


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_cross_val_score_records_nothing(record):
    cross_val_score(wrapper(), X, Y, cv=2)
    assert record.runs() == []


@pytest.mark.filterwarnings("ignore")  # newer versions would have `eval_X` in place of `eval_set`
def test_s11_14_an_evaluation_set_that_is_the_training_data_is_named_so(record):
    wrapper().fit(X, THREE, eval_set=[(X, THREE), (X[:50], THREE[:50])])
    assert set(record.only().data.metrics) == {"training-multi_logloss", "valid_1-multi_logloss"}


def test_every_constructor_parameter_of_a_wrapper_is_recorded(record):
    """What was set and the defaults, also of a fit that fails before it trains."""
    given = {"class_weight": {0: 1.0, 1: 2.0}, "importance_type": "gain", "n_estimators": 2}
    model = wrapper(**given)
    expected = {key: str(value) for key, value in model.get_params().items()}
    del expected["objective"]
    with pytest.raises(ValueError, match="inconsistent"):
        model.fit(X, Y[:-1])
    failed = record.only()
    assert {**failed.data.params, **expected} == failed.data.params
    model.fit(X, Y)
    (params,) = [r.data.params for r in record.runs() if r.info.status == "FINISHED"]
    assert {**params, **expected, "objective": "binary"} == params


def test_a_random_generator_of_the_users_is_drawn_from_as_without_us(record):
    """LightGBM draws from it to train and to answer; we ask for the answer without."""
    states = []
    for on in (True, False):
        tracklet.lightgbm.autolog(disable=not on)
        generator = np.random.RandomState(3)
        wrapper(random_state=generator).fit(X, Y)
        states.append(generator.get_state()[1].tobytes() + bytes(generator.get_state()[2]))
    assert states[0] == states[1]
    about = models.Model.load(f"runs:/{record.only().info.run_id}/model")
    assert about.signature.outputs.inputs[0].type == Y.dtype
