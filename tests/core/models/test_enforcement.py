"""What a signature makes of data, and what it says when that cannot be."""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sparse

from tracklet.errors import InvalidParameterValue
from tracklet.models.pyfunc.enforcement import SchemaMismatch, enforce, enforce_params
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
    infer_schema,
)

AB = Schema([ColSpec(DataType.double, "a"), ColSpec(DataType.long, "b")])


def test_data_in_the_right_form_is_passed_as_the_very_object() -> None:
    """Nothing is copied where nothing has to change."""
    frame = pd.DataFrame({"a": [1.0], "b": [1]})
    assert enforce(frame, AB) is frame


def test_columns_are_ordered_and_extra_ones_dropped() -> None:
    """The model sees the columns of its signature, in their order; the caller's frame stays."""
    frame = pd.DataFrame({"z": [0], "b": [1], "a": [1.0]})
    assert enforce(frame, AB).columns.tolist() == ["a", "b"]
    assert frame.columns.tolist() == ["z", "b", "a"]


@pytest.mark.parametrize(
    "data",
    [
        {"a": 1.0, "b": 1},
        {"a": [1.0], "b": [1]},
        {"a": np.array([1.0]), "b": np.array([1])},
        {"a": np.float64(1), "b": np.int64(1)},
        [{"a": 1.0, "b": 1}],
    ],
)
def test_mappings_and_records_become_frames(data: Any) -> None:
    """Whatever says which value belongs to which column is taken."""
    pd.testing.assert_frame_equal(enforce(data, AB), pd.DataFrame({"a": [1.0], "b": [1]}))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pd.DataFrame({"a": [1.0], "z": [1]}), "lacks the columns ['b']; it has the extra"),
        (pd.DataFrame({"a": [1.0], "b": ["x"]}), "column 'b' is a long by the model's signature"),
        (pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, None]}), "declare the column as double"),
        (np.ones((1, 2)), "lacks the columns ['a', 'b']"),
        (None, "got NoneType"),
        ((1, 2), "got tuple"),
    ],
)
def test_messages_name_column_got_and_expected(data: Any, message: str) -> None:
    """Whoever reads the error can repair the data."""
    with pytest.raises(SchemaMismatch, match=re.escape(message)):
        enforce(data, AB)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"a": [1.0], "b": 1, "c": [2, 3]}, "same number of values; got {'a': 1, 'b': 1, 'c': 2}"),
        ({"a": 1.0, "b": [1, 2]}, "same number of values"),
        ({"a": np.ones((2, 2)), "b": [1, 2]}, "column 'a' is a double"),
        ([[1.0, 2], [3.0]], "rows must have the same length; got [1, 2]"),
        ([{"a": 1.0}, 3], "got list"),
        (pd.DataFrame([[1.0, 2, 3]], columns=["a", "b", "a"]), "['a'] stand more than once"),
    ],
)
def test_data_that_makes_no_frame_is_refused(data: Any, message: str) -> None:
    """Never with a bare error of pandas or NumPy."""
    with pytest.raises(SchemaMismatch, match=re.escape(message)):
        enforce(data, AB)


def test_lists_in_a_mapping_are_rows_where_columns_hold_less() -> None:
    """A list for a column of lists is one row, a list of lists several; texts are one request."""
    lists = Schema([ColSpec(Array(DataType.long), "a")])
    both = Schema([ColSpec(Array(DataType.long), "a"), ColSpec(DataType.long, "b")])
    texts = Schema([ColSpec(DataType.string, "a")])
    for schema, data, expected in (
        (lists, {"a": [1, 2]}, [[1, 2]]),
        (lists, {"a": [[1, 2], [3]]}, [[1, 2], [3]]),
        (lists, [{"a": [1, 2]}, {"a": [3]}], [[1, 2], [3]]),
        (lists, [[1, 2], [3]], [[1, 2], [3]]),
        (both, {"a": [[1], [2, 3]], "b": [4, 5]}, [[1], [2, 3]]),
        (texts, {"a": ["x", "y"]}, [["x", "y"]]),
        (texts, {"a": "x"}, ["x"]),
    ):
        assert enforce(data, schema)["a"].tolist() == expected, data


def test_missing_values_do_not_turn_whole_numbers_into_floats() -> None:
    """Records and lists keep them as they are, and so does what is widened."""
    schema = Schema([ColSpec(DataType.long, "c", required=False)])
    for data in (
        [{"c": 2**60 + 1}, {}],
        {"c": [2**60 + 1, None]},
        pd.DataFrame({"c": pd.Series([2**60 + 1, None], dtype="Int64")}),
        pd.DataFrame({"c": [2**60 + 1, None]}, dtype=object),
    ):
        column = enforce(data, schema)["c"]
        assert column.iloc[0] == 2**60 + 1
        assert pd.isna(column.iloc[1])
    small = pd.DataFrame({"c": pd.Series([1, None], dtype="Int8")})
    assert enforce(small, schema)["c"].dtype == "Int64"


def test_columns_are_found_by_names_that_json_cannot_say() -> None:
    """Dates, NaN and None as names are asked for by themselves or by their texts, in any order."""
    names = [pd.Timestamp("2020-01-01"), float("nan"), None]
    frame = pd.DataFrame([[1.0, 2.0, 3.0]], columns=pd.Index(names, dtype=object))
    schema = Schema.from_json(infer_schema(frame).to_json())
    assert schema.input_names() == ["2020-01-01T00:00:00", "nan", "None"]
    assert enforce(frame, schema) is frame
    assert enforce(frame.iloc[:, ::-1], schema).to_numpy().tolist() == [[1.0, 2.0, 3.0]]
    texts = frame.set_axis(schema.input_names(), axis=1)
    assert enforce(texts, schema) is texts


def test_a_schema_that_says_nothing_lets_everything_pass() -> None:
    """A frame keeps all of its columns, and what makes no frame is passed as it is."""
    for data in (pd.DataFrame({"a": [1], "b": ["x"]}), (1, 2), [1, "x"], None):
        assert enforce(data, Schema([ColSpec(AnyType())])) is data


def test_an_optional_column_may_be_absent() -> None:
    """And is not made up."""
    schema = Schema([ColSpec(DataType.double, "a"), ColSpec(DataType.long, "b", required=False)])
    assert enforce(pd.DataFrame({"a": [1.0]}), schema).columns.tolist() == ["a"]


def test_without_names_the_count_decides() -> None:
    """Too few are an error, extra ones are cut."""
    schema = Schema([ColSpec(DataType.double), ColSpec(DataType.long)])
    assert enforce(pd.DataFrame({"q": [1.0], "r": [1], "s": [2]}), schema).shape == (1, 2)
    assert enforce([[1.0, 1]], schema).shape == (1, 2)
    with pytest.raises(SchemaMismatch, match="takes 2 columns; got 1"):
        enforce(pd.DataFrame({"q": [1.0]}), schema)


@pytest.mark.parametrize("name", [None, "s"])
@pytest.mark.parametrize("data", ["x", ["x"], np.array(["x"])])
def test_a_single_column_takes_bare_values(name: str | None, data: Any) -> None:
    """A text, a list or an array is that column."""
    frame = enforce(data, Schema([ColSpec(DataType.string, name)]))
    assert frame.iloc[:, 0].tolist() == ["x"]


def test_widening_keeps_index_and_neighbours() -> None:
    """A converted column changes its dtype only."""
    frame = pd.DataFrame(
        {"a": np.array([1, 2], dtype="float32"), "b": np.array([1, 2], dtype="int8")},
        index=["p", "q"],
    )
    result = enforce(frame, AB)
    assert result.dtypes.astype(str).tolist() == ["float64", "int64"]
    assert result.index.tolist() == ["p", "q"]
    assert frame.dtypes.astype(str).tolist() == ["float32", "int8"]


def column(kind: Any, *, required: bool = True) -> Schema:
    return Schema([ColSpec(kind, "c", required)])


THING = Object([Property("x", DataType.long), Property("y", DataType.string, required=False)])


@pytest.mark.parametrize(
    ("schema", "cell"),
    [
        (column(Array(DataType.long)), [1, 2]),
        (column(Array(DataType.long)), []),
        (column(Array(Array(DataType.long))), [[1], [2, 3]]),
        (column(Array(DataType.long), required=False), None),
        (column(THING), {"x": 1}),
        (column(THING), {"x": 1, "y": None}),
        (column(Map(DataType.long)), {"q": 1}),
        (column(AnyType(), required=False), {"anything": object}),
    ],
)
def test_structured_cells_pass_as_they_are(schema: Schema, cell: Any) -> None:
    """Lists, objects and maps that fit are not changed."""
    assert enforce(pd.DataFrame({"c": [cell]}), schema)["c"].iloc[0] == cell


@pytest.mark.parametrize(
    ("schema", "cell", "message"),
    [
        (column(Array(DataType.long)), ["x"], "is a long"),
        (column(Array(DataType.long)), 1, "is a list or an array"),
        (column(Array(DataType.long)), None, "is a list or an array"),
        (column(Array(DataType.double)), [1, 2], "is a double"),
        (column(THING), {"y": "s"}, "lacks ['x']"),
        (column(THING), {"x": 1, "q": 1}, "has ['q']"),
        (column(THING), None, "is a dictionary"),
        (column(Map(DataType.long)), {"q": "s"}, "c['q'] is a long"),
        (column(Map(DataType.long)), {1: 1}, "texts as keys"),
    ],
)
def test_structured_cells_that_do_not_fit_are_refused(
    schema: Schema, cell: Any, message: str
) -> None:
    """The error points into the structure."""
    with pytest.raises(SchemaMismatch, match=re.escape(message)):
        enforce(pd.DataFrame({"c": [cell]}), schema)


TENSOR = Schema([TensorSpec(np.dtype("float64"), (-1, 2))])


@pytest.mark.parametrize(
    "data", [np.ones((3, 2)), pd.DataFrame(np.ones((3, 2))), pd.DataFrame({"a": [[1.0, 1.0]] * 3})]
)
def test_a_tensor_takes_arrays_and_frames(data: Any) -> None:
    """Frames of numbers, or of one column of lists, are stacked."""
    np.testing.assert_array_equal(enforce(data, TENSOR), np.ones((3, 2)))


def test_a_sparse_matrix_stays_sparse() -> None:
    """Checking a matrix does not spread it out."""
    matrix = sparse.csr_matrix(np.eye(2))
    assert enforce(matrix, TENSOR) is matrix


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.ones((3, 2), dtype="float32"), "got float32"),
        (np.ones(3), "got (3,)"),
        (np.ones((3, 3)), "got (3, 3)"),
        ([[1.0, 2.0]], "got list"),
        (None, "got NoneType"),
    ],
)
def test_a_tensor_of_another_form_is_refused(data: Any, message: str) -> None:
    """dtype, rank and fixed dimensions must be those of the signature."""
    with pytest.raises(SchemaMismatch, match=re.escape(message)):
        enforce(data, TENSOR)


def test_named_tensors_take_mappings_and_frames() -> None:
    """Extra entries are left out; missing ones are an error."""
    schema = Schema(
        [TensorSpec(np.dtype("float64"), (-1, 2), "x"), TensorSpec(np.dtype("int64"), (-1,), "y")]
    )
    found = enforce({"x": np.ones((3, 2)), "y": np.arange(3), "z": 1}, schema)
    assert sorted(found) == ["x", "y"]
    assert enforce(pd.DataFrame({"x": [[1.0, 2.0]], "y": [1]}), schema)["x"].shape == (1, 2)
    with pytest.raises(SchemaMismatch, match="lacks the tensors"):
        enforce({"x": np.ones((3, 2))}, schema)


def test_the_only_tensor_needs_no_name() -> None:
    """A bare array or Series is it; with several tensors it would not be known which."""
    one = Schema([TensorSpec(np.dtype("float64"), (-1,), "x")])
    for data in (np.ones(2), pd.Series([1.0, 1.0]), pd.Series([1, 1], name="q")):
        np.testing.assert_array_equal(enforce(data, one)["x"], [1.0, 1.0])
    two = Schema([*one, TensorSpec(np.dtype("float64"), (-1,), "y")])
    with pytest.raises(SchemaMismatch, match="takes a dictionary of arrays"):
        enforce(np.ones(2), two)


@pytest.mark.parametrize("name", [None, "x"])
def test_the_cells_of_a_frame_become_the_tensors_dtype_if_nothing_is_lost(name: Any) -> None:
    """Lists of Python's numbers and nullable columns have no dtype that would mean something."""
    schema = Schema([TensorSpec(np.dtype("float32"), (-1, 2), name)])
    found = enforce(pd.DataFrame({"x": [[1, 2], [3, 4]]}), schema)
    array = found if name is None else found[name]
    assert array.dtype == np.float32
    assert array.tolist() == [[1, 2], [3, 4]]
    with pytest.raises(SchemaMismatch, match="dtype float32"):
        enforce(pd.DataFrame({"x": [[0.1, 0.2]]}), schema)
    with pytest.raises(SchemaMismatch, match="do not make one array"):
        enforce(pd.DataFrame({"x": [[1, 2], [3]]}), schema)


def test_params_have_defaults_and_unknown_ones_are_left_out() -> None:
    """None and {} are the defaults; no dictionary is an error."""
    schema = ParamSchema([ParamSpec("i", DataType.long, 1), ParamSpec("s", DataType.string, "x")])
    assert enforce_params(None, schema) == {"i": 1, "s": "x"}
    assert enforce_params({"i": 2, "unknown": 1, 3: 4}, schema) == {"i": 2, "s": "x"}
    assert enforce_params({"i": 2}, None) == {}
    with pytest.raises(InvalidParameterValue, match="must be a dictionary"):
        enforce_params([1], schema)


def test_checking_one_row_of_twenty_columns_is_cheap() -> None:
    """At most a thousand calls (two hundred and fifty, some 50 µs, when this was written).

    Counted, since how long they take is another thing on a busy machine.
    """
    schema = Schema([ColSpec(DataType.double, f"c{i}") for i in range(20)])
    frame = pd.DataFrame(np.ones((1, 20)), columns=[f"c{i}" for i in range(20)])
    enforce(frame, schema)
    calls = []
    sys.setprofile(lambda frame, event, arg: calls.append(event))
    try:
        enforce(frame, schema)
    finally:
        sys.setprofile(None)
    assert sum(event in ("call", "c_call") for event in calls) <= 1000


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        (DataType.long, [1, np.int64(2), np.int8(3)], [1, 2, 3]),
        (DataType.long, [np.int64(2)], [2]),
        (DataType.integer, [np.int32(2)], [2]),
        (DataType.double, [0.5, np.float64(2)], [0.5, 2.0]),
        (DataType.float, [np.float32(0.5)], [0.5]),
        (DataType.boolean, [True, np.False_], [True, False]),
        (DataType.string, ["x"], ["x"]),
        (DataType.long, [1, 1 << 63], None),
        (DataType.long, [np.float64(1)], None),
        (DataType.double, [1.0, "x"], None),
    ],
)
def test_values_of_lists_become_python_s_own(kind: DataType, given: Any, expected: Any) -> None:
    """Whichever way they are looked at: what plainly fits is not made a Series of."""
    schema = Schema([ColSpec(Array(kind), "a")])
    if expected is None:
        with pytest.raises(SchemaMismatch):
            enforce({"a": [given]}, schema)
        return
    (found,) = enforce({"a": [given]}, schema)["a"]
    np.testing.assert_equal(found, expected)
    assert [type(one) for one in found] == [type(one) for one in expected]
