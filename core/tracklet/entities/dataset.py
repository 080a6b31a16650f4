"""What went into a run and what came out of it: datasets and models."""

from __future__ import annotations

from dataclasses import dataclass, field

from tracklet.entities.entity import Entity


@dataclass(frozen=True, slots=True)
class Dataset(Entity):
    """A dataset as the record keeps it; ``source``, ``schema`` and ``profile`` are JSON texts."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class InputTag(Entity):
    """A key and a text on the link between a run and a dataset."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class DatasetInput(Entity):
    """A dataset that a run used, and in which role (tag ``mlflow.data.context``)."""

    dataset: Dataset
    tags: list[InputTag] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LoggedModelInput(Entity):
    """A logged model that a run used."""

    model_id: str


@dataclass(frozen=True, slots=True)
class LoggedModelOutput(Entity):
    """A logged model that a run produced, at a step."""

    model_id: str
    step: int = 0
