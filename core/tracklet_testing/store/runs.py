"""The part of the store contract on runs."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tracklet.entities import (
    LoggedModelOutput,
)
from tracklet.errors import (
    InvalidParameterValue,
    ResourceDoesNotExist,
)
from tracklet_testing.store.fixtures import MISSING_MODEL, MISSING_RUN, StoreFixtures


class RunContract(StoreFixtures):
    """What every store does with runs."""

    def test_a_created_run_is_running(self, store: Any, experiment_id: str) -> None:
        """What was given is kept, the name is a tag too, and the returned run is the stored one."""
        run = store.create_run(
            experiment_id, user_id="ada", start_time=1234, tags={"k": "v"}, run_name="n 1"
        )
        stored = store.get_run(run.info.run_id)
        assert stored.info == run.info
        assert stored.data == run.data
        assert stored.info.status == "RUNNING"
        assert stored.info.experiment_id == experiment_id
        assert (stored.info.start_time, stored.info.end_time) == (1234, None)
        assert (stored.info.user_id, stored.info.run_name) == ("ada", "n 1")
        assert stored.data.tags == {"k": "v", "mlflow.runName": "n 1"}
        assert stored.data.metrics == {}
        assert stored.data.params == {}
        assert stored.info.artifact_uri.endswith(f"{run.info.run_id}/artifacts")

    def test_a_missing_run_name_is_invented(self, store: Any, experiment_id: str) -> None:
        """The name is also the tag ``mlflow.runName``; the tag alone names the run as well."""
        run = store.create_run(experiment_id)
        assert run.info.run_name
        assert run.data.tags["mlflow.runName"] == run.info.run_name
        named = store.create_run(experiment_id, tags={"mlflow.runName": "by tag"})
        assert named.info.run_name == "by tag"

    def test_a_run_is_not_named_twice(self, store: Any, experiment_id: str) -> None:
        """A name and a different name tag are InvalidParameterValue."""
        with pytest.raises(InvalidParameterValue):
            store.create_run(experiment_id, tags={"mlflow.runName": "a"}, run_name="b")

    def test_a_run_needs_an_active_experiment(self, store: Any, experiment_id: str) -> None:
        """Unknown is ResourceDoesNotExist, deleted InvalidParameterValue."""
        with pytest.raises(ResourceDoesNotExist):
            store.create_run("123456")
        store.delete_experiment(experiment_id)
        with pytest.raises(InvalidParameterValue):
            store.create_run(experiment_id)

    def test_an_unknown_run_is_an_error(self, store: Any) -> None:
        """An unknown id is ResourceDoesNotExist, a malformed one InvalidParameterValue."""
        with pytest.raises(ResourceDoesNotExist):
            store.get_run(MISSING_RUN)
        with pytest.raises(InvalidParameterValue):
            store.get_run("../../etc")
        with pytest.raises(InvalidParameterValue):
            store.get_run("")

    def test_a_run_is_updated(self, store: Any, run_id: str) -> None:
        """Status, end time and name change where given; the name tag follows."""
        info = store.update_run(run_id, status="FINISHED", end_time=99)
        assert (info.status, info.end_time) == ("FINISHED", 99)
        info = store.update_run(run_id, run_name="new")
        assert (info.status, info.end_time, info.run_name) == ("FINISHED", 99, "new")
        run = store.get_run(run_id)
        assert run.info == info
        assert run.data.tags["mlflow.runName"] == "new"

    def test_an_unknown_status_is_refused(self, store: Any, run_id: str) -> None:
        """It is InvalidParameterValue and the run stays as it was."""
        with pytest.raises(InvalidParameterValue):
            store.update_run(run_id, status="DONE", run_name="x")
        assert store.get_run(run_id).info.status == "RUNNING"
        assert store.get_run(run_id).info.run_name != "x"

    def test_the_name_tag_renames_the_run(self, store: Any, run_id: str) -> None:
        """Setting ``mlflow.runName`` is renaming."""
        store.log_batch(run_id, tags={"mlflow.runName": "tagged"})
        assert store.get_run(run_id).info.run_name == "tagged"

    def test_a_deleted_run_is_kept_and_frozen(self, store: Any, run_id: str) -> None:
        """It is read, refuses every write, is deleted again without error, and comes back."""
        store.delete_run(run_id)
        store.delete_run(run_id)
        assert store.get_run(run_id).info.lifecycle_stage == "deleted"
        for write in (
            lambda: store.log_batch(run_id, tags={"a": "b"}),
            lambda: store.open_run(run_id),
            lambda: store.update_run(run_id, status="FAILED"),
            lambda: store.delete_tag(run_id, "mlflow.runName"),
            lambda: store.log_outputs(run_id, [LoggedModelOutput(MISSING_MODEL)]),
        ):
            with pytest.raises(InvalidParameterValue):
                write()
        store.restore_run(run_id)
        assert store.get_run(run_id).info.lifecycle_stage == "active"
        store.log_batch(run_id, tags={"a": "b"})

    def test_the_time_of_a_deletion_is_known(self, store: Any, run_id: str) -> None:
        """Of the first deletion, not of one again; an active run has none."""
        assert store.deletion_time(run_id) is None
        before = time.time_ns() // 1_000_000
        store.delete_run(run_id)
        deleted = store.deletion_time(run_id)
        assert before <= deleted <= time.time_ns() // 1_000_000
        time.sleep(0.002)
        store.delete_run(run_id)
        assert store.deletion_time(run_id) == deleted
        store.restore_run(run_id)
        assert store.deletion_time(run_id) is None
        with pytest.raises(ResourceDoesNotExist):
            store.deletion_time(MISSING_RUN)

    def test_a_purged_run_is_gone(self, store: Any, run_id: str) -> None:
        """Only a deleted one can be purged."""
        with pytest.raises(InvalidParameterValue):
            store.purge_run(run_id)
        store.delete_run(run_id)
        store.purge_run(run_id)
        with pytest.raises(ResourceDoesNotExist):
            store.get_run(run_id)
