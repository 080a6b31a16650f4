"""What all parts of the file store share: its root, and how things are found in it by id."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from tracklet import entities, names, settings, validation
from tracklet.entities import LifecycleStage
from tracklet.errors import InvalidParameterValue
from tracklet.stores import creation, disk
from tracklet.stores.files import contents, documents, layout

if TYPE_CHECKING:
    from tracklet.stores.files.writer import FileRunWriter

_MAX_RUN_DIRS: Final = 10_000


class Folder:
    """A store's folder.

    Args:
        uri: A path or ``file:`` URI; a relative path is taken from the present working directory.
    """

    def __init__(self, uri: str | os.PathLike[str]) -> None:
        location = os.fspath(uri)
        path = settings.path_of(location)
        if not path:
            raise InvalidParameterValue(
                f"{location!r} is no path and no file: URI of one; a file store is a local folder"
            )
        try:
            self.root = os.path.abspath(path)
        except FileNotFoundError as error:
            raise disk.storage_error(
                f"resolve the relative path {path!r}, since the working directory was deleted; "
                "give an absolute path to set_tracking_uri",
                error,
                ".",
            ) from error
        self.uri = location if location.lower().startswith("file:") else self.root
        self._run_dirs: dict[str, str] = {}
        self._writers: WeakValueDictionary[str, FileRunWriter] = WeakValueDictionary()
        self._names: dict[str, tuple[tuple[int, int], str | None]] = {}
        self._has_default = False

    # -- finding -------------------------------------------------------------------------------

    def _experiment_dir(self, experiment_id: str) -> str:
        """The folder of an experiment, wherever it is; the default one is created when missing."""
        validation.validate_experiment_id(experiment_id)
        for home in (self.root, layout.trash(self.root)):
            folder = f"{home}/{experiment_id}"
            if os.path.exists(layout.meta(folder)):
                return folder
        if experiment_id == layout.DEFAULT_EXPERIMENT_ID:
            self._has_default = False  # all may have been removed since it was there
            self._ensure_default()
            return f"{self.root}/{experiment_id}"
        raise creation.missing("experiment", experiment_id, self.root)

    def _active_experiment_dir(self, experiment_id: str, action: str) -> str:
        folder = self._experiment_dir(experiment_id)
        if self._in_trash(folder):
            raise creation.in_trash(action, "experiment", experiment_id)
        return folder

    def _in_trash(self, experiment_dir: str) -> bool:
        return os.path.dirname(experiment_dir) == layout.trash(self.root)

    def _run_dir(self, run_id: str) -> str:
        """The folder of a run, wherever it is."""
        validation.validate_run_id(run_id)
        known = self._run_dirs.get(run_id)
        if known is not None and os.path.exists(layout.meta(known)):
            return known
        if run_id not in layout.NOT_RUNS:
            folder = self._below_experiments(run_id)
            if folder is not None:
                self._remember_run(run_id, folder)
                return folder
        raise creation.missing("run", run_id, self.root)

    def _remember_run(self, run_id: str, folder: str) -> None:
        if len(self._run_dirs) >= _MAX_RUN_DIRS:
            self._run_dirs.clear()
        self._run_dirs[run_id] = folder

    def _active_run_dir(self, run_id: str, action: str) -> tuple[str, dict[str, Any]]:
        """The folder and document of a run that is not deleted."""
        folder = self._run_dir(run_id)
        meta = contents.read_meta(folder, "run")
        deleted = meta.get("lifecycle_stage") == LifecycleStage.DELETED
        if deleted or self._in_trash(os.path.dirname(folder)):
            raise creation.in_trash(action, "run", run_id)
        return folder, meta

    def _model_dir(self, model_id: str) -> str:
        """The folder of a logged model, wherever it is, deleted or not."""
        validation.validate_model_id(model_id)
        folder = self._below_experiments(f"{layout.MODELS}/{model_id}")
        if folder is None:
            raise creation.missing("logged model", model_id, self.root)
        return folder

    def _below_experiments(self, tail: str, document: str = layout.META) -> str | None:
        """The first folder ``<experiment>/<tail>`` that holds an entity."""
        for home in (self.root, layout.trash(self.root)):
            for name in disk.names_in(home):
                folder = f"{home}/{name}/{tail}"
                if name not in layout.NOT_EXPERIMENTS and os.path.exists(f"{folder}/{document}"):
                    return folder
        return None

    # -- the default experiment ----------------------------------------------------------------

    def _ensure_default(self) -> None:
        """Create the experiment ``0`` unless it is there; many processes may do so at once."""
        if self._has_default:
            return
        experiment_id = layout.DEFAULT_EXPERIMENT_ID
        if not any(
            os.path.exists(layout.meta(f"{home}/{experiment_id}"))
            for home in (self.root, layout.trash(self.root))
        ):
            self._write_experiment(experiment_id, layout.DEFAULT_EXPERIMENT_NAME, None)
            announce(self.root, experiment_id)
        self._has_default = True

    def _offer_default(self) -> None:
        """Create the experiment ``0`` where that is possible; a read-only store does without."""
        with suppress(OSError):
            self._ensure_default()

    def _write_experiment(
        self, experiment_id: str, name: str, artifact_location: str | None
    ) -> bool:
        """Make an experiment visible; False if one with this id is."""
        folder = f"{self.root}/{experiment_id}"
        now = names.now()
        location = artifact_location or folder
        made = entities.Experiment(
            experiment_id, name, location, creation_time=now, last_update_time=now
        )
        disk.make_dirs(folder)
        staged = disk.stage(folder, documents.dumps(documents.experiment(made)))
        created = False
        try:
            created = disk.publish_once(staged, layout.meta(folder))
        finally:
            if not created:
                disk.discard(staged)
        return created


def announce(root: str, *entries: str) -> None:
    """Say in the change log, ``<root>/.tracklet.changes``, what the index has to look at again.

    The log is a hint; losing it costs the index a full look. Runs in progress need not be
    announced: the index looks at them anyway. Never fails.

    Args:
        root: The store's folder.
        *entries: Paths below it: ``<experiment id>``, ``<experiment id>/<run id>``,
            ``<experiment id>/models/<model id>`` or ``models/<name>``.
    """
    data = "".join(f"{entry}\n" for entry in entries).encode("utf-8", "replace")
    with suppress(OSError):
        fd = disk.open_append(layout.changes_file(root))
        try:
            disk.write(fd, data)
        finally:
            disk.close(fd)
