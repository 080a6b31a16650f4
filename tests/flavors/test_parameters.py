"""Every constructor parameter of the boosting wrappers survives saving, and the model answers."""

from __future__ import annotations

import inspect
import math
import shutil
import warnings
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from tracklet import models

RNG = np.random.default_rng(0)
HOLES = np.where(RNG.random((60, 3)) < 0.1, -999.0, RNG.normal(size=(60, 3)))
X = pd.DataFrame(HOLES, columns=["a", "b", "c"])
Y = (HOLES[:, 0] + HOLES[:, 1] > 0).astype(int)

SHARE = st.sampled_from([0.25, 0.5, 0.8, 1.0])
SMALL = st.sampled_from([0, 0.5, 2.0])
BOTH: dict[str, Any] = {
    "learning_rate": SHARE,
    "max_depth": st.integers(1, 4),
    "n_estimators": st.integers(1, 4),
    "n_jobs": st.just(1),
    "reg_alpha": SMALL,
    "reg_lambda": SMALL,
    "subsample": SHARE,
    "min_child_weight": SMALL,
    "colsample_bytree": SHARE,
    "random_state": st.none() | st.integers(0, 9),
}
XGBOOST: dict[str, Any] = BOTH | {
    "base_score": st.none() | st.floats(0.2, 0.8),
    "booster": st.sampled_from([None, "gbtree", "dart"]),
    "colsample_bylevel": SHARE,
    "colsample_bynode": SHARE,
    "device": st.sampled_from([None, "cpu"]),
    "enable_categorical": st.booleans(),
    "feature_types": st.sampled_from([None, ["q", "q", "q"], ["float"] * 3]),
    "feature_weights": st.sampled_from([None, [1.0, 2.0, 1.0]]),
    "gamma": SMALL,
    "grow_policy": st.sampled_from([None, "depthwise", "lossguide"]),
    "importance_type": st.sampled_from([None, "gain", "weight"]),
    "interaction_constraints": st.sampled_from([None, [["a", "b"], ["c"]]]),
    "max_bin": st.integers(4, 64),
    "max_cat_threshold": st.none() | st.integers(1, 9),
    "max_cat_to_onehot": st.none() | st.integers(1, 9),
    "max_delta_step": SMALL,
    "max_leaves": st.integers(0, 9),
    "missing": st.sampled_from([math.nan, -999.0, 0]),
    "monotone_constraints": st.sampled_from([None, (1, 0, 0), "(0,0,1)", {"b": 1}]),
    "multi_strategy": st.sampled_from([None, "one_output_per_tree"]),
    "num_parallel_tree": st.integers(1, 2),
    "sampling_method": st.sampled_from([None, "uniform"]),
    "scale_pos_weight": st.none() | st.floats(0.5, 2.0),
    "tree_method": st.sampled_from([None, "hist"]),
    "validate_parameters": st.none() | st.booleans(),
    "verbosity": st.sampled_from([None, 0]),
    "eval_metric": st.sampled_from([None, "auc", ["auc", "logloss"], ["rmse"]]),
    "seed_per_iteration": st.booleans(),  # by **kwargs
}
LIGHTGBM: dict[str, Any] = BOTH | {
    "boosting_type": st.sampled_from(["gbdt", "dart", "rf"]),
    "num_leaves": st.integers(2, 9),
    "subsample_for_bin": st.integers(20, 200),
    "class_weight": st.sampled_from([None, "balanced", {0: 1.0, 1: 2.5}]),
    "min_split_gain": SMALL,
    "min_child_samples": st.integers(1, 9),
    "subsample": st.floats(0.2, 0.9),
    "subsample_freq": st.just(1),
    "importance_type": st.sampled_from(["split", "gain"]),
    "verbose": st.just(-1),
    "path_smooth": SMALL,  # by **kwargs
    "metric": st.sampled_from(["None", ["auc", "binary_logloss"]]),
}


def test_no_parameter_is_forgotten_here() -> None:
    """What the constructors take is what the next two tests draw, but for objects."""
    objects = {"self", "kwargs", "objective", "callbacks", "early_stopping_rounds"}
    for cls, drawn in ((xgb.XGBModel, XGBOOST), (lgb.LGBMModel, LIGHTGBM)):
        assert set(inspect.signature(cls.__init__).parameters) - objects <= set(drawn)


def check_comes_back(model: Any, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    models.save_model(model, folder, pip_requirements=[])
    again = models.load_model(folder)
    before, after = model.get_params(), again.get_params()
    assert list(before) == list(after)
    for key, value in before.items():
        same = value == after[key] or (value != value and after[key] != after[key])
        assert same, f"{key}: {value!r} became {after[key]!r}"
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    if hasattr(model, "predict_proba"):
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


FEW = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
XGB_WRAPPERS = (xgb.XGBClassifier, xgb.XGBRegressor, xgb.XGBRanker)
LGB_WRAPPERS = (lgb.LGBMClassifier, lgb.LGBMRegressor, lgb.LGBMRanker)


@FEW
@given(st.sampled_from(XGB_WRAPPERS), st.fixed_dictionaries({}, optional=XGBOOST))
def test_xgboosts_wrappers_come_back_with_every_parameter(
    tmp_path: Path, cls: Any, params: dict[str, Any]
) -> None:
    groups = {"qid": np.arange(60) // 20} if cls is xgb.XGBRanker else {}
    if groups:
        params = {**params, "eval_metric": ["ndcg", "map"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parameters that others make useless
        check_comes_back(cls(**params).fit(X, Y, **groups), tmp_path / "m")


@FEW
@given(st.sampled_from(LGB_WRAPPERS), st.fixed_dictionaries({}, optional=LIGHTGBM))
def test_lightgbms_wrappers_come_back_with_every_parameter(
    tmp_path: Path, cls: Any, params: dict[str, Any]
) -> None:
    groups = {"group": [20, 20, 20]} if cls is lgb.LGBMRanker else {}
    if cls is not lgb.LGBMClassifier:
        params.pop("class_weight", None)
    if params.get("boosting_type") == "rf":
        params |= {"subsample": 0.5, "subsample_freq": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = cls(**{"verbose": -1, **params}).fit(X, Y, **groups)
        except lgb.basic.LightGBMError:  # of some leaves without a least weight
            reject()
        check_comes_back(model, tmp_path / "m")


@pytest.mark.filterwarnings("ignore:.*deprecated")  # of random forests, since XGBoost 3.4
@pytest.mark.parametrize("cls", [xgb.XGBRFClassifier, xgb.XGBRFRegressor])
def test_forests_come_back_with_what_they_were_told_and_with_none_of_what_they_were_not(
    tmp_path: Path, cls: Any
) -> None:
    """Their classes have defaults of their own, which None takes away."""
    model = cls(n_estimators=3, n_jobs=1, eval_metric=["auc", "logloss"], subsample=None)
    check_comes_back(model.fit(X, Y), tmp_path / "m")


def test_functions_are_left_out_and_the_model_answers_the_same(tmp_path: Path) -> None:
    """An objective or a metric of the user's is no part of XGBoost's file; nothing is pickled."""

    def squared(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        return y_pred - y_true, np.ones_like(y_pred)

    def error(y_true: Any, y_pred: Any) -> float:
        return float(np.mean((y_true - y_pred) ** 2))

    model = xgb.XGBRegressor(
        n_estimators=3, n_jobs=1, objective=squared, eval_metric=error, missing=-999.0
    ).fit(X, Y)
    models.save_model(model, tmp_path / "m", pip_requirements=[])
    again = models.load_model(tmp_path / "m")
    assert again.get_params()["missing"] == -999.0
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
