"""Where the artifacts of a record lie now, and how they are brought to another place."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from tracklet import settings
from tracklet.entities import FileInfo
from tracklet.errors import InvalidParameterValue, MissingDependency, PluginError
from tracklet.repositories import ArtifactRepository, repository

SERVED: Final = "mlflow-artifacts:"
"""The scheme of artifacts that only a tracking server hands out."""

_ROOTS: Final = ("mlruns", "mlartifacts")


class ArtifactPlaces:
    """Finds artifacts around a record.

    Args:
        folder: The folder that the record lies in; None when it is no file.
        oddities: Counts the locations that could not be found.
    """

    def __init__(self, folder: str | None, oddities: Counter[str]) -> None:
        self._folder = folder
        self._oddities = oddities

    def find(self, recorded: str | None, tail: str) -> str | None:
        """The absolute path or the URI of a recorded location.

        Args:
            recorded: As the record has it.
            tail: How the location ends in a store's own place, such as
                ``"<experiment id>/<run id>/artifacts"``.
        """
        if not recorded:
            return None
        if recorded.startswith(SERVED):
            served = unquote(urlsplit(recorded).path).strip("/")
            found = self._beside([served, tail])
            if found is None:
                self._oddities[
                    "artifact locations begin with mlflow-artifacts:, and their files are not in "
                    "an mlartifacts folder beside the record; only their server has them"
                ] += 1
            return found or recorded
        path = settings.local_path(recorded)
        if path is None:
            return recorded
        absolute = os.path.join(self._folder or os.getcwd(), path)
        absolute = os.path.normpath(absolute)
        if os.path.exists(absolute):
            return recorded if recorded.startswith("file:") else absolute
        return self._beside([tail]) or absolute

    def _beside(self, tails: list[str]) -> str | None:
        if self._folder is None:
            return None
        for root in _ROOTS:
            for tail in tails:
                path = f"{self._folder}/{root}/{tail}"
                if os.path.exists(path):
                    return path
        return None


def own_location(location: str | None, experiment_id: str) -> bool:
    """Whether a store chose an experiment's artifact location by itself."""
    if not location or location.startswith(SERVED):
        return True
    path = settings.local_path(location)
    return path is not None and path.name == experiment_id


def settled(source: str, target: str, place: str, refused: list[str]) -> tuple[str, int]:
    """Where artifacts are once they were copied, and how many files were.

    Args:
        source: Where they are.
        target: Where to copy them to.
        place: What that place is called from then on.
        refused: Gets the reason when they cannot be copied.
    """
    try:
        return place, copy_missing(source, target)
    except InvalidParameterValue as error:
        refused.append(f"its artifacts stay at {source}: {error.message}")
        return source, 0


def copy_missing(source: str, target: str) -> int:
    """Copy the files below ``source`` that ``target`` lacks or has in another size.

    Args:
        source: A path or URI.
        target: A path or URI.

    Returns:
        How many files were copied.

    Raises:
        InvalidParameterValue: There is no way to read ``source`` or to write ``target`` here.
    """
    if source == target:
        return 0
    origin, goal = _opened(source), _opened(target)
    known = {info.path: info.file_size for info in _files(goal)}
    wanted = [info for info in _files(origin) if known.get(info.path, -1) != info.file_size]
    if not wanted:
        return 0
    with tempfile.TemporaryDirectory(prefix="tracklet-import-") as scratch:
        for info in wanted:
            local = origin.local_path(info.path) or origin.fetch(info.path, Path(scratch))
            folder = info.path.rpartition("/")[0]
            goal.put_file(local, folder or None)
            if local.is_relative_to(scratch):
                local.unlink()
    return len(wanted)


def _opened(uri: str) -> ArtifactRepository:
    try:
        return repository(uri)
    except (MissingDependency, PluginError) as error:
        raise InvalidParameterValue(error.message) from error


def _files(place: ArtifactRepository, folder: str | None = None) -> Iterator[FileInfo]:
    for info in place.list(folder):
        if info.is_dir:
            yield from _files(place, info.path)
        else:
            yield info
