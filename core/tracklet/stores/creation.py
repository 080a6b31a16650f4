"""What every store decides alike when it creates or changes something, and how it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tracklet import entities, names, run_context, settings, validation
from tracklet.errors import InvalidParameterValue, ResourceAlreadyExists, ResourceDoesNotExist

RUN_NAME_TAG: Final = "mlflow.runName"
USER_TAG: Final = "mlflow.user"


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
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= latest:
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


def model_status(status: object) -> entities.LoggedModelStatus:
    """The status of a logged model, also from its text."""
    try:
        return entities.LoggedModelStatus(status)
    except ValueError:
        raise InvalidParameterValue(
            f"{status!r} is not a status of a logged model; choose from "
            f"{', '.join(member.value for member in entities.LoggedModelStatus)}"
        ) from None


def version_stage(stage: str, archive_existing_versions: bool) -> str:
    """The stage that a version moves to, where others may have to leave it."""
    canonical = validation.canonical_stage(stage)
    if archive_existing_versions and canonical in ("None", "Archived"):
        raise InvalidParameterValue(
            f"archive_existing_versions goes with Staging or Production, not with {canonical}"
        )
    return canonical


# -- refusals ----------------------------------------------------------------------------------


def missing(kind: str, entity_id: str, where: str) -> ResourceDoesNotExist:
    """What to raise for an id that no experiment, run or logged model has."""
    return ResourceDoesNotExist(
        f"there is no {kind} with the id {entity_id!r} in {where}; "
        f"search_{kind.replace(' ', '_')}s lists those that are there"
    )


def in_trash(action: str, kind: str, entity_id: str) -> InvalidParameterValue:
    """What to raise for what cannot be done to a deleted experiment or run."""
    return InvalidParameterValue(
        f"cannot {action} {kind} {entity_id}: it is deleted; restore_{kind} takes it back"
    )


def not_in_trash(kind: str, entity_id: str) -> InvalidParameterValue:
    """What to raise for an active experiment, run or model that is to be removed for good."""
    verb = "delete_logged_model" if kind == "model" else f"delete_{kind}"
    return InvalidParameterValue(f"{kind} {entity_id} is active; {verb} comes before its removal")


def orphaned(run_id: str, experiment_id: str) -> InvalidParameterValue:
    """What to raise for a run that is to be restored without its experiment."""
    return InvalidParameterValue(
        f"cannot restore run {run_id}: its experiment {experiment_id} is deleted; "
        "restore_experiment takes both back"
    )


def deleted_model(model_id: str) -> ResourceDoesNotExist:
    """What to raise for a deleted logged model."""
    return ResourceDoesNotExist(f"the logged model {model_id} is deleted")


def unknown_name(name: str, where: str) -> ResourceDoesNotExist:
    """What to raise for a name under which no model is registered."""
    return ResourceDoesNotExist(
        f"there is no registered model {name!r} in {where}; create_registered_model makes one, "
        "search_registered_models lists those that are there"
    )


def taken_name(name: str) -> ResourceAlreadyExists:
    """What to raise for the name of a registered model that another one has."""
    return ResourceAlreadyExists(
        f"a registered model named {name!r} exists already; use it, or choose another name"
    )


def unknown_alias(name: str, alias: str) -> InvalidParameterValue:
    """What to raise for an alias that a registered model does not have."""
    return InvalidParameterValue(
        f"the registered model {name!r} has no alias {alias!r}; set_registered_model_alias sets one"
    )


def below(location: str, tail: str) -> str:
    """A path below a location, before the query if it is a URI with one."""
    if settings.path_of(location) is not None:
        return f"{location.rstrip('/')}/{tail}"
    base, mark, query = location.partition("?")
    return f"{base.rstrip('/')}/{tail}{mark}{query}"
