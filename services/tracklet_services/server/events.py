"""What happened, as webhooks are told: found in what was asked and answered."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from tracklet_services.server import requests
from tracklet_services.server.table import Endpoint

PROMPT_TAG: Final = "mlflow.prompt.is_prompt"
_TEXT_TAG: Final = "mlflow.prompt.text"
_NAMES: Final = {
    ("POST", "registered-models/create"): "registered_model.created",
    ("POST", "registered-models/set-tag"): "prompt_tag.set",
    ("DELETE", "registered-models/delete-tag"): "prompt_tag.deleted",
    ("POST", "registered-models/alias"): "model_version_alias.created",
    ("DELETE", "registered-models/alias"): "model_version_alias.deleted",
    ("POST", "model-versions/create"): "model_version.created",
    ("POST", "model-versions/set-tag"): "model_version_tag.set",
    ("DELETE", "model-versions/delete-tag"): "model_version_tag.deleted",
}
FIELDS: Final = {
    "registered_model.created": ("name", "tags", "description"),
    "model_version.created": ("name", "version", "source", "run_id", "tags", "description"),
    "model_version_tag.set": ("name", "version", "key", "value"),
    "model_version_tag.deleted": ("name", "version", "key"),
    "model_version_alias.created": ("name", "alias", "version"),
    "model_version_alias.deleted": ("name", "alias"),
    "prompt.created": ("name", "tags", "description"),
    "prompt_version.created": ("name", "version", "template", "tags", "description"),
    "prompt_tag.set": ("name", "key", "value"),
    "prompt_tag.deleted": ("name", "key"),
    "prompt_version_tag.set": ("name", "version", "key", "value"),
    "prompt_version_tag.deleted": ("name", "version", "key"),
    "prompt_alias.created": ("name", "alias", "version"),
    "prompt_alias.deleted": ("name", "alias"),
}
"""MLflow's events, and what is told of each."""
RUN_EVENTS: Final = ("run.finished", "run.failed", "run.killed", "run.lost", "run.nan")
"""Ours: how a run ended, and the first time that one of its metrics is no number."""

_OF_PROMPTS: Final = {
    "registered_model.created": "prompt.created",
    "model_version.created": "prompt_version.created",
    "model_version_tag.set": "prompt_version_tag.set",
    "model_version_tag.deleted": "prompt_version_tag.deleted",
    "model_version_alias.created": "prompt_alias.created",
    "model_version_alias.deleted": "prompt_alias.deleted",
}
_ENDS: Final = {"FINISHED": "run.finished", "FAILED": "run.failed", "KILLED": "run.killed"}


class Event(NamedTuple):
    """Something that happened.

    Attributes:
        name: What, as ``model_version.created``.
        data: What is told of it.
        once: What makes it the same as another one; None if it never is.
    """

    name: str
    data: dict[str, Any]
    once: str | None = None


def of(
    endpoint: Endpoint, asked: Any, reply: Any, is_prompt: Callable[[str], bool]
) -> Iterator[Event]:
    """The events of a request that was done.

    Args:
        endpoint: What was done.
        asked: The request.
        reply: The reply.
        is_prompt: Whether the registered model of a name is a prompt.
    """
    name = _NAMES.get((endpoint.method, endpoint.path))
    if name is not None:
        tags = {pair.key: pair.value for pair in getattr(asked, "tags", ())}
        if tags.get(PROMPT_TAG) == "true" or is_prompt(asked.name):
            name = _OF_PROMPTS.get(name, name)
        elif name.startswith("prompt"):
            return
        told = msgspec.structs.asdict(asked)
        told["template"] = tags.get(_TEXT_TAG, "")
        told["tags"] = {key: tags[key] for key in tags if key not in (PROMPT_TAG, _TEXT_TAG)}
        if endpoint.path == "model-versions/create":
            told["version"] = reply.model_version.version
            told["run_id"] = asked.run_id or None
        if "version" in told:
            told["version"] = str(told["version"])
        yield Event(name, {field: told[field] for field in FIELDS[name]})
    elif endpoint.path == "runs/update" and asked.status in _ENDS:
        info = reply.run_info
        data = {name: getattr(info, name) for name in ("run_id", "run_name", "experiment_id")}
        data |= {"status": asked.status, "end_time": info.end_time or None}
        once = f"{asked.run_id} {asked.status} {info.end_time}"
        yield Event(_ENDS[asked.status], data, once)
    elif endpoint.path == "runs/log-batch":
        yield from _no_numbers(asked.run_id, asked.metrics)
    elif endpoint.path == "runs/log-metric":
        yield from _no_numbers(asked.run_id, [asked])


def _no_numbers(run_id: str, points: list[requests.Point]) -> Iterator[Event]:
    seen: set[str] = set()
    for point in points:
        if math.isnan(float(point.value)) and point.key not in seen:
            seen.add(point.key)
            data = {"run_id": run_id, "key": point.key, "step": point.step}
            data["timestamp"] = point.timestamp
            yield Event("run.nan", data, f"{run_id} nan {point.key}")


def example(name: str) -> Event:
    """An event as it is told when a webhook is tried."""
    entity, _, action = name.partition(".")
    if entity == "run":
        data: dict[str, Any] = {"run_id": "0" * 32, "experiment_id": "0", "run_name": "example"}
        if action == "nan":
            data = {"run_id": "0" * 32, "key": "loss", "step": 1, "timestamp": 1}
        return Event(name, data)
    values = {
        "name": f"example_{entity.partition('_')[0]}",
        "version": "1",
        "source": "models:/m-1",
    }
    values |= {"alias": "example", "key": "example_key", "value": "example_value"}
    data = {**values, "tags": {"example_key": "example_value"}, "description": "An example"}
    data |= {"run_id": None, "template": "Hello {{name}}!"}
    return Event(name, {field: data[field] for field in FIELDS[name]})
