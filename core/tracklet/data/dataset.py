"""Datasets out of arrays and frames: what a run was trained or tested on, without the data."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from tracklet import entities
from tracklet.data import digests
from tracklet.data.sources import DatasetSource, source_of
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.types import infer_schema, tables

if TYPE_CHECKING:
    import pandas as pd


class Dataset:
    """Data in memory, and what the record keeps of it.

    Args:
        data: The data itself; kept only as long as this object is.
        source: Where it comes from.
        name: Its name in the record.
        digest: Its fingerprint; computed when it is first asked for.
        schema: Makes the JSON-like schema; None where there is none.
        profile: Makes the JSON-like facts about its size.
    """

    def __init__(
        self,
        data: Any,
        source: DatasetSource,
        name: str | None,
        digest: str | Callable[[], str],
        schema: Callable[[], dict[str, Any] | None],
        profile: Callable[[], dict[str, Any] | None],
    ) -> None:
        self._data = data
        self._source = source
        self._name = name or "dataset"
        self._given_digest = digest
        self._make_schema = schema
        self._make_profile = profile

    @property
    def name(self) -> str:
        """The name in the record."""
        return self._name

    @functools.cached_property
    def digest(self) -> str:
        """The fingerprint; the same for the same data."""
        return self._given_digest if isinstance(self._given_digest, str) else self._given_digest()

    @property
    def source(self) -> DatasetSource:
        """Where the data comes from."""
        return self._source

    @functools.cached_property
    def schema(self) -> dict[str, Any] | None:
        """Columns or tensors, JSON-like; None for data that no schema describes."""
        return self._make_schema()

    @functools.cached_property
    def profile(self) -> dict[str, Any] | None:
        """The data's size, JSON-like."""
        return self._make_profile()

    def to_dict(self) -> dict[str, str | None]:
        """The record's form: texts, of which ``source``, ``schema`` and ``profile`` are JSON."""
        return dict(self.to_entity())

    def to_json(self) -> str:
        """The record's form as JSON text."""
        return json.dumps(self.to_dict())

    def to_entity(self) -> entities.Dataset:
        """The record's form."""
        return entities.Dataset(
            name=self.name,
            digest=self.digest,
            source_type=self.source.source_type,
            source=self.source.to_json(),
            schema=None if self.schema is None else json.dumps(self.schema),
            profile=None if self.profile is None else json.dumps(self.profile),
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: name={self.name!r}, digest={self.digest!r}>"


class FrameDataset(Dataset):
    """A frame, with the names of the columns that are targets and predictions.

    Args:
        data: The frame.
        targets: The column to predict.
        predictions: The column that a model predicted.
        **facts: See :class:`Dataset`.
    """

    def __init__(
        self, data: Any, *, targets: str | None, predictions: str | None, **facts: Any
    ) -> None:
        super().__init__(data, **facts)
        self.targets = targets
        self.predictions = predictions

    @property
    def df(self) -> Any:
        """The frame."""
        return self._data


class ArrayDataset(Dataset):
    """Features and targets as arrays, or as dictionaries of arrays.

    Args:
        data: The features.
        targets: The targets, if there are any.
        **facts: See :class:`Dataset`.
    """

    def __init__(self, data: Any, *, targets: Any, **facts: Any) -> None:
        super().__init__(data, **facts)
        self.targets = targets

    @property
    def features(self) -> Any:
        """The features."""
        return self._data


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
        parts = data.values() if digests.is_named(data) else [data]
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
        schema=lambda: _tensor_schema(features, targets),
        profile=lambda: {
            **_sizes("features", features),
            **_sizes("targets", targets),
        },
    )


def _tensor_schema(features: Any, targets: Any) -> dict[str, Any] | None:
    try:
        texts = {
            "features": infer_schema(features).to_json(),
            "targets": None if targets is None else infer_schema(targets).to_json(),
        }
    except TrackletException:
        return None
    return {"mlflow_tensorspec": texts}


def _sizes(role: str, data: Any) -> dict[str, Any]:
    if data is None:
        return {}
    facts = {"shape": lambda a: list(a.shape), "size": _size, "nbytes": _nbytes}
    if digests.is_named(data):
        return {
            f"{role}_{fact}": {name: of(array) for name, array in data.items()}
            for fact, of in facts.items()
        }
    return {f"{role}_{fact}": of(data) for fact, of in facts.items()}


def _size(array: Any) -> int:
    return math.prod(int(length) for length in array.shape)


def _nbytes(array: Any) -> int:
    if hasattr(array, "nbytes"):
        return int(array.nbytes)
    parts = (getattr(array, name, None) for name in ("data", "indices", "indptr", "row", "col"))
    return sum(int(getattr(part, "nbytes", 0)) for part in parts)


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
    return _of_frame("pandas", df, source, targets, name, digest, predictions)


def from_polars(
    df: Any,
    source: Any = None,
    targets: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    predictions: str | None = None,
) -> FrameDataset:
    """A dataset out of a polars frame; arguments are those of :func:`from_pandas`."""
    return _of_frame("polars", df, source, targets, name, digest, predictions)


def from_pyarrow(
    table: Any,
    source: Any = None,
    targets: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    predictions: str | None = None,
) -> FrameDataset:
    """A dataset out of an Arrow table; arguments are those of :func:`from_pandas`."""
    return _of_frame("pyarrow", table, source, targets, name, digest, predictions)


def _of_frame(
    library: str,
    df: Any,
    source: Any,
    targets: str | None,
    name: str | None,
    digest: str | None,
    predictions: str | None,
) -> FrameDataset:
    kind, marks, columns, fingerprint = _KINDS[library]
    if not all(hasattr(df, mark) for mark in marks):
        raise InvalidParameterValue(f"from_{library} takes {kind}; got {type(df).__name__}")
    names = list(getattr(df, columns))
    for role, column in (("targets", targets), ("predictions", predictions)):
        if column is not None and column not in names:
            raise InvalidParameterValue(
                f"{role}={column!r} is no column of the frame; it has {names[:50]}"
            )
    return FrameDataset(
        df,
        targets=targets,
        predictions=predictions,
        source=source_of(source),
        name=name,
        digest=digest or functools.partial(fingerprint, df),
        schema=lambda: _column_schema(df),
        profile=lambda: {"num_rows": df.shape[0], "num_elements": df.shape[0] * df.shape[1]},
    )


def _column_schema(df: Any) -> dict[str, Any] | None:
    try:
        return {"mlflow_colspec": infer_schema(df).to_dict()}
    except TrackletException:
        return None


def _polars_digest(df: Any) -> str:
    head = df.head(digests.MAX_ROWS)
    try:
        # Polars' own hash of rows would be faster, but differs from version to version.
        text = head.write_csv()
    except Exception:  # noqa: BLE001 - CSV has no lists, structures, bytes or durations
        text = repr(head.to_dict(as_series=False))
    return digests.of_rows(text, df.shape[0])


def _arrow_digest(table: Any) -> str:
    return digests.of_frame(tables.to_frame(table.slice(0, digests.MAX_ROWS)), table.num_rows)


_KINDS: Final[dict[str, tuple[str, tuple[str, ...], str, Callable[[Any], str]]]] = {
    "pandas": ("a pandas DataFrame", ("iloc", "columns"), "columns", digests.of_frame),
    "polars": ("a polars DataFrame", ("schema", "hash_rows"), "columns", _polars_digest),
    "pyarrow": ("an Arrow table", ("column_names", "to_pydict"), "column_names", _arrow_digest),
}
"""By library: what its frames are called, known by and digested by, and where the columns are."""
