"""The functions that scripts call: recording into the active run, without naming it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracklet import lazy

if TYPE_CHECKING:
    from tracklet.fluent.active import ActiveRun
    from tracklet.fluent.models import ActiveModel
    from tracklet.fluent.starting import active_run, end_run, start_run
else:
    __getattr__ = lazy.lookup(
        __name__,
        {
            "ActiveModel": "tracklet.fluent.models",
            "ActiveRun": "tracklet.fluent.active",
            "active_run": "tracklet.fluent.starting",
            "end_run": "tracklet.fluent.starting",
            "start_run": "tracklet.fluent.starting",
        },
    )

__all__ = ["ActiveModel", "ActiveRun", "active_run", "end_run", "start_run"]
