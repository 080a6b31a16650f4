"""Starting and ending runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from tracklet import lazy, run_context, settings
from tracklet.entities import LifecycleStage, Run, RunStatus
from tracklet.errors import InvalidParameterValue, InvalidState, TrackletException
from tracklet.fluent import active, capture, experiments
from tracklet.fluent.active import ActiveRun
from tracklet.record.rules import RUN_NAME_TAG
from tracklet.validation import as_experiment_id, as_strings, validate_run_id

if TYPE_CHECKING:
    from tracklet.record import Store
    from tracklet.record.backend import RunWriter

_logger = lazy.logger(__name__)


def start_run(
    run_id: str | None = None,
    experiment_id: str | None = None,
    run_name: str | None = None,
    nested: bool = False,
    parent_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    description: str | None = None,
    log_system_metrics: bool | None = None,
    resume: Literal["auto"] | None = None,
) -> ActiveRun:
    """Start a run, or go on with an earlier one, and make it the active run of this context.

    Args:
        run_id: An earlier run to go on with; by default the option ``RUN_ID``, once.
        experiment_id: The experiment of a new run; by default the active one.
        run_name: The name of the run; one is invented for a new run by default.
        nested: Whether the active run becomes the new run's parent.
        parent_run_id: The parent of a new run, if it is not the active run.
        tags: Tags to set, beside those that say who runs what.
        description: Text for the tag ``mlflow.note.content``.
        log_system_metrics: Whether metrics of the machine are recorded too (needs psutil); by
            default what was enabled or configured.
        resume: ``"auto"`` goes on with the run that an earlier process of the same script,
            arguments and working directory started so, if that did not reach its end; by default
            the option ``RESUME``, which ``tracklet run --resume`` sets. What earlier attempts
            recorded beyond the checkpoint that is loaded is superseded.

    Returns:
        The run; as a context manager it ends the run.

    Raises:
        InvalidState: A run is active already and ``nested`` is not set; or the run that is to be
            resumed is another process's, which lives.
        InvalidParameterValue: Arguments contradict one another, or an option does.
        ResourceDoesNotExist: There is no such run or experiment.

    Example:
        >>> with tracklet.start_run(run_name="baseline") as run:
        ...     tracklet.log_metric("loss", 0.5)
        >>> tracklet.get_run(run.info.run_id).info.status
        'FINISHED'
    """
    current = active.top()
    # A forked child inherits its parent's run, and starts its own below it.
    inherits = current is not None and current.pid != os.getpid()
    # What autologging has around the user's code, such as a trial's run, is no run of theirs.
    inherits = inherits or (current is not None and active.is_autologgings(current))
    if current is not None and not nested and not inherits:
        raise InvalidState(
            f"run {current.info.run_id} is active already. End it with tracklet.end_run(), or "
            "start the new run inside of it with nested=True"
        )
    if experiment_id is not None:
        experiment_id = as_experiment_id(experiment_id)
    parent = _given_run_id(parent_run_id) or (None if current is None else current.info.run_id)
    if current is not None and not inherits and parent != current.info.run_id:
        raise InvalidParameterValue(
            f"parent_run_id={parent_run_id!r} is not the active run {current.info.run_id!r}; end "
            "the active run first, or leave parent_run_id out"
        )
    kept = as_strings(tags)
    if description is not None:
        if "mlflow.note.content" in kept:
            raise InvalidParameterValue(
                "description and the tag mlflow.note.content are the same thing; give one of them"
            )
        kept["mlflow.note.content"] = description
    store = active.store()
    if parent is not None and parent_run_id:
        store.get_run(parent)
    resumed_id = _given_run_id(run_id) or (_configured_run_id() if parent is None else None)
    attempt = None
    if parent is None and _is_resumed(resume):
        from tracklet.fluent import resuming

        if resumed_id is not None:
            with store.starting():
                _resumable(store, resumed_id, experiment_id)
        run, writer, attempt = resuming.start(
            store,
            experiment_id or experiments.experiment_for_new_run(),
            resumed_id,
            kept,
            lambda tags: _create(store, experiment_id, run_name, None, tags),
        )
    elif resumed_id is not None:
        if run_name:
            kept[RUN_NAME_TAG] = run_name
        with store.starting():
            run = _resume(store, resumed_id, experiment_id, kept)
            writer = store.open_run(resumed_id, live=True)
    else:
        run, writer = _create(store, experiment_id, run_name, parent, kept)
    started = None
    try:
        started = ActiveRun(run, store, writer, attempt)
        active.push(started)
        if settings.option("ACTIVE_MODEL_ID") is not None:
            active.process.linking = True
        _watch_machine(started, log_system_metrics)
        capture.start(started)
        if settings.option("SYNC_SECONDS") is not None:
            from tracklet.fluent import syncing

            syncing.start(started)
        return started
    except BaseException as error:  # nobody gets to know of the run, so nobody would end it
        unknown = started or ActiveRun(run, store, writer)
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
    run = active.to_record()
    if run is not None:
        return run
    others = len(active.process.open)
    run = active.unshared(start_run())
    if not active.process.has_said:
        active.process.has_said = True
        say = _logger.warning if others else _logger.info
        say(
            "run %s was started by a record without an active run (open elsewhere: %d); it takes "
            "what this thread records until end_run. Start one with start_run, or name another by "
            "run_id",
            run.info.run_id,
            others,
        )
    return run


def _configured_run_id() -> str | None:
    """The option ``RUN_ID``, the first time that this process or its parent starts a run."""
    run_id = settings.option("RUN_ID")
    if run_id is None or run_id == settings.option("RESUMED_RUN_ID"):
        return None
    token = object()
    if active.process.resumed.setdefault(run_id, token) is not token:
        return None
    settings.hand_down("RESUMED_RUN_ID", run_id)
    return run_id


def _given_run_id(run_id: object) -> str | None:
    """The id of a run that a caller names; None and "" name none."""
    return None if run_id is None or run_id == "" else validate_run_id(run_id)


def _create(
    store: Store,
    experiment_id: str | None,
    run_name: str | None,
    parent_run_id: str | None,
    tags: dict[str, str],
) -> tuple[Run, RunWriter]:
    all_tags = run_context.resolve_tags(tags)
    if parent_run_id is not None:
        all_tags["mlflow.parentRunId"] = parent_run_id
    experiment = experiment_id or experiments.experiment_for_new_run()
    name = run_name or tags.get("mlflow.runName")
    return store.start_run(experiment, None, None, all_tags, name)


def _is_resumed(resume: object) -> bool:
    """Whether an earlier process's run is gone on with, by the argument or else the option."""
    wanted = settings.option("RESUME") if resume is None else resume
    if wanted not in (None, "", "auto"):
        raise InvalidParameterValue(f'resume is "auto" or None; got {wanted!r}')
    return wanted == "auto"


def _watch_machine(run: ActiveRun, wanted: bool | None) -> None:
    if wanted is None:
        wanted = active.process.watches_machine
    if wanted is None:
        wanted = settings.flag("ENABLE_SYSTEM_METRICS_LOGGING")
    if wanted:
        from tracklet.fluent import system_metrics

        system_metrics.start(run)


def _resume(store: Store, run_id: str, experiment_id: str | None, tags: dict[str, str]) -> Run:
    run = _resumable(store, run_id, experiment_id)
    if not tags:
        return run
    store.log_batch(run_id, tags=tags)
    return store.get_run(run_id)


def _resumable(store: Store, run_id: str, experiment_id: str | None) -> Run:
    run = store.get_run(run_id)
    if run.info.lifecycle_stage == LifecycleStage.DELETED:
        raise TrackletException(
            f"run {run_id!r} was deleted; restore it with tracklet.restore_run({run_id!r}) first"
        )
    expected = experiment_id or experiments.active_experiment_id()
    if expected is not None and expected != run.info.experiment_id:
        raise InvalidParameterValue(
            f"run {run_id!r} belongs to experiment {run.info.experiment_id!r}, not to "
            f"{expected!r}; call tracklet.set_experiment(experiment_id="
            f"{run.info.experiment_id!r}) first"
        )
    return run
