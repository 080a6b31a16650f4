"""Logged models: a trained model with the params and metrics that belong to it."""

from __future__ import annotations

import enum

from tracklet.entities.entity import Entity, KeyValue, LifecycleStage
from tracklet.entities.run import Metric
from tracklet.frozen import field


class LoggedModelStatus(enum.StrEnum):
    """Whether a model's files are complete."""

    UNSPECIFIED = "UNSPECIFIED"
    PENDING = "PENDING"
    READY = "READY"
    FAILED = "FAILED"

    def to_int(self) -> int:
        """The number that ``meta.yaml`` and databases hold."""
        return list(LoggedModelStatus).index(self)

    @classmethod
    def from_int(cls, number: int) -> LoggedModelStatus:
        """The status of a stored number."""
        return list(cls)[number]

    @property
    def is_finalized(self) -> bool:
        """Whether the model will change no more."""
        return self in (LoggedModelStatus.READY, LoggedModelStatus.FAILED)


class LoggedModelParameter(KeyValue):
    """A key and a text, set once per model."""


class LoggedModelTag(KeyValue):
    """A key and a text on a model; may be set again."""


class LoggedModel(Entity):
    """A trained model: where its files are, which run made it, what was measured on it."""

    experiment_id: str
    model_id: str
    name: str
    artifact_location: str
    creation_timestamp: int
    last_updated_timestamp: int
    model_type: str | None = None
    source_run_id: str | None = None
    status: LoggedModelStatus = LoggedModelStatus.READY
    status_message: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    metrics: list[Metric] = field(default_factory=list)
    lifecycle_stage: str = LifecycleStage.ACTIVE

    @property
    def model_uri(self) -> str:
        """The URI that loads the model."""
        return f"models:/{self.model_id}"
