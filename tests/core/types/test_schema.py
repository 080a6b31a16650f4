"""Schemas: their rules, and their JSON forms."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.types import (
    AnyType,
    Array,
    ColSpec,
    DataType,
    Map,
    Object,
    ParamSchema,
    ParamSpec,
    Property,
    Schema,
    TensorSpec,
)

names = st.text(min_size=1, max_size=8)
types = st.recursive(
    st.sampled_from([*DataType, AnyType()]),
    lambda inner: st.one_of(
        inner.map(Array),
        inner.map(Map),
        st.dictionaries(names, st.tuples(inner, st.booleans()), min_size=1, max_size=3).map(
            lambda items: Object(
                Property(name, kind, required and not isinstance(kind, AnyType))
                for name, (kind, required) in items.items()
            )
        ),
    ),
    max_leaves=6,
)
columns = st.dictionaries(names, st.tuples(types, st.booleans()), min_size=1, max_size=5).map(
    lambda items: Schema(ColSpec(kind, name, required) for name, (kind, required) in items.items())
)
tensors = st.dictionaries(
    names,
    st.tuples(
        st.sampled_from(["float32", "int64", "str", "object", "bool", "datetime64[ns]"]),
        st.lists(st.integers(-1, 9), max_size=4),
    ),
    min_size=1,
    max_size=4,
).map(lambda items: Schema(TensorSpec(np.dtype(d), (-1, *s), n) for n, (d, s) in items.items()))


@given(st.one_of(columns, tensors))
def test_a_schema_survives_its_json(schema: Schema) -> None:
    """Writing and reading a schema gives the same schema."""
    assert Schema.from_json(schema.to_json()) == schema


@pytest.mark.parametrize(
    "make",
    [
        lambda: Schema([]),
        lambda: Schema([ColSpec(DataType.double, required=False)]),
        lambda: Schema([ColSpec(DataType.double, "a"), ColSpec(DataType.double)]),
        lambda: Schema([ColSpec(DataType.double, "a"), TensorSpec(np.dtype("int64"), (-1,), "b")]),
        lambda: Schema(
            [TensorSpec(np.dtype("int64"), (-1,)), TensorSpec(np.dtype("int64"), (-1,))]
        ),
        lambda: ColSpec("foo"),  # type: ignore[arg-type]
        lambda: Object([]),
        lambda: Object({}),  # type: ignore[arg-type]
        lambda: Object({"a": DataType.long}),  # type: ignore[arg-type]
        lambda: Object(Property("a", DataType.long)),  # type: ignore[arg-type]
        lambda: Property(3, DataType.long),  # type: ignore[arg-type]
        lambda: Schema(ColSpec(DataType.long)),  # type: ignore[arg-type]
        lambda: Schema([3]),  # type: ignore[list-item]
        lambda: ParamSchema(3),  # type: ignore[arg-type]
        lambda: ParamSpec("a", DataType.long, 1, 3),
        lambda: ParamSpec("a", Object([Property("b", AnyType())]), {"b": object()}),
        lambda: TensorSpec("float64", (-1,)),
        lambda: TensorSpec(np.dtype([("a", "i4")]), (-1,)),
        lambda: TensorSpec(np.dtype("int64"), None),  # type: ignore[arg-type]
        lambda: Object([Property("a", DataType.long), Property("a", DataType.long)]),
        lambda: TensorSpec(np.dtype("int64"), 3),  # type: ignore[arg-type]
        lambda: Schema.from_json("nonsense"),
        lambda: Schema.from_json('[{"type": "array"}]'),
        lambda: ParamSchema([ParamSpec("a", DataType.long, 1)] * 2),
        lambda: ParamSpec("a", DataType.long, "x"),
        lambda: ParamSpec("a", DataType.binary, b"x"),
        lambda: ParamSpec("a", DataType.long, [1], (2,)),
    ],
)
def test_what_breaks_the_rules_is_refused(make: Any) -> None:
    """No schema comes to be that MLflow could not read."""
    with pytest.raises(TrackletException):
        make()


def test_old_forms_are_read() -> None:
    """``optional`` for columns, ``dtype`` for params: as MLflow wrote them before 2.6."""
    old = [{"type": "long", "name": "a", "optional": True}, {"type": "long", "name": "b"}]
    assert [spec.required for spec in Schema.from_json(json.dumps(old))] == [False, True]
    params = ParamSchema.from_json('[{"name": "t", "dtype": "float", "default": 1, "shape": null}]')
    assert params.params == [ParamSpec("t", DataType.float, 1.0)]


def test_names_keep_their_python_type() -> None:
    """Integer names stay numbers, tuples come back from lists."""
    schema = Schema([ColSpec(DataType.double, 0), ColSpec(DataType.double, 1)])
    assert Schema.from_json(schema.to_json()).input_names() == [0, 1]
    multi = Schema([ColSpec(DataType.long, ("a", "b"))])
    assert Schema.from_json(multi.to_json()).input_names() == [("a", "b")]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("integer", 2, 2),
        ("integer", np.int32(2), 2),
        ("long", np.int64(2), 2),
        ("float", 1, 1.0),
        ("double", np.float32(1), 1.0),
        ("string", np.str_("a"), "a"),
        ("boolean", np.bool_(False), False),
        ("datetime", "2021-01-01", dt.date(2021, 1, 1)),
        ("datetime", "2021-01-01T02:03:04", dt.datetime(2021, 1, 1, 2, 3, 4)),
        ("integer", None, None),
    ],
)
def test_params_are_converted_without_loss(kind: str, value: Any, expected: Any) -> None:
    """NumPy scalars become Python's, ISO texts dates, ints floats where floats are declared."""
    converted = ParamSpec("p", kind, None).convert(value)
    assert converted == expected
    assert type(converted) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("integer", 2.5),
        ("integer", True),
        ("integer", np.int64(3)),
        ("long", "2"),
        ("float", np.float64(1.5)),
        ("double", "1"),
        ("string", 1),
        ("boolean", 1),
        ("datetime", "yesterday"),
    ],
)
def test_params_that_would_lose_something_are_refused(kind: str, value: Any) -> None:
    """The error names the parameter, its type and the value."""
    with pytest.raises(InvalidParameterValue, match=f"'p' is a {kind}"):
        ParamSpec("p", kind, None).convert(value)


def test_lists_of_params_take_lists_and_arrays_only() -> None:
    """A tuple, a scalar and a matrix are no list."""
    spec = ParamSpec("p", DataType.long, [1], (-1,))
    assert spec.convert([1, 2]) == [1, 2]
    assert spec.convert(np.array([1, 2])) == [1, 2]
    for wrong in ((1,), 1, [1.5], np.ones((2, 2), dtype=int)):
        with pytest.raises(InvalidParameterValue):
            spec.convert(wrong)
