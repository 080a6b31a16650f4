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
        more: A further folder of the record's own.

    Attributes:
        roots: The record's own folders, from which artifacts may be copied.
    """

    def __init__(self, folder: str | None, oddities: Counter[str], more: str = "") -> None:
        self._folder = folder
        self._oddities = oddities
        beside = [f"{folder or os.getcwd()}/{name}" for name in _ROOTS]
        self.roots = [path for path in beside if not os.path.islink(path)] + [more] * bool(more)

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
        refused: Gets the reason when they cannot be copied, and what of them was left out.
    """
    try:
        return place, copy_missing(source, target, refused)
    except InvalidParameterValue as error:
        refused.append(f"its artifacts stay at {source}: {error.message}")
        return source, 0


def is_below(place: str, root: str) -> bool:
    """Whether a path or URI is that of a root or of something in it, wherever links lead."""
    path, folder = settings.path_of(place), settings.path_of(root)
    if path is not None and folder is not None:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    inside = f"{place}/".startswith(f"{root.rstrip('/')}/")
    return inside and path == folder and ".." not in unquote(place).split("/")


def copy_missing(source: str, target: str, left_out: list[str]) -> int:
    """Copy the files below ``source`` that ``target`` lacks or has in another size.

    No link is followed.

    Args:
        source: A path or URI.
        target: A path or URI.
        left_out: Gets a line for each link, and for all else that cannot be read.

    Returns:
        How many files were copied.

    Raises:
        InvalidParameterValue: There is no way to read ``source`` or to write ``target`` here.
    """
    if source == target:
        return 0
    origin, goal = _opened(source), _opened(target)
    known = {info.path: info.file_size for info in _files(goal)}
    there = _files(origin, left_out=left_out)
    wanted = [info for info in there if known.get(info.path, -1) != info.file_size]
    if not wanted:
        return 0
    copied = 0
    with tempfile.TemporaryDirectory(prefix="tracklet-import-") as scratch:
        for info in wanted:
            try:
                local = origin.local_path(info.path) or origin.fetch(info.path, Path(scratch))
                if not os.access(local, os.R_OK):
                    raise InvalidParameterValue(f"{local} cannot be read")
                goal.put_file(local, info.path.rpartition("/")[0] or None)
            except InvalidParameterValue as error:
                left_out.append(f"its artifact {info.path!r} was left out: {error.message}")
                continue
            copied += 1
            if local.is_relative_to(scratch):
                local.unlink()
    return copied


def _opened(uri: str) -> ArtifactRepository:
    try:
        return repository(uri)
    except (MissingDependency, PluginError) as error:
        raise InvalidParameterValue(error.message) from error


def _files(
    place: ArtifactRepository, folder: str | None = None, left_out: list[str] | None = None
) -> Iterator[FileInfo]:
    try:
        found = place.list(folder)
    except OSError as error:
        if left_out is None:
            raise
        left_out.append(f"its artifacts {folder or ''!r} were left out: {error}")
        return
    for info in found:
        if info.is_dir:
            yield from _files(place, info.path, left_out)
        else:
            yield info
