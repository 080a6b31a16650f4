"""Frozen values with named fields, written like dataclasses and without their price.

A class of values says what it holds::

    class Point(Frozen):
        x: int
        y: int = 0
        marks: list[str] = field(default_factory=list)

and is what ``@dataclass(frozen=True, slots=True)`` would have made of it: same constructor, errors,
equality, hash, text, pickles and ``__match_args__``; :mod:`dataclasses` takes its values for its
own (``replace``, ``fields``, ``asdict``). It costs some microseconds where a dataclass costs more
than a millisecond, because nothing is compiled before the first value is made, and the modules
``dataclasses`` and ``inspect`` are not needed: a process that trains makes values of few classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from reprlib import recursive_repr
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar, dataclass_transform

T = TypeVar("T")


class _Factory:
    """The default of a field that every value gets its own of."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make

    def __repr__(self) -> str:
        return "<factory>"  # what signatures show


def field(*, default_factory: Callable[[], T]) -> T:
    """A field whose default is made anew for each value."""
    made: Any = _Factory(default_factory)
    return made


class _Constructor:
    """Stands in a class for its ``__init__`` until somebody looks at it; then it is compiled."""

    def __init__(self, home: type[Frozen]) -> None:
        self._home = home

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        made = _compiled(self._home)
        self._home.__init__ = made
        return made.__get__(instance, owner)


class _OfDataclass:
    """An attribute by which :mod:`dataclasses` knows its own, made when it asks."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type[Frozen]) -> Any:
        return getattr(_as_dataclass(owner), self._name)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class _FrozenType(type):
    """Makes fields of a class's annotations.

    A class that brings its own ``__init__`` is a subclass like any other: its fields are those
    that it inherits, and what else it holds is its own affair. Where it annotates that,
    ``init=False`` tells type checkers, too.
    """

    def __new__(
        cls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        slots: bool = True,
        init: bool = True,
    ) -> Any:
        if not bases or not init or "__init__" in namespace:
            return super().__new__(cls, name, bases, namespace)
        own = namespace.get("__annotations__", {})
        inherited: Any = next(base for base in bases if isinstance(base, _FrozenType))
        defaults = {key: namespace[key] for key in own if key in namespace}
        for key, default in defaults.items():
            if slots or isinstance(default, _Factory):
                del namespace[key]  # a slot and a class attribute exclude each other
        if slots:
            namespace["__slots__"] = tuple(key for key in own if key not in inherited._fields)
            namespace.setdefault("__getstate__", _state)
            namespace.setdefault("__setstate__", _restore)
        namespace["_fields"] = {**inherited._fields, **own}
        namespace["_defaults"] = {**inherited._defaults, **defaults}
        namespace["__match_args__"] = tuple(namespace["_fields"])
        made: Any = super().__new__(cls, name, bases, namespace)
        made.__init__ = _Constructor(made)
        return made


class Frozen(metaclass=_FrozenType):
    """Base of values that never change; equal if of one class and equal field by field.

    Classes derived with ``slots=False`` keep a ``__dict__``, so that subclasses can hold more.
    """

    __slots__ = ()

    _fields: ClassVar[Mapping[str, Any]] = {}
    _defaults: ClassVar[Mapping[str, Any]] = {}
    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, Any]]
    else:
        __dataclass_fields__ = _OfDataclass()
        __dataclass_params__ = _OfDataclass()

    def __setattr__(self, name: str, value: Any) -> None:
        _refuse_if_frozen("assign to", self, name)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        _refuse_if_frozen("delete", self, name)
        object.__delattr__(self, name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frozen) or other.__class__ is not self.__class__:
            return NotImplemented
        return _values(self) == _values(other)

    def __hash__(self) -> int:
        return hash(_values(self))

    @recursive_repr()
    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in as_dictionary(self).items())
        return f"{self.__class__.__qualname__}({shown})"

    def __replace__(self, /, **changes: Any) -> Any:
        return replace(self, **changes)


F = TypeVar("F", bound=Frozen)


def replace(value: F, /, **changes: Any) -> F:
    """A copy of a frozen value with other values of some fields.

    Raises:
        TypeError: There is no such field.
    """
    return type(value)(**{**as_dictionary(value), **changes})


def as_dictionary(value: Frozen) -> dict[str, Any]:
    """The fields of a frozen value by name; what they hold is not converted."""
    return {name: getattr(value, name) for name in value._fields}


def _values(value: Frozen) -> tuple[Any, ...]:
    return tuple([getattr(value, name) for name in value._fields])


def _state(value: Frozen) -> list[Any]:
    return list(_values(value))


def _restore(value: Frozen, state: list[Any]) -> None:
    for name, item in zip(value._fields, state, strict=False):
        object.__setattr__(value, name, item)


def _refuse_if_frozen(act: str, value: Frozen, name: str) -> None:
    # An ordinary subclass may hold more than its base's fields.
    if "_fields" in vars(type(value)) or name in value._fields:
        from dataclasses import FrozenInstanceError  # loaded already, by whoever catches it by name

        raise FrozenInstanceError(f"cannot {act} field {name!r}")


_UNSET: Final = _Factory(lambda: None)


def _compiled(home: type[Frozen]) -> Any:
    """The ``__init__`` of a class."""
    names: dict[str, Any] = {"_UNSET": _UNSET}
    parameters, body = ["self"], []
    for name in home._fields:
        given = name
        if name not in home._defaults:
            parameters.append(name)
        elif isinstance(default := home._defaults[name], _Factory):
            names[f"_make_{name}"] = default.make
            parameters.append(f"{name}=_UNSET")
            given = f"_make_{name}() if {name} is _UNSET else {name}"
        else:
            names[f"_default_{name}"] = default
            parameters.append(f"{name}=_default_{name}")
        slot = getattr(home, name, None)
        if isinstance(slot, MemberDescriptorType):
            names[f"_set_{name}"] = slot.__set__
            body.append(f"_set_{name}(self, {given})")
        else:
            body.append(f"self.__dict__[{name!r}] = {given}")
    if hasattr(home, "__post_init__"):
        body.append("self.__post_init__()")
    exec(f"def __init__({', '.join(parameters)}):\n " + "\n ".join(body or ["pass"]), names)
    made = names["__init__"]
    made.__qualname__ = f"{home.__qualname__}.__init__"
    made.__module__ = home.__module__
    made.__annotations__ = {**home._fields, "return": None}
    return made


@cache
def _as_dataclass(home: type[Frozen]) -> Any:
    """A dataclass with the same fields, which tells :mod:`dataclasses` of them."""
    import dataclasses

    def spec(name: str) -> Any:
        default = home._defaults.get(name, dataclasses.MISSING)
        if isinstance(default, _Factory):
            return dataclasses.field(default_factory=default.make)
        return dataclasses.field(default=default)

    fields = [(name, kind, spec(name)) for name, kind in home._fields.items()]
    return dataclasses.make_dataclass(home.__name__, fields, frozen=True)
