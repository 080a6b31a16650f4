"""What a run used and produced: links from runs to datasets and logged models."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tracklet import validation
from tracklet.entities import RunStatus
from tracklet.stores import disk
from tracklet.stores.files import documents, layout, texts
from tracklet.stores.files.runs import Runs

if TYPE_CHECKING:
    from tracklet.entities import Dataset, DatasetInput, LoggedModelInput, LoggedModelOutput


class Links(Runs):
    """Inputs and outputs: small documents in the run's folder that name datasets and models."""

    @disk.reported("log inputs")
    def log_inputs(
        self,
        run_id: str,
        datasets: Sequence[DatasetInput] = (),
        models: Sequence[LoggedModelInput] = (),
    ) -> None:
        """Record what an active run uses; the same dataset again changes nothing."""
        for given in datasets:
            _check_dataset(given)
        for model in models:
            validation.validate_model_id(model.model_id)
        folder, meta = self._active_run_dir(run_id, "log inputs of")
        experiment_dir = os.path.dirname(folder)
        for given in datasets:
            dataset = given.dataset
            dataset_id = layout.dataset_id(dataset.name, dataset.digest)
            dataset_dir = f"{experiment_dir}/{layout.DATASETS}/{dataset_id}"
            self._link_once(dataset_dir, dict(dataset), experiment_dir)
            link_id = layout.dataset_input_id(dataset_id, run_id)
            link = dataset_input_document(dataset_id, given)
            self._link_once(f"{folder}/{layout.INPUTS}/{link_id}", link, layout.private(folder))
        for model in models:
            link_id = layout.model_input_id(model.model_id, run_id)
            link = model_input_document(model.model_id)
            self._link_once(f"{folder}/{layout.INPUTS}/{link_id}", link, layout.private(folder))
        if meta.get("status") != RunStatus.RUNNING:
            self._announce_run(folder)

    @disk.reported("log outputs")
    def log_outputs(self, run_id: str, models: Sequence[LoggedModelOutput]) -> None:
        """Record which logged models an active run produced."""
        for model in models:
            validation.validate_model_id(model.model_id)
            validation.validate_step(f"output {model.model_id}", model.step)
        folder, meta = self._active_run_dir(run_id, "log outputs of")
        for model in models:
            link = output_document(model)
            path = layout.meta(f"{folder}/{layout.OUTPUTS}/{model.model_id}")
            disk.publish(path, documents.dumps(link), layout.private(folder))
        if meta.get("status") != RunStatus.RUNNING:
            self._announce_run(folder)

    def _link_once(self, folder: str, document: dict[str, Any], staging: str) -> None:
        path = layout.meta(folder)
        if not os.path.exists(path):
            disk.publish(path, documents.dumps(document), staging)


def _check_dataset(given: DatasetInput) -> None:
    validation.validate_dataset_input(given)
    dataset: Dataset = given.dataset
    for text in (dataset.name, dataset.source, dataset.schema or "", dataset.profile or ""):
        texts.encoded("dataset", "field", text)


def dataset_input_document(dataset_id: str, given: DatasetInput) -> dict[str, Any]:
    """What links a run to a dataset that it used."""
    return {
        "destination_id": dataset_id,
        "destination_type": "RUN",
        "source_id": dataset_id,
        "source_type": "DATASET",
        "tags": {tag.key: tag.value for tag in given.tags},
    }


def model_input_document(model_id: str) -> dict[str, Any]:
    """What links a run to a logged model that it used."""
    return {
        "destination_id": model_id,
        "destination_type": "RUN",
        "source_id": model_id,
        "source_type": "MODEL",
        "tags": {},
    }


def output_document(output: LoggedModelOutput) -> dict[str, Any]:
    """What links a run to a logged model that it produced."""
    return {
        "destination_id": output.model_id,
        "destination_type": "MODEL_OUTPUT",
        "source_id": output.model_id,
        "source_type": "RUN_OUTPUT",
        "step": output.step,
        "tags": {},
    }
