"""The parts of the store contract on runs: what they hold, how it is written, what they link to."""

from __future__ import annotations

import math
import time
from contextlib import closing
from typing import Any

import pytest

from tracklet.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
)
from tracklet.errors import (
    InvalidParameterValue,
    InvalidState,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
)
from tracklet_testing.store.fixtures import MISSING_MODEL, MISSING_RUN, StoreFixtures, points_of


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

    def test_a_run_may_come_with_its_id(self, store: Any, experiment_id: str) -> None:
        """It is the run's from then on, once, also in the trash; others are refused."""
        wanted = "0123456789abcdef" * 2
        run = store.create_run(experiment_id, run_name="first", run_id=wanted)
        assert run.info.run_id == wanted
        assert run.info.artifact_uri.endswith(f"{wanted}/artifacts")
        for _ in range(2):
            with pytest.raises(ResourceAlreadyExists, match=wanted):
                store.create_run(experiment_id, run_id=wanted)
            store.delete_run(wanted)
        assert store.get_run(wanted).info.run_name == "first"
        for bad in ("models", "../x", wanted.upper(), wanted[1:]):
            with pytest.raises(InvalidParameterValue, match="32 digits"):
                store.create_run(experiment_id, run_id=bad)

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


class MetricContract(StoreFixtures):
    """What every store does with metrics."""

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

    def test_a_metric_is_given_another_history(self, store: Any, run_id: str) -> None:
        """It has these points and no others, an open writer goes on after them; others stay."""
        writer = store.open_run(run_id)
        for step in range(5):
            writer.log_metric("m", step / 3, step, step + 10)
            writer.log_metric("other", 1.0, step, step)
        store.set_history(run_id, "m", store.get_metric_history(run_id, "m")[:3])
        assert store.get_run(run_id).data.metrics["m"] == 2 / 3
        writer.log_metric("m", 7.0, 3, 20)
        expected = [(0.0, 10, 0), (1 / 3, 11, 1), (2 / 3, 12, 2), (7.0, 20, 3)]
        assert points_of(store.get_metric_history(run_id, "m")) == expected
        store.set_history(run_id, "m", [])
        assert store.get_metric_history(run_id, "m") == []
        assert store.get_run(run_id).data.metrics == {"other": 1.0}
        assert len(store.get_metric_history(run_id, "other")) == 5
        writer.close()

    @pytest.mark.parametrize("timestamp", [2**63, -1, pytest.param(10**5000, id="long")])
    def test_a_time_that_no_store_holds_is_refused(
        self, store: Any, run_id: str, timestamp: int
    ) -> None:
        """By every way of writing, and nothing of the call is kept."""
        writer = store.open_run(run_id)
        try:
            for write in (
                lambda: writer.log_metric("m", 1.0, 0, timestamp),
                lambda: writer.log_metrics([Metric("m", 1.0, timestamp, 0)]),
                lambda: writer.log_values({"m": 1.0}, 0, timestamp),
                lambda: store.log_batch(
                    run_id, [Metric("m", 1.0, 1, 0), Metric("m", 1.0, timestamp, 0)]
                ),
            ):
                with pytest.raises(InvalidParameterValue, match="milliseconds"):
                    write()
        finally:
            writer.close()
        assert store.get_metric_history(run_id, "m") == []

    def test_times_of_runs_are_ones_that_calendars_show(
        self, store: Any, experiment_id: str, run_id: str
    ) -> None:
        """Microseconds are refused where milliseconds are asked for, with the way out."""
        last = 253_402_300_799_999
        assert store.create_run(experiment_id, start_time=last).info.start_time == last
        microseconds = 1_790_000_000_000_000
        for write in (
            lambda: store.create_run(experiment_id, start_time=microseconds),
            lambda: store.update_run(run_id, end_time=microseconds),
        ):
            with pytest.raises(InvalidParameterValue, match="microseconds"):
                write()

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
        history = store.get_metric_history(run_id, "acc")
        assert [(m.value, m.model_id) for m in history] == [(0.5, None), (0.6, None), (0.7, None)]
        metrics = store.get_logged_model(model_id).metrics
        found = {(m.value, m.step, m.dataset_name, m.dataset_digest) for m in metrics}
        assert found == {(0.6, 2, None, None), (0.7, 1, "iris", "abc")}
        assert {m.run_id for m in metrics} == {run_id}
        assert {m.model_id for m in metrics} == {model_id}

    def test_a_point_of_the_run_is_linked_to_a_model_and_not_written_again(
        self, store: Any, run_id: str, model_id: str
    ) -> None:
        """A model that is made of what was trained has its points; the run has each once."""
        writer = store.open_run(run_id)
        points = [Metric("acc", step / 4, 1, step) for step in range(3)]
        writer.log_metrics(points)
        writer.link_metrics([Metric(p.key, p.value, 1, p.step, model_id) for p in points])
        writer.close()
        assert [m.step for m in store.get_metric_history(run_id, "acc")] == [0, 1, 2]
        (latest,) = store.get_logged_model(model_id).metrics
        assert (latest.value, latest.step, latest.run_id) == (0.5, 2, run_id)


class TextContract(StoreFixtures):
    """What every store does with params and tags."""

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


class WriterContract(StoreFixtures):
    """What the open record of a run does in every store."""

    def test_a_writer_records_at_once(self, store: Any, run_id: str) -> None:
        """What a writer's call recorded is there when the call returns."""
        with closing(store.open_run(run_id)) as writer:
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
        writer.close()

    def test_a_started_run_is_a_created_one_with_a_writer(
        self, store: Any, experiment_id: str
    ) -> None:
        """What was given is kept, the returned run is the stored one, and the writer records."""
        run, writer = store.start_run(experiment_id, "ada", 1234, {"k": "v"}, "n 1")
        with closing(writer):
            assert store.get_run(run.info.run_id) == run
            assert (run.info.status, run.info.start_time) == ("RUNNING", 1234)
            assert (run.info.user_id, run.info.run_name) == ("ada", "n 1")
            assert run.data.tags == {"k": "v", "mlflow.runName": "n 1"}
            assert writer.run_id == run.info.run_id
            writer.log_metric("loss", 0.5, 1, 10)
            assert store.get_run(run.info.run_id).data.metrics == {"loss": 0.5}
        with pytest.raises(InvalidParameterValue):
            store.start_run(experiment_id, tags={"mlflow.runName": "a"}, run_name="b")

    def test_a_writer_refuses_what_breaks_a_rule(self, store: Any, run_id: str) -> None:
        """Bad keys, conflicting params and bad points raise, and the writer goes on."""
        with closing(store.open_run(run_id)) as writer:
            with pytest.raises(InvalidParameterValue):
                writer.log_metric("../m", 1.0, 1, 1)
            with pytest.raises(InvalidParameterValue):
                writer.log_metrics([Metric("a", 1.0, 1, 1), Metric("a//b", 1.0, 1, 1)])
            writer.log_params({"p": "1"})
            with pytest.raises(InvalidParameterValue):
                writer.log_params({"q": "1", "p": "2"})
            writer.log_metric("m", 1.0, 1, 1)
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

    @pytest.mark.parametrize("rivals", ["alive", "doubtful"])
    def test_a_run_of_a_living_process_is_not_taken_over(
        self, store: Any, run_id: str, rivals: Any
    ) -> None:
        """Whoever asks for it alone is refused while another has it, and nothing is changed."""
        writer = store.open_run(run_id)
        with pytest.raises(InvalidState, match="carried by another process"):
            store.open_run(run_id, rivals=rivals)
        writer.log_metric("m", 1.0, 0, 0)
        writer.close()
        store.update_run(run_id, status="FAILED", end_time=5)
        store.open_run(run_id, rivals=rivals).close()
        assert store.get_run(run_id).info.status == "RUNNING"

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

    def test_links_are_in_the_order_in_which_they_were_logged(
        self, store: Any, run_id: str, experiment_id: str
    ) -> None:
        """What was linked before stays in its place."""
        names = ["valid", "a", "train", "b"]
        used = [DatasetInput(Dataset(name, name, "code", "{}")) for name in names]
        made = [store.create_logged_model(experiment_id).model_id for _ in names]
        for dataset, model_id in zip(used, made, strict=True):
            store.log_inputs(run_id, [dataset], [LoggedModelInput(model_id)])
        store.log_outputs(run_id, [LoggedModelOutput(model_id, 1) for model_id in made])
        store.log_inputs(run_id, used[::-1])
        store.log_outputs(run_id, [LoggedModelOutput(made[0], 2)])
        for run in (store.get_run(run_id), *store.search_runs([experiment_id])):
            assert run.inputs.dataset_inputs == used
            assert [each.model_id for each in run.inputs.model_inputs] == made
            assert [each.model_id for each in run.outputs.model_outputs] == made

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
