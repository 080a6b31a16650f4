"""Entities from folders: pure functions that write nothing.

They read what tracklet and MLflow write, also old, moved and odd trees: missing files and unknown
fields are fine, a torn last line of a metric is skipped, absolute locations recorded in another
place are found again beside the documents.

Every function takes the folder of one entity. A folder without ``meta.yaml`` raises
ResourceDoesNotExist, a document that is no YAML mapping raises StorageError.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from tracklet import liveness
from tracklet.entities import (
    Dataset,
    DatasetInput,
    Experiment,
    InputTag,
    LifecycleStage,
    LoggedModel,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunStatus,
)
from tracklet.stores.creation import RUN_NAME_TAG
from tracklet.stores.files import contents, fields, layout, leases, points
from tracklet.stores.files.layout import Path
from tracklet.stores.files.points import MetricHistory
from tracklet.stores.files.relocation import origin, relocated

# -- experiments -------------------------------------------------------------------------------


def read_experiment(experiment_dir: Path) -> Experiment:
    """The experiment of a folder; it is deleted when it lies in the trash."""
    folder = os.fspath(experiment_dir)
    meta = contents.read_meta(folder, "experiment")
    experiment_id = os.path.basename(folder)
    _, in_trash = origin(folder)
    return Experiment(
        experiment_id=experiment_id,
        name=fields.text(meta.get("name"), experiment_id),
        artifact_location=experiment_location(folder, meta),
        lifecycle_stage=LifecycleStage.DELETED if in_trash else fields.stage(meta),
        tags=contents.read_texts(f"{folder}/{layout.TAGS}"),
        creation_time=fields.integer(meta.get("creation_time")),
        last_update_time=fields.integer(meta.get("last_update_time")),
        workspace=fields.text(meta.get("workspace"), "default"),
        trace_location=fields.optional(meta.get("trace_location")),
    )


def experiment_location(folder: str, meta: dict[str, Any]) -> str:
    """Where the artifacts of an experiment's runs go."""
    experiment_id = os.path.basename(folder)
    recorded = fields.text(meta.get("artifact_location"), "")
    home, _ = origin(folder)
    return relocated(recorded, home, experiment_id)


# -- runs --------------------------------------------------------------------------------------


def read_run(run_dir: Path) -> Run:
    """The run of a folder with all that was recorded.

    A run whose process died without a word is KILLED, ended when its newest file was written,
    and has the tag ``tracklet.end_reason`` = ``lost``, whatever its files still say.
    """
    folder = os.fspath(run_dir)
    meta = contents.read_meta(folder, "run")
    tags = contents.read_texts(f"{folder}/{layout.TAGS}")
    info = run_info(folder, meta, tags)
    if info.status == "RUNNING" and leases.is_lost(folder):
        info = lost_info(info, folder)
        tags.setdefault(liveness.END_REASON_TAG, liveness.LOST)
    return Run(
        info=info,
        data=RunData(
            metrics=dict(_latest_values(folder)),
            params=contents.read_texts(f"{folder}/{layout.PARAMS}"),
            tags=tags,
        ),
        inputs=read_inputs(folder),
        outputs=read_outputs(folder),
    )


def read_run_info(run_dir: Path) -> RunInfo:
    """The identity of a run and where it stands, without its data."""
    folder = os.fspath(run_dir)
    meta = contents.read_meta(folder, "run")
    tags = {} if meta.get("run_name") or meta.get("name") else contents.read_texts(f"{folder}/tags")
    info = run_info(folder, meta, tags)
    if info.status == "RUNNING" and leases.is_lost(folder):
        return lost_info(info, folder)
    return info


def run_info(folder: str, meta: dict[str, Any], tags: dict[str, str]) -> RunInfo:
    """What a run's ``meta.yaml`` says."""
    folder_name = os.path.basename(folder)
    experiment_dir = os.path.dirname(folder)
    experiment_id = os.path.basename(experiment_dir)
    home, in_trash = origin(experiment_dir)
    run_id = meta.get("run_id") or meta.get("run_uuid")
    if not isinstance(run_id, str):  # all digits and unquoted: YAML made it a number
        run_id = folder_name
    status = meta.get("status")
    return RunInfo(
        run_id=run_id,
        experiment_id=experiment_id,
        user_id=fields.text(meta.get("user_id"), ""),
        status=RunStatus.to_string(status) if status in RunStatus.all_status() else "RUNNING",
        start_time=fields.integer(meta.get("start_time")),
        end_time=fields.integer(meta.get("end_time")),
        lifecycle_stage=LifecycleStage.DELETED if in_trash else fields.stage(meta),
        artifact_uri=relocated(
            fields.text(meta.get("artifact_uri"), ""),
            f"{home}/{folder_name}/{layout.ARTIFACTS}",
            f"{experiment_id}/{folder_name}/{layout.ARTIFACTS}",
            f"{folder}/{layout.ARTIFACTS}",
        ),
        run_name=fields.optional(meta.get("run_name") or meta.get("name"))
        or tags.get(RUN_NAME_TAG),
    )


def lost_info(info: RunInfo, folder: str) -> RunInfo:
    """How a lost run stands."""
    return RunInfo(
        run_id=info.run_id,
        experiment_id=info.experiment_id,
        user_id=info.user_id,
        status="KILLED",
        start_time=info.start_time,
        end_time=leases.last_sign_of_life(folder),
        lifecycle_stage=info.lifecycle_stage,
        artifact_uri=info.artifact_uri,
        run_name=info.run_name,
    )


def read_metric_history(file: Path, key: str) -> MetricHistory:
    """The points of a run's metric file in file order; none if there is no file."""
    data = contents.read_key(os.fspath(file))
    return points.parse_run_points(data, key) if data is not None else MetricHistory([])


def read_inputs(run_dir: Path) -> RunInputs:
    """The datasets and logged models that a run used."""
    folder = os.fspath(run_dir)
    datasets: list[DatasetInput] = []
    models: list[LoggedModelInput] = []
    for link_dir in sorted(contents.folders(f"{folder}/{layout.INPUTS}")):
        link = contents.meta_if_there(link_dir)
        if link is None:
            continue
        source = str(link.get("source_id", ""))
        if str(link.get("source_type")) in ("MODEL", "RUN_INPUT", "MODEL_INPUT"):
            models.append(LoggedModelInput(source))
            continue
        dataset = _dataset(f"{os.path.dirname(folder)}/{layout.DATASETS}/{source}")
        if dataset is not None:
            tags = [InputTag(str(k), str(v)) for k, v in (link.get("tags") or {}).items()]
            datasets.append(DatasetInput(dataset, tags))
    return RunInputs(datasets, models)


def read_outputs(run_dir: Path) -> RunOutputs:
    """The logged models that a run produced."""
    outputs: list[LoggedModelOutput] = []
    for link_dir in sorted(contents.folders(f"{os.fspath(run_dir)}/{layout.OUTPUTS}")):
        link = contents.meta_if_there(link_dir)
        if link is not None:
            model_id = str(link.get("destination_id") or os.path.basename(link_dir))
            outputs.append(LoggedModelOutput(model_id, fields.integer(link.get("step")) or 0))
    return RunOutputs(outputs)


def _dataset(folder: str) -> Dataset | None:
    meta = contents.meta_if_there(folder)
    if meta is None:
        return None
    return Dataset(
        name=fields.text(meta.get("name"), ""),
        digest=fields.text(meta.get("digest"), ""),
        source_type=fields.text(meta.get("source_type"), ""),
        source=fields.text(meta.get("source"), ""),
        schema=fields.optional(meta.get("schema")),
        profile=fields.optional(meta.get("profile")),
    )


def _latest_values(folder: str) -> Iterator[tuple[str, float]]:
    for key, path in contents.key_files(f"{folder}/{layout.METRICS}"):
        value = points.latest_value(contents.read_key(path) or b"")
        if value is not None:
            yield key, value


# -- logged models -----------------------------------------------------------------------------


def read_logged_model(model_dir: Path) -> LoggedModel:
    """The logged model of a folder; its metrics are the latest per key and dataset."""
    folder = os.fspath(model_dir)
    meta = contents.read_meta(folder, "logged model")
    model_id = os.path.basename(folder)
    experiment_dir = os.path.dirname(os.path.dirname(folder))
    experiment_id = os.path.basename(experiment_dir)
    home, in_trash = origin(experiment_dir)
    tail = f"{layout.MODELS}/{model_id}/{layout.ARTIFACTS}"
    metrics: list[Metric] = []
    for key, path in contents.key_files(f"{folder}/{layout.METRICS}"):
        history = points.parse_model_points(contents.read_key(path) or b"", key, model_id)
        metrics.extend(points.latest_per_dataset(history.points))
    created = fields.integer(meta.get("creation_timestamp")) or 0
    return LoggedModel(
        experiment_id=experiment_id,
        model_id=model_id,
        name=fields.text(meta.get("name"), model_id),
        artifact_location=relocated(
            fields.text(meta.get("artifact_location"), ""),
            f"{home}/{tail}",
            f"{experiment_id}/{tail}",
            f"{folder}/{layout.ARTIFACTS}",
        ),
        creation_timestamp=created,
        last_updated_timestamp=fields.integer(meta.get("last_updated_timestamp")) or created,
        model_type=fields.optional(meta.get("model_type")),
        source_run_id=fields.optional(meta.get("source_run_id")),
        status=_model_status(meta.get("status")),
        status_message=fields.optional(meta.get("status_message")),
        tags=contents.read_texts(f"{folder}/{layout.TAGS}"),
        params=contents.read_texts(f"{folder}/{layout.PARAMS}"),
        metrics=metrics,
        lifecycle_stage=LifecycleStage.DELETED if in_trash else fields.stage(meta),
    )


def _model_status(value: object) -> LoggedModelStatus:
    if isinstance(value, int) and 0 <= value < len(LoggedModelStatus):
        return LoggedModelStatus.from_int(value)
    return LoggedModelStatus.UNSPECIFIED
