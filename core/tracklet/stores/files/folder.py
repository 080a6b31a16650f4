"""A store's folder: its root, and how things are found in it by id."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from tracklet import entities, names, settings
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.stores import disk
from tracklet.stores.files import contents, documents, layout

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
        self._names: dict[str, tuple[tuple[int, int], str | None]] = {}
        self._has_default = False

    # -- finding -------------------------------------------------------------------------------

    def experiment_dir(self, experiment_id: str) -> str | None:
        """The folder of an experiment, wherever it is; the default one is made when missing."""
        for _ in range(2):
            for home in (self.root, layout.trash(self.root)):
                folder = f"{home}/{experiment_id}"
                if os.path.exists(layout.meta(folder)):
                    return folder
            if experiment_id != layout.DEFAULT_EXPERIMENT_ID:
                break
            self._has_default = False  # all may have been removed since it was there
            self.ensure_default()
        return None

    def in_trash(self, experiment_dir: str) -> bool:
        """Whether an experiment is deleted, by where it lies."""
        return os.path.dirname(experiment_dir) == layout.trash(self.root)

    def run_dir(self, run_id: str) -> str | None:
        """The folder of a run, wherever it is."""
        known = self._run_dirs.get(run_id)
        if known is not None and os.path.exists(layout.meta(known)):
            return known
        if run_id in layout.NOT_RUNS:
            return None
        found = self.below_experiments(run_id, partial(contents.read_meta, kind="run"))
        if found is not None:
            self.remember_run(run_id, found)
        return found

    def remember_run(self, run_id: str, folder: str | None) -> None:
        """Know from now on where a run is; or, that it is gone."""
        if len(self._run_dirs) >= _MAX_RUN_DIRS:
            self._run_dirs.clear()
        if folder is None:
            self._run_dirs.pop(run_id, None)
        else:
            self._run_dirs[run_id] = folder

    def below_experiments(
        self, tail: str, read: Callable[[str], object], document: str = layout.META
    ) -> str | None:
        """The folder ``<experiment>/<tail>`` that holds an entity and is no copy.

        Args:
            tail: The path below the experiment's folder.
            read: Reads such a folder's document, and raises Misplaced of a copy.
            document: The document's name.

        Raises:
            Misplaced: There are copies only.
        """
        misplaced: contents.Misplaced | None = None
        for home in (self.root, layout.trash(self.root)):
            for name in disk.names_in(home):
                folder = f"{home}/{name}/{tail}"
                if name in layout.NOT_EXPERIMENTS or not os.path.exists(f"{folder}/{document}"):
                    continue
                try:
                    with suppress(OSError):  # whoever reads it says so
                        read(folder)
                except contents.Misplaced as error:
                    misplaced = error
                except TrackletException:
                    return folder
                else:
                    return folder
        if misplaced is not None:
            raise misplaced
        return None

    def dir_of_name(self, name: str) -> str | None:
        """The folder of the experiment of that name; documents are read once per version."""
        deleted = None
        for folder in contents.experiment_dirs(self.root):
            if self._name_of(folder) == name:
                if not self.in_trash(folder):
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

    # -- the default experiment ----------------------------------------------------------------

    def ensure_default(self) -> None:
        """Create the experiment ``0`` unless it is there; many processes may do so at once."""
        if self._has_default:
            return
        experiment_id = layout.DEFAULT_EXPERIMENT_ID
        folder = f"{self.root}/{experiment_id}"
        trashed = f"{layout.trash(self.root)}/{experiment_id}"
        if not any(os.path.exists(layout.meta(place)) for place in (folder, trashed)):
            now, name = names.now(), layout.DEFAULT_EXPERIMENT_NAME
            made = entities.Experiment(
                experiment_id, name, folder, creation_time=now, last_update_time=now
            )
            _publish_once(folder, made)
            announce(self.root, experiment_id)
        self._has_default = True

    def offer_default(self) -> None:
        """Create the experiment ``0`` where that is possible; a read-only store does without."""
        with suppress(OSError):
            self.ensure_default()


def _publish_once(folder: str, made: entities.Experiment) -> None:
    """Make an experiment visible, unless one is there."""
    disk.make_dirs(folder)
    staged = disk.stage(folder, documents.dumps(documents.of("experiment", made)))
    created = False
    try:
        created = disk.publish_once(staged, layout.meta(folder))
    finally:
        if not created:
            disk.discard(staged)


def _recorded_name(folder: str) -> str:
    return str(contents.read_meta(folder, "experiment").get("name"))


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
