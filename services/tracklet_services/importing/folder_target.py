"""Whole records from another store into folders, with their ids and times.

What is new is built in a folder where no reader looks (``.trash/.tracklet-import-…``) and renamed
to its place. What is there already is only added to, in steps that may be repeated.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from tracklet import names, settings, validation
from tracklet.entities import (
    DatasetInput,
    Experiment,
    LifecycleStage,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    ModelVersion,
    Run,
    RunStatus,
)
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist
from tracklet.liveness import Lease
from tracklet.stores import creation, disk
from tracklet.stores.files import (
    change_log,
    contents,
    documents,
    key_values,
    layout,
    points,
    reader,
    run_state,
)
from tracklet.stores.files.points import Appender
from tracklet.stores.files.registry_verbs import _check_name
from tracklet.stores.files.store import FileStore
from tracklet_services.importing import folder_documents
from tracklet_services.importing.artifacts import copy_missing
from tracklet_services.importing.merge import (
    Change,
    ImportTarget,
    LoggedModelRecord,
    Merge,
    RegisteredModelRecord,
    RunRecord,
    by_key,
    merged_info,
    merged_registered_model,
    merged_texts,
    missing_points,
    other_params,
    version_changes,
)

_PREFIX: Final = f"{layout.PRIVATE}-import-"
_LEASE: Final = "lease"
_GRACE_SECONDS: Final = 60


class FileTarget(ImportTarget):
    """Takes records into a file store.

    Args:
        store: The store; its folder is created when it is not there yet.
    """

    def __init__(self, store: FileStore) -> None:
        self.store = store
        self.root = store.root
        self._staging = _Staging(store.root)

    def close(self) -> None:
        self._staging.close()

    # -- experiments ---------------------------------------------------------------------------

    @disk.reported("import an experiment")
    def merge_experiment(self, experiment: Experiment) -> tuple[str, Change]:
        validation.validate_experiment_name(experiment.name)
        is_default = experiment.name == layout.DEFAULT_EXPERIMENT_NAME
        if is_default and experiment.experiment_id != layout.DEFAULT_EXPERIMENT_ID:
            self.store._ensure_default()
        disk.make_dirs(self.root)
        with disk.locked(layout.lock_file(self.root)):
            known = self.store._dir_of_name(experiment.name)
            if known is None:
                experiment_id = self._free_id(experiment.experiment_id)
                self._put_experiment(experiment_id, experiment)
                return experiment_id, Change.TAKEN
        return os.path.basename(known), self._add_experiment_tags(known, experiment)

    def _free_id(self, wanted: str) -> str:
        try:
            validation.validate_experiment_id(wanted)
        except InvalidParameterValue:
            return names.experiment_id()
        taken = wanted in layout.NOT_EXPERIMENTS or any(
            os.path.lexists(f"{home}/{wanted}") for home in (self.root, layout.trash(self.root))
        )
        return names.experiment_id() if taken else wanted

    def _put_experiment(self, experiment_id: str, experiment: Experiment) -> None:
        default = experiment_id == layout.DEFAULT_EXPERIMENT_ID  # it is never in the trash
        stage = LifecycleStage.ACTIVE if default else experiment.lifecycle_stage
        home = layout.trash(self.root) if stage == LifecycleStage.DELETED else self.root
        location = experiment.artifact_location or f"{self.root}/{experiment_id}"
        with self._staging.folder() as folder:
            tags = f"{folder}/{layout.TAGS}"
            folder_documents.write_texts("experiment tag", tags, experiment.tags, [])
            folder_documents.write_document(
                folder,
                folder_documents.experiment_document(experiment, experiment_id, location, stage),
            )
            disk.make_dirs(home)
            disk.rename(folder, f"{home}/{experiment_id}")
        change_log.announce(self.root, experiment_id)

    def _add_experiment_tags(self, folder: str, experiment: Experiment) -> Change:
        here = reader.read_experiment(folder)
        same = here.experiment_id == experiment.experiment_id and (
            here.creation_time == experiment.creation_time
        )
        new = merged_texts(here.tags, experiment.tags, overwrite=same)
        refused: list[str] = []
        tags = f"{folder}/{layout.TAGS}"
        folder_documents.put_tags("experiment tag", tags, new, folder, refused)
        if len(new) == len(refused):
            return Change.UNCHANGED
        change_log.announce(self.root, os.path.basename(folder))
        return Change.UPDATED

    # -- runs ----------------------------------------------------------------------------------

    @disk.reported("import a run")
    def merge_run(self, record: RunRecord, *, copy_artifacts: bool = False) -> Merge:
        run = record.run
        run_id = validation.validate_run_id(run.info.run_id)
        known = _found(self.store._run_dir, run_id)
        if known is not None:
            return self._update_run(known, record, copy_artifacts)
        experiment_dir = self.store._experiment_dir(run.info.experiment_id)
        final = f"{experiment_dir}/{run_id}"
        _check_absent(final, run_id in layout.NOT_RUNS)
        refused: list[str] = []
        with self._staging.folder() as folder:
            # MLflow takes a folder without artifacts for no run.
            disk.mkdir(f"{folder}/{layout.ARTIFACTS}")
            data = run.data
            written = _write_data(folder, record.histories, data.params, data.tags, refused)
            self._put_links(
                folder,
                experiment_dir,
                run_id,
                run.inputs.dataset_inputs,
                [*run.inputs.model_inputs, *run.outputs.model_outputs],
                refused,
            )
            uri, files = self._artifacts(
                run.info.artifact_uri, copy_artifacts, experiment_dir, final, folder, refused
            )
            if uri == run.info.artifact_uri:
                uri = _referring(uri)
            folder_documents.write_document(
                folder, folder_documents.run_document(record, os.path.basename(experiment_dir), uri)
            )
            disk.rename(folder, final)
        self.store._remember_run(run_id, final)
        self.store._announce_run(final)
        return Merge(Change.TAKEN, written, files, refused)

    def _update_run(self, folder: str, record: RunRecord, copy_artifacts: bool) -> Merge:
        there, here = record.run, reader.read_run(folder)
        experiment_dir = os.path.dirname(folder)
        refused: list[str] = []

        written = self._add_points(folder, record.histories, refused)
        params = merged_texts(here.data.params, there.data.params, overwrite=False)
        tags = merged_texts(here.data.tags, there.data.tags, overwrite=True)
        written_texts = self._put_texts(folder, params, tags, refused)
        refused += other_params(here, there)

        datasets = [one for one in there.inputs.dataset_inputs if not _uses(here, one)]
        outputs_here = {output.model_id for output in here.outputs.model_outputs}
        models = [
            *(one for one in there.inputs.model_inputs if one not in here.inputs.model_inputs),
            *(one for one in there.outputs.model_outputs if one.model_id not in outputs_here),
        ]
        run_id = os.path.basename(folder)
        linked = self._put_links(folder, experiment_dir, run_id, datasets, models, refused)

        values: dict[str, Any] = {}
        info = merged_info(here.info, there.info)
        if info != here.info:
            values.update(
                status=RunStatus.from_string(info.status),
                end_time=info.end_time,
                run_name=info.run_name or "",
            )
        files = 0
        if copy_artifacts:
            uri, files = self._artifacts(
                there.info.artifact_uri, True, experiment_dir, folder, folder, refused
            )
            if here.info.artifact_uri == there.info.artifact_uri != uri:
                values["artifact_uri"] = uri
        if values:
            run_state.edit(folder, lambda meta: meta.update(values))
        changed = bool(written or written_texts or linked or values or files)
        if changed:
            self.store._announce_run(folder)
        return Merge(Change.UPDATED if changed else Change.UNCHANGED, written, files, refused)

    def _put_links(
        self,
        folder: str,
        experiment_dir: str,
        run_id: str,
        datasets: Iterable[DatasetInput],
        models: Iterable[LoggedModelInput | LoggedModelOutput],
        refused: list[str],
    ) -> int:
        """Write which datasets and models a run used and produced; return how many."""
        written = 0
        for given in datasets:
            self.store._link_dataset(folder, run_id, given, experiment_dir)
            written += 1
        for model in models:
            try:
                validation.validate_model_id(model.model_id)
            except InvalidParameterValue as error:
                refused.append(error.message)
                continue
            if isinstance(model, LoggedModelOutput):
                place = f"{folder}/{layout.OUTPUTS}/{model.model_id}"
                document = documents.model_output(model)
                self.store._link_once(place, document, layout.private(folder))
            else:
                self.store._link_input(folder, run_id, model.model_id)
            written += 1
        return written

    # -- logged models -------------------------------------------------------------------------

    @disk.reported("import a logged model")
    def merge_logged_model(
        self, record: LoggedModelRecord, *, copy_artifacts: bool = False
    ) -> Merge:
        model = record.model
        model_id = validation.validate_model_id(model.model_id)
        known = _found(self.store._model_dir, model_id)
        if known is not None:
            return self._update_model(known, record, copy_artifacts)
        experiment_dir = self.store._experiment_dir(model.experiment_id)
        final = layout.logged_model(experiment_dir, model_id)
        _check_absent(final)
        refused: list[str] = []
        with self._staging.folder() as folder:
            histories = by_key(record.points)
            written = _write_data(folder, histories, model.params, model.tags, refused, "model ")
            uri, files = self._artifacts(
                model.artifact_location, copy_artifacts, experiment_dir, final, folder, refused
            )
            experiment_id = os.path.basename(experiment_dir)
            here = replace(model, experiment_id=experiment_id, artifact_location=uri)
            folder_documents.write_document(folder, documents.logged_model(here))
            disk.make_dirs(os.path.dirname(final))
            disk.rename(folder, final)
        self.store._announce_model(final)
        return Merge(Change.TAKEN, written, files, refused)

    def _update_model(self, folder: str, record: LoggedModelRecord, copy_artifacts: bool) -> Merge:
        there, here = record.model, reader.read_logged_model(folder)
        refused: list[str] = []
        histories = by_key(record.points)
        written = self._add_points(folder, histories, refused, here.model_id)
        params = merged_texts(here.params, there.params, overwrite=False)
        is_newer = there.last_updated_timestamp >= here.last_updated_timestamp
        tags = merged_texts(here.tags, there.tags, overwrite=is_newer)
        written_texts = self._put_texts(folder, params, tags, refused)
        values: dict[str, Any] = {}
        if there.status.is_finalized and not here.status.is_finalized:
            values.update(status=there.status.to_int(), status_message=there.status_message)
        files = 0
        if copy_artifacts:
            experiment_dir = os.path.dirname(os.path.dirname(folder))
            uri, files = self._artifacts(
                there.artifact_location, True, experiment_dir, folder, folder, refused
            )
            if here.artifact_location == there.artifact_location != uri:
                values["artifact_location"] = uri
        changed = bool(written or written_texts or values or files)
        if changed:
            values["last_updated_timestamp"] = max(
                here.last_updated_timestamp, there.last_updated_timestamp
            )
            with disk.locked(f"{layout.private(folder)}/lock"):
                _amend("logged model", folder, layout.private(folder), values)
            self.store._announce_model(folder)
        return Merge(Change.UPDATED if changed else Change.UNCHANGED, written, files, refused)

    # -- registered models ---------------------------------------------------------------------

    @disk.reported("import a registered model")
    def merge_registered_model(self, record: RegisteredModelRecord) -> Merge:
        name = record.model.name
        _check_name(name)
        folder = layout.registered_model(self.root, name)
        disk.make_dirs(layout.registry(self.root))
        with disk.locked(layout.lock_file(self.root)):
            if os.path.exists(layout.meta(folder)):
                merged = self._update_registered_model(folder, record)
            else:
                merged = self._put_registered_model(folder, record)
        if merged.change is not Change.UNCHANGED:
            self.store._announce_name(name)
        return merged

    def _put_registered_model(self, final: str, record: RegisteredModelRecord) -> Merge:
        _check_absent(final)
        refused: list[str] = []
        with self._staging.folder() as folder:
            for version in record.versions:
                _write_version(layout.version(folder, version.version), version, refused)
            tags, aliases = f"{folder}/{layout.TAGS}", f"{folder}/{layout.ALIASES}"
            folder_documents.write_texts("model tag", tags, record.model.tags, refused)
            numbers = {alias: str(number) for alias, number in record.model.aliases.items()}
            folder_documents.write_texts("alias", aliases, numbers, refused)
            folder_documents.write_document(folder, documents.registered_model(record.model))
            disk.rename(folder, final)
        return Merge(Change.TAKEN, refused=refused)

    def _update_registered_model(self, folder: str, record: RegisteredModelRecord) -> Merge:
        refused: list[str] = []
        dirs = [layout.version(folder, version.version) for version in record.versions]
        found = [reader.read_model_version(d) for d in dirs if os.path.exists(layout.meta(d))]
        here = reader.read_registered_model(folder)
        known = {version.version: version for version in found}
        merged, new, changing = merged_registered_model(here, known, record, refused)
        for version in new:
            version_dir = layout.version(folder, version.version)
            _check_absent(version_dir)
            with self._staging.folder() as staged:
                _write_version(staged, version, refused)
                disk.rename(staged, version_dir)
        for old, version in changing:
            _change_version(layout.version(folder, version.version), old, version, refused)
        if merged != here:
            tags = merged_texts(here.tags, merged.tags, overwrite=True)
            tags_dir = f"{folder}/{layout.TAGS}"
            folder_documents.put_tags("model tag", tags_dir, tags, folder, refused)
            numbers = {alias: str(number) for alias, number in merged.aliases.items()}
            aliases_dir = f"{folder}/{layout.ALIASES}"
            folder_documents.put_tags("alias", aliases_dir, numbers, folder, refused)
            values = {
                "aliases": numbers,
                "description": merged.description,
                "last_updated_timestamp": merged.last_updated_timestamp,
            }
            _amend("registered model", folder, folder, values)
        changed = new or changing or merged != here
        return Merge(Change.UPDATED if changed else Change.UNCHANGED, refused=refused)

    # -- parts of runs and logged models ---------------------------------------------------------

    def _add_points(
        self,
        folder: str,
        histories: Mapping[str, Sequence[Metric]],
        refused: list[str],
        model_id: str | None = None,
    ) -> int:
        """Append the points that the files of a run or logged model lack."""
        written = 0
        metrics_dir = f"{folder}/{layout.METRICS}"
        for key, given in histories.items():
            if not folder_documents.is_key(key, refused):
                continue
            path = f"{metrics_dir}/{key}"
            try:
                key_values.check_free("metric", metrics_dir, (key,))
                data = disk.read_if_there(path) or b""
                known = (
                    points.parse_run_points(data, key)
                    if model_id is None
                    else points.parse_model_points(data, key, model_id)
                )
                new = missing_points(known.points, given)
                data = folder_documents.lines(new, model=model_id is not None)
            except InvalidParameterValue as error:
                refused.append(error.message)
                continue
            if data:
                Appender(path, folder).write(data)
                written += len(new)
        return written

    def _put_texts(
        self,
        folder: str,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        refused: list[str],
    ) -> int:
        """Set params and tags of what is in place, and return how many were written."""
        staging = layout.private(folder)
        before = len(refused)
        params_dir, tags_dir = f"{folder}/{layout.PARAMS}", f"{folder}/{layout.TAGS}"
        folder_documents.put_params("param", params_dir, params, staging, refused)
        folder_documents.put_tags("tag", tags_dir, tags, staging, refused)
        return len(params) + len(tags) - (len(refused) - before)

    def _artifacts(
        self,
        source: str | None,
        copy: bool,
        experiment_dir: str,
        final: str,
        folder: str,
        refused: list[str],
    ) -> tuple[str, int]:
        """Where the artifacts of a run or model are from now on, and how many were copied.

        Args:
            source: Where they are.
            copy: Whether to copy them here.
            experiment_dir: The folder of its experiment.
            final: The folder of the run or model.
            folder: Where that folder is now, perhaps still staged.
            refused: Gets the reason when they cannot be copied.
        """
        if source and not copy:
            return source, 0
        tail = f"{final.removeprefix(f'{experiment_dir}/')}/{layout.ARTIFACTS}"
        meta = contents.read_meta(experiment_dir, "experiment")
        location = reader.experiment_location(experiment_dir, meta)
        place = creation.below(location, tail)
        if not source:
            return place, 0
        # Inside the run's own folder, which may lie in the trash, or be staged.
        own = f"{self.root}/{os.path.basename(experiment_dir)}/{tail}"
        inside = settings.path_of(place) == own
        try:
            target = f"{folder}/{layout.ARTIFACTS}" if inside else place
            if settings.path_of(source) == own:
                return place, 0
            return place, copy_missing(source, target)
        except InvalidParameterValue as error:
            refused.append(f"its artifacts stay at {source}: {error.message}")
            return source, 0


def _uses(run: Run, given: DatasetInput) -> bool:
    known = {(one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs}
    return (given.dataset.name, given.dataset.digest) in known


def _referring(location: str) -> str:
    """A place of another store's, told from one that a store chose and that moves with it."""
    return f"{location.rstrip('/')}/" if settings.path_of(location) is not None else location


def _write_version(folder: str, version: ModelVersion, refused: list[str]) -> None:
    disk.make_dir(folder)
    tags = f"{folder}/{layout.TAGS}"
    folder_documents.write_texts("model version tag", tags, version.tags, refused)
    folder_documents.write_document(folder, documents.model_version(version))


def _change_version(
    folder: str, here: ModelVersion, merged: ModelVersion, refused: list[str]
) -> None:
    tags = merged_texts(here.tags, merged.tags, overwrite=True)
    tags_dir = f"{folder}/{layout.TAGS}"
    folder_documents.put_tags("model version tag", tags_dir, tags, folder, refused)
    _amend("model version", folder, folder, version_changes(merged))


def _amend(what: str, folder: str, staging: str, values: Mapping[str, Any]) -> None:
    """Change the document of an entity that is in place."""
    meta = {**contents.read_meta(folder, what), **values}
    disk.publish(layout.meta(folder), documents.dumps(meta), staging)


def _write_data(
    folder: str,
    histories: Mapping[str, Sequence[Metric]],
    params: Mapping[str, str],
    tags: Mapping[str, str],
    refused: list[str],
    owner: str = "",
) -> int:
    """Write the metrics, params and tags of a staged run or model; return how many points."""
    for part in (layout.METRICS, layout.PARAMS, layout.TAGS):
        disk.mkdir(f"{folder}/{part}")
    metrics = f"{folder}/{layout.METRICS}"
    written = folder_documents.write_histories(metrics, histories, refused, model=bool(owner))
    folder_documents.write_texts(f"{owner}param", f"{folder}/{layout.PARAMS}", params, refused)
    folder_documents.write_texts(f"{owner}tag", f"{folder}/{layout.TAGS}", tags, refused)
    return written


def _found(find: Callable[[str], str], entity_id: str) -> str | None:
    """The folder of an entity; None if there is none."""
    try:
        return find(entity_id)
    except ResourceDoesNotExist:
        return None


def _check_absent(folder: str, reserved: bool = False) -> None:
    """Refuse to put an entity where something else is, or a name that means something else."""
    if reserved or os.path.lexists(folder):
        raise InvalidParameterValue(
            f"{folder!r} is in the way: it is there, but holds no {layout.META}; move it away"
        )


class _Staging:
    """A place in a store's trash, gone when it is closed.

    What is built lies three folders deep in it: too deep to be taken for an experiment, or for a
    run of one. A lease says whose the place is; those of dead processes are removed.

    Args:
        root: The store's folder.
    """

    def __init__(self, root: str) -> None:
        self._trash = layout.trash(root)
        self._place: str | None = None

    @contextmanager
    def folder(self) -> Iterator[str]:
        """A new folder; removed at the end unless it was moved away."""
        if self._place is None:
            self._place = self._open()
        path = f"{self._place}/entities/{os.urandom(6).hex()}"
        disk.make_dirs(path)
        try:
            yield path
        finally:
            if os.path.exists(path):
                disk.remove_tree(path)

    def close(self) -> None:
        """Remove the place."""
        place, self._place = self._place, None
        if place is not None:
            disk.remove_tree(place)

    def _open(self) -> str:
        self._sweep()
        place = f"{self._trash}/{_PREFIX}{os.getpid()}-{os.urandom(6).hex()}"
        disk.make_dirs(place)
        disk.write_new(f"{place}/{_LEASE}", Lease.mine().to_json().encode())
        return place

    def _sweep(self) -> None:
        try:
            names = os.listdir(self._trash)
        except (FileNotFoundError, NotADirectoryError):
            return
        for name in names:
            path = f"{self._trash}/{name}"
            if name.startswith(_PREFIX) and _is_abandoned(path):
                disk.remove_tree(path)


def _is_abandoned(path: str) -> bool:
    if os.path.exists(f"{path}/{_LEASE}"):
        return run_state.is_dead(f"{path}/{_LEASE}")
    try:
        return time.time() - os.stat(path).st_mtime > _GRACE_SECONDS
    except FileNotFoundError:
        return False
