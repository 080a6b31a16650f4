"""Entities from folders: pure functions that write nothing.

They read what tracklet and MLflow write, also old, moved and odd trees: missing files and unknown
fields are fine, a torn last line of a metric is skipped, absolute locations recorded in another
place are found again beside the documents.

Every function takes the folder of one entity. A folder without ``meta.yaml`` raises
ResourceDoesNotExist, a document that is no YAML mapping raises StorageError.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, TypeVar

from tracklet import entities, liveness, settings
from tracklet.frozen import Frozen
from tracklet.record.rules import DELETED_STAGE, RUN_NAME_TAG
from tracklet.stores import disk
from tracklet.stores.files import contents, documents, layout, points, run_state
from tracklet.stores.files.layout import Path
from tracklet.stores.files.points import MetricHistory
from tracklet.validation import MAX_INTEGER, MIN_INTEGER

E = TypeVar("E", bound=Frozen)

# -- experiments -------------------------------------------------------------------------------


def read_experiment(experiment_dir: Path) -> entities.Experiment:
    """The experiment of a folder; it is deleted when it lies in the trash."""
    folder = os.fspath(experiment_dir)
    meta = contents.read_meta(folder, "experiment")
    return experiment(folder, meta, tags=contents.read_texts(f"{folder}/{layout.TAGS}"))


def experiment(folder: str, meta: dict[str, Any], **texts: Any) -> entities.Experiment:
    """What an experiment's document says, and the texts that lie beside it."""
    experiment_id = os.path.basename(folder)
    home, in_trash = origin(folder)
    return of(
        entities.Experiment,
        meta,
        experiment_id=experiment_id,
        name=text(meta.get("name"), experiment_id),
        artifact_location=relocated(text(meta.get("artifact_location"), ""), home, experiment_id),
        lifecycle_stage=entities.LifecycleStage.DELETED if in_trash else stage(meta),
        **texts,
    )


# -- runs --------------------------------------------------------------------------------------


def read_run(run_dir: Path) -> entities.Run:
    """The run of a folder with all that was recorded.

    A run whose process died without a word is KILLED, ended when its newest file was written,
    and has the tag ``tracklet.end_reason`` = ``lost``, whatever its files still say.
    """
    folder = os.fspath(run_dir)
    meta, lost = settled(folder, contents.read_meta(folder, "run"))
    tags = contents.read_texts(f"{folder}/{layout.TAGS}")
    if lost:
        tags.setdefault(liveness.END_REASON_TAG, liveness.LOST)
    return entities.Run(
        info=run_info(folder, meta, tags),
        data=entities.RunData(
            metrics=dict(_latest_values(folder)),
            params=contents.read_texts(f"{folder}/{layout.PARAMS}"),
            tags=tags,
        ),
        inputs=read_inputs(folder),
        outputs=read_outputs(folder),
    )


def settled(folder: str, meta: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """A run's document, ended where its process died before it could, and whether that is so.

    Another reader may write the loss down and take the leases away in between, or another
    process carry the run on: leases and document count when they were seen together.
    """
    while _status(meta) == entities.RunStatus.RUNNING:
        lost = run_state.is_lost(folder)
        if lost is False:
            break
        end_time = lost and run_state.last_sign_of_life(folder)
        ended = {"status": entities.RunStatus.KILLED, "end_time": end_time}
        now = contents.read_meta(folder, "run")
        if now == meta:
            return (meta | ended, True) if lost else (meta, False)
        meta = now
    return meta, False


def run_info(folder: str, meta: dict[str, Any], tags: dict[str, str]) -> entities.RunInfo:
    """What a run's ``meta.yaml`` says."""
    experiment_dir, folder_name = os.path.split(folder)
    experiment_id = os.path.basename(experiment_dir)
    home, in_trash = origin(experiment_dir)
    return of(
        entities.RunInfo,
        meta,
        run_id=folder_name,
        experiment_id=experiment_id,
        status=entities.RunStatus.to_string(_status(meta)),
        lifecycle_stage=entities.LifecycleStage.DELETED if in_trash else stage(meta),
        artifact_uri=relocated(
            text(meta.get("artifact_uri"), ""),
            f"{home}/{folder_name}/{layout.ARTIFACTS}",
            f"{experiment_id}/{folder_name}/{layout.ARTIFACTS}",
            f"{folder}/{layout.ARTIFACTS}",
        ),
        run_name=optional(meta.get("run_name") or meta.get("name")) or tags.get(RUN_NAME_TAG),
    )


def _status(meta: dict[str, Any]) -> int:
    status = meta.get("status")
    return status if status in entities.RunStatus.all_status() else entities.RunStatus.RUNNING


def read_metric_history(file: Path, key: str) -> MetricHistory:
    """The points of a run's metric file in file order; none if there is no file.

    Raises:
        OSError: It cannot be read.
    """
    try:
        data = disk.read_bytes(os.fspath(file), most=None)
    except (FileNotFoundError, NotADirectoryError):
        return MetricHistory([])
    return points.parse_run_points(data, key)


def read_inputs(run_dir: Path) -> entities.RunInputs:
    """The datasets and logged models that a run used."""
    folder = os.fspath(run_dir)
    datasets: list[entities.DatasetInput] = []
    models: list[entities.LoggedModelInput] = []
    for _, link in _links(f"{folder}/{layout.INPUTS}"):
        source = str(link.get("source_id", ""))
        if str(link.get("source_type")) in ("MODEL", "RUN_INPUT", "MODEL_INPUT"):
            models.append(entities.LoggedModelInput(source))
            continue
        described = [f"{os.path.dirname(folder)}/{layout.DATASETS}/{source}"]
        given = link.get("tags")
        tags = given.items() if isinstance(given, dict) else ()
        for dataset in contents.readable(_dataset, described):
            texts = [entities.InputTag(str(key), str(value)) for key, value in tags]
            datasets.append(entities.DatasetInput(dataset, texts))
    return entities.RunInputs(datasets, models)


def read_outputs(run_dir: Path) -> entities.RunOutputs:
    """The logged models that a run produced."""
    outputs: list[entities.LoggedModelOutput] = []
    for name, link in _links(f"{os.fspath(run_dir)}/{layout.OUTPUTS}"):
        model_id = text(link.get("destination_id"), "") or name
        outputs.append(entities.LoggedModelOutput(model_id, integer(link.get("step")) or 0))
    return entities.RunOutputs(outputs)


def _links(home: str) -> list[tuple[str, dict[str, Any]]]:
    """The names of the folders that link a run to something, and their documents, in order."""

    def read(folder: str) -> tuple[str, dict[str, Any]]:
        return os.path.basename(folder), contents.read_meta(folder, "link")

    links = contents.readable(read, sorted(contents.folders(home)))
    return sorted(links, key=lambda link: integer(link[1].get(documents.LINKED_NS)) or 0)


def _dataset(folder: str) -> entities.Dataset:
    return of(entities.Dataset, contents.read_meta(folder, "dataset"))


def _latest_values(folder: str) -> Iterator[tuple[str, float]]:
    for key, path in contents.key_files(f"{folder}/{layout.METRICS}"):
        try:
            _, point = points.look_at_latest(path, key)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            contents.pass_over(path, error)
            continue
        if point is not None:
            yield key, point.value


# -- logged models -----------------------------------------------------------------------------


def read_logged_model(model_dir: Path) -> entities.LoggedModel:
    """The logged model of a folder; its metrics are the latest per key and dataset."""
    folder = os.fspath(model_dir)
    meta = contents.read_meta(folder, "logged model")
    metrics: list[entities.Metric] = []
    for key, path in contents.key_files(f"{folder}/{layout.METRICS}"):
        history = points.read_model_points(path, key, os.path.basename(folder))
        metrics.extend(points.latest_per_dataset(history.points))
    return logged_model(
        folder,
        meta,
        tags=contents.read_texts(f"{folder}/{layout.TAGS}"),
        params=contents.read_texts(f"{folder}/{layout.PARAMS}"),
        metrics=metrics,
    )


def logged_model(folder: str, meta: dict[str, Any], **recorded: Any) -> entities.LoggedModel:
    """What a logged model's document says, and what is recorded beside it."""
    model_id = os.path.basename(folder)
    experiment_dir = os.path.dirname(os.path.dirname(folder))
    experiment_id = os.path.basename(experiment_dir)
    home, in_trash = origin(experiment_dir)
    tail = f"{layout.MODELS}/{model_id}/{layout.ARTIFACTS}"
    created = integer(meta.get("creation_timestamp")) or 0
    return of(
        entities.LoggedModel,
        meta,
        experiment_id=experiment_id,
        model_id=model_id,
        name=text(meta.get("name"), model_id),
        artifact_location=relocated(
            text(meta.get("artifact_location"), ""),
            f"{home}/{tail}",
            f"{experiment_id}/{tail}",
            f"{folder}/{layout.ARTIFACTS}",
        ),
        creation_timestamp=created,
        last_updated_timestamp=integer(meta.get("last_updated_timestamp")) or created,
        status=model_status(meta.get("status")),
        lifecycle_stage=entities.LifecycleStage.DELETED if in_trash else stage(meta),
        **recorded,
    )


def model_status(value: object) -> entities.LoggedModelStatus:
    """The status of a logged model, from its number."""
    if isinstance(value, int) and 0 <= value < len(entities.LoggedModelStatus):
        return entities.LoggedModelStatus.from_int(value)
    return entities.LoggedModelStatus.UNSPECIFIED


# -- the registry -----------------------------------------------------------------------------


def read_registered_model(model_dir: Path) -> entities.RegisteredModel:
    """The registered model of a folder, with the newest version of each stage."""
    folder = os.fspath(model_dir)
    meta = contents.read_meta(folder, "registered model")
    aliases = read_aliases(folder)
    newest: dict[str, entities.ModelVersion] = {}
    for version in read_model_versions(folder, aliases):
        if version.current_stage != DELETED_STAGE:
            newest[version.current_stage] = version
    return registered_model(
        folder,
        meta,
        latest_versions=list(newest.values()),
        tags=contents.read_texts(f"{folder}/{layout.TAGS}"),
        aliases=aliases,
    )


def registered_model(
    folder: str, meta: dict[str, Any], **recorded: Any
) -> entities.RegisteredModel:
    """What a registered model's document says, and what lies beside it."""
    created = integer(meta.get("creation_timestamp")) or 0
    return of(
        entities.RegisteredModel,
        meta,
        name=os.path.basename(folder),  # renaming moves it, and the document follows
        creation_timestamp=created,
        last_updated_timestamp=integer(meta.get("last_updated_timestamp")) or created,
        **recorded,
    )


def read_aliases(model_dir: Path) -> dict[str, int]:
    """The aliases of a registered model and the versions that they point at."""
    texts = contents.read_texts(f"{os.fspath(model_dir)}/{layout.ALIASES}")
    numbers = {alias: layout.version_number(text.strip()) for alias, text in texts.items()}
    return {alias: number for alias, number in numbers.items() if number is not None}


def read_model_versions(model_dir: Path, aliases: dict[str, int]) -> list[entities.ModelVersion]:
    """The versions of a registered model that can be read, in their order, deleted ones included.

    Args:
        model_dir: The folder of the registered model.
    """
    folders = contents.model_version_dirs(model_dir)
    return contents.readable(lambda folder: read_model_version(folder, aliases), folders)


def read_model_version(
    version_dir: Path, aliases: dict[str, int] | None = None
) -> entities.ModelVersion:
    """The model version of a folder; a deleted one has the stage :data:`DELETED_STAGE`.

    Args:
        version_dir: The folder ``version-<n>``.
        aliases: The aliases of its registered model; read when left out.
    """
    folder = os.fspath(version_dir)
    meta = contents.read_meta(folder, "model version")
    if aliases is None:
        aliases = read_aliases(os.path.dirname(folder))
    number = version_number(folder)
    return model_version(
        folder,
        meta,
        tags=contents.read_texts(f"{folder}/{layout.TAGS}"),
        aliases=sorted(alias for alias, version in aliases.items() if version == number),
    )


def version_number(version_dir: str) -> int:
    """The number of a version, by its folder."""
    return int(os.path.basename(version_dir).removeprefix(layout.VERSION_PREFIX))


def model_version(folder: str, meta: dict[str, Any], **texts: Any) -> entities.ModelVersion:
    """What a version's document says, and the texts that lie beside it."""
    model_dir = os.path.dirname(folder)
    root = os.path.dirname(os.path.dirname(model_dir))
    return of(
        entities.ModelVersion,
        meta,
        name=os.path.basename(model_dir),
        version=version_number(folder),
        source=rerooted(optional(meta.get("source")), root),
        storage_location=rerooted(optional(meta.get("storage_location")), root),
        **texts,
    )


# -- locations, in a tree that was perhaps moved, copied or put in the trash since -------------


@lru_cache(maxsize=64)  # asked for each of many runs
def origin(experiment_dir: str) -> tuple[str, bool]:
    """Where an experiment's folder is when it is not in the trash, and whether it is there."""
    home, name = os.path.split(experiment_dir)
    in_trash = os.path.basename(home) == layout.TRASH
    return f"{os.path.dirname(home) if in_trash else home}/{name}", in_trash


def relocated(recorded: str, home: str, tail: str, sibling: str | None = None) -> str:
    """Where a recorded location is now, the tree perhaps having been moved or copied.

    Args:
        recorded: The location as it was written.
        home: Where this store would put it.
        tail: How a location that a store chose by itself ends.
        sibling: Where the files are now, if that differs from ``home`` (in the trash).
    """
    if recorded == home:
        return _existing(home, sibling) if sibling else home
    path = settings.path_of(recorded)
    if path is None or path == home:
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


def rerooted(recorded: str | None, root: str) -> str | None:
    """A path into a store that was moved since, in its present place."""
    path = settings.path_of(recorded) if recorded else None
    if recorded is None or path is None:
        return recorded
    if not os.path.isabs(path) or os.path.exists(path):
        return recorded
    parts = path.split("/")
    for start in range(1, len(parts) - 1):
        candidate = f"{root}/{'/'.join(parts[start:])}"
        if os.path.exists(layout.meta(f"{root}/{parts[start]}")) and os.path.exists(candidate):
            return candidate
    return recorded


def _existing(home: str, sibling: str) -> str:
    return sibling if sibling != home and os.path.exists(sibling) else home


def _holds_something(folder: str) -> bool:
    try:
        return bool(os.listdir(folder))
    except OSError:
        return False


# -- the values of a document's fields, which another program may have written otherwise -------


def of(entity: type[E], meta: Mapping[str, Any], **known: Any) -> E:
    """The entity of a document or a row: each field as that says, but for those that are known."""
    for name, kind in entity._fields.items():
        read = _READ.get(kind)
        if read is not None and name not in known:
            value = read(meta.get(name))
            if value is not None:
                known[name] = value
            elif name not in entity._defaults:
                known[name] = {"str": "", "int": 0}.get(kind)
    return entity(**known)


def text(value: object, default: str) -> str:
    """A field that is never missing."""
    found = optional(value)
    return default if found is None else found


def optional(value: object) -> str | None:
    """A text that may be missing; what is a list or mapping is none."""
    return None if value is None or isinstance(value, list | dict) else str(value)


def integer(value: object) -> int | None:
    """A whole number that may be missing; what no database can hold is none."""
    if not isinstance(value, int | float) or not MIN_INTEGER <= value <= MAX_INTEGER:
        return None
    return int(value)


def stage(meta: dict[str, Any]) -> str:
    """Whether the entity of a document is active or deleted."""
    deleted = meta.get("lifecycle_stage") == entities.LifecycleStage.DELETED
    return entities.LifecycleStage.DELETED if deleted else entities.LifecycleStage.ACTIVE


_READ: Final[dict[str, Callable[[object], Any]]] = {
    "str": optional,
    "str | None": optional,
    "int": integer,
    "int | None": integer,
}
"""How a field is read, by its annotation; what has none of these lies beside the document."""
