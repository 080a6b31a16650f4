"""Searches answer what a naive reading of the filter answers."""

from __future__ import annotations

import math
import re
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from tracklet.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    ViewType,
)
from tracklet.errors import InvalidParameterValue
from tracklet.reading.bulk import put_run
from tracklet.reading.connection import SqliteReader, open_sqlite
from tracklet.reading.queries import search
from tracklet.reading.tables import sqlite_statements
from tracklet.record.query import Searches
from tracklet.search import RUNS, Comparison, Not, Or, parse_filter, parse_order_by
from tracklet_services.sql import SqlStore, schema, values
from tracklet_services.sql.schema import SqlReader


class Runs(Searches):
    """The searches over the tables of a reader."""

    def __init__(self, reader) -> None:
        self.reader = reader

    def search(self, query):
        return search(self.reader, query)


def search_runs(reader, *args, **options):
    return Runs(reader).search_runs(*args, **options)


# -- an oracle: the meaning of a filter, spelled out in Python ---------------------------------


def values_of(run: Run, key):
    """The values that a clause looks at: none if the key is missing."""
    if key.kind == "metric":
        found = run.data.metrics.get(key.name)
    elif key.kind == "param":
        found = run.data.params.get(key.name)
    elif key.kind == "tag":
        found = run.data.tags.get(key.name)
    elif key.kind == "dataset":
        if key.name == "context":
            return [
                tag.value
                for used in run.inputs.dataset_inputs
                for tag in used.tags
                if tag.key == "mlflow.data.context"
            ]
        return [getattr(used.dataset, key.name) for used in run.inputs.dataset_inputs]
    else:
        found = getattr(run.info, key.name)
    return [] if found is None else [found]


def like(pattern: str, flags=0):
    parts = {"%": ".*", "_": "."}
    text = "".join(parts.get(c) or re.escape(c) for c in pattern)
    return lambda value: re.fullmatch(text, value, re.DOTALL | flags) is not None


def holds(tree, run: Run) -> bool:
    if isinstance(tree, Not):
        return not holds(tree.operand, run)
    if not isinstance(tree, Comparison):
        return (any if isinstance(tree, Or) else all)(holds(o, run) for o in tree.operands)
    values, wanted = values_of(run, tree.key), tree.value
    if tree.operator == "IS NULL":
        return not values
    tests = {
        "=": lambda v: v == wanted,
        "!=": lambda v: v != wanted,
        ">": lambda v: v > wanted,
        ">=": lambda v: v >= wanted,
        "<": lambda v: v < wanted,
        "<=": lambda v: v <= wanted,
        "IN": lambda v: v in wanted,
        "NOT IN": lambda v: v not in wanted,
        "LIKE": lambda v: like(wanted)(v),
        "NOT LIKE": lambda v: not like(wanted)(v),
        "ILIKE": lambda v: like(wanted, re.IGNORECASE)(v),
        "NOT ILIKE": lambda v: not like(wanted, re.IGNORECASE)(v),
        "IS NOT NULL": lambda v: True,
    }
    return any(tests[tree.operator](value) for value in values)


def expected(runs, text, order_by=()):
    tree = parse_filter(text, RUNS)
    found = [run for run in runs if tree is None or holds(tree, run)]
    found.sort(key=lambda run: run.info.run_id)
    found.sort(key=lambda run: -run.info.start_time if run.info.start_time is not None else 1)
    for order in reversed(parse_order_by(order_by, RUNS)):

        def present(run, order=order):
            values = values_of(run, order.key)
            return bool(values) and values[0] == values[0]

        def rank(run, order=order):
            values = values_of(run, order.key)
            return 2 if not values else 1 if values[0] != values[0] else 0

        with_value = [run for run in found if present(run)]
        without = sorted((run for run in found if not present(run)), key=rank)
        with_value.sort(
            key=lambda run, order=order: values_of(run, order.key)[0], reverse=not order.ascending
        )
        found = with_value + without
    return [run.info.run_id for run in found]


# -- random runs and random filters ------------------------------------------------------------

KEYS = st.sampled_from(["a", "b", "x y"])
TEXTS = st.sampled_from(
    ["", "a", "A", "ab", "a%b", "a_b", "[a]", "*", "ä", "Ä", "1", "a\\b", "a\nb"]
)
NUMBERS = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 1e308, math.inf, -math.inf, math.nan])
PATTERNS = st.sampled_from(["%", "a%", "_", "%B", "a_b", "[%", "*", "Ä", "%\\%", "?", ""])


@st.composite
def runs_of_a_store(draw):
    found = []
    for number in range(draw(st.integers(0, 6))):
        start = draw(st.one_of(st.none(), st.integers(0, 3)))
        used = [
            DatasetInput(
                Dataset(draw(TEXTS) or "d", draw(TEXTS), "s", "{}"),
                draw(st.sampled_from([[], [InputTag("mlflow.data.context", "train")]])),
            )
            for _ in range(draw(st.integers(0, 2)))
        ]
        found.append(
            Run(
                RunInfo(
                    run_id=f"r{number}",
                    experiment_id="1",
                    user_id=draw(TEXTS),
                    status=draw(st.sampled_from(["RUNNING", "FINISHED"])),
                    start_time=start,
                    end_time=draw(st.one_of(st.none(), st.integers(0, 3))),
                    run_name=draw(st.one_of(st.none(), TEXTS)),
                    artifact_uri="",
                ),
                RunData(
                    metrics=draw(st.dictionaries(KEYS, NUMBERS, max_size=3)),
                    params=draw(st.dictionaries(KEYS, TEXTS, max_size=3)),
                    tags=draw(st.dictionaries(KEYS, TEXTS, max_size=3)),
                ),
                RunInputs(dataset_inputs=used),
            )
        )
    return found


def quoted(text: str) -> str:
    return f"'{text}'"


@st.composite
def clauses(draw):
    kind = draw(st.sampled_from(["metrics", "params", "tags", "text", "time", "datasets"]))
    null = draw(st.sampled_from([False, False, False, True]))
    if kind in ("metrics", "time"):
        key = f"metrics.`{draw(KEYS)}`"
        if kind == "time":
            key = draw(st.sampled_from(["start_time", "end_time"]))
        operator = draw(st.sampled_from(["=", "!=", ">", ">=", "<", "<=", "IN", "NOT IN"]))
        number = draw(NUMBERS.filter(lambda n: n == n))
        value = f"({number!r}, 1)" if operator.endswith("IN") else repr(number)
    else:
        key = {
            "params": lambda: f"params.`{draw(KEYS)}`",
            "tags": lambda: f'tags."{draw(KEYS)}"',
            "text": lambda: draw(st.sampled_from(["run_name", "status", "user_id", "run_id"])),
            "datasets": lambda: draw(st.sampled_from(["dataset.name", "datasets.context"])),
        }[kind]()
        operator = draw(st.sampled_from(["=", "!=", "IN", "NOT IN", "LIKE", "ILIKE", "NOT LIKE"]))
        if operator.endswith("IN"):
            value = f"({quoted(draw(TEXTS))}, {quoted(draw(TEXTS))})"
        else:
            value = quoted(draw(PATTERNS if operator.endswith("LIKE") else TEXTS))
    if null:
        return f"{key} {draw(st.sampled_from(['IS NULL', 'is not null']))}"
    return f"{key} {operator} {value}"


FILTERS = st.recursive(
    clauses(),
    lambda inner: st.one_of(
        st.builds("{} AND {}".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("NOT ({})".format, inner),
    ),
    max_leaves=5,
)
ORDERS = st.lists(
    st.builds(
        "{} {}".format,
        st.sampled_from(
            ["metrics.a", "params.a", "tags.b", "end_time", "run_name", "start_time", "status"]
        ),
        st.sampled_from(["", "ASC", "desc"]),
    ),
    max_size=2,
    unique_by=lambda item: item.split()[0],
)


class Filled(SqliteReader):
    """A reader of a database that can be filled."""

    def __init__(self, db) -> None:
        super().__init__(db)
        self.db = db


@pytest.fixture(scope="module")
def connection():
    db = open_sqlite(":memory:")
    for statement in sqlite_statements():
        db.execute(statement)
    yield Filled(db)
    db.close()


def fill(connection: Filled, runs) -> None:
    connection.db.execute("DELETE FROM runs")
    for run in runs:
        put_run(connection.db, run, [Metric(k, v, 0, 0) for k, v in run.data.metrics.items()])


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(runs_of_a_store(), st.one_of(st.just(""), FILTERS), ORDERS)
def test_a_search_finds_what_the_filter_means_in_the_order_asked_for(
    connection, runs, text, order_by
):
    """Random filters over random runs give the same runs as a naive reading, in the same order."""
    fill(connection, runs)
    found = search_runs(connection, ["1"], text, order_by=order_by)
    assert [run.info.run_id for run in found] == expected(runs, text, order_by)
    first = search_runs(connection, ["1"], text, order_by=order_by, max_results=2)
    assert [run.info.run_id for run in first] == [run.info.run_id for run in found[:2]]


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(runs_of_a_store())
def test_runs_come_back_as_they_were_put_in(connection, runs):
    """Every value survives, to the sign of zero."""
    fill(connection, runs)
    found = {run.info.run_id: run for run in search_runs(connection, ["1"])}
    assert len(found) == len(runs)
    for run in runs:
        copy = found[run.info.run_id]
        assert copy.info == run.info
        assert copy.data.params == run.data.params
        assert copy.data.tags == run.data.tags
        assert repr(copy.data.metrics) == repr(dict(sorted(run.data.metrics.items())))
        names = [used.dataset.name for used in copy.inputs.dataset_inputs]
        assert names == [used.dataset.name for used in run.inputs.dataset_inputs]


def fill_anywhere(connection: Connection, runs) -> None:
    """Put runs in by plain statements, which any database understands."""
    connection.execute(schema.datasets.delete())
    connection.execute(schema.runs.delete())
    for run in runs:
        info = run.info
        (row,) = connection.execute(
            schema.runs.insert().values(
                run_id=info.run_id,
                experiment_id=info.experiment_id,
                name=info.run_name,
                user_id=info.user_id,
                status=info.status,
                start_time=info.start_time,
                end_time=info.end_time,
                lifecycle_stage=info.lifecycle_stage,
                artifact_uri=info.artifact_uri,
            )
        ).inserted_primary_key
        points = [Metric(key, value, 0, 0) for key, value in run.data.metrics.items()]
        values.put_points(connection, row, points)
        values.put_tags(connection, schema.params, "run", row, run.data.params)
        values.put_tags(connection, schema.tags, "run", row, run.data.tags)
        for used in run.inputs.dataset_inputs:
            data = used.dataset
            (dataset,) = connection.execute(
                schema.datasets.insert().values(
                    experiment_id=str(uuid.uuid4()),
                    **dict(data),
                )
            ).inserted_primary_key
            (link,) = connection.execute(
                schema.inputs.insert().values(run=row, dataset=dataset)
            ).inserted_primary_key
            tags = {tag.key: tag.value for tag in used.tags}
            values.put_tags(connection, schema.input_tags, "input", link, tags)


@pytest.mark.postgresql
def test_searches_mean_the_same_on_postgresql(fresh_database):
    """Random filters over random runs give what a naive reading gives there, too."""
    store = SqlStore(fresh_database)
    try:
        with store.backend.engine.connect() as connection:
            reader = SqlReader(connection)

            @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
            @given(runs_of_a_store(), st.one_of(st.just(""), FILTERS), ORDERS)
            def check(runs, text, order_by):
                fill_anywhere(connection, runs)
                found = search_runs(reader, ["1"], text, order_by=order_by)
                assert [run.info.run_id for run in found] == expected(runs, text, order_by)
                first = search_runs(reader, ["1"], text, order_by=order_by, max_results=2)
                assert [run.info.run_id for run in first] == [run.info.run_id for run in found[:2]]
                by_id = {run.info.run_id: run for run in search_runs(reader, ["1"])}
                for run in runs:
                    metrics = by_id[run.info.run_id].data.metrics
                    assert repr(metrics) == repr(dict(sorted(run.data.metrics.items())))

            check()
            wide = " OR ".join(f"tags.a = '{n}'" for n in range(1000))
            search_runs(reader, ["1"], wide)
            search_runs(reader, ["1"], " AND ".join(["tags.a = '7'"] * 1000))
    finally:
        store.close()


def test_the_pages_of_a_search_are_its_results_cut_up(connection):
    """Tokens lead through all runs, once each; the last page has none."""
    runs = [Run(RunInfo(f"r{n:02}", "1", "", "FINISHED", 5, None)) for n in range(7)]
    fill(connection, runs)
    found, token, pages = [], None, 0
    while True:
        page = search_runs(connection, ["1"], max_results=3, page_token=token)
        found += [run.info.run_id for run in page]
        pages += 1
        token = page.token
        if token is None:
            break
    assert found == [run.info.run_id for run in runs]
    assert pages == 3
    assert search_runs(connection, ["1"], max_results=7).token is None


def test_only_the_named_experiments_and_stages_are_searched(connection):
    """No experiment, no runs; deleted runs only in the views that show them."""
    runs = [
        Run(RunInfo("r1", "1", "", "FINISHED", 1, None)),
        Run(RunInfo("r2", "2", "", "FINISHED", 2, None)),
        Run(RunInfo("r3", "1", "", "FINISHED", 3, None, lifecycle_stage="deleted")),
    ]
    fill(connection, runs)

    def ids(*args, **options):
        return [run.info.run_id for run in search_runs(connection, *args, **options)]

    assert ids([]) == []
    assert ids(["1"]) == ["r1"]
    assert ids(["1", "2", "1"]) == ["r2", "r1"]
    assert ids(["1"], run_view_type=ViewType.DELETED_ONLY) == ["r3"]
    assert ids(["1"], run_view_type=ViewType.ALL) == ["r3", "r1"]
    for bad in ({"1": 1}, [None], 1.5):
        with pytest.raises(InvalidParameterValue):
            ids(bad)


def test_large_filters_are_searched(connection):
    """A thousand clauses, and lists of tens of thousands of values, are no problem."""
    fill(connection, [Run(RunInfo("r1", "1", "u", "FINISHED", 1, None), RunData(tags={"a": "7"}))])
    wide = " OR ".join(f"tags.a = '{n}'" for n in range(1000))
    assert len(search_runs(connection, ["1"], wide)) == 1
    assert len(search_runs(connection, ["1"], " AND ".join(["tags.a = '7'"] * 1000))) == 1
    deep = "NOT (" * 25 + "tags.a = '7'" + ")" * 25
    assert len(search_runs(connection, ["1"], deep)) == 0
    deep = "(tags.a = '8' OR " * 50 + "tags.a = '7'" + ")" * 50
    assert len(search_runs(connection, ["1"], deep)) == 1
    listed = "run_id IN (" + ",".join(["'r'"] * 24_000) + ",'r1')"
    assert len(search_runs(connection, ["1"], listed)) == 1
