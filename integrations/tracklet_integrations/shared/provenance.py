"""What a framework's data containers were made of, without keeping it alive.

A ``DMatrix`` or a ``Dataset`` does not give back the frame that it was made of. When one is made,
a few rows are copied and the data is fingerprinted; both are forgotten with the container. Only
types that can be sliced and read without a side effect are looked into.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tracklet import entities
from tracklet.autolog.datasets import dataset_of, first_rows, kind_of, plain, schema_of, why_none
from tracklet.autolog.recorder import Recorder
from tracklet.entities import DatasetInput, InputTag
from tracklet.types import tables
from tracklet_integrations.shared.weak_table import WeakTable

_FRAME: Final = ("pandas", "DataFrame")


@dataclass(slots=True)
class Origin:
    """What is remembered of the data that a container was made of.

    Args:
        example: A copy of the first rows; None if they cannot be had.
        dataset: The data's fingerprint, schema and size; None likewise.
        reason: Why there is no dataset, or what is to be said of it; empty if nothing is.
        schema: The columns of a frame, as all of its rows have them; None likewise.
    """

    example: Any = None
    dataset: entities.Dataset | None = None
    reason: str = ""
    schema: Any = None

    def log(self, recorder: Recorder, name: str, context: str) -> None:
        """Record the dataset as an input of the run; nothing if there is none.

        Args:
            recorder: The training's.
            name: The dataset's name.
            context: Its role: ``"train"`` or ``"eval"``.
        """
        with recorder.step("dataset"):
            if self.dataset is None:
                return
            found = entities.Dataset(**{**dict(self.dataset), "name": name or "dataset"})
            tag = InputTag("mlflow.data.context", context)
            recorder.run.store.log_inputs(recorder.run_id, [DatasetInput(found, [tag])])


Origins = WeakTable[Origin]
"""Origins by container; None for one that was made before anyone watched."""

Known = Callable[[Any], Origin | None]
"""Gives what is known of a container; None if nothing is."""

UNSEEN: Final = "is left out: it was made before autologging was on"
PART: Final = "is the data of which it is a part"
BATCHES: Final = "is left out: it came in batches"


def part_of(whole: Origin) -> Origin:
    """What is known of some rows of a container: what is known of all of them."""
    return replace(whole, reason=PART) if whole.dataset is not None else whole


def origin_of(
    data: Any, labels: Any = None, *, example: bool = True, dataset: bool = True
) -> Origin:
    """Look into data that a container is made of.

    Args:
        data: A pandas, polars or pyarrow frame, an array, a SciPy matrix; of other types nothing
            is known.
        labels: What is to be predicted; of an array it enters the fingerprint.
        example: Whether rows are copied.
        dataset: Whether the data is fingerprinted.
    """
    described = dataset_of(data, labels, "dataset") if dataset else None
    entity = described.to_entity() if described is not None else None
    first = _example_of(data) if example else None
    return Origin(
        first,
        entity,
        "" if entity is not None else f"is left out: {why_none(data)}",
        None if first is None else schema_of(plain(data), entity, first=first),
    )


def _example_of(data: Any) -> Any:
    """A copy of the first rows: a pandas frame, an array or a CSR matrix; None of other data."""
    data = plain(data)
    library, kind = kind_of(data)
    if library == "polars" and kind == "DataFrame":
        return _first_of_polars(data)
    if library == "pyarrow" and kind == "Table":
        return tables.to_frame(first_rows(data))
    if library == "scipy" and hasattr(data, "tocsr") and len(data.shape) == 2:
        return first_rows(data).tocsr()
    is_array = library == "numpy" and kind in ("ndarray", "memmap") and data.ndim == 2
    return first_rows(data) if is_array or (library, kind) == _FRAME else None


def _first_of_polars(data: Any) -> Any:
    """The first rows, with the categories of all rows: a slice knows only its own."""
    first = tables.to_frame(first_rows(data))
    for name, dtype in data.schema.items():
        if dtype.base_type().__name__ == "Categorical":
            found = data[name].unique(maintain_order=True).drop_nulls().to_list()
            first[name] = first[name].cat.set_categories(found)
    return first


def names_of(count: int, given: Any) -> Sequence[str]:
    """Names of evaluation sets: those given, and numbered ones for the rest."""
    names = [given] if isinstance(given, str) else list(given or ())
    return [
        str(names[i]) if i < len(names) and names[i] is not None else f"valid_{i}"
        for i in range(count)
    ]
