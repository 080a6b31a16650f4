"""What importing runs and importing models into folders have in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from tracklet.entities import Metric
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist
from tracklet.stores import creation, disk
from tracklet.stores.files import contents, layout, points, reader, texts
from tracklet.stores.files.appender import Appender
from tracklet.stores.files.store import FileStore
from tracklet_services.importing import folder_documents
from tracklet_services.importing.adopting import missing_points
from tracklet_services.importing.artifact_copies import copy_missing
from tracklet_services.importing.staging import Staging


class TargetFolder:
    """A file store that takes records, and the place where they are built.

    Args:
        store: The store; its folder is created when it is not there yet.
    """

    def __init__(self, store: FileStore) -> None:
        self.store = store
        self.root = store.root
        self._staging = Staging(store.root)

    def close(self) -> None:
        self._staging.close()

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
                texts.check_free("metric", metrics_dir, (key,))
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
        inside = layout.is_local(place) and layout.local_path(place) == own
        try:
            target = f"{folder}/{layout.ARTIFACTS}" if inside else place
            if layout.is_local(source) and layout.local_path(source) == own:
                return place, 0
            return place, copy_missing(source, target)
        except InvalidParameterValue as error:
            refused.append(f"its artifacts stay at {source}: {error.message}")
            return source, 0


def found(find: Callable[[str], str], entity_id: str) -> str | None:
    """The folder of an entity; None if there is none."""
    try:
        return find(entity_id)
    except ResourceDoesNotExist:
        return None


def check_absent(folder: str, reserved: bool = False) -> None:
    """Refuse to put an entity where something else is, or a name that means something else."""
    if reserved or os.path.lexists(folder):
        raise InvalidParameterValue(
            f"{folder!r} is in the way: it is there, but holds no {layout.META}; move it away"
        )
