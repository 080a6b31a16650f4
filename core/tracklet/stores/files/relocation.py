"""Recorded locations in a tree that was perhaps moved, copied or put in the trash since."""

from __future__ import annotations

import os

from tracklet.stores.files import contents, layout


def origin(experiment_dir: str) -> tuple[str, bool]:
    """Where an experiment's folder is when it is not in the trash, and whether it is there."""
    home, name = os.path.split(experiment_dir)
    in_trash = os.path.basename(home) == layout.TRASH
    return f"{os.path.dirname(home) if in_trash else home}/{name}", in_trash


def relocated(recorded: str, home: str, tail: str, sibling: str | None = None) -> str:
    """Where a recorded location is now, the tree perhaps having been moved or copied.

    Args:
        recorded: The location as it was written.
        home: Where this store would put it.
        tail: How a location that a store chose by itself ends.
        sibling: Where the files are now, if that differs from ``home`` (in the trash).
    """
    if recorded == home or not layout.is_local(recorded):
        return recorded if recorded != home or not sibling else _existing(recorded, sibling)
    path = layout.local_path(recorded)
    if path == home:
        return recorded
    if recorded.endswith("/"):  # an import refers to another store's place
        return recorded.rstrip("/")
    here = _existing(home, sibling or home)
    if not recorded:
        return here
    if path == tail or path.endswith(f"/{tail}"):
        # The store chose it, so the files moved with the tree, unless only documents were copied.
        return recorded if os.path.exists(path) and not os.path.exists(here) else here
    # A location that the user chose may not be there yet; files beside the document decide.
    if sibling is not None and not os.path.exists(path) and _holds_something(here):
        return here
    return recorded


def rerooted(recorded: str | None, root: str) -> str | None:
    """A path into a store that was moved since, in its present place."""
    if not recorded or not layout.is_local(recorded):
        return recorded
    path = layout.local_path(recorded)
    if not os.path.isabs(path) or os.path.exists(path):
        return recorded
    parts = path.split("/")
    for start in range(1, len(parts) - 1):
        candidate = f"{root}/{'/'.join(parts[start:])}"
        if contents.has_meta(f"{root}/{parts[start]}") and os.path.exists(candidate):
            return candidate
    return recorded


def _existing(home: str, sibling: str) -> str:
    return sibling if sibling != home and os.path.exists(sibling) else home


def _holds_something(folder: str) -> bool:
    try:
        return bool(os.listdir(folder))
    except OSError:
        return False
