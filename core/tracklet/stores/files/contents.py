"""What lies in an entity's folder, as it is there: the document, the keys, the folders below.

Only :func:`edit_meta` writes. A folder without ``meta.yaml`` is no entity, whatever else it holds.
What cannot be read is left out: of an entity a key, of a listing an entity; see
:func:`leave_out`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Final, TypeVar

from tracklet import lazy
from tracklet.errors import ResourceDoesNotExist, StorageError
from tracklet.state import ProcessState
from tracklet.stores import disk
from tracklet.stores.files import documents, layout
from tracklet.stores.files.layout import Path
from tracklet.validation import MAX_KEY_LENGTH

T = TypeVar("T")

_log = lazy.logger(__name__)
_noted: ContextVar[dict[str, str] | None] = ContextVar("noted", default=None)
_MAX_SAID: Final = 10_000
# What says that a file never will be a document: no regular file, too large, a loop of links.
_LASTING: Final = (errno.EINVAL, errno.EFBIG, errno.EISDIR, errno.ELOOP)
_CLAIMS: Final = {
    "experiment": (("experiment_id",), 0),
    "run": (("run_id", "run_uuid"), 1),
    "logged model": (("model_id",), 2),
    "model version": (("version",), 0),
    "trace": (("trace_id",), 2),
}
"""The fields of a document that say whose it is, and how far above lies its experiment's folder."""


class _Said(ProcessState):
    """The paths that the log mentions as left out."""

    def begin(self) -> None:
        self.paths: set[str] = set()


_said = _Said()


class Misplaced(StorageError):
    """A document is that of another entity than its folder's; see :func:`check_own`.

    Attributes:
        folder: The folder in the wrong place: the entity's, or that of a whole experiment.
    """

    def __init__(self, folder: str, said: str) -> None:
        super().__init__(f"{layout.meta(folder)!r} {said}, or move it away if it is a copy")
        self.folder = folder


def leave_out(path: str, error: object) -> None:
    """Say once in the log that something is left out since it cannot be read."""
    path = getattr(error, "folder", path)
    shown = os.fsencode(path).decode("utf-8", "backslashreplace")
    reason = " ".join(str(error).split())
    noted = _noted.get()
    if noted is not None:
        noted[shown] = reason
    if shown not in _said.paths and len(_said.paths) < _MAX_SAID:
        _said.paths.add(shown)
        _log.warning("%s is left out: %s", shown, reason)


@contextmanager
def noting() -> Iterator[dict[str, str]]:
    """Gather what is left out in the block: the reasons by the paths."""
    found: dict[str, str] = {}
    token = _noted.set(found)
    try:
        yield found
    finally:
        _noted.reset(token)


def readable(read: Callable[[str], T], paths: Iterable[str]) -> list[T]:
    """What is read of each path; one that is gone is passed over, a damaged one left out."""
    found: list[T] = []
    for path in paths:
        try:
            found.append(read(path))
        except ResourceDoesNotExist:
            continue
        except StorageError as error:
            leave_out(path, error)
        except OSError as error:
            pass_over(path, error)
    return found


def undamaged(entity_dirs: Iterable[str], kind: str) -> list[str]:
    """Those of some folders whose document is one of their own; a damaged one is left out.

    Raises:
        OSError: One cannot be read, which may pass.
    """
    found: list[str] = []
    for folder in entity_dirs:
        try:
            check_own(folder, kind, meta_if_there(folder) or {})
        except StorageError as error:
            leave_out(folder, error)
        except OSError as error:
            if error.errno not in _LASTING:
                raise
            pass_over(folder, error)
        else:
            found.append(folder)
    return found


def experiment_dirs(root: Path) -> list[str]:
    """The folders of all experiments, deleted ones included."""
    top = os.fspath(root)
    active = [d for d in folders(top) if os.path.basename(d) not in layout.NOT_EXPERIMENTS]
    return [d for d in active + folders(layout.trash(top)) if has_meta(d)]


def run_dirs(experiment_dir: Path) -> list[str]:
    """The folders of all runs of an experiment, deleted ones included."""
    found = folders(os.fspath(experiment_dir))
    return [d for d in found if os.path.basename(d) not in layout.NOT_RUNS and has_meta(d)]


def logged_model_dirs(experiment_dir: Path) -> list[str]:
    """The folders of all logged models of an experiment, deleted ones included."""
    return [d for d in folders(f"{os.fspath(experiment_dir)}/{layout.MODELS}") if has_meta(d)]


def registered_model_dirs(root: Path) -> list[str]:
    """The folders of all registered models."""
    return [d for d in folders(layout.registry(os.fspath(root))) if has_meta(d)]


def model_version_dirs(model_dir: Path) -> list[str]:
    """The folders of all versions of a registered model in their order, deleted ones included."""
    numbered = [
        (number, folder)
        for folder in folders(os.fspath(model_dir))
        if (name := os.path.basename(folder)).startswith(layout.VERSION_PREFIX)
        and (number := layout.version_number(name.removeprefix(layout.VERSION_PREFIX))) is not None
    ]
    return [folder for _, folder in sorted(numbered) if has_meta(folder)]


def read_meta(folder: str, kind: str) -> dict[str, Any]:
    """The document of an entity.

    Raises:
        ResourceDoesNotExist: There is none.
        Misplaced: It is that of another entity.
    """
    meta = meta_if_there(folder)
    if meta is None:
        raise ResourceDoesNotExist(f"there is no {kind} in {folder!r}: it has no {layout.META}")
    check_own(folder, kind, meta)
    return meta


def check_own(folder: str, kind: str, meta: Mapping[str, Any]) -> None:
    """Refuse a document that says to be that of another entity than the folder's.

    A folder is named by its entity's id and lies in that of its experiment. Of copies, therefore,
    one owns the id, whichever is found first; the others are left out, also when that one is gone.
    A registered model is named by its place alone: it is renamed by moving it.

    Raises:
        Misplaced: It does.
    """
    if kind not in _CLAIMS:
        return
    fields, level = _CLAIMS[kind]
    parts = folder.split("/")
    home = "/".join(parts[: len(parts) - level])
    claimed = next((meta[field] for field in fields if meta.get(field)), None)
    if not _agrees(claimed, parts[-1].removeprefix(layout.VERSION_PREFIX)):
        said = f"is that of the {kind} {claimed!r}, whose folder is named by its id"
        raise Misplaced(folder, f"{said}: rename the folder")
    experiment_id = meta.get("experiment_id")
    if level and not _agrees(experiment_id, os.path.basename(home)):
        above: Mapping[str, Any] = {}
        with suppress(OSError, StorageError):
            above = meta_if_there(home) or {}
        check_own(home, "experiment", above)  # if it is all a copy, that is said once
        said = f"is that of a {kind} of the experiment {experiment_id!r}"
        raise Misplaced(folder, f"{said}: move the folder back there")
    trash, name = os.path.split(home)
    root, place = os.path.split(trash)
    if place == layout.TRASH and os.path.lexists(layout.meta(f"{root}/{name}")):
        raise Misplaced(home, f"is that of an experiment that {root!r} holds outside of its trash")


def _agrees(claimed: object, name: str) -> bool:
    """Whether a document's id is the one in a path; YAML takes unquoted digits for a number."""
    if isinstance(claimed, int):
        return str(claimed) == (name.lstrip("0") or "0")
    return not isinstance(claimed, str) or claimed in ("", name)


def meta_if_there(folder: str) -> dict[str, Any] | None:
    """The document of an entity, or None if there is none.

    Raises:
        OSError: It cannot be read.
        StorageError: It is none.
    """
    path = layout.meta(folder)
    try:
        data = disk.read_bytes(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return documents.loads(data, path)


def edit_meta(
    folder: str,
    kind: str,
    change: Callable[[dict[str, Any]], object],
    *,
    lock: str,
    staging: str,
) -> dict[str, Any]:
    """Apply a change to the document of an entity, and return what it is then.

    Args:
        folder: The entity's folder.
        kind: What it is, for messages.
        change: Changes the document's mapping; called again if the document changed meanwhile.
        lock: The file whose lock orders the changes of processes and threads.
        staging: A folder on the same file system in which no reader looks.
    """
    with disk.locked(lock) as held:
        # A signal handler or finalizer may come in between any two steps of this thread and edit
        # as well. Its change is in the list then, and who was interrupted writes it down again.
        held.changes.append((folder, change))
        while True:
            known = len(held.changes)
            meta = read_meta(folder, kind)
            before = dict(meta)
            for where, apply in held.changes[:known]:
                if where == folder:
                    apply(meta)
            if meta != before:
                disk.publish(layout.meta(folder), documents.dumps(meta), staging)
            if known == len(held.changes):
                return meta


def read_texts(folder: str, known: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """The keys below a folder of params or tags and their texts.

    Args:
        known: Texts of keys that never change, which are taken from here.
    """
    texts: dict[str, str] = {}
    for key, path in key_files(folder):
        if key in known:
            texts[key] = known[key]
        elif (data := read_key(path)) is not None:
            texts[key] = data.decode("utf-8", "replace")
    return texts


def key_files(folder: str) -> list[tuple[str, str]]:
    """The keys below a folder and their files, sorted; ``/`` in a key is a folder."""
    return sorted((key, entry.path) for key, entry, is_folder in walk(folder) if not is_folder)


def walk(folder: str) -> Iterator[tuple[str, os.DirEntry[str], bool]]:
    """What lies below a folder of keys: the key, the entry, and whether it is a folder."""
    waiting = [(folder, "")]
    while waiting:
        directory, prefix = waiting.pop()
        for entry in entries(directory):
            key = prefix + entry.name
            is_folder = entry.is_dir(follow_symlinks=False)  # a link could lead back here
            if is_folder and len(key) < MAX_KEY_LENGTH:
                waiting.append((entry.path, f"{key}/"))
            elif is_folder:
                leave_out(entry.path, f"a key has at most {MAX_KEY_LENGTH} characters")
            yield key, entry, is_folder


def read_key(path: str, most: int | None = disk.MAX_BYTES) -> bytes | None:
    """The content of a key's file, or None if there is none that can be read."""
    try:
        return disk.read_bytes(path, most)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        pass_over(path, error)
        return None


def pass_over(path: str, error: OSError) -> None:
    """Leave a file or folder out that cannot be read; raise what is not its fault."""
    if not disk.spoils(error):
        raise error
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        leave_out(path, error.strerror if error.filename in (None, path) else error)


def entries(directory: str) -> list[os.DirEntry[str]]:
    """What a folder of the record holds under names that can be a key or an id."""
    try:
        with os.scandir(directory) as found:
            listed = list(found)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        pass_over(directory, error)
        return []
    if all(map(str.isascii, [entry.name for entry in listed])):
        return listed
    return [entry for entry in listed if is_named(entry.name, entry.path)]


def is_named(name: str, path: str) -> bool:
    """Whether a file's name can be a key or an id; if not, it is left out."""
    named = disk.is_text(name)
    if not named:
        leave_out(path, "its name is no UTF-8; rename it")
    return named


def folders(directory: str) -> list[str]:
    """The folders below one that are not ours alone."""
    return [
        entry.path
        for entry in entries(directory)
        if not entry.name.startswith(layout.PRIVATE) and disk.is_folder(entry)
    ]


def has_meta(folder: str) -> bool:
    """Whether a folder is an entity."""
    try:
        os.lstat(layout.meta(folder))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        pass_over(folder, error)
        return False
    return True
