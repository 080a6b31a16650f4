"""The flavor of XGBoost: the contract, native formats, categories and MLflow's arguments."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import xgboost as xgb
import yaml

import tracklet
from tracklet import models, pyfunc
from tracklet.errors import InvalidParameterValue
from tracklet.testing import FlavorContract, Training
from tracklet_flavors import xgboost as flavor
from tracklet_flavors.xgboost import XgboostFlavor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
FRAME = pd.DataFrame(X, columns=["a", "b", "c"])
KEEPS_CATEGORIES = hasattr(xgb.Booster, "get_categories")
PARAMS = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1}


def booster(data: Any = FRAME, **params: Any) -> Any:
    return xgb.train({**PARAMS, **params}, xgb.DMatrix(data, label=Y), 3)


class TestBooster(FlavorContract):
    flavor = XgboostFlavor

    def make_model(self) -> Any:
        return booster()

    def make_input(self) -> Any:
        return FRAME.iloc[:5]

    def answer(self, model: Any) -> Any:
        return model.predict(xgb.DMatrix(self.make_input()))

    def trainings(self) -> dict[str, Training]:
        return {**dict(boosters()), **dict(wrappers())}


def boosters() -> Iterator[tuple[str, Training]]:
    holes = FRAME.where(FRAME <= 1)
    frames = {
        "frame": FRAME,
        "holes": holes,
        "integers": pd.DataFrame({"a": np.arange(80), "b": np.arange(80)[::-1] % 7}),
        "flags": pd.DataFrame({"a": X[:, 0] > 0, "b": X[:, 1]}),
        "nullable": pd.DataFrame({"a": holes["a"].round().astype("Int64"), "b": X[:, 1]}),
        "single floats": FRAME.astype("float32"),
        "array": X,
        "array of integers": np.arange(240).reshape(80, 3) % 11,
        "sparse": scipy.sparse.csr_matrix(np.where(np.abs(X) > 1, X, 0.0)),
    }
    for name, data in frames.items():
        model = booster(data)
        yield name, Training(model, data, model.predict(xgb.DMatrix(data)))
    if KEEPS_CATEGORIES:
        data = FRAME.assign(k=pd.Categorical(np.where(X[:, 2] > 0, 7, 3)))
        matrix = xgb.DMatrix(data, label=Y, enable_categorical=True)
        model = xgb.train(PARAMS, matrix, 3)
        yield "categories", Training(model, data, model.predict(matrix))
    stopped = xgb.train(
        {**PARAMS, "seed": 1},
        xgb.DMatrix(X, label=Y),
        30,
        evals=[(xgb.DMatrix(X, label=1 - Y), "held")],
        early_stopping_rounds=2,
        verbose_eval=False,
    )
    yield "stopped", Training(stopped, X, stopped.predict(xgb.DMatrix(X)))


def wrappers() -> Iterator[tuple[str, Training]]:
    def squared(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        return y_pred - y_true, np.ones_like(y_pred)

    three = Y + (X[:, 2] > 0)
    few: dict[str, Any] = {"n_estimators": 3, "max_depth": 2, "n_jobs": 1}
    kinds: dict[str, tuple[Any, Any, Any]] = {
        "classifier": (xgb.XGBClassifier(**few, eval_metric=["auc", "logloss"]), FRAME, Y),
        "three classes": (xgb.XGBClassifier(**few), X, three),
        "several labels": (xgb.XGBClassifier(**few), X, np.c_[Y, 1 - Y]),
        "regressor": (xgb.XGBRegressor(**few, missing=-9.0), np.where(X > 1, -9.0, X), Y),
        "several numbers": (xgb.XGBRegressor(**few), FRAME, X[:, :2]),
        "own objective": (xgb.XGBRegressor(**few, objective=squared), X, Y),
        "linear": (xgb.XGBRegressor(**few, booster="gblinear"), FRAME, Y),
        "forest": (xgb.XGBRFClassifier(**few), FRAME, Y),
        "forest of numbers": (xgb.XGBRFRegressor(**few), scipy.sparse.csr_matrix(X), Y),
    }
    if KEEPS_CATEGORIES:
        data = FRAME.assign(k=pd.Categorical(np.where(X[:, 2] > 0, "yes", "no")))
        kinds["classifier of categories"] = (
            xgb.XGBClassifier(**few, enable_categorical=True),
            data,
            three,
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some are deprecated in newer versions
        for name, (model, data, labels) in kinds.items():
            yield name, Training(model.fit(data, labels), data, model.predict(data))
        ranker = xgb.XGBRanker(**few).fit(X, Y, qid=np.arange(80) // 8)
    yield "ranker", Training(ranker, X, ranker.predict(X))


class TestJson(FlavorContract):
    flavor = XgboostFlavor
    options: ClassVar = {"model_format": "json"}

    def answer(self, model: Any) -> Any:
        return model.predict(xgb.DMatrix(self.make_input()))

    def make_model(self) -> Any:
        return booster(X)

    def make_input(self) -> Any:
        return X[:5]


class TestXgbEnding(TestJson):
    options: ClassVar = {"model_format": "xgb"}


class TestClassifier(FlavorContract):
    flavor = XgboostFlavor

    def make_model(self) -> Any:
        return xgb.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1).fit(FRAME, Y)

    def make_input(self) -> Any:
        return FRAME.iloc[:5]


class TestRanker(FlavorContract):
    flavor = XgboostFlavor

    def make_model(self) -> Any:
        return xgb.XGBRanker(n_estimators=3, n_jobs=1).fit(X, Y, qid=np.arange(80) // 8)

    def make_input(self) -> Any:
        return X[:5]


def test_nothing_is_pickled(tmp_path: Path) -> None:
    """A booster and a wrapper are files of XGBoost's own."""
    flavor.save_model(booster(), tmp_path / "b")
    flavor.save_model(xgb.XGBRegressor(n_estimators=2).fit(X, Y), tmp_path / "w")
    assert list(tmp_path.rglob("*.pkl")) == []
    assert (tmp_path / "b" / "model.ubj").exists()
    about = models.Model.load(tmp_path / "w").flavors["xgboost"]
    assert about["model_class"] == "xgboost.sklearn.XGBRegressor"
    assert set(about) >= {"data", "model_class", "model_format", "xgb_version", "code"}


@pytest.mark.filterwarnings("ignore:.*deprecated")  # of dart and gblinear, since XGBoost 3.4
@pytest.mark.parametrize("kind", ["ubj", "json", "xgb"])
@pytest.mark.parametrize("shape", ["gbtree", "dart", "gblinear"])
def test_every_format_keeps_every_booster(tmp_path: Path, kind: str, shape: str) -> None:
    """The loaded booster answers as the saved one, to the bit."""
    model = (
        booster(booster=shape)
        if shape != "gblinear"
        else xgb.train({"booster": "gblinear", "nthread": 1}, xgb.DMatrix(FRAME, label=Y), 3)
    )
    flavor.save_model(model, tmp_path / "m", model_format=kind)
    again = flavor.load_model(tmp_path / "m")
    data = xgb.DMatrix(FRAME)
    np.testing.assert_array_equal(again.predict(data), model.predict(data))


def test_the_wrappers_own_parameters_come_back(tmp_path: Path) -> None:
    """``missing`` changes predictions; XGBoost's file alone would lose it."""
    holes = np.where(X < -1, -999.0, X)
    model = xgb.XGBClassifier(n_estimators=7, missing=-999.0, n_jobs=1).fit(holes, Y)
    flavor.save_model(model, tmp_path / "m")
    again = flavor.load_model(tmp_path / "m")
    assert again.get_params()["n_estimators"] == 7
    np.testing.assert_array_equal(again.predict_proba(holes), model.predict_proba(holes))


def test_probabilities_by_the_method_and_raw_scores_by_params(tmp_path: Path) -> None:
    """``pyfunc_predict_fn`` chooses a wrapper's method; params reach the native predict."""
    model = xgb.XGBClassifier(n_estimators=3, n_jobs=1).fit(FRAME, Y)
    flavor.save_model(model, tmp_path / "p", pyfunc_predict_fn="predict_proba")
    np.testing.assert_array_equal(
        pyfunc.load_model(tmp_path / "p").predict(FRAME), model.predict_proba(FRAME)
    )
    native = booster()
    data = xgb.DMatrix(FRAME)
    signature = models.infer_signature(FRAME, native.predict(data), {"output_margin": False})
    flavor.save_model(native, tmp_path / "b", signature=signature)
    view = pyfunc.load_model(tmp_path / "b")
    np.testing.assert_array_equal(
        view.predict(FRAME, {"output_margin": True}), native.predict(data, output_margin=True)
    )
    np.testing.assert_array_equal(view.predict(FRAME), native.predict(data))
    with pytest.raises(InvalidParameterValue, match="no method 'nothing'"):
        flavor.save_model(model, tmp_path / "n", pyfunc_predict_fn="nothing")


@pytest.mark.skipif(
    tuple(map(int, xgb.__version__.split(".")[:2])) < (3, 1), reason="models keep categories since"
)
def test_categories_come_as_categories_or_as_texts(tmp_path: Path) -> None:
    """The pyfunc view takes categorical columns in either form, and in any order of levels."""
    frame = FRAME.assign(k=pd.Categorical(np.where(X[:, 2] > 0, "yes", "no")))
    model = xgb.train(PARAMS, xgb.DMatrix(frame, label=Y, enable_categorical=True), 3)
    wrapper = xgb.XGBClassifier(n_estimators=3, enable_categorical=True, n_jobs=1).fit(frame, Y)
    expected = model.predict(xgb.DMatrix(frame, enable_categorical=True))
    flavor.save_model(model, tmp_path / "m", input_example=frame.iloc[:5])
    flavor.save_model(wrapper, tmp_path / "w", pyfunc_predict_fn="predict_proba")
    texts = frame.assign(k=frame["k"].astype(str))
    np.testing.assert_array_equal(pyfunc.load_model(tmp_path / "m").predict(texts), expected)
    one_level = texts[texts["k"] == "yes"]
    np.testing.assert_array_equal(
        pyfunc.load_model(tmp_path / "m").predict(one_level), expected[texts["k"] == "yes"]
    )
    np.testing.assert_array_equal(
        pyfunc.load_model(tmp_path / "w").predict(frame), wrapper.predict_proba(frame)
    )


def test_a_class_of_the_users_comes_back_as_itself(tmp_path: Path) -> None:
    """A derived wrapper is found by its module, which code_paths carries."""
    (tmp_path / "mine_xgb.py").write_text(
        "import xgboost\nclass Mine(xgboost.XGBRegressor):\n    pass\n"
    )
    import sys

    sys.path.insert(0, str(tmp_path))
    try:
        from mine_xgb import Mine  # pyright: ignore[reportMissingImports]

        model = Mine(n_estimators=2, n_jobs=1).fit(X, Y)
        flavor.save_model(model, tmp_path / "m", code_paths=[tmp_path / "mine_xgb.py"])
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("mine_xgb", None)
    again = tracklet.models.load_model(tmp_path / "m")
    assert type(again).__name__ == "Mine"
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_requirements_name_the_installed_distribution(tmp_path: Path) -> None:
    """The wheel without GPU code has a name of its own."""
    flavor.save_model(booster(X), tmp_path / "m")
    lines = (tmp_path / "m" / "requirements.txt").read_text().splitlines()
    names = [line.partition("==")[0] for line in lines]
    assert any(name in ("xgboost", "xgboost-cpu") for name in names)
    assert "scikit-learn" not in names


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    """The error lists the formats, and nothing is written."""
    with pytest.raises(InvalidParameterValue, match="ubj, json, xgb"):
        flavor.save_model(booster(), tmp_path / "m", model_format="deprecated")
    assert list(tmp_path.iterdir()) == []


def test_folders_of_mlflow_before_2_10_load(tmp_path: Path) -> None:
    """They are called ``model.xgb`` and say neither the class nor the format."""
    model = booster()
    flavor.save_model(model, tmp_path / "m", model_format="xgb")
    about = yaml.safe_load((tmp_path / "m" / "MLmodel").read_text())
    about["flavors"]["xgboost"] = {"data": "model.xgb", "xgb_version": "1.5.0"}
    about = {key: about[key] for key in ("flavors", "utc_time_created")}
    old = tmp_path / "old"
    old.mkdir()
    shutil.copy(tmp_path / "m" / "model.xgb", old)
    (old / "MLmodel").write_text(yaml.safe_dump(about))
    data = xgb.DMatrix(FRAME)
    again = flavor.load_model(old)
    np.testing.assert_array_equal(again.predict(data), model.predict(data))
    view = pyfunc.load_model(old)
    np.testing.assert_array_equal(view.predict(FRAME), model.predict(data))
