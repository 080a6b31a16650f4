"""Fingerprints of folders: numbers that change when a file in a folder does.

They are made of the times and sizes of the files, also of those that another program changes in
place. The time is that of the file system's own note of a change: unlike the time of the content,
nobody sets it to the past or the future, and it tells that a file may be read again. What a run
holds is read in the same pass that takes its fingerprint, through descriptors that are open anyway.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Final, TypeAlias, TypeVar

from tracklet.frozen import Frozen
from tracklet.stores import disk
from tracklet.stores.files import contents, layout

T = TypeVar("T")
Read: TypeAlias = Callable[[str, str], tuple[os.stat_result, T]]

_TICK_NS: Final = 20_000_000
_COARSE_TICK_NS: Final = 2_000_000_000


class Kind(Frozen):
    """A kind of folder that holds an entity.

    Attributes:
        name: As the index calls it.
        table: The table of its rows.
        walked: The folders in it whose files may be changed in place.
        listed: The folders in it in which files only come and go.
        skipped: What lies beside such folders and is none.
    """

    name: str
    table: str
    walked: tuple[str, ...]
    listed: tuple[str, ...] = ()
    skipped: frozenset[str] = frozenset()


EXPERIMENT: Final = Kind(
    "experiment", "experiments", (layout.TAGS,), skipped=layout.NOT_EXPERIMENTS
)
RUN: Final = Kind(
    "run",
    "runs",
    (layout.METRICS, layout.PARAMS, layout.TAGS),
    (layout.INPUTS, layout.OUTPUTS),
    layout.NOT_RUNS,
)
LOGGED_MODEL: Final = Kind(
    "logged_model", "logged_models", (layout.METRICS, layout.PARAMS, layout.TAGS)
)
REGISTERED_MODEL: Final = Kind("registered_model", "registered_models", ("",))


def kind_of(path: str) -> Kind | None:
    """What a folder below the root holds, by where it is."""
    parts = path.split("/")
    if parts[0] == layout.TRASH:
        parts = parts[1:]
    elif parts[0] == layout.MODELS:
        return REGISTERED_MODEL if len(parts) == 2 else None
    if len(parts) == 1:
        return EXPERIMENT
    if len(parts) == 2:
        return None if parts[1] in layout.NOT_RUNS else RUN
    if len(parts) == 3 and parts[1] == layout.MODELS:
        return LOGGED_MODEL
    return None


def changed_ns(status: os.stat_result) -> int:
    """When a file or folder was last changed, in ns."""
    # Windows has the time of creation in that place.
    return status.st_mtime_ns if os.name == "nt" else status.st_ctime_ns


class Look:
    """A pass over the files of a folder, which gathers its fingerprint.

    The sums do not depend on the order in which a folder lists its files.
    """

    def __init__(self) -> None:
        self._began = time.time_ns()
        self._marks: list[int] = []
        self._newest = self._count = self._times = self._sizes = 0

    def document(self, folder: str) -> bytes | None:
        """The document of an entity, read; None if there is none."""
        try:
            status, data = disk.look_and_read(layout.meta(folder))
        except (FileNotFoundError, NotADirectoryError):
            return None
        self._mark(status)
        return data

    def at_document(self, folder: str) -> bool:
        """Look at an entity's document without reading it; whether there is one."""
        try:
            self._mark(os.stat(layout.meta(folder)))
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def at_listed(self, folder: str) -> bool:
        """Look at a folder in which files only come and go; whether it is there."""
        try:
            changed = changed_ns(os.stat(folder))
        except (FileNotFoundError, NotADirectoryError):
            self._marks.append(0)
            return False
        self._marks.append(changed)
        self._newest = max(self._newest, changed)
        return True

    def at_files(self, folder: str) -> None:
        """Look at all files below a folder."""
        self._walk(folder, None)

    def contents(self, folder: str, read: Read[T]) -> dict[str, T]:
        """What the files below a folder hold, by their paths below it.

        Args:
            read: Given a file and its path below the folder, what it looks like and holds.
        """
        found: dict[str, T] = {}
        self._walk(folder, found, read)
        return found

    def fingerprint(self) -> int:
        """The fingerprint of all that was looked at.

        What changed within the clock's tick before the look may change again under the same
        time, so its fingerprint is 0, which is to be looked at again.
        """
        tick = _TICK_NS if self._newest % 1_000_000_000 else _COARSE_TICK_NS
        if self._newest > self._began - tick:
            return 0
        return hash((*self._marks, self._count, self._times, self._sizes)) or 1

    def _mark(self, status: os.stat_result) -> None:
        changed = changed_ns(status)
        self._marks += (changed, status.st_size, status.st_ino)
        self._newest = max(self._newest, changed)

    def _walk(
        self, folder: str, found: dict[str, Any] | None, read: Read[Any] | None = None
    ) -> None:
        newest = self._newest
        for name, entry, is_folder in contents.walk(folder):
            try:
                status = entry.stat() if is_folder else self._file(entry, name, found, read)
            except FileNotFoundError:
                continue
            except OSError as error:
                contents.pass_over(entry.path, error)
                continue
            changed = changed_ns(status)
            self._count += 1
            self._times += changed
            self._sizes += status.st_size
            if changed > newest:
                newest = changed
        self._newest = newest

    def _file(
        self,
        entry: os.DirEntry[str],
        name: str,
        found: dict[str, Any] | None,
        read: Read[Any] | None,
    ) -> os.stat_result:
        if found is not None and read is not None:
            try:
                status, found[name] = read(entry.path, name)
                return status
            except FileNotFoundError:
                raise
            except OSError as error:
                contents.pass_over(entry.path, error)
        return entry.stat()


def look(folder: str, kind: Kind) -> int | None:
    """The fingerprint of a folder; None if there is no entity in it."""
    seen = Look()
    if not seen.at_document(folder):
        return None
    for name in kind.listed:
        seen.at_listed(f"{folder}/{name}")
    for name in kind.walked:
        seen.at_files(f"{folder}/{name}" if name else folder)
    return seen.fingerprint()
