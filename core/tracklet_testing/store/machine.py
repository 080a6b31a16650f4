"""A store against a dictionary, over random histories."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tracklet.entities import Metric
from tracklet.errors import InvalidParameterValue, ResourceAlreadyExists, ResourceDoesNotExist
from tracklet_testing.store.fixtures import points_of


def store_machine(factory: Callable[[], AbstractContextManager[Any]]) -> type:
    """A hypothesis state machine that compares a store with dictionaries.

    Args:
        factory: A context manager that gives a fresh, empty store.

    Returns:
        A ``RuleBasedStateMachine``; its attribute ``TestCase`` is what a test module exports::

            TestMyStoreMachine = store_machine(fresh_store).TestCase
    """
    from hypothesis import settings
    from hypothesis import strategies as st
    from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

    keys = st.sampled_from(["a", "b/c", "b/d", "ü ü"])
    values = st.text(
        st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=20
    )
    points = st.lists(
        st.builds(
            Metric,
            keys,
            st.floats(allow_nan=False) | st.just(math.inf),
            st.integers(0, 2**40),
            st.integers(-(2**63), 2**63 - 1),
        ),
        max_size=4,
        unique_by=lambda m: (m.key, m.value, m.timestamp, m.step),
    )
    statuses = st.sampled_from(["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"])

    class StoreMachine(RuleBasedStateMachine):
        """Random histories of experiments and runs."""

        experiments = Bundle("experiments")
        runs = Bundle("runs")

        def __init__(self) -> None:
            super().__init__()
            self.context = factory()
            self.store = self.context.__enter__()
            self.names: dict[str, str] = {}
            self.deleted: set[str] = set()
            self.records: dict[str, dict[str, Any]] = {}

        def teardown(self) -> None:
            self.context.__exit__(None, None, None)

        def writable(self, run_id: str) -> bool:
            record = self.records[run_id]
            return not record["deleted"] and record["experiment"] not in self.deleted

        def attempt(self, run_id: str, call: Callable[[], None]) -> bool:
            if self.writable(run_id):
                call()
                return True
            with pytest.raises(InvalidParameterValue):
                call()
            return False

        @rule(target=experiments, name=st.sampled_from(["x", "y", "z z", "ü"]))
        def create_experiment(self, name: str) -> Any:
            if name in self.names.values():
                with pytest.raises(ResourceAlreadyExists):
                    self.store.create_experiment(name)
                return next(i for i, taken in self.names.items() if taken == name)
            experiment_id = self.store.create_experiment(name)
            assert experiment_id not in self.names
            self.names[experiment_id] = name
            return experiment_id

        @rule(experiment_id=experiments)
        def delete_experiment(self, experiment_id: str) -> None:
            if experiment_id in self.deleted:
                with pytest.raises(ResourceDoesNotExist):
                    self.store.delete_experiment(experiment_id)
                return
            self.store.delete_experiment(experiment_id)
            self.deleted.add(experiment_id)

        @rule(experiment_id=experiments)
        def restore_experiment(self, experiment_id: str) -> None:
            if experiment_id not in self.deleted:
                with pytest.raises(ResourceDoesNotExist):
                    self.store.restore_experiment(experiment_id)
                return
            self.store.restore_experiment(experiment_id)
            self.deleted.discard(experiment_id)
            for record in self.records.values():
                if record["experiment"] == experiment_id:
                    record["deleted"] = False

        @rule(target=runs, experiment_id=experiments, name=st.none() | st.just("named"))
        def create_run(self, experiment_id: str, name: str | None) -> Any:
            if experiment_id in self.deleted:
                with pytest.raises(InvalidParameterValue):
                    self.store.create_run(experiment_id, run_name=name)
                return multiple()
            run = self.store.create_run(experiment_id, run_name=name)
            self.records[run.info.run_id] = {
                "experiment": experiment_id,
                "deleted": False,
                "status": "RUNNING",
                "metrics": {},
                "params": {},
                "tags": dict(run.data.tags),
            }
            return run.info.run_id

        @rule(
            run_id=runs,
            metrics=points,
            params=st.dictionaries(keys, values, max_size=2),
            tags=st.dictionaries(keys, values, max_size=2),
        )
        def log_batch(
            self, run_id: str, metrics: list[Metric], params: dict[str, str], tags: dict[str, str]
        ) -> None:
            record = self.records[run_id]
            known = record["params"]
            conflict = any(known.get(k, v) != v for k, v in params.items())
            if conflict and self.writable(run_id):
                with pytest.raises(InvalidParameterValue):
                    self.store.log_batch(run_id, metrics, params, tags)
                return
            if self.attempt(run_id, lambda: self.store.log_batch(run_id, metrics, params, tags)):
                for metric in metrics:
                    record["metrics"].setdefault(metric.key, []).append(metric)
                known.update(params)
                record["tags"].update(tags)

        @rule(run_id=runs, key=keys)
        def delete_tag(self, run_id: str, key: str) -> None:
            tags = self.records[run_id]["tags"]
            if key not in tags and self.writable(run_id):
                with pytest.raises(ResourceDoesNotExist):
                    self.store.delete_tag(run_id, key)
            elif self.attempt(run_id, lambda: self.store.delete_tag(run_id, key)):
                del tags[key]

        @rule(run_id=runs, status=statuses)
        def update_run(self, run_id: str, status: str) -> None:
            if self.attempt(run_id, lambda: self.store.update_run(run_id, status=status)):
                self.records[run_id]["status"] = status

        @rule(run_id=runs)
        def delete_run(self, run_id: str) -> None:
            self.store.delete_run(run_id)
            self.records[run_id]["deleted"] = True

        @rule(run_id=runs)
        def restore_run(self, run_id: str) -> None:
            record = self.records[run_id]
            if record["experiment"] in self.deleted:
                return
            self.store.restore_run(run_id)
            record["deleted"] = False

        @rule(run_id=runs)
        def read_run(self, run_id: str) -> None:
            record = self.records[run_id]
            run = self.store.get_run(run_id)
            assert run.info.status == record["status"]
            assert (run.info.lifecycle_stage == "active") == self.writable(run_id)
            assert run.data.params == record["params"]
            assert run.data.tags == record["tags"]
            latest = {
                key: max(logged, key=lambda m: (m.step, m.timestamp, m.value)).value
                for key, logged in record["metrics"].items()
            }
            assert run.data.metrics == latest
            for key, logged in record["metrics"].items():
                history = self.store.get_metric_history(run_id, key)
                assert set(points_of(history)) == set(points_of(logged))

        @rule(experiment_id=experiments)
        def search(self, experiment_id: str) -> None:
            found = self.store.search_runs([experiment_id], "status != 'KILLED'")
            assert {run.info.run_id for run in found} == {
                run_id
                for run_id, record in self.records.items()
                if record["experiment"] == experiment_id
                and record["status"] != "KILLED"
                and self.writable(run_id)
            }

        @invariant()
        def names_are_known(self) -> None:
            for experiment_id, name in self.names.items():
                stage = "deleted" if experiment_id in self.deleted else "active"
                experiment = self.store.get_experiment(experiment_id)
                assert (experiment.name, experiment.lifecycle_stage) == (name, stage)

    StoreMachine.TestCase.settings = settings(
        max_examples=25, stateful_step_count=25, deadline=None
    )
    return StoreMachine
