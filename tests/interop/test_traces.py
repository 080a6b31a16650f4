"""Traces: MLflow reads ours, we read MLflow's, and one script gives both the same answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tracklet
from tracklet.entities import AssessmentSource, SpanEvent, Trace

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("tracklet_home")]

DESCRIBE = """
    def described(trace):
        info = trace.info
        return {
            "info": [info.trace_id, str(getattr(info.state, "value", info.state)),
                     info.experiment_id, info.request_time, info.execution_duration,
                     info.request_preview, info.response_preview, info.client_request_id],
            "tags": {k: v for k, v in info.tags.items() if k != "mlflow.artifactLocation"},
            "metadata": info.trace_metadata,
            "spans": [
                [s.name, s.trace_id, s.span_id, s.parent_id, s.start_time_ns, s.end_time_ns,
                 s.status.status_code.value, s.status.description, s.span_type, s.inputs,
                 s.outputs, s.attributes,
                 [[e.name, e.timestamp, dict(e.attributes)] for e in s.events]]
                for s in trace.data.spans
            ],
            "assessments": [
                [a.assessment_id, a.name, type(a).__name__, a.source.source_type,
                 a.source.source_id, a.rationale, a.metadata, a.span_id, a.create_time_ms,
                 a.feedback.value if a.feedback else a.expectation.value,
                 a.error.error_message if a.error else None]
                for a in sorted(info.assessments, key=lambda a: a.assessment_id)
            ],
            "data": [trace.data.request, trace.data.response],
        }
"""


def described(trace: Trace | None) -> Any:
    """What ``DESCRIBE`` answers, read by us."""
    assert trace is not None
    scope: dict[str, Any] = {}
    exec(textwrap.dedent(DESCRIBE), scope)
    return json.loads(json.dumps(scope["described"](trace)))


def test_mlflow_reads_a_trace_of_ours_entity_by_entity(in_mlflow: Callable[..., Any]) -> None:
    tracklet.set_experiment("mit 痕跡")
    model = tracklet.set_active_model(name="net")

    @tracklet.trace(name="antwort", span_type="AGENT", attributes={"k": {"a": [1, None]}})
    def answer(question: str, *rest: int, top: int = 3) -> dict[str, Any]:
        with tracklet.start_span("search", "RETRIEVER") as span:
            span.set_inputs({"q": "hé\n\x85\u2028 \U0001f600 \x00 '\"\\"})
            span.add_event(SpanEvent("hit", attributes={"n": 1}))
        tracklet.update_current_trace(
            tags={"team": "a", "x.y": ""},
            metadata={"m": "é"},
            client_request_id="42",
            session_id="s",
        )
        return {"text": question * top, "nan": None}

    @tracklet.trace
    def fail() -> None:
        raise ValueError("boom")

    with tracklet.start_run() as run:
        answer("why? ü", 1, 2)
    first = str(tracklet.get_last_active_trace_id())
    with pytest.raises(ValueError, match="boom"):
        fail()
    second = str(tracklet.get_last_active_trace_id())
    tracklet.set_trace_tag(first, "later", "1")
    human = AssessmentSource("HUMAN", "me")
    tracklet.log_feedback(
        trace_id=first, name="good", value=True, source=human, rationale="r", metadata={"a": "b"}
    )
    tracklet.log_feedback(trace_id=first, name="broken", error=ValueError("no judge"))
    tracklet.log_expectation(trace_id=first, name="plain", value="Paris")
    tracklet.log_expectation(trace_id=first, name="nested", value={"a": [1]})
    theirs = in_mlflow(
        DESCRIBE
        + """
    experiment = mlflow.set_experiment("mit 痕跡")
    find = lambda **asked: [t.info.trace_id for t in mlflow.search_traces(
        return_type="list", order_by=["timestamp ASC"], **asked)]
    answer({
        "read": [described(mlflow.get_trace(trace_id)) for trace_id in arguments[:2]],
        "all": find(),
        "run": find(run_id=arguments[2]),
        "model": find(model_id=arguments[3]),
        "failed": find(filter_string="status = 'ERROR'"),
        "tagged": find(filter_string="tags.team = 'a' AND tags.later = '1'"),
        "frame": len(mlflow.search_traces()),
    })
    """,
        first,
        second,
        run.info.run_id,
        model.model_id,
    )
    assert theirs["read"] == [described(tracklet.get_trace(t)) for t in (first, second)]
    assert theirs["all"] == theirs["model"] == [first, second]
    assert theirs["run"] == theirs["tagged"] == [first]
    assert theirs["failed"] == [second]
    assert theirs["frame"] == 2


def test_we_read_a_trace_of_mlflows_entity_by_entity(in_mlflow: Callable[..., Any]) -> None:
    theirs = in_mlflow(
        DESCRIBE
        + """
    from mlflow.entities import AssessmentSource, SpanEvent
    mlflow.set_experiment("theirs 痕跡")
    model = mlflow.set_active_model(name="net")

    @mlflow.trace(span_type="AGENT", attributes={"k": {"a": [1, None]}})
    def ask(question, *rest, top=3):
        with mlflow.start_span("search", "RETRIEVER") as span:
            span.set_inputs({"q": "hé \\U0001f600"})
            span.add_event(SpanEvent("hit", attributes={"n": 1}))
        mlflow.update_current_trace(tags={"team": "a"}, metadata={"m": "é"},
                                    client_request_id="42", session_id="s")
        return question * top

    @mlflow.trace
    def stream(n):
        for i in range(n):
            yield i

    @mlflow.trace
    def fail():
        raise ValueError("boom")

    ids = []
    with mlflow.start_run() as run:
        ask("why? ü", 1)
        ids.append(mlflow.get_last_active_trace_id())
    list(stream(3))
    ids.append(mlflow.get_last_active_trace_id())
    try:
        fail()
    except ValueError:
        ids.append(mlflow.get_last_active_trace_id())
    mlflow.flush_trace_async_logging()
    mlflow.set_trace_tag(ids[0], "later", "1")
    mlflow.log_feedback(trace_id=ids[0], name="good", value=[0.5, "x"], rationale="r",
                        source=AssessmentSource("HUMAN", "me"), metadata={"a": "b"})
    mlflow.log_feedback(trace_id=ids[0], name="broken", error=ValueError("no judge"))
    mlflow.log_expectation(trace_id=ids[0], name="nested", value={"a": [1]})
    answer([ids, run.info.run_id, model.model_id, [described(mlflow.get_trace(t)) for t in ids]])
    """
    )
    ids, run_id, model_id, read = theirs
    assert [described(tracklet.get_trace(trace_id)) for trace_id in ids] == read
    tracklet.set_experiment("theirs 痕跡")

    def find(**asked: Any) -> list[str]:
        found = tracklet.search_traces(return_type="list", order_by=["timestamp"], **asked)
        return [trace.trace_id for trace in found]

    assert sorted(find()) == sorted(find(model_id=model_id)) == sorted(ids)
    assert find(run_id=run_id) == find(filter_string="tags.later = '1'") == ids[:1]
    assert find(filter_string="status = 'ERROR'") == ids[2:]
    assert find(filter_string="span.type = 'RETRIEVER'") == ids[:1]


def test_either_side_tags_assesses_and_deletes_what_the_other_wrote(
    in_mlflow: Callable[..., Any], tracklet_home: Path
) -> None:
    with tracklet.start_span("ours") as span:
        pass
    other = in_mlflow(
        """
    trace_id = arguments[0]
    mlflow.set_trace_tag(trace_id, "theirs", "1")
    mlflow.log_feedback(trace_id=trace_id, name="f", value=True)
    with mlflow.start_span("theirs") as span:
        pass
    mlflow.flush_trace_async_logging()
    answer(span.trace_id)
    """,
        span.trace_id,
    )
    trace = tracklet.get_trace(span.trace_id)
    assert trace is not None
    assert trace.info.tags["theirs"] == "1"
    (feedback,) = trace.info.assessments
    tracklet.override_feedback(
        trace_id=span.trace_id, assessment_id=str(feedback.assessment_id), value=False
    )
    tracklet.set_trace_tag(other, "ours", "1")
    tracklet.delete_trace_tag(span.trace_id, "theirs")
    answered = in_mlflow(
        """
    trace, other = [mlflow.get_trace(trace_id) for trace_id in arguments]
    answer([
        sorted((a.feedback.value, a.valid) for a in trace.info.assessments),
        "theirs" in trace.info.tags,
        other.info.tags["ours"],
        client.delete_traces(experiment_id="0", trace_ids=[arguments[0]]),
    ])
    """,
        span.trace_id,
        other,
    )
    assert answered == [[[False, True], [True, False]], False, "1", 1]
    assert tracklet.get_trace(span.trace_id, silent=True) is None
    assert tracklet.TrackletClient().delete_traces("0", trace_ids=[other]) == 1
    assert not list((tracklet_home / "mlruns/0/traces").iterdir())


SCRIPTS = {
    "kinds of functions": """
        import asyncio, functools, inspect

        class Model:
            @mlflow.trace(name="meth", span_type="CHAIN")
            def method(self, x, *, y=2): return x + y
            @mlflow.trace
            @classmethod
            def make(cls, x): return x
            @staticmethod
            @mlflow.trace
            def static(x): return x

        @mlflow.trace
        def stream(n):
            for i in range(n): yield {"i": i}
        @mlflow.trace(output_reducer=lambda items: sum(i for i in items))
        def reduced(n):
            for i in range(n): yield i
        @mlflow.trace
        async def wait(x):
            with mlflow.start_span("inside"):
                await asyncio.sleep(0)
            return [x]
        @mlflow.trace
        async def flow(n):
            for i in range(n): yield i
        async def main():
            await wait("é")
            return [i async for i in flow(3)]
        Model().method(1); Model.make(2); Model.static(3)
        list(stream(2)); list(reduced(3)); asyncio.run(main())
        mlflow.trace(sorted)([3, 1], reverse=True)
        answer(spans())
    """,
    "errors": """
        @mlflow.trace
        def inner(x): raise KeyError(x)
        @mlflow.trace
        def outer(x):
            try: inner(x)
            except KeyError: return "caught"
        outer("k")
        try:
            with mlflow.start_span("block"): raise RuntimeError("why")
        except RuntimeError: pass
        answer(spans())
    """,
    "by hand": """
        from mlflow.entities import SpanStatus, SpanStatusCode, SpanEvent, SpanType
        with mlflow.start_span("a", span_type=SpanType.LLM, attributes={"k": 1}) as a:
            a.set_inputs({"q": [1, {"b": None}]})
            a.set_outputs("text")
            a.set_attributes({"x": (1, 2), "y": 0.5, "z": True})
            assert mlflow.get_current_active_span().span_id == a.span_id
            assert mlflow.get_active_trace_id() == a.trace_id
            with mlflow.start_span("b") as b:
                b.set_status(SpanStatus(SpanStatusCode.ERROR, "bad"))
            mlflow.update_current_trace(tags={"t": "1"}, metadata={"m": "2"},
                client_request_id="id", session_id="s", user="u")
        root = mlflow.start_span_no_context("root", inputs={"x": 1}, tags={"u": "v"})
        child = mlflow.start_span_no_context("child", span_type="TOOL", parent_span=root)
        child.end(outputs=[1], attributes={"late": 1})
        root.end(outputs={"o": 2}, status="ERROR")
        assert mlflow.get_active_trace_id() is None
        answer(spans())
    """,
    "finding": """
        for n in range(4):
            with mlflow.start_span(f"s{n}") as span:
                span.set_inputs({"n": n})
                mlflow.update_current_trace(tags={"parity": "even" if n % 2 == 0 else "odd"})
            import time; time.sleep(0.002)
        mlflow.flush_trace_async_logging()
        def names(**asked):
            found = mlflow.search_traces(return_type="list", **asked)
            return [t.data.spans[0].name for t in found]
        frame = mlflow.search_traces(order_by=["timestamp ASC"])
        answer([
            names(), names(order_by=["timestamp ASC"]), names(max_results=2),
            names(filter_string="tags.parity = 'odd'"),
            names(filter_string="tags.parity != 'odd' AND status = 'OK'"),
            names(filter_string="name = 's1'"), names(filter_string="name LIKE 's%'"),
            names(filter_string="status = 'ERROR'"),
            list(frame.columns), list(frame["request"]), list(frame["state"]),
            mlflow.get_trace("tr-" + "0" * 32),
        ])
    """,
}

PREAMBLE = """
import json, os, sys, warnings
warnings.simplefilter("ignore")
if sys.argv[1] == "tracklet":
    import tracklet as mlflow
    sys.modules["mlflow"] = mlflow
    import tracklet.entities
    sys.modules["mlflow.entities"] = tracklet.entities
else:
    import mlflow
mlflow.set_tracking_uri(sys.argv[2])

def spans():
    mlflow.flush_trace_async_logging()
    traces = mlflow.search_traces(return_type="list")
    told = []
    for t in sorted(traces, key=lambda t: t.data.spans[0].start_time_ns):
        names = {s.span_id: s.name for s in t.data.spans}
        told.append([
            t.info.state, t.info.request_preview, t.info.response_preview,
            t.info.client_request_id, t.info.tags["mlflow.traceName"],
            sorted(i for i in t.info.tags.items() if not i[0].startswith("mlflow.")),
            sorted(i for i in t.info.trace_metadata.items()
                   if i[0] in ("m", "mlflow.trace.session", "mlflow.trace.user",
                               "mlflow.trace_schema.version")),
            [[s.name, names.get(s.parent_id), s.inputs, s.outputs, s.span_type,
              s.status.status_code, s.status.description,
              {k: v for k, v in s.attributes.items() if not k.startswith("mlflow.")},
              [[e.name, {k: v for k, v in e.attributes.items() if "stack" not in k}]
               for e in s.events]]
             for s in t.data.spans],
        ])
    return told

answers = {}
for name, script in json.loads(sys.argv[4]).items():
    mlflow.set_experiment(name)
    exec(script, {**globals(), "answer": lambda value: answers.update({name: value})})
with open(sys.argv[3], "w") as file:
    json.dump(answers, file, default=str)
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What all scripts answer under MLflow, and what under tracklet."""
    mlflow = os.environ.get("TRACKLET_MLFLOW_PYTHON")
    if not mlflow:
        pytest.skip("TRACKLET_MLFLOW_PYTHON names no interpreter with MLflow")
    scripts = json.dumps({name: textwrap.dedent(text) for name, text in SCRIPTS.items()})
    found = []
    for who, python in (("mlflow", mlflow), ("tracklet", sys.executable)):
        home = tmp_path_factory.mktemp(who)
        reply = home / "answers.json"
        done = subprocess.run(
            [python, "-c", PREAMBLE, who, str(home / "mlruns"), str(reply), scripts],
            cwd=home,
            capture_output=True,
            text=True,
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("TRACKLET_")},
                "MLFLOW_ALLOW_FILE_STORE": "true",
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "TRACKLET_CACHE_DIR": str(home / "cache"),
                "TRACKLET_STRICT": "true",
            },
        )
        assert done.returncode == 0, done.stderr[-4000:]
        found.append(json.loads(reply.read_text()))
    return found


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_gives_the_same_answer_under_either(
    name: str, answers: list[dict[str, Any]]
) -> None:
    theirs, ours = answers
    assert ours[name] == theirs[name]
