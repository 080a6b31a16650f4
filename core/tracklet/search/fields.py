"""Which prefixes and attributes the filters of each kind of entity know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from tracklet.frozen import Frozen, field
from tracklet.search.syntax import KeyKind

ValueType: TypeAlias = Literal["text", "number", "version", "model status", "text or number"]

_NAMED: Final[dict[str, KeyKind]] = {
    "attribute": "attribute",
    "attributes": "attribute",
    "attr": "attribute",
    "tag": "tag",
    "tags": "tag",
}
_RECORDED: Final[dict[str, KeyKind]] = {
    **_NAMED,
    "metric": "metric",
    "metrics": "metric",
    "param": "param",
    "params": "param",
    "parameter": "param",
    "parameters": "param",
}
_RUN: Final[dict[str, ValueType]] = {
    "run_id": "text",
    "run_name": "text",
    "user_id": "text",
    "status": "text",
    "artifact_uri": "text",
    "start_time": "number",
    "end_time": "number",
}
_EXPERIMENT: Final[dict[str, ValueType]] = {
    "experiment_id": "text",
    "name": "text",
    "creation_time": "number",
    "last_update_time": "number",
}
_LOGGED_MODEL: Final[dict[str, ValueType]] = {
    "name": "text",
    "model_id": "text",
    "model_type": "text",
    "status": "model status",
    "source_run_id": "text",
    "experiment_id": "text",
    "creation_timestamp": "number",
    "last_updated_timestamp": "number",
}
_TRACE: Final[dict[str, ValueType]] = {
    "request_id": "text",
    "client_request_id": "text",
    "name": "text",
    "status": "text",
    "run_id": "text",
    "text": "text",
    "timestamp_ms": "number",
    "execution_time_ms": "number",
    "end_time_ms": "number",
}
_REGISTRY_TIMES: Final = {
    "creation_timestamp": "creation_timestamp",
    "last_updated_timestamp": "last_updated_timestamp",
}


class Vocabulary(Frozen):
    """The words of one kind of entity.

    Attributes:
        noun: What is searched, in messages.
        prefixes: What may stand before the dot, and which kind of key it announces.
        attributes: The canonical names of the attributes, with their types.
        aliases: Other names of attributes.
        orderable: What an order may name: canonical names, ``"metric"``, ``"param"``, ``"tag"``.
        order_aliases: Names of attributes that only an order knows.
        dataset_fields: What is known of a dataset.
        regular_expressions: Whether texts can be compared by ``RLIKE``.
        example: A correct filter.
    """

    noun: str
    prefixes: Mapping[str, KeyKind]
    attributes: Mapping[str, ValueType]
    orderable: frozenset[str]
    example: str
    aliases: Mapping[str, str] = field(default_factory=dict)
    order_aliases: Mapping[str, str] = field(default_factory=dict)
    dataset_fields: tuple[str, ...] = ()
    regular_expressions: bool = False

    def canonical(self, name: str) -> str | None:
        """The canonical name of an attribute, or None if it is none."""
        name = self.aliases.get(name, name)
        return name if name in self.attributes else None


RUNS: Final = Vocabulary(
    noun="runs",
    prefixes={**_RECORDED, "run": "attribute", "dataset": "dataset", "datasets": "dataset"},
    attributes=_RUN,
    aliases={
        "created": "start_time",
        "Created": "start_time",
        "run name": "run_name",
        "Run name": "run_name",
        "Run Name": "run_name",
    },
    orderable=frozenset({*_RUN, "metric", "param", "tag"}),
    dataset_fields=("name", "digest", "context"),
    example="metrics.accuracy > 0.9 AND params.model = 'tree'",
)

EXPERIMENTS: Final = Vocabulary(
    noun="experiments",
    prefixes=_NAMED,
    attributes=_EXPERIMENT,
    orderable=frozenset(_EXPERIMENT),
    example="name LIKE 'churn%' AND tags.team = 'growth'",
)

LOGGED_MODELS: Final = Vocabulary(
    noun="logged models",
    prefixes=_RECORDED,
    attributes=_LOGGED_MODEL,
    aliases={
        "creation_time": "creation_timestamp",
        "last_updated_time": "last_updated_timestamp",
    },
    orderable=frozenset({*_LOGGED_MODEL, "metric"}),
    example="metrics.accuracy > 0.9 AND name = 'tree'",
)

REGISTERED_MODELS: Final = Vocabulary(
    noun="registered models",
    prefixes=_NAMED,
    attributes={"name": "text"},
    orderable=frozenset({"name", *_REGISTRY_TIMES}),
    order_aliases={**_REGISTRY_TIMES, "timestamp": "last_updated_timestamp"},
    example="name LIKE 'churn%' AND tags.team = 'growth'",
)

MODEL_VERSIONS: Final = Vocabulary(
    noun="model versions",
    prefixes=_NAMED,
    attributes={
        "name": "text",
        "version_number": "version",
        "run_id": "text",
        "source_path": "text",
    },
    orderable=frozenset({"name", "version_number", *_REGISTRY_TIMES}),
    order_aliases=_REGISTRY_TIMES,
    example="name = 'churn' AND version_number > 3",
)

TRACES: Final = Vocabulary(
    noun="traces",
    prefixes={
        **_NAMED,
        "trace": "attribute",
        "metadata": "metadata",
        "request_metadata": "metadata",
        "span": "span",
        "feedback": "feedback",
        "expectation": "expectation",
    },
    attributes=_TRACE,
    aliases={
        "timestamp": "timestamp_ms",
        "execution_time": "execution_time_ms",
        "end_time": "end_time_ms",
    },
    orderable=frozenset({*_TRACE, "tag", "metadata"} - {"text"}),
    regular_expressions=True,
    example="status = 'ERROR' AND tags.team = 'growth'",
)
