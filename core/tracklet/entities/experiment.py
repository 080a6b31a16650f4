"""Experiments: named groups of runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from tracklet.entities.entity import Entity, LifecycleStage


@dataclass(frozen=True, slots=True)
class ExperimentTag(Entity):
    """A key and a text on an experiment."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
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
