"""The scoring server: routes, payloads, errors and limits."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tracklet
from tracklet import models
from tracklet.errors import InvalidParameterValue
from tracklet.models import ColSpec, ModelSignature, Schema, infer_signature
from tracklet.types import Array, DataType
from tracklet_services.serving import Limits

COLUMNS = infer_signature(pd.DataFrame({"a": [1.0], "b": [2]}))
TENSOR = infer_signature(np.ones((1, 2)))
TEXT = infer_signature(pd.DataFrame({"text": ["a"]}), ["b"], {"t": 1.0})

App = Callable[..., Any]
Ask = Callable[..., Any]


def double(model_input: Any) -> Any:
    return model_input["a"] * 2 + model_input["b"]


def test_the_small_routes_answer(app: App, ask: Ask) -> None:
    """A load balancer's questions; there is no documentation to read."""
    server = app(double, COLUMNS)
    for path in ("/ping", "/health"):
        answer = ask(server, method="GET", path=path)
        assert (answer.status, answer.body) == (200, b"\n")
        assert answer.headers["content-type"] == "application/json"
    assert ask(server, method="GET", path="/version").body.decode() == tracklet.__version__
    for path in ("/foo", "/docs", "/openapi.json", "/redoc"):
        answer = ask(server, method="GET", path=path)
        assert (answer.status, answer.json) == (404, {"detail": "Not Found"})
    assert ask(server, method="GET").status == 405


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]]}},
        {"dataframe_split": {"columns": ["b", "x", "a"], "data": [[2.5, "?", 1]], "index": [7]}},
        {"dataframe_records": [{"a": 1, "b": 2, "c": None}]},
        {"inputs": {"a": [1], "b": [2]}},
        {"inputs": {"a": 1.0, "b": 2}},
        {"instances": [{"a": 1.0, "b": 2}]},
        {"instances": {"a": [1.0], "b": [2]}},
    ],
    ids=lambda body: next(iter(body)),
)
def test_every_form_of_columns_means_the_same(app: App, ask: Ask, body: Any) -> None:
    """Extra columns, another order, integers for doubles, a cut-off 2.5 for a long."""
    answer = ask(app(double, COLUMNS), body)
    assert (answer.status, answer.json) == (200, {"predictions": [{"0": 4.0}]})


def test_csv_and_parquet_are_tables(app: App, ask: Ask, tmp_path: Path) -> None:
    """By their content types; texts in CSV that look like numbers stay texts."""
    server = app(double, COLUMNS)
    assert ask(server, "a,b\n1,2\n", "text/csv").json == {"predictions": [{"0": 4.0}]}
    pd.DataFrame({"b": [2], "a": [1]}).to_parquet(tmp_path / "x.parquet")
    body = (tmp_path / "x.parquet").read_bytes()
    kind = "application/vnd.apache.parquet"
    assert ask(server, body, kind).json == {"predictions": [{"0": 4.0}]}
    assert ask(server, body[:-9], kind).json["error_code"] == "BAD_REQUEST"
    texts = app(lambda model_input: list(model_input["text"]), TEXT)
    assert ask(texts, "text\n007\n", "text/csv; charset=UTF-8").json == {"predictions": ["007"]}
    arrays = app(lambda model_input: model_input, TENSOR)
    assert ask(arrays, "a,b\n1,2\n", "text/csv").status == 400


def test_tensors_come_as_nested_lists_or_frames(app: App, ask: Ask) -> None:
    """Integers become the declared dtype."""
    server = app(lambda model_input: model_input * 2, TENSOR)
    for body in (
        {"inputs": [[1, 2]]},
        {"instances": [[1.0, 2.0]]},
        {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]]}},
        {"dataframe_records": [{"a": 1, "b": 2}]},
    ):
        assert ask(server, body).json == {"predictions": [[2.0, 4.0]]}
    named = infer_signature({"x": np.ones((1, 2), "float32"), "y": np.ones(1, "int64")})
    server = app(lambda model_input: {k: str(v.dtype) for k, v in model_input.items()}, named)
    answer = ask(server, {"inputs": {"x": [[1, 2]], "y": [3]}})
    assert answer.json == {"predictions": {"x": "float32", "y": "int64"}}


def test_types_that_json_lacks_come_as_texts(app: App, ask: Ask) -> None:
    """Dates as ISO texts, bytes as base64, also inside of arrays."""
    frame = pd.DataFrame({"t": pd.to_datetime(["2020-01-01"]), "z": [b"ab"]})
    signature = infer_signature(frame)
    server = app(lambda model_input: [str(model_input["t"].dtype), model_input["z"][0]], signature)
    row = {"t": "2020-01-01T10:00:00", "z": "YWI="}
    for body in ({"dataframe_records": [row]}, {"inputs": {k: [v] for k, v in row.items()}}):
        assert ask(server, body).json == {"predictions": ["datetime64[ns]", "YWI=\n"]}
    nested = ModelSignature(Schema([ColSpec(Array(DataType.double), "v")]))
    server = app(lambda model_input: model_input["v"][0], nested)
    for body in ({"dataframe_records": [{"v": [1, 2]}]}, {"inputs": {"v": [1, 2]}}):
        assert ask(server, body).json == {"predictions": [1.0, 2.0]}


def test_params_reach_the_model(app: App, ask: Ask) -> None:
    """Converted, with defaults; unknown ones are left out, wrong ones are an error."""

    def echo(model_input: Any, params: Any = None) -> Any:
        return [f"{text} {params}" for text in model_input["text"]]

    server = app(echo, TEXT)
    answer = ask(server, {"inputs": ["x", "y"], "params": {"t": 3, "u": 1}})
    assert answer.json == {"predictions": ["x {'t': 3.0}", "y {'t': 3.0}"]}
    assert ask(server, {"inputs": []}).json == {"predictions": []}
    for params in ({"t": "x"}, [1], "t"):
        answer = ask(server, {"inputs": ["x"], "params": params})
        assert (answer.status, answer.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_type_hints_decide_about_inputs(app: App, ask: Ask) -> None:
    """Only ``inputs`` will do; dates come as ISO texts, and what does not fit is a 400."""

    def days(model_input: list[dict[str, dt.datetime]]) -> list[str]:
        return [str(one["d"].date()) for one in model_input]

    def upper(model_input: list[str]) -> list[str]:
        return [one.upper() for one in model_input]

    answer = ask(app(days), {"inputs": [{"d": "2020-01-01T10:00:00"}]})
    assert answer.json == {"predictions": ["2020-01-01"]}
    server = app(upper)
    assert ask(server, {"inputs": ["a"]}).json == {"predictions": ["A"]}
    for body in ({"inputs": [1]}, {"inputs": "a"}, {"dataframe_records": [{"a": "a"}]}, {}):
        answer = ask(server, body)
        assert (answer.status, answer.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert ask(server, "a\nb\n", "text/csv").json["error_code"] == "INVALID_PARAMETER_VALUE"


def test_a_body_of_a_chat_client_is_taken_whole(app: App, ask: Ask) -> None:
    """And the answer is given as it is."""
    server = app(lambda model_input: model_input["messages"][0])
    assert ask(server, {"messages": [{"role": "user"}]}).json == {"role": "user"}


def test_answers_are_json_whatever_the_model_gives(app: App, ask: Ask) -> None:
    """Frames, series, arrays, dictionaries, dates, numbers that JSON lacks."""
    given: dict[str, tuple[Any, Any]] = {
        "frame": (pd.DataFrame({"a": [1.5, None], 2: ["x", "y"]}),
                  [{"a": 1.5, "2": "x"}, {"a": None, "2": "y"}]),
        "series": (pd.Series([1], name="s"), [{"s": 1}]),
        "array": (np.array([[1.0, np.inf]]), [[1.0, None]]),
        "dict": ({"a": np.array([1]), "b": np.float32(2)}, {"a": [1], "b": 2.0}),
        "dates": (pd.DataFrame({"t": pd.to_datetime(["2020-01-01", None])}),
                  [{"t": "2020-01-01T00:00:00"}, {"t": None}]),
        "tuple": ((1, None, True), [1, None, True]),
        "half of a pair": (["\ud800 \U0001f600"], ["\ud800 \U0001f600"]),
    }  # fmt: skip
    for name, (_, expected) in given.items():
        answer = ask(app(lambda model_input, name=name: given[name][0]), {"inputs": "x"})
        assert answer.json == {"predictions": expected}, name
        assert answer.body.decode("utf-8"), name
    answer = ask(app(lambda model_input: object()), {"inputs": 1})
    assert (answer.status, answer.json["error_code"]) == (500, "INTERNAL_ERROR")
    assert "example" not in answer.json["message"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"[1", "BAD_REQUEST"),
        (b"", "BAD_REQUEST"),
        (b"\xff\xfe", "BAD_REQUEST"),
        (b"[" * 100_000, "BAD_REQUEST"),
        (b'{"inputs": ' + b"9" * 10_000 + b"}", "BAD_REQUEST"),
        ([1], "BAD_REQUEST"),
        ({}, "BAD_REQUEST"),
        ({"other": 1}, "BAD_REQUEST"),
        ({"inputs": [1], "instances": [1]}, "BAD_REQUEST"),
        ({"dataframe_split": [1]}, "BAD_REQUEST"),
        ({"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, "BAD_REQUEST"),
        ({"dataframe_split": {"columns": 3, "data": []}}, "BAD_REQUEST"),
        ({"dataframe_records": {"a": [1]}}, "BAD_REQUEST"),
        ({"dataframe_records": [1]}, "BAD_REQUEST"),
        ({"dataframe_records": [{"a": "x", "b": 2}]}, "BAD_REQUEST"),
        ({"dataframe_records": [{"a": 1, "b": 2**70}]}, "BAD_REQUEST"),
        ({"instances": [{"a": 1}, {"b": 1}]}, "BAD_REQUEST"),
        ({"dataframe_records": [{"a": 1}]}, "INVALID_PARAMETER_VALUE"),
        ({"inputs": [[1.0, 2.0]]}, "INVALID_PARAMETER_VALUE"),
    ],
    ids=repr,
)
def test_what_is_wrong_gets_one_shape_of_error(app: App, ask: Ask, body: Any, code: str) -> None:
    """Status 400 with MLflow's keys and code; schema violations are marked as such."""
    answer = ask(app(double, COLUMNS), body)
    assert answer.status == 400
    assert answer.json.keys() == {"error_code", "message", "sqlstate", "error_class"}
    assert answer.json["error_code"] == code
    if code == "INVALID_PARAMETER_VALUE":
        assert answer.json["error_class"] == "SCHEMA_ENFORCEMENT_FAILED"


@pytest.mark.parametrize(
    "kind", ["text/plain", "", None, "application/json; charset=latin-1", "application/json; x=y"]
)
def test_other_content_types_are_refused(app: App, ask: Ask, kind: str | None) -> None:
    """415, as plain text."""
    answer = ask(app(double, COLUMNS), {"inputs": 1}, kind)
    assert answer.status == 415
    assert answer.headers["content-type"].startswith("text/plain")


def test_no_answer_shows_a_path_or_a_traceback(app: App, ask: Ask, tmp_path: Path) -> None:
    """What the model raises is told by its type and its first line, without what looks like one."""

    def fail(model_input: Any) -> Any:
        raise FileNotFoundError(2, "No such file", model_input["where"])

    server = app(fail)
    for where in (str(tmp_path / "secret"), r"C:\secret\file", "~/secret", r"\\host\secret"):
        answer = ask(server, {"messages": 1, "where": where})
        assert answer.status == 400
        text = answer.body.decode()
        assert "FileNotFoundError" in text
        assert "secret" not in text
        assert "Traceback" not in text
        assert "stack_trace" not in answer.json


def test_a_body_that_is_too_long_is_not_read(app: App, ask: Ask) -> None:
    """By the length that it says, and by the length that it has."""
    server = app(lambda model_input: 1, body_bytes=1000)
    for chunks in (None, [b"x" * 600, b"x" * 600, b"x" * 10**9]):
        body = b'"' + b"x" * 2000 + b'"' if chunks is None else b""
        answer = ask(server, body, chunks=chunks)
        assert (answer.status, answer.json["error_code"]) == (413, "BAD_REQUEST")
    assert ask(server, {"inputs": "x" * 900}).status == 200


def test_a_slow_model_gets_a_504_and_others_a_503(
    app: App, ask: Ask, asked: Ask, tmp_path: Path
) -> None:
    """The deadline holds, no thread is added for what was given up, and the server recovers."""
    go = str(tmp_path / "go")

    def slow(model_input: Any) -> Any:
        import os
        import time

        while model_input["prompt"] == "slow" and not os.path.exists(go):
            time.sleep(0.02)
        return 1

    server = app(slow, seconds=0.3, threads=1, waiting=1)

    async def load() -> list[int]:
        body = b'{"prompt": "slow"}'
        answers = await asyncio.gather(*(asked(server, body) for _ in range(4)))
        return sorted(answer.status for answer in answers)

    assert asyncio.run(load()) == [503, 503, 504, 504]
    before = threading.active_count()
    busy = ask(server, {"prompt": "quick"})
    assert (busy.status, busy.json["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
    assert busy.headers["retry-after"] == "1"
    assert threading.active_count() == before
    (tmp_path / "go").touch()
    while ask(server, {"prompt": "quick"}).status != 200:
        time.sleep(0.05)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    document=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["dataframe_split", "columns", "data", "index", "dataframe_records",
                             "inputs", "instances", "params", "a", "b"]), inner, max_size=4
        ),
        max_leaves=12,
    )
)  # fmt: skip
def test_any_document_gets_an_answer(ask: Ask, document: Any, tmp_path_factory: Any) -> None:
    """200 or 400 and JSON, never a 500 and never an exception."""
    for signature in (COLUMNS, TENSOR, TEXT, None):
        server = _cached_app(signature, tmp_path_factory)
        answer = ask(server, document)
        assert answer.status in (200, 400), (document, answer)
        json.loads(answer.body)


_APPS: dict[Any, Any] = {}


def _cached_app(signature: Any, factory: Any) -> Any:
    from tracklet import pyfunc
    from tracklet_services.serving import create_app

    key = id(signature)
    if key not in _APPS:
        folder = factory.mktemp("model") / "m"
        pyfunc.save_model(
            folder,
            python_model=lambda model_input: 1,
            signature=signature if signature is not None else False,
            pip_requirements=[],
        )
        _APPS[key] = create_app(pyfunc.load_model(folder, trust=True))
    return _APPS[key]


@pytest.mark.parametrize(
    "limits", [{"seconds": 0}, {"threads": 0}, {"body_bytes": -1}, {"waiting": -1}]
)
def test_limits_that_would_let_nothing_pass_are_refused(limits: Any) -> None:
    """The error names the limit."""
    with pytest.raises(InvalidParameterValue, match=next(iter(limits))):
        Limits(**limits)


def test_the_timeout_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's variable, and ours before it."""
    monkeypatch.setenv("MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", "7")
    assert Limits.default_seconds() == 7
    monkeypatch.setenv("TRACKLET_SCORING_SERVER_REQUEST_TIMEOUT", "soon")
    with pytest.raises(InvalidParameterValue, match="soon"):
        Limits.default_seconds()


def test_the_command_serves_over_a_socket(tracklet_home: Path) -> None:
    """``tracklet models serve`` on a free port, asked by HTTP what a pipeline was trained on."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts = pd.Series(["good", "bad", "so good", "so bad"], name="text")
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts, [1, 0, 1, 0])
    models.save_model(model, tracklet_home / "m", signature=models.infer_signature(texts))
    port = _free_port()
    command = [
        sys.executable,
        "-c",
        "from tracklet.cli import main; main()",
        "models",
        "serve",
    ]
    server = subprocess.Popen(
        [*command, "-m", str(tracklet_home / "m"), "-p", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        while True:  # however long a busy machine takes to import Starlette
            try:
                with urllib.request.urlopen(f"{url}/ping") as reply:
                    assert reply.status == 200
                    break
            except urllib.error.URLError:
                assert server.poll() is None, server.stdout.read()  # type: ignore[union-attr]
                time.sleep(0.1)
        body = str(models.convert_input_example_to_serving_input(texts)).encode()
        request = urllib.request.Request(
            f"{url}/invocations", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as reply:
            assert json.load(reply) == {"predictions": [1, 0, 1, 0]}
            assert not re.search("uvicorn", str(reply.headers), re.IGNORECASE)
    finally:
        server.terminate()
        printed, _ = server.communicate()
    assert "/invocations" in printed


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
