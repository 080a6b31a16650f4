"""What a model takes and gives: columns, tensors and parameters, and their JSON forms."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.frozen import Frozen
from tracklet.types.datatypes import (
    ColumnType,
    as_items,
    as_type,
    is_required,
    type_from_dict,
    type_to_dict,
)

if TYPE_CHECKING:
    import numpy as np


def label(name: Any) -> Any:
    """A column's name as a signature says it: what JSON cannot say is a text.

    Texts, numbers and tuples of them stay as they are; dates become ISO texts, periods and all
    else what ``str`` makes of them. None, which says that there is no name, stays None.
    """
    if type(name) is str or name is None:
        return name
    if isinstance(name, tuple):
        return tuple(_text(part) if isinstance(part, tuple) else label(part) for part in name)
    plain = name.item() if hasattr(name, "item") and getattr(name, "ndim", 1) == 0 else name
    if isinstance(plain, float) and not math.isfinite(plain):
        return _text(plain)
    return plain if isinstance(plain, str | int | float) else _text(plain)


def _text(name: Any) -> str:
    return name.isoformat() if hasattr(name, "isoformat") and name == name else str(name)


class ColSpec(Frozen):
    """One column: its type, its name (None in a schema without names), whether it may be absent.

    The name is kept as :func:`label` says it.
    """

    type: ColumnType
    name: Any = None
    required: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", as_type(self.type))
        object.__setattr__(self, "name", label(self.name))

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
        name = data.get("name")
        name = tuple(name) if isinstance(name, list) else name
        return cls(type_from_dict(data), name, is_required(data))

    def __repr__(self) -> str:
        kind = f"{self.type!r} ({'required' if self.required else 'optional'})"
        return kind if self.name is None else f"{self.name!r}: {kind}"


class TensorSpec:
    """One tensor.

    Args:
        type: Its NumPy dtype, or a scalar type of NumPy.
        shape: Its dimensions; -1 is one of any size.
        name: Its name; None when it is the only one.

    Raises:
        InvalidParameterValue: The type is no dtype or one without a name of its own, such as that
            of records, or the shape does not consist of integers.
    """

    __slots__ = ("name", "shape", "type")

    def __init__(self, type: Any, shape: Sequence[int], name: Any = None) -> None:
        import numpy as np

        if isinstance(type, str):
            raise InvalidParameterValue(
                f"a tensor's type is a NumPy dtype; got the text {type!r}: use np.dtype({type!r})"
            )
        shape = as_items(shape, (int, np.integer), "a tensor's shape is a tuple of integers")
        try:
            dtype = np.dtype(type)
            # The length of texts belongs to the sample, not to the model.
            dtype = np.dtype(dtype.type) if dtype.kind in "US" else dtype
            np.dtype(dtype.name)  # by which it is read back
        except TypeError:
            raise InvalidParameterValue(
                f"a tensor's type is a NumPy dtype that its name says wholly; got {type!r}"
            ) from None
        self.type: np.dtype[Any] = dtype
        self.shape: tuple[int, ...] = tuple(int(size) for size in shape)
        self.name = label(name)

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
        import numpy as np

        return cls(np.dtype(spec["dtype"]), spec["shape"], data.get("name"))

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
        InvalidParameterValue: There is no entry, or something else than columns and tensors.
    """

    __slots__ = ("_names", "inputs")

    def __init__(self, inputs: Iterable[ColSpec | TensorSpec]) -> None:
        specs = as_items(
            inputs, (ColSpec, TensorSpec), "a schema is made of a list of ColSpecs or TensorSpecs"
        )
        if not specs:
            raise InvalidParameterValue("a schema needs at least one column or tensor; got none")
        kinds = {type(spec) for spec in specs}
        if len(kinds) > 1:
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
    def from_json(cls, json_str: str) -> Schema:
        """Read the JSON text.

        Raises:
            TrackletException: It is malformed.
        """
        try:
            return cls.from_dict(json.loads(json_str))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TrackletException(f"malformed schema {json_str!r}: {error!r}") from error

    @classmethod
    def from_dict(cls, data: Iterable[Mapping[str, Any]]) -> Schema:
        """Read the JSON form as a list."""
        return cls(
            TensorSpec.from_dict(item) if item.get("type") == "tensor" else ColSpec.from_dict(item)
            for item in data
        )
