"""The latest points of the metrics of runs in progress: only what was appended is parsed."""

from __future__ import annotations

import os

from tracklet.entities import Metric
from tracklet.stores.files import contents, points


class Tails:
    """How far the metric files of runs in progress were read, and the latest points up to there."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, tuple[int, int, Metric | None]]] = {}

    def latest(self, folder: str) -> list[Metric]:
        """The latest point of each metric in a run's folder of metrics."""
        known = self._known.get(folder, {})
        fresh: dict[str, tuple[int, int, Metric | None]] = {}
        for key, path in contents.key_files(folder):
            try:
                fresh[key] = _read_on(path, key, known.get(key))
            except (FileNotFoundError, IsADirectoryError):
                continue
        self._known[folder] = fresh
        return [point for _, _, point in fresh.values() if point is not None]

    def forget(self, folder: str) -> None:
        """Read the files of a run from their start next time."""
        self._known.pop(folder, None)


def _read_on(
    path: str, key: str, known: tuple[int, int, Metric | None] | None
) -> tuple[int, int, Metric | None]:
    """The file's number, how far it was read, and its latest point."""
    with open(path, "rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        offset, best = 0, None
        if known is not None and known[0] == status.st_ino and status.st_size >= known[1]:
            _, offset, best = known
            file.seek(offset)
        data = file.read()
    if not data:
        return status.st_ino, offset, best
    whole = data[: data.rfind(b"\n") + 1]
    candidates = points.parse_run_points(whole, key).points
    if best is not None:
        candidates.append(best)
    return status.st_ino, offset + len(whole), points.latest(candidates)
