"""Entities as MLflow's REST protocol spells them: by the fields of their classes.

A server writes them so, and a store behind a server reads them. How a field stands in a message
goes by its annotation; said here is where the protocol has another name or shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

from tracklet import entities

E = TypeVar("E", bound=entities.Entity)
Message: TypeAlias = Mapping[str, Any]
Place: TypeAlias = Callable[[str | None], str | None]
"""Where the artifacts are that a message says to be somewhere."""

STATUSES: Final[Mapping[str, str]] = {
    "UNSPECIFIED": "LOGGED_MODEL_STATUS_UNSPECIFIED",
    "PENDING": "LOGGED_MODEL_PENDING",
    "READY": "LOGGED_MODEL_READY",
    "FAILED": "LOGGED_MODEL_UPLOAD_FAILED",
}
"""What messages call the statuses of a logged model."""

_STATUSES: Final = {word: status for status, word in STATUSES.items()} | {s: s for s in STATUSES}
_NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "LoggedModel": {
        "artifact_location": "artifact_uri",
        "creation_timestamp": "creation_timestamp_ms",
        "last_updated_timestamp": "last_updated_timestamp_ms",
    },
    "ModelVersion": {"params": "model_params", "metrics": "model_metrics"},
}
_FORMS: Final[Mapping[str, Mapping[str, str]]] = {
    "Experiment": {"artifact_location": "place", "trace_location": ""},
    "RunInfo": {"artifact_uri": "place | None", "end_time": "end"},
    "LoggedModel": {"artifact_location": "place", "lifecycle_stage": ""},
    "ModelVersion": {
        "version": "digits",
        "source": "place | None",
        "description": "text",
        "run_link": "text",
        "params": "params",
        "storage_location": "",
    },
    "RegisteredModel": {"description": "text"},
}
"""The form of a field where its annotation does not tell; nothing if messages do not have it."""


class Field(NamedTuple):
    """A field of an entity, its name in messages, and the form that it has there."""

    field: str
    name: str
    form: str


@cache
def fields(kind: type[entities.Entity]) -> tuple[Field, ...]:
    """What messages say of an entity."""
    names, forms = _NAMES.get(kind.__name__, {}), _FORMS.get(kind.__name__, {})
    every = (
        Field(field, names.get(field, field), forms.get(field, str(annotation)))
        for field, annotation in kind._fields.items()
    )
    return tuple(each for each in every if each.form)


def entity_of(form: str) -> type[entities.Entity] | None:
    """The entity that a form is, or is a list of."""
    found = getattr(entities, form.removeprefix("list[").removesuffix("]"), None)
    return found if isinstance(found, type) and issubclass(found, entities.Entity) else None


def read(kind: type[E], given: Message, place: Place) -> E:
    """The entity of a message; fields that it does not mention are as they are by default."""
    return reader(kind)(given, place)


@cache
def reader(kind: type[E]) -> Callable[[Message, Place], E]:
    """What makes an entity of a message; it is compiled, for a history has thousands of points."""
    known: dict[str, Any] = {"kind": kind, **_KNOWN}
    values: list[str] = []
    order = list(kind._fields)
    for field, name, form in fields(kind):
        entity = entity_of(form)
        if entity is not None:
            known[entity.__name__] = reader(entity)
        said = f"given.get({name!r})"
        if form == "str":
            value = f"str({said} or {kind._defaults.get(field, '')!r})"
        elif entity is None:
            value = _READ[form].format(said)
        elif form.startswith("list["):
            value = f"[{entity.__name__}(each, place) for each in {said} or ()]"
        else:
            value = f"{entity.__name__}({said} or {{}}, place)"
        is_next = order[len(values)] == field  # a name for each argument costs time
        values.append(value if is_next else f"{field}={value}")
    return eval(f"lambda given, place: kind({', '.join(values)})", known)


def texts(given: Iterable[Message] | None, key: str = "key") -> dict[str, str]:
    """The texts of a list of pairs."""
    return {pair[key]: pair.get("value", "") for pair in given or ()}


def _numbers(points: Iterable[Message] | None) -> dict[str, float]:
    return {
        point["key"]: 0.0 if (said := point.get("value")) is None else float(said)
        for point in points or ()
    }


def _aliases(given: Iterable[Message] | None) -> dict[str, int]:
    return {one["alias"]: int(one["version"]) for one in given or ()}


def _status(word: str | None) -> entities.LoggedModelStatus:
    return entities.LoggedModelStatus(_STATUSES.get(str(word), "UNSPECIFIED"))


_KNOWN: Final = {
    "texts": texts,
    "numbers": _numbers,
    "aliases": _aliases,
    "status": _status,
}
_READ: Final[Mapping[str, str]] = {
    "str | None": "{} or None",
    "text": "{} or None",
    "int": "int({} or 0)",
    "int | None": "None if (said := {}) is None else int(said)",
    "digits": "int({})",
    "end": "int({} or 0) or None",
    "float": "0.0 if (said := {}) is None else float(said)",  # infinities and nan are named
    "place": "place({}) or ''",
    "place | None": "place({} or None)",
    "dict[str, str]": "texts({})",
    "params": "texts({}, 'name')",
    "dict[str, int]": "aliases({})",
    "dict[str, float]": "numbers({})",
    "list[str]": "list({} or ())",
    "LoggedModelStatus": "status({})",
}
"""What is made of what a message says of a field, by its form; of what it does not say, too."""
