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
Read: TypeAlias = Callable[[Any, Place], Any]

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
    return kind(**{field: read(given.get(name), place) for field, name, read in _readers(kind)})


@cache
def _readers(kind: type[entities.Entity]) -> tuple[tuple[str, str, Read], ...]:
    return tuple(
        (field, name, _reader(form, kind._defaults.get(field)))
        for field, name, form in fields(kind)
    )


def _reader(form: str, default: Any) -> Read:
    entity = entity_of(form)
    if entity is not None and form.startswith("list["):
        return lambda given, place: [read(entity, each, place) for each in given or ()]
    if entity is not None:
        return lambda given, place: read(entity, given or {}, place)
    if form == "str":
        return lambda given, _: str(given) if given else default or ""
    if form == "int":
        return lambda given, _: int(given or 0)
    return _READ[form]


def value_of(given: Any) -> float:
    """The value of a point; what JSON has no number for is named."""
    return float(0.0 if given is None else given)


def texts(given: Iterable[Message] | None, key: str = "key") -> dict[str, str]:
    """The texts of a list of pairs."""
    return {pair[key]: pair.get("value", "") for pair in given or ()}


_READ: Final[Mapping[str, Read]] = {
    "str | None": lambda given, _: given or None,
    "text": lambda given, _: given or None,
    "int | None": lambda given, _: None if given is None else int(given),
    "digits": lambda given, _: int(given),
    "end": lambda given, _: int(given or 0) or None,
    "float": lambda given, _: value_of(given),
    "place": lambda given, place: place(given) or "",
    "place | None": lambda given, place: place(given or None),
    "dict[str, str]": lambda given, _: texts(given),
    "params": lambda given, _: texts(given, "name"),
    "dict[str, int]": lambda given, _: {one["alias"]: int(one["version"]) for one in given or ()},
    "dict[str, float]": lambda given, _: {
        point["key"]: value_of(point.get("value")) for point in given or ()
    },
    "list[str]": lambda given, _: list(given or ()),
    "LoggedModelStatus": lambda given, _: entities.LoggedModelStatus(
        next(
            (status for status, word in STATUSES.items() if given in (status, word)), "UNSPECIFIED"
        )
    ),
}
"""What is made of what a message says of a field, by its form; of what it does not say, too."""
