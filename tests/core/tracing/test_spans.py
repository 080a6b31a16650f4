"""Spans by hand, what is said of the trace going on, and what it is linked to."""

from __future__ import annotations

import logging
import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest

import tracklet
from tracklet.entities import (
    LiveSpan,
    NoOpSpan,
    SpanEvent,
    SpanStatus,
    SpanStatusCode,
    SpanType,
    Trace,
    TraceState,
)
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist

pytestmark = pytest.mark.usefixtures("tracklet_home")


def read(trace_id: str) -> Trace:
    trace = tracklet.get_trace(trace_id)
    assert trace is not None
    return trace


def test_a_block_takes_down_what_it_is_told() -> None:
    with tracklet.start_span("search", SpanType.RETRIEVER, {"k": 3}) as span:
        assert tracklet.get_current_active_span() is span
        assert tracklet.get_active_trace_id() == span.trace_id
        span.set_inputs({"query": "hé"})
        span.set_attributes({"a": [1], "b": None})
        span.set_attribute("k", 4)
        span.add_event(SpanEvent("hit", 5, {"n": 1}))
        span.set_outputs(["x"])
        assert span.status.status_code == "UNSET"
        assert span.inputs == {"query": "hé"}
    assert tracklet.get_current_active_span() is None
    assert tracklet.get_active_trace_id() is None
    assert tracklet.get_last_active_trace_id() == span.trace_id
    (kept,) = read(span.trace_id).data.spans
    assert kept == span.to_immutable_span()
    assert (kept.name, kept.span_type, kept.get_attribute("k")) == ("search", "RETRIEVER", 4)
    assert kept.events == [SpanEvent("hit", 5, {"n": 1})]
    assert kept.end_time_ns is not None
    assert kept.end_time_ns >= kept.start_time_ns


def test_ids_are_those_of_opentelemetry() -> None:
    with tracklet.start_span() as span:
        pass
    assert re.fullmatch(r"tr-[0-9a-f]{32}", span.trace_id)
    assert re.fullmatch(r"[0-9a-f]{16}", span.span_id)
    assert span.name == "span"


def test_a_block_that_fails_is_an_error_and_the_exception_goes_on() -> None:
    error = RuntimeError("no")
    with (
        pytest.raises(RuntimeError) as caught,
        tracklet.start_span("outer") as outer,
        tracklet.start_span("inner"),
    ):
        raise error
    assert caught.value is error
    trace = read(outer.trace_id)
    assert [s.status.status_code for s in trace.data.spans] == ["ERROR", "ERROR"]
    assert trace.info.state == TraceState.ERROR


def test_a_span_that_has_ended_changes_no_more() -> None:
    with tracklet.start_span() as span:
        span.set_outputs(1)
    span.set_outputs(2)
    span.set_status("ERROR")
    span.end(outputs=3)
    assert span.outputs == 1
    assert span.status.status_code == "OK"
    assert len(tracklet.search_traces(return_type="list")) == 1


@pytest.mark.parametrize("status", ["banana", None, 3])
def test_a_status_that_is_none_is_refused(status: Any) -> None:
    with tracklet.start_span() as span:
        with pytest.raises(InvalidParameterValue, match="not a span's status"):
            span.set_status(status)
        with pytest.raises(InvalidParameterValue, match="SpanEvent"):
            span.add_event(status)
        span.set_status(SpanStatus(SpanStatusCode.ERROR, "why"))
    (kept,) = read(span.trace_id).data.spans
    assert kept.status == SpanStatus(SpanStatusCode.ERROR, "why")


def test_attributes_that_cannot_be_are_left_out_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with tracklet.start_span() as span:
        span.set_attribute(3, "x")  # type: ignore[arg-type]
        span.set_attributes("x")  # type: ignore[arg-type]
        span.set_attribute("mlflow.traceRequestId", "forged")
    assert caplog.text.count("left out") == 2
    assert read(span.trace_id).data.spans[0].trace_id == span.trace_id


def test_a_block_can_decorate_and_be_entered_again() -> None:
    @tracklet.start_span("decorated")
    def function() -> int:
        return 1

    assert [function(), function()] == [1, 1]
    names = [t.data.spans[0].name for t in tracklet.search_traces(return_type="list")]
    assert names == ["decorated", "decorated"]


def test_spans_without_context_end_when_they_are_told_from_any_thread() -> None:
    root = tracklet.start_span_no_context(
        "root", inputs={"x": 1}, tags={"t": "u", "n": 1}, metadata={"m": 2}
    )
    assert tracklet.get_current_active_span() is None
    child = tracklet.start_span_no_context("child", "TOOL", parent_span=root, attributes={"a": 1})
    thread = threading.Thread(target=lambda: child.end(outputs={"o": 1}, status="ERROR"))
    thread.start()
    thread.join()
    root.end(outputs=4, attributes={"late": True}, end_time_ns=root.start_time_ns + 7_000_000)
    trace = read(root.trace_id)
    assert trace.info.execution_duration == 7
    assert {"t": "u", "n": "1"}.items() <= trace.info.tags.items()
    assert trace.info.trace_metadata["m"] == "2"
    first, second = trace.data.spans
    assert (first.outputs, first.get_attribute("late")) == (4, True)
    assert (second.parent_id, second.outputs) == (root.span_id, {"o": 1})
    assert (second.status.status_code, second.span_type) == ("ERROR", "TOOL")


def test_a_part_that_outlives_the_root_is_kept_when_it_ends() -> None:
    root = tracklet.start_span_no_context("root")
    child = tracklet.start_span_no_context("child", parent_span=root)
    root.end()
    assert read(root.trace_id).data.spans[1].end_time_ns is None
    child.end(outputs="late")
    assert read(root.trace_id).data.spans[1].outputs == "late"


def test_what_begins_after_the_root_has_ended_is_a_trace_of_its_own() -> None:
    root = tracklet.start_span_no_context("root")
    root.end()
    after = tracklet.start_span_no_context("after", parent_span=root)
    after.end()
    assert after.trace_id != root.trace_id
    assert after.parent_id is None


def test_a_trace_in_progress_can_be_read_and_tagged() -> None:
    with tracklet.start_span("root") as span:
        tracklet.set_trace_tag(span.trace_id, "a", 1)
        tracklet.set_trace_tag(span.trace_id, "b", 2)
        tracklet.delete_trace_tag(span.trace_id, "b")
        with pytest.raises(ResourceDoesNotExist):
            tracklet.delete_trace_tag(span.trace_id, "b")
        trace = read(span.trace_id)
        assert trace.info.state == TraceState.IN_PROGRESS
        assert trace.info.tags["a"] == "1"
        assert [s.name for s in trace.data.spans] == ["root"]
    tags = read(span.trace_id).info.tags
    assert tags["a"] == "1"
    assert "b" not in tags
    tracklet.set_trace_tag(span.trace_id, "a", "again")
    assert read(span.trace_id).info.tags["a"] == "again"


def test_the_trace_going_on_can_be_updated_from_any_of_its_spans() -> None:
    @tracklet.trace
    def inner() -> None:
        tracklet.update_current_trace(
            tags={"a": 1, "../bad": "x"},
            metadata={"m": "n"},
            client_request_id="mine",
            request_preview="asked",
            response_preview="answered",
            session_id="s",
            user="u",
            state="ERROR",
        )

    with tracklet.start_span() as span:
        inner()
    info = read(span.trace_id).info
    assert info.tags["a"] == "1"
    assert not any("bad" in key for key in info.tags)
    facts = {"m": "n", "mlflow.trace.session": "s", "mlflow.trace.user": "u"}
    assert facts.items() <= info.trace_metadata.items()
    assert (info.client_request_id, info.state) == ("mine", "ERROR")
    assert (info.request_preview, info.response_preview) == ("asked", "answered")


def test_outside_of_a_trace_an_update_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    tracklet.update_current_trace(tags={"a": "b"})
    assert "no trace is going on" in caplog.text
    with pytest.raises(InvalidParameterValue, match="'OK' or 'ERROR'"):
        tracklet.update_current_trace(state="banana")


def test_a_trace_belongs_to_the_active_run_and_its_experiment() -> None:
    tracklet.set_experiment("elsewhere")
    mine = tracklet.create_experiment("mine")
    with tracklet.start_run(experiment_id=mine) as run, tracklet.start_span() as span:
        pass
    info = read(span.trace_id).info
    assert info.trace_metadata["mlflow.sourceRun"] == run.info.run_id
    assert info.experiment_id == run.info.experiment_id
    with tracklet.start_span() as other:
        pass
    elsewhere = tracklet.get_experiment_by_name("elsewhere")
    assert elsewhere is not None
    info = read(other.trace_id).info
    assert info.experiment_id == elsewhere.experiment_id
    assert "mlflow.sourceRun" not in info.trace_metadata


def test_a_trace_belongs_to_the_active_model() -> None:
    @tracklet.trace
    def predict(x: int) -> int:
        return x

    model = tracklet.set_active_model(name="net")
    predict(1)
    tracklet.clear_active_model()
    predict(2)
    (found,) = tracklet.search_traces(model_id=model.model_id, return_type="list")
    assert found.data.spans[0].inputs == {"x": 1}
    assert found.info.trace_metadata["mlflow.modelId"] == model.model_id


def test_long_inputs_are_kept_whole_and_previewed() -> None:
    with tracklet.start_span() as span:
        span.set_inputs("x" * 5000)
    trace = read(span.trace_id)
    assert trace.data.spans[0].inputs == "x" * 5000
    assert trace.info.request_preview == '"' + "x" * 996 + "..."
    assert trace.info.trace_metadata["mlflow.traceInputs"] == '"' + "x" * 246 + "..."
    assert trace.info.response_preview is None


def test_the_last_trace_is_known_per_process_and_per_thread() -> None:
    ids: list[str | None] = []

    def other() -> None:
        ids.append(tracklet.get_last_active_trace_id(thread_local=True))
        with tracklet.start_span() as span:
            pass
        ids.append(span.trace_id)

    with tracklet.start_span() as mine:
        pass
    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert ids[0] is None
    assert tracklet.get_last_active_trace_id() == ids[1]
    assert tracklet.get_last_active_trace_id(thread_local=True) == mine.trace_id


def test_with_tracing_off_a_block_gets_a_span_that_forgets() -> None:
    tracklet.tracing.disable()
    with tracklet.start_span() as span:
        assert isinstance(span, NoOpSpan | LiveSpan)
        span.set_inputs(1)
        span.set_status("OK")
        assert span.inputs is None
        assert tracklet.get_current_active_span() is None
        tracklet.update_current_trace(tags={"a": "b"})
    assert tracklet.get_last_active_trace_id() is None
    tracklet.tracing.reset()
    with tracklet.start_span() as span:
        pass
    assert tracklet.get_last_active_trace_id() == span.trace_id


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_keep_the_parents_trace(tracklet_home: Path) -> None:
    with tracklet.start_span("root") as span:
        pid = os.fork()
        if pid == 0:  # pragma: no cover - the child
            span.end()
            os._exit(0)
        os.waitpid(pid, 0)
        assert not list((tracklet_home / "mlruns").glob("*/traces/tr-*"))
        span.set_outputs("parent")
    assert read(span.trace_id).data.spans[0].outputs == "parent"


def test_a_missing_trace_is_none_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    missing = "tr-" + "0" * 32
    assert tracklet.get_trace(missing, silent=True) is None
    assert caplog.text == ""
    assert tracklet.get_trace(missing) is None
    assert missing in caplog.text
    with pytest.raises(InvalidParameterValue, match="not a valid trace id"):
        tracklet.get_trace("../../etc")


def test_a_client_begins_and_ends_spans_by_their_ids(tracklet_home: Path) -> None:
    """What is kept is one trace, in the client's own store, when its root has ended."""
    client = tracklet.TrackletClient(f"{tracklet_home}/other")
    root = client.start_trace("root", "CHAIN", {"q": 1}, tags={"team": "x"}, start_time_ns=10**9)
    part = client.start_span("part", root.trace_id, root.span_id, attributes={"n": 5})
    inner = client.start_span("inner", root.trace_id, part.span_id)
    client.end_span(root.trace_id, inner.span_id, status="ERROR")
    client.end_span(root.trace_id, part.span_id, outputs=[1])
    client.end_trace(root.trace_id, outputs="done", end_time_ns=3 * 10**9)
    trace = client.get_trace(root.trace_id)
    assert [(s.name, s.parent_id) for s in trace.data.spans] == [
        ("root", None),
        ("part", root.span_id),
        ("inner", part.span_id),
    ]
    assert trace.data.spans[0].outputs == "done"
    assert (trace.info.execution_duration, trace.info.tags["team"]) == (2000, "x")
    for ask in (
        lambda: client.end_trace(root.trace_id),
        lambda: client.end_span(root.trace_id, part.span_id),
        lambda: client.start_span("late", root.trace_id, root.span_id),
    ):
        with pytest.raises(ResourceDoesNotExist, match="goes on"):
            ask()


def test_where_nothing_is_traced_a_clients_spans_are_nobodys(tracklet_home: Path) -> None:
    """The calls go through, and leave nothing."""
    client = tracklet.TrackletClient()
    tracklet.tracing.disable()
    try:
        root = client.start_trace("root")
        part = client.start_span("part", root.trace_id, root.span_id)
        client.end_span(part.trace_id, part.span_id)
        client.end_trace(root.trace_id)
    finally:
        tracklet.tracing.enable()
    assert client.search_traces(["0"]) == []
