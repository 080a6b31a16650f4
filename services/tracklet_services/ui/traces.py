"""Traces as their pages show them: a list, one as a tree of spans, and one span of it."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from tracklet.entities import Span, Trace
from tracklet.entities.span import (
    DESCRIPTION_ATTRIBUTE,
    INPUTS_ATTRIBUTE,
    OUTPUTS_ATTRIBUTE,
    REQUEST_ID_ATTRIBUTE,
    TYPE_ATTRIBUTE,
)
from tracklet.entities.trace import NAME_TAG, RUN_METADATA
from tracklet.errors import ResourceDoesNotExist
from tracklet_services.ui.answers import experiments_of, page_of, plain
from tracklet_services.ui.models import Runs
from tracklet_services.ui.place import Place

_PREVIEW = 300
_TOLD = frozenset(
    {
        DESCRIPTION_ATTRIBUTE,
        INPUTS_ATTRIBUTE,
        OUTPUTS_ATTRIBUTE,
        REQUEST_ID_ATTRIBUTE,
        TYPE_ATTRIBUTE,
    }
)


def traces(place: Place, request: Request) -> Any:
    """A page of the traces of some experiments, or of all: the latest first."""
    asked = request.query_params
    found = place.client.search_traces(
        experiments_of(place, request),
        asked.get("filter") or None,
        page_of(request),
        asked.getlist("order") or None,
        asked.get("page"),
        run_id=asked.get("run"),
        include_spans=False,
    )
    return {"traces": [_brief(one) for one in found], "next": found.token}


def _brief(trace: Trace) -> dict[str, Any]:
    info = trace.info
    return {
        "id": info.trace_id,
        "experiment_id": info.experiment_id,
        "name": info.tags.get(NAME_TAG, ""),
        "state": str(info.state),
        "at": info.request_time,
        "took": info.execution_duration,
        "request": (info.request_preview or "")[:_PREVIEW],
        "response": (info.response_preview or "")[:_PREVIEW],
        "tags": {key: text for key, text in info.tags.items() if not key.startswith("mlflow.")},
        "tokens": (plain(info.token_usage) or {}).get("total_tokens"),
    }


def trace(place: Place, request: Request) -> Any:
    """All that the page of a trace needs but what went into and came out of its spans."""
    found = place.client.get_trace(request.path_params["trace_id"])
    info = found.info
    experiment = info.experiment_id and place.client.get_experiment(info.experiment_id)
    spans = found.data.spans
    run = info.trace_metadata.get(RUN_METADATA)
    place.last_trace = (info.trace_id, {span.span_id: span for span in spans})
    return {
        **_brief(found),
        "experiment": experiment and {"id": experiment.experiment_id, "name": experiment.name},
        "run": Runs(place, request, [run]).brief(run),
        "all_tags": info.tags,
        "metadata": info.trace_metadata,
        "client_request_id": info.client_request_id,
        "assessments": [plain(one.to_dictionary()) for one in info.assessments],
        "began": str(min((span.start_time_ns for span in spans), default=0)),
        "spans": _rows(spans),
    }


def _rows(spans: list[Span]) -> list[list[Any]]:
    """Of each span: id, parent, name, type, µs since the first began, µs it took, status, events.

    Nanoseconds since the epoch are beyond what a browser's numbers hold exactly.
    """
    began = min((span.start_time_ns for span in spans), default=0)
    return [
        [
            span.span_id,
            span.parent_id,
            span.name,
            str(span.span_type),
            (span.start_time_ns - began) / 1000,
            None if span.end_time_ns is None else (span.end_time_ns - span.start_time_ns) / 1000,
            str(span.status.status_code),
            len(span.events),
        ]
        for span in spans
    ]


def span(place: Place, request: Request) -> Any:
    """What went into a span and came out of it, and what else was noted."""
    wanted, trace_id = request.query_params.get("span", ""), request.path_params["trace_id"]
    opened, spans = place.last_trace
    if opened != trace_id or wanted not in spans:
        read = place.client.get_trace(trace_id).data.spans
        spans = {span.span_id: span for span in read}
        place.last_trace = (trace_id, spans)
    if wanted in spans:
        return _whole(spans[wanted])
    raise ResourceDoesNotExist(f"this trace has no span {wanted!r}")


def _whole(span: Span) -> dict[str, Any]:
    texts = span.attribute_texts
    return {
        "id": span.span_id,
        "message": span.status.description,
        "description": plain(span.description),
        "inputs": plain(span.inputs),
        "outputs": plain(span.outputs),
        "has_inputs": INPUTS_ATTRIBUTE in texts,
        "has_outputs": OUTPUTS_ATTRIBUTE in texts,
        "attributes": {
            key: plain(value) for key, value in span.attributes.items() if key not in _TOLD
        },
        "events": [
            {
                "name": event.name,
                "at": (event.timestamp - span.start_time_ns) / 1000,
                "attributes": plain(event.attributes),
            }
            for event in span.events
        ],
        "links": plain(list(span.links)),
    }
