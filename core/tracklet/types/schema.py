"""What a model takes and gives: columns, tensors and parameters, and their JSON forms."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.types.datatypes import (
    AnyType,
    ColumnType,
    DataType,
    Object,
    as_type,
    type_from_dict,
    type_to_dict,
)

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class ColSpec:
    """One column: its type, its name (None in a schema without names), whether it may be absent."""

    type: ColumnType
    name: Any = None
    required: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", as_type(self.type))

    @property
    def optional(self) -> bool:
        """Whether the column may be absent."""
        return not self.required

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; ``name`` keeps its Python type, so integer names stay numbers."""
        data = type_to_dict(self.type)
        if self.name is not None:
            data["name"] = self.name
        data["required"] = self.required
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ColSpec:
        """Read the JSON form; ``optional`` of old files is understood."""
        required = data["required"] if "required" in data else not data.get("optional", False)
        name = data.get("name")
        return cls(
            type_from_dict(data), tuple(name) if isinstance(name, list) else name, bool(required)
        )

    def __repr__(self) -> str:
        kind = f"{self.type!r} ({'required' if self.required else 'optional'})"
        return kind if self.name is None else f"{self.name!r}: {kind}"


class TensorSpec:
    """One tensor.

    Args:
        type: Its NumPy dtype, or the dtype's name.
        shape: Its dimensions; -1 is one of any size.
        name: Its name; None when it is the only one.
    """

    __slots__ = ("name", "shape", "type")

    def __init__(self, type: Any, shape: Sequence[int], name: Any = None) -> None:
        import numpy as np

        if isinstance(shape, int) or not all(isinstance(size, int | np.integer) for size in shape):
            raise InvalidParameterValue(f"a tensor's shape is a tuple of integers; got {shape!r}")
        dtype = np.dtype(type)
        # The length of texts belongs to the sample, not to the model.
        self.type: np.dtype[Any] = np.dtype(dtype.type) if dtype.kind in "US" else dtype
        self.shape: tuple[int, ...] = tuple(int(size) for size in shape)
        self.name = name

    required = True

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        spec = {"dtype": self.type.name, "shape": list(self.shape)}
        data: dict[str, Any] = {"type": "tensor", "tensor-spec": spec}
        return data if self.name is None else {"name": self.name, **data}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TensorSpec:
        """Read the JSON form."""
        spec = data["tensor-spec"]
        return cls(spec["dtype"], spec["shape"], data.get("name"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorSpec) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.type.name, self.shape, self.name))

    def __repr__(self) -> str:
        kind = f"Tensor({self.type.name!r}, {self.shape})"
        return kind if self.name is None else f"{self.name!r}: {kind}"


class Schema:
    """The inputs or the outputs of a model, in order: all columns or all tensors.

    Args:
        inputs: The columns or tensors; either all have names or none has.

    Raises:
        TrackletException: Columns and tensors are mixed, some have names and some not, an
            unnamed column is optional, or there are several unnamed tensors.
        InvalidParameterValue: There is no entry.
    """

    __slots__ = ("_names", "inputs")

    def __init__(self, inputs: Iterable[ColSpec | TensorSpec]) -> None:
        specs: list[Any] = list(inputs)
        if not specs:
            raise InvalidParameterValue("a schema needs at least one column or tensor; got none")
        kinds = {type(spec) for spec in specs}
        if not kinds <= {ColSpec, TensorSpec} or len(kinds) > 1:
            raise TrackletException(
                "a schema consists of ColSpecs or of TensorSpecs, not of both; got "
                f"{sorted(kind.__name__ for kind in kinds)}"
            )
        named = [spec.name is not None for spec in specs]
        if any(named) != all(named):
            raise TrackletException(
                f"either all entries of a schema have names or none; got {[s.name for s in specs]}"
            )
        if not named[0]:
            if isinstance(specs[0], TensorSpec) and len(specs) > 1:
                raise TrackletException("several tensors need names; got only unnamed ones")
            if not all(spec.required for spec in specs):
                raise TrackletException(
                    "a column without a name cannot be optional: name all columns, or make all "
                    "of them required"
                )
        self.inputs = specs
        self._names = [spec.name for spec in specs] if named[0] else []

    def __len__(self) -> int:
        return len(self.inputs)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.inputs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and self.inputs == other.inputs

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self.inputs)

    def is_tensor_spec(self) -> bool:
        """Whether the entries are tensors."""
        return isinstance(self.inputs[0], TensorSpec)

    def has_input_names(self) -> bool:
        """Whether the entries have names."""
        return bool(self._names)

    def input_names(self) -> list[Any]:
        """The names; positions when there are none."""
        return list(self._names) if self._names else list(range(len(self.inputs)))

    def required_input_names(self) -> list[Any]:
        """The names of what must be present."""
        return [spec.name for spec in self.inputs if spec.name is not None and spec.required]

    def optional_input_names(self) -> list[Any]:
        """The names of what may be absent."""
        return [spec.name for spec in self.inputs if spec.name is not None and not spec.required]

    def input_types(self) -> list[Any]:
        """The types (columns) or NumPy dtypes (tensors), in order."""
        return [spec.type for spec in self.inputs]

    def input_types_dict(self) -> dict[Any, Any]:
        """Name → type; needs names."""
        self._need_names()
        return {spec.name: spec.type for spec in self.inputs}

    def input_dict(self) -> dict[Any, Any]:
        """Name → spec; needs names."""
        self._need_names()
        return {spec.name: spec for spec in self.inputs}

    def _need_names(self) -> None:
        if not self._names:
            raise TrackletException("this schema has no names to look entries up by")

    def numpy_types(self) -> list[Any]:
        """The NumPy dtypes, in order."""
        if self.is_tensor_spec():
            return self.input_types()
        return [spec.type.to_numpy() for spec in self.inputs]

    def pandas_types(self) -> list[Any]:
        """The dtypes of pandas columns, in order; tensors have none."""
        if self.is_tensor_spec():
            raise TrackletException("a schema of tensors has no pandas types")
        return [spec.type.to_pandas() for spec in self.inputs]

    def to_dict(self) -> list[dict[str, Any]]:
        """The JSON form as a list."""
        return [spec.to_dict() for spec in self.inputs]

    def to_json(self) -> str:
        """The JSON text that an ``MLmodel`` file holds."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Schema:
        """Read the JSON text.

        Raises:
            TrackletException: It is malformed.
        """
        try:
            return cls.from_dict(json.loads(text))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TrackletException(f"malformed schema {text!r}: {error!r}") from error

    @classmethod
    def from_dict(cls, data: Iterable[Mapping[str, Any]]) -> Schema:
        """Read the JSON form as a list."""
        return cls(
            TensorSpec.from_dict(item) if item.get("type") == "tensor" else ColSpec.from_dict(item)
            for item in data
        )


class ParamSpec:
    """One parameter of inference.

    Args:
        name: Its name.
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
        self.shape = None if shape is None else tuple(shape)
        if self.shape not in (None, (-1,)):
            raise InvalidParameterValue(
                f"the shape of parameter {name!r} is None or (-1,); got {shape!r}"
            )
        self.default = self.convert(default)

    def convert(self, value: Any) -> Any:
        """The value as the parameter's type; None stays None.

        Raises:
            InvalidParameterValue: It cannot be converted without loss.
        """
        if value is None:
            return None
        if self.shape is None:
            if isinstance(self.dtype, Object):
                return _check_object(self.name, value, self.dtype)
            return _convert_scalar(self.name, value, self.dtype)
        if hasattr(value, "ndim") and value.ndim == 1:
            value = value.tolist()
        if not isinstance(value, list):
            raise InvalidParameterValue(
                f"parameter {self.name!r} takes a list or a 1-D array; got {value!r} of type "
                f"{type(value).__name__}"
            )
        if isinstance(self.dtype, Object):
            return [_check_object(self.name, item, self.dtype) for item in value]
        return [_convert_scalar(self.name, item, self.dtype) for item in value]

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; dates are ISO texts."""
        default = self.default
        if self.dtype is DataType.datetime and default is not None:
            if self.shape is None:
                default = default.isoformat()
            else:
                default = [item.isoformat() for item in default]
        return {
            "name": self.name,
            "default": default,
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
        self.params = list(params)
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
    def from_json(cls, text: str) -> ParamSchema:
        """Read the JSON text."""
        return cls(ParamSpec.from_dict(item) for item in json.loads(text))


@overload
def optional_json(value: None) -> None: ...
@overload
def optional_json(value: Schema | ParamSchema) -> str: ...
def optional_json(value: Schema | ParamSchema | None) -> str | None:
    """The JSON text of a schema, or None."""
    return None if value is None else value.to_json()


def is_any(schema: Schema) -> bool:
    """Whether the schema says nothing but that there is something."""
    return (
        len(schema) == 1
        and not schema.has_input_names()
        and not schema.is_tensor_spec()
        and isinstance(schema.inputs[0].type, AnyType)
    )
