"""Datasets: name, fingerprint, source, schema and size, without touching the data."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sparse
from hypothesis import given
from hypothesis import strategies as st

import tracklet
from tracklet import data
from tracklet.autolog.datasets import dataset_of
from tracklet.data import DatasetSource
from tracklet.entities import DatasetInput
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist
from tracklet_testing import data_cases

FRAME = pd.DataFrame({"a": [1.0, 2, 3], "b": ["x", "y", "z"], "c": [1, 2, 3]})


def test_a_frame_is_described_as_mlflow_describes_it() -> None:
    """Digest, schema and profile of a known frame, to the letter."""
    entity = data.from_pandas(FRAME, source="/tmp/x.csv", targets="c", name="train").to_entity()
    assert (entity.name, entity.digest, entity.source_type) == ("train", "0c56d045", "local")
    assert json.loads(entity.source) == {"uri": "/tmp/x.csv"}
    assert json.loads(str(entity.schema))["mlflow_colspec"][1] == {
        "type": "string",
        "name": "b",
        "required": True,
    }
    assert entity.profile == '{"num_rows": 3, "num_elements": 9}'


def test_arrays_are_described_as_mlflow_describes_them() -> None:
    """Digest and profile of a known array, to the letter."""
    dataset = data.from_numpy(np.arange(12.0).reshape(3, 4), targets=np.array([1, 0, 1]))
    assert dataset.digest == "9d6abd02"
    assert dataset.profile == {
        "features_shape": [3, 4],
        "features_size": 12,
        "features_nbytes": 96,
        "targets_shape": [3],
        "targets_size": 3,
        "targets_nbytes": 24,
    }


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=20))
def test_the_same_data_has_the_same_fingerprint(values: list[float]) -> None:
    """Also when it lies elsewhere in memory; and the data is not changed by looking."""
    frame = pd.DataFrame({"a": values})
    assert data.from_pandas(frame).digest == data.from_pandas(frame.copy()).digest
    array = np.array(values)
    before = array.copy()
    assert data.from_numpy(array).digest == data.from_numpy(array[::-1][::-1]).digest
    np.testing.assert_array_equal(array, before)


def test_a_sparse_matrix_is_not_spread_out() -> None:
    """A matrix that would fill the memory has a fingerprint, a schema and a size."""
    places = (np.array([0, 10**6 - 1]), np.array([5, 7]))
    matrix = sparse.coo_matrix((np.ones(2), places), shape=(10**6, 10**6))
    dataset = data.from_numpy(matrix)
    assert len(dataset.digest) == 8
    assert dataset.profile is not None
    assert dataset.profile["features_shape"] == [10**6, 10**6]
    assert dataset.profile["features_nbytes"] < 10**7
    assert dataset.schema is not None


def test_a_polars_frame_is_described() -> None:
    """Columns and size as for pandas."""
    dataset = data.from_polars(pl.DataFrame({"a": [1, None], "b": ["x", "y"]}), targets="a")
    assert dataset.schema == {
        "mlflow_colspec": [
            {"type": "long", "name": "a", "required": False},
            {"type": "string", "name": "b", "required": True},
        ]
    }
    assert dataset.profile == {"num_rows": 2, "num_elements": 4}
    assert len(dataset.digest) == 8


@pytest.mark.parametrize(
    ("source", "kind", "facts"),
    [
        ("a.csv", "local", {"uri": "a.csv"}),
        (Path("/x/a.csv"), "local", {"uri": "/x/a.csv"}),
        ("file:///x/a.csv", "local", {"uri": "file:///x/a.csv"}),
        ("https://x.org/a.csv", "http", {"url": "https://x.org/a.csv"}),
        ("s3://b/a.csv", "s3", {"uri": "s3://b/a.csv"}),
    ],
)
def test_sources_are_told_apart_by_scheme(source: Any, kind: str, facts: dict[str, str]) -> None:
    """The record says what kind of place it is."""
    dataset = data.from_pandas(FRAME, source=source)
    assert (dataset.source.source_type, dataset.source.to_dict()) == (kind, facts)
    entity = dataset.to_entity()
    for holder in (dataset, entity, DatasetInput(entity)):
        assert data.get_source(holder).to_dict() == facts


def test_without_a_source_it_is_the_code() -> None:
    """The tags say which."""
    source = data.from_pandas(FRAME).source
    assert source.source_type == "code"
    assert source.to_dict()["tags"]["mlflow.source.type"] == "LOCAL"
    with pytest.raises(ResourceDoesNotExist, match="no files"):
        source.load()


def test_a_local_source_loads(tmp_path: Path) -> None:
    """``load`` gives the path of what is there."""
    (tmp_path / "a.csv").write_text("a\n1\n")
    dataset = data.from_pandas(FRAME, source=str(tmp_path / "a.csv"))
    assert Path(dataset.source.load()).read_text() == "a\n1\n"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: data.from_pandas(FRAME, targets="zz"), InvalidParameterValue, "targets='zz'"),
        (lambda: data.from_pandas(FRAME, predictions="zz"), InvalidParameterValue, "predictions"),
        (lambda: data.from_pandas([1]), InvalidParameterValue, "got list"),  # type: ignore[arg-type]
        (lambda: data.from_numpy([1]), InvalidParameterValue, "got list"),
        (lambda: data.from_numpy(FRAME), InvalidParameterValue, "got DataFrame"),
        (lambda: data.from_pandas(FRAME, source=3), ResourceDoesNotExist, "of type int"),
        (lambda: data.from_pandas(FRAME, source="foo://x"), ResourceDoesNotExist, "foo://x"),
        (lambda: data.get_source(3), InvalidParameterValue, "no dataset"),
    ],
)
def test_bad_arguments_are_named(make: Any, error: type[Exception], message: str) -> None:
    """The error names the value and what would be right."""
    with pytest.raises(error, match=message):
        make()


def test_a_dataset_is_recorded_with_its_run(tracklet_home: Path) -> None:
    """``log_input`` takes it as it is."""
    dataset = data.from_pandas(FRAME, name="train")
    with tracklet.start_run() as run:
        tracklet.log_input(dataset, context="training")
    (entry,) = tracklet.get_run(run.info.run_id).inputs.dataset_inputs
    assert entry.dataset == dataset.to_entity()
    assert [(tag.key, tag.value) for tag in entry.tags] == [("mlflow.data.context", "training")]


class Shelf(DatasetSource):
    """A source of the user's own, as MLflow lets one write it."""

    def __init__(self, shelf: str) -> None:
        self.shelf = shelf

    @staticmethod
    def _get_source_type() -> str:
        return "shelf"

    @staticmethod
    def _can_resolve(raw_source: Any) -> bool:
        return isinstance(raw_source, tuple)

    @classmethod
    def _resolve(cls, raw_source: Any) -> Shelf:
        return cls(raw_source[0])

    def load(self, dst_path: Any = None) -> Any:
        return self.shelf.upper()

    def to_dict(self) -> dict[str, Any]:
        return {"shelf": self.shelf}

    @classmethod
    def from_dict(cls, source_dict: dict[str, Any]) -> Shelf:
        return cls(source_dict["shelf"])


@pytest.mark.parametrize("source", [Shelf("top"), ("top",)])
def test_a_source_of_ones_own_goes_to_the_record_and_back(source: Any, tracklet_home: Path) -> None:
    frame = pd.DataFrame({"a": [1]})
    with tracklet.start_run() as run:
        tracklet.log_input(tracklet.data.from_pandas(frame, source=source))
    (used,) = tracklet.get_run(run.info.run_id).inputs.dataset_inputs
    assert (used.dataset.source_type, used.dataset.source) == ("shelf", '{"shelf": "top"}')
    found = tracklet.data.get_source(used)
    assert isinstance(found, Shelf)
    assert found.load() == "TOP"


@pytest.mark.parametrize("data", [pd.DataFrame({"a": [1]}), np.zeros(3), 3, "x"])
def test_data_that_is_no_dataset_is_refused_with_the_way_to_make_one(
    data: Any, tracklet_home: Path
) -> None:
    for log in (tracklet.log_input, lambda given: tracklet.log_metric("m", 1.0, dataset=given)):
        with pytest.raises(InvalidParameterValue, match="from_pandas"):
            log(data)
    assert not tracklet.get_run(tracklet.start_run().info.run_id).data.metrics
    tracklet.end_run()


class Frame(pd.DataFrame):
    """A frame as other libraries derive it."""


@pytest.mark.parametrize("labels", [[1, 0], (1, 0), pd.Series([1, 0]), pl.Series([1, 0])])
def test_labels_count_whatever_holds_them(labels: Any) -> None:
    """A list, a Series and an array of the same labels give one fingerprint."""
    features = np.ones((2, 2))
    expected = dataset_of(features, np.array([1, 0]), "d").digest
    assert dataset_of(features, labels, "d").digest == expected
    assert dataset_of(features, [0, 0], "d").digest != expected
    assert dataset_of(features, [[0], [1, 2]], "d").digest == dataset_of(features, None, "d").digest


@pytest.mark.parametrize(
    "make",
    [
        lambda x: Frame({"x": [x, 2]}),
        lambda x: pa.table({"x": [x, None], "lists": [[1], [2]]}),
        lambda x: pl.DataFrame({"lists": [[x], []], "struct": [{"a": 1}, None], "b": [b"x", b""]}),
        lambda x: pl.DataFrame({"d": [dt.timedelta(x), None]}),
        lambda x: sparse.dok_matrix([[x, 0]]),
    ],
)
def test_tables_of_other_kinds_are_described(make: Any) -> None:
    """Derived frames, Arrow's tables, and polars' with columns that CSV does not hold."""
    dataset = dataset_of(make(1), None, "d")
    assert dataset.schema is not None
    assert dataset.digest == dataset_of(make(1), None, "d").digest
    assert dataset.digest != dataset_of(make(3), None, "d").digest
    assert dataset.to_entity().profile


def test_data_of_every_kind_has_a_fingerprint() -> None:
    """What can be trained on can be told apart, whatever its dtypes and names are."""
    for case in data_cases.cases():
        dataset = dataset_of(case.make(), None, "d")
        if dataset is not None:
            assert len(dataset.digest) == 8, case.name
            assert dataset.to_entity().profile, case.name
