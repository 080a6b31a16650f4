"""The flavor of CatBoost: the contract, formats, categories and MLflow's arguments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("catboost")

from catboost import CatBoost, CatBoostClassifier, CatBoostRanker, CatBoostRegressor

from tracklet import models, pyfunc
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.testing import FlavorContract, Training
from tracklet_flavors import catboost as flavor
from tracklet_flavors.catboost import CatboostFlavor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
FRAME = pd.DataFrame(X, columns=["a", "b", "c"])
MUTE: dict[str, Any] = {
    "iterations": 3,
    "thread_count": 1,
    "verbose": False,
    "allow_writing_files": False,
}


def classifier(data: Any = FRAME, labels: Any = Y, **given: Any) -> Any:
    return CatBoostClassifier(**MUTE).fit(data, labels, **given)


class TestClassifier(FlavorContract):
    flavor = CatboostFlavor

    def make_model(self) -> Any:
        return classifier()

    def make_input(self) -> Any:
        return FRAME.iloc[:5]

    def trainings(self) -> dict[str, Training]:
        return dict(trainings())


class TestJson(TestClassifier):
    options: ClassVar = {"format": "json"}

    def make_model(self) -> Any:
        return CatBoostRegressor(**MUTE).fit(FRAME, X[:, 0])

    def trainings(self) -> dict[str, Training]:
        return {}


def trainings() -> Iterator[tuple[str, Training]]:
    holes: Any = FRAME.where(FRAME <= 1)
    texts = FRAME.assign(k=np.where(X[:, 2] > 0, "yes", "no"))
    numbers = FRAME.assign(k=np.where(X[:, 2] > 0, 7, 3))
    for name, data, labels, categories in (
        ("frame", FRAME, Y, None),
        ("holes", holes, Y, None),
        ("integers", pd.DataFrame({"a": np.arange(200), "b": np.arange(200)[::-1] % 7}), Y, None),
        ("flags", pd.DataFrame({"a": X[:, 0] > 0, "b": X[:, 1]}), Y, None),
        ("array", X, Y, None),
        ("texts", texts, Y, ["k"]),
        ("categories", texts.astype({"k": "category"}), Y, ["k"]),
        ("numbers as categories", numbers, Y, ["k"]),
        ("labels of text", FRAME, np.where(Y, "good", "bad"), None),
        ("three classes", X, Y + (X[:, 2] > 0), None),
    ):
        model = classifier(data, labels, cat_features=categories)
        yield name, Training(model, data, model.predict(data))
    # The names of its columns are numbers, and CatBoost's the texts of these.
    numbered = texts.set_axis(range(4), axis=1)
    model = classifier(numbered, Y, cat_features=[3])
    yield "numbered columns", Training(model, numbered, model.predict(numbered))
    ranker = CatBoostRanker(**MUTE).fit(X, Y, group_id=np.arange(200) // 10)
    yield "ranker", Training(ranker, X, ranker.predict(X))
    raw = CatBoost({**MUTE, "loss_function": "Logloss"}).fit(X, Y)
    yield "scores", Training(raw, X, raw.predict(X))


def test_its_folder_is_mlflows(tmp_path: Path) -> None:
    """The file and the keys that MLflow reads; nothing is pickled."""
    flavor.save_model(classifier(), tmp_path / "m")
    about = models.Model.load(tmp_path / "m").flavors
    assert about["catboost"]["model_type"] == "CatBoostClassifier"
    assert about["catboost"]["save_format"] == "cbm"
    assert about["catboost"]["data"] == about["python_function"]["data"] == "model.cb"
    assert about["python_function"]["loader_module"] == "mlflow.catboost"
    assert list(tmp_path.rglob("*.pkl")) == []


def test_a_class_of_the_users_comes_back_as_catboosts(tmp_path: Path) -> None:
    """By the nearest public class, with its own name beside it."""

    class Mine(CatBoostRegressor):
        pass

    model = Mine(**MUTE).fit(X, X[:, 0])
    flavor.save_model(model, tmp_path / "m")
    loaded = flavor.load_model(tmp_path / "m")
    assert type(loaded) is CatBoostRegressor
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


@pytest.mark.parametrize("kind", ["onnx", "pmml", "coreml", "python", "cpp"])
def test_formats_that_do_not_come_back_are_refused(tmp_path: Path, kind: str) -> None:
    """With the way out, and nothing is written."""
    with pytest.raises(InvalidParameterValue, match=r"cbm, json.*log the file as an artifact"):
        flavor.save_model(classifier(X), tmp_path / "m", format=kind)
    assert list(tmp_path.iterdir()) == []


def test_what_is_asked_by_params(tmp_path: Path) -> None:
    """Probabilities, and answers of fewer trees."""
    model = classifier()
    signature = models.infer_signature(
        FRAME, model.predict(FRAME), {"prediction_type": "Class", "ntree_end": 0}
    )
    flavor.save_model(model, tmp_path / "m", signature=signature)
    view = pyfunc.load_model(tmp_path / "m")
    np.testing.assert_array_equal(
        view.predict(FRAME, {"prediction_type": "Probability"}), model.predict_proba(FRAME)
    )
    raw = {"prediction_type": "RawFormulaVal", "ntree_end": 1}
    np.testing.assert_array_equal(view.predict(FRAME, raw), model.predict(FRAME, **raw))
    flavor.save_model(model, tmp_path / "p", pyfunc_predict_fn="predict_proba")
    np.testing.assert_array_equal(
        pyfunc.load_model(tmp_path / "p").predict(FRAME), model.predict_proba(FRAME)
    )


@pytest.mark.parametrize("kind", ["str", "object", "category"])
@pytest.mark.parametrize("columns", [["a", "k"], [0, 1]])
def test_missing_categories_are_those_of_the_training(
    tmp_path: Path, kind: str, columns: list[Any]
) -> None:
    """As CatBoost spells them; whatever the column's type and name, and the frame stays as is."""
    frame = pd.DataFrame({"a": X[:, 0], "k": np.where(X[:, 1] > 0, "yes", "nan")})
    frame = frame.set_axis(columns, axis=1)
    model = classifier(frame, Y, cat_features=[1])
    flavor.save_model(model, tmp_path / "m")
    holes = frame.copy()
    holes[columns[1]] = frame[columns[1]].astype(object).where(X[:, 1] > 0, None).astype(kind)
    before = holes.copy()
    found = pyfunc.load_model(str(tmp_path / "m")).predict(holes)
    np.testing.assert_array_equal(found, model.predict(frame))
    pd.testing.assert_frame_equal(holes, before)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    """Cut, empty or of something else: the error names the file."""
    flavor.save_model(classifier(), tmp_path / "m")
    file = tmp_path / "m" / "model.cb"
    whole = file.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"CBM1" + whole[100:], b"\0" * len(whole)):
        file.write_bytes(damaged)
        with pytest.raises(TrackletException, match=r"the model is corrupt.*model\.cb"):
            flavor.load_model(tmp_path / "m", trust=True)


def test_a_model_that_was_not_trained_is_refused(tmp_path: Path) -> None:
    """It has nothing to be asked for."""
    with pytest.raises(InvalidParameterValue, match="has not been trained; call fit first"):
        flavor.save_model(CatBoostClassifier(), tmp_path / "m")
