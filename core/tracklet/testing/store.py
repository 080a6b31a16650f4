"""The contract of a store as tests: whoever writes a store subclasses :class:`StoreContract`.

::

    from tracklet.testing import StoreContract


    class TestMyStore(StoreContract):
        def make_store(self, tmp_path):
            return MyStore(f"my://{tmp_path}/record")

Every test says in a sentence what must hold. :func:`store_machine` makes a hypothesis state
machine that compares a store with a dictionary over random histories.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tracklet.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    ViewType,
)
from tracklet.errors import (
    InvalidParameterValue,
    InvalidState,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
    TrackletException,
)

MISSING_RUN = "0" * 31 + "a"
MISSING_MODEL = "m-" + "0" * 32


def points_of(metrics: list[Metric]) -> list[tuple[float, int, int]]:
    """What was logged of each point: value, timestamp and step."""
    return [(m.value, m.timestamp, m.step) for m in metrics]


class StoreContract:
    """What every store that keeps runs and a registry must do.

    Subclass it in a test module and define :meth:`make_store`.
    """

    def make_store(self, tmp_path: Path) -> Any:
        """A fresh, empty store.

        Args:
            tmp_path: A folder that is the test's alone.
        """
        raise NotImplementedError

    def dispose(self, store: Any) -> None:
        """Release what the store holds; called after each test."""
        close = getattr(store, "close", None) or getattr(store, "dispose", None)
        if callable(close):
            close()

    @pytest.fixture
    def store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        """The store under test; its caches are kept below ``tmp_path``."""
        monkeypatch.setenv("TRACKLET_CACHE_DIR", str(tmp_path / "cache"))
        store = self.make_store(tmp_path)
        yield store
        self.dispose(store)

    @pytest.fixture
    def experiment_id(self, store: Any) -> str:
        """A fresh experiment."""
        return store.create_experiment("trees")

    @pytest.fixture
    def run_id(self, store: Any, experiment_id: str) -> str:
        """A fresh run."""
        return store.create_run(experiment_id).info.run_id

    @pytest.fixture
    def model_id(self, store: Any, experiment_id: str) -> str:
        """A fresh logged model."""
        return store.create_logged_model(experiment_id, name="tree").model_id

    # -- experiments ---------------------------------------------------------------------------

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

    # -- runs ----------------------------------------------------------------------------------

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

    def test_a_purged_run_is_gone(self, store: Any, run_id: str) -> None:
        """Only a deleted one can be purged."""
        with pytest.raises(InvalidParameterValue):
            store.purge_run(run_id)
        store.delete_run(run_id)
        store.purge_run(run_id)
        with pytest.raises(ResourceDoesNotExist):
            store.get_run(run_id)

    # -- metrics -------------------------------------------------------------------------------

    def test_points_are_kept_in_order_and_exactly(self, store: Any, run_id: str) -> None:
        """Value, step and timestamp come back bit for bit, in the order of logging."""
        given = [
            (0.1, 5, 3),
            (-1e-308, 4, 2),
            (5e-324, 4, -(2**63)),
            (1.7976931348623157e308, 0, 2**63 - 1),
            (-0.0, 7, 1),
            (1 / 3, 7, 0),
        ]
        store.log_batch(run_id, [Metric("m", v, t, s) for v, t, s in given])
        history = points_of(store.get_metric_history(run_id, "m"))
        assert history == given
        assert math.copysign(1, history[4][0]) == -1

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_nan_and_infinity_are_kept(self, store: Any, run_id: str, value: float) -> None:
        """They are values like others, in the history and as the latest value."""
        store.log_batch(run_id, [Metric("m", value, 1, 0)])
        for stored in (
            store.get_metric_history(run_id, "m")[0].value,
            store.get_run(run_id).data.metrics["m"],
        ):
            assert repr(stored) == repr(value)

    def test_the_latest_point_is_the_greatest_by_step(self, store: Any, run_id: str) -> None:
        """Then by timestamp, then by value, whatever the order of logging."""
        given = [(1.0, 5, 2), (9.0, 9, 1), (3.0, 6, 2), (4.0, 6, 2), (2.0, 6, 2), (7.0, 1, -5)]
        store.log_batch(run_id, [Metric("m", v, t, s) for v, t, s in given])
        assert store.get_run(run_id).data.metrics == {"m": 4.0}

    def test_the_same_point_twice_is_a_point_of_the_history(self, store: Any, run_id: str) -> None:
        """Logging a point again loses nothing."""
        store.log_batch(run_id, [Metric("m", 1.0, 1, 1)])
        store.log_batch(run_id, [Metric("m", 1.0, 1, 1)])
        assert set(points_of(store.get_metric_history(run_id, "m"))) == {(1.0, 1, 1)}

    def test_an_unknown_metric_has_no_history(self, store: Any, run_id: str) -> None:
        """It is an empty list; an unknown run is an error."""
        assert store.get_metric_history(run_id, "m") == []
        with pytest.raises(ResourceDoesNotExist):
            store.get_metric_history(MISSING_RUN, "m")

    @pytest.mark.parametrize(
        "metric",
        [
            Metric("m", "x", 1, 0),  # type: ignore[arg-type]
            Metric("m", None, 1, 0),  # type: ignore[arg-type]
            Metric("m", True, 1, 0),
            Metric("m", 1.0, -1, 0),
            Metric("m", 1.0, 1, 2**63),
            Metric("m", 1.0, 1, 1.5),  # type: ignore[arg-type]
            Metric("m", 1.0, 1, "1"),  # type: ignore[arg-type]
            Metric("../m", 1.0, 1, 0),
        ],
    )
    def test_a_bad_point_is_refused_with_its_batch(
        self, store: Any, run_id: str, metric: Metric
    ) -> None:
        """It is InvalidParameterValue, and nothing of the batch is stored."""
        with pytest.raises(InvalidParameterValue):
            store.log_batch(run_id, [Metric("good", 1.0, 1, 0), metric], {"p": "1"}, {"t": "1"})
        run = store.get_run(run_id)
        assert run.data.metrics == {}
        assert run.data.params == {}
        assert "t" not in run.data.tags

    def test_a_metric_of_a_dataset_keeps_its_step(self, store: Any, run_id: str) -> None:
        """Dataset name and digest come back with step, timestamp and value."""
        store.log_batch(
            run_id, [Metric("m", 0.5, 9, 7, dataset_name="iris", dataset_digest="abc12345")]
        )
        (point,) = store.get_metric_history(run_id, "m")
        assert (point.value, point.timestamp, point.step) == (0.5, 9, 7)
        assert (point.dataset_name, point.dataset_digest) == ("iris", "abc12345")

    def test_a_metric_of_a_model_is_on_the_run_and_on_the_model(
        self, store: Any, run_id: str, model_id: str
    ) -> None:
        """The model's latest value is its greatest by step, per dataset."""
        store.log_batch(
            run_id,
            [
                Metric("acc", 0.5, 1, 1, model_id=model_id),
                Metric("acc", 0.6, 1, 2, model_id=model_id),
                Metric("acc", 0.7, 1, 1, model_id, "iris", "abc"),
            ],
        )
        assert len(store.get_metric_history(run_id, "acc")) == 3
        metrics = store.get_logged_model(model_id).metrics
        found = {(m.value, m.step, m.dataset_name, m.dataset_digest) for m in metrics}
        assert found == {(0.6, 2, None, None), (0.7, 1, "iris", "abc")}
        assert {m.run_id for m in metrics} == {run_id}
        assert {m.model_id for m in metrics} == {model_id}

    # -- params and tags -----------------------------------------------------------------------

    @pytest.mark.parametrize(
        "value", ["", " ", "a\nb\r\nc\n", "x" * 100_000, "ünï 😀", "'\"\\", "\x00\x07"]
    )
    def test_texts_are_kept_exactly(self, store: Any, run_id: str, value: str) -> None:
        """Params and tags of any length come back whole, line ends included."""
        if "\x00" in value and not self.keeps_nul:
            pytest.skip("this store cannot keep NUL characters")
        store.log_batch(run_id, params={"p": value}, tags={"t": value})
        data = store.get_run(run_id).data
        assert data.params == {"p": value}
        assert data.tags["t"] == value

    keeps_nul = True
    """Whether texts may contain the character NUL; PostgreSQL cannot keep it."""

    @pytest.mark.parametrize(
        "key", ["a", "a/b", "a b-c_d.e:f", "中文", "x" * 250, "é/ü", "$", "😀"]
    )
    def test_keys_are_kept_exactly(self, store: Any, run_id: str, key: str) -> None:
        """Any text that can be a relative path in canonical form is a key."""
        store.log_batch(run_id, [Metric(key, 1.0, 1, 1)], {key: "p"}, {key: "t"})
        data = store.get_run(run_id).data
        assert data.metrics == {key: 1.0}
        assert data.params == {key: "p"}
        assert data.tags[key] == "t"
        assert len(store.get_metric_history(run_id, key)) == 1

    @pytest.mark.parametrize("key", ["", ".", "..", "../a", "/a", "a//b", "a/", "a/./b", "x" * 251])
    def test_a_bad_key_is_refused(self, store: Any, run_id: str, key: str) -> None:
        """It is InvalidParameterValue for metrics, params and tags, and nothing is stored."""
        for batch in ({"params": {key: "v"}}, {"tags": {key: "v"}}):
            with pytest.raises(InvalidParameterValue):
                store.log_batch(run_id, **batch)
        with pytest.raises(InvalidParameterValue):
            store.log_batch(run_id, [Metric(key, 1.0, 1, 1)])
        data = store.get_run(run_id).data
        assert (data.metrics, data.params, set(data.tags)) == ({}, {}, {"mlflow.runName"})

    def test_a_key_must_be_text(self, store: Any, run_id: str) -> None:
        """None is InvalidParameterValue, another type is TypeError."""
        with pytest.raises(InvalidParameterValue):
            store.log_batch(run_id, params={None: "v"})
        with pytest.raises(TypeError):
            store.log_batch(run_id, params={3: "v"})

    @pytest.mark.parametrize("value", [None, 3, b"x", "\ud800"])
    def test_a_value_must_be_valid_text(self, store: Any, run_id: str, value: Any) -> None:
        """Anything else is InvalidParameterValue, never a changed text."""
        for batch in ({"params": {"k": value}}, {"tags": {"k": value}}):
            with pytest.raises(InvalidParameterValue):
                store.log_batch(run_id, **batch)
        assert store.get_run(run_id).data.params == {}

    def test_a_param_is_set_once(self, store: Any, run_id: str) -> None:
        """The same value again is fine; another is refused and named with run, old and new."""
        store.log_batch(run_id, params={"p": "1"})
        store.log_batch(run_id, params={"p": "1"})
        with pytest.raises(InvalidParameterValue) as error:
            store.log_batch(run_id, params={"p": "2x"})
        for part in ("'p'", run_id, "'1'", "'2x'"):
            assert part in str(error.value)
        assert store.get_run(run_id).data.params == {"p": "1"}

    def test_a_conflicting_param_keeps_its_batch_out(self, store: Any, run_id: str) -> None:
        """With one conflict, no param, metric or tag of the call is stored."""
        store.log_batch(run_id, params={"p": "1"})
        with pytest.raises(InvalidParameterValue):
            store.log_batch(
                run_id, [Metric("m", 1.0, 1, 1)], {"a": "1", "p": "2", "z": "1"}, {"t": "1"}
            )
        data = store.get_run(run_id).data
        assert (data.params, data.metrics) == ({"p": "1"}, {})
        assert "t" not in data.tags

    def test_many_params_are_kept(self, store: Any, run_id: str) -> None:
        """250 params in one call."""
        params = {f"p{i}": str(i) for i in range(250)}
        store.log_batch(run_id, params=params)
        assert store.get_run(run_id).data.params == params

    def test_a_tag_is_replaced_and_removed(self, store: Any, run_id: str) -> None:
        """The last value counts; removing a missing one is ResourceDoesNotExist."""
        store.log_batch(run_id, tags={"t": "1"})
        store.log_batch(run_id, tags={"t": "2"})
        assert store.get_run(run_id).data.tags["t"] == "2"
        store.delete_tag(run_id, "t")
        assert "t" not in store.get_run(run_id).data.tags
        with pytest.raises(ResourceDoesNotExist):
            store.delete_tag(run_id, "t")

    def test_an_empty_batch_is_fine(self, store: Any, run_id: str) -> None:
        """It changes nothing."""
        before = store.get_run(run_id)
        store.log_batch(run_id)
        assert store.get_run(run_id) == before

    def test_a_batch_needs_a_run(self, store: Any) -> None:
        """An unknown run is ResourceDoesNotExist."""
        with pytest.raises(ResourceDoesNotExist):
            store.log_batch(MISSING_RUN, params={"a": "1"})

    # -- the writer ----------------------------------------------------------------------------

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

    # -- inputs and outputs --------------------------------------------------------------------

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

    # -- logged models -------------------------------------------------------------------------

    def test_a_created_model_is_pending(self, store: Any, experiment_id: str, run_id: str) -> None:
        """What was given is kept."""
        model = store.create_logged_model(
            experiment_id, "tree ü", run_id, {"t": "1\n"}, {"p": "2"}, "agent"
        )
        assert model == store.get_logged_model(model.model_id)
        assert model.model_id.startswith("m-")
        assert model.model_uri == f"models:/{model.model_id}"
        assert model.experiment_id == experiment_id
        assert (model.name, model.source_run_id) == ("tree ü", run_id)
        assert (model.tags, model.params, model.metrics) == ({"t": "1\n"}, {"p": "2"}, [])
        assert (model.model_type, model.status) == ("agent", LoggedModelStatus.PENDING)
        assert model.artifact_location.endswith(f"models/{model.model_id}/artifacts")

    def test_a_missing_model_name_is_invented(self, store: Any, experiment_id: str) -> None:
        """It is not empty."""
        assert store.create_logged_model(experiment_id).name

    @pytest.mark.parametrize("name", ["", " ", "a/b", "a:b", "a.b", "a%b", "a'b", 'a"b'])
    def test_a_bad_model_name_is_refused(self, store: Any, experiment_id: str, name: str) -> None:
        """Names are not blank and have none of ``/ : . % " '``."""
        with pytest.raises(InvalidParameterValue):
            store.create_logged_model(experiment_id, name)

    @pytest.mark.parametrize("status", [LoggedModelStatus.READY, LoggedModelStatus.FAILED])
    def test_a_model_is_finalized(
        self, store: Any, model_id: str, status: LoggedModelStatus
    ) -> None:
        """The status is kept; a second time is harmless."""
        assert store.finalize_logged_model(model_id, status).status == status
        store.finalize_logged_model(model_id, status)
        assert store.get_logged_model(model_id).status == status

    def test_params_of_a_model_are_set_once(self, store: Any, model_id: str) -> None:
        """The same value again is fine; another refuses the whole call."""
        store.log_logged_model_params(model_id, {"p": "1"})
        store.log_logged_model_params(model_id, {"p": "1", "q": "2"})
        with pytest.raises(TrackletException):
            store.log_logged_model_params(model_id, {"r": "1", "p": "2"})
        assert store.get_logged_model(model_id).params == {"p": "1", "q": "2"}

    def test_tags_of_a_model_are_replaced_and_removed(self, store: Any, model_id: str) -> None:
        """The last value counts; removing a missing one is ResourceDoesNotExist."""
        store.set_logged_model_tags(model_id, {"a": "1", "b": "1"})
        store.set_logged_model_tags(model_id, {"a": "2"})
        store.delete_logged_model_tag(model_id, "b")
        assert store.get_logged_model(model_id).tags == {"a": "2"}
        with pytest.raises(ResourceDoesNotExist):
            store.delete_logged_model_tag(model_id, "b")

    def test_a_deleted_model_is_hidden(self, store: Any, model_id: str) -> None:
        """It is read only when asked for, refuses writes, and can be purged."""
        with pytest.raises(InvalidParameterValue):
            store.purge_logged_model(model_id)
        store.delete_logged_model(model_id)
        with pytest.raises(ResourceDoesNotExist):
            store.get_logged_model(model_id)
        with pytest.raises(ResourceDoesNotExist):
            store.set_logged_model_tags(model_id, {"a": "1"})
        assert store.get_logged_model(model_id, deleted=True).lifecycle_stage == "deleted"
        store.purge_logged_model(model_id)
        with pytest.raises(ResourceDoesNotExist):
            store.get_logged_model(model_id, deleted=True)

    def test_an_unknown_model_is_an_error(self, store: Any) -> None:
        """Every verb says ResourceDoesNotExist."""
        for call in (
            lambda: store.get_logged_model(MISSING_MODEL),
            lambda: store.finalize_logged_model(MISSING_MODEL, LoggedModelStatus.READY),
            lambda: store.delete_logged_model(MISSING_MODEL),
            lambda: store.log_logged_model_params(MISSING_MODEL, {"a": "1"}),
            lambda: store.set_logged_model_tags(MISSING_MODEL, {"a": "1"}),
            lambda: store.delete_logged_model_tag(MISSING_MODEL, "a"),
        ):
            with pytest.raises(ResourceDoesNotExist):
                call()

    # -- registry ------------------------------------------------------------------------------

    def test_a_registered_model_is_read_back(self, store: Any) -> None:
        """Name, tags and description are kept."""
        created = store.create_registered_model("Modell ü 1", {"k": "v"}, "text\nmore")
        assert created == store.get_registered_model("Modell ü 1")
        assert (created.name, created.tags, created.description) == (
            "Modell ü 1",
            {"k": "v"},
            "text\nmore",
        )
        assert (created.latest_versions, created.aliases) == ([], {})

    @pytest.mark.parametrize("name", ["", " ", None, "a/b", "a:b"])
    def test_a_bad_registered_name_is_refused(self, store: Any, name: Any) -> None:
        """Names are not blank and have neither ``/`` nor ``:``."""
        with pytest.raises(InvalidParameterValue):
            store.create_registered_model(name)

    def test_a_taken_registered_name_is_refused(self, store: Any) -> None:
        """Creating and renaming onto it are ResourceAlreadyExists."""
        store.create_registered_model("a")
        store.create_registered_model("b")
        with pytest.raises(ResourceAlreadyExists):
            store.create_registered_model("a")
        with pytest.raises(ResourceAlreadyExists):
            store.rename_registered_model("b", "a")

    def test_an_unknown_registered_model_is_an_error(self, store: Any) -> None:
        """Every verb says ResourceDoesNotExist."""
        for call in (
            lambda: store.get_registered_model("no"),
            lambda: store.update_registered_model("no", "d"),
            lambda: store.rename_registered_model("no", "yes"),
            lambda: store.delete_registered_model("no"),
            lambda: store.set_registered_model_tag("no", "k", "v"),
            lambda: store.set_registered_model_alias("no", "a", 1),
            lambda: store.create_model_version("no", "/x"),
            lambda: store.get_model_version("no", 1),
        ):
            with pytest.raises(ResourceDoesNotExist):
                call()

    def test_a_description_is_replaced(self, store: Any) -> None:
        """On registered models and versions; None takes it away."""
        store.create_registered_model("a", description="old")
        store.create_model_version("a", "/x", description="old")
        assert store.update_registered_model("a", "new").description == "new"
        assert store.update_model_version("a", 1, "new").description == "new"
        assert store.update_registered_model("a", None).description is None

    def test_a_renamed_model_keeps_everything(self, store: Any) -> None:
        """Versions, tags and aliases follow; the old name is free."""
        store.create_registered_model("a", {"k": "v"})
        store.create_model_version("a", "/x", tags={"vk": "vv"})
        store.set_registered_model_alias("a", "best", 1)
        renamed = store.rename_registered_model("a", "b")
        assert (renamed.name, renamed.tags, renamed.aliases) == ("b", {"k": "v"}, {"best": 1})
        version = store.get_model_version_by_alias("b", "best")
        assert (version.name, version.version, version.tags) == ("b", 1, {"vk": "vv"})
        with pytest.raises(ResourceDoesNotExist):
            store.get_registered_model("a")
        store.create_registered_model("a")

    def test_a_deleted_registered_model_is_gone_with_all(self, store: Any) -> None:
        """A new one of the name starts empty."""
        store.create_registered_model("a", {"k": "v"})
        store.create_model_version("a", "/x")
        store.set_registered_model_alias("a", "best", 1)
        store.delete_registered_model("a")
        with pytest.raises(ResourceDoesNotExist):
            store.get_model_version("a", 1)
        again = store.create_registered_model("a")
        assert (again.tags, again.aliases, again.latest_versions) == ({}, {}, [])

    def test_registered_tags_are_set_and_removed(self, store: Any) -> None:
        """On models and versions; removing a missing one is silent."""
        store.create_registered_model("a")
        store.create_model_version("a", "/x")
        store.set_registered_model_tag("a", "k", "1")
        store.set_registered_model_tag("a", "k", "2")
        store.set_model_version_tag("a", 1, "v", "1")
        assert store.get_registered_model("a").tags == {"k": "2"}
        assert store.get_model_version("a", 1).tags == {"v": "1"}
        for _ in range(2):
            store.delete_registered_model_tag("a", "k")
            store.delete_model_version_tag("a", 1, "v")
        assert store.get_registered_model("a").tags == {}
        assert store.get_model_version("a", 1).tags == {}

    def test_a_version_is_read_back(self, store: Any, run_id: str, model_id: str) -> None:
        """What was given is kept; it is READY in stage None."""
        store.create_registered_model("a")
        version = store.create_model_version(
            "a",
            "models:/x",
            run_id,
            {"k": "v"},
            "http://link",
            "words",
            model_id,
            "/place",
            "ada",
        )
        assert version == store.get_model_version("a", 1)
        assert (version.name, version.version) == ("a", 1)
        assert (version.source, version.storage_location) == ("models:/x", "/place")
        assert (version.run_id, version.model_id) == (run_id, model_id)
        assert (version.run_link, version.description) == ("http://link", "words")
        assert (version.user_id, version.tags) == ("ada", {"k": "v"})
        assert (version.status, version.current_stage) == ("READY", "None")

    def test_version_numbers_are_never_used_twice(self, store: Any) -> None:
        """After the newest of four was deleted, the next is the fifth."""
        store.create_registered_model("a")
        for number in range(1, 5):
            assert store.create_model_version("a", "/x").version == number
        store.delete_model_version("a", 4)
        assert store.create_model_version("a", "/x").version == 5
        with pytest.raises(ResourceDoesNotExist):
            store.get_model_version("a", 4)
        with pytest.raises(ResourceDoesNotExist):
            store.delete_model_version("a", 4)

    def test_a_bad_version_number_is_refused(self, store: Any) -> None:
        """Text that is no number is InvalidParameterValue; digits as text are fine."""
        store.create_registered_model("a")
        store.create_model_version("a", "/x")
        assert store.get_model_version("a", "1").version == 1
        with pytest.raises(InvalidParameterValue):
            store.get_model_version("a", "one")
        with pytest.raises(ResourceDoesNotExist):
            store.get_model_version("a", 2)

    def test_an_alias_moves(self, store: Any) -> None:
        """It points at one version; the versions and the model show it."""
        store.create_registered_model("a")
        for _ in range(2):
            store.create_model_version("a", "/x")
        store.set_registered_model_alias("a", "best", 1)
        store.set_registered_model_alias("a", "best", 2)
        store.set_registered_model_alias("a", "also", 2)
        assert store.get_model_version_by_alias("a", "best").version == 2
        assert store.get_model_version("a", 1).aliases == []
        assert sorted(store.get_model_version("a", 2).aliases) == ["also", "best"]
        assert store.get_registered_model("a").aliases == {"best": 2, "also": 2}
        store.delete_registered_model_alias("a", "best")
        store.delete_registered_model_alias("a", "best")
        assert store.get_registered_model("a").aliases == {"also": 2}
        with pytest.raises(InvalidParameterValue):
            store.get_model_version_by_alias("a", "best")

    def test_aliases_go_with_their_version(self, store: Any) -> None:
        """Deleting a version deletes the aliases that point at it."""
        store.create_registered_model("a")
        for _ in range(2):
            store.create_model_version("a", "/x")
        store.set_registered_model_alias("a", "one", 1)
        store.set_registered_model_alias("a", "two", 2)
        store.delete_model_version("a", 2)
        assert store.get_registered_model("a").aliases == {"one": 1}

    @pytest.mark.parametrize(
        "alias", ["", "x" * 256, "a b", "a/b", "latest", "LATEST", "v3", "V10"]
    )
    def test_a_bad_alias_is_refused(self, store: Any, alias: str) -> None:
        """Aliases have 1 to 255 letters, digits, ``_`` or ``-``; some words are reserved."""
        store.create_registered_model("a")
        store.create_model_version("a", "/x")
        with pytest.raises(InvalidParameterValue):
            store.set_registered_model_alias("a", alias, 1)

    def test_an_alias_needs_a_version(self, store: Any) -> None:
        """An unknown version is ResourceDoesNotExist; digits alone are a fine alias."""
        store.create_registered_model("a")
        store.create_model_version("a", "/x")
        with pytest.raises(ResourceDoesNotExist):
            store.set_registered_model_alias("a", "best", 2)
        store.set_registered_model_alias("a", "2024", 1)
        assert store.get_model_version_by_alias("a", "2024").version == 1

    def test_stages_are_in_any_case(self, store: Any) -> None:
        """The canonical spelling is stored; an unknown stage is InvalidParameterValue."""
        store.create_registered_model("a")
        store.create_model_version("a", "/x")
        moved = store.transition_model_version_stage("a", 1, "production")
        assert moved.current_stage == "Production"
        with pytest.raises(InvalidParameterValue):
            store.transition_model_version_stage("a", 1, "prod")
        assert store.get_model_version("a", 1).current_stage == "Production"

    def test_existing_versions_are_archived_on_request(self, store: Any) -> None:
        """Only those in the stage that the version moves to."""
        store.create_registered_model("a")
        for stage in ("Production", "Staging", "None"):
            version = store.create_model_version("a", "/x").version
            store.transition_model_version_stage("a", version, stage)
        store.transition_model_version_stage("a", 3, "Production", archive_existing_versions=True)
        stages = [store.get_model_version("a", n).current_stage for n in (1, 2, 3)]
        assert stages == ["Archived", "Staging", "Production"]
        with pytest.raises(TrackletException):
            store.transition_model_version_stage("a", 1, "None", archive_existing_versions=True)

    def test_latest_versions_are_the_newest_of_each_stage(self, store: Any) -> None:
        """Deleted versions do not count."""
        store.create_registered_model("a")
        for stage in ("Staging", "Staging", "None", "None"):
            version = store.create_model_version("a", "/x").version
            store.transition_model_version_stage("a", version, stage)
        store.delete_model_version("a", 4)
        latest = store.get_registered_model("a").latest_versions
        assert {v.current_stage: v.version for v in latest} == {"Staging": 2, "None": 3}

    # -- search --------------------------------------------------------------------------------

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
        found: list[str] = []
        token = None
        while True:
            page = store.search_runs([experiment_id], max_results=2, page_token=token)
            found += [run.info.run_id for run in page]
            token = page.token
            if not token:
                break
        assert found == ids[::-1]

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
            store.create_model_version("b", "/x")
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
