"""Making our own internal steps fail, one at a time or all of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tracklet.patching import injected

MAX_STEPS = 1000

RECOVERIES = 4
"""After every how many faults one more training shows that nothing is left of them."""


class InjectedError(RuntimeError):
    """A failure that a test put into an internal step."""


class Struck:
    """Which internal step was struck; ``place`` is None if there was none of that number."""

    def __init__(self) -> None:
        self.place: str | None = None
        self._count = 0

    def is_at(self, k: int, place: str) -> bool:
        """Whether the step that is being done is the one of that number."""
        number, self._count = self._count, self._count + 1
        if number == k:
            self.place = place
        return number == k


@contextmanager
def raising_at(k: int) -> Iterator[Struck]:
    """In this block the internal step of that number, counted from 0, fails."""
    struck = Struck()

    def probe(place: str) -> None:
        if struck.is_at(k, place):
            raise InjectedError(place)

    with injected(probe):
        yield struck


@contextmanager
def removing_at(k: int, folder: Path) -> Iterator[Struck]:
    """In this block a folder goes when the internal step of that number is done."""
    struck = Struck()

    def probe(place: str) -> None:
        if struck.is_at(k, place):
            shutil.rmtree(folder, ignore_errors=True)

    with injected(probe):
        yield struck


def always_raising(place: str) -> None:
    """A probe that fails every step."""
    raise InjectedError(place)
