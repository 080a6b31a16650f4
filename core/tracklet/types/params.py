"""Parameters of inference: their types, their defaults and their JSON form."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.types.datatypes import (
    DataType,
    Object,
    as_items,
    as_type,
    type_from_dict,
    type_to_dict,
)


class ParamSpec:
    """One parameter of inference.

    Args:
        dtype: Its type: a scalar type or an object.
        default: The value that holds when none is given; converted to the type.
        shape: None for a scalar, ``(-1,)`` for a list.

    Raises:
        InvalidParameterValue: The default does not fit.
    """

    __slots__ = ("default", "dtype", "name", "shape")

    def __init__(
        self, name: str, dtype: DataType | Object | str, default: Any, shape: Any = None
    ) -> None:
        kind = as_type(dtype)
        if not isinstance(kind, DataType | Object):
            raise InvalidParameterValue(
                f"parameter {name!r} cannot be of type {kind!r}: only scalars and objects can"
            )
        if kind is DataType.binary:
            raise InvalidParameterValue(f"parameter {name!r} cannot be binary")
        self.name = str(name)
        self.dtype: DataType | Object = kind
        self.shape = tuple(shape) if isinstance(shape, list) else shape
        if self.shape not in (None, (-1,)):
            raise InvalidParameterValue(
                f"the shape of parameter {name!r} is None or (-1,); got {shape!r}"
            )
        self.default = self.convert(default)
        try:
            json.dumps(_plain(self.default))
        except (TypeError, ValueError):
            raise InvalidParameterValue(
                f"the default of parameter {name!r} must be what JSON can say; got {default!r}"
            ) from None

    def convert(self, value: Any) -> Any:
        """The value as the parameter's type; None stays None.

        Raises:
            InvalidParameterValue: It cannot be converted without loss.
        """
        if value is None:
            return None
        if self.shape is None:
            return self._convert_one(value)
        if hasattr(value, "ndim") and value.ndim == 1:
            value = value.tolist()
        if not isinstance(value, list):
            raise InvalidParameterValue(
                f"parameter {self.name!r} takes a list or a 1-D array; got {value!r} of type "
                f"{type(value).__name__}"
            )
        return [self._convert_one(item) for item in value]

    def _convert_one(self, value: Any) -> Any:
        if isinstance(self.dtype, Object):
            return _check_object(self.name, value, self.dtype)
        return _convert_scalar(self.name, value, self.dtype)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; dates are ISO texts."""
        return {
            "name": self.name,
            "default": _plain(self.default),
            "shape": None if self.shape is None else list(self.shape),
            **type_to_dict(self.dtype),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ParamSpec:
        """Read the JSON form; the key ``dtype`` of old files is understood."""
        kind: Any = type_from_dict(data if "type" in data else {"type": data["dtype"]})
        return cls(data["name"], kind, data["default"], data.get("shape"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ParamSpec) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shape = "" if self.shape is None else f" (shape: {self.shape})"
        return f"{self.name!r}: {self.dtype!r} (default: {self.default}){shape}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    value = value.tolist() if hasattr(value, "tolist") else value
    return value.isoformat() if hasattr(value, "isoformat") else value


def _check_object(name: str, value: Any, kind: Object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidParameterValue(
            f"parameter {name!r} takes a dictionary {kind!r}; got {value!r}"
        )
    for item in kind.properties:
        if item.name not in value:
            if item.required:
                raise InvalidParameterValue(f"parameter {name!r} lacks the property {item.name!r}")
        elif isinstance(item.dtype, DataType):
            _convert_scalar(f"{name}.{item.name}", value[item.name], item.dtype)
    return dict(value)


def _convert_scalar(name: str, value: Any, kind: DataType) -> Any:
    if value is None:
        return None
    source = getattr(value, "dtype", None)
    plain = value.item() if source is not None and getattr(value, "ndim", 1) == 0 else value
    fits: bool
    match kind:
        case DataType.boolean:
            fits = isinstance(plain, bool)
        case DataType.string:
            fits = isinstance(plain, str)
        case DataType.integer | DataType.long:
            wide = source is not None and source.itemsize > 4 and kind is DataType.integer
            fits = isinstance(plain, int) and not isinstance(plain, bool) and not wide
        case DataType.float | DataType.double:
            wide = source is not None and source.itemsize > 4 and kind is DataType.float
            fits = isinstance(plain, int | float) and not isinstance(plain, bool) and not wide
            if fits:
                plain = float(plain)
        case DataType.datetime:
            plain, fits = _as_date(plain)
        case _:
            fits = False
    if not fits:
        raise InvalidParameterValue(
            f"parameter {name!r} is a {kind.value}; {value!r} of type {type(value).__name__} "
            "cannot be converted without loss"
        )
    return plain


def _as_date(value: Any) -> tuple[Any, bool]:
    if isinstance(value, dt.date):
        return value, True
    if isinstance(value, str):
        for parse in (dt.date.fromisoformat, dt.datetime.fromisoformat):
            try:
                return parse(value), True
            except ValueError:
                continue
    return value, False


class ParamSchema:
    """The parameters that a model's ``predict`` understands; names are unique.

    Raises:
        InvalidParameterValue: A name occurs twice.
    """

    __slots__ = ("params",)

    def __init__(self, params: Iterable[ParamSpec]) -> None:
        self.params = as_items(params, (ParamSpec,), "a schema of params is a list of ParamSpecs")
        names = [spec.name for spec in self.params]
        if len(set(names)) != len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise InvalidParameterValue(f"parameter names must be unique; {twice} occur twice")

    def __len__(self) -> int:
        return len(self.params)

    def __iter__(self) -> Iterator[ParamSpec]:
        return iter(self.params)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ParamSchema) and self.params == other.params

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self.params)

    def to_dict(self) -> list[dict[str, Any]]:
        """The JSON form as a list."""
        return [spec.to_dict() for spec in self.params]

    def to_json(self) -> str:
        """The JSON text that an ``MLmodel`` file holds."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, json_str: str) -> ParamSchema:
        """Read the JSON text.

        Raises:
            TrackletException: It is malformed.
        """
        try:
            return cls(ParamSpec.from_dict(item) for item in json.loads(json_str))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TrackletException(f"malformed params {json_str!r}: {error!r}") from error
