"""The registry: models under a name, in numbered versions."""

from __future__ import annotations

from typing import Final

from tracklet.entities.entity import Entity, KeyValue, NumberedWords
from tracklet.entities.run import Metric
from tracklet.frozen import field


class ModelVersionStatus(NumberedWords):
    """Whether a version can be used; here each is ready at once."""

    PENDING_REGISTRATION: Final = 1
    FAILED_REGISTRATION: Final = 2
    READY: Final = 3


class RegisteredModelTag(KeyValue):
    """A key and a text on a registered model."""


class ModelVersionTag(KeyValue):
    """A key and a text on a model version."""


class RegisteredModelAlias(Entity):
    """A movable name for one version of a registered model."""

    alias: str
    version: str


class ModelVersion(Entity):
    """One version of a registered model; ``version`` counts from 1."""

    name: str
    version: int
    creation_timestamp: int
    last_updated_timestamp: int | None = None
    description: str | None = None
    user_id: str | None = None
    current_stage: str = "None"
    source: str | None = None
    run_id: str | None = None
    status: str = "READY"
    status_message: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    run_link: str | None = None
    aliases: list[str] = field(default_factory=list)
    model_id: str | None = None
    params: dict[str, str] = field(default_factory=dict)
    metrics: list[Metric] = field(default_factory=list)
    storage_location: str | None = None


class RegisteredModel(Entity):
    """A name under which models are versioned; ``aliases`` maps alias to version."""

    name: str
    creation_timestamp: int
    last_updated_timestamp: int
    description: str | None = None
    latest_versions: list[ModelVersion] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
