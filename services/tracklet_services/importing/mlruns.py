"""A folder of runs, as MLflow's file store and tracklet's keep them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from tracklet.entities import Experiment, LifecycleStage, Metric
from tracklet.errors import InvalidParameterValue, StorageError, TrackletException
from tracklet.stores import disk
from tracklet.stores.files import contents, layout, points, reader
from tracklet_services.importing.artifacts import ArtifactPlaces, own_location
from tracklet_services.importing.merge import LoggedModelRecord, RegisteredModelRecord, RunRecord
from tracklet_services.importing.source import ImportSource, Unreadable

_TORN: Final = "lines of metric files were torn or malformed, and passed over"

T = TypeVar("T")


_READ: Final = ("aliases", "inputs", "metrics", "outputs", "params", "tags", "version-")
"""How the folders begin that are read of an entity's folder."""


class MlrunsSource(ImportSource):
    """The record in a folder, its trash included.

    Args:
        path: The folder that holds the experiments' folders.

    Raises:
        InvalidParameterValue: It is no such folder.
    """

    schema = "mlruns"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        self.root = os.path.abspath(path)
        self.location = self.root
        try:
            found = contents.experiment_dirs(self.root) or contents.registered_model_dirs(self.root)
        except OSError as error:
            raise disk.storage_error("read the folder to import", error, self.root) from error
        if not found:
            raise InvalidParameterValue(_refusal(self.root))
        self._places = ArtifactPlaces(os.path.dirname(self.root), self.oddities, self.root)
        self.artifact_roots = self._places.roots

    def count_runs(self) -> int:
        return sum(len(contents.run_dirs(folder)) for folder in self._experiment_dirs())

    def experiments(self) -> Iterator[Experiment | Unreadable]:
        for folder in self._experiment_dirs():
            yield _read("experiment", folder, self._experiment)
        for folder in _without_document(self.root, layout.NOT_EXPERIMENTS):
            yield Unreadable("experiment", folder, f"there is no {layout.META} in it")

    def _experiment(self, folder: str) -> Experiment:
        experiment = reader.read_experiment(folder)
        location = experiment.artifact_location
        if own_location(location, experiment.experiment_id):
            return replace(experiment, artifact_location="")
        return experiment

    def runs(self, experiment_id: str) -> Iterator[RunRecord | Unreadable]:
        experiment_dir = self._dir_of(experiment_id)
        for folder in sorted(contents.run_dirs(experiment_dir)):
            yield _read("run", folder, self._run)
        for folder in _without_document(experiment_dir, layout.NOT_RUNS):
            yield Unreadable("run", folder, f"there is no {layout.META} in it")

    def _run(self, folder: str) -> RunRecord:
        run = reader.read_run(folder)
        histories: dict[str, list[Metric]] = {}
        for key, path in contents.key_files(f"{folder}/{layout.METRICS}"):
            history = points.parse_run_points(contents.read_key(path, most=None) or b"", key)
            histories[key] = history.points
            if history.skipped:
                self.oddities[_TORN] += history.skipped
        deleted_time = None
        if run.info.lifecycle_stage == LifecycleStage.DELETED:
            deleted_time = reader.integer(contents.read_meta(folder, "run").get("deleted_time"))
        tail = f"{run.info.experiment_id}/{os.path.basename(folder)}/{layout.ARTIFACTS}"
        uri = self._places.find(run.info.artifact_uri, tail)
        run = replace(run, info=replace(run.info, artifact_uri=uri))
        return RunRecord(run, histories, deleted_time)

    def logged_models(self, experiment_id: str) -> Iterator[LoggedModelRecord | Unreadable]:
        for folder in sorted(contents.logged_model_dirs(self._dir_of(experiment_id))):
            yield _read("logged model", folder, self._logged_model)

    def _logged_model(self, folder: str) -> LoggedModelRecord:
        model = reader.read_logged_model(folder)
        measured: list[Metric] = []
        for key, path in contents.key_files(f"{folder}/{layout.METRICS}"):
            history = points.read_model_points(path, key, model.model_id)
            measured += history.points
            if history.skipped:
                self.oddities[_TORN] += history.skipped
        tail = f"{model.experiment_id}/{layout.MODELS}/{model.model_id}/{layout.ARTIFACTS}"
        location = self._places.find(model.artifact_location, tail) or ""
        return LoggedModelRecord(replace(model, artifact_location=location), measured)

    def registered_models(self) -> Iterator[RegisteredModelRecord | Unreadable]:
        for folder in sorted(contents.registered_model_dirs(self.root)):
            yield _read("registered model", folder, _registered_model)

    def left_out(self) -> dict[str, int]:
        traces = assessments = 0
        for folder in self._experiment_dirs():
            for trace in _subfolders(f"{folder}/{layout.TRACES}"):
                traces += 1
                assessments += len(_names(f"{trace}/assessments"))
        found = {"traces": traces, "assessments": assessments}
        return {what: number for what, number in found.items() if number}

    def _experiment_dirs(self) -> list[str]:
        return sorted(contents.experiment_dirs(self.root))

    def _dir_of(self, experiment_id: str) -> str:
        for home in (self.root, layout.trash(self.root)):
            folder = f"{home}/{experiment_id}"
            if os.path.exists(layout.meta(folder)):
                return folder
        raise StorageError(f"the experiment {experiment_id} went away from {self.root}")


def _registered_model(folder: str) -> RegisteredModelRecord:
    versions = [reader.read_model_version(d) for d in contents.model_version_dirs(folder)]
    return RegisteredModelRecord(reader.read_registered_model(folder), versions)


def _read(kind: str, folder: str, read: Callable[[str], T]) -> T | Unreadable:
    """What a folder holds, or why it cannot be read."""
    try:
        _refuse_links(folder)
        return read(folder)
    except TrackletException as error:
        return Unreadable(kind, folder, error.message)
    except OSError as error:
        return Unreadable(kind, folder, error.strerror or str(error))


def _refuse_links(folder: str) -> None:
    """A link would bring a file from anywhere into the record, as the value of a tag, say.

    Raises:
        StorageError: One of the files that a run, a model or an experiment is read from is one.
    """
    for place, folders, names in os.walk(folder):
        if place == folder:
            folders[:] = [name for name in folders if name.startswith(_READ)]
        for name in [*names, *folders]:
            if os.path.islink(f"{place}/{name}"):
                raise StorageError(f"{place}/{name} is a link, and an import follows none")


def _without_document(directory: str, others: frozenset[str]) -> list[str]:
    """The folders in which an entity was expected, but has no document."""
    return [
        folder
        for folder in _subfolders(directory)
        if os.path.basename(folder) not in others and not os.path.exists(layout.meta(folder))
    ]


def _subfolders(directory: str) -> list[str]:
    return [
        f"{directory}/{name}" for name in _names(directory) if os.path.isdir(f"{directory}/{name}")
    ]


def _names(directory: str) -> list[str]:
    try:
        return sorted(n for n in os.listdir(directory) if not n.startswith(layout.PRIVATE))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _refusal(root: str) -> str:
    """Why a folder is no record, and which path may be meant."""
    path = Path(root)
    rule = (
        f"{root!r} holds no record: a folder of runs has folders of experiments, each with a "
        f"{layout.META}"
    )
    if (path / layout.META).is_file():
        return f"{rule}; this is the folder of one entity, so give a folder above it"
    for name in ("mlruns", "mlflow.db"):
        if (path / name).exists() and (name != "mlruns" or contents.experiment_dirs(path / name)):
            return f"{rule}; import {str(path / name)!r} instead"
    if (path.parent / "mlflow.db").is_file():
        return (
            f"{rule}; it may hold the artifacts of {str(path.parent / 'mlflow.db')!r}: import that"
        )
    return f"{rule}; give the path of an mlruns folder or of an mlflow.db"
