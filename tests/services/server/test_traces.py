"""Traces: by the protocol, by OpenTelemetry's, and both for one trace in any order."""

from __future__ import annotations

import gzip
import json
import struct
from typing import Any

import pytest

TRACE, ROOT, PART = "ab" * 16, "cd" * 8, "ef" * 8


def exported(*spans: dict[str, Any]) -> bytes:
    scope = {"scope": {"name": "test"}, "spans": list(spans)}
    return json.dumps({"resourceSpans": [{"scopeSpans": [scope]}]}).encode()


def span(span_id: str, parent: str = "", name: str = "whole", **more: Any) -> dict[str, Any]:
    return {
        "traceId": TRACE,
        "spanId": span_id,
        "parentSpanId": parent,
        "name": name,
        "startTimeUnixNano": "1700000000000000000",
        "endTimeUnixNano": "1700000001500000000",
        "status": {"code": 1},
        **more,
    }


def export(client: Any, content: bytes, kind: str = "application/json", **headers: str) -> Any:
    sent = {"content-type": kind, "x-mlflow-experiment-id": "0", **headers}
    return client.http.post("/v1/traces", content=content, headers=sent)


def test_spans_become_a_trace(client: Any, store: Any) -> None:
    attributes = [
        {"key": "text", "value": {"stringValue": "t"}},
        {"key": "many", "value": {"arrayValue": {"values": [{"intValue": "1"}]}}},
    ]
    part = exported(span(PART, ROOT, "part", attributes=attributes))
    assert export(client, part).status_code == 200
    assert str(store.traces.get_trace_info(f"tr-{TRACE}").state) == "IN_PROGRESS"
    packed = gzip.compress(exported(span(ROOT)))
    assert export(client, packed, **{"content-encoding": "gzip"}).status_code == 200
    trace = store.traces.get_trace(f"tr-{TRACE}")
    assert str(trace.info.state) == "OK"
    assert trace.info.execution_duration == 1500
    assert {one.name for one in trace.data.spans} == {"whole", "part"}
    (inner,) = (one for one in trace.data.spans if one.name == "part")
    assert inner.attributes == {"text": "t", "many": [1]}
    answered = client.http.get(
        "/api/3.0/mlflow/traces/get", params={"trace_id": f"tr-{TRACE}"}
    ).json()["trace"]
    assert answered["trace_info"]["execution_duration"] == "1.500s"
    assert len(answered["spans"]) == 2


def test_what_is_known_and_its_spans_come_in_any_order(client: Any, store: Any) -> None:
    info = {
        "trace_id": f"tr-{TRACE}",
        "trace_location": {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": "0"},
        },
        "request_time": "2024-01-01T00:00:00.000Z",
        "state": "OK",
        "request_preview": "asked",
        "tags": {"t": "v"},
    }
    start = {"trace": {"trace_info": info}}
    assert client.raw("POST", "traces", api="3.0", **start).status_code == 200
    assert export(client, exported(span(ROOT))).status_code == 200
    assert client.raw("POST", "traces", api="3.0", **start).status_code == 200
    trace = store.traces.get_trace(f"tr-{TRACE}")
    assert trace.info.request_preview == "asked"
    assert trace.info.tags["t"] == "v"
    assert [one.name for one in trace.data.spans] == ["whole"]


def field(number: int, content: bytes | int | float) -> bytes:
    """A field of a protocol buffer; a float stands for 64 fixed bits."""
    if isinstance(content, float):
        return bytes([number << 3 | 1]) + struct.pack("<Q", int(content))
    if isinstance(content, int):
        return bytes([number << 3, content])
    return bytes([number << 3 | 2, len(content)]) + content


def test_a_protocol_buffer_is_read(client: Any, store: Any) -> None:
    pair = field(1, b"n") + field(2, field(3, 7))
    one = (
        field(1, bytes.fromhex(TRACE))
        + field(2, bytes.fromhex(ROOT))
        + field(5, b"whole")
        + field(7, 1.7e18)
        + field(8, 1.7e18)
        + field(9, pair)
        + field(15, field(3, 2) + field(2, b"why"))
    )
    content = field(1, field(2, field(2, one)))
    kind = "application/x-protobuf"
    assert export(client, content, kind).status_code == 200
    trace = store.traces.get_trace(f"tr-{TRACE}")
    assert str(trace.info.state) == "ERROR"
    (kept,) = trace.data.spans
    assert (kept.attributes, kept.status.description) == ({"n": 7}, "why")
    for cut in range(1, len(content)):
        assert export(client, content[:cut], kind).status_code == 400


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{}", {"x-mlflow-experiment-id": ""}, 422),
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b"{}", {"content-type": "text/plain"}, 400),
        (b"{}", {"content-encoding": "br"}, 400),
        (b"{}", {"content-encoding": "gzip"}, 400),
        (gzip.compress(b" " * (65 << 20)), {"content-encoding": "gzip"}, 400),
        (exported(span("00")), {}, 400),
        (exported({**span(ROOT), "startTimeUnixNano": "soon"}), {}, 400),
    ],
)
def test_what_is_no_export_is_refused(
    client: Any, store: Any, content: bytes, headers: dict[str, str], status: int
) -> None:
    assert export(client, content, **headers).status_code == status
    assert store.traces.search_traces(["0"]) == []
