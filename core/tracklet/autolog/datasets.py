"""Training data as datasets of the record, within a budget of time."""

from __future__ import annotations

import copy
import json
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
_EXAMPLE_ROWS: Final = 5
# Bringing a sparse matrix into rows takes about half of this for each value that it stores.
_SECONDS_PER_STORED: Final = 1e-7


def dataset_of(features: Any, targets: Any, name: str) -> Any:
    """A dataset of a kind that can be fingerprinted without densifying or iterating; or None.

    Args:
        features: A DataFrame, an Arrow table, an array or a sparse matrix, or arrays by name; what
            describes data already; of anything else there is none.
        targets: The labels; beside arrays or a matrix they count.
        name: The dataset's name.
    """
    data: Any = import_module("tracklet.data")
    if isinstance(features, data.Dataset):
        return features
    features = plain(features)
    library, kind = kind_of(features)
    if _is_frame(features):
        return getattr(data, f"from_{library}")(features, name=name)
    is_array = library == "numpy" and kind in ("ndarray", "memmap")
    if is_array or _is_sparse(features) or _are_named_arrays(features):
        return data.from_numpy(features, targets=_labels(targets), name=name)
    return None


def _labels(targets: Any) -> Any:
    """Labels as an array; None of those that make none, and of what may not be touched."""
    library, kind = kind_of(targets)
    if kind == "ndarray" or _is_sparse(targets) or _are_named_arrays(targets):
        return targets
    if library in ("pandas", "polars", "pyarrow") or type(targets) in (list, tuple):
        np: Any = import_module("numpy")
        with suppress(ValueError, TypeError):  # lists of lists of different lengths
            return np.asarray(targets)
    return None


def first_rows(data: Any, count: int = _EXAMPLE_ROWS) -> Any:
    """A copy of the first rows, of the same type: of a frame, an array, a matrix or a list."""
    library, _ = kind_of(data)
    if library == "pandas":
        return data.iloc[:count].copy()
    if library == "scipy":
        return _first_of_sparse(data, count)
    if library == "numpy":
        return data[:count].copy()
    if library in ("polars", "pyarrow"):
        return data[:count] if library == "polars" else data.slice(0, count)
    return copy.deepcopy(data[:count])


def _first_of_sparse(matrix: Any, count: int) -> Any:
    """Of a matrix of any format, which is not converted whole."""
    form, make = matrix.format, type(matrix)
    shape = (min(count, matrix.shape[0]), *matrix.shape[1:])
    if form == "coo":
        kept = matrix.row < count
        return make((matrix.data[kept], (matrix.row[kept], matrix.col[kept])), shape=shape)
    if form == "dia":
        return make((matrix.data, matrix.offsets), shape=shape, copy=True)
    if form == "bsr":
        blocks = -(-shape[0] // matrix.blocksize[0])
        end = matrix.indptr[blocks]
        parts = (matrix.data[:end], matrix.indices[:end], matrix.indptr[: blocks + 1])
        return make(parts, shape=(blocks * matrix.blocksize[0], shape[1])).tocsr()[:count]
    return matrix[:count].copy()


def plain(data: Any) -> Any:
    """A frame, column or array of a derived class as one of the library's own; all else as it is.

    It shows the same data, and nobody's code but the library's runs when it is looked into.
    """
    cls = type(data)
    if cls.__module__.partition(".")[0] in ("pandas", "numpy"):
        return data
    for module, names in (("pandas", ("DataFrame", "Series")), ("numpy", ("ndarray",))):
        for name in names:
            own = getattr(sys.modules.get(module), name, None)
            if own is not None and isinstance(data, own):
                return data.view(own) if name == "ndarray" else own(data)
    return data


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


def schema_of(
    frame: Any, described: Any, seconds: float = DEFAULT_SECONDS, first: Any = None
) -> Any:
    """The schema of all rows of a frame, whose first rows may have no missing value, or one type.

    Args:
        frame: The data; of what is no frame there is none.
        described: The record of its dataset, which has the schema; None if there is none.
        seconds: What may be spent on it by estimate, if there is no record.
        first: The first rows of a polars or Arrow table as a pandas frame, whose types are not
            quite the table's; the schema has those, and what is missing in any row.
    """
    if not _is_frame(frame):
        return None
    types: Any = import_module("tracklet.types")
    schema = None
    known = json.loads(getattr(described, "schema", None) or "{}")
    with suppress(types.CannotInferSchema):
        if "mlflow_colspec" in known:
            schema = types.Schema.from_dict(known["mlflow_colspec"])
        elif described is None and too_slow(frame, seconds) is None:
            schema = types.infer_schema(frame)
        if schema is not None and first is not None and kind_of(frame)[0] != "pandas":
            shown = types.infer_schema(first)
            columns = zip(shown, schema, strict=True)
            return types.Schema(
                [types.ColSpec(one.type, one.name, all_.required) for one, all_ in columns]
            )
    return schema


def with_all_rows(signature: Any, schema: Any) -> Any:
    """The signature of a frame's first rows, its inputs as all rows have them."""
    if schema is not None and signature.inputs.input_names() == schema.input_names():
        signature.inputs = schema
    return signature


def _of_frame(frame: Any) -> float:
    rows = int(frame.shape[0])
    count = max(1, int(rows * _PROBE_SHARE))
    first = frame.head(count) if hasattr(frame, "head") else frame.slice(0, count)
    types: Any = import_module("tracklet.types")
    started = perf_counter()
    with suppress(types.CannotInferSchema):  # it takes its time all the same
        types.infer_schema(first)
    return (perf_counter() - started) * rows / int(first.shape[0])


def kind_of(value: Any) -> tuple[str, str]:
    """The library and the class that data is of, or is derived from."""
    for cls in type(value).__mro__:
        library = cls.__module__.partition(".")[0]
        if library in ("pandas", "polars", "pyarrow", "numpy", "scipy"):
            return library, cls.__name__
    return "", type(value).__name__


def _is_frame(value: Any) -> bool:
    return kind_of(value) in _FRAMES


_FRAMES: Final = {("pandas", "DataFrame"), ("polars", "DataFrame"), ("pyarrow", "Table")}


def _is_sparse(value: Any) -> bool:
    return kind_of(value)[0] == "scipy" and hasattr(value, "tocsr")


def _are_named_arrays(value: Any) -> bool:
    return type(value) is dict and all(kind_of(each)[1] == "ndarray" for each in value.values())
