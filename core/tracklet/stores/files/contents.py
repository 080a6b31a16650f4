"""What lies in an entity's folder, as it is there: the document, the keys, the folders below.

Nothing here writes. A folder without ``meta.yaml`` is no entity, whatever else it holds.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
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
