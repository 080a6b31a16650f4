"""The file store's experiments."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tracklet import names, settings, validation
from tracklet.entities import LifecycleStage
from tracklet.errors import (
    InvalidParameterValue,
    InvalidState,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
)
from tracklet.stores import creation, disk
from tracklet.stores.files import (
    contents,
    key_values,
    layout,
    reader,
    run_state,
)
from tracklet.stores.files.folder import Folder, announce
from tracklet.stores.tracking_store import TrackingStore

if TYPE_CHECKING:
    from tracklet.entities import Experiment


@disk.reported
class Experiments(Folder, TrackingStore):
    """Experiments: folders of the root, or of its trash when they are deleted."""

    def create_experiment(
        self,
        name: str,
        artifact_location: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        _check_name(name)
        location = _artifact_location(artifact_location)
        data = _encoded(tags or {})
        key_values.check_free("experiment tag", f"{self.root}/-", data)
        self._ensure_default()
        with disk.locked(layout.lock_file(self.root)):
            self._check_name_free(name)
            experiment_id = names.experiment_id()
            folder = f"{self.root}/{experiment_id}"
            try:
                if data:
                    disk.make_dirs(folder)
                    key_values.put_tags("experiment tag", f"{folder}/{layout.TAGS}", data, folder)
                self._write_experiment(experiment_id, name, location)
            except BaseException:
                disk.remove_quietly(folder)
                raise
        announce(self.root, experiment_id)
        return experiment_id

    def get_experiment(self, experiment_id: str) -> Experiment:
        return reader.read_experiment(self._experiment_dir(experiment_id))

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        if name == layout.DEFAULT_EXPERIMENT_NAME:
            self._offer_default()
        folder = self._dir_of_name(name)
        return None if folder is None else reader.read_experiment(folder)

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        _check_name(new_name)
        folder = self._experiment_dir(experiment_id)
        if self._in_trash(folder):
            raise InvalidState(
                f"cannot rename experiment {experiment_id}: it is deleted; restore_experiment "
                "takes it back"
            )

        def change(meta: dict[str, Any]) -> None:
            if str(meta.get("name")) == new_name:
                return
            self._check_name_free(new_name)
            meta.update(name=new_name, last_update_time=names.now())

        self._edit_experiment(folder, change)

    def delete_experiment(self, experiment_id: str) -> None:
        if experiment_id == layout.DEFAULT_EXPERIMENT_ID:
            raise InvalidParameterValue(
                "the default experiment '0' cannot be deleted: runs go there when no other "
                "experiment is set; delete its runs instead"
            )
        trashed = f"{layout.trash(self.root)}/{experiment_id}"
        with disk.locked(layout.lock_file(self.root)):
            folder = self._experiment_dir(experiment_id)
            if folder != trashed:
                disk.make_dirs(layout.trash(self.root))
                disk.rename(folder, trashed)
            elif _is_marked(contents.read_meta(folder, "experiment")):
                raise ResourceDoesNotExist(
                    f"experiment {experiment_id} is deleted already; restore_experiment takes it "
                    "back"
                )
        # From here on it is deleted by its place; the documents follow.
        now = names.now()
        _edit_runs(trashed, lambda meta: bury(meta, now))
        self._mark(trashed, lifecycle_stage=LifecycleStage.DELETED)
        announce(self.root, experiment_id)

    def restore_experiment(self, experiment_id: str) -> None:
        folder = self._experiment_dir(experiment_id)
        if not self._in_trash(folder):
            raise ResourceDoesNotExist(
                f"experiment {experiment_id} is not deleted, so there is nothing to restore"
            )
        _edit_runs(folder, revive)
        self._mark(folder, lifecycle_stage=LifecycleStage.ACTIVE)
        disk.rename(folder, f"{self.root}/{experiment_id}")
        announce(self.root, experiment_id)

    def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None:
        data = _encoded({key: value})
        folder = self._active_experiment_dir(experiment_id, "set a tag of")
        key_values.put_tags("experiment tag", f"{folder}/{layout.TAGS}", data, folder)
        self._mark(folder)

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        folder = self._active_experiment_dir(experiment_id, "delete a tag of")
        owner = f"experiment {experiment_id}"
        key_values.remove("experiment tag", f"{folder}/{layout.TAGS}", key, owner)
        self._mark(folder)

    def purge_experiment(self, experiment_id: str) -> None:
        folder = self._experiment_dir(experiment_id)
        if not self._in_trash(folder):
            raise creation.not_in_trash("experiment", experiment_id)
        for run_dir in contents.run_dirs(folder):
            disk.remove_tree(run_dir)
        disk.remove_tree(folder)
        announce(self.root, experiment_id)

    # -- names and documents -------------------------------------------------------------------

    def _dir_of_name(self, name: str) -> str | None:
        """The folder of the experiment of that name; documents are read once per version."""
        deleted = None
        for folder in contents.experiment_dirs(self.root):
            if self._name_of(folder) == name:
                if not self._in_trash(folder):
                    return folder
                deleted = folder
        return deleted

    def _name_of(self, folder: str) -> str | None:
        try:
            stat = os.stat(layout.meta(folder))
        except OSError as error:
            contents.pass_over(folder, error)
            return None
        version = (stat.st_mtime_ns, stat.st_ino)
        known = self._names.get(folder)
        if known is not None and known[0] == version:
            return known[1]
        (name,) = contents.readable(_recorded_name, [folder]) or (None,)
        self._names[folder] = (version, name)
        return name

    def _check_name_free(self, name: str) -> None:
        taken = self._dir_of_name(name)
        if taken is None:
            return
        raise ResourceAlreadyExists(
            f"an experiment named {name!r} exists already with the id {os.path.basename(taken)}"
            + (
                ", and is deleted; restore_experiment takes it back"
                if self._in_trash(taken)
                else "; use it, or choose another name"
            )
        )

    def _mark(self, folder: str, **values: Any) -> None:
        self._edit_experiment(
            folder, lambda meta: meta.update(values, last_update_time=names.now())
        )

    def _edit_experiment(self, folder: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Apply a change to an experiment's document, one at a time."""
        lock = layout.lock_file(self.root)
        contents.edit_meta(folder, "experiment", change, lock=lock, staging=folder)
        announce(self.root, os.path.basename(folder))


def _edit_runs(experiment_dir: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Apply a change to the documents of an experiment's runs; what cannot be read stays."""
    for run_dir in contents.undamaged(contents.run_dirs(experiment_dir)):
        run_state.edit(run_dir, change)


def _recorded_name(folder: str) -> str:
    return str(contents.read_meta(folder, "experiment").get("name"))


def bury(meta: dict[str, Any], now: int) -> None:
    """Write a deletion into a run's document."""
    if not _is_marked(meta):
        meta.update(lifecycle_stage=LifecycleStage.DELETED, deleted_time=now)


def revive(meta: dict[str, Any]) -> None:
    """Take the deletion out of a run's document."""
    meta["lifecycle_stage"] = LifecycleStage.ACTIVE
    meta.pop("deleted_time", None)


def _is_marked(meta: dict[str, Any]) -> bool:
    return meta.get("lifecycle_stage") == LifecycleStage.DELETED


def _check_name(name: object) -> None:
    text = validation.validate_experiment_name(name)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidParameterValue(
            f"an experiment's name must be valid Unicode; {text!r} contains a lone surrogate"
        ) from None


def _encoded(tags: Mapping[str, object]) -> dict[str, bytes]:
    return key_values.encoded_all("experiment tag", tags, validation.MAX_EXPERIMENT_TAG_LENGTH)


def _artifact_location(location: str | None) -> str | None:
    if location is None or location == "":
        return None
    creation.check_artifact_location(location)
    if settings.path_of(location) is not None and not location.lower().startswith("file:"):
        return os.path.abspath(location)
    return location
