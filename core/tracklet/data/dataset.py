"""Datasets: what a run was trained or tested on, without the data itself."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

from tracklet import entities
from tracklet.data.sources import DatasetSource


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
