"""Searches that go over all pages, in lists or pandas DataFrames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from tracklet import lazy
from tracklet.client import TrackletClient
from tracklet.entities import Experiment, LoggedModel, ModelVersion, RegisteredModel, Run, ViewType
from tracklet.errors import InvalidArgument, InvalidParameterValue
from tracklet.fluent import experiments
from tracklet.record.query import all_of
from tracklet.validation import as_experiment_ids, as_list

if TYPE_CHECKING:
    import pandas as pd

_PAGE = 10_000
_TIMES = ("start_time", "end_time")


@overload
def search_runs(
    experiment_ids: Sequence[str] | None = ...,
    filter_string: str = ...,
    run_view_type: int = ...,
    max_results: int = ...,
    order_by: Sequence[str] | None = ...,
    output_format: Literal["pandas"] = ...,
    search_all_experiments: bool = ...,
    experiment_names: Sequence[str] | None = ...,
) -> pd.DataFrame: ...


@overload
def search_runs(
    experiment_ids: Sequence[str] | None = ...,
    filter_string: str = ...,
    run_view_type: int = ...,
    max_results: int = ...,
    order_by: Sequence[str] | None = ...,
    *,
    output_format: Literal["list"],
    search_all_experiments: bool = ...,
    experiment_names: Sequence[str] | None = ...,
) -> list[Run]: ...


def search_runs(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str = "",
    run_view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int = 100_000,
    order_by: Sequence[str] | None = None,
    output_format: str = "pandas",
    search_all_experiments: bool = False,
    experiment_names: Sequence[str] | None = None,
) -> Any:
    """Find runs, for example by ``metrics.loss < 0.1 and params.optimizer = 'adam'``.

    Args:
        experiment_ids: Where to search; or
        experiment_names: names of experiments to search, unknown ones being ignored; by default
            the active experiment.
        filter_string: Comparisons of ``metrics.*``, ``params.*``, ``tags.*``, ``datasets.*`` and
            attributes, combined by ``and``, ``or``, ``not`` and parentheses.
        run_view_type: A :class:`tracklet.entities.ViewType`.
        max_results: At most so many runs.
        order_by: Keys such as ``"metrics.loss ASC"``; by default latest start first.
        output_format: ``"pandas"`` for a DataFrame with a column per attribute, metric, param and
            tag, or ``"list"`` for :class:`~tracklet.entities.Run` objects.
        search_all_experiments: Whether all experiments are searched if none is named.

    Raises:
        InvalidParameterValue: Ids and names are both given, or the filter or order is malformed.
        ValueError: The output format is another one.

    Example:
        >>> with tracklet.start_run():
        ...     tracklet.log_metric("loss", 0.05)
        >>> found = tracklet.search_runs(
        ...     filter_string="metrics.loss < 0.1", output_format="list"
        ... )
        >>> [run.data.metrics for run in found]
        [{'loss': 0.05}]
    """
    if output_format not in ("pandas", "list"):
        raise InvalidArgument(f"output_format is 'pandas' or 'list'; got {output_format!r}")
    client = TrackletClient()
    ids = _experiments_to_search(client, experiment_ids, experiment_names, search_all_experiments)
    found = all_of(
        lambda size, token: client.search_runs(
            ids, filter_string, run_view_type, size, order_by, token
        ),
        _PAGE,
        max_results,
    )
    return list(found) if output_format == "list" else _frame_of_runs(list(found))


def search_experiments(
    view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
) -> list[Experiment]:
    """All matching experiments, or the first ``max_results``; by default newest first."""
    search = TrackletClient().search_experiments
    found = all_of(
        lambda size, token: search(view_type, size, filter_string, order_by, token),
        1000,
        max_results,
    )
    return list(found)


def search_logged_models(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str | None = None,
    datasets: Sequence[Mapping[str, str]] | None = None,
    max_results: int | None = None,
    order_by: Sequence[Mapping[str, Any]] | None = None,
    output_format: str = "pandas",
) -> pd.DataFrame | list[LoggedModel]:
    """Find logged models, for example by ``metrics.accuracy > 0.95``.

    Args:
        experiment_ids: Where to search; the active experiment by default.
        filter_string: Comparisons of ``metrics.*``, ``params.*``, ``tags.*`` and attributes.
        datasets: ``{"dataset_name": …, "dataset_digest": …}``, the digest being optional: only
            metrics measured on these datasets count.
        max_results: At most so many; all by default.
        order_by: ``{"field_name": "metrics.accuracy", "ascending": False}`` and the like.
        output_format: ``"pandas"`` or ``"list"``; another is a ValueError.
    """
    if output_format not in ("pandas", "list"):
        raise InvalidArgument(f"output_format is 'pandas' or 'list'; got {output_format!r}")
    client = TrackletClient()
    ids = experiment_ids or [experiments.experiment_for_new_run()]
    found = all_of(
        lambda size, token: client.search_logged_models(
            ids, filter_string, datasets, size, order_by, token
        ),
        100,
        max_results,
    )
    return list(found) if output_format == "list" else _frame_of_models(list(found))


def search_registered_models(
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
) -> list[RegisteredModel]:
    """All matching registered models, or the first ``max_results``; by default by name."""
    search = TrackletClient().search_registered_models
    found = all_of(
        lambda size, token: search(filter_string, size, order_by, token), 1000, max_results
    )
    return list(found)


def search_model_versions(
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
) -> list[ModelVersion]:
    """All matching versions, or the first ``max_results``; by default last updated first."""
    search = TrackletClient().search_model_versions
    found = all_of(
        lambda size, token: search(filter_string, size, order_by, token), 10_000, max_results
    )
    return list(found)


def _experiments_to_search(
    client: TrackletClient,
    ids: Sequence[str] | None,
    names: Sequence[str] | None,
    everywhere: bool,
) -> list[str]:
    if ids and names:
        raise InvalidParameterValue("give search_runs experiment_ids or experiment_names, not both")
    if ids:
        return as_experiment_ids(ids)
    if names:
        given = as_list("experiment_names", names)
        found = [client.get_experiment_by_name(name) for name in given]
        return [experiment.experiment_id for experiment in found if experiment is not None]
    if everywhere:
        return [one.experiment_id for one in search_experiments(ViewType.ALL)]
    return [experiments.experiment_for_new_run()]


def _frame_of_runs(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per run: attributes, then ``metrics.*``, ``params.*`` and ``tags.*`` columns.

    Times are UTC timestamps; a missing metric is NaN, a missing param or tag None.
    """
    pandas = _pandas()
    infos = [run.info for run in runs]
    columns: dict[str, Any] = {
        name: [getattr(info, name) for info in infos]
        for name in ("run_id", "experiment_id", "status", "artifact_uri", *_TIMES)
    }
    for name in _TIMES:
        columns[name] = pandas.to_datetime(columns[name], unit="ms", utc=True)
    nan = float("nan")
    for kind, missing in (("metrics", nan), ("params", None), ("tags", None)):
        data = [getattr(run.data, kind) for run in runs]
        for key in _keys(data):
            values = [row.get(key, missing) for row in data]
            columns[f"{kind}.{key}"] = (
                values if missing is nan else pandas.Series(values, dtype=object)
            )
    return pandas.DataFrame(columns)


def _frame_of_models(models: Sequence[LoggedModel]) -> pd.DataFrame:
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
    purpose = "a DataFrame of search results (output_format='list' does without)"
    return lazy.imported("pandas", "pandas", purpose=purpose, extra="pandas")
