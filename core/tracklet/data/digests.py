"""Fingerprints of data: cheap, and the same as MLflow's for the same data."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

MAX_ROWS: Final = 10_000
"""Rows (of a frame) or values (of an array) that enter a fingerprint."""


def of_frame(frame: Any, rows: int | None = None) -> str:
    """The fingerprint of a pandas frame: 8 hexadecimal digits.

    Args:
        frame: The frame, or the first rows of one.
        rows: The number of all rows; by default the frame's own.

    The values of text and number columns in the first rows, the index, the number of rows and all
    names count.
    """
    import numpy as np

    hash_rows = _hashing().hash_pandas_object

    texts = [_is_text(frame.iloc[:, position]) for position in range(frame.shape[1])]
    # Of no rows, because selecting copies the values.
    numbers = frame.iloc[:0].select_dtypes(include=["number", "timedelta"]).columns
    # The order in which MLflow takes them: sorted, where the names can be sorted.
    head = frame.head(MAX_ROWS)[frame.columns[texts].union(numbers)]
    try:
        values = hash_rows(head)
    except ValueError:  # long doubles
        values = hash_rows(head.astype(str))
    return of_bytes(
        [
            values.to_numpy(),
            np.int64(len(frame) if rows is None else rows),
            *(str(name).encode() for name in frame.columns),
        ]
    )


def _hashing() -> Any:
    return importlib.import_module("pandas.util")


def _is_text(series: Any) -> bool:
    """Whether every value is a text; a null is none."""
    import pandas as pd

    dtype = series.dtype
    if series.hasnans:
        return False
    if type(dtype).__name__ == "CategoricalDtype":
        return _is_text(dtype.categories.to_series())
    if dtype.name != "object":
        return bool(pd.api.types.is_string_dtype(dtype))
    return bool(pd.api.types.infer_dtype(series, skipna=False) == "string")


def of_arrays(features: Any, targets: Any = None) -> str:
    """The fingerprint of arrays, or dictionaries of them: 8 hexadecimal digits."""
    parts: list[Any] = []
    for data in (features, targets):
        if is_named(data):
            for name in sorted(data):
                parts += _array_parts(data[name])
        elif data is not None:
            parts += _array_parts(data)
    return of_bytes(parts)


def is_named(data: Any) -> bool:
    """Whether data is a dictionary of arrays; SciPy's matrices by keys are dictionaries, too."""
    return isinstance(data, Mapping) and not hasattr(data, "tocsr")


def _array_parts(array: Any) -> Iterable[Any]:
    import numpy as np

    hash_array = _hashing().hash_array

    if hasattr(array, "nnz"):
        # A sparse matrix is fingerprinted as it is stored; spreading it out could fill the memory.
        stored = array.tocsr()
        for part in (stored.data, stored.indices, stored.indptr):
            yield from _array_parts(part)
    else:
        flat = _first_values(array)
        try:
            yield hash_array(np.ascontiguousarray(flat))
        except (TypeError, ValueError):  # objects that are not hashable; long doubles
            yield np.int64(array.size)
    for size in array.shape:
        yield np.int64(size)


def _first_values(array: Any) -> Any:
    """The first values in reading order; ``ravel`` alone would copy all of most arrays."""
    if not array.ndim:
        return array.ravel()
    per_row = max(1, array.size // max(1, array.shape[0]))
    return array[: -(-MAX_ROWS // per_row)].ravel()[:MAX_ROWS]


def of_rows(text: str, count: int) -> str:
    """The fingerprint of a table by the text of its first rows and the number of all."""
    import numpy as np

    return of_bytes([text.encode(errors="surrogatepass"), np.int64(count)])


def of_bytes(parts: Iterable[Any]) -> str:
    """The fingerprint of buffers, one after the other."""
    digest = hashlib.md5(usedforsecurity=False)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:8]
