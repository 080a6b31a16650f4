"""The part of the contract on threads, tasks and forks."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from typing import Any

import pytest

import tracklet
from tracklet.client import TrackletClient
from tracklet_testing.integration.trainings import Scenario, Trainings


class ConcurrencyContract(Trainings):
    """Trainings at the same time do not meet."""

    def test_two_threads_record_a_run_each(
        self, bare: Any, script: dict[str, Any], enabled: None
    ) -> None:
        """Concurrent trainings do not meet: each has its own run, and learns the same."""
        found: list[Any] = []
        threads = [
            threading.Thread(target=lambda: found.append(script["train"]())) for _ in range(2)
        ]
        with self.recording(2, script):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert found == [bare, bare]
        assert all(run.info.status == "FINISHED" for run in self.runs())

    def test_tasks_of_an_event_loop_record_a_run_each(
        self, bare: Any, script: dict[str, Any], enabled: None
    ) -> None:
        """Trainings in asyncio's threads have runs of their own, and none stays active."""

        async def main() -> list[Any]:
            trainings = (asyncio.to_thread(script["train"]) for _ in range(2))
            return list(await asyncio.gather(*trainings))

        with self.recording(2, script):
            assert asyncio.run(main()) == [bare, bare]
        assert tracklet.active_run() is None

    def test_workers_that_are_threads_record_a_run_each(
        self, bare: Any, script: dict[str, Any], enabled: None
    ) -> None:
        """In joblib's threads each training is by itself, if nothing around it is recorded."""
        joblib: Any = pytest.importorskip("joblib")
        workers = joblib.Parallel(n_jobs=2, backend="threading")
        with self.recording(2, script):
            assert workers([joblib.delayed(script["train"])()] * 2) == [bare, bare]
        assert all(run.info.status == "FINISHED" for run in self.runs())

    @pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
    def test_workers_that_are_processes_record_nothing(
        self, bare: Any, script: dict[str, Any], enabled: None
    ) -> None:
        """Nothing of ours goes along to joblib's processes, and what they learn is the same."""
        joblib: Any = pytest.importorskip("joblib")
        loky: Any = pytest.importorskip("joblib.externals.loky")
        train = Scenario("training", self.training).names["train"]
        try:
            workers = joblib.Parallel(n_jobs=2, backend="loky")
            assert workers([joblib.delayed(train)()]) == [bare]
        finally:
            loky.get_reusable_executor().shutdown(wait=True)
        assert self.runs() == []

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
    @pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
    def test_a_forked_child_trains_and_records_nothing(
        self, bare: Any, script: dict[str, Any], enabled: None
    ) -> None:
        """A forked worker learns the same, writes into nobody's run, and ends none."""
        with tracklet.start_run() as run:
            before = TrackletClient().get_run(run.info.run_id)
            child = os.fork()
            if child == 0:  # pragma: no cover (another process)
                os._exit(0 if script["train"]() == bare else 1)
            status = _ended(child, self.fork_timeout)
            if status is None:
                pytest.skip("the framework's own threads do not survive a fork: it never returns")
            assert status == 0
            assert TrackletClient().get_run(run.info.run_id) == before
        assert len(self.runs()) == 1


def _ended(child: int, timeout: float) -> int | None:
    """How a child process ended; None, and it is killed, if it does not end in time."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None
