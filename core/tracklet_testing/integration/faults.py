"""Failures put in: into our own internal steps, and into the disk."""

from __future__ import annotations

import errno
import itertools
import os
import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from tracklet.patching import injected
from tracklet.repositories import local
from tracklet.stores import disk

_MAX_PLACES = 2000
_BETWEEN = 6

RECOVERIES = 4
"""After every how many faults one more training shows that nothing is left of them."""


class InjectedError(RuntimeError):
    """A failure that a test put into an internal step."""


class Struck:
    """Which internal step was struck; ``place`` is None if there was none of that number."""

    place: str | None = None


class Places:
    """Which of the places of a training, where something may fail, a test lets fail.

    All, until one asks no more; or few, which every run of the suite can afford: the first, the
    last, and some between, which are others for each test and training.
    """

    def __init__(self, few: str | None) -> None:
        self._few = few

    def __call__(self, count: Callable[[], int]) -> Iterable[int]:
        """The numbers of the places in their order, and at last one at which nothing fails.

        Args:
            count: Trains with nothing failing, and says how many places there were.
        """
        if self._few is None:
            return self._all()
        last = count()
        between = range(1, last - 1)
        some = random.Random(self._few).sample(between, min(_BETWEEN, len(between)))
        return sorted({0, *some, max(0, last - 1), last})

    def _all(self) -> Iterator[int]:
        for number in itertools.count():
            assert number < _MAX_PLACES, "the training's places do not end"
            yield number


def counted_steps(train: Callable[[], Any]) -> int:
    """How many internal steps a training has."""
    steps: list[str] = []
    with injected(steps.append):
        train()
    return len(steps)


def counted_writes(train: Callable[[], Any]) -> int:
    """How many writes to the disk a training makes."""
    with full_from(_MAX_PLACES) as disk:
        train()
    return disk.writes


def raising_at(k: int) -> AbstractContextManager[Struck]:
    """In this block the internal step of that number, counted from 0, fails."""
    return _acting_at(k, always_raising)


def removing_at(k: int, folder: Path) -> AbstractContextManager[Struck]:
    """In this block a folder goes when the internal step of that number is done."""
    return _acting_at(k, lambda _: shutil.rmtree(folder, ignore_errors=True))


@contextmanager
def _acting_at(k: int, act: Callable[[str], None]) -> Iterator[Struck]:
    struck, numbers = Struck(), itertools.count()

    def probe(place: str) -> None:
        if next(numbers) == k:
            struck.place = place
            act(place)

    with injected(probe):
        yield struck


def always_raising(place: str) -> None:
    """A probe that fails every step."""
    raise InjectedError(place)


# The calls of the file store that need room, and those that a read-only disk refuses as well.
_GROWING = ("open_file", "write", "mkdir", "link")
_CHANGING = (*_GROWING, "replace", "rename", "unlink", "rmdir", "truncate")


class Disk:
    """Whether the disk is full by now."""

    is_full = False
    writes = 0


@contextmanager
def read_only() -> Iterator[None]:
    """In this block nothing of the record can be changed."""

    def refuse(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if name == "open_file" and not args[1] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return original(*args, **kwargs)
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        return call

    with _replaced(_CHANGING, refuse):
        yield


@contextmanager
def full_from(number: int) -> Iterator[Disk]:
    """In this block the disk is full from that write on, counted from 0.

    If that is a write of data, half of them still find room.
    """
    state = Disk()

    def count(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if name == "open_file" and (not args[1] & os.O_CREAT or os.path.exists(args[0])):
                return original(*args, **kwargs)
            mine, state.writes = state.writes, state.writes + 1
            if mine < number:
                return original(*args, **kwargs)
            state.is_full = True
            if mine == number and name == "write":
                return original(args[0], bytes(args[1])[: max(1, len(args[1]) // 2)])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        return call

    with _replaced(_GROWING, count):
        yield state


@contextmanager
def _replaced(
    names: tuple[str, ...], replace: Callable[[str, Callable[..., Any]], Callable[..., Any]]
) -> Iterator[None]:
    """Replace calls of the file store, and the one that copies an artifact into its place."""
    places = [(disk, name) for name in names] + [(local, "_copy")]
    originals = [(owner, name, getattr(owner, name)) for owner, name in places]
    for owner, name, original in originals:
        setattr(owner, name, replace(name, original))
    try:
        yield
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)
