"""Search results as pandas DataFrames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from tracklet.entities import LoggedModel, Run
from tracklet.errors import MissingDependency

if TYPE_CHECKING:
    import pandas as pd


def of_runs(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per run: attributes, then ``metrics.*``, ``params.*`` and ``tags.*`` columns.

    Times are UTC timestamps; a missing metric is NaN, a missing param or tag None.
    """
    pandas = _pandas()
    infos = [run.info for run in runs]
    columns: dict[str, Any] = {
        "run_id": [info.run_id for info in infos],
        "experiment_id": [info.experiment_id for info in infos],
        "status": [info.status for info in infos],
        "artifact_uri": [info.artifact_uri for info in infos],
        "start_time": pandas.to_datetime([info.start_time for info in infos], unit="ms", utc=True),
        "end_time": pandas.to_datetime([info.end_time for info in infos], unit="ms", utc=True),
    }
    nan = float("nan")
    for kind, missing in (("metrics", nan), ("params", None), ("tags", None)):
        data = [getattr(run.data, kind) for run in runs]
        for key in _keys(data):
            values = [row.get(key, missing) for row in data]
            columns[f"{kind}.{key}"] = (
                values if missing is nan else pandas.Series(values, dtype=object)
            )
    return pandas.DataFrame(columns)


def of_logged_models(models: Sequence[LoggedModel]) -> pd.DataFrame:
    """One row per logged model, a column per field."""
    pandas = _pandas()
    rows = [{**dict(model), "status": str(model.status)} for model in models]
    return pandas.DataFrame(rows, columns=[name for name, _ in models[0]] if models else None)


def _keys(rows: Iterable[dict[str, Any]]) -> list[str]:
    found: dict[str, None] = {}
    for row in rows:
        found.update(dict.fromkeys(row))
    return sorted(found)


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise MissingDependency(
            "pandas",
            purpose="a DataFrame of search results (output_format='list' does without)",
            extra="pandas",
        ) from error
    return pandas
