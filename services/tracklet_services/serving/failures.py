"""Errors as answers: one shape, and nothing of this machine in it."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from tracklet.errors import BadRequest, TrackletException
from tracklet.models.pyfunc.enforcement import SchemaMismatch
from tracklet_services.scoring import UnsupportedMediaType
from tracklet_services.serving.workers import Busy

_PATH: Final = re.compile(r"""(?<![\w.])(?:[A-Za-z]:[\\/]|\\\\|~?/)[^\s'"()\[\],;]*""")
_LONGEST: Final = 2000


class TooLarge(TrackletException):
    """The body is longer than the server reads."""

    code = "BAD_REQUEST"


class TooSlow(TrackletException):
    """The answer took longer than the server waits."""

    code = "DEADLINE_EXCEEDED"


def status_of(error: TrackletException) -> int:
    """The HTTP status of an error's answer."""
    if isinstance(error, UnsupportedMediaType):
        return 415
    if isinstance(error, TooLarge):
        return 413
    if isinstance(error, TooSlow):
        return 504
    if isinstance(error, Busy):
        return 503
    # What goes wrong in a model is its data's fault, as far as this server can tell.
    status = error.get_http_status_code()
    return status if status in (400, 500) and error.error_code != "INTERNAL_ERROR" else 400


def as_answer(error: TrackletException) -> bytes:
    """The JSON body: MLflow's keys, a message without paths, never a stack trace."""
    schema = isinstance(error, SchemaMismatch)
    document: dict[str, Any] = {
        "error_code": error.error_code,
        "message": shown(error.message),
        "sqlstate": "KAM01" if schema else "KAM00",
        "error_class": "SCHEMA_ENFORCEMENT_FAILED" if schema else error.error_code,
    }
    return json.dumps(document).encode()


def of_model(error: Exception) -> TrackletException:
    """What a model raised, as an error of the request."""
    if isinstance(error, TrackletException) and error.error_code == "INVALID_PARAMETER_VALUE":
        return error
    text = str(error).strip()
    first = text.splitlines()[0] if text else ""
    return BadRequest(f"the model cannot answer: {type(error).__name__}: {first}")


def shown(text: str) -> str:
    """A message that may leave the machine: no paths, no novel."""
    safe = _PATH.sub("…", text)
    return safe if len(safe) <= _LONGEST else safe[: _LONGEST - 1] + "…"
