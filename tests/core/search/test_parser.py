"""The filter language accepts what MLflow accepts, and more, and points at errors."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracklet.errors import InvalidParameterValue
from tracklet.search import (
    EXPERIMENTS,
    LOGGED_MODELS,
    MODEL_VERSIONS,
    REGISTERED_MODELS,
    RUNS,
    And,
    Comparison,
    Key,
    Not,
    Or,
    keys,
    parse_filter,
)


def one(text, vocabulary=RUNS):
    tree = parse_filter(text, vocabulary)
    assert isinstance(tree, Comparison)
    return tree.key.kind, tree.key.name, tree.operator, tree.value


ACCEPTED = {
    "metric.acc>=0.5": ("metric", "acc", ">=", 0.5),
    "metrics.`my metric` = 1": ("metric", "my metric", "=", 1),
    'metrics."my metric" = 1': ("metric", "my metric", "=", 1),
    'metrics."a.b" = 1': ("metric", "a.b", "=", 1),
    "`metrics`.`acc` = 1": ("metric", "acc", "=", 1),
    "metrics.a = 1e3": ("metric", "a", "=", 1000.0),
    "metrics.a = .5": ("metric", "a", "=", 0.5),
    "metrics.a = 5.": ("metric", "a", "=", 5.0),
    "metrics.a=-1": ("metric", "a", "=", -1),
    "metrics.a = +1": ("metric", "a", "=", 1),
    "metrics.a <> 1": ("metric", "a", "!=", 1),
    "metrics.a == 1": ("metric", "a", "=", 1),
    "metrics.a > -inf": None,
    "metrics.and = 1": ("metric", "and", "=", 1),
    "metrics.1 = 1": ("metric", "1", "=", 1),
    "metrics.val/loss < 2": ("metric", "val/loss", "<", 2),
    'params.lr = "0.1"': ("param", "lr", "=", "0.1"),
    "param.lr='1'": ("param", "lr", "=", "1"),
    "parameter.lr='1'": ("param", "lr", "=", "1"),
    "parameters.lr='1'": ("param", "lr", "=", "1"),
    "params.lr ILIKE '0.%'": ("param", "lr", "ILIKE", "0.%"),
    "params.lr not like '0.%'": ("param", "lr", "NOT LIKE", "0.%"),
    "params.lr IS NOT NULL": ("param", "lr", "IS NOT NULL", None),
    "params.lr is null": ("param", "lr", "IS NULL", None),
    "params.in = '1'": ("param", "in", "=", "1"),
    "params.中文='x'": ("param", "中文", "=", "x"),
    "params.learning-rate='x'": ("param", "learning-rate", "=", "x"),
    "params.a='a''b'": ("param", "a", "=", "a''b"),
    "params.a='a\\'b'": ("param", "a", "=", "a\\'b"),
    "params.a='C:\\'": ("param", "a", "=", "C:\\"),
    'params.a="it\'s"': ("param", "a", "=", "it's"),
    "params.a=''": ("param", "a", "=", ""),
    "params.a IN ('1', \"2\",)": ("param", "a", "IN", ("1", "2")),
    "tags.mlflow.runName = 'x'": ("tag", "mlflow.runName", "=", "x"),
    "tag.`mlflow.runName` != 'x'": ("tag", "mlflow.runName", "!=", "x"),
    "run_id NOT IN ('a')": ("attribute", "run_id", "NOT IN", ("a",)),
    "run_id not  in('a','b')": ("attribute", "run_id", "NOT IN", ("a", "b")),
    "`run name` = 'x'": ("attribute", "run_name", "=", "x"),
    "attribute.`Run Name` = 'x'": ("attribute", "run_name", "=", "x"),
    "attributes.Created > 3000": ("attribute", "start_time", ">", 3000),
    "attr.created > 3000": ("attribute", "start_time", ">", 3000),
    "run.status = 'RUNNING'": ("attribute", "status", "=", "RUNNING"),
    "start_time = 1.5": ("attribute", "start_time", "=", 1.5),
    "status IN ('RUNNING', 'FAILED')": ("attribute", "status", "IN", ("RUNNING", "FAILED")),
    "end_time IS NULL": ("attribute", "end_time", "IS NULL", None),
    "metrics.acc IS NULL": ("metric", "acc", "IS NULL", None),
    "metrics.acc IN (1, 2.5)": ("metric", "acc", "IN", (1, 2.5)),
    "datasets.name IN ('a')": ("dataset", "name", "IN", ("a",)),
    "dataset.context = 'train'": ("dataset", "context", "=", "train"),
}


@pytest.mark.parametrize("text", ACCEPTED)
def test_a_clause_on_runs_is_read(text):
    """Every form of a clause gives the key, the operator and the value that it spells."""
    expected = ACCEPTED[text] or ("metric", "a", ">", -math.inf)
    assert one(text) == expected
    assert one(f"  {text}\n AND") == expected


REJECTED = {
    "metrics.acc > '0.6'": ("unquoted number", 14),
    "metrics.acc = nan": ("IS NOT NULL", 14),
    "metrics.acc LIKE '1'": ("number", 12),
    "params.lr = 0.1": ("quoted text", 12),
    "params.lr > '0'": ("order", 10),
    "attributes.run_id IN ()": ("empty", 22),
    "start_time > '2000'": ("unquoted number", 13),
    "foo = 'x'": ("unknown attribute 'foo'", 0),
    "datasets.foo='x'": ("no 'foo'", 0),
    "params.a = '1';": ("';'", 14),
    "metrics.acc": ("expected an operator", 11),
    "metrics.acc >": ("expected an unquoted number", 13),
    "select 1": ("unknown attribute 'select'", 0),
    "   ": ("expected a condition", 3),
    "METRICS.a = 1": ("unknown prefix 'METRICS'", 0),
    "params.a = `x`": ("quoted text", 11),
    "metrics.a = 1_000": ("no number", 12),
    "metrics.a = 0x1F": ("no number", 12),
    "metrics.a between 1 and 2": ("expected an operator", 10),
    "params.a = 'x": ("never closed", 11),
    "(params.a = 'x'": ("parenthesis", 15),
    "params.a = 'x')": ("never opened", 14),
    "params.a = 'x' OR": ("expected a condition", 17),
    "params.a IS 'x'": ("NULL", 12),
    "params.a NOT 'x'": ("IN, LIKE or ILIKE", 13),
    "params.a IN 'x'": ("parentheses", 12),
    "params.a IN ('x' 'y')": ("','", 17),
    "'a' = params.a": ("starts with a key", 0),
    "0.5 < metrics.a": ("starts with a key", 0),
    "name = 'x'": ("unknown attribute 'name'", 0),
    "params.a = 'x' ! params.b = 'y'": ("unexpected '!'", 15),
    "experiment_id = '1'": ("unknown attribute", 0),
}


@pytest.mark.parametrize("text", REJECTED)
def test_a_malformed_filter_is_refused_with_a_caret_under_the_offending_token(text):
    """The error says what was expected, shows the filter with a caret, and gives an example."""
    problem, position = REJECTED[text]
    with pytest.raises(InvalidParameterValue) as caught:
        parse_filter(text, RUNS)
    lines = caught.value.message.split("\n")
    assert problem in lines[0]
    assert lines[1] == "    " + text
    assert lines[2] == "    " + " " * position + "^"
    assert lines[3].startswith("For example: ")
    parse_filter(lines[3].removeprefix("For example: "), RUNS)


def test_no_filter_asks_for_everything():
    """None and the empty text are no filter."""
    assert parse_filter(None, RUNS) is None
    assert parse_filter("", RUNS) is None


def test_or_not_and_parentheses_bind_as_in_sql():
    """NOT binds tightest, then AND, then OR; parentheses change that."""
    a, b, c = (Comparison(Key("tag", k), "=", "1", 0) for k in "abc")

    def shape(text):
        def plain(tree):
            if isinstance(tree, Comparison):
                return Comparison(tree.key, tree.operator, tree.value, 0)
            if isinstance(tree, Not):
                return Not(plain(tree.operand))
            return type(tree)(tuple(map(plain, tree.operands)))

        return plain(parse_filter(text, RUNS))

    t = {"a": "tags.a='1'", "b": "tags.b='1'", "c": "tags.c='1'"}
    assert shape("{a} or {b} AND {c}".format(**t)) == Or((a, And((b, c))))
    assert shape("({a} or {b}) AND {c}".format(**t)) == And((Or((a, b)), c))
    assert shape("NOT {a} AND {b}".format(**t)) == And((Not(a), b))
    assert shape("NOT ({a} AND not {b})".format(**t)) == Not(And((a, Not(b))))


def test_stray_and_missing_ands_mean_what_they_mean_to_mlflow():
    """MLflow ignores surplus ANDs and reads clauses side by side as joined by AND."""
    texts = (
        "tags.a='1' and tags.b='2'",
        "and tags.a='1' and and tags.b='2' AND",
        "tags.a='1' tags.b='2'",
    )
    shapes = {
        tuple((k.kind, k.name) for k in keys(parse_filter(text, RUNS)))
        for text in texts
        if isinstance(parse_filter(text, RUNS), And)
    }
    assert shapes == {(("tag", "a"), ("tag", "b"))}


def test_size_and_depth_are_limited():
    """Monstrous filters are refused, not crashed on."""
    for text in (
        "params.a = '" + "x" * 100_000 + "'",
        " OR ".join(["params.a = '1'"] * 1001),
        "(" * 5000 + "params.a = '1'" + ")" * 5000,
        "NOT " * 5000 + "params.a = '1'",
    ):
        with pytest.raises(InvalidParameterValue) as caught:
            parse_filter(text, RUNS)
        assert len(caught.value.message) < 600
    assert isinstance(parse_filter(" OR ".join(["params.a = '1'"] * 1000), RUNS), Or)


@pytest.mark.parametrize(
    ("vocabulary", "text", "expected"),
    [
        (EXPERIMENTS, "name ILIKE 'x%'", ("attribute", "name", "ILIKE", "x%")),
        (EXPERIMENTS, "attribute.name = 'x'", ("attribute", "name", "=", "x")),
        (EXPERIMENTS, "attributes.name = 'x'", ("attribute", "name", "=", "x")),
        (EXPERIMENTS, "creation_time > 5", ("attribute", "creation_time", ">", 5)),
        (EXPERIMENTS, "experiment_id IN ('1')", ("attribute", "experiment_id", "IN", ("1",))),
        (EXPERIMENTS, "tag.a IS NULL", ("tag", "a", "IS NULL", None)),
        (LOGGED_MODELS, "status = 1", ("attribute", "status", "=", "PENDING")),
        (LOGGED_MODELS, "status IN ('x', 3)", ("attribute", "status", "IN", ("x", "FAILED"))),
        (LOGGED_MODELS, "creation_time >= 5", ("attribute", "creation_timestamp", ">=", 5)),
        (LOGGED_MODELS, "attributes.name != 'x'", ("attribute", "name", "!=", "x")),
        (LOGGED_MODELS, "metrics.acc > 1", ("metric", "acc", ">", 1)),
        (REGISTERED_MODELS, "name IN ('a')", ("attribute", "name", "IN", ("a",))),
        (REGISTERED_MODELS, "tags.a IS NULL", ("tag", "a", "IS NULL", None)),
        (MODEL_VERSIONS, "version_number = '2'", ("attribute", "version_number", "=", 2)),
        (MODEL_VERSIONS, "source_path LIKE 'x'", ("attribute", "source_path", "LIKE", "x")),
        (MODEL_VERSIONS, "run_id IN ('a')", ("attribute", "run_id", "IN", ("a",))),
    ],
)  # fmt: skip
def test_each_entity_has_its_vocabulary(vocabulary, text, expected):
    """The same grammar serves all entities, each with its own words."""
    assert one(text, vocabulary) == expected


@pytest.mark.parametrize(
    ("vocabulary", "text"),
    [
        (EXPERIMENTS, "metrics.a = 1"),
        (EXPERIMENTS, "Name = 'x'"),
        (LOGGED_MODELS, "foo = 'x'"),
        (LOGGED_MODELS, "creation_timestamp > '5'"),
        (LOGGED_MODELS, "status > 1"),
        (LOGGED_MODELS, "status = 9"),
        (REGISTERED_MODELS, "description = 'x'"),
        (REGISTERED_MODELS, "timestamp > 1"),
        (MODEL_VERSIONS, "version_number = 'x'"),
        (MODEL_VERSIONS, "current_stage = 'x'"),
    ],
)
def test_each_entity_refuses_the_words_of_others(vocabulary, text):
    """What an entity does not have cannot be asked for."""
    with pytest.raises(InvalidParameterValue):
        parse_filter(text, vocabulary)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="metricsparam.tg`'\"()=!<>,;10 -\\\n中ANDORNOTINLIKE", max_size=60))
def test_any_text_is_parsed_or_refused_politely(text):
    """Nothing but InvalidParameterValue ever comes out of a malformed filter."""
    with contextlib.suppress(InvalidParameterValue):
        parse_filter(text, RUNS)


def test_only_traces_know_regular_expressions() -> None:
    from tracklet.search import RUNS, TRACES, parse_filter

    clause = parse_filter("tags.a RLIKE '^b'", TRACES)
    assert (clause.operator, clause.value) == ("RLIKE", "^b")  # type: ignore[union-attr]
    with pytest.raises(InvalidParameterValue, match="expected an operator"):
        parse_filter("tags.a RLIKE '^b'", RUNS)
