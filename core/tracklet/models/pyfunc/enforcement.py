"""Bringing data into the form that a model's signature asks for, or saying why that cannot be.

Conversions never lose anything: a column keeps its dtype or is widened within its kind, and data
passes unchanged through the signature that was inferred from it. What else passes and what it
becomes agrees with MLflow, cell by cell (tests/interop/test_models.py).
"""

from __future__ import annotations

import datetime as dt
import functools
import logging
import math
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tracklet.errors import InvalidParameterValue, brief
from tracklet.models.categories import is_categorical
from tracklet.types import (
    AnyType,
    Array,
    ColSpec,
    ColumnType,
    DataType,
    Map,
    Object,
    ParamSchema,
    Schema,
    TensorSpec,
    tables,
)
from tracklet.types.inference import column_type, is_null, value_type
from tracklet.types.schema import label
from tracklet.types.tables import NULLABLE

_logger = logging.getLogger(__name__)


class SchemaMismatch(InvalidParameterValue):
    """The data does not fit the model's signature."""


def enforce_params(params: Any, schema: ParamSchema | None) -> dict[str, Any]:
    """The parameters of one call, with defaults, converted without loss.

    Unknown names are left out with a warning in the log.

    Raises:
        InvalidParameterValue: They are no dictionary, or a value does not fit.
    """
    if params is not None and not isinstance(params, Mapping):
        raise InvalidParameterValue(
            f"params must be a dictionary; got {brief(params)} of type {type(params).__name__}"
        )
    given = {str(name): value for name, value in (params or {}).items()}
    if schema is None:
        if given:
            _logger.warning(
                "the model's signature has no params, so %s are left out", brief(sorted(given))
            )
        return {}
    known = {spec.name for spec in schema}
    unknown = sorted(given.keys() - known)
    if unknown:
        _logger.warning(
            "params %s are not in the model's signature and are left out", brief(unknown)
        )
    return {
        spec.name: spec.convert(given[spec.name]) if spec.name in given else spec.default
        for spec in schema
    }


def enforce(data: Any, expected_schema: Schema) -> Any:
    """The data in the form that the schema asks for; the very object if it has it already.

    Data passes with its values unchanged through the schema that was inferred from it.

    Raises:
        SchemaMismatch: Something is missing, or cannot be converted without loss.
    """
    if expected_schema.is_tensor_spec():
        return _enforce_tensors(data, expected_schema)
    if not expected_schema.has_input_names() and expected_schema.input_types() == [AnyType()]:
        return data  # the schema says nothing
    frame, specs = _selected(_as_frame(data, expected_schema), expected_schema)
    return _convert_columns(frame, specs)


def _as_frame(data: Any, schema: Schema) -> Any:
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data
    single = len(schema) == 1
    name = schema.inputs[0].name if single and schema.has_input_names() else None
    if isinstance(data, pd.Series):
        return data.to_frame() if data.name is not None or name is None else data.to_frame(name)
    if isinstance(data, Mapping):
        return _frame_of(_column_lists(data, schema))
    if isinstance(data, list):
        if single and _is_column(data, name, schema.inputs[0].type):
            return _frame_of({0 if name is None else name: data})
        if data and all(isinstance(item, Mapping) for item in data):
            names = dict.fromkeys(key for item in data for key in item)
            return _frame_of({key: [item.get(key) for item in data] for key in names})
        lengths = {len(item) for item in data if isinstance(item, list)}
        if len(lengths) > 1:
            raise SchemaMismatch(f"rows must have the same length; got {brief(sorted(lengths))}")
        try:
            return pd.DataFrame(data)
        except (TypeError, ValueError, AttributeError):
            raise _no_frame(data, schema) from None
    dimensions = getattr(data, "ndim", 0)
    if hasattr(data, "__array_interface__") and dimensions in (1, 2):
        return pd.DataFrame({name: data} if name is not None and dimensions == 1 else data)
    if isinstance(data, _SCALARS) or (hasattr(data, "__array_interface__") and not dimensions):
        if single:
            return _frame_of({0 if name is None else name: [data]})
    elif tables.is_table(data):
        return tables.to_frame(data)
    elif hasattr(data, "toarray"):
        return pd.DataFrame(data.toarray())
    raise _no_frame(data, schema)


def _no_frame(data: Any, schema: Schema) -> SchemaMismatch:
    return SchemaMismatch(
        f"the model takes a DataFrame, or what can become one, with {_facts(schema)}; got "
        f"{type(data).__name__}"
    )


def _is_column(values: list[Any], name: Any, kind: ColumnType) -> bool:
    """Whether a list holds the values of the only column, rather than rows or records."""
    if values and all(isinstance(item, Mapping) for item in values):
        return isinstance(kind, Object | Map) and not any(name in item for item in values)
    return isinstance(kind, Array) or not (values and all(isinstance(v, list) for v in values))


_SCALARS = (str, bytes, bytearray, int, float, bool, dt.date)


def _column_lists(data: Mapping[Any, Any], schema: Schema) -> dict[Any, Any]:
    """One list per column out of a mapping of scalars, lists, arrays or structures.

    They are several rows if a value is a list, or nested more deeply, than its column's type.
    Lists of nothing but texts are one row, as in MLflow: the texts of one request.
    """
    kinds = schema.input_types_dict() if schema.has_input_names() else {}
    texts = set(kinds.values()) == {DataType.string} and all(
        isinstance(value, list) and value and all(isinstance(item, str) for item in value)
        for value in data.values()
    )
    rows = not texts and any(
        _nesting(value) > _depth(kinds.get(name, DataType.string)) for name, value in data.items()
    )
    return {name: value if rows and _nesting(value) else [value] for name, value in data.items()}


def _depth(kind: ColumnType) -> float:
    """How many lists a value of the type is nested in; any number, if that is not known."""
    if isinstance(kind, Array):
        return 1 + _depth(kind.dtype)
    return math.inf if isinstance(kind, AnyType) else 0


def _nesting(value: Any) -> int:
    if isinstance(value, list):
        return 1 + _nesting(next((item for item in value if not is_null(item)), None))
    return int(getattr(value, "ndim", 0))


def _frame_of(columns: Mapping[Any, Any]) -> Any:
    """A frame of lists and arrays; whole numbers stay whole beside missing ones."""
    import pandas as pd

    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise SchemaMismatch(
            f"all columns must have the same number of values; got {brief(lengths)}"
        )
    return pd.DataFrame({name: _values(given) for name, given in columns.items()})


def _values(given: Any) -> Any:
    import pandas as pd

    if getattr(given, "ndim", 1) > 1:
        return list(given)
    if isinstance(given, list) and not given:
        return pd.Series(dtype=object)
    if isinstance(given, list) and any(map(is_null, given)):
        dtype = _WITH_MISSING.get(pd.api.types.infer_dtype(given, skipna=True))
        with suppress(TypeError, OverflowError):
            return pd.array(given, dtype=dtype) if dtype else given
    return given


_WITH_MISSING = {"integer": "Int64", "boolean": "boolean"}


def _selected(frame: Any, schema: Schema) -> tuple[Any, list[ColSpec]]:
    """The columns of the schema in its order, and the spec of each."""
    specs: list[ColSpec] = schema.inputs
    columns = frame.columns.tolist()
    if not schema.has_input_names():
        if len(columns) < len(specs):
            raise SchemaMismatch(
                f"the model takes {len(specs)} columns; got {len(columns)}: {brief(columns)}"
            )
        return (frame if len(columns) == len(specs) else frame.iloc[:, : len(specs)]), specs
    names = schema.input_names()
    if columns == names:
        return frame, specs
    columns = ["None" if name is None else label(name) for name in columns]
    if columns == names:
        return frame, specs
    at = {name: position for position, name in enumerate(columns)}
    missing = [name for name in schema.required_input_names() if name not in at]
    known = set(names)
    extra = [name for name in columns if name not in known]
    if missing:
        also = f"; it has the extra columns {brief(extra)}" if extra else ""
        raise SchemaMismatch(
            f"the data lacks the columns {brief(missing)}{also}. The model takes {_facts(schema)}"
        )
    if len(at) < len(columns):
        twice = [name for name, n in Counter(columns).items() if n > 1 and name in known]
        if twice:
            raise SchemaMismatch(f"the columns {brief(twice)} stand more than once in the data")
    if extra:
        _logger.warning(
            "columns %s are not in the model's signature and are left out", brief(extra)
        )
    specs = [spec for spec in specs if spec.name in at]
    return frame.iloc[:, [at[spec.name] for spec in specs]], specs


def _facts(schema: Schema) -> str:
    shown = repr(schema)
    return shown if len(shown) <= 500 else shown[:499] + "…"


def _convert_columns(frame: Any, specs: list[ColSpec]) -> Any:
    changed: dict[int, Any] = {}
    exact = _exact()
    by_name = frame.columns.is_unique  # `iloc` takes six times as long for a column
    for position, (spec, dtype) in enumerate(zip(specs, _dtypes(frame), strict=True)):
        kind: ColumnType = spec.type
        # Of DataTypes there is one object each; a look-up by id is cheaper than by hash.
        if exact.get(id(kind)) is dtype or isinstance(kind, AnyType):
            continue
        name = frame.columns[position]
        series = frame[name] if by_name and type(name) is str else frame.iloc[:, position]
        converted = _convert(series, spec)
        if converted is not series:
            changed[position] = converted
    if not changed:
        return frame
    import pandas as pd

    parts = {at: changed.get(at, frame.iloc[:, at]) for at in range(frame.shape[1])}
    return pd.DataFrame(parts, index=frame.index, copy=False).set_axis(frame.columns, axis=1)


def _dtypes(frame: Any) -> list[Any]:
    """The columns' dtypes. ``DataFrame.dtypes`` makes a Series, for longer than all else takes."""
    listed = getattr(getattr(frame, "_mgr", None), "get_dtypes", None)
    return (frame.dtypes if listed is None else listed()).tolist()


@functools.cache
def _exact() -> dict[int, Any]:
    """The dtype by which a column needs no conversion, by the id of its type."""
    return {
        id(kind): kind.to_numpy()
        for kind in DataType
        if kind not in (DataType.string, DataType.binary)
    }


def _convert(series: Any, spec: ColSpec) -> Any:
    kind = spec.type
    arrow = getattr(series.dtype, "pyarrow_dtype", None)
    if arrow is not None and tables.type_of(arrow) == kind:
        return series
    name = label(series.name) if spec.name is None else spec.name
    if isinstance(kind, DataType):
        return _convert_scalars(series, kind, name)
    # Of a column without a name the signature cannot say that a value may be missing.
    required = spec.required and spec.name is not None
    values = [_check_value(value, kind, required, str(name)) for value in series]
    import pandas as pd

    return pd.Series(values, index=series.index, name=series.name, dtype=object)


def _convert_scalars(series: Any, kind: DataType, name: Any) -> Any:
    original = series
    if is_categorical(series.dtype):
        # It is what its categories are; the model sees the column as it came.
        _convert_scalars(series.dtype.categories.to_series(name=name), kind, name)
        return series
    if original.dtype.name == "object" and kind not in (DataType.string, DataType.binary):
        if _changes_when_converted(series, kind):
            return series
        series = series.infer_objects()
    dtype = series.dtype
    letter = getattr(dtype, "kind", "O")
    size = getattr(dtype, "itemsize", 0)
    is_object = dtype.name == "object"
    text = dtype.name in ("str", "string") or dtype.name.startswith("string")
    flags = dtype.name == "int64" and kind in (DataType.float, DataType.double)
    fits = flags and bool(series.isin((0, 1)).all())
    match kind:
        case DataType.string | DataType.binary:
            if is_object or text:
                return series
        case DataType.boolean:
            # An object column may hold booleans and nulls; which it does is the model's affair.
            if is_object or dtype.name == "bool":
                return series
            fits = dtype.name == "boolean"
        case DataType.integer:
            fits = (letter == "i" and size <= 4) or (letter == "u" and size <= 2)
        case DataType.long:
            fits = letter == "i" or (letter == "u" and size <= 4)
        case DataType.float:
            fits = fits or (letter == "f" and size <= 4)
        case DataType.double:
            fits = fits or letter == "f" or (letter in "iu" and size <= 4) or is_object
        case DataType.datetime:
            fits = (letter == "M" and not hasattr(dtype, "tz")) or is_object
    if is_object and not len(series):
        fits = True
    target = kind.to_numpy().name
    if dtype.name == target:
        return series
    if fits:
        for held_by in filter(None, (target, NULLABLE.get(kind))):
            with suppress(TypeError, ValueError, ArithmeticError):
                return series.astype(held_by)
    # What has the type by its own account passes as it is, such as values with time zones.
    if column_type(original)[0] is kind:
        return original
    raise SchemaMismatch(_refusal(series, kind, name, original.dtype))


def _changes_when_converted(series: Any, kind: DataType) -> bool:
    """Whether objects of the type would not be equal any more to what they become.

    A date is no timestamp at midnight, and a long integer among floats would be rounded.
    """
    import pandas as pd

    suspect = {DataType.datetime: "date", DataType.double: "mixed-integer-float"}.get(kind)
    return suspect == pd.api.types.infer_dtype(series, skipna=True)


def _refusal(series: Any, kind: DataType, name: Any, dtype: Any) -> str:
    message = (
        f"column {name!r} is a {kind.value} by the model's signature; got {dtype}, which cannot "
        "be converted without loss"
    )
    if kind in (DataType.integer, DataType.long) and getattr(dtype, "kind", "") == "f":
        filled = series.dropna()
        if len(filled) < len(series) and bool((filled % 1 == 0).all()):
            message += (
                ". Missing values turn a column of integers into floats: declare the column as "
                "double, or infer the signature from data with missing values"
            )
    return message


def _check_value(value: Any, kind: ColumnType, required: bool, where: str) -> Any:
    if isinstance(kind, AnyType) or (not required and is_null(value)):
        return value
    if isinstance(kind, DataType):
        return _check_scalar(value, kind, where)
    if isinstance(kind, Array):
        return _check_array(value, kind, where)
    if isinstance(kind, Object):
        return _check_object(value, kind, where)
    if isinstance(kind, Map):
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise SchemaMismatch(
                f"{where} is a mapping with texts as keys by the model's signature; got "
                f"{brief(value)}"
            )
        return {
            key: _check_value(item, kind.value_type, True, f"{where}[{key!r}]")
            for key, item in value.items()
        }
    return value


def _mismatch(where: str, expected: str, value: Any) -> SchemaMismatch:
    return SchemaMismatch(
        f"{where} is {expected} by the model's signature; got {brief(value)} of type "
        f"{type(value).__name__}"
    )


_EXACT_VALUES = {
    DataType.boolean: bool,
    DataType.long: int,
    DataType.double: float,
    DataType.string: str,
}


def _is_exact(value: Any, kind: DataType) -> bool:
    """Whether a value fits so plainly that no Series need be made to see it."""
    if type(value) is _EXACT_VALUES.get(kind):
        return type(value) is not int or -(1 << 63) <= value < 1 << 63
    is_number = kind is not DataType.datetime and id(kind) in _exact()
    return is_number and type(value) is kind.to_numpy().type


def _check_scalar(value: Any, kind: DataType, where: str) -> Any:
    if _is_exact(value, kind):
        return value if type(value) is str else kind.to_numpy().type(value)
    import pandas as pd

    try:
        converted = _convert_scalars(pd.Series([value]), kind, where)
    except SchemaMismatch:
        raise _mismatch(where, f"a {kind.value}", value) from None
    return converted.iloc[0] if converted.dtype != object else value


def _check_array(value: Any, kind: Array, where: str) -> Any:
    import numpy as np
    import pandas as pd

    is_array = isinstance(value, np.ndarray)
    if not isinstance(value, list) and not is_array:
        raise _mismatch(where, f"a list or an array of {kind.dtype!r}", value)
    if isinstance(kind.dtype, DataType):
        holes = sum(map(is_null, value))
        if holes == len(value) or (holes and value_type(value) == kind):
            return value
        if not is_array and all(_is_exact(item, kind.dtype) for item in value):
            return [item.item() if hasattr(item, "item") else item for item in value]
        series = pd.Series(value) if not is_array or value.ndim == 1 else pd.Series(list(value))
        converted = _convert_scalars(series, kind.dtype, where)
        return converted.to_numpy() if is_array else converted.tolist()
    items = [_check_value(item, kind.dtype, False, f"{where}[{i}]") for i, item in enumerate(value)]
    return items if not is_array else value if value.dtype == object else np.array(items)


def _check_object(value: Any, kind: Object, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _mismatch(where, f"a dictionary {kind!r}", value)
    known = {item.name: item for item in kind.properties}
    unknown = sorted(str(key) for key in value if key not in known)
    missing = sorted(n for n, item in known.items() if item.required and n not in value)
    if missing or unknown:
        facts = [
            f"lacks {brief(missing)}" if missing else "",
            f"has {brief(unknown)}" if unknown else "",
        ]
        raise SchemaMismatch(
            f"{where} {' and '.join(filter(None, facts))}; by the model's signature it is {kind!r}"
        )
    return {
        name: _check_value(item, known[name].dtype, known[name].required, f"{where}.{name}")
        for name, item in value.items()
    }


def _enforce_tensors(data: Any, schema: Schema) -> Any:
    """The arrays in the form that a schema of tensors asks for."""
    specs: list[TensorSpec] = schema.inputs
    is_frame = hasattr(data, "columns") and hasattr(data, "iloc")
    if not schema.has_input_names():
        if is_frame or hasattr(data, "to_frame"):
            data = _frame_to_array(data if is_frame else data.to_frame(), specs[0])
        return _checked_tensor(data, specs[0])
    if is_frame:
        kinds = {spec.name: spec.type for spec in specs}
        named = [(label(name), at) for at, name in enumerate(data.columns)]
        data = {n: _stacked(data.iloc[:, at], kinds[n]) for n, at in named if n in kinds}
    elif len(specs) == 1 and hasattr(data, "shape"):  # what the only tensor is, needs no name
        data = {
            specs[0].name: data if not hasattr(data, "to_frame") else _stacked(data, specs[0].type)
        }
    if not isinstance(data, Mapping):
        raise SchemaMismatch(
            f"the model takes a dictionary of arrays, {schema!r}; got {type(data).__name__}"
        )
    missing = [spec.name for spec in specs if spec.name not in data]
    if missing:
        raise SchemaMismatch(f"the data lacks the tensors {missing}; the model takes {schema!r}")
    return {spec.name: _checked_tensor(data[spec.name], spec) for spec in specs}


def _frame_to_array(frame: Any, spec: TensorSpec) -> Any:
    if frame.shape[1] != 1:
        return _widened(frame.to_numpy(), spec.type)
    array = _stacked(frame.iloc[:, 0], spec.type)
    return array.reshape(-1, 1) if array.ndim == 1 and len(spec.shape) == 2 else array


def _stacked(series: Any, dtype: Any) -> Any:
    """A column as an array; cells that are lists or arrays become its further dimensions."""
    import numpy as np

    if series.dtype == object and len(series) and isinstance(series.iloc[0], list | np.ndarray):
        try:
            return _widened(np.stack([np.asarray(cell) for cell in series]), dtype)
        except ValueError as error:
            raise SchemaMismatch(
                f"the cells of column {series.name!r} do not make one array: {error}"
            ) from None
    return _widened(series.to_numpy(), dtype)


def _widened(array: Any, dtype: Any) -> Any:
    """An array out of a frame's cells, whose own dtype says little, if no value changes."""
    import numpy as np

    if array.dtype == dtype or array.dtype.kind not in "biufO" or dtype.kind not in "biuf":
        return array
    try:
        with np.errstate(all="ignore"):
            cast = array.astype(dtype)
    except (TypeError, ValueError, OverflowError):
        return array
    return cast if np.array_equal(cast, array, equal_nan=array.dtype.kind == "f") else array


def _checked_tensor(data: Any, spec: TensorSpec) -> Any:
    where = "the input" if spec.name is None else f"tensor {spec.name!r}"
    if not hasattr(data, "dtype") or not hasattr(data, "shape"):
        raise SchemaMismatch(
            f"{where} is an array {spec.type.name}{spec.shape} by the model's signature; got "
            f"{type(data).__name__}"
        )
    dtype = data.dtype
    # The order of bytes is the array's affair, and the length of texts is that of the sample.
    if getattr(dtype, "kind", "") != spec.type.kind or (
        spec.type.kind not in "US" and dtype.name != spec.type.name
    ):
        raise SchemaMismatch(
            f"{where} has the dtype {spec.type.name} by the model's signature; got {dtype}"
        )
    fits = len(data.shape) == len(spec.shape) and all(
        want in (-1, have) for have, want in zip(data.shape, spec.shape, strict=True)
    )
    if not fits:
        raise SchemaMismatch(
            f"{where} has the shape {spec.shape} by the model's signature (-1 is any size); got "
            f"{tuple(data.shape)}"
        )
    return data
