"""A run's state: its ``meta.yaml``, changed by one at a time, and the leases of who carries it.

A run is lost when it is RUNNING, somebody left a lease on it, and all who did are certainly dead.
A run without a lease was written by MLflow or by a program that only creates runs for others; it
stays RUNNING.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

from tracklet.entities import RunStatus
from tracklet.liveness import END_REASON_TAG, LOST, Lease, is_alive, is_rival
from tracklet.stores import disk
from tracklet.stores.files import contents, documents, layout
from tracklet.stores.files.folder import announce


def edit(run_dir: str, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Apply a change to a run's document under the run's lock, and return what it is then."""
    lock, staging = layout.run_lock(run_dir), layout.private(run_dir)
    return contents.edit_meta(run_dir, "run", change, lock=lock, staging=staging)


def write(run_dir: str, meta: dict[str, Any]) -> None:
    """Put a run's document in place."""
    disk.publish(layout.meta(run_dir), documents.dumps(meta), layout.private(run_dir))


def leave_lease(run_dir: str) -> str:
    """Leave this process's lease on a run and return its path."""
    private = layout.private(run_dir)
    path = f"{private}/{layout.LEASE_PREFIX}{os.getpid()}-{os.urandom(6).hex()}"
    disk.publish(path, Lease.mine().to_json().encode(), private)
    return path


def leases(run_dir: str) -> list[str]:
    """The leases on a run."""
    private = layout.private(run_dir)
    names = disk.names_in(private)
    return [f"{private}/{name}" for name in names if name.startswith(layout.LEASE_PREFIX)]


def is_dead(path: str) -> bool | None:
    """Whether the process that left a lease is certainly dead; None if the lease is gone."""
    try:
        data = disk.read_bytes(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        contents.pass_over(path, error)
        return False
    lease = Lease.from_json(data)
    return lease is not None and is_alive(lease) is False


def is_lost(run_dir: str) -> bool | None:
    """Whether a run that is RUNNING by its files was lost; None if nobody has a lease on it."""
    found = [dead for path in leases(run_dir) if (dead := is_dead(path)) is not None]
    return all(found) if found else None


def has_rivals(run_dir: str, rivals: str) -> bool:
    """Whether another process that is in the way has a lease on a run."""
    for path in leases(run_dir):
        with contextlib.suppress(FileNotFoundError):
            if is_rival(disk.read_bytes(path), rivals):
                return True
    return False


def drop_dead_leases(run_dir: str) -> None:
    """Remove the leases of processes that are certainly dead."""
    for path in leases(run_dir):
        if is_dead(path):
            disk.discard(path)


def last_sign_of_life(run_dir: str) -> int | None:
    """When the newest file of a run's record was written, in ms."""
    folders = [f"{run_dir}/{name}" for name in (layout.METRICS, layout.PARAMS, layout.TAGS)]
    written = [
        file
        for folder in folders
        for key, file in contents.key_files(folder)
        if key != END_REASON_TAG
    ]
    newest = 0
    for path in (layout.meta(run_dir), *written):
        with contextlib.suppress(OSError):
            newest = max(newest, os.stat(path).st_mtime_ns)
    return newest // 1_000_000 or None


def settle(root: str, run_dir: str) -> None:
    """Write down that a run was lost, if it was; best effort.

    Several readers may do so at once, and the process that carries the run may come back: both
    are ordered by the run's lock, and the leases are looked at again under it.
    """
    try:
        with disk.locked(layout.run_lock(run_dir)):
            meta = contents.read_meta(run_dir, "run")
            if meta.get("status") != RunStatus.RUNNING or not is_lost(run_dir):
                return
            meta["end_time"] = last_sign_of_life(run_dir)
            meta["status"] = RunStatus.KILLED
            tag = f"{run_dir}/{layout.TAGS}/{END_REASON_TAG}"
            if not os.path.exists(tag):
                disk.publish(tag, LOST.encode(), layout.private(run_dir))
            write(run_dir, meta)
            drop_dead_leases(run_dir)
    except OSError:
        return
    experiment_id = os.path.basename(os.path.dirname(run_dir))
    announce(root, f"{experiment_id}/{os.path.basename(run_dir)}")
