"""Asking models as a client of their server would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tracklet import models, pyfunc
from tracklet.errors import BadRequest, InvalidParameterValue, TrackletException
from tracklet.models.pyfunc.enforcement import SchemaMismatch, enforce
from tracklet.types import Array, ColSpec, DataType, Schema
from tracklet_services.scoring import CSV, JSON, parse

pytestmark = pytest.mark.usefixtures("tracklet_home")

BODIES: list[tuple[Any, Any]] = [
    (pd.DataFrame({"a": [1.5, None]}), {"dataframe_split": {"columns": ["a"],
                                                            "data": [[1.5], [None]]}}),
    (np.array([[1, 2]]), {"inputs": [[1, 2]]}),
    ({"a": [1]}, {"inputs": {"a": [1]}}),
    (["x"], {"inputs": ["x"]}),
    ("x", {"inputs": "x"}),
    ((["x"], {"t": 1}), {"inputs": ["x"], "params": {"t": 1}}),
    ({"x": np.ones(2)}, {"inputs": {"x": [1.0, 1.0]}}),
    ({"messages": [{"role": "u"}]}, {"messages": [{"role": "u"}]}),
]  # fmt: skip


@pytest.mark.parametrize(("example", "body"), BODIES, ids=repr)
def test_an_example_becomes_the_body_of_a_request(example: Any, body: Any) -> None:
    """As MLflow makes it, but that NaN is null."""
    text = models.convert_input_example_to_serving_input(example)
    assert text is not None
    assert json.loads(text) == body


def test_no_example_is_no_body() -> None:
    """None stays None."""
    assert models.convert_input_example_to_serving_input(None) is None


@pytest.fixture
def total(tmp_path: Path) -> Path:
    """A model that adds two columns, with an example."""
    pyfunc.save_model(
        tmp_path / "m",
        python_model=lambda model_input: (model_input["a"] + model_input["b"]).tolist(),
        input_example=pd.DataFrame({"a": [1.0], "b": [2.0]}),
    )
    return tmp_path / "m"


def test_a_body_is_validated_by_asking(total: Path) -> None:
    """The model's answer comes back; a body that does not fit is the error of the server."""
    text = models.convert_input_example_to_serving_input(pd.DataFrame({"a": [1.0], "b": [2.0]}))
    assert text is not None
    assert models.validate_serving_input(total, text) == [3.0]
    assert models.validate_serving_input(total, {"inputs": {"a": [1], "b": [1]}}) == [2.0]
    saved = (total / "serving_input_example.json").read_text()
    assert models.validate_serving_input(total, saved) == [3.0]
    with pytest.raises(SchemaMismatch, match="lacks"):
        models.validate_serving_input(total, {"inputs": {"a": [1]}})
    with pytest.raises(BadRequest, match="exactly one"):
        models.validate_serving_input(total, '{"x": 1}')


def test_predict_takes_data_text_or_a_file(total: Path, tmp_path: Path) -> None:
    """And gives the answer, and a file with it."""
    assert models.predict(total, pd.DataFrame({"a": [1.0], "b": [1.0]})) == [2.0]
    assert models.predict(total, '{"inputs": {"a": [1], "b": [1]}}') == [2.0]
    (tmp_path / "x.csv").write_text("a,b\n1,5\n")
    answer = models.predict(
        total, input_path=tmp_path / "x.csv", content_type="csv", output_path=tmp_path / "out"
    )
    assert answer == [6.0]
    assert json.loads((tmp_path / "out").read_text()) == {"predictions": [6.0]}
    wrong: list[dict[str, Any]] = [
        {},
        {"input_data": 1, "input_path": "x"},
        {"input_data": 1, "content_type": "xml"},
        {"input_data": 1, "env_manager": "conda"},
    ]
    for arguments in wrong:
        with pytest.raises(InvalidParameterValue):
            models.predict(total, **arguments)


@pytest.mark.parametrize("kind", [DataType.double, DataType.long, DataType.datetime])
@pytest.mark.parametrize("value", ["9" * 100_000, "x" * 100_000, "2020-" * 20_000])
def test_what_a_client_sent_is_said_in_a_bounded_length(kind: DataType, value: str) -> None:
    """Also where NumPy and pandas say it whole."""
    schema = Schema([ColSpec(kind, "a")])
    longest = 0
    for body, media in (
        (json.dumps({"dataframe_split": {"columns": ["a"], "data": [[value]]}}), JSON),
        (json.dumps({"dataframe_records": [{"a": value}]}), JSON),
        (json.dumps({"inputs": {"a": [value]}}), JSON),
        (json.dumps({"inputs": [{"a": [value]}]}), JSON),
        (f"a\n{value}\n", CSV),
    ):
        try:
            enforce(parse(body, media, schema).data, schema)
        except TrackletException as error:
            longest = max(longest, len(str(error)))
    assert longest < 2000


def test_no_long_text_is_parsed_as_a_date() -> None:
    """It would take minutes: the time grows with the square of the length."""
    body, schema = {"a": ["9" * 10_000_000]}, Schema([ColSpec(DataType.datetime, "a")])
    for form in ({"inputs": body}, {"dataframe_records": [{"a": body["a"][0]}]}):
        with pytest.raises(BadRequest, match="is no date"):
            parse(json.dumps(form), JSON, schema)
    nested = Schema([ColSpec(Array(DataType.datetime), "a")])
    with pytest.raises(BadRequest, match="is no date"):
        parse(json.dumps({"inputs": {"a": body["a"]}}), JSON, nested)
