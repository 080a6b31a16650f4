"""Type hints of ``predict`` as the signature of a model, and as the check of its data.

A hint ``list[T]`` says what one element of a batch is: a scalar, a list, a dictionary with text
keys, a pydantic model, or anything. Data is then checked by the hint alone, strictly, and elements
for a pydantic model become such models.
"""

from __future__ import annotations

import inspect
import logging
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Union, get_args, get_origin

from tracklet.errors import InvalidParameterValue
from tracklet.models.signature import ModelSignature
from tracklet.types import (
    AnyType,
    Array,
    ColSpec,
    ColumnType,
    DataType,
    Map,
    Object,
    Property,
    Schema,
)
from tracklet.types.type_hints import TypeFromExample

_logger = logging.getLogger(__name__)

# Of two scalar types that one Python type holds, the wider.
_SCALARS: dict[Any, DataType] = {kind.to_python(): kind for kind in DataType}
# Of these the signature is inferred from an example, as without a hint.
_DATA_LIBRARIES = ("numpy", "pandas", "polars", "pyarrow", "scipy")


class UnsupportedHint(InvalidParameterValue):
    """A type hint promises what no signature can say."""


class Hints(NamedTuple):
    """What a ``predict`` says of its input and its output; None where it says nothing."""

    input: Any = None
    output: Any = None

    @property
    def checks(self) -> bool:
        """Whether the hint of the input decides about the data."""
        return get_origin(self.input) is list

    @property
    def from_example(self) -> bool:
        """Whether the signature is that of the input example."""
        return self.input is TypeFromExample


def of(function: Callable[..., Any], input_name: str | None) -> Hints:
    """The hints of a function.

    Args:
        function: A function or bound method.
        input_name: Its parameter for the data.
    """
    target = inspect.unwrap(function)
    try:
        hints = typing.get_type_hints(target)
    except Exception:  # noqa: BLE001 - names in hints need not exist any more
        hints = dict(getattr(target, "__annotations__", {}))
    if not any(isinstance(hint, str) for hint in hints.values()):
        return Hints(hints.get(input_name or ""), hints.get("return"))
    return Hints()


def signature(hints: Hints, *, quiet: bool = False) -> ModelSignature | None:
    """The signature that the hints say; None if they leave it to an example.

    Args:
        quiet: Write no warning of a hint that is not used.

    Raises:
        UnsupportedHint: The hint of the input is a list of what no signature can say.
    """
    hint = hints.input
    if hint is None or hint is inspect.Parameter.empty or hint is Any or hints.from_example:
        return None
    if hint is list:
        raise UnsupportedHint("the type hint list does not say of what; write list[str] or so")
    if not hints.checks:
        home = str(getattr(hint, "__module__", "")).partition(".")[0]
        if home not in _DATA_LIBRARIES and not quiet:
            _logger.warning(
                "the type hint %r of the model's input is not used: only lists, such as "
                "list[str], say what a batch is",
                hint,
            )
        return None
    try:
        inputs = Schema([ColSpec(_column(get_args(hint)[0]))])
    except _Unknown as error:
        if not quiet:
            _logger.warning("the type hint %r of the model's input is not used: %s", hint, error)
        return None
    found = ModelSignature(inputs, _outputs(hints.output))
    found.from_type_hint = True
    return found


def deciding(hints: Hints) -> Any:
    """The hint of the input if it decides about the data, else None."""
    try:
        return hints.input if signature(hints, quiet=True) is not None else None
    except UnsupportedHint:
        return None


def _outputs(hint: Any) -> Schema:
    element = get_args(hint)[0] if get_origin(hint) is list else hint
    try:
        return Schema([ColSpec(AnyType() if element is None else _column(element))])
    except (_Unknown, UnsupportedHint):
        return Schema([ColSpec(AnyType())])


class _Unknown(Exception):
    """A type that schemas do not know."""


def _column(hint: Any) -> ColumnType:
    if hint is Any:
        return AnyType()
    if hint in _SCALARS:
        return _SCALARS[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is list:
        return Array(_column(arguments[0]))
    if origin is dict:
        if arguments[0] is not str:
            raise UnsupportedHint(f"the keys of {hint} must be str")
        return Map(_column(arguments[1]))
    if hint in (list, dict):
        raise UnsupportedHint(f"the type hint {hint.__name__} does not say of what")
    if _is_union(hint):
        if _optional(hint)[1]:
            raise UnsupportedHint(
                f"{hint} may be None, which an element may not; use a pydantic model with an "
                "optional field"
            )
        return AnyType()
    if _is_pydantic(hint):
        return Object(_properties(hint))
    raise _Unknown(f"no schema describes {hint}")


def _properties(model: Any) -> list[Property]:
    found = []
    for name, field in model.model_fields.items():
        kind, optional = _optional(field.annotation)
        if optional and field.is_required():
            raise UnsupportedHint(
                f"the optional field {name!r} of {model.__name__} needs a default value"
            )
        found.append(Property(name, _column(kind), not optional))
    return found


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType)


def _optional(hint: Any) -> tuple[Any, bool]:
    """The hint without None, and whether None was there."""
    if not _is_union(hint):
        return hint, False
    others = tuple(member for member in get_args(hint) if member is not type(None))
    return Union[others], len(others) < len(get_args(hint))  # noqa: UP007


def _is_pydantic(hint: Any) -> bool:
    return isinstance(hint, type) and hasattr(hint, "model_fields") and hasattr(hint, "model_dump")


def checked(data: Any, hint: Any) -> list[Any]:
    """The data as its hint says: the same elements, or pydantic models made of dictionaries.

    Args:
        data: A list; a DataFrame is taken as one.
        hint: ``list[T]``.

    Raises:
        InvalidParameterValue: It is no list, or an element does not fit; all that do not are named.
    """
    element = get_args(hint)[0]
    if hasattr(data, "iloc") and hasattr(data, "columns"):
        data = _rows(data, element)
    if not isinstance(data, list):
        raise InvalidParameterValue(
            f"the model takes a {_shown(hint)} by its type hint; got {type(data).__name__}"
        )
    result, wrong = [], []
    for position, item in enumerate(data):
        try:
            result.append(_element(item, element))
        except _Unfit as error:
            wrong.append(f"[{position}] {item!r}: {error}")
    if wrong:
        more = f" and {len(wrong) - 10} more" if len(wrong) > 10 else ""
        raise InvalidParameterValue(
            f"the data does not fit the type hint {_shown(hint)}: {'; '.join(wrong[:10])}{more}"
        )
    return result


def _rows(frame: Any, element: Any) -> list[Any]:
    if _is_pydantic(element) or get_origin(element) is dict or len(frame.columns) > 1:
        if element in _SCALARS or get_origin(element) is list:
            texts = [n for n in frame.columns if frame[n].dtype.name in ("object", "str", "string")]
            names = texts if element is str else list(frame.columns)
            return frame[names[0]].tolist() if names else []
        return frame.to_dict(orient="records")
    return frame.iloc[:, 0].tolist()


class _Unfit(Exception):
    """An element that its hint does not allow."""


def _element(item: Any, hint: Any) -> Any:
    if hint is Any or (_is_union(hint) and not _optional(hint)[1]):
        return item
    if hint in _SCALARS:
        if isinstance(item, hint):
            return item
        raise _Unfit(f"expected {hint.__name__}, got {type(item).__name__}")
    if _is_pydantic(hint):
        return _model(item, hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is list:
        if not isinstance(item, list):
            raise _Unfit(f"expected a list, got {type(item).__name__}")
        return [_element(one, arguments[0]) for one in item]
    if origin is dict:
        if not isinstance(item, Mapping) or not all(isinstance(key, str) for key in item):
            raise _Unfit(f"expected a dictionary with text keys, got {type(item).__name__}")
        return {key: _element(one, arguments[1]) for key, one in item.items()}
    return item


def _model(item: Any, model: Any) -> Any:
    if isinstance(item, model):
        return item
    values = item.model_dump() if hasattr(item, "model_dump") else item
    if not isinstance(values, Mapping):
        raise _Unfit(f"expected a {model.__name__} or a dictionary, got {type(item).__name__}")
    try:
        return model.model_validate(values, strict=True)
    except ValueError as error:  # pydantic's ValidationError is one
        lines = [line.strip() for line in str(error).splitlines()[1:] if "https://" not in line]
        raise _Unfit(f"no {model.__name__}: {' '.join(lines)}") from None


def _shown(hint: Any) -> str:
    return str(hint).replace("typing.", "").replace("__main__.", "")


class FuncInfo(NamedTuple):
    """What MLflow keeps of a hinted ``predict`` in its pickles, by its name there."""

    input_type_hint: Any
    input_param_name: str


def may_check(function: Callable[..., Any]) -> bool:
    """Whether a function may have a hint ``list[T]``; texts and names need not be known yet."""
    hints = getattr(function, "__annotations__", {})
    return any(get_origin(hint) is list or isinstance(hint, str) for hint in hints.values())


def checked_arguments(
    args: tuple[Any, ...], kwargs: dict[str, Any], index: int, hint: Any, name: str
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call, its data checked if the hint is ``list[T]``.

    Args:
        args: The arguments by position, the instance first.
        kwargs: Those by name.
        index: Where the data stands.
        hint: Its type hint if it decides, else None.
        name: Its parameter.
    """
    if hint is None or get_origin(hint) is not list:
        return args, kwargs
    if name in kwargs:
        return args, {**kwargs, name: checked(kwargs[name], hint)}
    if index >= len(args):  # the function will say so
        return args, kwargs
    return (*args[:index], checked(args[index], hint), *args[index + 1 :]), kwargs


_validate_model_input = checked_arguments  # the name in MLflow's pickles
