"""Tables of Arrow and of polars: the types of their columns, and their values as a pandas frame."""

from __future__ import annotations

import re
from typing import Any

from tracklet.types.datatypes import AnyType, Array, ColumnType, DataType, Object, Property

NULLABLE = {
    DataType.boolean: "boolean",
    DataType.integer: "Int32",
    DataType.long: "Int64",
}
"""The pandas dtypes of those types whose NumPy dtypes have no room for a missing value."""

INTEGERS = {
    "int8": DataType.integer,
    "int16": DataType.integer,
    "int32": DataType.integer,
    "uint8": DataType.integer,
    "uint16": DataType.integer,
    "int64": DataType.long,
    "uint32": DataType.long,
}
"""What whole numbers are, by the names that all libraries give to their types, in lower case."""

_BY_NAME = {
    # Both libraries', and polars' in lower case.
    **INTEGERS,
    "string": DataType.string,
    "binary": DataType.binary,
    # Arrow's.
    "bool": DataType.boolean,
    "halffloat": DataType.float,
    "float": DataType.float,
    "double": DataType.double,
    "large_string": DataType.string,
    "string_view": DataType.string,
    "large_binary": DataType.binary,
    "fixed_size_binary": DataType.binary,
    "binary_view": DataType.binary,
    "date32": DataType.datetime,
    "date64": DataType.datetime,
    "timestamp": DataType.datetime,
    # Polars'.
    "boolean": DataType.boolean,
    "float16": DataType.float,
    "float32": DataType.float,
    "float64": DataType.double,
    "categorical": DataType.string,
    "enum": DataType.string,
    "date": DataType.datetime,
    "datetime": DataType.datetime,
}
_LISTS = ("list", "large_list", "fixed_size_list", "list_view", "large_list_view", "array")


def is_table(data: Any) -> bool:
    """Whether the data is a DataFrame of polars, or a Table or RecordBatch of Arrow."""
    tops = {cls.__module__.partition(".")[0] for cls in type(data).__mro__}
    own = "null_count" if "polars" in tops else "itercolumns"
    return bool(tops & {"polars", "pyarrow"}) and all(
        hasattr(data, name) for name in ("schema", "to_pandas", own)
    )


def columns_of(table: Any) -> list[tuple[str, Any, ColumnType, bool]]:
    """The columns: name, values, type, and whether a value is missing."""
    if hasattr(table, "column_names"):  # Arrow's
        named = zip(table.column_names, table.itercolumns(), strict=True)
        return [(name, one, type_of(one.type), one.null_count > 0) for name, one in named]
    return [(one.name, one, type_of(one.dtype), one.null_count() > 0) for one in table]


def type_of(dtype: Any) -> ColumnType:
    """The type of a column by its dtype in Arrow or polars; what no type holds is AnyType."""
    name = _name(dtype)
    if name in _LISTS:
        return Array(type_of(dtype.inner if hasattr(dtype, "inner") else dtype.value_type))
    if name == "dictionary":
        return type_of(dtype.value_type)
    if name == "struct":
        fields = [
            # Whether a value is missing inside is not known; in the dictionaries it is None then.
            Property(field.name, type_of(getattr(field, "dtype", None) or field.type), False)
            for field in getattr(dtype, "fields", dtype)
        ]
        return Object(fields) if fields else AnyType()
    return _BY_NAME.get(name, AnyType())


def _name(dtype: Any) -> str:
    if hasattr(dtype, "base_type"):
        return dtype.base_type().__name__.lower()
    return re.split(r"\W", str(dtype), maxsplit=1)[0]


def to_frame(table: Any) -> Any:
    """The table as a pandas frame of the same values.

    ``to_pandas`` alone makes floats of whole numbers where one is missing, inside of lists too,
    and does not know the longest integers.
    """
    import pandas as pd

    columns = columns_of(table)
    return pd.DataFrame({name: _series(one, kind, gaps) for name, one, kind, gaps in columns})


def _series(column: Any, kind: ColumnType, missing: bool) -> Any:
    import pandas as pd

    if isinstance(kind, DataType):
        dtype = NULLABLE.get(kind) if missing else None
        exact = dtype is None
    else:
        dtype = "object"
        exact = isinstance(kind, AnyType) and "int" not in _name(_dtype(column))
    if exact:
        return column.to_pandas()
    values = column.to_list() if hasattr(column, "to_list") else column.to_pylist()
    return pd.Series(values, dtype=dtype)


def _dtype(column: Any) -> Any:
    return column.dtype if hasattr(column, "dtype") else column.type
