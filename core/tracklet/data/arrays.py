"""Datasets out of NumPy arrays, dictionaries of them, and SciPy sparse matrices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracklet.data import digests
from tracklet.data.dataset import ArrayDataset
from tracklet.data.sources import source_of
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.types import infer_schema


def from_numpy(
    features: Any,
    source: Any = None,
    targets: Any = None,
    name: str | None = None,
    digest: str | None = None,
) -> ArrayDataset:
    """A dataset out of arrays.

    Args:
        features: An array, a dictionary of arrays, or a sparse matrix (which stays sparse).
        source: Where they come from: a path or URI; by default the code that runs.
        targets: What is to be predicted, likewise.
        name: The dataset's name; ``"dataset"`` by default.
        digest: Its fingerprint; computed by default.

    Raises:
        InvalidParameterValue: ``features`` or ``targets`` is no array.
        ResourceDoesNotExist: The source's scheme is unknown.
    """
    for role, data in (("features", features), ("targets", targets)):
        parts = data.values() if isinstance(data, Mapping) else [data]
        for part in parts:
            known = hasattr(part, "dtype") and hasattr(part, "shape") and not hasattr(part, "iloc")
            if not known and not (role == "targets" and data is None):
                raise InvalidParameterValue(
                    f"{role} must be an array, a dictionary of arrays or a sparse matrix; got "
                    f"{type(part).__name__}"
                )
    return ArrayDataset(
        features,
        targets=targets,
        source=source_of(source),
        name=name,
        digest=digest or (lambda: digests.of_arrays(features, targets)),
        schema=lambda: _schema(features, targets),
        profile=lambda: {**_profile("features", features), **_profile("targets", targets)},
    )


def _schema(features: Any, targets: Any) -> dict[str, Any] | None:
    try:
        texts = {
            "features": infer_schema(features).to_json(),
            "targets": None if targets is None else infer_schema(targets).to_json(),
        }
    except TrackletException:
        return None
    return {"mlflow_tensorspec": texts}


def _profile(role: str, data: Any) -> dict[str, Any]:
    if data is None:
        return {}
    facts = {"shape": lambda a: list(a.shape), "size": _size, "nbytes": _nbytes}
    if isinstance(data, Mapping):
        return {
            f"{role}_{fact}": {name: of(array) for name, array in data.items()}
            for fact, of in facts.items()
        }
    return {f"{role}_{fact}": of(data) for fact, of in facts.items()}


def _size(array: Any) -> int:
    size = 1
    for length in array.shape:
        size *= int(length)
    return size


def _nbytes(array: Any) -> int:
    if hasattr(array, "nbytes"):
        return int(array.nbytes)
    parts: list[Any] = [
        getattr(array, name)
        for name in ("data", "indices", "indptr", "row", "col")
        if hasattr(array, name)
    ]
    return sum(int(part.nbytes) for part in parts if hasattr(part, "nbytes"))
