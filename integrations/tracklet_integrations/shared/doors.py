"""A watched function that costs next to nothing: a plain one in its place.

An advice is a generator, and costs more than a loop's whole step may. A door is one function that
calls the original and then notes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from typing import Any

from tracklet.patching import Call, Outcome, Patch, PatchError


def _nothing(call: Call) -> Generator[None, Outcome, None]:
    yield


class Door(Patch):
    """A replaced attribute, which is put back as it was.

    Args:
        module: The module that holds the target.
        target: The function or ``Class.method``.
        make: Gives the replacement of the original.
        close: Called when the original is put back.
    """

    __slots__ = ("_close", "_make", "_undo")

    def __init__(
        self,
        module: str,
        target: str,
        make: Callable[[Any], Any],
        close: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(module, target, _nothing)
        self._make = make
        self._close = close
        self._undo: Callable[[], None] | None = None

    @property
    def active(self) -> bool:
        """Whether calls of the target are seen."""
        return self._undo is not None

    def apply(self) -> None:
        """Replace the target; again changes nothing.

        Raises:
            PatchError: The target is missing.
        """
        if self._undo is None:
            self._undo = self._open()

    def revert(self) -> None:
        """Put the original back, if nobody has replaced it since."""
        undo, self._undo = self._undo, None
        if undo is not None:
            undo()
            if self._close is not None:
                self._close()

    def _open(self) -> Callable[[], None]:
        owner, name = self._resolved()
        original = getattr(owner, name, None)
        if original is None:
            raise PatchError(f"there is no {self.place} to watch")
        replacement = functools.wraps(original)(self._make(original))
        inherited = name not in vars(owner)
        setattr(owner, name, replacement)

        def undo() -> None:
            if vars(owner).get(name) is not replacement:
                return
            if inherited:
                delattr(owner, name)
            else:
                setattr(owner, name, original)

        return undo
