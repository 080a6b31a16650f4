"""The types that a column or a parameter may have.

Scalars are members of :class:`DataType`; :class:`Array`, :class:`Object`, :class:`Map` and
:class:`AnyType` compose them. Each writes itself as the JSON object that an ``MLmodel`` file holds.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from tracklet.errors import InvalidParameterValue, TrackletException, brief
from tracklet.frozen import Frozen

if TYPE_CHECKING:
    import numpy as np


class DataType(enum.Enum):
    """The scalar types; the value is the name in JSON."""

    boolean = "boolean"
    integer = "integer"
    long = "long"
    float = "float"
    double = "double"
    string = "string"
    binary = "binary"
    datetime = "datetime"

    def __repr__(self) -> str:
        return self.value

    def to_numpy(self) -> np.dtype[Any]:
        """The NumPy dtype that holds a column of this type."""
        import numpy as np

        return np.dtype(_HELD_BY[self][0])

    def to_pandas(self) -> np.dtype[Any]:
        """The dtype that a pandas column of this type has."""
        import numpy as np

        return np.dtype("object") if self is DataType.string else self.to_numpy()

    def to_python(self) -> type:
        """The Python type of one value."""
        return _HELD_BY[self][1]

    @classmethod
    def get_all_types(cls) -> list[str]:
        """The names of all scalar types."""
        return [member.value for member in cls]


_HELD_BY: dict[DataType, tuple[str, type]] = {
    DataType.boolean: ("bool", bool),
    DataType.integer: ("int32", int),
    DataType.long: ("int64", int),
    DataType.float: ("float32", float),
    DataType.double: ("float64", float),
    DataType.string: ("str", str),
    DataType.binary: ("bytes", bytes),
    DataType.datetime: ("datetime64[ns]", dt.datetime),
}
"""The NumPy dtype of a column and the Python type of one value."""


class AnyType(Frozen):
    """A value of which nothing is known; never required."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"type": "any"}

    def __repr__(self) -> str:
        return "Any"


class Array(Frozen):
    """A list of values of one type."""

    dtype: ColumnType

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", as_type(self.dtype))

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"type": "array", "items": type_to_dict(self.dtype)}

    def __repr__(self) -> str:
        return f"Array({self.dtype!r})"


class Property(Frozen):
    """A named value inside an :class:`Object`.

    Raises:
        InvalidParameterValue: The name is no text.
    """

    name: str
    dtype: ColumnType
    required: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise InvalidParameterValue(f"the name of a property must be a text; got {self.name!r}")
        object.__setattr__(self, "dtype", as_type(self.dtype))

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, keyed by the name."""
        required = self.required and not isinstance(self.dtype, AnyType)
        return {self.name: {**type_to_dict(self.dtype), "required": required}}

    def __repr__(self) -> str:
        return f"{self.name}: {self.dtype!r} ({'required' if self.required else 'optional'})"


class Object:
    """A mapping with known keys.

    Args:
        properties: The keys with their types; names are unique.

    Raises:
        InvalidParameterValue: They are no list of properties, a name occurs twice, or there is no
            property.
    """

    __slots__ = ("properties",)

    properties: tuple[Property, ...]

    def __init__(self, properties: Iterable[Property]) -> None:
        items = as_items(properties, (Property,), "an object type is made of a list of properties")
        ordered = tuple(sorted(items, key=lambda item: item.name))
        names = [item.name for item in ordered]
        if not names or len(set(names)) != len(names):
            raise InvalidParameterValue(
                f"an object type needs at least one property and unique names; got {names}"
            )
        self.properties = ordered

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Object) and self.properties == other.properties

    def __hash__(self) -> int:
        return hash(self.properties)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; properties are sorted by name."""
        merged: dict[str, Any] = {}
        for item in self.properties:
            merged.update(item.to_dict())
        return {"type": "object", "properties": merged}

    def __repr__(self) -> str:
        return "{" + ", ".join(map(repr, self.properties)) + "}"


class Map(Frozen):
    """A mapping from any text to values of one type."""

    value_type: ColumnType

    def __post_init__(self) -> None:
        object.__setattr__(self, "value_type", as_type(self.value_type))

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"type": "map", "values": type_to_dict(self.value_type)}

    def __repr__(self) -> str:
        return f"Map(str -> {self.value_type!r})"


class SparkMLVector(Frozen):
    """Spark's vector column; kept so that such signatures can be read and written."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"type": "sparkml_vector"}

    def __repr__(self) -> str:
        return "sparkml_vector"


ColumnType: TypeAlias = DataType | Array | Object | Map | AnyType | SparkMLVector


def as_items(given: object, kinds: tuple[type, ...], rule: str) -> list[Any]:
    """What a type or schema is made of, as a list.

    Args:
        given: What the user gave.
        kinds: What each item must be.
        rule: The rule, for the message.

    Raises:
        InvalidParameterValue: It is something else.
    """
    listed = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else None
    if listed is None or not all(isinstance(item, kinds) for item in listed):
        raise InvalidParameterValue(f"{rule}; got {brief(listed or given)}")
    return listed


def as_type(value: object) -> ColumnType:
    """The type that is meant: a type itself or the name of a scalar type.

    Raises:
        TrackletException: It is neither.
    """
    if isinstance(value, DataType | Array | Object | Map | AnyType | SparkMLVector):
        return value
    if isinstance(value, str) and value in DataType.__members__:
        return DataType[value]
    if value == "any":
        return AnyType()
    raise TrackletException(
        f"{value!r} is no column type; use a DataType, Array, Object, Map or AnyType, or one of "
        f"the names {DataType.get_all_types()}"
    )


def type_to_dict(value: ColumnType) -> dict[str, Any]:
    """The JSON form of a type."""
    return {"type": value.value} if isinstance(value, DataType) else value.to_dict()


def type_from_dict(data: Mapping[str, Any]) -> ColumnType:
    """Read the JSON form of a type.

    Raises:
        TrackletException: The form is malformed or the kind unknown.
    """
    kind = data.get("type")
    if kind == "array":
        return Array(type_from_dict(data["items"]))
    if kind == "object":
        return Object(
            Property(name, type_from_dict(item), is_required(item))
            for name, item in data["properties"].items()
        )
    if kind == "map":
        return Map(type_from_dict(data["values"]))
    if kind == "sparkml_vector":
        return SparkMLVector()
    return as_type(kind)


def is_required(data: Mapping[str, Any]) -> bool:
    """Whether the JSON form of a column or property says that it must be there."""
    # MLflow 2.x of before 2.6 wrote the opposite key.
    if "required" in data:
        return bool(data["required"])
    return not data.get("optional", False)
