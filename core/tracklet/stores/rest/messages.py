"""Entities as servers send and take them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tracklet import entities
from tracklet.entities import PagedList

if TYPE_CHECKING:
    from tracklet.entities import Entity

T = TypeVar("T")
Message = Mapping[str, Any]

STATUS: Final = "LOGGED_MODEL_"
"""What precedes the status of a logged model."""

_PROXY: Final = "mlflow-artifacts:"
_PROXY_PATH: Final = "/api/2.0/mlflow-artifacts/artifacts"


def absolute(uri: str | None, server: str) -> str | None:
    """A place of artifacts; one that the server passes on is named so that all find it."""
    if uri is None or not uri.startswith(_PROXY):
        return uri
    return f"{server}{_PROXY_PATH}/{uri.removeprefix(_PROXY).lstrip('/')}"


def relative(uri: str | None, server: str) -> str | None:
    """A place of artifacts as the server calls it."""
    place = f"{server}{_PROXY_PATH}"
    if uri is None or not uri.startswith(f"{place}/"):
        return uri
    return f"{_PROXY}{uri.removeprefix(place)}"


def pairs(texts: Mapping[str, str] | None) -> list[dict[str, str]]:
    """Texts by key as a list of pairs."""
    return [{"key": key, "value": value} for key, value in (texts or {}).items()]


def _texts(given: Iterable[Message] | None) -> dict[str, str]:
    return {pair["key"]: pair.get("value", "") for pair in given or ()}


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def page(kind: Callable[[Message], T], given: Message, items: str) -> PagedList[T]:
    """A page of a search."""
    return PagedList(map(kind, given.get(items) or ()), given.get("next_page_token") or None)


# -- experiments and runs ----------------------------------------------------------------------


def experiment(given: Message, server: str) -> entities.Experiment:
    """An experiment."""
    return entities.Experiment(
        str(given["experiment_id"]),
        given["name"],
        absolute(given.get("artifact_location"), server) or "",
        given.get("lifecycle_stage", "active"),
        _texts(given.get("tags")),
        _number(given.get("creation_time")),
        _number(given.get("last_update_time")),
        given.get("workspace", "default"),
    )


def run_info(given: Message, server: str) -> entities.RunInfo:
    """What identifies a run and where it stands."""
    return entities.RunInfo(
        given.get("run_id") or given["run_uuid"],
        str(given.get("experiment_id", "")),
        given.get("user_id", ""),
        given.get("status", "RUNNING"),
        _number(given.get("start_time")),
        _number(given.get("end_time")) or None,
        given.get("lifecycle_stage", "active"),
        absolute(given.get("artifact_uri"), server),
        given.get("run_name") or None,
    )


def run(given: Message, server: str) -> entities.Run:
    """A run with what is recorded of it."""
    data, inputs = given.get("data") or {}, given.get("inputs") or {}
    made = (given.get("outputs") or {}).get("model_outputs") or ()
    return entities.Run(
        run_info(given["info"], server),
        entities.RunData(
            {point["key"]: value_of(point.get("value")) for point in data.get("metrics") or ()},
            _texts(data.get("params")),
            _texts(data.get("tags")),
        ),
        entities.RunInputs(
            [_dataset_input(each) for each in inputs.get("dataset_inputs") or ()],
            [
                entities.LoggedModelInput(each["model_id"])
                for each in inputs.get("model_inputs") or ()
            ],
        ),
        entities.RunOutputs(
            [entities.LoggedModelOutput(m["model_id"], int(m.get("step", 0))) for m in made]
        ),
    )


def metric(given: Message, run_id: str | None = None) -> entities.Metric:
    """A point of a metric."""
    return entities.Metric(
        given["key"],
        value_of(given.get("value")),
        int(given.get("timestamp", 0)),
        int(given.get("step", 0)),
        given.get("model_id") or None,
        given.get("dataset_name") or None,
        given.get("dataset_digest") or None,
        given.get("run_id") or run_id,
    )


def value_of(given: Any) -> float:
    """The value of a point; what JSON has no number for is named."""
    return float(0.0 if given is None else given)


def point(made: entities.Metric) -> dict[str, Any]:
    """A point as a server takes it."""
    value: Any = made.value
    if not math.isfinite(value):
        value = "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    sent = {"key": made.key, "value": value, "timestamp": made.timestamp, "step": made.step}
    more = made.model_id, made.dataset_name, made.dataset_digest
    if any(more):
        names = "model_id", "dataset_name", "dataset_digest"
        sent |= {name: each for name, each in zip(names, more, strict=True) if each is not None}
    return sent


def _dataset_input(given: Message) -> entities.DatasetInput:
    of = given["dataset"]
    dataset = entities.Dataset(
        of["name"],
        of.get("digest", ""),
        of.get("source_type", ""),
        of.get("source", ""),
        of.get("schema") or None,
        of.get("profile") or None,
    )
    tags = [entities.InputTag(*pair) for pair in _texts(given.get("tags")).items()]
    return entities.DatasetInput(dataset, tags)


def fields(made: Sequence[Entity]) -> list[dict[str, Any]]:
    """Entities as a server takes them: what is not set is left out."""
    return [_set(each.to_dictionary()) for each in made]


def _set(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _set(item) for key, item in value.items() if item is not None}
    return [_set(item) for item in value] if isinstance(value, list) else value


# -- models ------------------------------------------------------------------------------------


def logged_model(given: Message, server: str) -> entities.LoggedModel:
    """A logged model."""
    info, data = given["info"], given.get("data") or {}
    status = str(info.get("status", "")).removeprefix(STATUS)
    known = {"UPLOAD_FAILED": "FAILED", "STATUS_UNSPECIFIED": "UNSPECIFIED"}
    return entities.LoggedModel(
        str(info["experiment_id"]),
        info["model_id"],
        info.get("name", ""),
        absolute(info.get("artifact_uri"), server) or "",
        int(info.get("creation_timestamp_ms", 0)),
        int(info.get("last_updated_timestamp_ms", 0)),
        info.get("model_type") or None,
        info.get("source_run_id") or None,
        entities.LoggedModelStatus(known.get(status, status) or "UNSPECIFIED"),
        info.get("status_message") or None,
        _texts(info.get("tags")),
        _texts(data.get("params")),
        [metric(each) for each in data.get("metrics") or ()],
    )


def model_version(given: Message, server: str) -> entities.ModelVersion:
    """A version of a registered model; its files are where its source says."""
    source = absolute(given.get("source") or None, server)
    return entities.ModelVersion(
        given["name"],
        int(given["version"]),
        int(given.get("creation_timestamp", 0)),
        _number(given.get("last_updated_timestamp")),
        given.get("description") or None,
        given.get("user_id") or None,
        given.get("current_stage") or "None",
        source,
        given.get("run_id") or None,
        given.get("status", "READY"),
        given.get("status_message") or None,
        _texts(given.get("tags")),
        given.get("run_link") or None,
        list(given.get("aliases") or ()),
        given.get("model_id") or None,
        {pair["name"]: pair.get("value", "") for pair in given.get("model_params") or ()},
        [metric(each) for each in given.get("model_metrics") or ()],
        source,
    )


def registered_model(given: Message, server: str) -> entities.RegisteredModel:
    """A registered model with the newest version of each stage."""
    return entities.RegisteredModel(
        given["name"],
        int(given.get("creation_timestamp", 0)),
        int(given.get("last_updated_timestamp", 0)),
        given.get("description") or None,
        [model_version(each, server) for each in given.get("latest_versions") or ()],
        _texts(given.get("tags")),
        {pair["alias"]: int(pair["version"]) for pair in given.get("aliases") or ()},
    )
