"""What all entities share: iteration, the dictionary form, life-cycle stages, pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar

from tracklet.frozen import Frozen, as_dictionary


class Entity(Frozen):
    """Base of the frozen values; iterates as ``(name, value)`` pairs in field order."""

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(as_dictionary(self).items())

    def to_dictionary(self) -> dict[str, Any]:
        """Plain dictionaries and lists, all the way down; ready for JSON."""
        return {name: _plain(value) for name, value in self}


def _plain(value: Any) -> Any:
    if isinstance(value, Entity):
        return value.to_dictionary()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


class KeyValue(Entity):
    """Base of the pairs of a key and a text that are kept on something."""

    key: str
    value: str


class LifecycleStage:
    """Whether an entity is in use or in the trash."""

    ACTIVE: Final = "active"
    DELETED: Final = "deleted"


class ViewType:
    """Which life-cycle stages a search looks at."""

    ACTIVE_ONLY: Final = 1
    DELETED_ONLY: Final = 2
    ALL: Final = 3

    _names: Final = {"active_only": 1, "deleted_only": 2, "all": 3}

    @classmethod
    def from_string(cls, name: str) -> int:
        """The view of that name: ``active_only``, ``deleted_only`` or ``all``, in any case."""
        try:
            return cls._names[name.lower()]
        except KeyError:
            raise ValueError(f"{name!r} is no view type; choose from {list(cls._names)}") from None

    @classmethod
    def to_string(cls, view_type: int) -> str:
        """The name of a view."""
        return next(name for name, number in cls._names.items() if number == view_type)

    @classmethod
    def stages(cls, view_type: int) -> tuple[str, ...]:
        """The life-cycle stages that the view shows."""
        return {
            cls.ACTIVE_ONLY: (LifecycleStage.ACTIVE,),
            cls.DELETED_ONLY: (LifecycleStage.DELETED,),
            cls.ALL: (LifecycleStage.ACTIVE, LifecycleStage.DELETED),
        }[view_type]


T = TypeVar("T")


class PagedList(list[T]):
    """One page of a search; ``token`` asks for the next one and is None on the last."""

    def __init__(self, items: Iterable[T] = (), token: str | None = None) -> None:
        super().__init__(items)
        self.token = token
