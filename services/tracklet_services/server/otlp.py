"""Spans as OpenTelemetry's protocol has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracklet.entities import Span

_CODES = {"UNSET": 0, "OK": 1, "ERROR": 2}


def document(span: Span) -> dict[str, Any]:
    """A span as the JSON of a protocol buffer: ids in base64, typed attribute values."""
    kept = span.to_dict()
    return {
        **{name: kept[name] for name in ("trace_id", "span_id", "name")},
        **({"parent_span_id": kept["parent_span_id"]} if kept["parent_span_id"] else {}),
        "start_time_unix_nano": kept["start_time_unix_nano"],
        "end_time_unix_nano": kept["end_time_unix_nano"] or 0,
        "attributes": _attributes(span.attributes),
        "events": [
            {
                "name": event.name,
                "time_unix_nano": event.timestamp,
                "attributes": _attributes(event.attributes),
            }
            for event in span.events
        ],
        "status": {
            "code": _CODES.get(str(span.status.status_code), 0),
            "message": span.status.description,
        },
    }


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _typed(value)} for key, value in values.items()]


def _typed(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"bool_value": value}
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return {"int_value": value}
    if isinstance(value, int | float):
        return {"double_value": float(value)}
    if isinstance(value, list | tuple):
        return {"array_value": {"values": [_typed(one) for one in value]}}
    if isinstance(value, Mapping):
        return {"kvlist_value": {"values": _attributes(value)}}
    return {"string_value": "" if value is None else str(value)}
