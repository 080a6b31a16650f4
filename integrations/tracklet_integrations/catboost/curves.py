"""The metrics of each round, without a callback.

Before each call of a callback CatBoost makes Python lists of all that it has evaluated so far, so
that one which does nothing makes 4,000 rounds take ten times as long. What it evaluated is on the
model when the training is over; until then, and where it fails, it is in the files that CatBoost
appends to in its ``train_dir``.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tracklet.patching import report

__all__ = ["TrainingFiles", "rounds_of", "steps_of"]

Value = tuple[str, str, float]
"""The evaluation set, the metric and its value."""

_OF_SET: Final = re.compile(r":(\d+)$")
_SECONDS: Final = 2.0


def steps_of(count: int, period: int, rounds: int) -> list[int]:
    """The rounds, from 0, at which a metric was evaluated.

    Args:
        count: How many values it has.
        period: Every how many rounds it is evaluated, and once more after the last.
        rounds: How many rounds were to be trained.
    """
    return [min(number * period, max(rounds - 1, number)) for number in range(count)]


def rounds_of(
    results: Mapping[str, Mapping[str, Sequence[float]]],
    period: int,
    rounds: int,
    watched: tuple[str, str] | None = None,
) -> dict[int, list[Value]]:
    """What was evaluated after each round, in their order.

    Args:
        results: The model's ``evals_result_``.
        period: Its ``metric_period``.
        rounds: Its ``iterations``.
        watched: The set and the metric that decide when to stop: evaluated at every round.
    """
    found: dict[int, list[Value]] = {}
    for data, metrics in results.items():
        for metric, values in metrics.items():
            every = 1 if (data, metric) == watched else period
            for step, value in zip(steps_of(len(values), every, rounds), values, strict=True):
                found.setdefault(step, []).append((data, metric, value))
    return dict(sorted(found.items()))


class TrainingFiles:
    """What a training that goes on writes into its folder: the rounds with ten digits.

    Nothing is read of what lay there before, and nothing where two trainings of this process
    write to one folder.

    Args:
        folder: The training's ``train_dir``.
        sets: The names of its evaluation sets.
        tell: Takes a round and its values.
    """

    _writing: Final[dict[str, list[TrainingFiles]]] = {}

    def __init__(
        self, folder: Path, sets: Sequence[str], tell: Callable[[int, Sequence[Value]], object]
    ) -> None:
        self._files = [_Table(folder / "learn_error.tsv", lambda name: ("learn", name))]
        if sets:
            self._files.append(_Table(folder / "test_error.tsv", lambda name: _split(name, sets)))
        self._tell = tell
        self._key = os.path.realpath(folder)
        self._is_shared = False
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self) -> None:
        """Tell of each round soon after it is written, from another thread."""
        others = self._writing.setdefault(self._key, [])
        others.append(self)
        for each in others if len(others) > 1 else ():
            each._is_shared = True
        self._thread = threading.Thread(target=self._follow, name="tracklet-catboost", daemon=True)
        self._thread.start()

    def stop(self, *, read: bool = False) -> None:
        """Stop, and tell of what is left if the training cannot tell of it."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            others = self._writing.get(self._key, [])
            if self in others:
                others.remove(self)
            if not others:
                self._writing.pop(self._key, None)
        if read:
            self._read()

    def _follow(self) -> None:
        while not self._over.wait(_SECONDS):
            self._read()

    def _read(self) -> None:
        try:
            found: dict[int, list[Value]] = {}
            for table in self._files if not self._is_shared else ():
                for step, values in table.news():
                    found.setdefault(step, []).extend(values)
            for step in sorted(found):
                self._tell(step, found[step])
        except Exception as error:  # noqa: BLE001 (contained: see tracklet.patching.faults)
            report(error, "catboost: the files of a training", "catboost")


class _Table:
    """A file of tab-separated columns that grows."""

    def __init__(self, path: Path, name: Callable[[str], tuple[str, str]]) -> None:
        self._path = path
        self._name = name
        self._before = self._stamp()
        self._offset = 0
        self._columns: list[tuple[str, str]] = []

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size

    def news(self) -> Iterator[tuple[int, list[Value]]]:
        """The whole lines that were appended since the last time."""
        stamp = self._stamp()
        if stamp is None or stamp == self._before:
            return
        with self._path.open("rb") as stream:
            stream.seek(self._offset)
            lines = stream.read().split(b"\n")
        self._offset += sum(len(line) + 1 for line in lines[:-1])
        for line in lines[:-1]:
            cells = line.decode("utf-8", "replace").split("\t")
            if not self._columns:
                self._columns = [self._name(each) for each in cells[1:]]
            elif cells[0].isdigit():
                yield int(cells[0]), list(_values(self._columns, cells[1:]))


def _values(columns: Iterable[tuple[str, str]], cells: Iterable[str]) -> Iterator[Value]:
    for (data, metric), cell in zip(columns, cells, strict=False):
        if cell:
            yield data, metric, float(cell)


def _split(column: str, sets: Sequence[str]) -> tuple[str, str]:
    """The set and the metric of a column; that of the last set bears no number."""
    number = _OF_SET.search(column) if len(sets) > 1 else None
    if number is None or int(number[1]) >= len(sets):
        return sets[-1], column
    return sets[int(number[1])], column[: number.start()]
