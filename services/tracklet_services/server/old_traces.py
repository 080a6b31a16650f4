"""Endpoints of traces as clients of MLflow 2 know them: begun, ended, and their spans beside."""

from __future__ import annotations

import json
import uuid
from base64 import b64decode
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import Meta, field

from tracklet.entities import Span, TraceInfo, TraceLocation, TraceState
from tracklet.entities.span import REQUEST_ID_ATTRIBUTE
from tracklet.frozen import replace
from tracklet.record.traces import LOCATION_TAG
from tracklet_services.server import traces
from tracklet_services.server.places import SCHEME
from tracklet_services.server.replies import Reply
from tracklet_services.server.requests import Int32, Pairs, by_key
from tracklet_services.server.table import Endpoint, Served

Moment: TypeAlias = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]
"""Milliseconds since 1970, to the end of the year 9999."""


OneOldTrace: TypeAlias = Annotated[dict[str, Any], "trace_info"]


class OldTraces(Reply, kw_only=True):
    """A page of what is known of traces."""

    traces: list[dict[str, Any]] = field(default_factory=list)
    next_page_token: str | None = None


def _shown(info: TraceInfo) -> dict[str, Any]:
    place = f"{SCHEME}{info.experiment_id}/traces/{info.trace_id}/artifacts"
    tags = {**info.tags, LOCATION_TAG: place}
    unknown = info.state is TraceState.STATE_UNSPECIFIED
    took = info.execution_duration
    return {
        "request_id": info.trace_id,
        "experiment_id": info.experiment_id,
        "timestamp_ms": info.request_time,
        **({} if took is None else {"execution_time_ms": took}),
        "status": "TRACE_STATUS_UNSPECIFIED" if unknown else info.state.value,
        "request_metadata": _pairs(info.trace_metadata),
        "tags": _pairs(tags),
    }


def spans(made: Sequence[Span]) -> bytes:
    """The document of a trace's spans as these clients read it: they refuse today's."""
    return json.dumps({"spans": [_span(each) for each in made]}).encode()


def _span(span: Span) -> dict[str, Any]:
    today = span.to_dict()
    parent = today["parent_span_id"]
    return {
        "name": span.name,
        "context": {
            "trace_id": _number(today["trace_id"]),
            "span_id": _number(today["span_id"]),
        },
        "parent_id": parent and _number(parent),
        "start_time": span.start_time_ns,
        "end_time": span.end_time_ns,
        "status_code": span.status.status_code.value,
        "status_message": span.status.description or None,
        "attributes": {**today["attributes"], REQUEST_ID_ATTRIBUTE: json.dumps(span.trace_id)},
        "events": [
            {"name": each.name, "timestamp": each.timestamp, "attributes": each.attributes}
            for each in span.events
        ],
    }


def _number(encoded: str) -> str:
    return f"0x{b64decode(encoded).hex()}"


def _pairs(texts: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in texts.items()]


def begin(
    at: Served,
    experiment_id: str,
    timestamp_ms: Moment,
    request_metadata: Pairs = (),
    tags: Pairs = (),
) -> OneOldTrace:
    """Begin a trace, whose id is made here."""
    info = TraceInfo(
        f"tr-{uuid.uuid4().hex}",
        TraceLocation.from_experiment_id(experiment_id),
        timestamp_ms,
        TraceState.IN_PROGRESS,
        trace_metadata=by_key(request_metadata),
        tags=by_key(tags),
    )
    at.store.traces.put_trace(info)
    return _shown(info)


def end(
    at: Served,
    trace_id: str,
    timestamp_ms: Moment,
    status: Literal["OK", "ERROR", "IN_PROGRESS", "TRACE_STATUS_UNSPECIFIED"],
    request_metadata: Pairs = (),
    tags: Pairs = (),
) -> OneOldTrace:
    """End a trace."""
    info = at.store.traces.get_trace_info(trace_id)
    unknown = status == "TRACE_STATUS_UNSPECIFIED"
    ended = replace(
        info,
        state=TraceState.STATE_UNSPECIFIED if unknown else TraceState(status),
        execution_duration=max(timestamp_ms - info.request_time, 0),
        trace_metadata={**info.trace_metadata, **by_key(request_metadata)},
        tags={**info.tags, **by_key(tags)},
    )
    at.store.traces.put_trace(ended)
    return _shown(at.store.traces.get_trace_info(trace_id))


def get(at: Served, trace_id: str) -> OneOldTrace:
    """What is known of a trace."""
    return _shown(at.store.traces.get_trace_info(trace_id))


def search(
    at: Served,
    experiment_ids: list[str],
    filter: str | None = None,
    order_by: Sequence[str] = (),
    page_token: str | None = None,
    max_results: Int32 = 100,
) -> OldTraces:
    """A page of traces."""
    page = traces.infos(at, experiment_ids, filter, max_results, order_by, page_token)
    return OldTraces(traces=list(map(_shown, page)), next_page_token=page.token)


_ID: Final = "traces/{request_id}"
ENDPOINTS: Final = (
    Endpoint("POST", "traces", "log", "experiment", begin),
    Endpoint("PATCH", _ID, "log", "trace", end),
    Endpoint("GET", f"{_ID}/info", "read", "trace", get),
    Endpoint("GET", "traces", "read", "experiments", search),
)
