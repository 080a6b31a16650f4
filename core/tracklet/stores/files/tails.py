"""The latest points of a run's metrics, read so that only what was appended since is parsed."""

from __future__ import annotations

import os

from tracklet.entities import Metric
from tracklet.stores.files import contents, layout, points

_TAIL = 1024


class Tails:
    """How far the metric files of runs in progress were read, and the latest points up to there."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, tuple[int, int, Metric | None]]] = {}

    def latest(self, run_dir: str, *, remember: bool) -> list[Metric]:
        """The latest point of each metric of a run.

        Args:
            run_dir: Its folder.
            remember: Whether to be asked again, because the run is in progress.
        """
        known = self._known.get(run_dir, {})
        fresh: dict[str, tuple[int, int, Metric | None]] = {}
        found: list[Metric] = []
        for key, path in contents.key_files(f"{run_dir}/{layout.METRICS}"):
            try:
                entry = _read_on(path, key, known.get(key))
            except (FileNotFoundError, IsADirectoryError):
                continue
            fresh[key] = entry
            if entry[2] is not None:
                found.append(entry[2])
        if remember:
            self._known[run_dir] = fresh
        else:
            self._known.pop(run_dir, None)
        return found

    def forget(self, run_dir: str) -> None:
        """Read the files of a run from their start next time."""
        self._known.pop(run_dir, None)


def last_point(path: str, key: str) -> Metric | None:
    """The last whole point of a run's metric file; None if there is none."""
    try:
        with open(path, "rb", buffering=0) as file:
            size = _size(file.fileno())
            reach = _TAIL
            while True:
                start = max(0, size - reach)
                file.seek(start)
                data = file.read(size - start)
                if start:  # the first line may have begun before
                    data = data[data.find(b"\n") + 1 :]
                found = points.parse_run_points(data[: data.rfind(b"\n") + 1], key).points
                if found or not start:
                    return found[-1] if found else None
                reach *= 16
    except (FileNotFoundError, IsADirectoryError):
        return None


def _read_on(
    path: str, key: str, known: tuple[int, int, Metric | None] | None
) -> tuple[int, int, Metric | None]:
    """The file's number, how far it was read, and its latest point."""
    with open(path, "rb", buffering=0) as file:
        number = os.fstat(file.fileno()).st_ino
        offset, best = 0, None
        if known is not None and known[0] == number and _size(file.fileno()) >= known[1]:
            _, offset, best = known
            file.seek(offset)
        data = file.read()
    if not data:
        return number, offset, best
    whole = data[: data.rfind(b"\n") + 1]
    candidates = points.parse_run_points(whole, key).points
    if best is not None:
        candidates.append(best)
    return number, offset + len(whole), points.latest(candidates)


def _size(descriptor: int) -> int:
    return os.fstat(descriptor).st_size
