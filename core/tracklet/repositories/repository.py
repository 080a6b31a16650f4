"""The contract of an artifact repository."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from tracklet.errors import InvalidArgument, InvalidParameterValue
from tracklet.validation import MAX_PATH_COMPONENT_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from tracklet.entities import FileInfo


class ArtifactRepository(ABC):
    """Files below one root. Paths are relative, canonical and separated by ``/``.

    Plugins register a class by URI scheme in the entry-point group ``tracklet.artifacts``; it is
    called with the root's URI.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri

    @abstractmethod
    def put_file(self, local_file: Path, path: str | None = None) -> None:
        """Store a file under its own name in the folder ``path`` (the root by default)."""

    @abstractmethod
    def put_tree(self, local_dir: Path, path: str | None = None) -> None:
        """Store a folder's contents in the folder ``path`` (the root by default)."""

    @contextmanager
    def writing(self, path: str) -> Iterator[IO[bytes]]:
        """A binary file to write; on leaving, it becomes the artifact, whole or not at all."""
        import tempfile
        from pathlib import Path

        folder, _, name = validate_artifact_path(path).rpartition("/")
        with tempfile.TemporaryDirectory(prefix="tracklet-") as scratch:
            with Path(scratch, name).open("wb") as file:
                yield file
            self.put_file(Path(scratch, name), folder)

    @abstractmethod
    def list(self, path: str | None = None) -> list[FileInfo]:
        """What is in a folder, sorted by path; [] for a file and for what is not there."""

    @abstractmethod
    def fetch(self, path: str = "", destination: Path | None = None) -> Path:
        """Bring a file or folder to this machine and return where it lies.

        Without a destination a local repository answers with the original itself.

        Raises:
            ResourceDoesNotExist: There is nothing at ``path``.
        """

    @abstractmethod
    def delete(self, path: str = "") -> None:
        """Remove a file or folder; nothing there is no error."""

    def local_path(self, path: str = "") -> Path | None:
        """Where an artifact lies on this machine's own disk; None for a remote repository."""
        return None


def validate_artifact_path(path: str | None) -> str:
    """Check that a path stays below the root; None and ``""`` name the root itself.

    Raises:
        InvalidParameterValue: The path is no text, is absolute, leaves the root, or has a part
            that no file can be named.
    """
    if path is None or path == "":
        return ""
    if not isinstance(path, str):
        raise InvalidArgument(f"an artifact path is text; got {path!r}")
    parts = path.split("/")
    # What a Windows path is made of are characters like others elsewhere.
    leads_out = os.name == "nt" and ("\\" in path or ":" in path)
    if path.startswith("/") or ".." in parts or leads_out or not all(map(_can_be_named, parts)):
        raise InvalidParameterValue(
            f"{path!r} cannot be an artifact path: it must be relative, stay below the run's "
            "artifact folder and be made of names that a file can have, such as 'plots/roc.png'"
        )
    return "/".join(part for part in parts if part not in ("", "."))


def _can_be_named(part: str) -> bool:
    """Whether a file of this machine can have the name."""
    try:
        return "\0" not in part and len(os.fsencode(part)) <= MAX_PATH_COMPONENT_BYTES
    except UnicodeEncodeError:
        return False


def beneath(root: Path, path: str | None) -> Path:
    """Where a path below a local root lies. The root may be a link; nothing below it may.

    Raises:
        InvalidParameterValue: The path leaves the root, or a file or folder on it is a link.
    """
    at = root
    for part in filter(None, validate_artifact_path(path).split("/")):
        at = no_link(at / part)
    return at


def no_link(path: Path) -> Path:
    """The path itself.

    Raises:
        InvalidParameterValue: There is a link.
    """
    if path.is_symlink():
        raise InvalidParameterValue(
            f"{path} is a link, and none is followed among artifacts: it may lead anywhere, and "
            "elsewhere tomorrow. Put what it leads to in its place"
        )
    return path
