"""A table of what is known of objects, by identity, for as long as they live."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class WeakTable(Generic[Value]):
    """Values by objects, which need not be hashable; an object's value goes when it does.

    An object that cannot be held weakly, such as a list, is not kept at all.
    """

    def __init__(self) -> None:
        self._kept: dict[int, tuple[weakref.ref[Any], Value]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def __setitem__(self, key: Any, value: Value) -> None:
        identity, kept = id(key), self._kept

        def forget(gone: weakref.ref[Any]) -> None:
            held = kept.get(identity)
            if held is not None and held[0] is gone:
                del kept[identity]

        try:
            kept[identity] = weakref.ref(key, forget), value
        except TypeError:
            kept.pop(identity, None)

    def get(self, key: Any) -> Value | None:
        """The value of this very object; None if there is none."""
        held = self._kept.get(id(key))
        return held[1] if held is not None and held[0]() is key else None

    def values(self) -> Iterator[Value]:
        """All values at this moment."""
        return (value for _, value in tuple(self._kept.values()))

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
