"""What went into a run and what came out of it: datasets and models."""

from __future__ import annotations

from tracklet.entities.entity import Entity, KeyValue
from tracklet.errors import InvalidArgument
from tracklet.frozen import field


class Dataset(Entity):
    """A dataset as the record keeps it; ``source``, ``schema`` and ``profile`` are JSON texts."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None


class InputTag(KeyValue):
    """A key and a text on the link between a run and a dataset."""


class DatasetInput(Entity):
    """A dataset that a run used, and in which role (tag ``mlflow.data.context``)."""

    dataset: Dataset
    tags: list[InputTag] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not isinstance(self.dataset, Dataset):
            raise InvalidArgument(
                f"a dataset input is of an entities.Dataset; got {self.dataset!r}"
            )


class LoggedModelInput(Entity):
    """A logged model that a run used."""

    model_id: str


class LoggedModelOutput(Entity):
    """A logged model that a run produced, at a step."""

    model_id: str
    step: int = 0
