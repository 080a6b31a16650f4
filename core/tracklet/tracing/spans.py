"""Spans by hand: blocks of code, and steps that begin in one place and end in another."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from tracklet.entities import LiveSpan, SpanType
from tracklet.entities.span import DESCRIPTION_ATTRIBUTE
from tracklet.tracing import context, live


class SpanScope(contextlib.ContextDecorator):
    """A block of code as a span; what leaves it by an exception is an error, and goes on."""

    def __init__(
        self,
        name: str,
        span_type: str | None,
        attributes: Mapping[str, Any] | None,
        experiment_id: str | None,
    ) -> None:
        self._what = (name, span_type, attributes)
        self._experiment_id = experiment_id
        self._span: LiveSpan | None = None
        self._before: LiveSpan | None = None

    def _recreate_cm(self) -> SpanScope:
        return SpanScope(*self._what, self._experiment_id)

    def __enter__(self) -> LiveSpan:
        before = context.current()
        self._span = live.begin(*self._what, parent=before, experiment_id=self._experiment_id)
        self._before = context.activate(self._span)
        return self._span

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        span, self._span = self._span, None
        before, self._before = self._before, None
        context.activate(before)
        if span is not None:
            close(span, error)


def close(span: LiveSpan, error: BaseException | None = None) -> None:
    """End a span, with the error that ended it; never raises, but in strict mode."""
    try:
        if error is not None:
            span.record_exception(error)
        span.end()
    except Exception as failure:  # noqa: BLE001 - the traced code goes on
        context.contain("end a span", failure)


def start_span(
    name: str = "span",
    span_type: str | None = SpanType.UNKNOWN,
    attributes: Mapping[str, Any] | None = None,
    trace_destination: Any = None,
    description: str | None = None,
) -> SpanScope:
    """A block of code as a span.

    ::

        with tracklet.start_span("search", span_type="RETRIEVER") as span:
            span.set_inputs({"query": query})
            span.set_outputs(search(query))

    It is a part of the span that goes on around it, or else the root of a trace of its own, which
    belongs to the active run and the active model. The block's exception is recorded and goes on.

    Args:
        name: What it is called.
        span_type: What it does, such as ``SpanType.LLM``.
        attributes: Facts; values that JSON has no form for are kept as their text.
        trace_destination: For a root: an experiment, as ``MlflowExperimentLocation``.
        description: What it is for, in words.
    """
    facts = described(attributes, description)
    return SpanScope(name, span_type, facts, destination(trace_destination))


def start_span_no_context(
    name: str,
    span_type: str = SpanType.UNKNOWN,
    parent_span: LiveSpan | None = None,
    inputs: Any = None,
    attributes: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    experiment_id: str | None = None,
    start_time_ns: int | None = None,
    description: str | None = None,
) -> LiveSpan:
    """A span that ends when its ``end()`` is called, in whatever thread or task.

    It does not become the active span, so other spans are its parts only if they name it as
    their parent. A trace is kept when its root has ended.

    Args:
        name: What it is called.
        span_type: What it does.
        parent_span: The span that it is a part of; without one it is the root of a trace.
        inputs: What goes in, unless it is None.
        attributes: Facts.
        tags: For a root: texts on the trace.
        metadata: For a root: texts on the trace that stay as they are.
        experiment_id: For a root: the experiment, if not that of the active run or the active one.
        start_time_ns: When it began, in ns since the epoch; now by default.
        description: What it is for, in words.
    """
    span = live.begin(
        name,
        span_type,
        described(attributes, description),
        parent=parent_span,
        experiment_id=experiment_id,
        start_time_ns=start_time_ns,
    )
    if inputs is not None:
        span.set_inputs(inputs)
    if span.parent_id is None and isinstance(span.trace, live.LiveTrace):
        span.trace.tags.update(live.texts("trace tag", tags))
        span.trace.metadata.update(live.texts("trace metadata", metadata))
    return span


def described(
    attributes: Mapping[str, Any] | None, description: str | None
) -> Mapping[str, Any] | None:
    """Attributes with a description among them."""
    if description is None:
        return attributes
    return {**(attributes or {}), DESCRIPTION_ATTRIBUTE: description}


def get_current_active_span() -> LiveSpan | None:
    """The span going on here; None outside of one."""
    return context.recording()


def get_active_trace_id() -> str | None:
    """The id of the trace going on here; None outside of one."""
    span = context.recording()
    return None if span is None else span.trace_id


def get_last_active_trace_id(thread_local: bool = False) -> str | None:
    """The id of the trace that ended last in this process; None if none has.

    Args:
        thread_local: Ask for the last one of this thread or task instead.
    """
    return context.last(thread_local)


def destination(trace_destination: Any) -> str | None:
    """The experiment id that a destination names, None if it names none."""
    if trace_destination is None:
        return None
    place = getattr(trace_destination, "mlflow_experiment", trace_destination)
    experiment_id = getattr(place, "experiment_id", None)
    return None if experiment_id is None else str(experiment_id)
