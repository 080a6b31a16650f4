"""Spans that whoever began them knows by their ids, as a client does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tracklet.entities.span import NO_OP_TRACE_ID
from tracklet.entities.trace import RUN_METADATA
from tracklet.errors import ResourceDoesNotExist
from tracklet.state import ProcessState
from tracklet.tracing.live import LiveTrace
from tracklet.tracing.spans import start_span_no_context

if TYPE_CHECKING:
    from tracklet.entities import LiveSpan, SpanStatus
    from tracklet.record import Store


class _Open(ProcessState):
    """The spans that go on, by trace and by their own ids; None stands for the root."""

    def begin(self) -> None:
        self.spans: dict[str, dict[str | None, LiveSpan]] = {}


_open = _Open()


def start_trace(store: Store, name: str, run_id: str | None, **begun: Any) -> LiveSpan:
    """The root of a new trace, which is kept in a store when it ends."""
    metadata = None if run_id is None else {RUN_METADATA: run_id}
    root = start_span_no_context(name, metadata=metadata, **begun)
    if isinstance(root.trace, LiveTrace):
        root.trace.store = store.traces
        _open.spans[root.trace_id] = {None: root, root.span_id: root}
    return root


def start_span(name: str, trace_id: str, parent_id: str, **begun: Any) -> LiveSpan:
    """A part of a span of a trace that goes on."""
    if trace_id == NO_OP_TRACE_ID:
        return start_span_no_context(name, **begun)
    span = start_span_no_context(name, parent_span=_found(trace_id, parent_id), **begun)
    _open.spans[trace_id][span.span_id] = span
    return span


def end_span(
    trace_id: str,
    span_id: str | None,
    outputs: Any,
    attributes: Mapping[str, Any] | None,
    status: SpanStatus | str,
    end_time_ns: int | None,
) -> None:
    """End a span; with the root, which None stands for, the trace is over."""
    if trace_id == NO_OP_TRACE_ID:
        return
    span = _found(trace_id, span_id)
    if span.parent_id is None:
        del _open.spans[trace_id]
    span.end(outputs, attributes, status, end_time_ns)


def _found(trace_id: str, span_id: str | None) -> LiveSpan:
    spans = _open.spans.get(trace_id, {}) if isinstance(trace_id, str) else {}
    span = spans.get(span_id) if isinstance(span_id, str | None) else None
    if span is None:
        what = "trace" if span_id is None else f"span {span_id!r} of trace"
        raise ResourceDoesNotExist(
            f"no {what} {trace_id!r} goes on that start_trace of a client began in this process"
        )
    return span
