"""What lies in an entity's folder, as it is there: the document, the keys, the folders below.

Only :func:`edit_meta` writes. A folder without ``meta.yaml`` is no entity, whatever else it holds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from tracklet.errors import ResourceDoesNotExist
from tracklet.stores import disk
from tracklet.stores.files import documents, layout
from tracklet.stores.files.layout import Path


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
        (int(number), folder)
        for folder in folders(os.fspath(model_dir))
        if (number := os.path.basename(folder).removeprefix(layout.VERSION_PREFIX)).isdecimal()
        and os.path.basename(folder).startswith(layout.VERSION_PREFIX)
    ]
    return [folder for _, folder in sorted(numbered) if has_meta(folder)]


def read_meta(folder: str, kind: str) -> dict[str, Any]:
    """The document of an entity.

    Raises:
        ResourceDoesNotExist: There is none.
    """
    meta = meta_if_there(folder)
    if meta is None:
        raise ResourceDoesNotExist(f"there is no {kind} in {folder!r}: it has no {layout.META}")
    return meta


def meta_if_there(folder: str) -> dict[str, Any] | None:
    """The document of an entity, or None if there is none."""
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
        folder: The folder.
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
    found: list[tuple[str, str]] = []
    stack = [(folder, "")]
    while stack:
        directory, prefix = stack.pop()
        try:
            with os.scandir(directory) as entries:
                for entry in entries:
                    if entry.is_dir():
                        stack.append((entry.path, f"{prefix}{entry.name}/"))
                    else:
                        found.append((prefix + entry.name, entry.path))
        except (FileNotFoundError, NotADirectoryError):
            continue
    found.sort()
    return found


def read_key(path: str) -> bytes | None:
    """The content of a key's file, or None if there is none."""
    try:
        return disk.read_bytes(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def folders(directory: str) -> list[str]:
    """The folders below one that are not ours alone."""
    try:
        with os.scandir(directory) as entries:
            return [e.path for e in entries if not e.name.startswith(layout.PRIVATE) and e.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def has_meta(folder: str) -> bool:
    """Whether a folder is an entity."""
    return os.path.exists(layout.meta(folder))
