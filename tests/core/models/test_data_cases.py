"""Data passes unchanged through the signature that was inferred from it, whatever it is."""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tracklet import pyfunc
from tracklet.models import Model, ModelSignature, infer_signature
from tracklet_testing import data_cases
from tracklet_testing.data_cases import Case, changes


class Echo(pyfunc.PythonModel):
    """Gives back what it gets."""

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        return model_input


class Predictor:
    """An echo without a model's files."""

    def predict(self, data: Any, params: Any = None) -> Any:
        return data


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """What a signature does not say is said in the log, for hundreds of kinds of data."""
    caplog.set_level(logging.CRITICAL, logger="tracklet")


def passed(data: Any) -> Any:
    """The data as a model sees it that was saved with the signature of the data."""
    said = infer_signature(data).to_dict()
    about = Model(signature=ModelSignature.from_dict(said), flavors={"python_function": {}})
    return pyfunc.PyFuncModel(about, Predictor(), None).predict(data)


def found(data: Any) -> list[str]:
    """What became of data on its way to the model."""
    try:
        return changes(data, passed(data))
    except Exception as error:  # noqa: BLE001 - which is what must not be, of hundreds of cases
        return [f"{type(error).__name__}: {error}"]


def test_every_kind_of_data_passes_through_its_own_signature() -> None:
    """Nothing is refused, no column is dropped, no value changes."""
    wrong = {case.name: found(case.make()) for case in data_cases.cases()}
    assert {name: changed for name, changed in wrong.items() if changed} == {}


def test_a_saved_model_gets_its_own_data(tmp_path: Path) -> None:
    """With the signature that its example gave it, from the disk; an odd example costs nothing."""
    chosen = ("names: ", "plain records", "polars List", "pandas category of i", "coo_array f")
    for at, (name, make) in enumerate(data_cases.cases()):
        if name.startswith(chosen):
            path = tmp_path / str(at)
            pyfunc.save_model(path, python_model=Echo(), input_example=make(), pip_requirements=[])
            loaded = pyfunc.load_model(path)
            assert loaded.signature is not None, name
            assert changes(make(), loaded.predict(make())) == [], name


def test_other_columns_keep_their_types_beside_one_that_no_type_holds() -> None:
    """One odd column does not cost the signature the others."""
    frame = pd.DataFrame({"a": [1], "odd": pd.to_timedelta([1]), "b": ["x"]})
    signature = infer_signature(frame)
    assert [str(spec) for spec in signature.inputs or ()] == [
        "'a': long (required)",
        "'odd': Any (required)",
        "'b': string (required)",
    ]


def test_arrows_dtypes_have_the_types_of_their_values() -> None:
    """A frame says the same with Arrow's dtypes as with those of NumPy."""
    frame = pd.DataFrame(
        {"i": [1, 2], "f": [0.5, 1.5], "s": ["a", "b"], "t": pd.to_datetime(["2020", "2021"])}
    )
    assert infer_signature(frame.convert_dtypes(dtype_backend="pyarrow")) == infer_signature(frame)


texts = st.text(max_size=5)
days = st.datetimes(min_value=dt.datetime(1700, 1, 1), max_value=dt.datetime(2200, 1, 1))
names = st.one_of(
    texts,
    st.integers(),
    st.floats(),
    st.dates(),
    days.map(pd.Timestamp),
    st.tuples(texts, st.one_of(st.integers(), st.dates())),
    st.booleans(),
)
integers = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(width=32)
COLUMNS = {
    **{
        f"{sign}int{bits}": st.integers(low, high)
        for bits in (8, 16, 32, 64)
        for sign, low, high in (
            ("", -(2 ** (bits - 1)), 2 ** (bits - 1) - 1),
            ("u", 0, 2**bits - 1),
        )
    },
    "float32": floats,
    "float64": st.floats(),
    "bool": st.booleans(),
    "str": texts,
    "datetime64[ns]": days,
    "datetime64[us]": st.datetimes(),
    "timedelta64[us]": st.timedeltas(dt.timedelta(-(10**5)), dt.timedelta(10**5)),
    "object": st.one_of(texts, integers, st.floats(), st.booleans(), st.dates(), st.binary()),
    "category": st.one_of(texts, integers),
    "Int64": integers,
    "Int8": st.integers(-128, 127),
    "UInt64": st.integers(0, 2**64 - 1),
    "boolean": st.booleans(),
    "string": texts,
    "int64[pyarrow]": integers,
    "double[pyarrow]": st.floats(allow_nan=False),
    "string[pyarrow]": texts,
    "bool[pyarrow]": st.booleans(),
}
NO_GAPS = {kind for kind in COLUMNS if kind.lstrip("u").startswith("int") and "[" not in kind}
NO_GAPS |= {"bool"}


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """A frame of columns of all kinds, with and without gaps and with names of all sorts."""
    rows = draw(st.integers(0, 4))
    labels = draw(st.lists(names, min_size=1, max_size=5))
    columns = []
    for _ in labels:
        kind = draw(st.sampled_from(sorted(COLUMNS)))
        cells = COLUMNS[kind]
        if kind not in NO_GAPS:
            cells = st.one_of(cells, st.none())
        values = draw(st.lists(cells, min_size=rows, max_size=rows))
        columns.append(pd.Series(values, dtype=kind))
    frame = pd.concat(columns, axis=1)
    frame.columns = pd.Index(labels, tupleize_cols=False, dtype=object)
    return frame


plain = st.recursive(
    st.one_of(st.none(), st.booleans(), integers, st.floats(), texts, st.binary(), days),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(frames())
def test_any_frame_passes_through_its_own_signature(frame: pd.DataFrame) -> None:
    """Whatever its columns and their names are."""
    assert found(frame) == []


@settings(deadline=None)
@given(plain)
@example([[None], [0]])
def test_any_plain_value_passes_through_its_own_signature(value: Any) -> None:
    """Scalars, lists and dictionaries, however nested."""
    if value is not None:
        assert found(value) == []


@settings(deadline=None)
@given(arrays.arrays(arrays.scalar_dtypes(), arrays.array_shapes(min_dims=1, min_side=0)))
def test_any_array_passes_through_its_own_signature(array: Any) -> None:
    """The very object."""
    assert passed(array) is array


def test_each_name_of_a_case_is_there_once() -> None:
    """So that a failure says which."""
    names = [case.name for case in data_cases.cases()]
    assert len(set(names)) == len(names)
    assert all(isinstance(case, Case) for case in data_cases.cases())
