"""Assessments: what somebody or something thinks of a trace, or expected of it."""

from __future__ import annotations

import enum
import json
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tracklet.entities.entity import Entity
from tracklet.errors import InvalidArgument, InvalidParameterValue

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN_EXPECTATIONS = (str, bool, int, float, type(None))
# What stands in a document under its own name and as it is.
_AS_THEY_ARE = ("assessment_id", "trace_id", "rationale", "span_id", "run_id", "overrides", "valid")


class AssessmentSourceType(enum.StrEnum):
    """What assesses."""

    SOURCE_TYPE_UNSPECIFIED = "SOURCE_TYPE_UNSPECIFIED"
    HUMAN = "HUMAN"
    LLM_JUDGE = "LLM_JUDGE"
    CODE = "CODE"


class AssessmentSource(Entity):
    """Who or what assesses."""

    source_type: str
    source_id: str | None = "default"

    def __post_init__(self) -> None:
        name = str(self.source_type).upper()
        name = "LLM_JUDGE" if name == "AI_JUDGE" else name
        if name not in AssessmentSourceType.__members__:
            raise InvalidParameterValue(
                f"{self.source_type!r} is not a source of assessments; choose from "
                f"{', '.join(AssessmentSourceType)}"
            )
        object.__setattr__(self, "source_type", name)


class AssessmentError(Entity):
    """Why there is no feedback."""

    error_code: str
    error_message: str | None = None
    stack_trace: str | None = None

    @classmethod
    def of(cls, error: Exception | AssessmentError | str | None) -> AssessmentError | None:
        """The same, from an exception or a text."""
        if error is None or isinstance(error, AssessmentError):
            return error
        if isinstance(error, str):
            return cls("ASSESSMENT_ERROR", error)
        if not isinstance(error, Exception):
            raise InvalidArgument(
                f"the error of feedback is an exception, an AssessmentError or text; got {error!r}"
            )
        stack = "".join(traceback.format_exception(error))
        return cls(type(error).__name__, str(error), stack)


class Assessment(Entity, slots=False):
    """Base of feedback and expectations; times in ms since the epoch."""

    name: str
    source: AssessmentSource
    trace_id: str | None = None
    run_id: str | None = None
    rationale: str | None = None
    metadata: dict[str, str] | None = None
    span_id: str | None = None
    create_time_ms: int | None = None
    last_update_time_ms: int | None = None
    assessment_id: str | None = None
    error: AssessmentError | None = None
    overrides: str | None = None
    valid: bool | None = None
    value: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not isinstance(self.source, AssessmentSource):
            raise InvalidArgument(
                "an assessment has a name, which is text, and an AssessmentSource; got "
                f"{self.name!r} and {self.source!r}"
            )

    def with_changes(self, **values: Any) -> Any:
        """A copy with other values of some fields."""
        copied = object.__new__(type(self))
        vars(copied).update(vars(self) | values)
        return copied

    def to_dictionary(self) -> dict[str, Any]:
        """The assessment as files and servers hold it; what is not set is left out."""
        document: dict[str, Any] = {
            **{name: getattr(self, name) for name in _AS_THEY_ARE},
            "assessment_name": self.name,
            "source": dict(self.source),
            "create_time": iso_time(self.create_time_ms),
            "last_update_time": iso_time(self.last_update_time_ms),
            **self._content(),
            "metadata": self.metadata,
        }
        return {key: value for key, value in document.items() if value is not None}

    def _content(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_dictionary(cls, d: Mapping[str, Any]) -> Assessment:  # type: ignore[override]
        """The feedback or expectation of a document.

        Raises:
            InvalidParameterValue: It is neither.
        """
        source = d.get("source") or {}
        metadata = d.get("metadata")
        name = str(d.get("assessment_name") or d.get("name") or "")
        if isinstance(d.get("feedback"), Mapping):
            content = d["feedback"]
            error = content.get("error") or d.get("error")
            made: Assessment = Feedback(
                name or "feedback",
                content.get("value"),
                AssessmentError(**error) if isinstance(error, Mapping) else None,
            )
        elif isinstance(d.get("expectation"), Mapping):
            content = d["expectation"]
            value = content.get("value")
            serialized = content.get("serialized_value")
            if isinstance(serialized, Mapping):
                value = json.loads(serialized["value"])
            made = Expectation(name, value)
        else:
            raise InvalidParameterValue(
                f"{str(dict(d))[:200]!r} is neither feedback nor an expectation"
            )
        return made.with_changes(
            **{name: d.get(name) for name in _AS_THEY_ARE},
            source=AssessmentSource(
                str(source.get("source_type") or "SOURCE_TYPE_UNSPECIFIED"),
                source.get("source_id", "default"),
            ),
            metadata=dict(metadata) if isinstance(metadata, Mapping) else None,
            create_time_ms=ms_of(d.get("create_time")),
            last_update_time_ms=ms_of(d.get("last_update_time")),
        )


class Feedback(Assessment):
    """A judgement of a trace: a number, a text, a truth value, or a list or dictionary of them.

    Args:
        name: What is judged.
        value: The judgement.
        error: Why there is none.
        source: Who judged; ``CODE`` by default.
        metadata: Further texts.
        span_id: The span, if it is about one.
        create_time_ms: When; now, when it is logged, by default.
        last_update_time_ms: When it was changed last.
        rationale: Why it was judged so.
        overrides: The id of the feedback that this one replaces.
        valid: Whether it still holds.
    """

    def __init__(
        self,
        name: str = "feedback",
        value: Any = None,
        error: Exception | AssessmentError | str | None = None,
        source: AssessmentSource | None = None,
        trace_id: str | None = None,
        metadata: dict[str, str] | None = None,
        span_id: str | None = None,
        create_time_ms: int | None = None,
        last_update_time_ms: int | None = None,
        rationale: str | None = None,
        overrides: str | None = None,
        valid: bool = True,
    ) -> None:
        super().__init__(
            name,
            source or AssessmentSource("CODE"),
            trace_id=trace_id,
            rationale=rationale,
            metadata=metadata,
            span_id=span_id,
            create_time_ms=create_time_ms,
            last_update_time_ms=last_update_time_ms,
            overrides=overrides,
            error=AssessmentError.of(error),
            valid=valid,
            value=value,
        )

    @property
    def feedback(self) -> Feedback:
        """The feedback itself, which has ``value`` and ``error``."""
        return self

    @property
    def error_code(self) -> str | None:
        """What kind of error there was instead."""
        return self.error.error_code if self.error else None

    @property
    def error_message(self) -> str | None:
        """What the error says."""
        return self.error.error_message if self.error else None

    @property
    def expectation(self) -> None:
        """None: this is feedback."""

    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = {"value": self.value}
        if self.error is not None:
            content["error"] = {k: v for k, v in self.error if v is not None}
        return {"feedback": content}


class Expectation(Assessment):
    """What a trace should have answered; any value that JSON can hold.

    Arguments are those of :class:`Feedback`; the source is ``HUMAN`` by default.
    """

    def __init__(
        self,
        name: str,
        value: Any,
        source: AssessmentSource | None = None,
        trace_id: str | None = None,
        metadata: dict[str, str] | None = None,
        span_id: str | None = None,
        create_time_ms: int | None = None,
        last_update_time_ms: int | None = None,
    ) -> None:
        super().__init__(
            name,
            source or AssessmentSource("HUMAN"),
            trace_id=trace_id,
            metadata=metadata,
            span_id=span_id,
            create_time_ms=create_time_ms,
            last_update_time_ms=last_update_time_ms,
            valid=True,
            value=value,
        )

    @property
    def expectation(self) -> Expectation:
        """The expectation itself, which has ``value``."""
        return self

    @property
    def feedback(self) -> None:
        """None: this is an expectation."""

    def _content(self) -> dict[str, Any]:
        if isinstance(self.value, _PLAIN_EXPECTATIONS):
            return {"expectation": {"value": self.value}}
        try:
            text = json.dumps(self.value)
        except (TypeError, ValueError) as error:
            raise InvalidParameterValue(
                f"the expectation {self.name!r} has a value that JSON cannot hold: {error}"
            ) from error
        return {
            "expectation": {
                "serialized_value": {"serialization_format": "JSON_FORMAT", "value": text}
            }
        }


def iso_time(ms: int | None) -> str | None:
    """The time of ms since the epoch as ``2026-11-21T00:49:43.755Z``."""
    if ms is None:
        return None
    moment = _EPOCH + timedelta(milliseconds=ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def ms_of(time: object) -> int | None:
    """The ms since the epoch of an ISO text, a datetime or a number of ms; None of anything else.

    A time without a zone is UTC.
    """
    if isinstance(time, bool) or time is None:
        return None
    if isinstance(time, int | float):
        return int(time)
    if isinstance(time, str):
        try:
            time = datetime.fromisoformat(time)
        except ValueError:
            return int(time) if time.isdecimal() else None
    if isinstance(time, datetime):
        moment = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
        return (moment - _EPOCH) // timedelta(milliseconds=1)
    return None
