"""The file store's runs."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tracklet import entities, lazy, liveness, names, validation
from tracklet.stores import creation, disk
from tracklet.stores.creation import RUN_NAME_TAG
from tracklet.stores.files import (
    contents,
    documents,
    key_values,
    layout,
    points,
    reader,
    run_state,
)
from tracklet.stores.files.experiment_verbs import bury, revive
from tracklet.stores.files.folder import Folder, announce
from tracklet.stores.files.writer import FileRunWriter
from tracklet.stores.tracking_store import TrackingStore

_log = lazy.logger(__name__)


@disk.reported
class Runs(Folder, TrackingStore):
    """Runs: folders of their experiment's folder."""

    def create_run(
        self,
        experiment_id: str,
        user_id: str | None = None,
        start_time: int | None = None,
        tags: Mapping[str, str] | None = None,
        run_name: str | None = None,
    ) -> entities.Run:
        given = experiment_id, user_id, start_time, tags, run_name
        return self._create_run(*given, carried=False)[0]

    def start_run(
        self,
        experiment_id: str,
        user_id: str | None = None,
        start_time: int | None = None,
        tags: Mapping[str, str] | None = None,
        run_name: str | None = None,
    ) -> tuple[entities.Run, FileRunWriter]:
        """Create a run that this process carries; its lease is there before a reader sees it."""
        given = experiment_id, user_id, start_time, tags, run_name
        run, folder, lease = self._create_run(*given, carried=True)
        try:
            writer = FileRunWriter(
                self.root, folder, lease=lease, settled=False, find_model=self._active_model_dir
            )
        except BaseException:  # nobody gets to know of the run, so nobody would end it
            disk.remove_quietly(folder)
            raise
        self._writers[run.info.run_id] = writer
        return run, writer

    def _create_run(
        self,
        experiment_id: str,
        user_id: str | None,
        start_time: int | None,
        tags: Mapping[str, str] | None,
        run_name: str | None,
        *,
        carried: bool,
    ) -> tuple[entities.Run, str, str | None]:
        """A new run, its folder, and this process's lease on it if it carries the run."""
        experiment_dir = self._active_experiment_dir(experiment_id, "create a run in")
        texts_of_tags = dict(tags or {})
        name = creation.run_name(run_name, texts_of_tags)
        texts_of_tags[RUN_NAME_TAG] = name
        data = key_values.encoded_all("tag", texts_of_tags)
        key_values.check_free("tag", f"{experiment_dir}/-", data)
        started = names.now() if start_time is None else creation.time("start time", start_time)
        run_id = names.run_id()
        run_dir = f"{experiment_dir}/{run_id}"
        location = reader.experiment_location(
            experiment_dir, contents.read_meta(experiment_dir, "experiment")
        )
        meta = documents.run(
            entities.RunInfo(
                run_id,
                experiment_id,
                creation.user(user_id, texts_of_tags),
                "RUNNING",
                started,
                None,
                artifact_uri=creation.below(location, f"{run_id}/{layout.ARTIFACTS}"),
                run_name=name,
            )
        )
        try:
            disk.mkdir(run_dir)
            self._announce_run(run_dir)  # who sees it now waits for its document
            for part in (layout.METRICS, layout.PARAMS, layout.TAGS, layout.ARTIFACTS):
                disk.mkdir(f"{run_dir}/{part}")
            for key, text in data.items():  # in place: nobody reads a run without a document
                path = f"{run_dir}/{layout.TAGS}/{key}"
                if "/" in key:
                    disk.make_dirs(os.path.dirname(path), run_dir)
                disk.write_new(path, text)
            lease = run_state.leave_lease(run_dir) if carried else None
            run_state.write(run_dir, meta)
            self._remember_run(run_id, run_dir)
            info = reader.run_info(run_dir, meta, texts_of_tags)
            run = entities.Run(info, entities.RunData(tags=texts_of_tags))
        except BaseException:
            disk.remove_quietly(run_dir)
            raise
        return run, run_dir, lease

    def get_run(self, run_id: str) -> entities.Run:
        folder = self._run_dir(run_id)
        run = reader.read_run(folder)
        # Of a run whose process died without a word, the files then say so too.
        if run.info.status == "KILLED" and run_state.leases(folder):
            run_state.settle(self.root, folder)
        return run

    def open_run(self, run_id: str, *, live: bool = True) -> FileRunWriter:
        folder, meta = self._active_run_dir(run_id, "log to")
        settled = meta.get("status") != entities.RunStatus.RUNNING
        writer = FileRunWriter(
            self.root,
            folder,
            lease=run_state.leave_lease(folder) if live else None,
            settled=settled and not live,
            find_model=self._active_model_dir,
        )
        if live:
            try:  # the lease is there already, so no reader takes the run for lost meanwhile
                run_state.edit(
                    folder,
                    lambda meta: meta.update(status=entities.RunStatus.RUNNING, end_time=None),
                )
                disk.discard(f"{folder}/{layout.TAGS}/{liveness.END_REASON_TAG}")
                run_state.drop_dead_leases(folder)
            except BaseException:
                writer.close()
                raise
            if settled:
                self._announce_run(folder)
            self._writers[run_id] = writer
        return writer

    def update_run(
        self,
        run_id: str,
        status: str | None = None,
        end_time: int | None = None,
        run_name: str | None = None,
    ) -> entities.RunInfo:
        given: dict[str, Any] = {}
        if status is not None:
            given["status"] = entities.RunStatus.from_string(status)
        if end_time is not None:
            given["end_time"] = creation.time("end time", end_time)
        if run_name:
            given["run_name"] = run_name
        name = key_values.encoded("tag", RUN_NAME_TAG, run_name) if run_name else None
        folder, _ = self._active_run_dir(run_id, "update")
        meta = run_state.edit(folder, lambda meta: meta.update(given))
        if name is not None:
            tags_dir = f"{folder}/{layout.TAGS}"
            key_values.put_tags("tag", tags_dir, {RUN_NAME_TAG: name}, layout.private(folder))
        self._announce_if_over(folder, meta)
        return reader.run_info(folder, meta, {})

    def delete_run(self, run_id: str) -> None:
        folder = self._run_dir(run_id)
        now = names.now()
        run_state.edit(folder, lambda meta: bury(meta, now))
        self._announce_run(folder)

    def restore_run(self, run_id: str) -> None:
        folder = self._run_dir(run_id)
        if self._in_trash(os.path.dirname(folder)):
            experiment_id = os.path.basename(os.path.dirname(folder))
            raise creation.orphaned(run_id, experiment_id)
        run_state.edit(folder, revive)
        self._announce_run(folder)

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[entities.Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        writer = self.open_run(run_id, live=False)
        try:
            writer.check(metrics, params or {}, tags or {})
            if params:
                writer.log_params(params)
            if metrics:
                writer.log_metrics(metrics)
            if tags:
                writer.set_tags(tags)
        finally:
            writer.close()

    def delete_tag(self, run_id: str, key: str) -> None:
        folder, meta = self._active_run_dir(run_id, "delete a tag of")
        key_values.remove("tag", f"{folder}/{layout.TAGS}", key, f"run {run_id}")
        self._announce_if_over(folder, meta)

    def get_metric_history(self, run_id: str, key: str) -> list[entities.Metric]:
        folder = self._run_dir(run_id)
        validation.validate_key("metric", key)
        path = f"{folder}/{layout.METRICS}/{key}"
        history = reader.read_metric_history(path, key)
        if history.skipped:
            _log.warning(
                "passed over %d torn or malformed lines of %s; its other points are whole",
                history.skipped,
                path,
            )
        return history.points

    def get_params(self, run_id: str) -> dict[str, str]:
        folder = f"{self._run_dir(run_id)}/{layout.PARAMS}"
        writer = self._writers.get(run_id)
        return contents.read_texts(folder, writer.known_params() if writer is not None else {})

    def last_points(self, run_id: str) -> list[entities.Metric]:
        folder = f"{self._run_dir(run_id)}/{layout.METRICS}"
        writer = self._writers.get(run_id)
        return points.last_points(folder, {}) if writer is None else writer.last_points(folder)

    def deletion_time(self, run_id: str) -> int | None:
        meta = contents.read_meta(self._run_dir(run_id), "run")
        return reader.integer(meta.get("deleted_time"))

    def purge_run(self, run_id: str) -> None:
        folder = self._run_dir(run_id)
        if reader.read_run_info(folder).lifecycle_stage != entities.LifecycleStage.DELETED:
            raise creation.not_in_trash("run", run_id)
        disk.remove_tree(folder)
        self._run_dirs.pop(run_id, None)
        self._announce_run(folder)

    # -- what a run used and produced: small documents in its folder that name it ----------------

    def log_inputs(
        self,
        run_id: str,
        datasets: Sequence[entities.DatasetInput] = (),
        models: Sequence[entities.LoggedModelInput] = (),
    ) -> None:
        for given in datasets:
            validation.validate_dataset_input(given)
        for model in models:
            validation.validate_model_id(model.model_id)
        folder, meta = self._active_run_dir(run_id, "log inputs of")
        experiment_dir = os.path.dirname(folder)
        for given in datasets:
            self._link_dataset(folder, run_id, given, experiment_dir)
        for model in models:
            self._link_input(folder, run_id, model.model_id)
        self._announce_if_over(folder, meta)

    def log_outputs(self, run_id: str, models: Sequence[entities.LoggedModelOutput]) -> None:
        for model in models:
            validation.validate_model_id(model.model_id)
            validation.validate_step(f"output {model.model_id}", model.step)
        folder, meta = self._active_run_dir(run_id, "log outputs of")
        for model in models:
            place = f"{folder}/{layout.OUTPUTS}/{model.model_id}"
            link = documents.model_output(model)
            link[documents.LINKED_NS] = (contents.meta_if_there(place) or link).get(
                documents.LINKED_NS, 0
            )
            disk.publish(layout.meta(place), documents.dumps(link), layout.private(folder))
        self._announce_if_over(folder, meta)

    def _link_dataset(
        self, folder: str, run_id: str, given: entities.DatasetInput, experiment_dir: str
    ) -> None:
        """Say in a run's folder that it used a dataset, which the experiment's folder describes."""
        dataset_id = layout.dataset_id(given.dataset.name, given.dataset.digest)
        dataset_dir = f"{experiment_dir}/{layout.DATASETS}/{dataset_id}"
        self._link_once(dataset_dir, dict(given.dataset), experiment_dir)
        tags = {tag.key: tag.value for tag in given.tags}
        self._link_input(folder, run_id, dataset_id, "DATASET", tags)

    def _link_input(
        self,
        folder: str,
        run_id: str,
        source_id: str,
        source_type: str = "MODEL",
        tags: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Say in a run's folder that it used a logged model or a dataset."""
        link = {
            "destination_id": source_id,
            "destination_type": "RUN",
            "source_id": source_id,
            "source_type": source_type,
            "tags": dict(tags),
            documents.LINKED_NS: time.time_ns(),
        }
        place = f"{folder}/{layout.INPUTS}/{layout.input_id(source_id, run_id)}"
        self._link_once(place, link, layout.private(folder))

    def _link_once(self, folder: str, document: dict[str, Any], staging: str) -> None:
        path = layout.meta(folder)
        if not os.path.exists(path):
            disk.publish(path, documents.dumps(document), staging)

    # -- parts ---------------------------------------------------------------------------------

    def _announce_if_over(self, folder: str, meta: dict[str, Any]) -> None:
        if meta.get("status") != entities.RunStatus.RUNNING:
            self._announce_run(folder)

    def _announce_run(self, folder: str) -> None:
        experiment_id = os.path.basename(os.path.dirname(folder))
        announce(self.root, f"{experiment_id}/{os.path.basename(folder)}")

    def _active_model_dir(self, model_id: str) -> str:
        """The folder of a logged model that is not deleted."""
        raise NotImplementedError
