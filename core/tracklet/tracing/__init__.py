"""Traces: what a program did to answer one request, step by step.

::

    @tracklet.trace
    def answer(question):
        with tracklet.start_span("search", span_type="RETRIEVER") as span:
            ...

A trace belongs to the active run and the active model, is kept when its root ends, and is found
by ``search_traces``. Tracing watches: it changes nothing of what it traces and no failure of its
own reaches the traced code.
"""

from __future__ import annotations

from tracklet import state
from tracklet.fluent.verbs import (
    delete_assessment,
    get_assessment,
    update_assessment,
)
from tracklet.tracing import context
from tracklet.tracing.annotating import (
    delete_trace_tag,
    log_assessment,
    log_expectation,
    log_feedback,
    override_feedback,
    set_trace_tag,
    update_current_trace,
)
from tracklet.tracing.reading import flush_trace_async_logging, get_trace, search_traces
from tracklet.tracing.spans import (
    get_active_trace_id,
    get_current_active_span,
    get_last_active_trace_id,
    start_span,
    start_span_no_context,
)
from tracklet.tracing.wrapping import trace

__all__ = [
    "delete_assessment",
    "delete_trace_tag",
    "disable",
    "enable",
    "flush_trace_async_logging",
    "get_active_trace_id",
    "get_assessment",
    "get_current_active_span",
    "get_last_active_trace_id",
    "get_trace",
    "log_assessment",
    "log_expectation",
    "log_feedback",
    "override_feedback",
    "reset",
    "search_traces",
    "set_trace_tag",
    "start_span",
    "start_span_no_context",
    "trace",
    "update_assessment",
    "update_current_trace",
]


def disable() -> None:
    """Trace nothing from now on: traced functions run as they are, spans record nothing."""
    context.set_enabled(False)


def enable() -> None:
    """Trace again."""
    context.set_enabled(True)


def reset() -> None:
    """Forget what goes on and what was last, and trace again."""
    state.forget(__name__)
