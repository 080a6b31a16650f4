"""Spans as OpenTelemetry's protocol (OTLP) has them, read without its libraries.

A protocol buffer is a list of numbered fields; what is read here are the few messages of
``ExportTraceServiceRequest`` that spans are made of.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tracklet import entities
from tracklet.entities import Span
from tracklet.errors import InvalidParameterValue
from tracklet_services.server.replies import number

NAME_TAG: Final = "mlflow.traceName"

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
        return {"double_value": number(float(value))}
    if isinstance(value, list | tuple):
        return {"array_value": {"values": [_typed(one) for one in value]}}
    if isinstance(value, Mapping):
        return {"kvlist_value": {"values": _attributes(value)}}
    return {"string_value": "" if value is None else str(value)}


# -- what arrives --------------------------------------------------------------------------------

LONGEST: Final = 8 << 20
"""The most bytes of an export, inflated: read, it takes many times that."""

_Field = tuple[int, Any]
_DEEPEST: Final = 32
_MOST_FIELDS: Final = 300_000
"""Of an export: of two bytes each, eight megabytes would be read for most of a minute."""


def traces_of(
    content: bytes, kind: str, experiment_id: str
) -> Iterator[tuple[entities.TraceInfo, list[Span]]]:
    """The traces of an export, each with what its spans tell of it.

    Args:
        content: The body.
        kind: ``application/x-protobuf`` or ``application/json``.
        experiment_id: Where they belong.

    Raises:
        InvalidParameterValue: It is no such export, or a span lacks an id.
    """
    try:
        read = _of_json if kind == "application/json" else _of_buffer
        spans = timed([Span.from_dict(document) for document in read(content, _Budget())])
    except (*WRONG, struct.error) as error:
        raise InvalidParameterValue(f"the export cannot be read: {error}") from error
    except RecursionError as error:
        raise InvalidParameterValue("the export is nested too deeply") from error
    by_trace: dict[str, list[Span]] = {}
    for span in spans:
        by_trace.setdefault(span.trace_id, []).append(span)
    for trace_id, those in by_trace.items():
        yield _info(trace_id, experiment_id, those), those


WRONG: Final = (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError)
"""What is raised where a document is read whose form is not that of spans."""


def timed(spans: list[Span]) -> list[Span]:
    """The same spans, whose times are ones that can be kept: nanoseconds, in 63 bits."""
    for span in spans:
        events = (event.timestamp for event in span.events)
        for at in (span.start_time_ns, span.end_time_ns, *events):
            if at is not None and not 0 <= at < 1 << 63:
                raise ValueError(f"a time is nanoseconds since 1970, below 2**63; got {at}")
    return spans


def _info(trace_id: str, experiment_id: str, spans: list[Span]) -> entities.TraceInfo:
    root = next((span for span in spans if span.parent_id is None), None)
    first = root or min(spans, key=lambda span: span.start_time_ns)
    state, duration = entities.TraceState.IN_PROGRESS, None
    if root is not None:
        failed = str(root.status.status_code) == "ERROR"
        state = entities.TraceState.ERROR if failed else entities.TraceState.OK
        duration = ((root.end_time_ns or root.start_time_ns) - root.start_time_ns) // 1_000_000
    return entities.TraceInfo(
        trace_id,
        entities.TraceLocation.from_experiment_id(experiment_id),
        first.start_time_ns // 1_000_000,
        state,
        execution_duration=duration,
        tags={} if root is None else {NAME_TAG: root.name},
    )


def inflated(content: bytes, encoding: str, longest: int) -> bytes:
    """A body without its compression, which is never unpacked to more than is allowed.

    Raises:
        InvalidParameterValue: It is compressed in another way, damaged, or too long.
    """
    if encoding in ("", "identity"):
        return content
    if encoding not in ("gzip", "deflate"):
        raise InvalidParameterValue(
            f"bodies come as they are, in gzip or deflate; not {encoding!r}"
        )
    unpack = zlib.decompressobj(47 if encoding == "gzip" else 15)
    try:
        plain = unpack.decompress(content, longest + 1)
    except zlib.error as error:
        raise InvalidParameterValue(f"the body is no {encoding}: {error}") from error
    if len(plain) > longest or not unpack.eof:
        raise InvalidParameterValue(f"the body is cut off, or has more than {longest} bytes")
    return plain


def _document(
    ids: tuple[bytes, bytes, bytes], name: str, times: tuple[int, int], **parts: Any
) -> dict[str, Any]:
    """A span as files hold it."""
    trace_id, span_id, parent = ids
    if len(trace_id) != 16 or len(span_id) != 8:
        raise ValueError("a span has a trace_id of 16 bytes and a span_id of 8")
    return {
        "trace_id": base64.b64encode(trace_id).decode(),
        "span_id": base64.b64encode(span_id).decode(),
        "parent_span_id": base64.b64encode(parent).decode() if parent else None,
        "name": name,
        "start_time_unix_nano": times[0],
        "end_time_unix_nano": times[1] or None,
        **parts,
    }


_STATUS: Final = ("STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR")


def _status(code: Any, message: str) -> dict[str, Any]:
    return {"code": _STATUS[code] if code in (0, 1, 2) else str(code), "message": message}


class _Budget:
    """How many fields an export may still have."""

    def __init__(self) -> None:
        self._left = _MOST_FIELDS

    def take(self, fields: int = 1) -> None:
        """Count what is read.

        Raises:
            ValueError: It is too much.
        """
        self._left -= fields
        if self._left < 0:
            raise ValueError(f"an export has at most {_MOST_FIELDS} fields")


# -- as JSON


def _of_json(content: bytes, budget: _Budget) -> Iterator[dict[str, Any]]:
    for resource in json.loads(content).get("resourceSpans", ()):
        for scope in resource.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                budget.take()
                ids = tuple(
                    bytes.fromhex(span.get(key) or "")
                    for key in ("traceId", "spanId", "parentSpanId")
                )
                times = int(span.get("startTimeUnixNano", 0)), int(span.get("endTimeUnixNano", 0))
                status = span.get("status") or {}
                yield _document(
                    (ids[0], ids[1], ids[2]),
                    str(span.get("name", "")),
                    times,
                    events=[
                        {
                            "name": str(event.get("name", "")),
                            "time_unix_nano": int(event.get("timeUnixNano", 0)),
                            "attributes": _plain_pairs(event.get("attributes"), budget),
                        }
                        for event in span.get("events") or ()
                    ],
                    status=_status(status.get("code", 0), str(status.get("message", ""))),
                    attributes=_texts(_plain_pairs(span.get("attributes"), budget)),
                )


def _plain_pairs(pairs: Any, budget: _Budget) -> dict[str, Any]:
    budget.take(1 + len(pairs or ()))
    return {pair["key"]: _plain(pair.get("value") or {}, budget) for pair in pairs or ()}


def _plain(value: Mapping[str, Any], budget: _Budget) -> Any:
    for kind, content in value.items():
        if kind == "intValue":
            return int(content)
        if kind == "doubleValue":
            return float(content)
        if kind == "arrayValue":
            values = content.get("values") or ()
            budget.take(len(values))
            return [_plain(one, budget) for one in values]
        if kind == "kvlistValue":
            return _plain_pairs(content.get("values"), budget)
        return content
    return None


def _texts(attributes: Mapping[str, Any]) -> dict[str, str]:
    return {key: json.dumps(value) for key, value in attributes.items()}


# -- as a protocol buffer


def _of_buffer(content: bytes, budget: _Budget) -> Iterator[dict[str, Any]]:
    for resource in _all(_fields(content, budget), 1):
        for scope in _all(_fields(resource, budget), 2):
            for span in _all(_fields(scope, budget), 2):
                yield _span(_listed(span, budget), budget)


def _span(fields: list[_Field], budget: _Budget) -> dict[str, Any]:
    ids = _last(fields, 1, b""), _last(fields, 2, b""), _last(fields, 4, b"")
    status = _listed(_last(fields, 15, b""), budget)
    return _document(
        ids,
        _text(_last(fields, 5, b"")),
        (_last(fields, 7, 0), _last(fields, 8, 0)),
        events=[_event(_listed(event, budget), budget) for event in _all(fields, 11)],
        status=_status(_last(status, 3, 0), _text(_last(status, 2, b""))),
        attributes=_texts(_pairs(_all(fields, 9), budget)),
    )


def _event(fields: list[_Field], budget: _Budget) -> dict[str, Any]:
    return {
        "name": _text(_last(fields, 2, b"")),
        "time_unix_nano": _last(fields, 1, 0),
        "attributes": _pairs(_all(fields, 3), budget),
    }


def _pairs(messages: Iterator[bytes], budget: _Budget, depth: int = 0) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    for message in messages:
        fields = _listed(message, budget)
        pairs[_text(_last(fields, 1, b""))] = _any(_last(fields, 2, b""), budget, depth)
    return pairs


def _any(message: bytes, budget: _Budget, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError("a value is nested too deeply")
    value: Any = None
    for field, content in _fields(message, budget):
        if field == 1:
            value = _text(content)
        elif field == 2:
            value = bool(content)
        elif field == 3:
            value = content - (1 << 64) if content >= 1 << 63 else content
        elif field == 4:
            value = struct.unpack("<d", struct.pack("<Q", content))[0]
        elif field == 5:
            value = [_any(one, budget, depth + 1) for one in _all(_fields(content, budget), 1)]
        elif field == 6:
            value = _pairs(_all(_fields(content, budget), 1), budget, depth + 1)
        elif field == 7:
            value = base64.b64encode(content).decode()
    return value


def _text(content: bytes) -> str:
    return bytes(content).decode()


def _all(fields: Any, wanted: int) -> Iterator[bytes]:
    for field, content in fields:
        if field == wanted:
            if not isinstance(content, bytes):
                raise ValueError(f"field {field} is no message")
            yield content


def _last(fields: list[_Field], wanted: int, default: Any) -> Any:
    found = [content for field, content in fields if field == wanted]
    if not found:
        return default
    if isinstance(found[-1], bytes) != isinstance(default, bytes):
        raise ValueError(f"field {wanted} is of another kind")
    return found[-1]


def _listed(message: bytes, budget: _Budget) -> list[_Field]:
    return list(_fields(message, budget))


def _fields(message: bytes, budget: _Budget) -> Iterator[_Field]:
    """The numbers of a message's fields, and what each has: a number, or bytes."""
    at = 0
    while at < len(message):
        budget.take()
        key, at = _varint(message, at)
        field, kind = key >> 3, key & 7
        if kind == 0:
            content, at = _varint(message, at)
        elif kind == 1:
            (content,) = struct.unpack_from("<Q", message, at)
            at += 8
        elif kind == 5:
            (content,) = struct.unpack_from("<I", message, at)
            at += 4
        elif kind == 2:
            length, at = _varint(message, at)
            content = message[at : at + length]
            at += length
            if len(content) < length:
                raise ValueError("the message is cut off")
        else:
            raise ValueError(f"a field is of the unknown kind {kind}")
        yield field, content


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")
