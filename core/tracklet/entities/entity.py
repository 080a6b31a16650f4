"""What all entities share: iteration, the dictionary form, life-cycle stages, pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from operator import attrgetter
from typing import Any, Final, Self, TypeVar

from tracklet.errors import InvalidParameterValue
from tracklet.frozen import Frozen, as_dictionary


class Entity(Frozen):
    """Base of the frozen values; iterates as ``(name, value)`` pairs in field order."""

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(as_dictionary(self).items())

    def to_dictionary(self) -> dict[str, Any]:
        """Plain dictionaries and lists, all the way down; ready for JSON."""
        return {name: _plain(value) for name, value in self}

    @classmethod
    def from_dictionary(cls, the_dict: Mapping[str, Any]) -> Self:
        """The value of what :meth:`to_dictionary` gave; keys that are no fields are left out.

        Raises:
            TypeError: A field is missing.
        """
        fields = {name: kind for name, kind in cls._fields.items() if name in the_dict}
        return cls(**{name: _restored(the_dict[name], kind) for name, kind in fields.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, Entity):
        return value.to_dictionary()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _restored(value: Any, kind: object) -> Any:
    """What ``_plain`` was given, by the entity that an annotation names."""
    if isinstance(value, list):
        return [_restored(item, kind) for item in value]
    if not isinstance(value, Mapping):
        return value
    from tracklet import entities

    for word in str(kind).replace("[", " ").replace("]", " ").split():
        home = getattr(entities, word, None)
        if isinstance(home, type) and issubclass(home, Entity):
            return home.from_dictionary(value)
    return value


def renamed(name: str) -> Any:
    """A field or property under its older name."""
    return property(attrgetter(name), doc=f"``{name}`` under its older name.")


class KeyValue(Entity):
    """Base of the pairs of a key and a text that are kept on something."""

    key: str
    value: str


class NumberedWords:
    """Base of the words, in capitals, that files and servers hold as numbers."""

    @classmethod
    @cache
    def _numbers(cls) -> dict[str, int]:
        return {word: number for word, number in vars(cls).items() if word.isupper()}

    @classmethod
    def from_string(cls, status_str: str) -> int:
        """The number of a word.

        Raises:
            InvalidParameterValue: It is none of them.
        """
        numbers = cls._numbers()
        if isinstance(status_str, str) and status_str in numbers:
            return numbers[status_str]
        raise InvalidParameterValue(
            f"{status_str!r} is no {cls.__name__}; choose from {', '.join(numbers)}"
        )

    @classmethod
    def to_string(cls, status: int) -> str:
        """The word of a number.

        Raises:
            InvalidParameterValue: It is none of theirs.
        """
        numbers = cls._numbers()
        for word, number in numbers.items():
            if number == status:
                return word
        raise InvalidParameterValue(
            f"{status!r} is no {cls.__name__}; choose from {min(numbers.values())} to "
            f"{max(numbers.values())}"
        )

    @classmethod
    def all_status(cls) -> list[int]:
        """All numbers."""
        return list(cls._numbers().values())


class LifecycleStage:
    """Whether an entity is in use or in the trash."""

    ACTIVE: Final = "active"
    DELETED: Final = "deleted"

    @classmethod
    def is_valid(cls, lifecycle_stage: object) -> bool:
        """Whether it is a stage."""
        return lifecycle_stage in (cls.ACTIVE, cls.DELETED)

    @classmethod
    def view_type_to_stages(cls, view_type: int = 3) -> list[str]:
        """The stages that a view shows; all by default."""
        return {
            ViewType.ACTIVE_ONLY: [cls.ACTIVE],
            ViewType.DELETED_ONLY: [cls.DELETED],
            ViewType.ALL: [cls.ACTIVE, cls.DELETED],
        }[view_type]

    @classmethod
    def matches_view_type(cls, view_type: int, lifecycle_stage: str) -> bool:
        """Whether a view shows a stage."""
        return lifecycle_stage in cls.view_type_to_stages(view_type)


class ViewType:
    """Which life-cycle stages a search looks at."""

    ACTIVE_ONLY: Final = 1
    DELETED_ONLY: Final = 2
    ALL: Final = 3

    _names: Final = {"active_only": 1, "deleted_only": 2, "all": 3}

    @classmethod
    def from_string(cls, view_str: str) -> int:
        """The view of that name: ``active_only``, ``deleted_only`` or ``all``, in any case."""
        try:
            return cls._names[view_str.lower()]
        except KeyError:
            raise ValueError(
                f"{view_str!r} is no view type; choose from {list(cls._names)}"
            ) from None

    @classmethod
    def to_string(cls, view_type: int) -> str:
        """The name of a view."""
        return next(name for name, number in cls._names.items() if number == view_type)


T = TypeVar("T")


class PagedList(list[T]):
    """One page of a search; ``token`` asks for the next one and is None on the last."""

    def __init__(self, items: Iterable[T] = (), token: str | None = None) -> None:
        super().__init__(items)
        self.token = token

    def to_list(self) -> list[T]:
        """The same without the token."""
        return list(self)
