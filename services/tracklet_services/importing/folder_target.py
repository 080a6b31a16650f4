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

from tracklet import entities, names, settings, validation
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist
from tracklet.liveness import Lease
from tracklet.stores import creation, disk
from tracklet.stores.files import (
    contents,
    documents,
    key_values,
    layout,
    points,
    reader,
    run_state,
)
from tracklet.stores.files.folder import announce
from tracklet.stores.files.points import Appender
from tracklet.stores.files.registry_verbs import _check_name
from tracklet.stores.files.store import FileStore
from tracklet_services.importing import merge
from tracklet_services.importing.artifacts import settled

_PREFIX: Final = f"{layout.PRIVATE}-import-"
_LEASE: Final = "lease"
_NOT_A_FILE: Final = (FileExistsError, IsADirectoryError, NotADirectoryError)
_GRACE_SECONDS: Final = 60


@disk.reported
class FileTarget(merge.ImportTarget):
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

    def merge_experiment(self, experiment: entities.Experiment) -> tuple[str, merge.Change]:
        validation.validate_experiment_name(experiment.name)
        is_default = experiment.name == layout.DEFAULT_EXPERIMENT_NAME
        if is_default and experiment.experiment_id != layout.DEFAULT_EXPERIMENT_ID:
            self.store._ensure_default()
        disk.make_dirs(self.root)
        with disk.locked(layout.lock_file(self.root)):
            known = self.store._dir_of_name(experiment.name)
            if known is None:
                experiment_id = merge.free_id(experiment.experiment_id, self._is_taken)
                self._put_experiment(experiment_id, experiment)
                return experiment_id, merge.Change.TAKEN
        return os.path.basename(known), self._add_experiment_tags(known, experiment)

    def _is_taken(self, experiment_id: str) -> bool:
        homes = (self.root, layout.trash(self.root))
        return experiment_id in layout.NOT_EXPERIMENTS or any(
            os.path.lexists(f"{home}/{experiment_id}") for home in homes
        )

    def _put_experiment(self, experiment_id: str, experiment: entities.Experiment) -> None:
        default = experiment_id == layout.DEFAULT_EXPERIMENT_ID  # it is never in the trash
        stage = entities.LifecycleStage.ACTIVE if default else experiment.lifecycle_stage
        home = layout.trash(self.root) if stage == entities.LifecycleStage.DELETED else self.root
        location = experiment.artifact_location or f"{self.root}/{experiment_id}"
        here = replace(
            merge.dated(experiment),
            experiment_id=experiment_id,
            artifact_location=location,
            lifecycle_stage=stage,
        )
        with self._staging.folder() as folder:
            _write_texts("experiment tag", f"{folder}/{layout.TAGS}", experiment.tags, [])
            _write_document(folder, documents.experiment(here))
            disk.make_dirs(home)
            disk.rename(folder, f"{home}/{experiment_id}")
        announce(self.root, experiment_id)

    def _add_experiment_tags(self, folder: str, experiment: entities.Experiment) -> merge.Change:
        new = merge.missing_tags(reader.read_experiment(folder), experiment)
        refused: list[str] = []
        tags = f"{folder}/{layout.TAGS}"
        _put_tags("experiment tag", tags, new, folder, refused)
        if len(new) == len(refused):
            return merge.Change.UNCHANGED
        announce(self.root, os.path.basename(folder))
        return merge.Change.UPDATED

    # -- runs ----------------------------------------------------------------------------------

    def merge_run(self, record: merge.RunRecord, *, copy_artifacts: bool = False) -> merge.Merge:
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
            links = run.inputs.dataset_inputs, run.inputs.model_inputs, run.outputs.model_outputs
            self._put_links(folder, experiment_dir, run_id, *links, refused)
            uri, files = self._artifacts(
                run.info.artifact_uri, copy_artifacts, experiment_dir, final, folder, refused
            )
            if uri == run.info.artifact_uri:
                uri = _referring(uri)
            _write_document(folder, _run_document(record, os.path.basename(experiment_dir), uri))
            disk.rename(folder, final)
        self.store._remember_run(run_id, final)
        self.store._announce_run(final)
        return merge.Merge(merge.Change.TAKEN, written, files, refused)

    def _update_run(
        self, folder: str, record: merge.RunRecord, copy_artifacts: bool
    ) -> merge.Merge:
        there, here = record.run, reader.read_run(folder)
        experiment_dir, run_id = os.path.split(folder)
        refused: list[str] = []
        written = self._add_points(folder, record.histories, refused)
        uri, files = there.info.artifact_uri, 0
        if copy_artifacts:
            uri, files = self._artifacts(uri, True, experiment_dir, folder, folder, refused)
        changes = merge.run_changes(here, there, uri, refused)
        written_texts = self._put_texts(folder, changes.params, changes.tags, refused)
        links = changes.datasets, changes.inputs, changes.outputs
        linked = self._put_links(folder, experiment_dir, run_id, *links, refused)
        values = changes.info
        if "status" in values:
            values["status"] = entities.RunStatus.from_string(values["status"])
        if values:
            run_state.edit(folder, lambda meta: meta.update(values))
        changed = bool(written or written_texts or linked or values or files)
        if changed:
            self.store._announce_run(folder)
        return merge.Merge(
            merge.Change.UPDATED if changed else merge.Change.UNCHANGED, written, files, refused
        )

    def _put_links(
        self,
        folder: str,
        experiment_dir: str,
        run_id: str,
        datasets: Iterable[entities.DatasetInput],
        inputs: Iterable[entities.LoggedModelInput],
        outputs: Iterable[entities.LoggedModelOutput],
        refused: list[str],
    ) -> int:
        """Write which datasets and models a run used and produced; return how many."""
        written = 0
        for given in datasets:
            self.store._link_dataset(folder, run_id, given, experiment_dir)
            written += 1
        for used in inputs:
            with merge.noting(refused):
                validation.validate_model_id(used.model_id)
                self.store._link_input(folder, run_id, used.model_id)
                written += 1
        for made in outputs:
            with merge.noting(refused):
                validation.validate_model_id(made.model_id)
                place = f"{folder}/{layout.OUTPUTS}/{made.model_id}"
                self.store._link_once(place, documents.model_output(made), layout.private(folder))
                written += 1
        return written

    # -- logged models -------------------------------------------------------------------------

    def merge_logged_model(
        self, record: merge.LoggedModelRecord, *, copy_artifacts: bool = False
    ) -> merge.Merge:
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
            histories = merge.by_key(record.points)
            written = _write_data(folder, histories, model.params, model.tags, refused, "model ")
            uri, files = self._artifacts(
                model.artifact_location, copy_artifacts, experiment_dir, final, folder, refused
            )
            experiment_id = os.path.basename(experiment_dir)
            here = replace(model, experiment_id=experiment_id, artifact_location=uri)
            _write_document(folder, documents.logged_model(here))
            disk.make_dirs(os.path.dirname(final))
            disk.rename(folder, final)
        self.store._announce_model(final)
        return merge.Merge(merge.Change.TAKEN, written, files, refused)

    def _update_model(
        self, folder: str, record: merge.LoggedModelRecord, copy_artifacts: bool
    ) -> merge.Merge:
        there, here = record.model, reader.read_logged_model(folder)
        refused: list[str] = []
        histories = merge.by_key(record.points)
        written = self._add_points(folder, histories, refused, here.model_id)
        uri, files = there.artifact_location, 0
        if copy_artifacts:
            experiment_dir = os.path.dirname(os.path.dirname(folder))
            uri, files = self._artifacts(uri, True, experiment_dir, folder, folder, refused)
        params, tags, values = merge.model_changes(here, there, uri)
        written_texts = self._put_texts(folder, params, tags, refused)
        if "status" in values:
            values["status"] = there.status.to_int()
        changed = bool(written or written_texts or values or files)
        if changed:
            values["last_updated_timestamp"] = max(
                here.last_updated_timestamp, there.last_updated_timestamp
            )
            with disk.locked(f"{layout.private(folder)}/lock"):
                _amend("logged model", folder, layout.private(folder), values)
            self.store._announce_model(folder)
        return merge.Merge(
            merge.Change.UPDATED if changed else merge.Change.UNCHANGED, written, files, refused
        )

    # -- registered models ---------------------------------------------------------------------

    def merge_registered_model(self, record: merge.RegisteredModelRecord) -> merge.Merge:
        name = record.model.name
        _check_name(name)
        folder = layout.registered_model(self.root, name)
        disk.make_dirs(layout.registry(self.root))
        with disk.locked(layout.lock_file(self.root)):
            if os.path.exists(layout.meta(folder)):
                merged = self._update_registered_model(folder, record)
            else:
                merged = self._put_registered_model(folder, record)
        if merged.change is not merge.Change.UNCHANGED:
            self.store._announce_name(name)
        return merged

    def _put_registered_model(self, final: str, record: merge.RegisteredModelRecord) -> merge.Merge:
        _check_absent(final)
        refused: list[str] = []
        with self._staging.folder() as folder:
            for version in record.versions:
                _write_version(layout.version(folder, version.version), version, refused)
            tags, aliases = f"{folder}/{layout.TAGS}", f"{folder}/{layout.ALIASES}"
            _write_texts("model tag", tags, record.model.tags, refused)
            numbers = {alias: str(number) for alias, number in record.model.aliases.items()}
            _write_texts("alias", aliases, numbers, refused)
            _write_document(folder, documents.registered_model(record.model))
            disk.rename(folder, final)
        return merge.Merge(merge.Change.TAKEN, refused=refused)

    def _update_registered_model(
        self, folder: str, record: merge.RegisteredModelRecord
    ) -> merge.Merge:
        refused: list[str] = []
        dirs = [layout.version(folder, version.version) for version in record.versions]
        found = [reader.read_model_version(d) for d in dirs if os.path.exists(layout.meta(d))]
        here = reader.read_registered_model(folder)
        known = {version.version: version for version in found}
        merged, new, changing = merge.merged_registered_model(here, known, record, refused)
        for version in new:
            version_dir = layout.version(folder, version.version)
            _check_absent(version_dir)
            with self._staging.folder() as staged:
                _write_version(staged, version, refused)
                disk.rename(staged, version_dir)
        for old, version in changing:
            version_dir = layout.version(folder, version.version)
            tags = merge.merged_texts(old.tags, version.tags, overwrite=True)
            tags_dir = f"{version_dir}/{layout.TAGS}"
            _put_tags("model version tag", tags_dir, tags, version_dir, refused)
            _amend("model version", version_dir, version_dir, merge.version_changes(version))
        if merged != here:
            tags = merge.merged_texts(here.tags, merged.tags, overwrite=True)
            tags_dir = f"{folder}/{layout.TAGS}"
            _put_tags("model tag", tags_dir, tags, folder, refused)
            numbers = {alias: str(number) for alias, number in merged.aliases.items()}
            aliases_dir = f"{folder}/{layout.ALIASES}"
            _put_tags("alias", aliases_dir, numbers, folder, refused)
            values = {
                "aliases": numbers,
                "description": merged.description,
                "last_updated_timestamp": merged.last_updated_timestamp,
            }
            _amend("registered model", folder, folder, values)
        changed = new or changing or merged != here
        return merge.Merge(
            merge.Change.UPDATED if changed else merge.Change.UNCHANGED, refused=refused
        )

    # -- parts of runs and logged models ---------------------------------------------------------

    def _add_points(
        self,
        folder: str,
        histories: Mapping[str, Sequence[entities.Metric]],
        refused: list[str],
        model_id: str | None = None,
    ) -> int:
        """Append the points that the files of a run or logged model lack."""
        written = 0
        metrics_dir = f"{folder}/{layout.METRICS}"
        for key, given in histories.items():
            path = f"{metrics_dir}/{key}"
            with merge.noting(refused):
                validation.validate_key("metric", key)
                key_values.check_free("metric", metrics_dir, (key,))
                data = disk.read_if_there(path, most=None) or b""
                known = (
                    points.parse_run_points(data, key)
                    if model_id is None
                    else points.parse_model_points(data, key, model_id)
                )
                new = merge.missing_points(known.points, given)
                data = _lines(new, model=model_id is not None)
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
        _put_params("param", params_dir, params, staging, refused)
        _put_tags("tag", tags_dir, tags, staging, refused)
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
        if settings.path_of(source) == own:
            return place, 0
        return settled(source, f"{folder}/{layout.ARTIFACTS}" if inside else place, place, refused)


def _referring(location: str) -> str:
    """A place of another store's, told from one that a store chose and that moves with it."""
    return f"{location.rstrip('/')}/" if settings.path_of(location) is not None else location


def _write_version(folder: str, version: entities.ModelVersion, refused: list[str]) -> None:
    disk.make_dir(folder)
    tags = f"{folder}/{layout.TAGS}"
    _write_texts("model version tag", tags, version.tags, refused)
    _write_document(folder, documents.model_version(version))


def _amend(what: str, folder: str, staging: str, values: Mapping[str, Any]) -> None:
    """Change the document of an entity that is in place."""
    meta = {**contents.read_meta(folder, what), **values}
    disk.publish(layout.meta(folder), documents.dumps(meta), staging)


def _write_document(folder: str, document: dict[str, Any]) -> None:
    """Write the document that makes a folder an entity."""
    disk.write_new(layout.meta(folder), documents.dumps(document))


def _run_document(record: merge.RunRecord, experiment_id: str, artifact_uri: str) -> dict[str, Any]:
    """What a run's ``meta.yaml`` says."""
    info = record.run.info
    name = info.run_name or ""
    here = replace(info, experiment_id=experiment_id, artifact_uri=artifact_uri, run_name=name)
    document = documents.run(here)
    if info.lifecycle_stage == entities.LifecycleStage.DELETED:
        document["deleted_time"] = record.deleted_time or info.end_time or names.now()
    return document


def _write_data(
    folder: str,
    histories: Mapping[str, Sequence[entities.Metric]],
    params: Mapping[str, str],
    tags: Mapping[str, str],
    refused: list[str],
    owner: str = "",
) -> int:
    """Write the metrics, params and tags of a staged run or model; return how many points."""
    for part in (layout.METRICS, layout.PARAMS, layout.TAGS):
        disk.mkdir(f"{folder}/{part}")
    metrics = f"{folder}/{layout.METRICS}"
    written = _write_histories(metrics, histories, refused, model=bool(owner))
    _write_texts(f"{owner}param", f"{folder}/{layout.PARAMS}", params, refused)
    _write_texts(f"{owner}tag", f"{folder}/{layout.TAGS}", tags, refused)
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


# -- keys and their files ----------------------------------------------------------------------


def _encoded(kind: str, values: Mapping[str, str], refused: list[str]) -> dict[str, bytes]:
    """The keys and texts that files can carry."""
    data: dict[str, bytes] = {}
    for key, value in values.items():
        with merge.noting(refused):
            data[key] = key_values.encoded(kind, key, value)
    return data


def _write_texts(kind: str, folder: str, values: Mapping[str, str], refused: list[str]) -> None:
    """Write params, tags or aliases, a file each."""
    for key, data in sorted(_encoded(kind, values, refused).items()):
        _write_key(kind, folder, key, data, refused)


def _write_key(kind: str, folder: str, key: str, data: bytes, refused: list[str]) -> bool:
    """Write the file of a key; say whether that was possible."""
    path = f"{folder}/{key}"
    try:
        try:
            disk.write_new(path, data)
        except FileNotFoundError:
            disk.make_dirs(os.path.dirname(path))
            disk.write_new(path, data)
    except _NOT_A_FILE:
        refused.append(
            f"{kind} {key!r} cannot be a file beside the other keys: one is the beginning of "
            "another"
        )
        return False
    return True


def _put_tags(
    kind: str, folder: str, values: Mapping[str, str], staging: str, refused: list[str]
) -> None:
    """Set tags of an entity that is in place already."""
    for key, data in _encoded(kind, values, refused).items():
        with merge.noting(refused):
            key_values.put_tags(kind, folder, {key: data}, staging)


def _put_params(
    kind: str, folder: str, values: Mapping[str, str], staging: str, refused: list[str]
) -> None:
    """Set params, new ones, of an entity that is in place already."""
    for key, data in _encoded(kind, values, refused).items():
        with merge.noting(refused):
            key_values.put_params(kind, folder, {key: data}, staging, "it")


# -- points ------------------------------------------------------------------------------------


def _lines(points: Sequence[entities.Metric], *, model: bool = False) -> bytes:
    """Points as the lines of a metric file, of a run or of a logged model.

    Raises:
        InvalidParameterValue: A line cannot carry the name of the dataset.
    """
    if not model and not any(point.dataset_name for point in points):
        return b"".join(b"%d %a %d\n" % (p.timestamp, float(p.value), p.step) for p in points)
    return b"".join(_line(point, model=model) for point in points)


def _line(point: entities.Metric, *, model: bool) -> bytes:
    fields = [str(point.timestamp), repr(float(point.value)), str(point.step)]
    if model and (point.run_id or point.dataset_name):
        fields.append(point.run_id or "-")
    if point.dataset_name is not None and point.dataset_digest is not None:
        name, digest = point.dataset_name, point.dataset_digest
        if not name.isprintable() or not digest.isprintable() or " " in digest or not digest:
            raise InvalidParameterValue(
                f"the dataset {name!r} with the digest {digest!r} of metric {point.key!r} does "
                "not fit the line of a point"
            )
        fields += [name, digest]
    return (" ".join(fields) + "\n").encode()


def _write_histories(
    folder: str,
    histories: Mapping[str, Sequence[entities.Metric]],
    refused: list[str],
    *,
    model: bool = False,
) -> int:
    """Write metric files and return how many points they hold."""
    count = 0
    for key in sorted(histories):
        points = histories[key]
        with merge.noting(refused):
            validation.validate_key("metric", key)
            data = _lines(points, model=model)
            if data and _write_key("metric", folder, key, data, refused):
                count += len(points)
    return count


# -- what is being built ----------------------------------------------------------------------


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
        return run_state.is_dead(f"{path}/{_LEASE}") is True
    try:
        return time.time() - os.stat(path).st_mtime > _GRACE_SECONDS
    except FileNotFoundError:
        return False
