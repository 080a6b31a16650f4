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
from typing import Any, Final

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
    ModelVersion,
    RegisteredModel,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunStatus,
)
from tracklet.errors import ResourceDoesNotExist
from tracklet.stores import disk
from tracklet.stores.creation import RUN_NAME_TAG
from tracklet.stores.files import documents, layout, leases, points
from tracklet.stores.files.layout import Path
from tracklet.stores.files.points import MetricHistory

DELETED_STAGE: Final = "Deleted_Internal"
"""The stage of a deleted model version; its folder stays, so that its number is not used again."""


# -- listings ----------------------------------------------------------------------------------


def experiment_dirs(root: Path) -> list[str]:
    """The folders of all experiments, deleted ones included."""
    top = os.fspath(root)
    active = [d for d in _folders(top) if os.path.basename(d) not in layout.NOT_EXPERIMENTS]
    return [d for d in active + _folders(layout.trash(top)) if _has_meta(d)]


def run_dirs(experiment_dir: Path) -> list[str]:
    """The folders of all runs of an experiment, deleted ones included."""
    folders = _folders(os.fspath(experiment_dir))
    return [d for d in folders if os.path.basename(d) not in layout.NOT_RUNS and _has_meta(d)]


def logged_model_dirs(experiment_dir: Path) -> list[str]:
    """The folders of all logged models of an experiment, deleted ones included."""
    return [d for d in _folders(f"{os.fspath(experiment_dir)}/{layout.MODELS}") if _has_meta(d)]


def registered_model_dirs(root: Path) -> list[str]:
    """The folders of all registered models."""
    return [d for d in _folders(layout.registry(os.fspath(root))) if _has_meta(d)]


def model_version_dirs(model_dir: Path) -> list[str]:
    """The folders of all versions of a registered model in their order, deleted ones included."""
    numbered = [
        (int(number), folder)
        for folder in _folders(os.fspath(model_dir))
        if (number := os.path.basename(folder).removeprefix(layout.VERSION_PREFIX)).isdecimal()
        and os.path.basename(folder).startswith(layout.VERSION_PREFIX)
    ]
    return [folder for _, folder in sorted(numbered) if _has_meta(folder)]


# -- experiments -------------------------------------------------------------------------------


def read_experiment(experiment_dir: Path) -> Experiment:
    """The experiment of a folder; it is deleted when it lies in the trash."""
    folder = os.fspath(experiment_dir)
    meta = read_meta(folder, "experiment")
    experiment_id = os.path.basename(folder)
    in_trash = os.path.basename(os.path.dirname(folder)) == layout.TRASH
    return Experiment(
        experiment_id=experiment_id,
        name=_text(meta.get("name"), experiment_id),
        artifact_location=experiment_location(folder, meta),
        lifecycle_stage=LifecycleStage.DELETED if in_trash else _stage(meta),
        tags=read_texts(f"{folder}/{layout.TAGS}"),
        creation_time=_int(meta.get("creation_time")),
        last_update_time=_int(meta.get("last_update_time")),
        workspace=_text(meta.get("workspace"), "default"),
        trace_location=_optional(meta.get("trace_location")),
    )


def experiment_location(folder: str, meta: dict[str, Any]) -> str:
    """Where the artifacts of an experiment's runs go."""
    experiment_id = os.path.basename(folder)
    recorded = _text(meta.get("artifact_location"), "")
    home = os.path.dirname(folder)
    if os.path.basename(home) == layout.TRASH:
        home = os.path.dirname(home)
    return relocated(recorded, f"{home}/{experiment_id}", experiment_id)


# -- runs --------------------------------------------------------------------------------------


def read_run(run_dir: Path) -> Run:
    """The run of a folder with all that was recorded.

    A run whose process died without a word is KILLED, ended when its newest file was written,
    and has the tag ``tracklet.end_reason`` = ``lost``, whatever its files still say.
    """
    folder = os.fspath(run_dir)
    meta = read_meta(folder, "run")
    tags = read_texts(f"{folder}/{layout.TAGS}")
    info = run_info(folder, meta, tags)
    if info.status == "RUNNING" and leases.is_lost(folder):
        info = lost_info(info, folder)
        tags.setdefault(liveness.END_REASON_TAG, liveness.LOST)
    return Run(
        info=info,
        data=RunData(
            metrics=dict(_latest_values(folder)),
            params=read_texts(f"{folder}/{layout.PARAMS}"),
            tags=tags,
        ),
        inputs=read_inputs(folder),
        outputs=read_outputs(folder),
    )


def read_run_info(run_dir: Path) -> RunInfo:
    """The identity of a run and where it stands, without its data."""
    folder = os.fspath(run_dir)
    meta = read_meta(folder, "run")
    tags = {} if meta.get("run_name") or meta.get("name") else read_texts(f"{folder}/tags")
    info = run_info(folder, meta, tags)
    if info.status == "RUNNING" and leases.is_lost(folder):
        return lost_info(info, folder)
    return info


def run_info(folder: str, meta: dict[str, Any], tags: dict[str, str]) -> RunInfo:
    """What a run's ``meta.yaml`` says."""
    folder_name = os.path.basename(folder)
    experiment_dir = os.path.dirname(folder)
    experiment_id = os.path.basename(experiment_dir)
    home = os.path.dirname(experiment_dir)
    in_trash = os.path.basename(home) == layout.TRASH
    if in_trash:
        home = os.path.dirname(home)
    run_id = meta.get("run_id") or meta.get("run_uuid")
    if not isinstance(run_id, str):  # all digits and unquoted: YAML made it a number
        run_id = folder_name
    status = meta.get("status")
    return RunInfo(
        run_id=run_id,
        experiment_id=experiment_id,
        user_id=_text(meta.get("user_id"), ""),
        status=RunStatus.to_string(status) if status in RunStatus.all_status() else "RUNNING",
        start_time=_int(meta.get("start_time")),
        end_time=_int(meta.get("end_time")),
        lifecycle_stage=LifecycleStage.DELETED if in_trash else _stage(meta),
        artifact_uri=relocated(
            _text(meta.get("artifact_uri"), ""),
            f"{home}/{experiment_id}/{folder_name}/{layout.ARTIFACTS}",
            f"{experiment_id}/{folder_name}/{layout.ARTIFACTS}",
            f"{folder}/{layout.ARTIFACTS}",
        ),
        run_name=_optional(meta.get("run_name") or meta.get("name")) or tags.get(RUN_NAME_TAG),
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
    data = _read_key(os.fspath(file))
    return points.parse_run_points(data, key) if data is not None else MetricHistory([])


def read_inputs(run_dir: Path) -> RunInputs:
    """The datasets and logged models that a run used."""
    folder = os.fspath(run_dir)
    datasets: list[DatasetInput] = []
    models: list[LoggedModelInput] = []
    for link_dir in sorted(_folders(f"{folder}/{layout.INPUTS}")):
        link = _meta_if_there(link_dir)
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
    for link_dir in sorted(_folders(f"{os.fspath(run_dir)}/{layout.OUTPUTS}")):
        link = _meta_if_there(link_dir)
        if link is not None:
            model_id = str(link.get("destination_id") or os.path.basename(link_dir))
            outputs.append(LoggedModelOutput(model_id, _int(link.get("step")) or 0))
    return RunOutputs(outputs)


def _dataset(folder: str) -> Dataset | None:
    meta = _meta_if_there(folder)
    if meta is None:
        return None
    return Dataset(
        name=_text(meta.get("name"), ""),
        digest=_text(meta.get("digest"), ""),
        source_type=_text(meta.get("source_type"), ""),
        source=_text(meta.get("source"), ""),
        schema=_optional(meta.get("schema")),
        profile=_optional(meta.get("profile")),
    )


def _latest_values(folder: str) -> Iterator[tuple[str, float]]:
    for key, path in key_files(f"{folder}/{layout.METRICS}"):
        value = points.latest_value(_read_key(path) or b"")
        if value is not None:
            yield key, value


# -- logged models -----------------------------------------------------------------------------


def read_logged_model(model_dir: Path) -> LoggedModel:
    """The logged model of a folder; its metrics are the latest per key and dataset."""
    folder = os.fspath(model_dir)
    meta = read_meta(folder, "logged model")
    model_id = os.path.basename(folder)
    experiment_dir = os.path.dirname(os.path.dirname(folder))
    experiment_id = os.path.basename(experiment_dir)
    home = os.path.dirname(experiment_dir)
    in_trash = os.path.basename(home) == layout.TRASH
    if in_trash:
        home = os.path.dirname(home)
    tail = f"{experiment_id}/{layout.MODELS}/{model_id}/{layout.ARTIFACTS}"
    metrics: list[Metric] = []
    for key, path in key_files(f"{folder}/{layout.METRICS}"):
        history = points.parse_model_points(_read_key(path) or b"", key, model_id)
        metrics.extend(points.latest_per_dataset(history.points))
    created = _int(meta.get("creation_timestamp")) or 0
    return LoggedModel(
        experiment_id=experiment_id,
        model_id=model_id,
        name=_text(meta.get("name"), model_id),
        artifact_location=relocated(
            _text(meta.get("artifact_location"), ""),
            f"{home}/{tail}",
            tail,
            f"{folder}/{layout.ARTIFACTS}",
        ),
        creation_timestamp=created,
        last_updated_timestamp=_int(meta.get("last_updated_timestamp")) or created,
        model_type=_optional(meta.get("model_type")),
        source_run_id=_optional(meta.get("source_run_id")),
        status=_model_status(meta.get("status")),
        status_message=_optional(meta.get("status_message")),
        tags=read_texts(f"{folder}/{layout.TAGS}"),
        params=read_texts(f"{folder}/{layout.PARAMS}"),
        metrics=metrics,
        lifecycle_stage=LifecycleStage.DELETED if in_trash else _stage(meta),
    )


def _model_status(value: object) -> LoggedModelStatus:
    if isinstance(value, int) and 0 <= value < len(LoggedModelStatus):
        return LoggedModelStatus.from_int(value)
    return LoggedModelStatus.UNSPECIFIED


# -- registry ----------------------------------------------------------------------------------


def read_registered_model(model_dir: Path) -> RegisteredModel:
    """The registered model of a folder, with the newest version of each stage."""
    folder = os.fspath(model_dir)
    meta = read_meta(folder, "registered model")
    aliases = read_aliases(folder)
    newest: dict[str, ModelVersion] = {}
    for version_dir in model_version_dirs(folder):
        version = read_model_version(version_dir, aliases)
        if version.current_stage != DELETED_STAGE:
            newest[version.current_stage] = version
    created = _int(meta.get("creation_timestamp")) or 0
    return RegisteredModel(
        name=_text(meta.get("name"), os.path.basename(folder)),
        creation_timestamp=created,
        last_updated_timestamp=_int(meta.get("last_updated_timestamp")) or created,
        description=_optional(meta.get("description")),
        latest_versions=list(newest.values()),
        tags=read_texts(f"{folder}/{layout.TAGS}"),
        aliases=aliases,
    )


def read_aliases(model_dir: Path) -> dict[str, int]:
    """The aliases of a registered model and the versions that they point at."""
    texts = read_texts(f"{os.fspath(model_dir)}/{layout.ALIASES}")
    return {alias: int(text) for alias, text in texts.items() if text.strip().isdecimal()}


def read_model_version(version_dir: Path, aliases: dict[str, int] | None = None) -> ModelVersion:
    """The model version of a folder; a deleted one has the stage :data:`DELETED_STAGE`.

    Args:
        version_dir: The folder ``version-<n>``.
        aliases: The aliases of its registered model; read when left out.
    """
    folder = os.fspath(version_dir)
    meta = read_meta(folder, "model version")
    model_dir = os.path.dirname(folder)
    number = int(os.path.basename(folder).removeprefix(layout.VERSION_PREFIX))
    if aliases is None:
        aliases = read_aliases(model_dir)
    root = os.path.dirname(os.path.dirname(model_dir))
    return ModelVersion(
        name=_text(meta.get("name"), os.path.basename(model_dir)),
        version=number,
        creation_timestamp=_int(meta.get("creation_timestamp")) or 0,
        last_updated_timestamp=_int(meta.get("last_updated_timestamp")),
        description=_optional(meta.get("description")),
        user_id=_optional(meta.get("user_id")),
        current_stage=_text(meta.get("current_stage"), "None"),
        source=_rerooted(_optional(meta.get("source")), root),
        run_id=_optional(meta.get("run_id")),
        status=_text(meta.get("status"), "READY"),
        status_message=_optional(meta.get("status_message")),
        tags=read_texts(f"{folder}/{layout.TAGS}"),
        run_link=_optional(meta.get("run_link")),
        aliases=sorted(alias for alias, version in aliases.items() if version == number),
        model_id=_optional(meta.get("model_id")),
        storage_location=_rerooted(_optional(meta.get("storage_location")), root),
    )


# -- documents and keys ------------------------------------------------------------------------


def read_meta(folder: str, kind: str) -> dict[str, Any]:
    """The document of an entity.

    Raises:
        ResourceDoesNotExist: There is none.
    """
    meta = _meta_if_there(folder)
    if meta is None:
        raise ResourceDoesNotExist(f"there is no {kind} in {folder!r}: it has no {layout.META}")
    return meta


def read_texts(folder: str) -> dict[str, str]:
    """The keys below a folder of params or tags and their texts."""
    texts: dict[str, str] = {}
    for key, path in key_files(folder):
        data = _read_key(path)
        if data is not None:
            texts[key] = data.decode("utf-8", "replace")
    return texts


def key_files(folder: str) -> list[tuple[str, str]]:
    """The keys below a folder and their files, sorted; ``/`` in a key is a folder."""
    found: list[tuple[str, str]] = []
    stack = [(folder, "")]
    while stack:
        directory, prefix = stack.pop()
        try:
            with os.scandir(directory) as entries:
                for entry in entries:
                    if entry.is_dir():
                        stack.append((entry.path, f"{prefix}{entry.name}/"))
                    else:
                        found.append((prefix + entry.name, entry.path))
        except (FileNotFoundError, NotADirectoryError):
            continue
    found.sort()
    return found


def relocated(recorded: str, home: str, tail: str, sibling: str | None = None) -> str:
    """Where a recorded location is now, the tree perhaps having been moved or copied.

    Args:
        recorded: The location as it was written.
        home: Where this store would put it.
        tail: How a location that a store chose by itself ends.
        sibling: Where the files are now, if that differs from ``home`` (in the trash).
    """
    if recorded == home or not layout.is_local(recorded):
        return recorded if recorded != home or not sibling else _existing(recorded, sibling)
    path = layout.local_path(recorded)
    if path == home:
        return recorded
    if recorded.endswith("/"):  # an import refers to another store's place
        return recorded.rstrip("/")
    here = _existing(home, sibling or home)
    if not recorded:
        return here
    if path == tail or path.endswith(f"/{tail}"):
        # The store chose it, so the files moved with the tree, unless only documents were copied.
        return recorded if os.path.exists(path) and not os.path.exists(here) else here
    # A location that the user chose may not be there yet; files beside the document decide.
    if sibling is not None and not os.path.exists(path) and _holds_something(here):
        return here
    return recorded


def _existing(home: str, sibling: str) -> str:
    return sibling if sibling != home and os.path.exists(sibling) else home


def _holds_something(folder: str) -> bool:
    try:
        return bool(os.listdir(folder))
    except OSError:
        return False


def _rerooted(recorded: str | None, root: str) -> str | None:
    """A path into a store that was moved since, in its present place."""
    if not recorded or not layout.is_local(recorded):
        return recorded
    path = layout.local_path(recorded)
    if not os.path.isabs(path) or os.path.exists(path):
        return recorded
    parts = path.split("/")
    for start in range(1, len(parts) - 1):
        candidate = f"{root}/{'/'.join(parts[start:])}"
        if _has_meta(f"{root}/{parts[start]}") and os.path.exists(candidate):
            return candidate
    return recorded


def _meta_if_there(folder: str) -> dict[str, Any] | None:
    path = layout.meta(folder)
    try:
        data = disk.read_bytes(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return documents.loads(data, path)


def _read_key(path: str) -> bytes | None:
    try:
        return disk.read_bytes(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def _folders(directory: str) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return [e.path for e in entries if not e.name.startswith(layout.PRIVATE) and e.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _has_meta(folder: str) -> bool:
    return os.path.exists(layout.meta(folder))


def _stage(meta: dict[str, Any]) -> str:
    deleted = meta.get("lifecycle_stage") == LifecycleStage.DELETED
    return LifecycleStage.DELETED if deleted else LifecycleStage.ACTIVE


def _text(value: object, default: str) -> str:
    return default if value is None else str(value)


def _optional(value: object) -> str | None:
    return None if value is None else str(value)


def _int(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) else None
