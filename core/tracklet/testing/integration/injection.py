"""Making our own internal steps fail, one at a time or all of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from tracklet.patching import injected

MAX_STEPS = 500


class InjectedError(RuntimeError):
    """A failure that a test put into an internal step."""


def count_steps(train: Callable[[], object]) -> int:
    """How many internal steps a training has."""
    places: list[str] = []
    with injected(places.append):
        train()
    return len(places)


def raising_at(k: int) -> Callable[[str], None]:
    """A probe that fails the step of that number."""
    seen = iter(range(MAX_STEPS * 10))

    def probe(place: str) -> None:
        if next(seen) == k:
            raise InjectedError(place)

    return probe


def removing_at(k: int, folder: Path) -> Callable[[str], None]:
    """A probe that removes a folder at the step of that number."""
    seen = iter(range(MAX_STEPS * 10))

    def probe(place: str) -> None:
        if next(seen) == k:
            shutil.rmtree(folder, ignore_errors=True)

    return probe


def always_raising(place: str) -> None:
    """A probe that fails every step."""
    raise InjectedError(place)
