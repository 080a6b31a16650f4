"""What somebody or something thinks of a trace, or expected of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracklet.client import TrackletClient
from tracklet.entities import (
    Assessment,
    AssessmentError,
    AssessmentSource,
    Expectation,
    Feedback,
)
from tracklet.errors import InvalidParameterValue
from tracklet.fluent.verbs import delete_assessment, get_assessment

__all__ = [
    "delete_assessment",
    "get_assessment",
    "log_assessment",
    "log_expectation",
    "log_feedback",
    "override_feedback",
    "update_assessment",
]


def log_feedback(
    *,
    trace_id: str,
    name: str = "feedback",
    value: Any = None,
    source: AssessmentSource | None = None,
    error: Exception | AssessmentError | str | None = None,
    rationale: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    span_id: str | None = None,
) -> Assessment:
    """Keep a judgement of a trace.

    Args:
        trace_id: The trace.
        name: What is judged.
        value: The judgement: a number, text or truth value, or a list or dictionary of them.
        source: Who judged; ``CODE`` by default.
        error: Why there is no judgement.
        rationale: Why it was judged so.
        metadata: Further texts.
        span_id: The span, if it is about one.

    Raises:
        InvalidParameterValue: Neither value nor error is given.
        ResourceDoesNotExist: There is no such trace.
    """
    if value is None and error is None:
        raise InvalidParameterValue("log_feedback needs a value, or an error that says why not")
    feedback = Feedback(
        name,
        value,
        error,
        source,
        trace_id,
        _texts(metadata),
        span_id,
        rationale=rationale,
    )
    return log_assessment(trace_id, feedback)


def log_expectation(
    *,
    trace_id: str,
    name: str,
    value: Any,
    source: AssessmentSource | None = None,
    metadata: Mapping[str, Any] | None = None,
    span_id: str | None = None,
) -> Assessment:
    """Keep what a trace should have answered.

    Arguments are those of :func:`log_feedback`; the source is ``HUMAN`` by default.

    Raises:
        InvalidParameterValue: The value is None, or one that JSON cannot hold.
        ResourceDoesNotExist: There is no such trace.
    """
    if value is None:
        raise InvalidParameterValue("log_expectation needs a value; got None")
    expectation = Expectation(name, value, source, trace_id, _texts(metadata), span_id)
    return log_assessment(trace_id, expectation)


def log_assessment(trace_id: str, assessment: Assessment) -> Assessment:
    """Keep feedback or an expectation; the answer has its id."""
    return TrackletClient().log_assessment(trace_id, assessment)


def update_assessment(trace_id: str, assessment_id: str, assessment: Assessment) -> Assessment:
    """Change an assessment's name, value, rationale and metadata to those of another.

    Raises:
        ResourceDoesNotExist: There is none of that id.
        InvalidParameterValue: One is feedback and the other an expectation.
    """
    return TrackletClient().update_assessment(trace_id, assessment_id, assessment)


def override_feedback(
    *,
    trace_id: str,
    assessment_id: str,
    value: Any,
    rationale: str | None = None,
    source: AssessmentSource | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Assessment:
    """Keep feedback that replaces another, which is valid no more.

    Raises:
        ResourceDoesNotExist: There is no feedback of that id.
        InvalidParameterValue: It is an expectation.
    """
    earlier = get_assessment(trace_id, assessment_id)
    if not isinstance(earlier, Feedback):
        raise InvalidParameterValue(
            f"assessment {assessment_id} is no feedback; change it with update_assessment"
        )
    feedback = Feedback(
        earlier.name,
        value,
        None,
        source,
        trace_id,
        _texts(metadata),
        earlier.span_id,
        rationale=rationale,
        overrides=assessment_id,
    )
    return log_assessment(trace_id, feedback)


def _texts(metadata: Mapping[str, Any] | None) -> dict[str, str] | None:
    return {str(k): str(v) for k, v in metadata.items()} if metadata else None
