"""Starting, ending and finding runs."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from tracklet import run_context, settings
from tracklet.client import TrackletClient
from tracklet.client.pages import all_of
from tracklet.client.verbs import texts
from tracklet.entities import LifecycleStage, Run, RunStatus, ViewType
from tracklet.errors import InvalidParameterValue, InvalidState, TrackletException
from tracklet.fluent import active, experiments, syncing, system_metrics
from tracklet.fluent.active import ActiveRun
from tracklet.stores import RunWriter

if TYPE_CHECKING:
    import pandas as pd

_PAGE = 10_000
_lock = threading.Lock()


def start_run(
    run_id: str | None = None,
    experiment_id: str | None = None,
    run_name: str | None = None,
    nested: bool = False,
    parent_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    description: str | None = None,
    log_system_metrics: bool | None = None,
) -> ActiveRun:
    """Start a run, or go on with an earlier one, and make it the active run of this context.

    Args:
        run_id: An earlier run to go on with; by default the option ``RUN_ID``, once.
        experiment_id: The experiment of a new run; by default the active one.
        run_name: The name of a new run; one is invented by default.
        nested: Whether the active run becomes the new run's parent.
        parent_run_id: The parent of a new run, if it is not the active run.
        tags: Tags to set, beside those that say who runs what.
        description: Text for the tag ``mlflow.note.content``.
        log_system_metrics: Whether metrics of the machine are recorded too (needs psutil); by
            default what was enabled or configured.

    Returns:
        The run; as a context manager it ends the run.

    Raises:
        InvalidState: A run is active already and ``nested`` is not set.
        InvalidParameterValue: Arguments contradict one another, or an option does.
        ResourceDoesNotExist: There is no such run or experiment.
    """
    client = TrackletClient()
    current = active.top()
    if current is not None and not nested:
        raise InvalidState(
            f"run {current.info.run_id} is active already. End it with tracklet.end_run(), or "
            "start the new run inside of it with nested=True"
        )
    if current is not None and parent_run_id not in (None, current.info.run_id):
        raise InvalidParameterValue(
            f"parent_run_id={parent_run_id!r} is not the active run {current.info.run_id!r}; end "
            "the active run first, or leave parent_run_id out"
        )
    kept = texts(tags)
    if description is not None:
        if "mlflow.note.content" in kept:
            raise InvalidParameterValue(
                "description and the tag mlflow.note.content are the same thing; give one of them"
            )
        kept["mlflow.note.content"] = description
    resumed_id = run_id or _configured_run_id()
    if resumed_id is not None:
        run = _resume(client, resumed_id, experiment_id, kept)
        writer = client.store.open_run(resumed_id, live=True)
    else:
        parent = parent_run_id or (current.info.run_id if current is not None else None)
        run, writer = _create(client, experiment_id, run_name, parent, kept)
    started = None
    try:
        started = ActiveRun(run, client.store, writer)
        active.push(started)
        if settings.option("ACTIVE_MODEL_ID") is not None:
            active.process.linking = True
        system_metrics.start(started, log_system_metrics)
        syncing.start(started)
        return started
    except BaseException as error:  # nobody gets to know of the run, so nobody would end it
        unknown = started or ActiveRun(run, client.store, writer)
        unknown.__exit__(type(error), error, None)
        raise


def end_run(status: str = "FINISHED") -> None:
    """End the active run; nothing happens if there is none.

    Raises:
        InvalidParameterValue: The status is none; the run then stays active.
    """
    name = RunStatus.to_string(status) if isinstance(status, int) else status
    RunStatus.from_string(name)
    run = active.to_end()
    if run is not None:
        active.finish(run, name)


def active_run() -> ActiveRun | None:
    """The run that this context started and has not ended, innermost first."""
    return active.top()


def last_active_run() -> Run | None:
    """The active run or else the one that ended last in this context, as it is now."""
    run = active.top()
    if run is not None:
        return run
    last = active.last()
    if last is None:
        return None
    store, run_id = last
    return store.get_run(run_id)


def run_to_record() -> ActiveRun:
    """The run that a record belongs to; one is started if there is none."""
    return active.to_record() or start_run()


def get_run(run_id: str) -> Run:
    """The run with all that was recorded, also a deleted one."""
    return TrackletClient().get_run(run_id)


def get_parent_run(run_id: str) -> Run | None:
    """The run that this one is nested in; None if it is not nested."""
    return TrackletClient().get_parent_run(run_id)


def delete_run(run_id: str) -> None:
    """Move a run to the trash."""
    TrackletClient().delete_run(run_id)


def restore_run(run_id: str) -> None:
    """Take a deleted run back."""
    TrackletClient().restore_run(run_id)


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
    """
    if output_format not in ("pandas", "list"):
        raise ValueError(f"output_format is 'pandas' or 'list'; got {output_format!r}")
    client = TrackletClient()
    ids = _experiments_to_search(client, experiment_ids, experiment_names, search_all_experiments)
    pages = all_of(
        lambda size, token: client.search_runs(
            ids, filter_string, run_view_type, size, order_by, token
        ),
        _PAGE,
        max_results,
    )
    found = list(pages)
    if output_format == "list":
        return found
    from tracklet.fluent import frames

    return frames.of_runs(found)


def _configured_run_id() -> str | None:
    """The option ``RUN_ID``, the first time that a run is started; it is read, not unset."""
    run_id = settings.option("RUN_ID")
    with _lock:
        if run_id is None or run_id in active.process.resumed:
            return None
        active.process.resumed.add(run_id)
        return run_id


def _create(
    client: TrackletClient,
    experiment_id: str | None,
    run_name: str | None,
    parent_run_id: str | None,
    tags: dict[str, str],
) -> tuple[Run, RunWriter]:
    all_tags = {**run_context.tags(), **tags}
    if parent_run_id is not None:
        all_tags["mlflow.parentRunId"] = parent_run_id
    experiment = experiment_id or experiments.experiment_for_new_run(client)
    name = run_name or tags.get("mlflow.runName")
    return client.store.start_run(str(experiment), None, None, all_tags, name)


def _resume(
    client: TrackletClient, run_id: str, experiment_id: str | None, tags: dict[str, str]
) -> Run:
    run = client.get_run(run_id)
    if run.info.lifecycle_stage == LifecycleStage.DELETED:
        raise TrackletException(
            f"run {run_id!r} was deleted; restore it with tracklet.restore_run({run_id!r}) first"
        )
    expected = experiment_id or experiments.active_experiment_id(client)
    if expected is not None and str(expected) != run.info.experiment_id:
        raise InvalidParameterValue(
            f"run {run_id!r} belongs to experiment {run.info.experiment_id!r}, not to "
            f"{str(expected)!r}; call tracklet.set_experiment(experiment_id="
            f"{run.info.experiment_id!r}) first"
        )
    if tags:
        client.log_batch(run_id, tags=tags)
    return run


def _experiments_to_search(
    client: TrackletClient,
    ids: Sequence[str] | None,
    names: Sequence[str] | None,
    everywhere: bool,
) -> list[str]:
    if ids and names:
        raise InvalidParameterValue("give search_runs experiment_ids or experiment_names, not both")
    if ids:
        return [ids] if isinstance(ids, str) else [str(one) for one in ids]
    if names:
        found = [client.get_experiment_by_name(name) for name in names]
        return [experiment.experiment_id for experiment in found if experiment is not None]
    if everywhere:
        return [one.experiment_id for one in experiments.search_experiments(ViewType.ALL)]
    return [experiments.experiment_for_new_run(client)]
