"""Traces as files: whole or not at all, readable wherever the tree is, no problem of the user's."""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tracklet
from tracklet.entities import Span, Trace, TraceInfo, TraceLocation, TraceState
from tracklet.entities.json_text import json_text
from tracklet.errors import ResourceAlreadyExists, StorageError, TrackletException
from tracklet.record.traces import spans_json
from tracklet.stores import disk
from tracklet.stores.files import FileStore
from tracklet.stores.files.traces import TraceFolder, _fast_info, info_yaml

pytestmark = pytest.mark.usefixtures("tracklet_home")

TRACE_ID = "tr-" + "ab" * 16


@tracklet.trace
def work(x: Any) -> Any:
    return x


def folders(home: Path) -> list[Path]:
    return sorted((home / "mlruns").glob("*/traces/*"))


def test_the_files_are_those_of_mlflows_layout(tracklet_home: Path) -> None:
    with tracklet.start_run() as run:
        work({"q": "hé"})
    (folder,) = folders(tracklet_home)
    names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    assert [name for name in names if ".git." not in name] == [
        "artifacts/traces.json",
        "request_metadata/mlflow.source.name",
        "request_metadata/mlflow.source.type",
        "request_metadata/mlflow.sourceRun",
        "request_metadata/mlflow.trace.sizeBytes",
        "request_metadata/mlflow.trace.sizeStats",
        "request_metadata/mlflow.traceInputs",
        "request_metadata/mlflow.traceOutputs",
        "request_metadata/mlflow.trace_schema.version",
        "request_metadata/mlflow.user",
        "tags/mlflow.artifactLocation",
        "tags/mlflow.traceName",
        "trace_info.yaml",
    ]
    info = yaml.safe_load((folder / "trace_info.yaml").read_bytes())
    assert info["trace_id"] == folder.name
    assert info["state"] == "OK"
    assert info["request_preview"] == '{"x": {"q": "hé"}}'
    assert info["trace_location"] == {
        "type": "MLFLOW_EXPERIMENT",
        "mlflow_experiment": {"experiment_id": run.info.experiment_id},
    }
    (span,) = json.loads((folder / "artifacts/traces.json").read_bytes())["spans"]
    assert sorted(span) == [
        "attributes",
        "end_time_unix_nano",
        "events",
        "links",
        "name",
        "parent_span_id",
        "span_id",
        "start_time_unix_nano",
        "status",
        "trace_id",
    ]
    assert span["attributes"]["mlflow.spanOutputs"] == '{"q": "hé"}'
    assert span["status"] == {"code": "STATUS_CODE_OK", "message": ""}


CALLS = ("open_file", "write", "mkdir", "rename")


@pytest.mark.parametrize("call", CALLS)
def test_whatever_call_fails_nothing_half_written_is_seen_and_the_code_goes_on(
    call: str,
    tracklet_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    work(0)
    real = getattr(disk, call)
    for number in range(100):
        calls = 0

        def fail(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == number + 1:  # noqa: B023 - called within this round
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*args, **kwargs)

        before = len(folders(tracklet_home))
        monkeypatch.setattr(disk, call, fail)
        assert work("x") == "x"
        monkeypatch.setattr(disk, call, real)
        now = folders(tracklet_home)
        assert not [f for f in now if f.name.startswith(".")]
        for folder in now:
            assert TraceFolder(str(folder)).spans
        if calls <= number:  # every call of the writing has failed once
            assert len(now) == before + 1
            break
        assert len(now) == before
    else:
        pytest.fail("the writing never got through")
    assert number > 0
    assert "No space left on device" in caplog.text
    assert work("again") == "again"


def test_a_failure_is_warned_of_once(
    tracklet_home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: Any) -> Any:
        raise OSError(errno.EACCES, "Permission denied")

    work(0)
    monkeypatch.setattr(disk, "rename", fail)
    for _ in range(5):
        work(1)
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 1


def test_in_strict_mode_failures_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> Any:
        raise OSError(errno.EACCES, "Permission denied")

    work(0)
    monkeypatch.setattr(disk, "rename", fail)
    monkeypatch.setenv("TRACKLET_STRICT", "true")
    with pytest.raises(StorageError, match="Permission denied"):
        work(1)


def test_a_deleted_experiment_keeps_its_traces_and_takes_no_new_ones(
    tracklet_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    experiment = tracklet.set_experiment("e")
    work(1)
    trace_id = str(tracklet.get_last_active_trace_id())
    tracklet.delete_experiment(experiment.experiment_id)
    assert work(2) == 2
    assert "is deleted" in caplog.text
    trace = tracklet.get_trace(trace_id)
    assert trace is not None
    assert trace.data.spans[0].outputs == 1
    tracklet.restore_experiment(experiment.experiment_id)
    assert len(tracklet.search_traces(return_type="list")) == 1


def test_a_moved_tree_is_read(tracklet_home: Path) -> None:
    work(1)
    trace_id = str(tracklet.get_last_active_trace_id())
    shutil.move(tracklet_home / "mlruns", tracklet_home / "moved")
    tracklet.set_tracking_uri(tracklet_home / "moved")
    trace = tracklet.get_trace(trace_id)
    assert trace is not None
    assert trace.data.spans[0].outputs == 1
    assert trace.info.tags["mlflow.artifactLocation"].startswith(str(tracklet_home / "moved"))


def test_damaged_traces_are_left_out_of_a_search_and_named_when_asked_for(
    tracklet_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(4):
        work(n)
    first, second, third, fourth = folders(tracklet_home)
    (first / "trace_info.yaml").write_text("[1, 2")
    (second / "artifacts/traces.json").write_text('{"spans": [{"na')
    (third / "trace_info.yaml").unlink()
    (third.parent / ".tracklet-1-a.tmp").mkdir()
    found = tracklet.search_traces(return_type="list")
    assert [t.trace_id for t in found] == [fourth.name]
    assert caplog.text.count("is left out") == 2
    for folder in (first, second):
        with pytest.raises(StorageError, match="readable"):
            tracklet.get_trace(folder.name)
    (fourth / "artifacts/traces.json").unlink()  # not there yet, perhaps
    trace = tracklet.get_trace(fourth.name)
    assert trace is not None
    assert trace.data.spans == []


def test_documents_of_older_schemas_are_read(tracklet_home: Path) -> None:
    work(1)
    (folder,) = folders(tracklet_home)
    old = folder.parent / "5d4a8d3b4c2f4f0c8d7d1d4ac7b6e9f0"
    for part in ("tags", "request_metadata", "artifacts"):
        (old / part).mkdir(parents=True)
    (old / "tags/mlflow.traceName").write_text("old")
    (old / "trace_info.yaml").write_text(
        f"request_id: {old.name}\nexperiment_id: '0'\ntimestamp_ms: 1700000000000\n"
        "execution_time_ms: 12\nstatus: ERROR\n"
    )
    span = {
        "name": "root",
        "context": {"span_id": "0x" + "cd" * 8, "trace_id": "0x" + "ab" * 16},
        "parent_id": None,
        "start_time": 1_700_000_000_000_000_000,
        "end_time": 1_700_000_000_012_000_000,
        "status_code": "ERROR",
        "status_message": "why",
        "attributes": {"mlflow.traceRequestId": json.dumps(old.name), "mlflow.spanInputs": "[1]"},
        "events": [{"name": "e", "timestamp": 5, "attributes": {}}],
    }
    (old / "artifacts/traces.json").write_text(json.dumps({"spans": [span], "request": "[1]"}))
    trace = tracklet.get_trace(old.name)
    assert trace is not None
    assert (trace.info.state, trace.info.execution_duration) == ("ERROR", 12)
    assert trace.info.request_time == 1_700_000_000_000
    (read,) = trace.data.spans
    assert (read.trace_id, read.span_id, read.inputs) == (old.name, "cd" * 8, [1])
    assert (read.status.description, read.events[0].timestamp) == ("why", 5)
    (found,) = tracklet.search_traces(filter_string="name = 'old'", return_type="list")
    assert found.trace_id == old.name


# -- texts of every kind -------------------------------------------------------------------------

ANY_TEXT = st.text(max_size=60)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)


def info_of(**values: Any) -> TraceInfo:
    return TraceInfo(
        TRACE_ID, TraceLocation.from_experiment_id("0"), 1_790_000_000_123, TraceState.OK, **values
    )


@given(request=ANY_TEXT, response=ANY_TEXT, own=ANY_TEXT)
def test_any_text_comes_back_from_the_document_by_us_and_by_yaml(
    request: str, response: str, own: str
) -> None:
    info = info_of(request_preview=request, response_preview=response, client_request_id=own)
    data = info_yaml(info)
    expected = {
        "client_request_id": own,
        "request_preview": request,
        "response_preview": response,
        "request_time": "2026-09-21T14:13:20.123Z",
        "state": "OK",
        "trace_id": TRACE_ID,
    }
    # A lone surrogate is no character, so YAML cannot carry it; everything else comes back.
    expected = {key: re.sub("[\ud800-\udfff]", "\ufffd", text) for key, text in expected.items()}
    for loader in {yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)}:
        read = yaml.load(data, loader)
        assert {k: v for k, v in read.items() if k != "trace_location"} == expected
    fast = _fast_info(data)
    assert fast is None or {k: v for k, v in fast.items() if k != "experiment_id"} == expected


@given(value=JSON_VALUES)
def test_any_json_value_comes_back_from_a_span(value: Any) -> None:
    assert json.loads(json_text(value)) == value
    span = Span(TRACE_ID, "01" * 8, None, "n", 1, 2, attributes={"k": json_text(value)})
    content, sizes = spans_json([span])
    read = Span.from_dict(json.loads(content)["spans"][0])
    assert read == span
    assert read.get_attribute("k") == value
    assert sum(sizes) < len(content)


def test_a_trace_becomes_json_and_back() -> None:
    with tracklet.start_span("root") as span:
        span.set_inputs({"a": [1, None, "é"]})
        with tracklet.start_span("part") as part:
            part.set_outputs(2)
    tracklet.log_feedback(trace_id=span.trace_id, value=0.5)
    trace = tracklet.get_trace(span.trace_id)
    assert trace is not None
    copied = Trace.from_json(trace.to_json())
    assert copied == trace
    assert copied.data.request == '{"a": [1, null, "é"]}'
    assert copied.data.intermediate_outputs == {"part": 2}
    assert [s.name for s in copied.search_spans(name="part")] == ["part"]


def test_one_id_is_kept_once(tracklet_home: Path) -> None:
    store = FileStore(tracklet_home / "mlruns").traces
    span = Span(TRACE_ID, "01" * 8, None, "n", 1, 2)
    store.log_trace(info_of(), [span])
    with pytest.raises(ResourceAlreadyExists):
        store.log_trace(info_of(tags={"a": "b"}), [])
    assert store.get_trace(TRACE_ID).data.spans == [span]
    assert [f.name for f in folders(tracklet_home)] == [TRACE_ID]
    assert os.listdir(folders(tracklet_home)[0] / "tags") == ["mlflow.artifactLocation"]


LOOP = """
import os, tracklet
@tracklet.trace
def step(n):
    with tracklet.start_span("part"):
        return n
n = 0
while True:
    step(n)
    os.write(1, f"{tracklet.get_last_active_trace_id()} {n}\\n".encode())
    n += 1
"""


@pytest.mark.parametrize("delay", [0.0, 0.013, 0.05, 0.11])
def test_a_trace_whose_call_has_returned_survives_a_kill(delay: float, tracklet_home: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", LOOP], stdout=subprocess.PIPE, text=True, cwd=tracklet_home
    )
    with child:
        assert child.stdout is not None
        first = child.stdout.readline()
        time.sleep(delay)
        child.kill()
        told = [first, *child.stdout]
    acknowledged = dict(line.split() for line in told if line.endswith("\n"))
    found = tracklet.search_traces(return_type="list")
    for trace in found:  # each is whole
        assert [span.name for span in trace.data.spans] == ["step", "part"]
        assert trace.info.state == "OK"
    stored = {trace.trace_id: str(trace.data.spans[0].outputs) for trace in found}
    assert acknowledged.items() <= stored.items()
    assert len(stored) <= len(acknowledged) + 1


def test_a_training_without_traces_loads_nothing_of_them(tracklet_home: Path) -> None:
    script = """
import sys, tracklet
with tracklet.start_run():
    tracklet.log_metric("m", 1.0)
loaded = [m for m in sys.modules if m.startswith("tracklet.tracing") or m.endswith(
    (".entities.span", ".entities.trace", ".files.traces"))]
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", script], cwd=tracklet_home, check=True)


def test_nothing_of_a_call_is_retained() -> None:
    class Thing:
        pass

    thing = Thing()
    gone = weakref.ref(thing)
    assert work(thing) is thing
    with pytest.raises(ZeroDivisionError), tracklet.start_span():
        1 / 0  # noqa: B018
    del thing
    gc.collect()
    assert gone() is None


LINES = st.sampled_from(
    [
        'trace_id: "tr-1"',
        "trace_id: [1]",
        "request_time: yesterday",
        "request_time: 99999999999999999999",
        'request_preview: "a" b"',
        'request_preview: "\\x"',
        "request_preview: 6",
        "execution_duration_ms: soon",
        "trace_location:",
        "trace_location: here",
        "tags: 5",
        "tags: [1]",
        "assessments: [{}]",
        "state: {}",
        "\x00",
        "a: &a [*a]",
    ]
)
SPANS = st.sampled_from(
    [
        "",
        "[]",
        '{"spans": 5}',
        '{"spans": [5]}',
        '{"spans": [{"name": "n"}]}',
        '{"spans": [{"context": 5}]}',
        '{"spans": [{"trace_id": "?", "span_id": "?", "name": "n", "start_time_unix_nano": 1}]}',
        '{"spans": [{"trace_id": "", "span_id": "", "name": 1, "start_time_unix_nano": "x"}]}',
        '{"spans": [{"context": {"trace_id": 1, "span_id": 2}, "name": 3, "start_time": 4,'
        ' "status_code": "odd"}]}',
        '{"spans": [{"context": {"trace_id": 1, "span_id": 2}, "name": 3, "start_time": 4,'
        ' "events": [5]}]}',
        "[" * 100_000,
    ]
)
ASSESSMENTS = st.sampled_from(
    [
        "5",
        "{}",
        "feedback: {value: 1}",
        "feedback: {value: 1, error: {odd: 1}}",
        "expectation: {serialized_value: {value: '{'}}",
        "expectation: {serialized_value: {}}",
        "feedback: {}\nsource: 5",
        "feedback: {}\nsource: {source_type: DOG}",
        "a: [",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    info=st.lists(LINES, max_size=5).map("\n".join) | ANY_TEXT,
    spans=SPANS | ANY_TEXT,
    assessment=ASSESSMENTS,
)
def test_whatever_the_files_hold_a_reader_gets_a_trace_or_an_error_of_ours(
    info: str, spans: str, assessment: str, tmp_path: Path
) -> None:
    folder = tmp_path / "0" / "traces" / TRACE_ID
    for part in ("assessments", "artifacts"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "trace_info.yaml").write_bytes(info.encode("utf-8", "surrogatepass"))
    (folder / "artifacts/traces.json").write_bytes(spans.encode("utf-8", "surrogatepass"))
    (folder / "assessments/a-1.yaml").write_text(assessment)
    store = FileStore(tmp_path).traces
    with contextlib.suppress(TrackletException):
        store.get_trace(TRACE_ID).to_json()
    found = store.search_traces(["0"], "feedback.x IS NULL OR tags.a = 'b'", order_by=["end_time"])
    assert len(found) <= 1
