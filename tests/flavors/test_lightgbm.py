"""The flavor of LightGBM: the contract, native formats, categories and MLflow's arguments."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import yaml

from tracklet import models, pyfunc
from tracklet.errors import InvalidParameterValue
from tracklet.testing import FlavorContract, Training
from tracklet_flavors import lightgbm as flavor
from tracklet_flavors.lightgbm import LightgbmFlavor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
FRAME = pd.DataFrame(X, columns=["a", "b", "c"])
PARAMS = {"objective": "binary", "verbosity": -1, "num_threads": 1, "num_leaves": 4}


def booster(data: Any = FRAME, rounds: int = 3, **params: Any) -> Any:
    return lgb.train({**PARAMS, **params}, lgb.Dataset(data, label=Y), rounds)


def wrapper(kind: Any = lgb.LGBMClassifier, **params: Any) -> Any:
    return kind(n_estimators=3, n_jobs=1, verbosity=-1, **params)


class TestBooster(FlavorContract):
    flavor = LightgbmFlavor

    def make_model(self) -> Any:
        return booster()

    def make_input(self) -> Any:
        return FRAME.iloc[:5]

    def trainings(self) -> dict[str, Training]:
        return {**dict(boosters()), **dict(wrappers())}


def boosters() -> Iterator[tuple[str, Training]]:
    holes: Any = FRAME.where(FRAME <= 1)
    kinds: dict[str, Any] = {
        "frame": FRAME,
        "holes": holes,
        "integers": pd.DataFrame({"a": np.arange(200), "b": np.arange(200)[::-1] % 7}),
        "flags": pd.DataFrame({"a": X[:, 0] > 0, "b": X[:, 1]}),
        "nullable": pd.DataFrame({"a": holes["a"].round().astype("Int64"), "b": X[:, 1]}),
        "single floats": FRAME.astype("float32"),
        "array": X,
        "sparse": scipy.sparse.csr_matrix(np.where(np.abs(X) > 1, X, 0.0)),
        "categories": FRAME.assign(k=pd.Categorical(np.where(X[:, 2] > 0, 7, 3))),
        "ordered": FRAME.assign(k=pd.Categorical(np.where(X[:, 2] > 0, "a", "b"), ordered=True)),
    }
    for name, data in kinds.items():
        model = booster(data)
        yield name, Training(model, data, model.predict(data))
    held = [lgb.Dataset(X, label=1 - Y)]
    stopping = [lgb.early_stopping(2, verbose=False)]
    stopped = lgb.train(PARAMS, lgb.Dataset(X, label=Y), 30, valid_sets=held, callbacks=stopping)
    yield "stopped", Training(stopped, X, stopped.predict(X))


def wrappers() -> Iterator[tuple[str, Training]]:
    categories = FRAME.assign(k=pd.Categorical(np.where(X[:, 2] > 0, "yes", "no")))
    for name, model, data, labels in (
        ("classifier", wrapper(class_weight="balanced"), FRAME, np.where(Y, "good", "bad")),
        ("three classes", wrapper(), X, Y + (X[:, 2] > 0)),
        ("classifier of categories", wrapper(), categories, Y),
        ("regressor", wrapper(lgb.LGBMRegressor), scipy.sparse.csr_matrix(X), Y),
        ("forest", wrapper(boosting_type="rf", subsample=0.5, subsample_freq=1), FRAME, Y),
    ):
        yield name, Training(model.fit(data, labels), data, model.predict(data))
    ranker = wrapper(lgb.LGBMRanker).fit(X, Y, group=[20] * 10)
    yield "ranker", Training(ranker, X, ranker.predict(X))


class TestClassifier(FlavorContract):
    flavor = LightgbmFlavor

    def make_model(self) -> Any:
        return wrapper().fit(FRAME, Y)

    def make_input(self) -> Any:
        return FRAME.iloc[:5]


class TestPickledRegressor(TestClassifier):
    options: ClassVar = {"serialization_format": "pickle"}

    def make_model(self) -> Any:
        return wrapper(lgb.LGBMRegressor).fit(FRAME, Y)


class TestSkops(TestClassifier):
    options: ClassVar = {"serialization_format": "skops"}


def test_a_booster_is_text_and_never_pickled(tmp_path: Path) -> None:
    """Its folder holds LightGBM's own format and the keys that MLflow reads."""
    flavor.save_model(booster(), tmp_path / "m")
    assert (tmp_path / "m" / "model.lgb").read_text().startswith("tree\n")
    assert list(tmp_path.rglob("*.pkl")) == []
    about = models.Model.load(tmp_path / "m").flavors["lightgbm"]
    assert about["model_class"] == "lightgbm.basic.Booster"
    assert set(about) >= {
        "data",
        "lgb_version",
        "model_class",
        "serialization_format",
        "skops_trusted_types",
        "code",
    }


@pytest.mark.parametrize("shape", ["gbdt", "dart", "rf"])
def test_every_booster_answers_the_same(tmp_path: Path, shape: str) -> None:
    """The loaded booster answers as the saved one, to the bit."""
    extra = {"bagging_freq": 1, "bagging_fraction": 0.7} if shape == "rf" else {}
    model = booster(boosting=shape, **extra)
    flavor.save_model(model, tmp_path / "m")
    np.testing.assert_array_equal(flavor.load_model(tmp_path / "m").predict(X), model.predict(X))


def test_the_best_iteration_answers_after_early_stopping(tmp_path: Path) -> None:
    """What predict uses by default is what is saved."""
    data = lgb.Dataset(FRAME[:100], label=Y[:100])
    noisy = np.where(RNG.random(100) < 0.3, 1 - Y[100:], Y[100:])
    valid = lgb.Dataset(FRAME[100:], label=noisy, reference=data)
    stop = lgb.early_stopping(2, verbose=False)
    model = lgb.train(
        {**PARAMS, "learning_rate": 0.5},
        data,
        60,
        valid_sets=[valid],
        callbacks=[stop],
        keep_training_booster=True,
    )
    assert 0 < model.best_iteration < model.current_iteration()
    flavor.save_model(model, tmp_path / "m")
    np.testing.assert_array_equal(
        flavor.load_model(tmp_path / "m").predict(FRAME), model.predict(FRAME)
    )


def test_probabilities_by_the_method_and_raw_scores_by_params(tmp_path: Path) -> None:
    """``pyfunc_predict_fn`` chooses a wrapper's method; params reach the native predict."""
    model = wrapper().fit(FRAME, Y)
    flavor.save_model(model, tmp_path / "p", pyfunc_predict_fn="predict_proba")
    np.testing.assert_array_equal(
        pyfunc.load_model(tmp_path / "p").predict(FRAME), model.predict_proba(FRAME)
    )
    native = booster()
    signature = models.infer_signature(FRAME, native.predict(FRAME), {"raw_score": False})
    flavor.save_model(native, tmp_path / "b", signature=signature)
    view = pyfunc.load_model(tmp_path / "b")
    np.testing.assert_array_equal(
        view.predict(FRAME, {"raw_score": True}), native.predict(FRAME, raw_score=True)
    )
    with pytest.raises(InvalidParameterValue, match="no method 'nothing'"):
        flavor.save_model(model, tmp_path / "n", pyfunc_predict_fn="nothing")


def test_categories_come_as_categories_or_as_texts(tmp_path: Path) -> None:
    """The pyfunc view takes categorical columns in either form, and in any order of levels."""
    frame = FRAME.assign(k=pd.Categorical(np.where(X[:, 2] > 0, "yes", "no")))
    model = lgb.train(PARAMS, lgb.Dataset(frame, label=Y), 3)
    expected = model.predict(frame)
    flavor.save_model(model, tmp_path / "m", input_example=frame.iloc[:5])
    view = pyfunc.load_model(tmp_path / "m")
    texts = frame.assign(k=frame["k"].astype(str))
    np.testing.assert_array_equal(view.predict(texts), expected)
    rows = (texts["k"] == "yes").to_numpy()
    np.testing.assert_array_equal(view.predict(texts[rows]), expected[rows])


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    """The error lists the formats, and nothing is written."""
    with pytest.raises(InvalidParameterValue, match="cloudpickle, pickle, skops"):
        flavor.save_model(wrapper().fit(X, Y), tmp_path / "m", serialization_format="joblib")
    assert list(tmp_path.iterdir()) == []


def test_folders_of_older_mlflow_load(tmp_path: Path) -> None:
    """They say neither the class nor the format."""
    model = booster()
    flavor.save_model(model, tmp_path / "m")
    about = yaml.safe_load((tmp_path / "m" / "MLmodel").read_text())
    about["flavors"]["lightgbm"] = {"data": "model.lgb", "lgb_version": "3.0.0"}
    about = {key: about[key] for key in ("flavors", "utc_time_created")}
    old = tmp_path / "old"
    old.mkdir()
    shutil.copy(tmp_path / "m" / "model.lgb", old)
    (old / "MLmodel").write_text(yaml.safe_dump(about))
    np.testing.assert_array_equal(flavor.load_model(old).predict(X), model.predict(X))
    np.testing.assert_array_equal(pyfunc.load_model(old).predict(FRAME), model.predict(FRAME))
