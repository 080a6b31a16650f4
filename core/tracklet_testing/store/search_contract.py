"""The part of the store contract on search."""

from __future__ import annotations

import math
import os
import signal
import threading
from typing import Any

import pytest

from tracklet.entities import Dataset, DatasetInput, LoggedModelOutput, Metric, ViewType
from tracklet.errors import InvalidParameterValue
from tracklet.record.query import all_of
from tracklet_testing.store.fixtures import StoreFixtures


class SearchContract(StoreFixtures):
    """What every store finds."""

    def test_runs_are_found_newest_first(self, store: Any, experiment_id: str) -> None:
        """Without filter and order, all active runs of the experiments, latest start first."""
        ids = [
            store.create_run(experiment_id, start_time=time).info.run_id for time in (20, 30, 10)
        ]
        other = store.create_experiment("other")
        store.create_run(other)
        store.delete_run(ids[2])
        found = store.search_runs([experiment_id])
        assert [run.info.run_id for run in found] == [ids[1], ids[0]]
        deleted = store.search_runs([experiment_id], run_view_type=ViewType.DELETED_ONLY)
        assert [run.info.run_id for run in deleted] == [ids[2]]
        everything = store.search_runs([experiment_id], run_view_type=ViewType.ALL)
        assert len(everything) == 3
        assert list(store.search_runs([])) == []

    def test_found_runs_are_whole(
        self, store: Any, experiment_id: str, run_id: str, model_id: str
    ) -> None:
        """A search returns what ``get_run`` returns."""
        store.log_batch(run_id, [Metric("m", 1.5, 2, 3)], {"p": "1"}, {"t": "x"})
        store.log_inputs(run_id, [DatasetInput(Dataset("iris", "d", "code", "{}"))])
        store.log_outputs(run_id, [LoggedModelOutput(model_id, 1)])
        (found,) = store.search_runs([experiment_id])
        assert found == store.get_run(run_id)

    @pytest.mark.parametrize(
        ("clause", "expected"),
        [
            ("metrics.acc > 0.5", {"b", "c"}),
            ("metrics.acc >= 0.5 and params.kind = 'x'", {"a", "b"}),
            ("params.kind != 'x'", {"c"}),
            ("params.kind LIKE 'X%'", set()),
            ("params.kind ILIKE 'X%'", {"a", "b"}),
            ("tags.stage = 'prod'", {"a"}),
            ("tags.stage IS NULL", {"b", "c", "d"}),
            ("attributes.run_name = 'd'", {"d"}),
            ("status = 'RUNNING'", {"a", "b", "c", "d"}),
            ("start_time < 3", {"a", "b"}),
            ("metrics.`with space` = 1", {"d"}),
        ],
    )
    def test_runs_are_filtered(
        self, store: Any, experiment_id: str, clause: str, expected: set[str]
    ) -> None:
        """By metrics, params, tags and attributes."""
        rows = {
            "a": ({"acc": 0.5}, {"kind": "x"}, {"stage": "prod"}),
            "b": ({"acc": 0.6}, {"kind": "x"}, {}),
            "c": ({"acc": 0.7}, {"kind": "y"}, {}),
            "d": ({"with space": 1.0}, {}, {}),
        }
        for start, (name, (metrics, params, tags)) in enumerate(rows.items(), 1):
            run = store.create_run(experiment_id, start_time=start, run_name=name)
            points = [Metric(k, v, 1, 0) for k, v in metrics.items()]
            store.log_batch(run.info.run_id, points, params, tags)
        found = store.search_runs([experiment_id], clause)
        assert {run.info.run_name for run in found} == expected

    def test_runs_are_ordered(self, store: Any, experiment_id: str) -> None:
        """By a metric in either direction; NaN, then runs without it, come last."""
        values = {"a": 0.2, "b": 0.1, "nan": math.nan, "none": None, "inf": math.inf}
        for start, (name, value) in enumerate(values.items()):
            run = store.create_run(experiment_id, start_time=start, run_name=name)
            if value is not None:
                store.log_batch(run.info.run_id, [Metric("m", value, 1, 0)])
        for direction, expected in (
            ("ASC", ["b", "a", "inf", "nan", "none"]),
            ("DESC", ["inf", "a", "b", "nan", "none"]),
        ):
            found = store.search_runs([experiment_id], order_by=[f"metrics.m {direction}"])
            assert [run.info.run_name for run in found] == expected

    def test_runs_come_in_pages(self, store: Any, experiment_id: str) -> None:
        """The pages' tokens lead through all runs once, in order."""
        ids = [store.create_run(experiment_id, start_time=time).info.run_id for time in range(5)]
        found = all_of(
            lambda size, token: store.search_runs(
                [experiment_id], max_results=size, page_token=token
            ),
            page_size=2,
        )
        assert [run.info.run_id for run in found] == ids[::-1]

    @pytest.mark.parametrize(
        "clause", ["metrics.acc >", "foo = 'x'", "metrics.acc = 'x'", "params.p = 1", "select 1"]
    )
    def test_a_malformed_filter_is_refused(
        self, store: Any, experiment_id: str, clause: str
    ) -> None:
        """It is InvalidParameterValue."""
        with pytest.raises(InvalidParameterValue):
            store.search_runs([experiment_id], clause)

    @pytest.mark.parametrize("size", [0, -1, 50_001])
    def test_a_bad_page_size_is_refused(self, store: Any, experiment_id: str, size: int) -> None:
        """Pages have 1 to 50,000 entries."""
        with pytest.raises(InvalidParameterValue):
            store.search_runs([experiment_id], max_results=size)
        with pytest.raises(InvalidParameterValue):
            store.search_experiments(max_results=size)

    def test_search_sees_changes_at_once(self, store: Any, experiment_id: str) -> None:
        """A run that was changed after a search is found as it is now."""
        run_id = store.create_run(experiment_id).info.run_id
        assert not store.search_runs([experiment_id], "params.p = '1'")
        store.log_batch(run_id, params={"p": "1"})
        assert store.search_runs([experiment_id], "params.p = '1'")
        store.update_run(run_id, status="FINISHED", end_time=1)
        assert store.search_runs([experiment_id], "status = 'FINISHED'")
        store.log_batch(run_id, tags={"late": "yes"})
        assert store.search_runs([experiment_id], "tags.late = 'yes'")
        store.delete_run(run_id)
        assert not store.search_runs([experiment_id])

    def test_experiments_are_searched(self, store: Any) -> None:
        """By name and tag, newest first, by life-cycle stage."""
        first = store.create_experiment("alpha", tags={"team": "x"})
        second = store.create_experiment("beta")
        gone = store.create_experiment("gamma")
        store.delete_experiment(gone)
        names = {e.name for e in store.search_experiments()}
        assert names == {"Default", "alpha", "beta"}
        (found,) = store.search_experiments(filter_string="name LIKE 'al%'")
        assert found == store.get_experiment(first)
        (found,) = store.search_experiments(filter_string="tags.team = 'x'")
        assert found.experiment_id == first
        (found,) = store.search_experiments(view_type=ViewType.DELETED_ONLY)
        assert found.experiment_id == gone
        ordered = store.search_experiments(order_by=["name DESC"])
        assert [e.experiment_id for e in ordered] == [second, first, "0"]

    def test_logged_models_are_searched(self, store: Any, experiment_id: str) -> None:
        """By attributes, tags and metrics; deleted ones are hidden."""
        run_id = store.create_run(experiment_id).info.run_id
        good = store.create_logged_model(experiment_id, "good", tags={"env": "p"}).model_id
        poor = store.create_logged_model(experiment_id, "poor", model_type="agent").model_id
        gone = store.create_logged_model(experiment_id, "gone").model_id
        store.delete_logged_model(gone)
        store.log_batch(
            run_id,
            [Metric("acc", 0.9, 1, 0, model_id=good), Metric("acc", 0.1, 1, 0, model_id=poor)],
        )
        assert {m.model_id for m in store.search_logged_models([experiment_id])} == {good, poor}
        for clause, expected in (
            ("name = 'good'", good),
            ("tags.env = 'p'", good),
            ("metrics.acc < 0.5", poor),
            ("model_type = 'agent'", poor),
        ):
            (found,) = store.search_logged_models([experiment_id], clause)
            assert found == store.get_logged_model(expected)
        ordered = store.search_logged_models(
            [experiment_id], order_by=[{"field_name": "metrics.acc", "ascending": True}]
        )
        assert [m.model_id for m in ordered] == [poor, good]

    def test_the_registry_is_searched(self, store: Any) -> None:
        """Registered models by name and tag in name order; versions by name and number."""
        store.create_registered_model("b", {"k": "v"})
        store.create_registered_model("a")
        for _ in range(3):
            store.create_model_version("b", "s3://models/x")
        store.delete_model_version("b", 2)
        assert [m.name for m in store.search_registered_models()] == ["a", "b"]
        (found,) = store.search_registered_models("tags.k = 'v'")
        assert found == store.get_registered_model("b")
        (found,) = store.search_registered_models("name ILIKE 'A'")
        assert found.name == "a"
        versions = store.search_model_versions("name = 'b'", order_by=["version_number ASC"])
        assert [v.version for v in versions] == [1, 3]
        (found,) = store.search_model_versions("name = 'b' and version_number = 3")
        assert found == store.get_model_version("b", 3)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
    @pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
    def test_a_child_searches_whatever_threads_did_at_the_fork(
        self, store: Any, experiment_id: str, run_id: str
    ) -> None:
        """A child that is forked while threads search finds the same, and waits for none."""
        done = threading.Event()

        def search() -> None:
            while not done.is_set():
                store.search_runs([experiment_id])

        threads = [threading.Thread(target=search) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(16):
                child = os.fork()
                if child == 0:  # pragma: no cover (another process)
                    found = None
                    signal.alarm(200)
                    try:
                        found = [run.info.run_id for run in store.search_runs([experiment_id])]
                    finally:
                        os._exit(found != [run_id])
                assert os.waitpid(child, 0)[1] == 0
        finally:
            done.set()
            for thread in threads:
                thread.join()
