"""How a training goes on from a checkpoint of its run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist, TrackletException
from tracklet.fluent import active
from tracklet.models import unpickle
from tracklet_integrations.shared.checkpointing import checkpoint_file


def load_checkpoint(
    model_class: type[Any],
    run_id: str | None = None,
    epoch: int | None = None,
    global_step: int | None = None,
    kwargs: dict[str, Any] | None = None,
) -> Any:
    """The model of a checkpoint.

    Args:
        model_class: Its class. One with ``load_from_checkpoint``, as Lightning's modules have,
            loads it by that; of another an instance is made, which is given what was learned.
        run_id: The run; the active one by default.
        epoch: Of which epoch, from 0; by default the newest checkpoint, or the only one.
        global_step: Of which step, instead of an epoch.
        kwargs: Arguments of ``load_from_checkpoint``, or of the class.

    Raises:
        InvalidParameterValue: Both an epoch and a step are given, or there is no run.
        ResourceDoesNotExist: There is no such checkpoint.
        TrackletException: The file is corrupt, or of another model.
    """
    file = checkpoint_file(run_id, epoch, global_step)
    load = getattr(model_class, "load_from_checkpoint", None)
    if load is not None:
        return load(file, **(kwargs or {}))
    model = model_class(**(kwargs or {}))
    _load_into([model], [_read(file)["state_dict"]], "model")
    return model


def restore_checkpoint(
    run_id: str | None = None,
    model: Any = None,
    optimizer: Any = None,
    scheduler: Any = None,
    *,
    scaler: Any = None,
    epoch: int | None = None,
    global_step: int | None = None,
    random_states: bool = True,
    missing_ok: bool = False,
) -> dict[str, Any] | None:
    """Bring all that a training needs to the state that it had in a checkpoint.

    Call it after the objects are made, before the first step:

        >>> state = tracklet.pytorch.restore_checkpoint(  # doctest: +SKIP
        ...     run_id, model, optimizer, scheduler, missing_ok=True
        ... )
        >>> first_epoch = state["epoch"] + 1 if state else 0  # doctest: +SKIP

    Args:
        run_id: The run; the active one by default.
        model: The module, or a sequence of them, each of which gets its state; None leaves it.
        optimizer: The optimizer, or a sequence of them in the order of their first steps.
        scheduler: The scheduler of rates, or a sequence of them.
        scaler: The scaler of gradients.
        epoch: Of which epoch, from 0; by default the newest checkpoint, or the only one.
        global_step: Of which step, instead of an epoch.
        random_states: Whether the generators of Python, NumPy and PyTorch go on from there too.
        missing_ok: Whether None is given where there is no checkpoint, instead of an error.

    Returns:
        ``epoch``, the last one that was over, from 0, and ``global_step``, how many steps were
        taken.

    Raises:
        InvalidParameterValue: Both an epoch and a step are given, or there is no run; or the
            checkpoint has no state for something, as with ``checkpoint_save_weights_only``.
        ResourceDoesNotExist: There is no such checkpoint.
        TrackletException: The file is corrupt, or of other objects.
    """
    try:
        file = checkpoint_file(run_id, epoch, global_step)
    except ResourceDoesNotExist:
        if missing_ok:
            return None
        raise
    state = _read(file)
    models = [state["state_dict"], *state.get("further_state_dicts", ())]
    wanted = (
        ("model", model, models),
        ("optimizer", optimizer, state.get("optimizer_states", [])),
        ("scheduler", scheduler, state.get("lr_schedulers", [])),
        ("scaler", scaler, state.get("grad_scalers", [])),
    )
    for what, given, states in wanted:
        objects = _several(given)
        if len(objects) > len(states):
            raise InvalidParameterValue(
                f"the checkpoint has the state of {len(states)} {what}(s), and {len(objects)} were "
                "given"
            )
    if random_states and "random_states" not in state:
        raise InvalidParameterValue(
            "the checkpoint has no random states, as it was saved with "
            "checkpoint_save_weights_only=True; restore it with random_states=False"
        )
    for what, given, states in wanted:
        _load_into(_several(given), states, what)
    if random_states:
        from tracklet_integrations.pytorch.checkpoints import set_random_states

        set_random_states(state["random_states"])
    _tell_run(run_id, file, state)
    return {"epoch": state["epoch"], "global_step": state["global_step"]}


def _tell_run(run_id: str | None, file: Path, state: dict[str, Any]) -> None:
    """Let the active run know what it goes on from, if it is this one."""
    run = active.top()
    if run is None or run.attempt is None or run_id not in (None, run.info.run_id):
        return
    from tracklet_integrations.pytorch.continuing import Point

    step, steps, since = state["global_step"], state.get("steps", []), state.get("saved_at")
    run.attempt.point = Point(str(file), step, state["epoch"] + 1, since, steps)


def _several(given: Any) -> list[Any]:
    if given is None:
        return []
    return list(given) if isinstance(given, Sequence) else [given]


def _load_into(objects: Sequence[Any], states: Sequence[Any], what: str) -> None:
    for each, state in zip(objects, states, strict=False):
        try:
            each.load_state_dict(state)
        except Exception as error:
            raise TrackletException(
                f"the checkpoint is not of this {what} ({type(each).__name__}): "
                f"{type(error).__name__}: {error}"
            ) from error


def _read(file: Path) -> dict[str, Any]:
    state = unpickle.load_torch(file, weights_only=True, map_location="cpu")
    if not isinstance(state, dict) or "state_dict" not in state:
        raise TrackletException(f"{file} is no checkpoint: it has no state_dict")
    return state
