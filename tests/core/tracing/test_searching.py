"""Finding traces: filters, orders, pages and tables; tagging and deleting what was found."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracklet
from tracklet.entities import (
    LiveSpan,
    SpanStatus,
    SpanStatusCode,
    TraceInfo,
    TraceLocation,
    TraceState,
)
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist
from tracklet.search import TRACES, parse_filter
from tracklet.search.syntax import matches
from tracklet.stores.files import FileStore


@pytest.fixture
def three(tracklet_home: Path) -> dict[str, str]:
    """Three traces, the id of each by its name."""
    with (
        tracklet.start_run() as run,
        tracklet.start_span("a", "CHAIN", {"model": "big", "n": 5}) as a,
    ):
        a.set_inputs({"question": "why?"})
        tracklet.update_current_trace(tags={"team": "x"}, metadata={"m": "1"})
        with tracklet.start_span("search", "RETRIEVER"):
            time.sleep(0.002)  # traces of one millisecond are ordered by their ids
    with suppress(ValueError), tracklet.start_span("b") as b:
        tracklet.update_current_trace(
            tags={"team": "Y", "dotted.key": "1"}, client_request_id="mine"
        )
        raise ValueError("boom")
    time.sleep(0.002)
    with tracklet.start_span("c") as c:
        c.set_outputs("because")
    tracklet.log_feedback(trace_id=a.trace_id, name="good", value=True)
    tracklet.log_feedback(trace_id=b.trace_id, name="score", value=0.5)
    tracklet.log_expectation(trace_id=b.trace_id, name="answer", value="42")
    return {"a": a.trace_id, "b": b.trace_id, "c": c.trace_id, "run": run.info.run_id}


FILTERS = [
    ("", "abc"),
    ("status = 'ERROR'", "b"),
    ("trace.status != 'OK'", "b"),
    ("attributes.status IN ('OK', 'ERROR')", "abc"),
    ("name = 'a'", "a"),
    ("name LIKE '_'", "abc"),
    ("tags.team = 'x'", "a"),
    ("tags.team ILIKE 'y%'", "b"),
    ("tags.team != 'x'", "b"),
    ("tags.team IS NULL", "c"),
    ("tags.dotted.key IS NOT NULL", "b"),
    ("metadata.m = '1'", "a"),
    ("request_metadata.`mlflow.sourceRun` IS NULL", "bc"),
    ("run_id = '{run}'", "a"),
    ("request_id = '{c}'", "c"),
    ("client_request_id = 'mine'", "b"),
    ("timestamp_ms > 0 AND timestamp < 9e15", "abc"),
    ("execution_time_ms >= 0", "abc"),
    ("end_time > 0", "abc"),
    ("span.name = 'search'", "a"),
    ("span.type IN ('RETRIEVER', 'TOOL')", "a"),
    ("span.status = 'ERROR'", "b"),
    ("span.content LIKE '%boom%'", "b"),
    ("span.attributes.model = 'big'", "a"),
    ("span.attributes.n = '5'", "a"),
    ("span.attributes.`mlflow.spanOutputs` LIKE 'bec%'", "c"),
    ("trace.text LIKE '%why?%'", "a"),
    ("feedback.good = 'true'", "a"),
    ("feedback.score = '0.5'", "b"),
    ("feedback.score IS NULL", "ac"),
    ("feedback.score > 0.4", "b"),
    ("feedback.score = 0.5 AND feedback.score <= 1", "b"),
    ("feedback.score > 0.5 OR feedback.good > 0", ""),
    ("feedback.score LIKE '0%'", "b"),
    ("expectation.answer >= 42", "b"),
    ("tags.team RLIKE '^[xY]$'", "ab"),
    ("span.name rlike 'arc'", "a"),
    ("expectation.answer = '42'", "b"),
    ("expectation.score IS NOT NULL", ""),
    ("name = 'a' OR (status = 'ERROR' AND NOT tags.team = 'x')", "ab"),
]


@pytest.mark.parametrize(("text", "names"), FILTERS)
def test_a_filter_finds_what_it_says(text: str, names: str, three: dict[str, str]) -> None:
    found = tracklet.search_traces(filter_string=text.format(**three), return_type="list")
    assert {t.info.trace_id for t in found} == {three[name] for name in names}


def test_a_filter_compares_how_long_traces_took(three: dict[str, str]) -> None:
    took = {
        t.info.trace_id: t.info.execution_duration
        for t in tracklet.search_traces(return_type="list")
    }
    for least in took.values():
        found = tracklet.search_traces(
            filter_string=f"execution_time_ms >= {least}", return_type="list"
        )
        assert {t.info.trace_id for t in found} == {one for one in took if took[one] >= least}


@pytest.mark.parametrize(
    "text",
    [
        "trace_id = 'x'",
        "state = 'OK'",
        "spans.name = 'a'",
        "status > 'OK'",
        "timestamp_ms > '5'",
        "tags.team",
        "text = ",
        "span.duration = '5'",
        "tags.team RLIKE '['",
        "tags.team RLIKE 5",
        "tags.team NOT RLIKE 'x'",
        "timestamp_ms RLIKE '5'",
        "feedback.score > high",
    ],
)
def test_a_malformed_filter_is_refused(text: str, three: dict[str, str]) -> None:
    with pytest.raises(InvalidParameterValue):
        tracklet.search_traces(filter_string=text, return_type="list")


ORDERS = [
    (None, "cba"),
    (["timestamp ASC"], "abc"),
    (["execution_time DESC", "timestamp ASC"], "abc"),
    (["name DESC"], "cba"),
    (["tags.team"], "bac"),
    (["tags.team DESC"], "abc"),
    (["status ASC", "timestamp DESC"], "bca"),
    (["metadata.m", "name"], "abc"),
    (["end_time"], "abc"),
]


@pytest.mark.parametrize(("order", "names"), ORDERS)
def test_an_order_orders_and_missing_keys_come_last(
    order: list[str] | None, names: str, tracklet_home: Path
) -> None:
    store = FileStore(tracklet_home / "mlruns").traces
    tags = {"a": {"team": "x"}, "b": {"team": "Y"}, "c": {}}
    for n, name in enumerate("abc"):
        info = TraceInfo(
            f"tr-{n:032x}",
            TraceLocation.from_experiment_id("0"),
            1000 + n,
            TraceState.ERROR if name == "b" else TraceState.OK,
            execution_duration=100 - 50 * (n == 2) - 20 * (n == 1),
            trace_metadata={"m": "1"} if name == "a" else {},
            tags={"mlflow.traceName": name, **tags[name]},
        )
        store.log_trace(info, [])
    if order == ["end_time"]:
        names = "cba"  # 1052, 1081, 1100
    found = store.search_traces(["0"], order_by=order)
    assert "".join(t.info.tags["mlflow.traceName"] for t in found) == names


def test_orders_that_cannot_be_are_refused(three: dict[str, str]) -> None:
    for order in (["feedback.good"], ["nope"], ["name", "name"], ["span.name"]):
        with pytest.raises(InvalidParameterValue):
            tracklet.search_traces(order_by=order, return_type="list")


def test_pages_follow_one_another_without_gaps_or_repetitions(three: dict[str, str]) -> None:
    client = tracklet.TrackletClient()
    seen, token = [], None
    for _ in range(5):
        page = client.search_traces(["0"], max_results=2, page_token=token)
        seen += [t.trace_id for t in page]
        token = page.token
        if token is None:
            break
    assert seen == [three[name] for name in "cba"]
    assert len(tracklet.search_traces(max_results=2, return_type="list")) == 2
    with pytest.raises(InvalidParameterValue):
        client.search_traces(["0"], max_results=0)
    with pytest.raises(InvalidParameterValue):
        client.search_traces(["0"], page_token="?")


def test_run_and_model_narrow_any_filter(three: dict[str, str]) -> None:
    found = tracklet.search_traces(
        run_id=three["run"], filter_string="name = 'b' OR name = 'a'", return_type="list"
    )
    assert [t.trace_id for t in found] == [three["a"]]
    assert tracklet.search_traces(model_id="m-none", return_type="list") == []
    tracklet.set_experiment("another")
    found = tracklet.search_traces(run_id=three["run"], return_type="list")
    assert [t.trace_id for t in found] == [three["a"]]
    with pytest.raises(ResourceDoesNotExist):
        tracklet.search_traces(run_id="0" * 32)


def test_only_the_experiments_asked_for_are_searched(three: dict[str, str]) -> None:
    other = tracklet.create_experiment("other")
    assert tracklet.search_traces(experiment_ids=[other], return_type="list") == []
    assert tracklet.search_traces(locations=[other, "0"], return_type="list")
    assert tracklet.search_traces(experiment_ids=["77"], return_type="list") == []


def test_spans_can_be_left_out(three: dict[str, str]) -> None:
    for trace in tracklet.search_traces(include_spans=False, return_type="list"):
        assert trace.data.spans == []
        assert trace.info.tags


def test_the_table_has_mlflows_columns(three: dict[str, str]) -> None:
    frame: Any = tracklet.search_traces(
        filter_string="name = 'a'", extract_fields=["`a`.inputs.`question`", "search.outputs"]
    )
    assert list(frame.columns) == [
        "trace_id",
        "trace",
        "client_request_id",
        "state",
        "request_time",
        "execution_duration",
        "request",
        "response",
        "trace_metadata",
        "tags",
        "spans",
        "assessments",
        "a.inputs.question",
        "search.outputs",
    ]
    row = frame.iloc[0]
    assert row["trace_id"] == three["a"]
    assert row["request"] == {"question": "why?"}
    assert row["state"] == "OK"
    assert row["a.inputs.question"] == "why?"
    assert [s["name"] for s in row["spans"]] == ["a", "search"]
    assert [a["assessment_name"] for a in row["assessments"]] == ["good"]
    empty: Any = tracklet.search_traces(filter_string="name = 'none'")
    assert len(empty) == 0
    assert "trace_id" in empty.columns
    with pytest.raises(InvalidParameterValue, match="return_type"):
        tracklet.search_traces(return_type="polars")


def test_tags_are_set_found_and_removed(three: dict[str, str]) -> None:
    tracklet.set_trace_tag(three["c"], "a/b", 5)
    (found,) = tracklet.search_traces(filter_string="tags.`a/b` = '5'", return_type="list")
    assert found.trace_id == three["c"]
    tracklet.delete_trace_tag(three["c"], "a/b")
    with pytest.raises(ResourceDoesNotExist, match="a/b"):
        tracklet.delete_trace_tag(three["c"], "a/b")
    for key in ("mlflow.artifactLocation", "../x", ""):
        with pytest.raises(InvalidParameterValue):
            tracklet.set_trace_tag(three["c"], key, "x")
    with pytest.raises(ResourceDoesNotExist):
        tracklet.set_trace_tag("tr-" + "0" * 32, "a", "b")


def test_traces_are_deleted_by_id_or_by_time(three: dict[str, str], tracklet_home: Path) -> None:
    client = tracklet.TrackletClient()
    now = time.time_ns() // 1_000_000 + 1000
    for wrong in (
        {},
        {"max_timestamp_millis": now, "trace_ids": []},
        {"trace_ids": [three["a"]], "max_traces": 1},
        {"max_timestamp_millis": now, "max_traces": 0},
    ):
        with pytest.raises(InvalidParameterValue):
            client.delete_traces("0", **wrong)  # type: ignore[arg-type]
    assert client.delete_traces("0", trace_ids=[three["b"], "tr-" + "0" * 32]) == 1
    assert client.delete_traces("0", max_timestamp_millis=now, max_traces=1) == 1
    (rest,) = tracklet.search_traces(return_type="list")
    assert rest.trace_id == three["c"]
    assert client.delete_traces("0", max_timestamp_millis=0) == 0
    assert client.delete_traces("0", max_timestamp_millis=now) == 1
    assert list((tracklet_home / "mlruns/0/traces").iterdir()) == []


# -- the predicate -----------------------------------------------------------------------------

WORDS = st.sampled_from(["a", "b", "A", "ab", "", "%"])
CLAUSES = st.builds(
    lambda key, op, value: f"tags.{key} {op} '{value}'",
    st.sampled_from("kl"),
    st.sampled_from(["=", "!=", "LIKE", "ILIKE", "NOT LIKE"]),
    WORDS,
) | st.sampled_from(["tags.k IS NULL", "tags.l IS NOT NULL", "tags.k IN ('a', 'b')"])
TREES = st.recursive(
    CLAUSES,
    lambda inner: (
        st.builds("({} AND {})".format, inner, inner)
        | st.builds("({} OR {})".format, inner, inner)
        | st.builds("NOT {}".format, inner)
    ),
    max_leaves=6,
)


@given(left=TREES, right=TREES, tags=st.dictionaries(st.sampled_from("kl"), WORDS))
def test_a_predicate_is_the_logic_of_its_parts(left: str, right: str, tags: dict[str, str]) -> None:
    def holds(text: str) -> bool:
        return matches(parse_filter(text, TRACES), lambda key: (tags.get(key.name),))

    assert holds(f"{left} AND {right}") == (holds(left) and holds(right))
    assert holds(f"{left} OR {right}") == (holds(left) or holds(right))
    assert holds(f"NOT {left}") != holds(left)


@given(tag=st.none() | WORDS, value=WORDS)
def test_a_comparison_with_a_missing_value_is_false(tag: str | None, value: str) -> None:
    def holds(text: str) -> bool:
        return matches(parse_filter(text, TRACES), lambda key: (tag,))

    if tag is None:
        for operator in ("=", "!=", "LIKE", "NOT LIKE", "ILIKE"):
            assert not holds(f"tags.k {operator} '{value}'")
        assert holds("tags.k IS NULL")
    else:
        assert holds(f"tags.k = '{value}'") == (tag == value)
        assert holds(f"tags.k != '{value}'") == (tag != value)
        assert holds(f"tags.k NOT LIKE '{value}'") != holds(f"tags.k LIKE '{value}'")


def test_an_id_of_somebodys_own_comes_back(tracklet_home: Path) -> None:
    store = FileStore(tracklet_home / "mlruns").traces
    info = TraceInfo("my_trace", TraceLocation.from_experiment_id("0"), 5, TraceState.ERROR)
    span = LiveSpan("my_trace", "ab" * 8, None, "n")
    span.end(status=SpanStatus(SpanStatusCode.ERROR, "ünwell"))
    store.log_trace(info, [span])
    (read,) = store.get_trace("my_trace").data.spans
    assert read == span.to_immutable_span()
    assert read.trace_id == "my_trace"
