"""Artifacts brought from one place to another, only those that are not there yet."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tracklet.entities import FileInfo
from tracklet.errors import InvalidParameterValue, MissingDependency, PluginError
from tracklet.repositories import ArtifactRepository, repository


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
