"""JSON's few types brought to those of a model's signature.

JSON knows one kind of number, no dates and no bytes, so this is more generous than the checks that
follow: ``2`` may be a double, ``2.5`` becomes the long 2, ISO texts become dates, base64 bytes.
"""

from __future__ import annotations

import base64
import binascii
import functools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from tracklet.errors import BadRequest, brief
from tracklet.types import (
    AnyType,
    Array,
    ColSpec,
    ColumnType,
    DataType,
    Map,
    Object,
    Schema,
    TensorSpec,
)

_NUMBERS: dict[Any, str] = {
    DataType.integer: "int32",
    DataType.long: "int64",
    DataType.float: "float32",
    DataType.double: "float64",
}


_LONGEST: Final = 500
ROOM: Final = 1_000_000
"""A table of so many values may be as empty as it likes."""


def check_density(rows: int, columns: int, given: int) -> None:
    """Refuse a table that is large only for what it leaves out, before it is made.

    Raises:
        BadRequest: It has more than ``ROOM`` values, and fewer than every eighth is given.
    """
    if rows * columns > max(ROOM, 8 * given):
        raise BadRequest(
            f"{rows} rows of {columns} columns are {rows * columns} values, of which {given} are "
            "given; a table that large must give more of them: send fewer rows at a time"
        )


def check_names(names: Sequence[Any], schema: Schema | None, *, repeated: bool) -> None:
    """Refuse names that stand more often than the signature has them.

    Args:
        names: The columns' names.
        schema: The model's inputs.
        repeated: Whether names may be equal where the signature does not name its columns.

    Raises:
        BadRequest: One does.
    """
    named = schema is not None and schema.has_input_names()
    with refusing("a column's name must be a text or a number"):
        if len(set(names)) == len(names) or (repeated and not named):
            return
    known = Counter(schema.input_names() if schema is not None and named else ())
    twice = [name for name, n in Counter(names).items() if n > max(1, known[name])]
    if twice:
        raise BadRequest(f"the columns {brief(twice)} stand more than once; name each once")


def records(rows: Any, schema: Schema | None) -> Any:
    """A DataFrame from one object per row.

    Raises:
        BadRequest: They are no objects or leave most values of a large table out, or a value
            cannot be of its column's type.
    """
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise BadRequest(f"a list of rows must hold nothing but objects; got {brief(rows)}")
    names = list(dict.fromkeys(name for row in rows for name in row))
    check_density(len(rows), len(names), sum(map(len, rows)))
    return frame(names, [[row.get(name) for name in names] for row in rows], None, schema)


def frame(names: list[Any], rows: list[Any], index: Any, schema: Schema | None) -> Any:
    """A DataFrame from the rows of ``dataframe_split``.

    Args:
        names: The columns' names; may be empty.
        rows: One list per row.
        index: The index, or None.
        schema: The model's inputs; columns that it knows get their types.

    Raises:
        BadRequest: The rows are no table, or a value cannot be of its column's type.
    """
    import numpy as np
    import pandas as pd

    check_names(names, schema, repeated=True)
    if schema is None or not names or schema.is_tensor_spec():
        _check_lists(rows)
        rows = rows if schema is None or schema.is_tensor_spec() else _cut(rows, schema)
        with refusing("the data is no table"):
            made = pd.DataFrame(rows, columns=names or None, index=index)
        if schema is None or not names or schema.has_input_names():
            return made
        dtype = schema.inputs[0].type
        with refusing(f"the data cannot be of type {dtype}"):
            return made.astype(dtype)
    if not all(isinstance(row, list) and len(row) == len(names) for row in rows):
        raise BadRequest(f"every row must be a list of {len(names)} values, one per column")
    kinds = _column_types(names, schema)
    labels = _labels(names, schema)
    dtypes = {_NUMBERS.get(kind) for kind in kinds}
    values: Any = None
    if len(dtypes) == 1 and None not in dtypes and rows:
        # Where it fails, the error is found and named column by column.
        with suppress(TypeError, ValueError, OverflowError):
            values = np.array(rows, dtype=dtypes.pop())
    if values is None:
        values = {
            position: column([row[position] for row in rows], kind, name)
            for position, (name, kind) in enumerate(zip(names, kinds, strict=True))
        }
    with refusing("the data is no table"):
        if isinstance(values, dict):
            return pd.DataFrame(values, index=index).set_axis(labels, axis=1)
        return pd.DataFrame(values, columns=labels, index=index, copy=False)


def _check_lists(rows: list[Any]) -> None:
    """Refuse rows of different lengths, which a table would fill up."""
    lengths = {len(row) for row in rows if isinstance(row, list)}
    if len(lengths) > 1:
        raise BadRequest(
            f"every row must have as many values; got {min(lengths)} and {max(lengths)}"
        )


def _cut(rows: list[Any], schema: Schema) -> list[Any]:
    """Rows without names, up to one value beyond those that the signature can mean.

    A column costs pandas a fifth of a millisecond, and two bytes say one.
    """
    named = schema.input_names() if schema.has_input_names() else ()
    most = max([len(schema), *(name + 1 for name in named if isinstance(name, int))]) + 1
    return [row[:most] if isinstance(row, list) else row for row in rows]


def _labels(names: list[Any], schema: Schema) -> Any:
    """The columns' labels; those of the signature are kept, for a server gets them every time."""
    import pandas as pd

    if schema.has_input_names() and names == schema.input_names():
        return _kept_labels(tuple(names)).view()
    return pd.Index(names, tupleize_cols=False)


@functools.lru_cache(maxsize=16)
def _kept_labels(names: tuple[Any, ...]) -> Any:
    import pandas as pd

    return pd.Index(list(names), tupleize_cols=False)


def _column_types(names: Sequence[Any], schema: Schema) -> list[ColumnType | None]:
    if schema.has_input_names():
        known = schema.input_types_dict()
        return [known.get(name) for name in names]
    kinds = schema.input_types()
    return [kinds[at] if at < len(kinds) else None for at in range(len(names))]


@contextmanager
def refusing(problem: str) -> Iterator[None]:
    """What NumPy and pandas refuse in this block is the fault of the request."""
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        raise BadRequest(f"{problem}: {said(error)}") from error


def said(error: Exception) -> str:
    """An error's text, which may repeat all that somebody sent, in a bounded length."""
    text = str(error)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def columns_of(made: Any, schema: Schema | None) -> Any:
    """A frame that was read from CSV or Parquet, its columns brought to the signature's types."""
    if schema is None or schema.is_tensor_spec():
        return made
    import pandas as pd

    names = made.columns.tolist()
    check_names(names, schema, repeated=True)
    changed: dict[int, Any] = {}
    for position, kind in enumerate(_column_types(names, schema)):
        if kind is None:
            continue
        series = made.iloc[:, position]
        is_date = series.dtype.kind == "M" and kind is DataType.datetime
        if not is_date and _NUMBERS.get(kind) != series.dtype.name:
            changed[position] = column(series.tolist(), kind, series.name)
    if not changed:
        return made
    parts = {at: changed.get(at, made.iloc[:, at]) for at in range(len(names))}
    return pd.DataFrame(parts, index=made.index).set_axis(made.columns, axis=1)


def column(values: list[Any], kind: ColumnType | None, name: Any) -> Any:
    """The values of one column as what a frame is made of.

    Raises:
        BadRequest: One of them cannot be of the type.
    """
    if isinstance(kind, DataType) and kind in _NUMBERS:
        import numpy as np

        whole = kind in (DataType.integer, DataType.long)
        missing = [whole and (item is None or item != item) for item in values]
        with refusing(f"column {name!r} is a {kind.value}"):
            if not any(missing):
                return np.array(values, dtype=_NUMBERS[kind])
            # Whether one may be missing is for the checks that follow.
            filled = [0 if lost else item for item, lost in zip(values, missing, strict=True)]
            import pandas as pd

            return pd.arrays.IntegerArray(np.array(filled, dtype=_NUMBERS[kind]), np.array(missing))
    if kind is DataType.datetime:
        import pandas as pd

        with refusing(f"column {name!r} is a datetime"):
            return pd.to_datetime([_short(item) for item in values])
    if kind is None or kind is DataType.string or kind is DataType.boolean:
        return values
    return [value(item, kind, str(name)) for item in values]


def _cast(item: Any, kind: DataType, where: str) -> Any:
    if isinstance(item, bool | list | dict):
        return item
    try:
        return _scalar(item, kind)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadRequest(f"{where} is a {kind.value}; got {brief(item)}: {said(error)}") from error


def _cast_text(item: Any, kind: DataType, where: str) -> Any:
    said_as_text = kind in (DataType.binary, DataType.datetime) and isinstance(item, str)
    return _cast(item, kind, "inputs") if said_as_text else item


def value(
    item: Any,
    kind: ColumnType,
    where: str,
    cast: Callable[[Any, DataType, str], Any] = _cast,
) -> Any:
    """One value, however nested; what does not fit is left for the checks that follow."""
    if item is None:
        return None
    if isinstance(kind, DataType):
        return cast(item, kind, where)
    if isinstance(kind, Array) and isinstance(item, list):
        return [value(one, kind.dtype, where, cast) for one in item]
    if isinstance(kind, Map) and isinstance(item, Mapping):
        return {key: value(one, kind.value_type, where, cast) for key, one in item.items()}
    if isinstance(kind, Object) and isinstance(item, Mapping):
        known = {one.name: one.dtype for one in kind.properties}
        return {
            key: value(one, known.get(key, AnyType()), f"{where}.{key}", cast)
            for key, one in item.items()
        }
    return item


def _short(item: Any) -> Any:
    """What may be a date: the time that parsing a text takes grows with the square of its length.

    Raises:
        ValueError: It is longer than any date.
    """
    if isinstance(item, str) and len(item) > _LONGEST:
        raise ValueError(f"a text of {len(item)} characters is no date")
    return item


def _scalar(item: Any, kind: DataType) -> Any:
    if kind is DataType.binary and isinstance(item, str):
        try:
            return base64.b64decode(item, validate=False)
        except binascii.Error as error:
            raise ValueError(f"it is no base64 ({error})") from error
    if kind is DataType.datetime and isinstance(item, str):
        import pandas as pd

        return pd.Timestamp(_short(item))
    if kind in _NUMBERS and isinstance(item, int | float | str):
        import numpy as np

        return np.array(item, dtype=_NUMBERS[kind])[()]
    if kind is DataType.string and isinstance(item, int | float):
        return str(item)
    return item


def texts(data: Any, schema: Schema | None) -> Any:
    """The elements for a model with type hints: dates and bytes out of texts, the rest as it is."""
    if schema is None or schema.is_tensor_spec() or not isinstance(data, list):
        return data
    kind = schema.inputs[0].type
    return [value(item, kind, "inputs", _cast_text) for item in data]


def inputs(data: Any, schema: Schema | None) -> Any:
    """What ``inputs`` holds, in the form that the model takes.

    Raises:
        BadRequest: It cannot be brought to the signature's types.
    """
    if schema is None:
        return _arrays(data)
    if schema.is_tensor_spec():
        return _tensors(data, schema)
    if isinstance(data, Mapping):
        kinds = schema.input_types_dict() if schema.has_input_names() else {}
        return {name: _mapped(item, kinds.get(name), name) for name, item in data.items()}
    if isinstance(data, list) and len(schema) == 1:
        spec: ColSpec = schema.inputs[0]
        if not data:
            return _empty(spec)
        is_column = spec.type in (*_NUMBERS, DataType.datetime)
        if is_column and not any(isinstance(one, list) for one in data):
            return list(column(data, spec.type, spec.name))
        if isinstance(spec.type, Object | Map | Array | AnyType) or not _are_objects(data):
            return [value(one, spec.type, "inputs") for one in data]
    if isinstance(data, list):
        if _are_objects(data):
            return records(data, schema)
        _check_lists(data)
    return data


def _are_objects(rows: list[Any]) -> bool:
    return any(isinstance(row, Mapping) for row in rows)


def _empty(spec: ColSpec) -> Any:
    """No rows of one column; an empty list would have no type."""
    import pandas as pd

    rows = pd.Series([], dtype=_NUMBERS.get(spec.type, object))
    return pd.DataFrame({0 if spec.name is None else spec.name: rows})


def _mapped(item: Any, kind: ColumnType | None, name: Any) -> Any:
    if kind is None:
        return item
    if isinstance(item, list) and not isinstance(kind, Array):
        return list(column(item, kind, name))
    return value(item, kind, str(name))


def _tensors(data: Any, schema: Schema) -> Any:
    if not schema.has_input_names():
        if isinstance(data, Mapping):
            raise BadRequest("the model takes one array without a name; got an object")
        return _array(data, schema.inputs[0])
    if not isinstance(data, Mapping):
        return _arrays(data)
    known = schema.input_dict()
    return {
        name: _array(item, known[name]) if name in known else item for name, item in data.items()
    }


def _array(data: Any, spec: TensorSpec) -> Any:
    import numpy as np

    with refusing(f"the data is no array of {spec.type.name}"):
        return np.array(data, dtype=spec.type)


def _arrays(data: Any) -> Any:
    """Without a signature, lists are arrays where they can be."""
    import numpy as np

    if isinstance(data, Mapping):
        return {name: _arrays(item) for name, item in data.items()}
    if not data and isinstance(data, list):
        return data
    try:
        return np.array(data)
    except ValueError:  # rows of different lengths
        return data
