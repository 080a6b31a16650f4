"""Experiments: named groups of runs."""

from __future__ import annotations

from tracklet.entities.entity import Entity, KeyValue, LifecycleStage
from tracklet.frozen import field


class ExperimentTag(KeyValue):
    """A key and a text on an experiment."""


class Experiment(Entity):
    """A named group of runs."""

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str = LifecycleStage.ACTIVE
    tags: dict[str, str] = field(default_factory=dict)
    creation_time: int | None = None
    last_update_time: int | None = None
    workspace: str = "default"
    trace_location: str | None = None
