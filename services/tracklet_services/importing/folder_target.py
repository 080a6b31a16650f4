"""Whole records from another store into folders, with their ids and times.

What is new is built in a folder where no reader looks (``.trash/.tracklet-import-…``) and renamed
to its place. What is there already is only added to, in steps that may be repeated.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from tracklet import names, validation
from tracklet.entities import (
    DatasetInput,
    Experiment,
    LifecycleStage,
    LoggedModelInput,
    LoggedModelOutput,
    Run,
    RunStatus,
)
from tracklet.errors import InvalidParameterValue
from tracklet.stores import disk
from tracklet.stores.files import changes, layout, links, reader, run_meta
from tracklet_services.importing import folder_documents
from tracklet_services.importing.adopting import (
    Adoption,
    Change,
    ImportTarget,
    RunRecord,
    merged_info,
    merged_texts,
)
from tracklet_services.importing.folder_models import ModelTarget
from tracklet_services.importing.folder_parts import check_absent, found


class FileTarget(ModelTarget, ImportTarget):
    """Takes records into a file store.

    Args:
        store: The store; its folder is created when it is not there yet.
    """

    # -- experiments ---------------------------------------------------------------------------

    @disk.reported("import an experiment")
    def adopt_experiment(self, experiment: Experiment) -> tuple[str, Change]:
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
        changes.announce(self.root, experiment_id)

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
        changes.announce(self.root, os.path.basename(folder))
        return Change.UPDATED

    # -- runs ----------------------------------------------------------------------------------

    @disk.reported("import a run")
    def adopt_run(self, record: RunRecord, *, copy_artifacts: bool = False) -> Adoption:
        run = record.run
        run_id = validation.validate_run_id(run.info.run_id)
        known = found(self.store._run_dir, run_id)
        if known is not None:
            return self._update_run(known, record, copy_artifacts)
        experiment_dir = self.store._experiment_dir(run.info.experiment_id)
        final = f"{experiment_dir}/{run_id}"
        check_absent(final, run_id in layout.NOT_RUNS)
        refused: list[str] = []
        with self._staging.folder() as folder:
            # MLflow takes a folder without artifacts for no run.
            for part in (layout.METRICS, layout.PARAMS, layout.TAGS, layout.ARTIFACTS):
                disk.mkdir(f"{folder}/{part}")
            metrics = f"{folder}/{layout.METRICS}"
            written = folder_documents.write_histories(metrics, record.histories, refused)
            params, tags = f"{folder}/{layout.PARAMS}", f"{folder}/{layout.TAGS}"
            folder_documents.write_texts("param", params, run.data.params, refused)
            folder_documents.write_texts("tag", tags, run.data.tags, refused)
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
        return Adoption(Change.TAKEN, written, files, refused)

    def _update_run(self, folder: str, record: RunRecord, copy_artifacts: bool) -> Adoption:
        there, here = record.run, reader.read_run(folder)
        experiment_dir = os.path.dirname(folder)
        refused: list[str] = []
        changed = False

        written = self._add_points(folder, record.histories, refused)
        params = merged_texts(here.data.params, there.data.params, overwrite=False)
        tags = merged_texts(here.data.tags, there.data.tags, overwrite=True)
        written_texts = self._put_texts(folder, params, tags, refused)
        refused += _other_params(here, there)

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
            run_meta.edit(folder, lambda meta: meta.update(values))
        changed = bool(written or written_texts or linked or values or files)
        if changed:
            self.store._announce_run(folder)
        return Adoption(Change.UPDATED if changed else Change.UNCHANGED, written, files, refused)

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
        link_once = self.store._link_once
        for given in datasets:
            dataset = given.dataset
            dataset_id = layout.dataset_id(dataset.name, dataset.digest)
            dataset_dir = f"{experiment_dir}/{layout.DATASETS}/{dataset_id}"
            link_once(dataset_dir, dict(dataset), experiment_dir)
            link = links.dataset_input_document(dataset_id, given)
            link_id = layout.dataset_input_id(dataset_id, run_id)
            link_once(f"{folder}/{layout.INPUTS}/{link_id}", link, layout.private(folder))
            written += 1
        for model in models:
            try:
                validation.validate_model_id(model.model_id)
            except InvalidParameterValue as error:
                refused.append(error.message)
                continue
            if isinstance(model, LoggedModelOutput):
                place = f"{folder}/{layout.OUTPUTS}/{model.model_id}"
                link_once(place, links.output_document(model), layout.private(folder))
            else:
                link_id = layout.model_input_id(model.model_id, run_id)
                link = links.model_input_document(model.model_id)
                link_once(f"{folder}/{layout.INPUTS}/{link_id}", link, layout.private(folder))
            written += 1
        return written


def _uses(run: Run, given: DatasetInput) -> bool:
    known = {(one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs}
    return (given.dataset.name, given.dataset.digest) in known


def _other_params(here: Run, there: Run) -> Iterator[str]:
    for key, value in there.data.params.items():
        if here.data.params.get(key, value) != value:
            yield f"param {key!r} holds another value here"


def _referring(location: str) -> str:
    """A place of another store's, told from one that a store chose and that moves with it."""
    return f"{location.rstrip('/')}/" if layout.is_local(location) else location
