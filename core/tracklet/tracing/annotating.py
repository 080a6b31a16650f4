"""What is said of a trace beside its spans: tags, metadata, previews, and what it is worth."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from tracklet import names
from tracklet.client import TrackletClient
from tracklet.entities import (
    Assessment,
    AssessmentError,
    AssessmentSource,
    Expectation,
    Feedback,
    TraceState,
)
from tracklet.entities.trace import MODEL_METADATA
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist
from tracklet.fluent.verbs import get_assessment
from tracklet.tracing import context, live
from tracklet.validation import as_list, as_strings, validate_key

SESSION_METADATA: Final = "mlflow.trace.session"
USER_METADATA: Final = "mlflow.trace.user"

_logger = logging.getLogger("tracklet.tracing")


def update_current_trace(
    tags: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    client_request_id: str | None = None,
    request_preview: str | None = None,
    response_preview: str | None = None,
    state: TraceState | str | None = None,
    model_id: str | None = None,
    session_id: str | None = None,
    user: str | None = None,
) -> None:
    """Say something of the trace going on here; outside of one it is a warning.

    Args:
        tags: Texts that may be set again later.
        metadata: Texts that stay as they are.
        client_request_id: Your own id of the request.
        request_preview: What is shown of the inputs, instead of their beginning.
        response_preview: What is shown of the outputs.
        state: ``"OK"`` or ``"ERROR"``, instead of the root's status.
        model_id: The logged model that answers, instead of the active one.
        session_id: The conversation that the request is a part of.
        user: Who asks.

    Raises:
        InvalidParameterValue: The state is neither ``OK`` nor ``ERROR``.
    """
    if state is not None and state not in (TraceState.OK, TraceState.ERROR):
        raise InvalidParameterValue(
            f"the state of a trace is set to 'OK' or 'ERROR'; got {state!r}"
        )
    trace = getattr(context.current(), "trace", None)
    if not isinstance(trace, live.LiveTrace):
        if context.current() is None and context.is_enabled():
            _logger.warning(
                "update_current_trace changes nothing: no trace is going on here. Call it in a "
                "function with @trace or in a block of start_span"
            )
        return
    trace.tags.update(live.texts("trace tag", tags))
    facts = live.texts("trace metadata", metadata)
    named = ((MODEL_METADATA, model_id), (SESSION_METADATA, session_id), (USER_METADATA, user))
    facts.update({key: str(value) for key, value in named if value is not None})
    trace.metadata.update(facts)
    if client_request_id is not None:
        trace.client_request_id = str(client_request_id)
    if request_preview is not None:
        trace.request_preview = str(request_preview)
    if response_preview is not None:
        trace.response_preview = str(response_preview)
    if state is not None:
        trace.state = TraceState(state)


def set_trace_tag(trace_id: str, key: str, value: Any) -> None:
    """Set a tag of a trace, kept already or going on in this process.

    Raises:
        ResourceDoesNotExist: There is no such trace.
        InvalidParameterValue: The key is malformed, or one that cannot be set.
    """
    trace = live.in_progress(trace_id)
    if trace is None:
        TrackletClient().set_trace_tag(trace_id, key, value)
    else:
        trace.tags[validate_key("trace tag", key)] = str(value)


def delete_trace_tag(trace_id: str, key: str) -> None:
    """Remove a tag of a trace, kept already or going on in this process.

    Raises:
        ResourceDoesNotExist: There is no such trace, or no such tag.
    """
    trace = live.in_progress(trace_id)
    if trace is None:
        TrackletClient().delete_trace_tag(trace_id, key)
    elif trace.tags.pop(key, None) is None:
        raise ResourceDoesNotExist(f"trace {trace_id} has no trace tag {key!r}")


# -- assessments -------------------------------------------------------------------------------


def log_assessment(trace_id: str, assessment: Assessment) -> Assessment:
    """Keep feedback or an expectation.

    Returns:
        The assessment with its id; of a trace that goes on in this process, it gets the id when the
        trace is kept.

    Raises:
        ResourceDoesNotExist: There is no such trace.
    """
    trace = live.in_progress(trace_id)
    if trace is None:
        return TrackletClient().log_assessment(trace_id, assessment)
    as_list("assessments", [assessment], Assessment)
    return trace.assess(assessment.with_changes(trace_id=trace_id, create_time_ms=names.now()))


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
    return as_strings(metadata) or None
