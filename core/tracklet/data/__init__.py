"""Datasets: what a run was trained or tested on; name, fingerprint, source, schema, size."""

from __future__ import annotations

from typing import Any

from tracklet import entities
from tracklet.data.dataset import (
    ArrayDataset,
    Dataset,
    FrameDataset,
    from_numpy,
    from_pandas,
    from_polars,
    from_pyarrow,
)
from tracklet.data.sources import DatasetSource, get_dataset_source_from_json, source_of
from tracklet.errors import InvalidParameterValue

__all__ = [
    "ArrayDataset",
    "Dataset",
    "DatasetSource",
    "FrameDataset",
    "from_numpy",
    "from_pandas",
    "from_polars",
    "from_pyarrow",
    "get_source",
    "source_of",
]


def get_source(dataset: Any) -> DatasetSource:
    """Where a dataset comes from.

    Args:
        dataset: A dataset, its entity, or a run's dataset input.

    Raises:
        InvalidParameterValue: It is none of these.
    """
    if isinstance(dataset, Dataset):
        return dataset.source
    if isinstance(dataset, entities.DatasetInput):
        dataset = dataset.dataset
    if isinstance(dataset, entities.Dataset):
        return get_dataset_source_from_json(dataset.source, dataset.source_type)
    raise InvalidParameterValue(f"{dataset!r} of type {type(dataset).__name__} is no dataset")
