"""The part of the store contract on experiments."""

from __future__ import annotations

from typing import Any

import pytest

from tracklet.errors import (
    InvalidParameterValue,
    InvalidState,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
)
from tracklet_testing.store.fixtures import StoreFixtures


class ExperimentContract(StoreFixtures):
    """What every store does with experiments."""

    def test_the_default_experiment_is_always_there(self, store: Any) -> None:
        """Experiment ``0`` named Default exists in a store that was never written to."""
        assert store.get_experiment("0").name == "Default"
        assert store.get_experiment_by_name("Default").experiment_id == "0"

    def test_a_created_experiment_is_read_back(self, store: Any) -> None:
        """Name, location, tags, stage and times are kept."""
        experiment_id = store.create_experiment("A 实验", "s3://bucket/x", {"team": "a/b ü"})
        experiment = store.get_experiment(experiment_id)
        assert experiment.experiment_id == experiment_id
        assert experiment.name == "A 实验"
        assert experiment.artifact_location == "s3://bucket/x"
        assert experiment.tags == {"team": "a/b ü"}
        assert experiment.lifecycle_stage == "active"
        assert experiment.creation_time > 0
        assert experiment.last_update_time >= experiment.creation_time

    def test_an_experiment_is_found_by_name_also_when_deleted(
        self, store: Any, experiment_id: str
    ) -> None:
        """Lookup by name finds active and deleted ones, and None for an unknown name."""
        assert store.get_experiment_by_name("trees").experiment_id == experiment_id
        store.delete_experiment(experiment_id)
        assert store.get_experiment_by_name("trees").lifecycle_stage == "deleted"
        assert store.get_experiment_by_name("unknown") is None

    @pytest.mark.parametrize("name", ["", "   ", None, 3, "x" * 501])
    def test_a_bad_experiment_name_is_refused(self, store: Any, name: Any) -> None:
        """Names are text, not blank, of at most 500 characters."""
        with pytest.raises(InvalidParameterValue):
            store.create_experiment(name)

    def test_a_taken_experiment_name_is_refused(self, store: Any, experiment_id: str) -> None:
        """A second experiment of a name is refused, also when the first is deleted."""
        with pytest.raises(ResourceAlreadyExists):
            store.create_experiment("trees")
        store.delete_experiment(experiment_id)
        with pytest.raises(ResourceAlreadyExists):
            store.create_experiment("trees")

    def test_an_unknown_experiment_is_an_error(self, store: Any) -> None:
        """An unknown id is ResourceDoesNotExist, a malformed one InvalidParameterValue."""
        with pytest.raises(ResourceDoesNotExist):
            store.get_experiment("123456")
        with pytest.raises(InvalidParameterValue):
            store.get_experiment("../x")

    def test_an_experiment_is_renamed(self, store: Any, experiment_id: str) -> None:
        """The new name is found, the old one is free."""
        store.rename_experiment(experiment_id, "forests")
        assert store.get_experiment(experiment_id).name == "forests"
        assert store.get_experiment_by_name("trees") is None
        store.create_experiment("trees")

    def test_a_rename_onto_a_taken_name_is_refused(self, store: Any, experiment_id: str) -> None:
        """It is ResourceAlreadyExists and changes nothing."""
        store.create_experiment("taken")
        with pytest.raises(ResourceAlreadyExists):
            store.rename_experiment(experiment_id, "taken")
        assert store.get_experiment(experiment_id).name == "trees"

    def test_a_deleted_experiment_cannot_be_renamed(self, store: Any, experiment_id: str) -> None:
        """It is an InvalidState."""
        store.delete_experiment(experiment_id)
        with pytest.raises(InvalidState):
            store.rename_experiment(experiment_id, "forests")

    def test_deleting_an_experiment_deletes_its_runs(
        self, store: Any, experiment_id: str, run_id: str
    ) -> None:
        """Both are deleted, and restoring takes both back."""
        store.delete_experiment(experiment_id)
        assert store.get_experiment(experiment_id).lifecycle_stage == "deleted"
        assert store.get_run(run_id).info.lifecycle_stage == "deleted"
        store.restore_experiment(experiment_id)
        assert store.get_experiment(experiment_id).lifecycle_stage == "active"
        assert store.get_run(run_id).info.lifecycle_stage == "active"

    def test_deleting_an_experiment_twice_is_an_error(self, store: Any, experiment_id: str) -> None:
        """The second deletion, and restoring an active one, are ResourceDoesNotExist."""
        with pytest.raises(ResourceDoesNotExist):
            store.restore_experiment(experiment_id)
        store.delete_experiment(experiment_id)
        with pytest.raises(ResourceDoesNotExist):
            store.delete_experiment(experiment_id)

    def test_the_default_experiment_cannot_be_deleted(self, store: Any) -> None:
        """Deleting ``0`` is refused."""
        with pytest.raises(InvalidParameterValue):
            store.delete_experiment("0")
        assert store.get_experiment("0").lifecycle_stage == "active"

    def test_experiment_tags_are_set_replaced_and_removed(
        self, store: Any, experiment_id: str
    ) -> None:
        """The last value counts; removing a missing tag is ResourceDoesNotExist."""
        store.set_experiment_tag(experiment_id, "a/b", "1")
        store.set_experiment_tag(experiment_id, "a/b", "2\n")
        assert store.get_experiment(experiment_id).tags == {"a/b": "2\n"}
        store.delete_experiment_tag(experiment_id, "a/b")
        assert store.get_experiment(experiment_id).tags == {}
        with pytest.raises(ResourceDoesNotExist):
            store.delete_experiment_tag(experiment_id, "a/b")

    def test_tags_of_a_deleted_experiment_are_frozen(self, store: Any, experiment_id: str) -> None:
        """Setting one is InvalidParameterValue."""
        store.delete_experiment(experiment_id)
        with pytest.raises(InvalidParameterValue):
            store.set_experiment_tag(experiment_id, "a", "1")

    def test_an_experiment_tag_has_a_limit(self, store: Any, experiment_id: str) -> None:
        """20,000 characters are kept, more are refused."""
        store.set_experiment_tag(experiment_id, "a", "x" * 20_000)
        with pytest.raises(InvalidParameterValue):
            store.set_experiment_tag(experiment_id, "a", "x" * 20_001)
        assert len(store.get_experiment(experiment_id).tags["a"]) == 20_000

    def test_a_purged_experiment_is_gone(self, store: Any, experiment_id: str, run_id: str) -> None:
        """Only a deleted one can be purged; its runs go with it and its name is free."""
        with pytest.raises(InvalidParameterValue):
            store.purge_experiment(experiment_id)
        store.delete_experiment(experiment_id)
        store.purge_experiment(experiment_id)
        with pytest.raises(ResourceDoesNotExist):
            store.get_experiment(experiment_id)
        with pytest.raises(ResourceDoesNotExist):
            store.get_run(run_id)
        store.create_experiment("trees")
