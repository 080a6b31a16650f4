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
    length = bytearray()
    rest = len(content)
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    return bytes([number << 3 | 2, *length, rest]) + content


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
        (gzip.compress(b" " * (9 << 20)), {"content-encoding": "gzip"}, 400),
        (b" " * (9 << 20), {}, 413),
        (exported(span("00")), {}, 400),
        (exported({**span(ROOT), "startTimeUnixNano": "soon"}), {}, 400),
        (exported({**span(ROOT), "startTimeUnixNano": 10**30}), {}, 400),
        (exported({**span(ROOT), "endTimeUnixNano": "-1"}), {}, 400),
        (exported(span(ROOT)).replace(b'"1700000000000000000"', b"1e400"), {}, 400),
        (exported(span(ROOT, events=[{"timeUnixNano": 2**63}])), {}, 400),
    ],
)
def test_what_is_no_export_is_refused(
    client: Any, store: Any, content: bytes, headers: dict[str, str], status: int
) -> None:
    assert export(client, content, **headers).status_code == status
    assert store.traces.search_traces(["0"]) == []


def test_no_small_export_takes_much(client: Any, store: Any) -> None:
    """Fields of two bytes, of which each would become an object."""
    many = field(10, 0) * 300_001
    ids = field(1, bytes.fromhex(TRACE)) + field(2, bytes.fromhex(ROOT))
    for one in (ids + many, ids + field(11, many), ids + field(9, many), ids + field(15, many)):
        packed = gzip.compress(field(1, field(2, field(2, one))))
        assert len(packed) < 2000
        headers = {"content-encoding": "gzip"}
        answer = export(client, packed, "application/x-protobuf", **headers)
        assert (answer.status_code, "fields" in answer.text) == (400, True)
    part = field(1, field(2, field(2, ids + field(10, 0) * 100_000)))
    spread = gzip.compress(part * 4)  # no message of it is too long
    answer = export(client, spread, "application/x-protobuf", **{"content-encoding": "gzip"})
    assert (answer.status_code, "fields" in answer.text) == (400, True)
    wide = gzip.compress(exported(span(ROOT, attributes=[{"key": "a"}] * 300_001)))
    answer = export(client, wide, "application/json", **{"content-encoding": "gzip"})
    assert (answer.status_code, "fields" in answer.text) == (400, True)


def test_an_export_is_waited_for_as_long_as_other_requests(serve: Any, store: Any) -> None:
    from threading import Event

    from tracklet_services.server import Policy

    over = Event()
    put = store.traces.put_trace
    store.traces.put_trace = lambda *given, **more: over.wait(60)
    try:
        answer = export(serve(Policy(seconds=0.05)), exported(span(ROOT)))
    finally:
        over.set()
        store.traces.put_trace = put
    assert answer.json()["error_code"] == "DEADLINE_EXCEEDED"


def test_spans_whose_times_cannot_be_kept_are_refused(client: Any, store: Any) -> None:
    assert export(client, exported(span(ROOT))).status_code == 200
    at = f"/api/2.0/mlflow-artifacts/artifacts/0/traces/tr-{TRACE}/artifacts/traces.json"
    kept = client.http.get(at).content
    for time in ("1e400", "1" + "0" * 30, "-1", "true", '"soon"', "[]"):
        sent = kept.replace(b"1700000000000000000", time.encode())
        assert sent != kept
        assert client.http.put(at, content=sent).status_code in (200, 400), time
        assert client.http.get(at).status_code == 200


def test_a_client_of_mlflow_2_begins_ends_and_finds_a_trace(client: Any, store: Any) -> None:
    """It is the same trace by today's protocol."""
    pair = {"key": "a", "value": "b"}
    begun = client.post("traces", experiment_id="0", timestamp_ms=1000, tags=[pair])["trace_info"]
    request_id = begun["request_id"]
    assert (begun["status"], begun["timestamp_ms"]) == ("IN_PROGRESS", 1000)
    metadata = {"key": "mlflow.traceInputs", "value": "{}"}
    ended = {"timestamp_ms": 1250, "status": "ERROR", "request_metadata": [metadata]}
    answer = client.raw("PATCH", f"traces/{request_id}", **ended, tags=[{**pair, "value": "c"}])
    info = answer.json()["trace_info"]
    assert info == client.get(f"traces/{request_id}/info")["trace_info"]
    assert (info["status"], info["execution_time_ms"]) == ("ERROR", 250)
    assert metadata in info["request_metadata"]
    assert {**pair, "value": "c"} in info["tags"]
    found = client.get("traces", experiment_ids=["0"], filter="tags.a = 'c'")
    assert [one["request_id"] for one in found["traces"]] == [request_id]
    today = client.http.get(f"/api/3.0/mlflow/traces/{request_id}").json()["trace"]["trace_info"]
    assert (today["state"], today["execution_duration"]) == ("ERROR", "0.250s")
    assert client.raw("POST", "traces", experiment_id="77", timestamp_ms=1).status_code == 404
    for never in (-1, 2**62):
        answer = client.raw("POST", "traces", experiment_id="0", timestamp_ms=never)
        assert answer.status_code == 400
    assert client.raw("PATCH", "traces/tr-none", **ended).status_code in (400, 404)


def test_the_prompts_of_a_trace_are_linked_once(client: Any, store: Any) -> None:
    begun = client.post("traces", experiment_id="0", timestamp_ms=1)["trace_info"]
    first, second = ({"name": "p", "version": of} for of in "12")
    for those in ([first], [first, second]):
        client.post("traces/link-prompts", trace_id=begun["request_id"], prompt_versions=those)
    tags = store.traces.get_trace_info(begun["request_id"]).tags
    assert json.loads(tags["mlflow.linkedPrompts"]) == [first, second]
