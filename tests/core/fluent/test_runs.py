"""Starting, ending, nesting and resuming runs."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest

import tracklet
from tracklet.errors import (
    InvalidParameterValue,
    InvalidState,
    ResourceDoesNotExist,
    StorageError,
)
from tracklet.fluent import exits
from tracklet.stores import disk

T = TypeVar("T")

pytestmark = pytest.mark.usefixtures("tracklet_home")


def test_a_run_is_active_inside_its_block_and_finished_after_it() -> None:
    with tracklet.start_run(run_name="first") as run:
        assert tracklet.active_run() is run
        assert tracklet.get_run(run.info.run_id).info.status == "RUNNING"
    assert tracklet.active_run() is None
    stored = tracklet.get_run(run.info.run_id)
    assert stored.info.status == "FINISHED"
    assert stored.info.run_name == "first"
    assert stored.info.end_time is not None
    assert stored.info.end_time >= (stored.info.start_time or 0)


def test_a_new_run_says_who_runs_what() -> None:
    with tracklet.start_run() as run:
        pass
    tags = tracklet.get_run(run.info.run_id).data.tags
    assert {"mlflow.user", "mlflow.source.name", "mlflow.source.type", "mlflow.runName"} <= set(
        tags
    )
    assert tags["mlflow.source.type"] == "LOCAL"
    assert tags["mlflow.runName"] == run.info.run_name


def test_an_exception_makes_the_run_failed_and_goes_on_as_the_same_object() -> None:
    error = ValueError("mine")
    with pytest.raises(ValueError, match="mine") as caught, tracklet.start_run() as run:
        raise error
    assert caught.value is error
    stored = tracklet.get_run(run.info.run_id)
    assert stored.info.status == "FAILED"
    assert stored.data.tags["tracklet.end_reason"] == "exception: ValueError"


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (KeyboardInterrupt(), "KILLED", "signal: SIGINT"),
        (SystemExit(3), "FAILED", "exit code: 3"),
        (SystemExit("bad"), "FAILED", "exit code: 1"),
        (SystemExit(0), "FINISHED", None),
        (SystemExit(), "FINISHED", None),
    ],
)
def test_leaving_a_block_by_the_way_out_of_the_process_is_told_apart_from_failing(
    error: BaseException, status: str, reason: str | None
) -> None:
    with pytest.raises(type(error)), tracklet.start_run() as run:
        raise error
    stored = tracklet.get_run(run.info.run_id)
    assert stored.info.status == status
    assert stored.data.tags.get("tracklet.end_reason") == reason


def test_a_second_run_needs_nested_and_becomes_the_child_of_the_first() -> None:
    with tracklet.start_run() as parent:
        with pytest.raises(InvalidState, match="nested=True"):
            tracklet.start_run()
        with tracklet.start_run(nested=True) as child:
            assert tracklet.active_run() is child
        assert tracklet.active_run() is parent
    stored = tracklet.get_parent_run(child.info.run_id)
    assert stored is not None
    assert stored.info.run_id == parent.info.run_id
    assert tracklet.get_parent_run(parent.info.run_id) is None


def test_parent_run_id_names_a_parent_that_is_not_active() -> None:
    with tracklet.start_run() as parent:
        pass
    child = tracklet.start_run(parent_run_id=parent.info.run_id)
    with pytest.raises(InvalidParameterValue, match="is not the active run"):
        tracklet.start_run(nested=True, parent_run_id=parent.info.run_id)
    tracklet.end_run()
    stored = tracklet.get_parent_run(child.info.run_id)
    assert stored is not None
    assert stored.info.run_id == parent.info.run_id


def test_a_run_goes_on_by_its_id() -> None:
    with tracklet.start_run(run_name="once") as run:
        tracklet.log_metric("m", 1.0, step=1)
    with tracklet.start_run(run_id=run.info.run_id, tags={"again": True}) as resumed:
        assert tracklet.get_run(run.info.run_id).info.status == "RUNNING"
        tracklet.log_metric("m", 2.0, step=2)
    stored = tracklet.get_run(resumed.info.run_id)
    assert stored.info.status == "FINISHED"
    assert stored.info.run_name == "once"
    assert stored.data.metrics == {"m": 2.0}
    assert stored.data.tags["again"] == "True"


def test_the_option_run_id_is_taken_once_and_stays_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with tracklet.start_run() as first:
        pass
    monkeypatch.setenv("MLFLOW_RUN_ID", first.info.run_id)
    with tracklet.start_run() as resumed:
        pass
    with tracklet.start_run() as other:
        pass
    assert resumed.info.run_id == first.info.run_id
    assert other.info.run_id != first.info.run_id
    assert os.environ["MLFLOW_RUN_ID"] == first.info.run_id


def test_a_run_that_is_not_there_or_was_deleted_cannot_go_on() -> None:
    with pytest.raises(ResourceDoesNotExist, match="f" * 32):
        tracklet.start_run(run_id="f" * 32)
    with tracklet.start_run() as run:
        pass
    tracklet.delete_run(run.info.run_id)
    with pytest.raises(tracklet.TrackletException, match="restore"):
        tracklet.start_run(run_id=run.info.run_id)
    tracklet.restore_run(run.info.run_id)
    tracklet.start_run(run_id=run.info.run_id)
    tracklet.end_run()


@pytest.mark.usefixtures("either_store")
def test_a_run_that_goes_on_under_a_new_name_is_renamed() -> None:
    with tracklet.start_run(run_name="old") as run:
        pass
    with tracklet.start_run(run_id=run.info.run_id, run_name="new") as resumed:
        assert resumed.info.run_name == resumed.data.tags["mlflow.runName"] == "new"
    stored = tracklet.get_run(run.info.run_id)
    assert stored.info.run_name == stored.data.tags["mlflow.runName"] == "new"


@pytest.mark.usefixtures("either_store")
def test_a_run_that_is_gone_on_with_inside_of_its_own_block_ends_with_the_block() -> None:
    with tracklet.start_run() as run:
        tracklet.end_run()
        tracklet.start_run(run_id=run.info.run_id)
    assert tracklet.active_run() is None
    assert tracklet.get_run(run.info.run_id).info.status == "FINISHED"
    with tracklet.start_run() as run:
        tracklet.end_run()
        other = tracklet.start_run()
    assert tracklet.active_run() is other, "the block is of another run"
    tracklet.end_run()


@pytest.mark.usefixtures("either_store")
def test_a_run_goes_to_the_experiment_that_is_named_and_to_no_other() -> None:
    mine = tracklet.set_experiment("mine").experiment_id
    for named in ("0", 0):
        with tracklet.start_run(experiment_id=named) as run:  # type: ignore[arg-type]
            assert run.info.experiment_id == "0"
    for nonsense in ("", False, 0.0, [], {}, b"", object()):
        with pytest.raises(InvalidParameterValue, match="not a valid experiment id"):
            tracklet.start_run(experiment_id=nonsense)  # type: ignore[arg-type]
    client = tracklet.TrackletClient()
    for verb in (client.get_experiment, client.delete_experiment, client.create_run):
        with pytest.raises(InvalidParameterValue, match="not a valid experiment id"):
            verb(False)  # type: ignore[arg-type]
    assert not tracklet.search_runs([mine], output_format="list")


@pytest.mark.usefixtures("either_store")
def test_a_run_goes_on_only_by_a_run_id_and_below_a_run_that_is_there() -> None:
    for nonsense in (0, False, [], b"x", object()):
        with pytest.raises(InvalidParameterValue, match="not a valid run id"):
            tracklet.start_run(run_id=nonsense)  # type: ignore[arg-type]
        with pytest.raises(InvalidParameterValue, match="not a valid run id"):
            tracklet.start_run(parent_run_id=nonsense)  # type: ignore[arg-type]
    with pytest.raises(ResourceDoesNotExist):
        tracklet.start_run(parent_run_id="f" * 32)
    with pytest.raises(InvalidParameterValue, match="mapping"):
        tracklet.start_run(tags=3)  # type: ignore[arg-type]
    assert tracklet.active_run() is None
    assert not tracklet.search_runs(output_format="list")


def test_a_run_of_another_experiment_than_the_active_one_is_refused() -> None:
    with tracklet.start_run() as run:
        pass
    tracklet.set_experiment("other")
    with pytest.raises(InvalidParameterValue, match="belongs to experiment '0'"):
        tracklet.start_run(run_id=run.info.run_id)


def test_a_bad_status_is_refused_and_the_run_stays_active() -> None:
    run = tracklet.start_run()
    with pytest.raises(InvalidParameterValue, match="'DONE' is no RunStatus"):
        tracklet.end_run("DONE")
    assert tracklet.active_run() is run
    tracklet.end_run("FAILED")
    assert tracklet.get_run(run.info.run_id).info.status == "FAILED"
    tracklet.end_run()


def test_a_description_is_the_note_and_cannot_be_given_twice() -> None:
    with tracklet.start_run(description="why") as run:
        pass
    assert tracklet.get_run(run.info.run_id).data.tags["mlflow.note.content"] == "why"
    with pytest.raises(InvalidParameterValue, match="same thing"):
        tracklet.start_run(description="a", tags={"mlflow.note.content": "b"})
    assert tracklet.active_run() is None


def test_the_last_active_run_is_the_one_that_ended_last_as_it_is_now() -> None:
    assert tracklet.last_active_run() is None
    with tracklet.start_run() as run:
        tracklet.log_metric("m", 1)
        assert tracklet.last_active_run() is run
    last = tracklet.last_active_run()
    assert last is not None
    assert (last.info.run_id, last.info.status) == (run.info.run_id, "FINISHED")
    assert last.data.metrics == {"m": 1.0}


def test_recording_without_a_run_starts_one() -> None:
    tracklet.log_param("a", 1)
    run = tracklet.active_run()
    assert run is not None
    tracklet.end_run()
    assert tracklet.get_run(run.info.run_id).data.params == {"a": "1"}


def test_a_thread_records_into_the_single_open_run_but_has_no_active_run() -> None:
    seen: list[object] = []

    def work() -> None:
        seen.append(tracklet.active_run())
        tracklet.log_metric("from_thread", 1.0)

    with tracklet.start_run() as run:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert seen == [None]
    assert tracklet.get_run(run.info.run_id).data.metrics == {"from_thread": 1.0}
    assert len(tracklet.search_runs(output_format="list")) == 1


def test_threads_with_runs_of_their_own_do_not_meet() -> None:
    barrier = threading.Barrier(8)
    ids: dict[int, str] = {}

    def work(number: int) -> None:
        with tracklet.start_run(run_name=f"thread-{number}") as run:
            barrier.wait()
            for step in range(50):
                tracklet.log_metric("m", number, step=step)
            ids[number] = run.info.run_id

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client = tracklet.TrackletClient()
    for number, run_id in ids.items():
        points = client.get_metric_history(run_id, "m")
        assert [point.value for point in points] == [float(number)] * 50


def test_asyncio_tasks_with_runs_of_their_own_do_not_meet() -> None:
    async def work(number: int) -> str:
        with tracklet.start_run() as run:
            await asyncio.sleep(0)
            tracklet.log_param("number", number)
            await asyncio.sleep(0)
        return run.info.run_id

    async def main() -> list[str]:
        return await asyncio.gather(*(work(number) for number in range(5)))

    for number, run_id in enumerate(asyncio.run(main())):
        assert tracklet.get_run(run_id).data.params == {"number": str(number)}


def test_a_run_started_in_a_lost_context_is_still_ended_by_its_thread() -> None:
    run = contextvars.Context().run(tracklet.start_run)
    assert tracklet.active_run() is None
    tracklet.log_metric("m", 1.0)
    tracklet.end_run()
    stored = tracklet.get_run(run.info.run_id)
    assert stored.info.status == "FINISHED"
    assert stored.data.metrics == {"m": 1.0}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_records_into_the_run_and_does_not_end_it() -> None:
    with tracklet.start_run() as run:
        child = os.fork()
        if child == 0:
            try:
                tracklet.log_metric("from_child", 2.0)
                tracklet.end_run("FAILED")
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        stored = tracklet.get_run(run.info.run_id)
        assert stored.info.status == "RUNNING"
        assert stored.data.metrics == {"from_child": 2.0}
    assert tracklet.get_run(run.info.run_id).info.status == "FINISHED"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_starts_its_own_run_below_its_parents() -> None:
    """As `Pool(4).map(train)` does, with `start_run` in `train`, one after another."""
    with tracklet.start_run() as other:
        pass
    with tracklet.start_run() as run:
        child = os.fork()
        if child == 0:
            try:
                for number in range(2):
                    with tracklet.start_run(run_name=f"child-{number}"):
                        tracklet.log_metric("m", number)
                tracklet.log_metric("between", 1.0)
                with tracklet.start_run(parent_run_id=other.info.run_id):
                    pass
            finally:
                os._exit(0)
        os.waitpid(child, 0)
    found = tracklet.search_runs(order_by=["start_time"], output_format="list")
    below = {r.info.run_name: r for r in found if r.data.tags.get("mlflow.parentRunId")}
    assert [r.data.metrics for r in (below["child-0"], below["child-1"])] == [{"m": 0}, {"m": 1}]
    assert {r.info.status for r in found} == {"FINISHED"}
    parents = [r.data.tags["mlflow.parentRunId"] for r in below.values()]
    assert sorted(parents) == sorted([run.info.run_id] * 2 + [other.info.run_id])
    assert tracklet.get_run(run.info.run_id).data.metrics == {"between": 1.0}


def test_the_option_run_id_names_no_run_below_another(monkeypatch: pytest.MonkeyPatch) -> None:
    with tracklet.start_run() as earlier:
        pass
    monkeypatch.setenv("MLFLOW_RUN_ID", earlier.info.run_id)
    with tracklet.start_run(parent_run_id=earlier.info.run_id) as child:
        assert child.data.tags["mlflow.parentRunId"] == earlier.info.run_id
    with tracklet.start_run() as resumed:
        assert resumed.info.run_id == earlier.info.run_id


def _in_a_thread(call: Callable[[], T]) -> T:
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(call).result()


def _recorded_by_a_thread() -> str:
    """The run that a thread without a run of its own records into."""
    tracklet.set_tag("by", "a thread")
    found = tracklet.search_runs(filter_string="tags.by = 'a thread'", output_format="list")
    (run,) = found
    tracklet.TrackletClient().delete_tag(run.info.run_id, "by")
    tracklet.TrackletClient().set_tag(run.info.run_id, "had", "it")
    return run.info.run_id


def test_another_threads_record_goes_to_the_innermost_of_nested_runs() -> None:
    with tracklet.start_run(), tracklet.start_run(nested=True) as inner:
        assert _in_a_thread(_recorded_by_a_thread) == inner.info.run_id


@pytest.mark.parametrize("other", ["started by a record", "deleted", "of a thread that is gone"])
def test_runs_that_nobody_means_take_no_record_of_another_thread(other: str) -> None:
    """They do not keep the one run that is meant from being found, either."""
    done = threading.Event()
    with ThreadPoolExecutor(1) as executor:
        if other == "started by a record":
            executor.submit(lambda: tracklet.log_metric("m", 1.0)).result()
            executor.submit(done.wait)  # its thread goes on
        elif other == "deleted":
            tracklet.delete_run(contextvars.Context().run(tracklet.start_run).info.run_id)
        else:
            _in_a_thread(tracklet.start_run)
        known = {run.info.run_id for run in tracklet.search_runs(output_format="list")}
        assert _in_a_thread(_recorded_by_a_thread) not in known
        with tracklet.start_run() as run:
            assert _in_a_thread(_recorded_by_a_thread) == run.info.run_id
        done.set()


def test_a_run_that_autologging_started_takes_no_record_of_another_thread() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    seen: list[str] = []

    class Watching(linear.LinearRegression):
        def fit(self, X: Any, y: Any) -> Any:
            seen.append(_in_a_thread(_recorded_by_a_thread))
            return super().fit(X, y)

    tracklet.sklearn.autolog(log_models=False)
    Watching().fit([[0.0], [1.0]], [0.0, 1.0])
    (recorded,) = seen
    tags = tracklet.get_run(recorded).data.tags
    assert "mlflow.autologging" not in tags


def test_a_run_that_a_record_starts_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    for _ in range(2):
        tracklet.log_metric("m", 1.0)
        tracklet.end_run()
    assert len([line for line in caplog.messages if "was started by a record" in line]) == 1


def test_a_block_that_is_left_is_left_even_if_its_end_cannot_be_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A disk that was full for a moment keeps no later run from being started."""

    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    run = tracklet.start_run()
    with monkeypatch.context() as broken, pytest.raises(StorageError), run:
        broken.setattr(disk, "write", full)
    failed = tracklet.start_run()
    with monkeypatch.context() as broken, pytest.raises(ValueError, match="theirs"), failed:  # noqa: PT012
        broken.setattr(disk, "write", full)
        raise ValueError("theirs")
    assert tracklet.active_run() is None
    with tracklet.start_run() as later:
        tracklet.log_metric("m", 1.0)
    assert tracklet.get_run(later.info.run_id).info.status == "FINISHED"
    exits._at_exit()
    ended = [tracklet.get_run(each.info.run_id).info for each in (run, failed)]
    assert [info.status for info in ended] == ["FINISHED", "FAILED"]
    assert all((info.end_time or 0) <= (later.info.start_time or 0) for info in ended)


def test_names_do_not_come_from_the_users_random_generator() -> None:
    random.seed(7)
    expected = random.random()
    random.seed(7)
    with tracklet.start_run() as first:
        pass
    assert random.random() == expected
    random.seed(7)
    with tracklet.start_run() as second:
        pass
    assert (first.info.run_id, first.info.run_name) != (second.info.run_id, second.info.run_name)


def test_an_unknown_experiment_id_is_refused_and_nothing_is_left(tracklet_home: Path) -> None:
    with pytest.raises(ResourceDoesNotExist, match="424242"):
        tracklet.start_run(experiment_id="424242")
    assert tracklet.active_run() is None
    assert tracklet.search_runs(search_all_experiments=True, output_format="list") == []


def test_the_configured_experiment_is_created_and_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "from the environment")
    with tracklet.start_run() as run:
        pass
    experiment = tracklet.get_experiment_by_name("from the environment")
    assert experiment is not None
    assert run.info.experiment_id == experiment.experiment_id
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "0")
    with pytest.raises(InvalidParameterValue, match="unset one"):
        tracklet.start_run()
