"""What a stranger may send to a scoring server: small bodies cost little, and names stay short."""

from __future__ import annotations

import functools
import io
import json
import logging
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tracklet import pyfunc
from tracklet.models import ColSpec, Schema, infer_signature
from tracklet.models.model import ModelSignature
from tracklet.types import DataType
from tracklet_services.scoring import parse
from tracklet_services.serving import create_app

LENGTH = 60_000
MOST_MEMORY = 80 << 20

NAMED = infer_signature(pd.DataFrame({"a": [1.0], "b": [2.0]}))
NAMELESS = ModelSignature(inputs=Schema([ColSpec(DataType.double), ColSpec(DataType.double)]))
DATES = infer_signature(pd.DataFrame({"a": pd.to_datetime(["2020-01-01"])}))
TENSOR = infer_signature(np.ones((1, 2)))

App = Callable[..., Any]
Ask = Callable[..., Any]


def filled(begin: str, item: Callable[[int], str], end: str, length: int = LENGTH) -> str:
    """Items with commas between them, up to a length."""
    count = length // (len(item(10_000)) + 1)
    return begin + ",".join(map(item, range(count))) + end


def wide_and_empty(begin: str, wide: Callable[[int], str], empty: str, close: str) -> str:
    """One row with many values, then many rows with none."""
    half = LENGTH // 2
    return filled(begin, wide, close + ",", half) + filled("", lambda _: empty, "", half)


def parquet(**columns: Any) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet as files

    body = io.BytesIO()
    files.write_table(pa.table(columns), body, compression="zstd")
    return body.getvalue()


@functools.cache
def many_nulls() -> bytes:
    import pyarrow as pa

    return parquet(a=pa.nulls(5_000_000, pa.float64()), b=pa.nulls(5_000_000, pa.float64()))


@functools.cache
def long_texts() -> bytes:
    return parquet(a=["x" * 20_000_000 + str(row) for row in range(5)])


JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
BOMBS: dict[str, tuple[str, Callable[[], str | bytes]]] = {
    "records, each with another key": (
        JSON,
        lambda: filled('{"dataframe_records":[', lambda i: f'{{"k{i}":1}}', "]}"),
    ),
    "records, each with another key beside those asked for": (
        JSON,
        lambda: filled('{"dataframe_records":[', lambda i: f'{{"a":1,"b":2,"k{i}":1}}', "]}"),
    ),
    "records, the first with all keys": (
        JSON,
        lambda: wide_and_empty('{"dataframe_records":[{', lambda i: f'"k{i}":1', "{}", "}") + "]}",
    ),
    "rows, the first long": (
        JSON,
        lambda: wide_and_empty('{"dataframe_split":{"data":[[', lambda _: "1", "[]", "]") + "]}}",
    ),
    "a level for every letter of a name": (
        JSON,
        lambda: (
            wide_and_empty('{"dataframe_split":{"columns":[[', lambda _: '"b"', '["a"]', "]")
            + '],"data":[]}}'
        ),
    ),
    "a level for every letter of a row's label": (
        JSON,
        lambda: (
            wide_and_empty('{"dataframe_split":{"index":[[', lambda _: '"b"', '["a"]', "]")
            + '],"data":[]}}'
        ),
    ),
    "inputs, each with another key": (
        JSON,
        lambda: filled('{"inputs":[', lambda i: f'{{"k{i}":1}}', "]}"),
    ),
    "inputs, the first with all keys, lists after it": (
        JSON,
        lambda: wide_and_empty('{"inputs":[{', lambda i: f'"k{i}":1', "[]", "}") + "]}",
    ),
    "inputs, the first long": (
        JSON,
        lambda: wide_and_empty('{"inputs":[[', lambda _: "1", "[]", "]") + "]}",
    ),
    "lines that leave out all but the first value": (
        CSV,
        lambda: filled("", lambda i: f"k{i}", "\n", LENGTH // 2) + ",\n" * (LENGTH // 4),
    ),
    "nulls packed": (PARQUET, many_nulls),
    "texts packed": (PARQUET, long_texts),
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """An application for each kind of signature."""
    signatures = {"names": NAMED, "none": NAMELESS, "dates": DATES, "tensor": TENSOR, "free": False}
    made = {}
    for name, signature in signatures.items():
        folder = tmp_path_factory.mktemp("servers") / name
        pyfunc.save_model(
            folder,
            python_model=lambda model_input: 1,
            signature=signature,
            pip_requirements=[],
        )
        made[name] = create_app(pyfunc.load_model(folder))
    return made


@pytest.mark.parametrize("takes", ["names", "none", "dates", "tensor", "free"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_body_costs_memory_by_its_length(
    servers: dict[str, Any], ask: Ask, bomb: str, takes: str
) -> None:
    """What says a lot in few bytes is refused before it is made."""
    kind, make = BOMBS[bomb]
    body, server = make(), servers[takes]
    ask(server, {"inputs": [[1.0, 2.0]]})  # imports are not the body's cost
    tracemalloc.start()
    try:
        answer = ask(server, body, kind)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MOST_MEMORY
    assert answer.status in (200, 400)
    assert len(answer.body) < 5000


def test_columns_of_a_table_that_nobody_asked_for_are_not_made(app: App, ask: Ask) -> None:
    """A column costs pandas a fifth of a millisecond, and fits into eight bytes of CSV."""
    many = range(1_000)
    body = f"a,{','.join(f'x{n}' for n in many)},b\n1,{'5,' * len(many)}2\n"
    assert parse(body, CSV, NAMED.inputs).data.columns.tolist() == ["a", "b"]
    answer = ask(app(lambda model_input: model_input["b"].tolist(), NAMED), body, CSV)
    assert answer.json == {"predictions": [2.0]}
    rows = json.dumps({"dataframe_split": {"data": [list(many)] * 2}})
    numbers = ModelSignature(inputs=Schema([ColSpec(DataType.long, n) for n in (3, 7)]))
    for inputs, most in ((NAMED.inputs, 3), (NAMELESS.inputs, 3), (numbers.inputs, 9)):
        assert parse(rows, JSON, inputs).data.shape == (2, most)
    server = app(lambda model_input: model_input[7].tolist(), numbers)
    assert ask(server, rows).json == {"predictions": [7, 7]}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"dataframe_split": {"columns": ["a", "b", "a"], "data": [[1, 2, 3]]}}, JSON),
        ("a,b,a\n1,2,3\n", CSV),
        ('\n\n"a",b,c,c\n1,2,3,4\n', CSV),
    ],
)
def test_a_column_that_stands_twice_is_refused(app: App, ask: Ask, body: Any, kind: str) -> None:
    """Which of them was meant nobody knows, and a thousand of them cost a million looks."""
    answer = ask(app(lambda model_input: 1, NAMED), body, kind)
    assert (answer.status, answer.json["error_code"]) == (400, "BAD_REQUEST")
    assert "more than once" in answer.json["message"]


def test_columns_that_the_signature_has_twice_may_stand_twice(app: App, ask: Ask) -> None:
    """And where it has no names, they say nothing."""
    twice = ModelSignature(
        inputs=Schema([ColSpec(DataType.double, "a"), ColSpec(DataType.double, "a")])
    )
    body = {"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}
    for signature in (twice, NAMELESS):
        answer = ask(app(lambda model_input: model_input.shape[1], signature), body)
        assert answer.json == {"predictions": 2}


def test_labels_of_several_levels_are_lists(app: App, ask: Ask) -> None:
    """Of rows as of columns, as a frame with such labels is written."""
    frame = pd.DataFrame(
        [[1, 2], [3, 4]],
        index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]),
        columns=pd.MultiIndex.from_tuples([("x", 1), ("x", 2)]),
    )
    server = app(
        lambda model_input: [model_input[("x", 2)].loc[("b", 2)], model_input.index.nlevels]
    )
    assert ask(server, {"dataframe_split": frame.to_dict("split")}).json == {"predictions": [4, 2]}


def test_small_tables_may_be_as_sparse_as_they_like(app: App, ask: Ask) -> None:
    """A key that a record leaves out is a missing value, also beside rows with many."""
    server = app(lambda model_input: model_input.isna().sum().sum())
    records = [{"a": 1, f"k{row}": 2} for row in range(300)]
    assert ask(server, {"dataframe_records": records}).json == {"predictions": 300 * 299}
    rows = app(lambda model_input: model_input["b"].isna().tolist(), NAMED)
    for form in ("dataframe_records", "inputs"):
        body = {form: [{"a": 1, "b": 2}, {"a": 3}]}
        assert ask(rows, body).json == {"predictions": [False, True]}


NAME = "\u00e4" * 30_000


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_records": [{"a": 1, "b": 2, NAME: 3}]},
        {"dataframe_records": [{NAME: 1}]},
        {"dataframe_split": {"columns": [NAME, NAME], "data": [[1, 2]]}},
        {"inputs": {NAME: [1], "a": [1], "b": [2]}},
        {"inputs": NAME},
        {"inputs": [{"a": NAME}]},
        {NAME: 1},
        {"inputs": {"a": [1], "b": [2]}, "params": {NAME: 1}},
        {"inputs": {"a": [1], "b": [2]}, "params": NAME},
        {"inputs": {"a": [1], "b": [2]}, "params": {"p": NAME}},
        [NAME],
    ],
    ids=lambda body: json.dumps(body).replace(json.dumps(NAME)[1:-1], "NAME"),
)
@pytest.mark.parametrize("params", [None, {"p": 1}])
def test_a_client_s_long_names_are_said_shortly(
    app: App, ask: Ask, caplog: pytest.LogCaptureFixture, body: Any, params: Any
) -> None:
    """In answers and in the server's log."""
    signature = infer_signature(pd.DataFrame({"a": [1.0], "b": [2.0]}), params=params)
    caplog.set_level(logging.DEBUG)

    def echo(model_input: Any) -> Any:
        raise KeyError(str(model_input))

    for server in (app(lambda model_input: 1, signature), app(echo)):
        answer = ask(server, body)
        assert len(answer.json.get("message", "")) <= 2000
    assert len(caplog.text) < 6000


def test_a_client_that_hangs_up_costs_no_line(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """It is no failure of the server's."""
    import asyncio

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        pass

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/invocations",
        "query_string": b"",
        "headers": [(b"content-type", JSON.encode()), (b"content-length", b"10")],
        "state": {},
    }
    caplog.set_level(logging.INFO)
    asyncio.run(app(lambda model_input: 1)(scope, receive, send))
    assert not caplog.records


@pytest.mark.parametrize(
    ("host", "allowed", "status"),
    [
        ("localhost:5000", None, 200),
        ("127.0.0.1", None, 200),
        ("[::1]:5000", None, 200),
        ("10.0.0.7:80", None, 200),
        ("model-server:8080", None, 200),
        (None, None, 200),
        ("evil.example", None, 403),
        ("evil.example:5000", None, 403),
        ("127.0.0.1.evil.example", None, 403),
        ("[::1].evil.example", None, 403),
        ("models.example:443", ["models.example"], 200),
        ("a.models.example", ["*.models.example"], 200),
        ("evilmodels.example", ["models.example"], 403),
        ("evil.example", ["*"], 200),
    ],
)
def test_only_hosts_of_this_server_are_answered_to(
    app: App, ask: Ask, host: str | None, allowed: Any, status: int
) -> None:
    """A page cannot have its own name stand for this machine; probes are answered anyway."""
    server = app(lambda model_input: 1, allowed_hosts=allowed)
    answer = ask(server, {"inputs": 1}, host=host)
    assert answer.status == status
    assert ask(server, method="GET", path="/ping", host=host).status == 200


def test_further_hosts_come_from_the_environment(
    app: App, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As MLflow's server has it."""
    monkeypatch.setenv("MLFLOW_SERVER_ALLOWED_HOSTS", "models.example, *.internal.example")
    server = app(lambda model_input: 1)
    for host in ("models.example", "a.internal.example:80"):
        assert ask(server, {"inputs": 1}, host=host).status == 200
    assert ask(server, {"inputs": 1}, host="evil.example").status == 403
