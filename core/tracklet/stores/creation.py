"""What every store decides alike when it creates or changes something, and refuses alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tracklet import entities, names, run_context, validation
from tracklet.errors import InvalidParameterValue

RUN_NAME_TAG: Final = "mlflow.runName"
USER_TAG: Final = "mlflow.user"

_MAX_TIME: Final = 2**63 - 1


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
    """Check a time: milliseconds since the epoch.

    Raises:
        InvalidParameterValue: It is no such number.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_TIME:
        raise InvalidParameterValue(
            f"the {kind} of a run must be integer milliseconds since the epoch, from 0 to "
            f"{_MAX_TIME}; got {value!r}"
        )
    return int(value)


def check_artifact_location(location: str) -> None:
    """Refuse what cannot be where the artifacts of an experiment go."""
    if len(location) > validation.MAX_ARTIFACT_LOCATION_LENGTH:
        raise InvalidParameterValue(
            f"an artifact location has at most {validation.MAX_ARTIFACT_LOCATION_LENGTH} "
            f"characters; this one has {len(location)}: {location[:60]!r}…"
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


def unknown_alias(name: str, alias: str) -> InvalidParameterValue:
    """What to raise for an alias that a registered model does not have."""
    return InvalidParameterValue(
        f"the registered model {name!r} has no alias {alias!r}; set_registered_model_alias sets one"
    )


def below(location: str, tail: str) -> str:
    """A path below a location, before the query if it is a URI with one."""
    base, mark, query = location.partition("?")
    return f"{base.rstrip('/')}/{tail}{mark}{query}"
