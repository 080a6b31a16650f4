"""Artifacts in a local folder: a file is either wholly there or not at all."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tracklet import entities, settings
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist, StorageError
from tracklet.repositories.repository import (
    ArtifactRepository,
    beneath,
    no_link,
    validate_artifact_path,
)

_PARTIAL = ".tracklet-partial"
_CHUNK = 1 << 20

_logger = logging.getLogger(__name__)


class LocalArtifacts(ArtifactRepository):
    """Artifacts below a local folder, which need not exist yet.

    A file is copied to a temporary name in its folder and renamed, so that a reader never sees
    half of one. Only regular files are taken: a FIFO or a device would block or never end.
    A link below the root is listed and can be deleted; it is followed by nothing.
    """

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        root = settings.local_path(uri)
        if root is None:
            raise InvalidParameterValue(f"{uri!r} is not a local folder")
        self.root = root

    def put_file(self, local_file: Path, path: str | None = None) -> None:
        folder = beneath(self.root, path)
        try:
            _copy(Path(local_file), folder / Path(local_file).name)
        except OSError as error:
            raise _explained(error, local_file, folder) from error

    def put_tree(self, local_dir: Path, path: str | None = None) -> None:
        source = Path(local_dir)
        target = beneath(self.root, path)
        try:
            target.mkdir(parents=True, exist_ok=True)
            for folder, folders, files in os.walk(source):
                here = target / Path(folder).relative_to(source)
                for name in folders:
                    no_link(here / name).mkdir(exist_ok=True)
                for name in files:
                    _copy(Path(folder) / name, here / name)
        except OSError as error:
            raise _explained(error, source, target) from error

    @contextmanager
    def writing(self, path: str) -> Iterator[IO[bytes]]:
        target = beneath(self.root, path)
        try:
            with _written(target) as file:
                yield file
        except OSError as error:
            raise _explained(error, target, target) from error

    def list(self, path: str | None = None) -> list[entities.FileInfo]:
        prefix = validate_artifact_path(path)
        infos = []
        try:
            with os.scandir(beneath(self.root, prefix)) as entries:
                for entry in entries:
                    if _PARTIAL in entry.name:
                        continue
                    name = f"{prefix}/{entry.name}" if prefix else entry.name
                    is_dir = entry.is_dir(follow_symlinks=False)
                    size = None if is_dir else entry.stat(follow_symlinks=False).st_size
                    infos.append(entities.FileInfo(name, is_dir, size))
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(infos, key=lambda info: info.path)

    def fetch(self, path: str = "", destination: Path | None = None) -> Path:
        source = beneath(self.root, path)
        if not source.exists():
            raise ResourceDoesNotExist(
                f"there is no artifact {path!r} below {self.root}; there are: "
                f"{', '.join(info.path for info in self.list()) or 'none'}"
            )
        if destination is None:
            return source
        import shutil  # with it come compression libraries, and few processes copy

        target = Path(destination) / source.name if path else Path(destination)
        try:
            if source.is_dir():
                shutil.copytree(source, target, dirs_exist_ok=True, ignore=_left_out)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        except OSError as error:
            raise _explained(error, source, target) from error
        return target

    def delete(self, path: str = "") -> None:
        import shutil

        folder, _, name = validate_artifact_path(path).rpartition("/")
        target = beneath(self.root, folder) / name
        try:
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)
        except OSError as error:
            raise _explained(error, target, target) from error

    def local_path(self, path: str = "") -> Path:
        return beneath(self.root, path)


def _left_out(folder: str, names: list[str]) -> set[str]:
    """What of a folder is not copied."""
    links = sorted(name for name in names if os.path.islink(os.path.join(folder, name)))
    if links:
        _logger.warning("links are not followed, and not copied from %s: %s", folder, links)
    return {*links, *(name for name in names if _PARTIAL in name)}


def _copy(source: Path, target: Path) -> None:
    """Copy a regular file as it is now; one that grows under way is cut at its present size."""
    descriptor = os.open(source, os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as reader:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, "is a folder", str(source))
        if not stat.S_ISREG(status.st_mode):
            raise InvalidParameterValue(
                f"{source} is not a regular file; only files and folders of files can be logged"
            )
        with _written(target) as writer:
            left = status.st_size
            while left > 0 and (chunk := reader.read(min(_CHUNK, left))):
                writer.write(chunk)
                left -= len(chunk)


@contextmanager
def _written(target: Path) -> Iterator[IO[bytes]]:
    """A file beside the target, which it becomes on leaving."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{os.urandom(8).hex()}{_PARTIAL}")
    try:
        with partial.open("xb") as writer:
            yield writer
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _explained(error: OSError, source: Path, target: Path) -> Exception:
    if isinstance(error, FileNotFoundError) and not Path(source).exists():
        return error
    return StorageError(f"{source} could not be stored at {target}: {error.strerror or error}")
