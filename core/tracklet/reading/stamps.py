"""Stamps of folders: numbers that change when what is in a folder does.

A quick stamp looks at the document and at the folders of keys, so it misses files that are
changed in place, as MLflow changes tags and metrics. A deep stamp looks at every file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from tracklet.stores.files import layout

_TICK_NS: Final = 20_000_000
_COARSE_TICK_NS: Final = 2_000_000_000
_EVERYTHING: Final = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of folder that holds an entity.

    Attributes:
        name: As the index calls it.
        table: The table of its rows.
        walked: The folders in it whose files may be changed in place.
        listed: The folders in it whose files only come and go.
    """

    name: str
    table: str
    walked: tuple[str, ...]
    listed: tuple[str, ...] = ()


EXPERIMENT: Final = Kind("experiment", "experiments", (layout.TAGS,))
RUN: Final = Kind(
    "run",
    "runs",
    (layout.METRICS, layout.PARAMS, layout.TAGS),
    (layout.INPUTS, layout.OUTPUTS, layout.PRIVATE),
)
LOGGED_MODEL: Final = Kind(
    "logged_model", "logged_models", (layout.METRICS, layout.PARAMS, layout.TAGS)
)
REGISTERED_MODEL: Final = Kind("registered_model", "registered_models", (_EVERYTHING,))
KINDS: Final = {kind.name: kind for kind in (EXPERIMENT, RUN, LOGGED_MODEL, REGISTERED_MODEL)}


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a folder looked like; 0 never equals what it looks like later.

    Attributes:
        quick: Of the document and the folders.
        deep: Of every file; 0 if they were not looked at.
    """

    quick: int
    deep: int = 0


def stamp(folder: str, kind: Kind, now_ns: int, *, deep: bool) -> Stamp | None:
    """The stamp of a folder; None if there is no entity in it.

    Args:
        folder: Its path.
        kind: What it holds.
        now_ns: The time at which looking began. What changed within the clock's tick before may
            change again under the same time, and gets the stamp 0.
        deep: Whether to look at every file.
    """
    try:
        meta = os.stat(f"{folder}/{layout.META}")
    except (FileNotFoundError, NotADirectoryError):
        return None
    marks = [meta.st_mtime_ns, meta.st_size, meta.st_ino]
    newest = meta.st_mtime_ns
    everything = kind.walked == (_EVERYTHING,)
    if not everything:
        for name in (*kind.walked, *kind.listed):
            try:
                time = os.stat(f"{folder}/{name}").st_mtime_ns
            except (FileNotFoundError, NotADirectoryError):
                time = 0
            marks.append(time)
            newest = max(newest, time)
    quick = hash(tuple(marks)) or 1
    full = 0
    if deep or everything:
        for name in kind.walked:
            count, times, sizes, latest = _walk(f"{folder}/{name}" if name else folder)
            marks += (count, times, sizes)
            newest = max(newest, latest)
        full = hash(tuple(marks)) or 1
    if _racy(newest, now_ns):
        return Stamp(0, 0)
    return Stamp(full if everything else quick, full)


def _racy(newest: int, now_ns: int) -> bool:
    tick = _TICK_NS if newest % 1_000_000_000 else _COARSE_TICK_NS
    return newest > now_ns - tick


def _walk(folder: str) -> tuple[int, int, int, int]:
    """Count, sum of times, sum of sizes and the latest time of all files and folders below."""
    count = times = sizes = latest = 0
    stack = [folder]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    try:
                        status = entry.stat()
                    except FileNotFoundError:
                        continue
                    time = status.st_mtime_ns
                    count += 1
                    times += time
                    sizes += status.st_size
                    if time > latest:
                        latest = time
                    if entry.is_dir():
                        stack.append(entry.path)
        except (FileNotFoundError, NotADirectoryError):
            continue
    return count, times, sizes, latest
