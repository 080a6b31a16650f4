"""What every store decides alike when it creates a run or a logged model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tracklet import names, run_context
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


def below(location: str, tail: str) -> str:
    """A path below a location, before the query if it is a URI with one."""
    base, mark, query = location.partition("?")
    return f"{base.rstrip('/')}/{tail}{mark}{query}"
