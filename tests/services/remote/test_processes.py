"""Programs that record for a server: what they wait for, and what is left when they are killed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from proxy import answer

from tracklet.stores.files import FileStore

TRAINING = """
import sys, time
import tracklet
with tracklet.start_run():
    tracklet.log_param("a", 1)
    for step in range(int(sys.argv[1])):
        tracklet.log_metric("loss", step / 3, step=step)
        if len(sys.argv) > 2:
            print(step, flush=True)
    tracklet.log_text("x" * 100_000, "notes.txt")
print(time.time())
"""


@pytest.fixture
def start(spool: Path, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a program with the spool of the test."""

    def started(uri: str, *arguments: str, shipping: str = "on") -> subprocess.Popen[str]:
        environment = {**os.environ, "TRACKLET_TRACKING_URI": uri, "TRACKLET_SHIPPING": shipping}
        return subprocess.Popen(
            [sys.executable, *arguments],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return started


def sync(start: Callable[..., Any], uri: str, *arguments: str) -> None:
    done = start(uri, "-m", "tracklet", "sync", "--keep", *arguments)
    said = done.communicate(timeout=60)
    assert done.returncode == 0, said


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    limit = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.02)


def stop_courier(spool: Path) -> None:
    """Wait until nobody sends any more: there is nothing left."""
    from tracklet.stores import disk

    def is_free() -> bool:
        locks = list(spool.glob("*/.tracklet.courier"))
        free = []
        for each in locks:
            descriptor = os.open(each, os.O_RDWR)
            free.append(disk.lock_alone(descriptor))
            os.close(descriptor)
        return all(free)

    until(is_free)


def steps(kept: FileStore) -> list[int]:
    """The steps of the one run that the server has."""
    (run,) = kept.search_runs(["0"])
    return [point.step for point in kept.get_metric_history(run.info.run_id, "loss")]


def test_what_a_program_records_is_on_the_server_when_it_ends(
    start: Callable[..., Any], proxy: Any, kept: FileStore, spool: Path
) -> None:
    program = start(proxy.uri, "-c", TRAINING, "1500")
    _, err = program.communicate(timeout=60)
    assert program.returncode == 0, err
    until(lambda: bool(kept.search_runs(["0"], "status = 'FINISHED'")))
    assert steps(kept) == list(range(1500))
    stop_courier(spool)


@pytest.mark.parametrize("mode", ["hang", "refuse", answer("503 Busy", Retry_After="60")])
def test_a_program_ends_in_time_whatever_the_server_does(
    mode: Any, start: Callable[..., Any], proxy: Any, kept: FileStore, spool: Path
) -> None:
    proxy.mode = mode
    program = start(proxy.uri, "-c", TRAINING, "100")
    out, err = program.communicate(timeout=60)
    ended = time.time()
    assert program.returncode == 0, err
    # Three seconds at most, and what a loaded machine takes for the end of an interpreter.
    assert ended - float(out) < 6
    assert "'tracklet sync' sends the rest" in err
    proxy.mode = "pass"
    proxy.drop()
    sync(start, proxy.uri, "--wait", "60")
    assert steps(kept) == list(range(100))
    stop_courier(spool)


def kill_trainings(rounds: int, start: Any, proxy: Any, kept: FileStore, spool: Path) -> None:
    accepted: Counter[int] = Counter()
    for number in range(rounds):
        program = start(proxy.uri, "-c", TRAINING, "100000", "tell", shipping="off")
        wanted = random.Random(number).randrange(1, 400)
        count = 0
        for _ in program.stdout:
            count += 1
            if count >= wanted:
                break
        program.kill()
        program.stdout.close()
        program.stderr.close()
        program.wait()
        accepted[number] = count
    sync(start, proxy.uri)
    runs = kept.search_runs(["0"], order_by=["start_time ASC"])
    assert [run.info.status for run in runs] == ["KILLED"] * rounds
    for number, run in enumerate(runs):
        history = [p.step for p in kept.get_metric_history(run.info.run_id, "loss")]
        assert history == list(range(len(history)))
        assert len(history) >= accepted[number]


def kill_senders(rounds: int, start: Any, proxy: Any, kept: FileStore, spool: Path) -> None:
    program = start(proxy.uri, "-c", TRAINING, "30000", shipping="off")
    assert program.communicate(timeout=120)[0]
    for number in range(rounds):
        sender = start(proxy.uri, "-m", "tracklet", "sync", "--keep")
        before = proxy.requests
        wanted = random.Random(number).randrange(1, 6)
        until(lambda: proxy.requests - before >= wanted or sender.poll() is not None)  # noqa: B023
        time.sleep(random.Random(number).random() / 100)
        sender.kill()
        sender.communicate()
    sync(start, proxy.uri)
    assert steps(kept) == list(range(30_000))


def test_a_killed_training_is_sent_as_far_as_it_came(
    start: Callable[..., Any], proxy: Any, kept: FileStore, spool: Path
) -> None:
    kill_trainings(2, start, proxy, kept, spool)


def test_a_killed_sender_loses_and_doubles_nothing(
    start: Callable[..., Any], proxy: Any, kept: FileStore, spool: Path
) -> None:
    kill_senders(3, start, proxy, kept, spool)


@pytest.mark.exhaustive
def test_trainings_that_are_killed_a_hundred_times(
    start: Callable[..., Any], proxy: Any, kept: FileStore, spool: Path
) -> None:
    kill_trainings(100, start, proxy, kept, spool)


@pytest.mark.exhaustive
def test_senders_that_are_killed_a_hundred_times(
    start: Callable[..., Any], proxy: Any, kept: FileStore, spool: Path
) -> None:
    kill_senders(100, start, proxy, kept, spool)
