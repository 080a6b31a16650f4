"""Training data as datasets of the record, within a budget of time."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from os import PathLike
from time import perf_counter
from typing import Any, Final

DEFAULT_SECONDS: Final = 10.0
"""How long describing one dataset may take by estimate, unless an integration says otherwise."""

# Below so many rows describing is too cheap to be estimated first.
_ESTIMATED_FROM: Final = 200_000
_PROBE_SHARE: Final = 0.1
# Bringing a sparse matrix into rows takes about half of this for each value that it stores.
_SECONDS_PER_STORED: Final = 1e-7


def dataset_of(features: Any, targets: Any, name: str) -> Any:
    """A dataset of a kind that can be fingerprinted without densifying or iterating; or None.

    Args:
        features: A DataFrame, an array or a sparse matrix; of anything else there is none.
        targets: The labels; they count if they are an array.
        name: The dataset's name.
    """
    data: Any = import_module("tracklet.data")
    features = plain(features)
    if _is_frame(features):
        describe = data.from_pandas if _library(features) == "pandas" else data.from_polars
        return describe(features, name=name)
    if _library(features) == "pyarrow" and type(features).__name__ == "Table":
        return data.from_pandas(features.to_pandas(split_blocks=True), name=name)
    kind = type(features).__name__
    is_array = _library(features) == "numpy" and kind in ("ndarray", "memmap")
    if is_array or _is_sparse(features):
        labels = targets if type(targets).__name__ == "ndarray" else None
        return data.from_numpy(features, targets=labels, name=name)
    return None


def plain(data: Any) -> Any:
    """A frame of a class derived from pandas' own as one of pandas'; all else as it is.

    Nobody's code but pandas' runs when such a frame is looked into.
    """
    pandas: Any = sys.modules.get("pandas")
    frame = getattr(pandas, "DataFrame", None)
    if frame is None or type(data) is frame or not isinstance(data, frame):
        return data
    return frame(data)


def why_none(features: Any) -> str:
    """Why :func:`dataset_of` gave none, for the record."""
    if features is None:
        return "it was made without data"
    if isinstance(features, str | PathLike):
        return "it was read from a file"
    kind = type(features)
    return f"nothing is known of a {kind.__module__}.{kind.__qualname__}"


def too_slow(features: Any, seconds: float) -> str | None:
    """Why describing the data would take longer than was granted; None if it would not.

    An array costs the same however long it is, because its fingerprint reads its first values
    only. The columns of a frame are read whole, for their types and whether values are missing,
    so a tenth of them is tried first.

    Args:
        features: What :func:`dataset_of` takes.
        seconds: What was granted.
    """
    if _is_frame(features):
        amount, unit = int(features.shape[0]), "rows"
        estimate = _of_frame(features) if amount >= _ESTIMATED_FROM else 0.0
    elif _is_sparse(features) and getattr(features, "format", "") != "csr":
        amount, unit = int(features.nnz), "stored values"
        estimate = amount * _SECONDS_PER_STORED if amount >= _ESTIMATED_FROM else 0.0
    else:
        return None
    if estimate <= seconds:
        return None
    return f"describing {amount} {unit} would take about {estimate:.2g} s; {seconds:g} are granted"


def _of_frame(frame: Any) -> float:
    rows = int(frame.shape[0])
    first = frame.head(max(1, int(rows * _PROBE_SHARE)))
    types: Any = import_module("tracklet.types")
    started = perf_counter()
    with suppress(types.CannotInferSchema):  # it takes its time all the same
        types.infer_schema(first)
    return (perf_counter() - started) * rows / int(first.shape[0])


def _library(value: Any) -> str:
    return type(value).__module__.partition(".")[0]


def _is_frame(value: Any) -> bool:
    return _library(value) in ("pandas", "polars") and type(value).__name__ == "DataFrame"


def _is_sparse(value: Any) -> bool:
    return _library(value) == "scipy" and hasattr(value, "tocsr")
