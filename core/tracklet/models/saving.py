"""Saving a model as a folder, and logging it to the record."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tracklet.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus
from tracklet.errors import InvalidParameterValue
from tracklet.fluent import active
from tracklet.fluent.models import initialize_logged_model
from tracklet.frozen import replace
from tracklet.models import folder
from tracklet.models.flavor import Flavor
from tracklet.models.folder import Description
from tracklet.models.model import Model, ModelInfo
from tracklet.models.signature import ModelSignature
from tracklet.repositories import repository
from tracklet.stores import TrackingStore
from tracklet.validation import (
    as_strings,
    validate_logged_model_name,
    validate_registered_model_name,
)

_logger = logging.getLogger(__name__)


def save_model(
    model: Any,
    path: str | Path,
    *,
    flavor: str | Flavor | None = None,
    mlflow_model: Model | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    code_paths: Sequence[str | Path] | None = None,
    infer_code_paths: bool = False,
    metadata: dict[str, Any] | None = None,
    **options: Any,
) -> None:
    """Save a model as a folder; no run is involved.

    Args:
        model: The native model.
        path: The folder; it must not exist, or be empty.
        flavor: The flavor's name; by default the one that the model's type belongs to.
        mlflow_model: An ``MLmodel`` to complete instead of a new one.
        signature: What the model takes and gives; by default inferred from ``input_example``,
            with False none.
        input_example: A sample of the input, or ``(input, params)``.
        conda_env: The environment as a conda dictionary or file, instead of an inferred one.
        pip_requirements: The environment as requirements or a requirements file.
        extra_pip_requirements: Requirements beside the inferred ones.
        code_paths: Files and folders to be importable where the model is loaded.
        infer_code_paths: Find the modules of your own that the model needs, instead.
        metadata: Facts of your own for the ``MLmodel`` file.
        **options: The flavor's own options.

    Raises:
        ResourceAlreadyExists: There is something at ``path``.
        InvalidParameterValue: No flavor knows the model, or an argument is wrong. Nothing is
            written then.
    """
    described = Description(
        signature,
        input_example,
        conda_env,
        pip_requirements,
        extra_pip_requirements,
        code_paths,
        metadata,
        options,
        infer_code_paths,
    )
    chosen = folder.flavor_to_save(model, flavor, described)
    with folder.appearing(Path(path)) as partial:
        folder.write(chosen, model, partial, mlflow_model or Model(), described)


def log_model(
    model: Any,
    name: str | None = None,
    *,
    flavor: str | Flavor | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    registered_model_name: str | None = None,
    await_registration_for: int | None = 300,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    code_paths: Sequence[str | Path] | None = None,
    infer_code_paths: bool = False,
    metadata: dict[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
    **options: Any,
) -> ModelInfo:
    """Log a model: its files, its signature, its environment, its link to the run.

    It can be loaded by ``models:/<model id>`` and, if there is a run, ``runs:/<run id>/<name>``.

    Args:
        model: The native model.
        name: The logged model's name; ``"model"`` by default.
        flavor: The flavor's name; by default the one that the model's type belongs to.
        run_id: The run that made it; the active run by default, and none if there is none.
        artifact_path: An older word for ``name``.
        registered_model_name: Register the model under this name as well.
        await_registration_for: Accepted for compatibility; a version is ready at once.
        signature: As in :func:`save_model`; so are ``input_example``, ``conda_env``,
            ``pip_requirements``, ``extra_pip_requirements``, ``code_paths`` and ``metadata``.
        input_example: See ``signature``.
        conda_env: See ``signature``.
        pip_requirements: See ``signature``.
        extra_pip_requirements: See ``signature``.
        code_paths: See ``signature``.
        infer_code_paths: See ``signature``.
        metadata: See ``signature``.
        params: Params of the logged model, beside those of the run.
        tags: Tags of the logged model.
        model_type: A word of your own.
        step: The step at which the run produced the model.
        model_id: A PENDING logged model to fill, instead of a new one.
        **options: The flavor's own options.

    Returns:
        Where the model is and what is known of it.

    Raises:
        InvalidParameterValue: No flavor knows the model, or an argument is wrong; nothing is
            created then.

    Example:
        >>> from sklearn.linear_model import LinearRegression
        >>> model = LinearRegression().fit([[1.0], [2.0]], [3.0, 5.0])
        >>> with tracklet.start_run():
        ...     info = tracklet.log_model(model, "line")
        >>> tracklet.load_model(info.model_uri).predict([[3.0]]).round(6).tolist()
        [7.0]
    """
    described = Description(
        signature,
        input_example,
        conda_env,
        pip_requirements,
        extra_pip_requirements,
        code_paths,
        metadata,
        options,
        infer_code_paths,
    )
    chosen_name = _name(name, artifact_path)
    chosen = folder.flavor_to_save(model, flavor, described)
    if registered_model_name is not None:
        validate_registered_model_name(registered_model_name)
    store = active.store()
    run = active.to_record() if run_id is None else active.opened(run_id)
    run_id = run.info.run_id if run is not None else run_id
    experiment_id = run.info.experiment_id if run is not None else None
    logged = _logged_model(
        store, chosen_name, run_id, experiment_id, model_id, params, tags, model_type
    )
    try:
        if run_id is not None:
            _link(store, run_id, logged.model_id, step)
        about = Model(
            artifact_path=logged.artifact_location,
            run_id=run_id,
            model_uuid=logged.model_id,
            model_id=logged.model_id,
        )
        _write_files(chosen, model, about, described, logged.artifact_location)
        logged = store.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    except BaseException:
        _give_up(store, logged.model_id)
        raise
    info = about.get_model_info(logged)
    if registered_model_name is not None:
        from tracklet.models import uris

        version = uris.register_model(info.model_uri, registered_model_name, await_registration_for)
        info.registered_model_version = version.version
        versions = [{"name": version.name, "version": version.version}]
        store.set_logged_model_tags(logged.model_id, {"mlflow.modelVersions": json.dumps(versions)})
    return info


def _name(name: str | None, artifact_path: str | None) -> str:
    if name is not None and artifact_path is not None:
        raise InvalidParameterValue(
            f"name={name!r} and artifact_path={artifact_path!r} say the same; give only name"
        )
    return validate_logged_model_name(name or artifact_path or "model")


def _logged_model(
    store: TrackingStore,
    name: str,
    run_id: str | None,
    experiment_id: str | None,
    model_id: str | None,
    params: Mapping[str, Any] | None,
    tags: Mapping[str, Any] | None,
    model_type: str | None,
) -> LoggedModel:
    if model_id is not None:
        logged = store.get_logged_model(model_id)
        if params:
            store.log_logged_model_params(model_id, as_strings(params))
        if tags:
            store.set_logged_model_tags(model_id, as_strings(tags))
        return logged
    inherited = store.get_params(run_id) if run_id is not None else {}
    return initialize_logged_model(
        name, run_id, tags, {**inherited, **(params or {})}, model_type, experiment_id
    )


def _link(store: TrackingStore, run_id: str, model_id: str, step: int) -> None:
    """Record that the run produced the model, and give it the run's metrics of that step."""
    output = LoggedModelOutput(model_id, step)
    store.log_outputs(run_id, [output])
    run = active.opened(run_id)
    if run is not None:
        run.note_outputs([output])
    points = [
        replace(point, model_id=model_id, run_id=run_id)
        for point in store.last_points(run_id)
        if point.step == step and point.model_id is None
    ]
    if points and run is not None:
        run.writer.link_metrics(points)
    elif points:
        store.log_batch(run_id, points)


def _write_files(
    flavor: Flavor, model: Any, about: Model, described: Description, location: str
) -> None:
    target = repository(location)
    local = target.local_path("")
    if local is not None and not (local.is_dir() and any(local.iterdir())):
        with folder.appearing(local) as partial:
            folder.write(flavor, model, partial, about, described)
        return
    scratch = Path(tempfile.mkdtemp(prefix="tracklet-model-"))
    try:
        folder.write(flavor, model, scratch, about, described)
        target.put_tree(scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _give_up(store: TrackingStore, model_id: str) -> None:
    try:
        store.finalize_logged_model(model_id, LoggedModelStatus.FAILED)
    except Exception as error:  # noqa: BLE001 - the first failure is the one to report
        _logger.warning("logged model %s could not be marked FAILED: %s", model_id, error)
