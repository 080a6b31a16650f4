"""Leases in run folders: who carries a run, and whether a run was lost.

A run is lost when it is RUNNING, somebody left a lease on it, and all who did are certainly dead.
A run without a lease was written by MLflow or by a program that only creates runs for others; it
stays RUNNING.
"""

from __future__ import annotations

import contextlib
import os

from tracklet.liveness import END_REASON_TAG, Lease, is_alive
from tracklet.stores import disk
from tracklet.stores.files import layout


def leave(run_dir: str) -> str:
    """Leave this process's lease on a run and return its path."""
    private = layout.private(run_dir)
    path = f"{private}/{layout.LEASE_PREFIX}{os.getpid()}-{os.urandom(6).hex()}"
    disk.publish(path, Lease.mine().to_json().encode(), private)
    return path


def paths(run_dir: str) -> list[str]:
    """The leases on a run."""
    private = layout.private(run_dir)
    names = disk.names_in(private)
    return [f"{private}/{name}" for name in names if name.startswith(layout.LEASE_PREFIX)]


def is_dead(path: str) -> bool | None:
    """Whether the process that left a lease is certainly dead; None if the lease is gone."""
    data = disk.read_if_there(path)
    if data is None:
        return None
    lease = Lease.from_json(data)
    return lease is not None and is_alive(lease) is False


def is_lost(run_dir: str) -> bool | None:
    """Whether a run that is RUNNING by its files was lost; None if nobody has a lease on it."""
    found = [dead for path in paths(run_dir) if (dead := is_dead(path)) is not None]
    return all(found) if found else None


def drop_dead(run_dir: str) -> None:
    """Remove the leases of processes that are certainly dead."""
    for path in paths(run_dir):
        if is_dead(path):
            disk.discard(path)


def last_sign_of_life(run_dir: str) -> int | None:
    """When the newest file of a run's record was written, in ms."""
    newest = 0
    stack = [f"{run_dir}/{name}" for name in (layout.METRICS, layout.PARAMS, layout.TAGS)]
    with contextlib.suppress(OSError):
        newest = os.stat(layout.meta(run_dir)).st_mtime_ns
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    if entry.is_dir():
                        stack.append(entry.path)
                    elif entry.name != END_REASON_TAG:
                        newest = max(newest, entry.stat().st_mtime_ns)
        except OSError:
            continue
    return newest // 1_000_000 or None
