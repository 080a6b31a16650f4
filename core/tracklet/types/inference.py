"""Inferring schemas from frames, tables, arrays, sparse matrices, mappings, lists and scalars."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.types import tables
from tracklet.types.datatypes import AnyType, Array, ColumnType, DataType, Map, Object, Property
from tracklet.types.params import ParamSchema, ParamSpec
from tracklet.types.schema import ColSpec, Schema, TensorSpec


class CannotInferSchema(TrackletException):
    """The data has no schema that columns or tensors can express."""


_BY_DTYPE = {
    "bool": DataType.boolean,
    **tables.INTEGERS,
    "float16": DataType.float,
    "float32": DataType.float,
    "float64": DataType.double,
    "boolean": DataType.boolean,
    "string": DataType.string,
    "str": DataType.string,
}
"""By the lower-case names of dtypes, NumPy's and pandas'."""

_BY_KIND = {"U": DataType.string, "S": DataType.binary, "M": DataType.datetime}
"""By the kinds of those NumPy dtypes whose names say a length or a unit."""

_BY_PYTHON: tuple[tuple[type | tuple[type, ...], DataType], ...] = (
    (bool, DataType.boolean),  # before int, which it is derived from
    (int, DataType.long),
    (float, DataType.double),
    (str, DataType.string),
    ((bytes, bytearray), DataType.binary),
    (dt.date, DataType.datetime),
)

_BY_INFERRED = {
    "string": DataType.string,
    "bytes": DataType.binary,
    "boolean": DataType.boolean,
    "integer": DataType.long,
    "floating": DataType.double,
    "mixed-integer-float": DataType.double,
    "datetime": DataType.datetime,
    "datetime64": DataType.datetime,
    "date": DataType.datetime,
}


def infer_schema(data: Any) -> Schema:
    """The schema of one batch of data.

    Args:
        data: A pandas frame or series, a polars frame, an Arrow table, a NumPy array, a SciPy
            sparse matrix, a mapping, a list or a scalar. A column of a frame that no type holds
            has the type ``any``.

    Raises:
        CannotInferSchema: Nothing in the language of schemas describes the data.
    """
    if _is_from(data, "pandas"):
        if hasattr(data, "columns") and hasattr(data, "iloc"):
            return _frame_schema(data)
        if hasattr(data, "to_frame") and hasattr(data, "iloc"):
            dtype, required = column_type(data)
            return Schema([ColSpec(dtype, data.name, required)])
        if not isinstance(data, dt.date):
            raise CannotInferSchema(f"no schema describes a pandas {type(data).__name__}")
    if tables.is_table(data):
        return _columns_schema(
            (name, kind, not missing) for name, _, kind, missing in tables.columns_of(data)
        )
    if _is_ndarray(data) or _is_sparse(data):
        return Schema([tensor_spec(data)])
    if isinstance(data, Mapping):
        return _mapping_schema(data)
    if isinstance(data, list):
        return _list_schema(data)
    return Schema([ColSpec(_scalar_type(data))])


def tensor_spec(data: Any, name: str | None = None) -> TensorSpec:
    """The spec of an array or sparse matrix; its first dimension is free."""
    if not data.shape:
        raise CannotInferSchema("an array without dimensions has no batch to describe")
    return TensorSpec(data.dtype, (-1, *data.shape[1:]), name)


def _is_from(data: Any, package: str) -> bool:
    return any(cls.__module__.partition(".")[0] == package for cls in type(data).__mro__)


def _is_ndarray(data: Any) -> bool:
    return _is_from(data, "numpy") and hasattr(data, "__array_finalize__") and hasattr(data, "flat")


def _is_sparse(data: Any) -> bool:
    return _is_from(data, "scipy") and hasattr(data, "nnz")


def _frame_schema(frame: Any) -> Schema:
    return _columns_schema(
        # Columns without a name, among others with names.
        ("None" if name is None else name, *column_type(frame.iloc[:, position]))
        for position, name in enumerate(frame.columns)
    )


def _columns_schema(columns: Iterable[tuple[Any, ColumnType, bool]]) -> Schema:
    specs = [ColSpec(kind, name, required) for name, kind, required in columns]
    if not specs:
        raise CannotInferSchema("a frame without columns has no schema")
    if len({spec.name for spec in specs}) != len(specs):
        raise CannotInferSchema("the frame has several columns of one name")
    return Schema(specs)


def column_type(series: Any) -> tuple[ColumnType, bool]:
    """The type of a pandas column, and whether it has a value in every row.

    A column that no type holds is of AnyType: durations, decimals, intervals, sparse ones, …
    """
    dtype: Any = series.dtype
    if type(dtype).__name__ == "CategoricalDtype":
        dtype = dtype.categories.dtype
        if dtype.name == "object":
            return _object_type(series.astype(object))
    if hasattr(dtype, "pyarrow_dtype"):
        return tables.type_of(dtype.pyarrow_dtype), not bool(series.isna().any())
    name, kind = str(dtype), getattr(dtype, "kind", "")
    found = _BY_DTYPE.get("string" if name.startswith("string") else name.lower())
    if found is None and kind == "M":
        found = DataType.datetime
    plain = dtype is series.dtype and not hasattr(dtype, "na_value")
    if found is not None and plain and kind in "bui":
        return found, True  # such arrays cannot hold a null; do not look for one
    if name == "object":
        return _object_type(series)
    return found or AnyType(), not bool(series.isna().any())


def _object_type(series: Any) -> tuple[ColumnType, bool]:
    import pandas as pd

    inferred = pd.api.types.infer_dtype(series, skipna=True)
    found: ColumnType = _BY_INFERRED.get(inferred, AnyType())
    if inferred == "empty":
        return (AnyType(), False) if len(series) else (DataType.string, True)
    if inferred == "mixed":
        with suppress(CannotInferSchema):
            found = _settled(_merge(value_type(one) for one in series if not is_null(one)))
    return found, not bool(series.isna().any())


def _mapping_schema(data: Mapping[Any, Any]) -> Schema:
    _check_keys(data)
    if all(_is_ndarray(value) for value in data.values()):
        return Schema(tensor_spec(value, name) for name, value in data.items())
    specs = []
    for name, value in data.items():
        required = not _is_missing(value) and not (
            isinstance(value, list) and any(map(_is_missing, value))
        )
        specs.append(ColSpec(_settled(value_type(value)), name, required))
    return Schema(specs)


def _check_keys(data: Mapping[Any, Any]) -> None:
    if not data or not all(isinstance(key, str) for key in data):
        raise CannotInferSchema("a mapping's keys must be texts, and there must be one")


def _list_schema(data: list[Any]) -> Schema:
    if not data:
        return Schema([ColSpec(DataType.string)])
    if all(isinstance(item, Mapping) for item in data):
        merged = _merge(value_type(item) for item in data)
        if not isinstance(merged, Object):
            raise CannotInferSchema("the dictionaries have nothing in common")
        nulls = {key for item in data for key, value in item.items() if _is_missing(value)}
        found = {item.name: item for item in merged.properties}
        return Schema(
            ColSpec(_settled(found[name].dtype), name, found[name].required and name not in nulls)
            for name in dict.fromkeys(key for item in data for key in item)
        )
    return Schema([ColSpec(_settled(_merge(value_type(item) for item in data)))])


def is_null(value: Any) -> bool:
    """Whether a value of a column is missing: None, NaN or pandas' NA."""
    return _is_missing(value) or (isinstance(value, float) and value != value)


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ == "NAType"  # pandas' NA


def value_type(value: Any) -> ColumnType:
    """The type of one value.

    Raises:
        CannotInferSchema: No type holds it.
    """
    if _is_missing(value):
        return AnyType()
    if _is_ndarray(value):
        if value.dtype.kind == "O":
            return value_type(value.tolist())
        if not value.ndim:
            return _scalar_type(value[()])
        inner: ColumnType | None = _numpy_type(value.dtype)
        if inner is None:
            raise CannotInferSchema(f"no column type holds values of dtype {value.dtype}")
        for _ in range(value.ndim):
            inner = Array(inner)
        return inner
    if isinstance(value, list):
        return Array(_merge(value_type(item) for item in value))
    if isinstance(value, Mapping) and not value:
        return _EMPTY
    if isinstance(value, Mapping):
        _check_keys(value)
        return Object(
            Property(key, value_type(item), not _is_missing(item)) for key, item in value.items()
        )
    return _scalar_type(value)


_EMPTY = Map(AnyType())
"""Of an empty dictionary, until it is merged with others."""


def _settled(kind: ColumnType) -> ColumnType:
    """The type without what is known only of empty lists and dictionaries."""
    if isinstance(kind, Array):
        inner = _settled(kind.dtype)
        return inner if isinstance(inner, AnyType) else Array(inner)
    if isinstance(kind, Object):
        return Object(Property(p.name, _settled(p.dtype), p.required) for p in kind.properties)
    return AnyType() if kind == _EMPTY else kind


def _numpy_type(dtype: Any) -> DataType | None:
    return _BY_KIND.get(dtype.kind) or _BY_DTYPE.get(dtype.name)


def _scalar_type(value: Any) -> DataType:
    dtype = getattr(value, "dtype", None)
    if dtype is not None and _is_from(value, "numpy"):
        found = _numpy_type(dtype)
    else:
        found = next((kind for python, kind in _BY_PYTHON if isinstance(value, python)), None)
    if found is not None:
        return found
    raise CannotInferSchema(f"no column type holds values of type {type(value).__name__}")


def _merge(types: Iterable[ColumnType]) -> ColumnType:
    merged: ColumnType = AnyType()
    for item in types:
        merged = _merged(merged, item)
    return merged


def _merged(one: ColumnType, two: ColumnType) -> ColumnType:
    if one == two or isinstance(two, AnyType):
        return one
    if isinstance(one, AnyType):
        return two
    if isinstance(one, Array) and isinstance(two, Array):
        return Array(_merged(one.dtype, two.dtype))
    if isinstance(one, Object) and two == _EMPTY:
        return Object(Property(item.name, item.dtype, False) for item in one.properties)
    if one == _EMPTY and isinstance(two, Object):
        return _merged(two, one)
    if isinstance(one, Object) and isinstance(two, Object):
        left = {item.name: item for item in one.properties}
        right = {item.name: item for item in two.properties}
        properties = []
        for name in left.keys() | right.keys():
            if name in left and name in right:
                dtype = _merged(left[name].dtype, right[name].dtype)
                required = left[name].required and right[name].required
            else:
                dtype, required = (left.get(name) or right[name]).dtype, False
            properties.append(Property(name, dtype, required))
        return Object(properties)
    raise CannotInferSchema(f"values of type {one!r} and {two!r} stand side by side")


def infer_param_schema(params: Mapping[str, Any]) -> ParamSchema:
    """The schema of parameters, with the given values as defaults.

    Raises:
        InvalidParameterValue: A value is neither a scalar, nor a flat list of them, nor a
            dictionary.
    """
    if not isinstance(params, Mapping):
        raise InvalidParameterValue(
            f"params must be a dictionary; got {params!r} of type {type(params).__name__}"
        )
    return ParamSchema(_param_spec(str(name), value) for name, value in params.items())


def _param_spec(name: str, value: Any) -> ParamSpec:
    problem = f"parameter {name!r} must be a scalar, a flat list of scalars or a dictionary"
    try:
        array: Any = value if _is_ndarray(value) and value.ndim == 1 else None
        if array is not None or isinstance(value, list):
            items = value if array is None else array.tolist()
            if not items:
                return ParamSpec(name, DataType.string, [], (-1,))
            typed = items if array is None or array.dtype.kind == "O" else array[:1]
            kind = _merge(_scalar_type(item) for item in typed)
            return ParamSpec(name, kind, items, (-1,))  # type: ignore[arg-type]
        if isinstance(value, Mapping):
            return ParamSpec(name, _settled(value_type(value)), dict(value))  # type: ignore[arg-type]
        return ParamSpec(name, _scalar_type(value), value)
    except CannotInferSchema as error:
        raise InvalidParameterValue(f"{problem}; got {value!r}: {error}") from None
