"""A model that was trained on categories takes them as categories, and as plain values again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingRegressor
from sklearn.pipeline import make_pipeline

from tracklet import models, pyfunc
from tracklet.errors import TrackletException
from tracklet_flavors import lightgbm as lightgbm_flavor
from tracklet_flavors import xgboost as xgboost_flavor
from tracklet_services.scoring import parse

ROWS = 120
RNG = np.random.default_rng(0)
PARAMS = {"objective": "reg:squarederror", "nthread": 1}
FINE: dict[str, Any] = {
    "verbose": -1,
    "min_data_per_group": 1,
    "cat_smooth": 1,
    "min_data_in_leaf": 1,
}
KEEPS_CATEGORIES = hasattr(xgb.Booster, "get_categories")

# Values in an order that sorting would not give, so that codes made anew are other codes.
KINDS: dict[str, tuple[Any, bool]] = {
    "integers": ([7, 3, 11], False),
    "small integers": (np.array([7, 3, 11], dtype="int8"), False),
    "texts": (["b", "a", "ö 1"], False),
    "texts like numbers": (["10", "9", "007"], False),
    "ordered": (["low", "high", "middle"], True),
    "flags": ([True, False], False),
    "floats": ([2.5, 0.1, -1.0], False),
}
DAYS = {"days": (pd.to_datetime(["2021-05-04", "2021-01-02", "2021-03-03"]), False)}


def frame_of(*kinds: str) -> pd.DataFrame:
    columns: dict[str, Any] = {"x": RNG.normal(size=ROWS)}
    for kind in kinds:
        values, ordered = {**KINDS, **DAYS}[kind]
        drawn = np.asarray(values)[RNG.integers(0, len(values), ROWS)]
        columns[kind] = pd.Categorical(drawn, categories=values, ordered=ordered)
    return pd.DataFrame(columns)


def labels_of(frame: pd.DataFrame) -> Any:
    """Numbers that every column has a part in."""
    codes = [frame[name].cat.codes.to_numpy() == 1 for name in frame.columns[1:]]
    return sum(each * (number + 1.0) for number, each in enumerate(codes))


def plain_of(frame: pd.DataFrame) -> pd.DataFrame:
    """The same values without categories."""
    columns = {
        name: frame[name].astype(frame[name].cat.categories.dtype) for name in frame if name != "x"
    }
    return frame.assign(**columns)


def xgb_wrapper() -> Any:
    return xgb.XGBRegressor(n_estimators=8, n_jobs=1, enable_categorical=True)


def lgb_wrapper() -> Any:
    return lgb.LGBMRegressor(n_estimators=8, n_jobs=1, **FINE)


def xgb_booster(frame: Any, labels: Any) -> tuple[Any, Callable[[Any], Any]]:
    booster = xgb.train(PARAMS, xgb.DMatrix(frame, labels, enable_categorical=True), 8)
    return booster, lambda data: booster.predict(xgb.DMatrix(data, enable_categorical=True))


def lgb_booster(frame: Any, labels: Any) -> tuple[Any, Callable[[Any], Any]]:
    params = {"objective": "l2", "num_threads": 1, **FINE}
    booster = lgb.train(params, lgb.Dataset(frame, labels), 8)
    return booster, booster.predict


def fitted(make: Callable[[], Any]) -> Callable[[Any, Any], tuple[Any, Callable[[Any], Any]]]:
    def fit(frame: Any, labels: Any) -> tuple[Any, Callable[[Any], Any]]:
        model = make().fit(frame, labels)
        return model, model.predict

    return fit


def behind_columns() -> Any:
    """A pipeline whose booster sees the columns under other names than the user's."""
    columns = ColumnTransformer([("kept", "passthrough", slice(None))])
    return make_pipeline(columns.set_output(transform="pandas"), lgb_wrapper())


MODELS: dict[str, Callable[[Any, Any], tuple[Any, Callable[[Any], Any]]]] = {
    "xgboost booster": xgb_booster,
    "xgboost wrapper": fitted(xgb_wrapper),
    "xgboost in a pipeline": fitted(lambda: make_pipeline("passthrough", xgb_wrapper())),
    "lightgbm booster": lgb_booster,
    "lightgbm wrapper": fitted(lgb_wrapper),
    "lightgbm in a pipeline": fitted(lambda: make_pipeline("passthrough", lgb_wrapper())),
    "lightgbm behind columns": fitted(behind_columns),
    "lightgbm in an ensemble": fitted(lambda: VotingRegressor([("a", lgb_wrapper())])),
}


@pytest.mark.parametrize("name", MODELS)
def test_categories_and_plain_values_get_the_native_answer(tmp_path: Path, name: str) -> None:
    """As a frame of either, as JSON and as CSV; what is missing or unseen counts as missing."""
    kinds = [kind for kind in KINDS if "xgboost" not in name or kind not in ("flags", "floats")]
    frame = frame_of(*kinds)
    model, predict = MODELS[name](frame, labels_of(frame))
    expected = np.asarray(predict(frame))
    for kind in kinds:
        others = frame.assign(**{kind: frame[kind].array[::-1]})
        assert (np.asarray(predict(others)) != expected).any(), f"{kind} decides nothing"
    signature = models.infer_signature(frame, expected)
    models.save_model(model, tmp_path / "m", signature=signature, input_example=frame.iloc[:5])
    view = pyfunc.load_model(tmp_path / "m")
    plain = plain_of(frame)
    np.testing.assert_array_equal(view.predict(frame), expected)
    np.testing.assert_array_equal(view.predict(plain), expected)
    np.testing.assert_array_equal(view.predict(plain[3:5]), expected[3:5])
    body = json.dumps({"dataframe_split": plain.to_dict(orient="split")})
    for content, media in ((body, "application/json"), (plain.to_csv(index=False), "text/csv")):
        sent = parse(content, media, view.input_schema).data
        np.testing.assert_allclose(view.predict(sent), expected, rtol=1e-6)
    holes, unseen = frame.copy(), plain.copy()
    for kind in kinds:
        if kind != "flags":  # there is no third one
            holes.loc[3, kind] = np.nan
            unseen.loc[3, kind] = "new" if plain[kind].dtype == "str" else 99
    np.testing.assert_array_equal(view.predict(holes), predict(holes))
    np.testing.assert_array_equal(view.predict(unseen), predict(holes))
    assert view.metadata.load_input_example(tmp_path / "m") is not None


def test_dates_that_are_categories_come_back_as_such(tmp_path: Path) -> None:
    """No booster takes them; a model of the user's own may, and sees the same frame again."""

    class Codes(pyfunc.PythonModel):
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return model_input["days"].cat.codes.tolist()

    frame = frame_of("days")
    signature = models.infer_signature(frame, [1])
    pyfunc.save_model(tmp_path / "m", python_model=Codes(), signature=signature)
    plain = plain_of(frame)
    view = pyfunc.load_model(tmp_path / "m")
    assert view.predict(plain) == view.predict(frame) == frame["days"].cat.codes.tolist()


@pytest.mark.skipif(not KEEPS_CATEGORIES, reason="models keep categories since XGBoost 3.1")
def test_without_a_signature_xgboosts_own_file_knows_the_categories(tmp_path: Path) -> None:
    """Models of other programs have no word of ours on categories, and answer rightly."""
    pytest.importorskip("pyarrow", exc_type=ImportError)
    frame = frame_of("integers", "texts")
    model, predict = xgb_booster(frame, labels_of(frame))
    xgboost_flavor.save_model(model, tmp_path / "m")
    view = pyfunc.load_model(tmp_path / "m")
    np.testing.assert_array_equal(view.predict(plain_of(frame)), predict(frame))
    codes = frame[["x"]].assign(kind=frame["texts"].cat.codes.astype("int32"))
    types = ["q", "c"]
    by_codes = xgb.train(PARAMS, xgb.DMatrix(codes, labels_of(frame), feature_types=types), 8)
    xgboost_flavor.save_model(by_codes, tmp_path / "codes")
    answer = pyfunc.load_model(tmp_path / "codes").predict(codes)
    np.testing.assert_array_equal(answer, by_codes.predict(xgb.DMatrix(codes, feature_types=types)))


@pytest.mark.parametrize("wrapped", [False, True])
def test_without_a_signature_lightgbms_own_file_knows_the_categories(
    tmp_path: Path, wrapped: bool
) -> None:
    """Whatever their type, and which columns they are; a booster's file or a wrapper's."""
    frame = frame_of("integers", "texts", "flags", "floats")
    labels, model = labels_of(frame), lgb.LGBMRegressor(n_estimators=3, n_jobs=1, **FINE)
    order, z = ["x", "integers", "z", "texts", "flags", "floats"], RNG.normal(size=ROWS)
    frame, plain = (each.assign(z=z)[order] for each in (frame, plain_of(frame)))
    if wrapped:
        model.fit(frame, labels)
    else:
        model = lgb.train({"num_threads": 1, **FINE}, lgb.Dataset(frame, labels), 3)
    lightgbm_flavor.save_model(model, tmp_path / "m")
    view = pyfunc.load_model(tmp_path / "m")
    assert view.input_schema is None
    unknown = frame.assign(texts=frame["texts"].where(np.zeros(ROWS, bool)))
    for asked, native in (
        (frame, frame),
        (plain, frame),
        (plain.iloc[:3], frame.iloc[:3]),
        (plain.assign(texts="none of them"), unknown),
    ):
        np.testing.assert_array_equal(view.predict(asked), model.predict(native))


def test_a_damaged_file_of_categories_is_refused(tmp_path: Path) -> None:
    """Whoever wrote it, a model that is corrupt gives a clear error."""
    frame = frame_of("texts")
    model, predict = xgb_booster(frame, labels_of(frame))
    signature = models.infer_signature(frame, predict(frame))
    models.save_model(model, tmp_path / "m", signature=signature)
    (tmp_path / "m" / "tracklet.manifest.json").unlink()
    for content in ("[]", '{"texts": {}}', "{", '{"texts": {"dtype": 3, "values": 4}}'):
        (tmp_path / "m" / "categories.json").write_text(content)
        with pytest.raises(TrackletException, match="corrupt"):
            pyfunc.load_model(tmp_path / "m")
