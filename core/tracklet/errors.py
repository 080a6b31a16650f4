"""Every exception that tracklet raises on purpose, and the wire codes they carry.

::

    Exception
    └── TrackletException             any failure of ours; alias MlflowException
        ├── InvalidParameterValue     a value breaks a rule of the API
        │   └── InvalidArgument       of the wrong type or form; also a TypeError and a ValueError
        ├── ResourceDoesNotExist      the run, experiment, model or artifact is not there
        ├── ResourceAlreadyExists     the name is taken
        ├── InvalidState              the entity exists but is in the wrong state for the call
        ├── BadRequest                the request cannot be carried out as it stands
        ├── StorageError              the disk or the database refused; the cause is chained
        ├── MissingDependency         a library of an extra is not installed; also an ImportError
        ├── PluginError               a plugin could not be loaded, or two claim one name
        ├── RestException             a server answered with an error
        └── ExecutionException        a project could not be run

The messages name the value, the rule and the way out. ``error_code`` is the name that MLflow
uses on the wire, so code written against ``MlflowException`` keeps working.
"""

from __future__ import annotations

import reprlib
from typing import Any, ClassVar

HTTP_STATUS: dict[str, int] = {
    "INVALID_PARAMETER_VALUE": 400,
    "BAD_REQUEST": 400,
    "RESOURCE_ALREADY_EXISTS": 400,
    "UNAUTHENTICATED": 401,
    "CUSTOMER_UNAUTHORIZED": 401,
    "PERMISSION_DENIED": 403,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "NOT_FOUND": 404,
    "ENDPOINT_NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_CONFLICT": 409,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL_ERROR": 500,
    "INVALID_STATE": 500,
    "DATA_LOSS": 500,
    "NOT_IMPLEMENTED": 501,
    "TEMPORARILY_UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


_brief = reprlib.Repr()
_brief.maxlist = _brief.maxtuple = _brief.maxset = _brief.maxdict = 10
_brief.maxstring = _brief.maxother = 80
_brief.maxlong = 40


def brief(value: object) -> str:
    """A value as a message says it: a repr of a bounded length, whatever somebody sent."""
    return _brief.repr(value)


class TrackletException(Exception):
    """A failure of tracklet's, with the error code that names its kind.

    Args:
        message: What happened, which rule it broke and what to do about it.
        error_code: One of MLflow's code names; the class decides when it is left out.
        **fields: Further JSON-serialisable facts, kept in ``fields``.
    """

    code: ClassVar[str] = "INTERNAL_ERROR"

    def __init__(self, message: object, error_code: str | None = None, **fields: Any) -> None:
        self.message = str(message)
        self.error_code = error_code or self.code
        self.fields = fields
        super().__init__(self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.error_code, self.fields))

    def get_http_status_code(self) -> int:
        """The HTTP status that a server answers with for this error code."""
        return HTTP_STATUS.get(self.error_code, 500)

    def serialize_as_json(self) -> str:
        """The body of a server's error answer."""
        import json

        return json.dumps({"error_code": self.error_code, "message": self.message, **self.fields})

    @classmethod
    def invalid_parameter_value(cls, message: object, **fields: Any) -> TrackletException:
        """An :class:`InvalidParameterValue`; MLflow's spelling."""
        return InvalidParameterValue(message, **fields)


def _rebuild(
    cls: type[TrackletException], message: str, error_code: str, fields: dict[str, Any]
) -> TrackletException:
    error = cls.__new__(cls)
    TrackletException.__init__(error, message, error_code, **fields)
    return error


class InvalidParameterValue(TrackletException):
    """A value breaks a rule of the API."""

    code = "INVALID_PARAMETER_VALUE"


class InvalidArgument(InvalidParameterValue, TypeError, ValueError):
    """An argument is of a type or form that a verb cannot take.

    MLflow leaves such cases to Python's own errors, by which scripts catch them.
    """


class ResourceDoesNotExist(TrackletException):
    """The run, experiment, model or artifact is not there."""

    code = "RESOURCE_DOES_NOT_EXIST"


class ResourceAlreadyExists(TrackletException):
    """The name is taken."""

    code = "RESOURCE_ALREADY_EXISTS"


class InvalidState(TrackletException):
    """The entity exists but is in the wrong state for the call."""

    code = "INVALID_STATE"


class BadRequest(TrackletException):
    """The request cannot be carried out as it stands."""

    code = "BAD_REQUEST"


class StorageError(TrackletException):
    """The disk or the database refused; the cause is chained."""


class MissingDependency(TrackletException, ImportError):
    """A library that an extra brings is not installed.

    Args:
        library: The distribution that is missing.
        extra: The extra of tracklet that installs it, if there is one.
        purpose: What it is needed for.
    """

    def __init__(self, library: str, *, purpose: str, extra: str | None = None) -> None:
        way_out = f"pip install 'tracklet[{extra}]'" if extra else f"pip install {library}"
        super().__init__(f"{purpose} needs {library}, which is not installed: {way_out}")


class PluginError(TrackletException):
    """A plugin could not be loaded, or two claim one name."""


class RestException(TrackletException):
    """A server answered with an error.

    Args:
        json: The decoded JSON body, ``{"error_code": …, "message": …}``.
    """

    def __init__(self, json: dict[str, Any]) -> None:
        code = str(json.get("error_code") or self.code)
        self.json = json
        super().__init__(f"{code}: {json.get('message', json)}", code)


class ExecutionException(TrackletException):
    """A project could not be run."""


MlflowException = TrackletException
