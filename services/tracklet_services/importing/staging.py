"""Folders in which no reader looks, for entities that are built before they are shown."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tracklet.liveness import Lease
from tracklet.stores import disk
from tracklet.stores.files import layout, leases

_PREFIX: Final = f"{layout.PRIVATE}-import-"
_LEASE: Final = "lease"
_GRACE_SECONDS: Final = 60


class Staging:
    """A place in a store's trash, gone when it is closed.

    What is built lies three folders deep in it: too deep to be taken for an experiment, or for a
    run of one. A lease says whose the place is; those of dead processes are removed.

    Args:
        root: The store's folder.
    """

    def __init__(self, root: str) -> None:
        self._trash = layout.trash(root)
        self._place: str | None = None

    @contextmanager
    def folder(self) -> Iterator[str]:
        """A new folder; removed at the end unless it was moved away."""
        if self._place is None:
            self._place = self._open()
        path = f"{self._place}/entities/{os.urandom(6).hex()}"
        disk.make_dirs(path)
        try:
            yield path
        finally:
            if os.path.exists(path):
                disk.remove_tree(path)

    def close(self) -> None:
        """Remove the place."""
        place, self._place = self._place, None
        if place is not None:
            disk.remove_tree(place)

    def _open(self) -> str:
        self._sweep()
        place = f"{self._trash}/{_PREFIX}{os.getpid()}-{os.urandom(6).hex()}"
        disk.make_dirs(place)
        disk.write_new(f"{place}/{_LEASE}", Lease.mine().to_json().encode())
        return place

    def _sweep(self) -> None:
        try:
            names = os.listdir(self._trash)
        except (FileNotFoundError, NotADirectoryError):
            return
        for name in names:
            path = f"{self._trash}/{name}"
            if name.startswith(_PREFIX) and _is_abandoned(path):
                disk.remove_tree(path)


def _is_abandoned(path: str) -> bool:
    if os.path.exists(f"{path}/{_LEASE}"):
        return leases.is_dead(f"{path}/{_LEASE}")
    try:
        return time.time() - os.stat(path).st_mtime > _GRACE_SECONDS
    except FileNotFoundError:
        return False
