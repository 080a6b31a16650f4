"""Input examples: as files and back."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.models import examples

json_values = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(json_values)
def test_whatever_json_can_say_comes_back(tmp_path: Path, value: Any) -> None:
    """Texts, numbers, lists and dictionaries, however nested."""
    info = examples.save(value, tmp_path)
    assert examples.load(tmp_path, info)[0] == value


def test_frames_keep_columns_and_lose_the_index(tmp_path: Path) -> None:
    """Nulls are null, dates ISO texts, bytes base64; the serving form is a split frame."""
    frame = pd.DataFrame(
        {"a": [1.0, None], "d": [dt.date(2020, 1, 1), None], "b": [b"x", b"y"]}, index=["p", "q"]
    )
    info = examples.save(frame, tmp_path)
    assert info["pandas_orient"] == "split"
    content = json.loads((tmp_path / "input_example.json").read_text())
    assert content == {
        "columns": ["a", "d", "b"],
        "data": [[1.0, "2020-01-01", "eA==\n"], [None, None, "eQ==\n"]],
    }
    serving = json.loads((tmp_path / "serving_input_example.json").read_text())
    assert serving == {"dataframe_split": content}
    assert examples.load(tmp_path, info)[0].columns.tolist() == ["a", "d", "b"]


def test_a_polars_frame_is_kept_like_a_pandas_frame(tmp_path: Path) -> None:
    """It comes back as a pandas frame."""
    info = examples.save(pl.DataFrame({"a": [1, 2]}), tmp_path)
    pd.testing.assert_frame_equal(examples.load(tmp_path, info)[0], pd.DataFrame({"a": [1, 2]}))


def test_arrays_with_missing_numbers_come_back_as_numbers(tmp_path: Path) -> None:
    """null stands for NaN."""
    info = examples.save(np.array([[1.0, np.nan]]), tmp_path)
    np.testing.assert_array_equal(examples.load(tmp_path, info)[0], [[1.0, np.nan]])


@pytest.mark.parametrize(
    "example", [None, (1, 2), {1, 2}, {"a": np.ones(2), "b": 1}, {"a": object()}]
)
def test_what_has_no_form_is_refused(tmp_path: Path, example: Any) -> None:
    """The error names the type."""
    with pytest.raises(InvalidParameterValue):
        examples.save(example, tmp_path)


def test_a_corrupt_example_is_an_error_of_ours(tmp_path: Path) -> None:
    """Reading rubbish names the file."""
    info = examples.save([1], tmp_path)
    (tmp_path / "input_example.json").write_text("{")
    with pytest.raises(TrackletException, match=r"input_example\.json"):
        examples.load(tmp_path, info)[0]
