"""The training data of a call: finding it, and copying a few rows without disturbing it.

Only types that are known to be safe to slice are looked into. Iterators are never advanced, lazy
frames never collected, and unknown objects not touched at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tracklet.autolog import datasets
from tracklet.autolog.datasets import kind_of

_FRAMES: Final = {
    ("pandas", "DataFrame"),
    ("pandas", "Series"),
    ("polars", "DataFrame"),
    ("polars", "Series"),
    ("pyarrow", "Table"),
}


@dataclass(slots=True)
class TrainingData:
    """What an estimator is fitted on; each is None if it was not given or may not be touched."""

    features: Any = None
    targets: Any = None
    sample_weight: Any = None
    example: Any = None
    left_out: str = ""
    """Why the features are not looked at."""


def of_call(arguments: Mapping[str, Any], weight_key: str = "sample_weight") -> TrainingData:
    """Features and labels are the first two arguments, whatever their names.

    Args:
        arguments: The call's, by name; what collects further ones has a dictionary.
        weight_key: What weights are called that are passed on to the step that is measured.
    """
    named = dict(arguments)
    weight = named.pop("sample_weight", None)
    for further in named.values():
        if weight is None and type(further) is dict:  # some matrices are dictionaries, too
            weight = further.get(weight_key, further.get("sample_weight"))
    values = list(named.values())
    names = list(named)
    features = values[0] if values else None
    targets = values[1] if len(values) > 1 and not isinstance(values[1], dict) else None
    if len(names) > 1 and names[0] == "y":  # given by keyword in another order
        features, targets = named.get("X"), named["y"]
    data = TrainingData()
    features, targets, weight = map(datasets.plain, (features, targets, weight))
    if is_touchable(features):
        data.features = features
        data.example = datasets.first_rows(features)
    elif features is not None:
        data.left_out = datasets.why_none(features)
    if is_touchable(targets):
        data.targets = targets
    if is_touchable(weight):
        data.sample_weight = weight
    return data


def is_touchable(value: Any) -> bool:
    """Whether a value is of a kind that can be read, sliced and measured without a side effect."""
    kind = type(value)
    library, name = kind_of(value)
    if kind in (list, tuple):
        return True
    if library == "numpy":
        return hasattr(value, "dtype") and getattr(value, "ndim", 0) > 0
    if library == "scipy":
        return hasattr(value, "tocsr") and hasattr(value, "shape")
    return (library, name) in _FRAMES


def row_count(value: Any) -> int:
    """The number of rows."""
    shape = getattr(value, "shape", None)
    return int(shape[0]) if shape else len(value)
