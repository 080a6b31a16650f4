"""The functions that scripts call: recording into the active run, without naming it."""

from __future__ import annotations

from tracklet.fluent import (
    active,
    artifacts,
    experiments,
    models,
    records,
    registry,
    runs,
    system_metrics,
)
from tracklet.fluent.active import ActiveRun
from tracklet.fluent.models import ActiveModel
from tracklet.fluent.runs import active_run, end_run, start_run

__all__ = [
    "ActiveModel",
    "ActiveRun",
    "active",
    "active_run",
    "artifacts",
    "end_run",
    "experiments",
    "models",
    "records",
    "registry",
    "runs",
    "start_run",
    "system_metrics",
]
