"""The part of the store contract on inputs and outputs."""

from __future__ import annotations

from typing import Any

import pytest

from tracklet.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
)
from tracklet.errors import (
    InvalidParameterValue,
)
from tracklet_testing.store.fixtures import StoreFixtures


class LinkContract(StoreFixtures):
    """What every store does with the inputs and outputs of runs."""

    def test_inputs_are_kept_once(self, store: Any, run_id: str, model_id: str) -> None:
        """A dataset with its tags and a model; the same again changes nothing."""
        dataset = Dataset("iris", "abc12345", "code", '{"a": 1}', '{"s": [1]}', None)
        used = DatasetInput(dataset, [InputTag("mlflow.data.context", "train")])
        for _ in range(2):
            store.log_inputs(run_id, [used], [LoggedModelInput(model_id)])
        inputs = store.get_run(run_id).inputs
        assert inputs.dataset_inputs == [used]
        assert inputs.model_inputs == [LoggedModelInput(model_id)]

    def test_two_runs_may_use_one_dataset(self, store: Any, experiment_id: str) -> None:
        """Each has its own tags on it."""
        dataset = Dataset("iris", "abc12345", "code", "{}")
        runs = [store.create_run(experiment_id).info.run_id for _ in range(2)]
        for number, run_id in enumerate(runs):
            store.log_inputs(run_id, [DatasetInput(dataset, [InputTag("n", str(number))])])
        for number, run_id in enumerate(runs):
            (used,) = store.get_run(run_id).inputs.dataset_inputs
            assert used == DatasetInput(dataset, [InputTag("n", str(number))])

    @pytest.mark.parametrize(
        "dataset",
        [
            Dataset("", "d", "code", "{}"),
            Dataset("x" * 501, "d", "code", "{}"),
            Dataset("x", "d" * 37, "code", "{}"),
        ],
    )
    def test_a_bad_dataset_is_refused(self, store: Any, run_id: str, dataset: Dataset) -> None:
        """Names and digests have limits."""
        with pytest.raises(InvalidParameterValue):
            store.log_inputs(run_id, [DatasetInput(dataset)])
        assert store.get_run(run_id).inputs.dataset_inputs == []

    def test_outputs_are_kept(self, store: Any, run_id: str, model_id: str) -> None:
        """The model and its step."""
        store.log_outputs(run_id, [LoggedModelOutput(model_id, 7)])
        assert store.get_run(run_id).outputs.model_outputs == [LoggedModelOutput(model_id, 7)]
