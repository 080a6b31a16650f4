"""The part of the store contract on the open record of a run."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tracklet.entities import (
    Metric,
)
from tracklet.errors import (
    InvalidParameterValue,
)
from tracklet_testing.store.fixtures import StoreFixtures, points_of


class WriterContract(StoreFixtures):
    """What the open record of a run does in every store."""

    def test_a_writer_records_at_once(self, store: Any, run_id: str) -> None:
        """What a writer's call recorded is there when the call returns."""
        writer = store.open_run(run_id)
        try:
            assert writer.run_id == run_id
            writer.log_metric("loss", 0.5, 1, 10)
            writer.log_metric("loss", math.nan, 2, 11)
            writer.log_metrics([Metric("a/b", 1.0, 3, 0), Metric("loss", 0.25, 12, 3)])
            writer.log_params({"lr": "0.1"})
            writer.set_tags({"t": "1"})
            writer.flush()
            run = store.get_run(run_id)
            assert run.data.metrics == {"loss": 0.25, "a/b": 1.0}
            assert run.data.params == {"lr": "0.1"}
            assert run.data.tags["t"] == "1"
            history = points_of(store.get_metric_history(run_id, "loss"))
            assert [repr(p) for p in history] == ["(0.5, 10, 1)", "(nan, 11, 2)", "(0.25, 12, 3)"]
        finally:
            writer.close()
        writer.close()

    def test_a_started_run_is_a_created_one_with_a_writer(
        self, store: Any, experiment_id: str
    ) -> None:
        """What was given is kept, the returned run is the stored one, and the writer records."""
        run, writer = store.start_run(experiment_id, "ada", 1234, {"k": "v"}, "n 1")
        try:
            assert store.get_run(run.info.run_id) == run
            assert (run.info.status, run.info.start_time) == ("RUNNING", 1234)
            assert (run.info.user_id, run.info.run_name) == ("ada", "n 1")
            assert run.data.tags == {"k": "v", "mlflow.runName": "n 1"}
            assert writer.run_id == run.info.run_id
            writer.log_metric("loss", 0.5, 1, 10)
            assert store.get_run(run.info.run_id).data.metrics == {"loss": 0.5}
        finally:
            writer.close()
        with pytest.raises(InvalidParameterValue):
            store.start_run(experiment_id, tags={"mlflow.runName": "a"}, run_name="b")

    def test_a_writer_refuses_what_breaks_a_rule(self, store: Any, run_id: str) -> None:
        """Bad keys, conflicting params and bad points raise, and the writer goes on."""
        writer = store.open_run(run_id)
        try:
            with pytest.raises(InvalidParameterValue):
                writer.log_metric("../m", 1.0, 1, 1)
            with pytest.raises(InvalidParameterValue):
                writer.log_metrics([Metric("a", 1.0, 1, 1), Metric("a//b", 1.0, 1, 1)])
            writer.log_params({"p": "1"})
            with pytest.raises(InvalidParameterValue):
                writer.log_params({"q": "1", "p": "2"})
            writer.log_metric("m", 1.0, 1, 1)
        finally:
            writer.close()
        data = store.get_run(run_id).data
        assert (data.metrics, data.params) == ({"m": 1.0}, {"p": "1"})

    def test_opening_a_finished_run_carries_it_on(self, store: Any, run_id: str) -> None:
        """It is RUNNING without an end again; with ``live=False`` it stays finished."""
        store.update_run(run_id, status="FINISHED", end_time=5)
        store.open_run(run_id, live=False).close()
        assert store.get_run(run_id).info.status == "FINISHED"
        writer = store.open_run(run_id)
        info = store.get_run(run_id).info
        assert (info.status, info.end_time) == ("RUNNING", None)
        store.update_run(run_id, status="FINISHED", end_time=9)
        writer.close()
        assert store.get_run(run_id).info.end_time == 9

    def test_a_run_in_progress_stays_running(self, store: Any, run_id: str) -> None:
        """While its process lives, and after it let go without a word about the end."""
        writer = store.open_run(run_id)
        assert store.get_run(run_id).info.status == "RUNNING"
        writer.close()
        assert store.get_run(run_id).info.status == "RUNNING"

    def test_two_writers_of_one_run_lose_nothing(self, store: Any, run_id: str) -> None:
        """All points of both are there, each one's in its order."""
        first, second = store.open_run(run_id), store.open_run(run_id)
        for step in range(20):
            first.log_metric("m", 1.0, step, step)
            second.log_metric("m", 2.0, step, step)
        first.close()
        second.close()
        points = points_of(store.get_metric_history(run_id, "m"))
        assert [s for v, _, s in points if v == 1.0] == list(range(20))
        assert [s for v, _, s in points if v == 2.0] == list(range(20))
