"""Datasets out of pandas and polars frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracklet.data import digests
from tracklet.data.dataset import FrameDataset
from tracklet.data.sources import source_of
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.types import infer_schema

if TYPE_CHECKING:
    import pandas as pd


def from_pandas(
    df: pd.DataFrame,
    source: Any = None,
    targets: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    predictions: str | None = None,
) -> FrameDataset:
    """A dataset out of a pandas frame.

    Args:
        df: The frame; it is not copied.
        source: Where it comes from: a path or URI; by default the code that runs.
        targets: The column to predict.
        name: The dataset's name; ``"dataset"`` by default.
        digest: Its fingerprint; computed by default.
        predictions: The column that a model predicted.

    Raises:
        InvalidParameterValue: A named column is not in the frame, or ``df`` is no frame.
        ResourceDoesNotExist: The source's scheme is unknown.
    """
    if not hasattr(df, "iloc") or not hasattr(df, "columns"):
        raise InvalidParameterValue(
            f"from_pandas takes a pandas DataFrame; got {type(df).__name__}"
        )
    return _dataset(df, source, targets, name, digest, predictions)


def from_polars(
    df: Any,
    source: Any = None,
    targets: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    predictions: str | None = None,
) -> FrameDataset:
    """A dataset out of a polars frame; arguments are those of :func:`from_pandas`."""
    if not hasattr(df, "schema") or not hasattr(df, "hash_rows"):
        raise InvalidParameterValue(
            f"from_polars takes a polars DataFrame; got {type(df).__name__}"
        )
    return _dataset(df, source, targets, name, digest or _polars_digest(df), predictions)


def _dataset(
    df: Any,
    source: Any,
    targets: str | None,
    name: str | None,
    digest: str | None,
    predictions: str | None,
) -> FrameDataset:
    for role, column in (("targets", targets), ("predictions", predictions)):
        if column is not None and column not in df.columns:
            raise InvalidParameterValue(
                f"{role}={column!r} is no column of the frame; it has {list(df.columns)[:50]}"
            )
    return FrameDataset(
        df,
        targets=targets,
        predictions=predictions,
        source=source_of(source),
        name=name,
        digest=digest or (lambda: digests.of_frame(df)),
        schema=lambda: _schema(df),
        profile=lambda: {"num_rows": df.shape[0], "num_elements": df.shape[0] * df.shape[1]},
    )


def _schema(df: Any) -> dict[str, Any] | None:
    try:
        return {"mlflow_colspec": infer_schema(df).to_dict()}
    except TrackletException:
        return None


def _polars_digest(df: Any) -> str:
    import numpy as np

    head = df.head(digests.MAX_ROWS)
    # Polars' own hash of rows would be faster, but differs from version to version.
    text = head.write_csv().encode()
    return digests.of_bytes([text, np.int64(df.shape[0])])
