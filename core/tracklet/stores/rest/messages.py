"""What a store says to a server and hears from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tracklet import entities
from tracklet.entities import PagedList, messages
from tracklet.entities.messages import Message
from tracklet.frozen import replace

if TYPE_CHECKING:
    from tracklet.entities import Entity

T = TypeVar("T")
E = TypeVar("E", bound=entities.Entity)

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


def page(kind: Callable[[Message], T], given: Message, items: str) -> PagedList[T]:
    """A page of a search."""
    return PagedList(map(kind, given.get(items) or ()), given.get("next_page_token") or None)


# -- what it says ------------------------------------------------------------------------------


def reader(kind: type[E], server: str) -> Callable[[Message], E]:
    """What makes an entity of a message of a server's."""
    place = partial(absolute, server=server)
    return lambda given: messages.read(kind, given, place)


def history(given: Sequence[dict[str, Any]], run_id: str) -> list[entities.Metric]:
    """The points of a run's metric; their messages may be changed."""
    make = messages.reader(entities.Metric)
    for each in given:
        if not each.get("run_id"):
            each["run_id"] = run_id
    return [make(each, _as_said) for each in given]


def _as_said(uri: str | None) -> str | None:
    return uri


def logged_model(given: Message, server: str) -> entities.LoggedModel:
    """A logged model."""
    whole = {**given["info"], **(given.get("data") or {})}
    return reader(entities.LoggedModel, server)(whole)


def model_version(given: Message, server: str) -> entities.ModelVersion:
    """A version of a registered model; its files are where its source says."""
    version = reader(entities.ModelVersion, server)(given)
    return replace(version, storage_location=version.source)


# -- what it takes -----------------------------------------------------------------------------


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


def fields(made: Sequence[Entity]) -> list[dict[str, Any]]:
    """Entities as a server takes them: what is not set is left out."""
    return [_set(each.to_dictionary()) for each in made]


def _set(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _set(item) for key, item in value.items() if item is not None}
    return [_set(item) for item in value] if isinstance(value, list) else value
