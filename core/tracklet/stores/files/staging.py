"""A place in a store's trash where what is taken over from another record is built.

What is built lies three folders deep: too deep to be taken for an experiment, or for a run of one.
A lease beside it, there before and after it, says whose the place is; those of dead processes are
removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tracklet.liveness import Lease
from tracklet.stores import disk
from tracklet.stores.files import layout, run_state

_PREFIX: Final = f"{layout.PRIVATE}-import-"
_LEASE: Final = ".lease"


@contextmanager
def staged(root: str) -> Iterator[str]:
    """A new folder; removed at the end unless it was moved away."""
    trash = layout.trash(root)
    place = f"{trash}/{_PREFIX}{os.getpid()}-{os.urandom(6).hex()}"
    folder = f"{place}/entities/{os.urandom(6).hex()}"
    disk.make_dirs(trash)
    try:
        # Whole or not at all: of a torn one nobody could say that its process is dead.
        disk.publish(f"{place}{_LEASE}", Lease.mine().to_json().encode(), trash)
        disk.make_dirs(folder)
        yield folder
    finally:
        _clear(place)


def sweep(root: str) -> None:
    """Remove the places of dead processes."""
    trash = layout.trash(root)
    names = [name for name in disk.names_in(trash) if name.startswith(_PREFIX)]
    places = {name.removesuffix(_LEASE) for name in names}
    for place in sorted(places):
        if run_state.is_dead(f"{trash}/{place}{_LEASE}") is not False:
            _clear(f"{trash}/{place}")


def _clear(place: str) -> None:
    disk.remove_tree(place)
    disk.discard(f"{place}{_LEASE}")
