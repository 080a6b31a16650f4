"""What a schema's types leave out of a frame: which categories its columns were made of.

To a schema a column of categories is one of texts or numbers, and so it comes from JSON or CSV. A
model that was trained on categories needs the same ones in the same order, so they are kept beside
its signature, and plain values become such categories again before the model sees them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tracklet.errors import TrackletException
from tracklet.models import manifest

FILE_NAME: Final = "categories.json"

# What pandas infers of categories that a text file can hold; others come as categories only.
_PLAIN: Final = ("string", "integer", "floating", "boolean", "datetime64", "empty")


def of_frame(data: Any) -> dict[str, Any]:
    """The dtypes of a pandas frame's columns of categories, by name; none of other data."""
    if not (hasattr(data, "iloc") and hasattr(data, "columns")):
        return {}
    return {str(name): dtype for name, dtype in data.dtypes.items() if is_categorical(dtype)}


def is_categorical(dtype: Any) -> bool:
    """Whether this is pandas' dtype of categories."""
    return type(dtype).__name__ == "CategoricalDtype"


def save(dtypes: Mapping[str, Any], folder: Path) -> None:
    """Write into a model's folder what :func:`load` reads; no file where there is nothing."""
    kept = {name: dtype for name, dtype in dtypes.items() if _inferred(dtype) in _PLAIN}
    entries = {
        name: {
            "dtype": str(dtype.categories.dtype),
            "ordered": bool(dtype.ordered),
            "values": _values(dtype),
        }
        for name, dtype in kept.items()
    }
    if entries:
        (folder / FILE_NAME).write_text(json.dumps(entries), encoding="utf-8")


def _inferred(dtype: Any) -> str:
    import pandas as pd

    return pd.api.types.infer_dtype(dtype.categories)


def _values(dtype: Any) -> list[Any]:
    dates = _inferred(dtype) == "datetime64"
    return (dtype.categories.astype(str) if dates else dtype.categories).tolist()


def load(folder: Path) -> dict[str, Any]:
    """The dtypes by column; none where nothing is kept.

    Raises:
        TrackletException: The file is corrupt.
    """
    file = manifest.member(folder, FILE_NAME)
    if not file.is_file():
        return {}
    import pandas as pd

    try:
        return {
            name: pd.CategoricalDtype(
                pd.Index(entry["values"], dtype=entry["dtype"]), bool(entry["ordered"])
            )
            for name, entry in json.loads(file.read_bytes()).items()
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise TrackletException(f"the model is corrupt: {file}: {error}") from error


def restored(frame: Any, dtypes: Mapping[Any, Any]) -> Any:
    """A pandas frame whose plain columns are of these dtypes; columns of categories stay.

    A value that is none of the categories is missing, which is how the libraries that know
    categories see it.

    Args:
        frame: The frame; it is not changed.
        dtypes: What the columns shall be, by their names as texts or by their positions.
    """
    changed = {}
    for position, (name, dtype) in enumerate(frame.dtypes.items()):
        wanted = dtypes.get(str(name), dtypes.get(position))
        if wanted is not None and not is_categorical(dtype):
            changed[position] = wanted
    if not changed:
        return frame
    import pandas as pd

    frame = frame.copy(deep=False)
    for position, dtype in changed.items():
        codes = dtype.categories.get_indexer(frame.iloc[:, position])
        frame.isetitem(position, pd.Categorical.from_codes(codes, dtype=dtype))
    return frame
