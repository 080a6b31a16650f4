"""What is decided when something is created or changed, and how it is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from tracklet import entities, names, run_context, settings, validation
from tracklet.errors import (
    InvalidArgument,
    InvalidParameterValue,
    InvalidState,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
    TrackletException,
    brief,
)
from tracklet.frozen import replace

if TYPE_CHECKING:
    from tracklet.record.backend import Entry, Kind, Part

RUN_NAME_TAG: Final = "mlflow.runName"
USER_TAG: Final = "mlflow.user"
OUTPUT_FILE: Final = "tracklet/output.log"

DELETED_STAGE: Final = "Deleted_Internal"
"""The stage of a deleted model version, which stays, so that its number is not used again."""

_TEXTS: Final[dict[tuple[Kind, Part], tuple[str, int | None]]] = {
    ("experiment", "tags"): ("experiment tag", validation.MAX_EXPERIMENT_TAG_LENGTH),
    ("run", "params"): ("param", None),
    ("run", "tags"): ("tag", None),
    ("logged model", "params"): ("model param", None),
    ("logged model", "tags"): ("model tag", None),
    ("registered model", "tags"): ("model tag", validation.MAX_REGISTRY_TAG_LENGTH),
    ("registered model", "aliases"): ("alias", None),
    ("model version", "tags"): ("model version tag", validation.MAX_REGISTRY_TAG_LENGTH),
    ("trace", "tags"): ("trace tag", None),
}


def parts(kind: Kind) -> list[Part]:
    """The texts that an entity has."""
    return [part for of, part in _TEXTS if of == kind]


def word(kind: Kind, part: Part) -> str:
    """What messages call a text."""
    return _TEXTS[kind, part][0]


def texts(kind: Kind, part: Part, given: Mapping[str, object] | None) -> dict[str, str]:
    """Check keys and texts of an entity: what each is, its length, and that UTF-8 carries it."""
    called, limit = _TEXTS[kind, part]
    checked: dict[str, str] = {}
    for key, value in (given or {}).items():
        validation.validate_key(called, key)
        checked[key] = validation.validate_text(called, key, value, limit)
        validation.encoded(f"the value of {called} {key!r}", value)
    return checked


def as_texts(kind: Kind, part: Part, given: Mapping[str, Any] | None) -> dict[str, str]:
    """What is kept of the values that a caller gives, as texts, checked."""
    return texts(kind, part, validation.as_strings(given))


def tag(kind: Kind, key: object, value: object) -> dict[str, str]:
    """One tag of an entity, like :func:`as_texts`."""
    return texts(kind, "tags", validation.as_pair(word(kind, "tags"), key, value))


def points(given: Iterable[entities.Metric]) -> list[entities.Metric]:
    """Check points, their models and datasets; each has a float for a value."""
    checked: list[entities.Metric] = []
    for point in given:
        value, *_ = validation.metric_numbers(point.key, point.value, point.step, point.timestamp)
        validation.validate_metric_dataset(point)
        if point.model_id is not None:
            validation.validate_model_id(point.model_id)
        checked.append(point if value is point.value else replace(point, value=value))
    return checked


def field(what: str, value: Any) -> Any:
    """Check a text that stands in a field of its own, if there is any."""
    if validation.optional_text(what, value) is not None:
        validation.encoded(what, value)
    return value


def experiment_name(name: object) -> str:
    """Check the name of an experiment."""
    return field("an experiment's name", validation.validate_experiment_name(name))


def registered_model_name(name: object) -> str:
    """Check the name of a registered model."""
    return field("the name of a registered model", validation.validate_registered_model_name(name))


def artifact_location(given: str | None) -> str | None:
    """Where the artifacts of a new experiment go, if it is said; a path is made absolute."""
    location = field("artifact_location", given)
    if not location:
        return None
    check_artifact_location(location)
    return settings.absolute_uri(location)


def new_run_id(run_id: object) -> None:
    """Check an id that somebody chose for a run; its folder has that name.

    Raises:
        InvalidParameterValue: It is not as ours are.
    """
    if not isinstance(run_id, str) or re.fullmatch("[0-9a-f]{32}", run_id) is None:
        raise InvalidParameterValue(
            f"a new run's id is 32 digits of 0-9 and a-f, or left out; got {brief(run_id)}"
        )


def run_name(given: str | None, tags: Mapping[str, str]) -> str:
    """The name of a run; one is invented if neither argument nor tag says any.

    Raises:
        InvalidParameterValue: They say different ones.
    """
    tag = tags.get(RUN_NAME_TAG)
    if given and tag and given != tag:
        raise InvalidParameterValue(
            f"run_name={given!r} and the tag {RUN_NAME_TAG}={tag!r} name one run differently; "
            "give one of them"
        )
    return given or tag or names.run_name()


def user(given: str | None, tags: Mapping[str, str]) -> str:
    """Who runs it."""
    return given or tags.get(USER_TAG) or run_context.user()


def time(kind: str, value: object) -> int:
    """Check a time: milliseconds since the epoch, at most in the year 9999.

    Raises:
        InvalidParameterValue: It is no such number.
    """
    latest = validation.MAX_TIME
    if not validation.is_whole(value, 0, latest):
        raise InvalidParameterValue(
            f"the {kind} of a run must be integer milliseconds since the epoch, from 0 to "
            f"{latest} (the year 9999); got {validation.shown(value)}. Of microseconds, give "
            "value // 1000"
        )
    return int(value)


def check_artifact_location(location: str) -> None:
    """Refuse what cannot be where the artifacts of an experiment go."""
    if len(location) > validation.MAX_ARTIFACT_LOCATION_LENGTH:
        raise InvalidParameterValue(
            f"an artifact location has at most {validation.MAX_ARTIFACT_LOCATION_LENGTH} "
            f"characters; this one has {len(location)}: {location[:60]!r}…"
        )
    if location[:5].lower() == "file:" and not settings.path_of(location):
        raise InvalidParameterValue(
            f"{location!r} cannot be an artifact location: a file: URI names a folder of this "
            "machine, without host, query and fragment; '?' and '#' in a path are %3F and %23 there"
        )
    if location.startswith("runs:"):
        raise InvalidParameterValue(
            f"{location!r} cannot be an artifact location: 'runs:' URIs point into a run; give a "
            "folder or the URI of an object store"
        )


def final_status(status: object) -> entities.LoggedModelStatus:
    """The status that a logged model is given at last, also from its text."""
    if status not in ("READY", "FAILED"):
        raise InvalidArgument(f"{status!r} is no final status; choose READY or FAILED")
    return entities.LoggedModelStatus(status)


def version_stage(stage: str, archive_existing_versions: bool) -> str:
    """The stage that a version moves to, where others may have to leave it."""
    canonical = validation.canonical_stage(stage)
    if archive_existing_versions and canonical in ("None", "Archived"):
        raise InvalidParameterValue(
            f"archive_existing_versions goes with Staging or Production, not with {canonical}"
        )
    return canonical


# -- refusals ----------------------------------------------------------------------------------


def missing(kind: Kind, key: Any, where: str) -> TrackletException:
    """What to raise where no entity of a kind has an id or a name."""
    if kind == "registered model":
        return ResourceDoesNotExist(
            f"there is no registered model {key!r} in {where}; create_registered_model makes one, "
            "search_registered_models lists those that are there"
        )
    if kind == "model version":
        return ResourceDoesNotExist(f"the registered model {key[0]!r} has no version {key[1]}")
    return ResourceDoesNotExist(
        f"there is no {kind} with the id {key!r} in {where}; "
        f"search_{kind.replace(' ', '_')}s lists those that are there"
    )


def in_trash(action: str, entry: Entry) -> TrackletException:
    """What to raise for what cannot be done to what is deleted."""
    if entry.kind == "logged model":
        return ResourceDoesNotExist(f"the logged model {entry.key} is deleted")
    return InvalidParameterValue(
        f"cannot {action} {entry}: it is deleted; restore_{entry.kind} takes it back"
    )


def carried(entry: Entry) -> InvalidState:
    """What to raise for a run that another process carries."""
    return InvalidState(
        f"{entry} is carried by another process, which is not known to be dead; if it is, go on "
        f"with the run by start_run(run_id={entry.key!r})"
    )


def not_in_trash(entry: Entry) -> InvalidParameterValue:
    """What to raise for an active experiment, run or model that is to be removed for good."""
    verb = f"delete_{entry.kind.replace(' ', '_')}"
    return InvalidParameterValue(f"{entry} is active; {verb} comes before its removal")


def no_text(entry: Entry, part: Part, key: str) -> ResourceDoesNotExist:
    """What to raise for a key that an entity has no text of."""
    return ResourceDoesNotExist(f"{entry} has no {word(entry.kind, part)} {key!r}")


def changed(called: str, key: str, owner: object, old: str, new: str) -> InvalidParameterValue:
    """What to raise for a param that is to become another one."""
    return InvalidParameterValue(
        f"{called} {key!r} of {owner} is set once and holds {_short(old)} already; the new value "
        f"{_short(new)} was refused, and nothing of this call was stored. Use another key, or a tag"
    )


def taken(entry: Entry) -> ResourceAlreadyExists:
    """What to raise for a name that another experiment or registered model has."""
    if entry.kind == "registered model":
        return ResourceAlreadyExists(
            f"a registered model named {entry.key!r} exists already; use it, or choose another name"
        )
    return ResourceAlreadyExists(
        f"an experiment named {entry.info.name!r} exists already with the id {entry.key}"
        + (
            ", and is deleted; restore_experiment takes it back"
            if entry.is_deleted
            else "; use it, or choose another name"
        )
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= 200 else text[:200] + "…")


def below(location: str, tail: str) -> str:
    """A path below a location, before the query if it is a URI with one."""
    if settings.path_of(location) is not None:
        return f"{location.rstrip('/')}/{tail}"
    base, mark, query = location.partition("?")
    return f"{base.rstrip('/')}/{tail}{mark}{query}"
