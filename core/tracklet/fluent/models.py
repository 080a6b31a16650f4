"""Logged models as entities, and the active model that metrics are linked to."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

from tracklet import run_context
from tracklet.client.active_model import activate, get_active_model_id
from tracklet.entities import LoggedModel, LoggedModelStatus
from tracklet.errors import InvalidParameterValue
from tracklet.fluent import active, experiments
from tracklet.state import ProcessState
from tracklet.validation import as_strings

EXTERNAL_TAG: Final = "mlflow.model.isExternal"
"""A tag of logged models whose files are kept elsewhere."""

_last_model: ContextVar[str | None] = ContextVar("tracklet_last_model", default=None)


class _LastModel(ProcessState):
    """The model that was created last."""

    def forget(self) -> None:
        _last_model.set(None)


_state = _LastModel()


class ActiveModel(LoggedModel):
    """The model that became active; as a context manager it restores the earlier one."""

    __slots__ = ("_earlier",)

    def __init__(self, model: LoggedModel, earlier: str | None) -> None:
        super().__init__(**dict(model))
        object.__setattr__(self, "_earlier", earlier)

    def __enter__(self) -> ActiveModel:
        return self

    def __exit__(self, *error: object) -> None:
        activate(object.__getattribute__(self, "_earlier"))


def initialize_logged_model(
    name: str | None = None,
    source_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    experiment_id: str | None = None,
) -> LoggedModel:
    """Create a PENDING model, to be filled and then finalised.

    Args:
        name: Its name, without ``/ : . % " '``; one is invented by default.
        source_run_id: The run that makes it; the active run by default.
        tags: Tags, beside those that say who makes what.
        params: Params.
        model_type: A word of your own.
        experiment_id: Its experiment; the run's, or else the active one, by default.
    """
    store = active.store()
    run = active.top()
    source = source_run_id or (run.info.run_id if run is not None else None)
    if experiment_id is None:
        if source_run_id is not None:
            experiment_id = store.get_run(source_run_id).info.experiment_id
        elif run is not None:
            experiment_id = run.info.experiment_id
        else:
            experiment_id = experiments.experiment_for_new_run()
    all_tags = run_context.resolve_tags(as_strings(tags))
    model = store.create_logged_model(experiment_id, name, source, all_tags, params, model_type)
    try:
        note_last(model.model_id)
        return model
    except BaseException:  # nobody gets to know of the model, so nobody would finalise it
        store.finalize_logged_model(model.model_id, LoggedModelStatus.FAILED)
        raise


def create_external_model(
    name: str | None = None,
    source_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    experiment_id: str | None = None,
) -> LoggedModel:
    """Record a model whose files are kept elsewhere; it is READY and cannot be loaded.

    Arguments are those of :func:`initialize_logged_model`.
    """
    import tempfile

    import yaml

    from tracklet.repositories import repository

    external = {EXTERNAL_TAG: "true"}
    model = initialize_logged_model(
        name, source_run_id, {**as_strings(tags), **external}, params, model_type, experiment_id
    )
    document = {
        "artifact_path": model.artifact_location,
        "flavors": {},
        "metadata": {EXTERNAL_TAG: True},
        "model_id": model.model_id,
        "model_uuid": model.model_id,
        "run_id": model.source_run_id,
    }
    with tempfile.TemporaryDirectory(prefix="tracklet-") as scratch:
        path = Path(scratch) / "MLmodel"
        path.write_text(yaml.safe_dump(document, default_flow_style=False))
        repository(model.artifact_location).put_file(path)
    return active.store().finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def last_logged_model() -> LoggedModel | None:
    """The model that this context created last, as it is now; None if there is none."""
    model_id = _last_model.get()
    return None if model_id is None else active.store().get_logged_model(model_id)


def note_last(model_id: str) -> None:
    """Remember the model for :func:`last_logged_model`."""
    _last_model.set(model_id)


def log_model_params(params: Mapping[str, Any], model_id: str | None = None) -> None:
    """Add params to a model; the active model by default.

    Raises:
        InvalidParameterValue: No model is given and none is active, or a key has another value.
    """
    target = model_id or get_active_model_id()
    if target is None:
        raise InvalidParameterValue(
            "log_model_params needs a model: give model_id, or call tracklet.set_active_model first"
        )
    active.store().log_logged_model_params(target, params)


def set_active_model(*, name: str | None = None, model_id: str | None = None) -> ActiveModel:
    """Make a model the one that this context's metrics belong to.

    Args:
        name: The newest model of this name in the active experiment; one that does not exist is
            created as an external model.
        model_id: A model by its id.

    Returns:
        The model; as a context manager it restores the earlier one.

    Raises:
        InvalidParameterValue: Neither is given, or both are and do not agree.
    """
    if name is None and model_id is None:
        raise InvalidParameterValue("give set_active_model a name or a model_id")
    if model_id is not None:
        model = active.store().get_logged_model(model_id)
        if name is not None and model.name != name:
            raise InvalidParameterValue(
                f"model {model_id!r} is named {model.name!r}, not {name!r}; give only one of them"
            )
    else:
        newest = active.store().search_logged_models(
            [experiments.experiment_for_new_run()], f"name = '{name}'", max_results=1
        )
        model = newest[0] if newest else create_external_model(name=name)
    active.process.linking = True
    return ActiveModel(model, activate(model.model_id))
