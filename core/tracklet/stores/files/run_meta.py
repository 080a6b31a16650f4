"""Changes of a run's ``meta.yaml``, one at a time, and the burial of lost runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from tracklet import liveness
from tracklet.entities import RunStatus
from tracklet.stores import disk
from tracklet.stores.files import changes, contents, documents, layout, leases


def edit(run_dir: str, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Apply a change to a run's document under the run's lock, and return what it is then."""
    with disk.locked(layout.run_lock(run_dir)):
        meta = contents.read_meta(run_dir, "run")
        before = dict(meta)
        change(meta)
        if meta != before:
            write(run_dir, meta)
        return meta


def write(run_dir: str, meta: dict[str, Any]) -> None:
    """Put a run's document in place."""
    disk.publish(layout.meta(run_dir), documents.dumps(meta), layout.private(run_dir))


def settle(root: str, run_dir: str) -> None:
    """Write down that a run was lost, if it was; best effort.

    Several readers may do so at once, and the process that carries the run may come back: both
    are ordered by the run's lock, and the leases are looked at again under it.
    """
    try:
        with disk.locked(layout.run_lock(run_dir)):
            meta = contents.read_meta(run_dir, "run")
            if meta.get("status") != RunStatus.RUNNING or not leases.is_lost(run_dir):
                return
            meta["end_time"] = leases.last_sign_of_life(run_dir)
            meta["status"] = RunStatus.KILLED
            tag = f"{run_dir}/{layout.TAGS}/{liveness.END_REASON_TAG}"
            if not os.path.exists(tag):
                disk.publish(tag, liveness.LOST.encode(), layout.private(run_dir))
            write(run_dir, meta)
            leases.drop_dead(run_dir)
    except OSError:
        return
    experiment_id = os.path.basename(os.path.dirname(run_dir))
    changes.announce(root, f"{experiment_id}/{os.path.basename(run_dir)}")
