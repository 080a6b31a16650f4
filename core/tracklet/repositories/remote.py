"""What repositories share whose files are elsewhere: files go one by one, folders by walking."""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import tempfile
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tracklet.entities import FileInfo
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist
from tracklet.repositories.repository import ArtifactRepository, beneath, validate_artifact_path
from tracklet.state import ProcessState


class _Fetched(ProcessState):
    """The folders of what was fetched without a place being named; they go with the process."""

    def begin(self) -> None:
        self.folders: list[tuple[int, str]] = []

    def make(self) -> str:
        """Another folder."""
        if not self.folders:
            atexit.register(self.forget)
        made = tempfile.mkdtemp(prefix="tracklet-")
        self.folders.append((os.getpid(), made))
        return made

    def forget(self) -> None:
        for pid, folder in self.folders:
            if pid == os.getpid():
                shutil.rmtree(folder, ignore_errors=True)
        self.begin()


_fetched: Final = _Fetched()


class RemoteArtifacts(ArtifactRepository):
    """Artifacts elsewhere. What is fetched is there as a whole or not at all."""

    @abstractmethod
    def _upload(self, local_file: Path, path: str) -> None:
        """Store a regular file at a path."""

    @abstractmethod
    def _download(self, path: str, target: Path) -> None:
        """Write what is at a path to a new file; ResourceDoesNotExist if nothing is."""

    def put_file(self, local_file: Path, path: str | None = None) -> None:
        source = Path(local_file)
        if not stat.S_ISREG(source.stat().st_mode):
            raise InvalidParameterValue(
                f"{source} is not a regular file; only files and folders of files can be logged"
            )
        self._upload(source, _joined(validate_artifact_path(path), source.name))

    def put_tree(self, local_dir: Path, path: str | None = None) -> None:
        source, prefix = Path(local_dir), validate_artifact_path(path)
        for folder, folders, files in os.walk(source):
            folders.sort()
            here = _joined(prefix, Path(folder).relative_to(source).as_posix())
            for name in sorted(files):
                self.put_file(Path(folder, name), here)

    def fetch(self, path: str = "", destination: Path | None = None) -> Path:
        wanted = validate_artifact_path(path)
        if destination is None:
            destination = Path(_fetched.make())
        folder = Path(destination)
        target = folder / wanted.rpartition("/")[2]
        entries = self.list(wanted)
        if not entries and wanted:
            self._bring(wanted, target)
            return target
        if not entries:
            raise ResourceDoesNotExist(f"there are no artifacts at {self.uri}")
        for file in self._files(entries):
            below = file.removeprefix(wanted).lstrip("/")
            self._bring(file, beneath(target, below))
        return target

    def _files(self, entries: list[FileInfo]) -> Iterator[str]:
        for entry in entries:
            if entry.is_dir:
                yield from self._files(self.list(entry.path))
            else:
                yield entry.path

    def _bring(self, path: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{os.urandom(8).hex()}.tracklet-partial")
        try:
            self._download(path, partial)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def _joined(folder: str, name: str) -> str:
    return "/".join(part for part in (folder, name) if part not in ("", "."))
