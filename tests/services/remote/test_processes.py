"""Programs that record for a server: what they wait for, and what is left when they are killed."""

from __future__ import annotations

import hashlib
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

from tracklet import TrackletClient
from tracklet.stores.files import FileStore
from tracklet.stores.rest.spool import spools

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


FIT = """
import sys, time
import tracklet
from sklearn.linear_model import SGDClassifier
tracklet.autolog()
SGDClassifier(max_iter=7, tol=None).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
print(time.time())
"""

# What a program waits for on the network, it connects to first.
CONNECTIONS = """
import sys
connected = []
sys.addaudithook(lambda event, _: event == "socket.connect" and connected.append(event))
exec(compile(sys.argv.pop(1), "<training>", "exec"))
print(len(connected))
"""

TRAININGS = {"loop": (TRAINING, "3000"), "fit": (FIT,)}

OUTAGES: dict[str, str | bytes] = {
    **{mode: mode for mode in ("gone", "refuse", "hang", "reset", "slow", "swallow")},
    "503": answer("503 Busy", Retry_After="60"),
    "429": answer("429 Slow down", Retry_After="1"),
    "html": answer("200 OK", b"<html>Log in</html>", Content_Type="text/html"),
}


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


def files_of(client: TrackletClient, run_id: str, path: str | None = None) -> dict[str, str]:
    """The hash of each artifact of a run, those of its models too, by path."""
    found = {}
    for each in client.list_artifacts(run_id, path):
        if each.is_dir:
            found |= files_of(client, run_id, each.path)
        else:
            content = Path(client.download_artifacts(run_id, each.path)).read_bytes()
            found[each.path] = hashlib.sha256(content).hexdigest()
    return found


def content_of(store: FileStore) -> dict[str, Any]:
    """All that a record holds of its runs, by id, but for the ids of models."""
    client, found = TrackletClient(store.root), {}
    for run in store.search_runs([each.experiment_id for each in store.search_experiments()]):
        run_id, info, own = run.info.run_id, run.info, ("tracklet.run_id", "tracklet.model_id")
        histories = {key: store.get_metric_history(run_id, key) for key in run.data.metrics}
        models = [store.get_logged_model(each.model_id) for each in run.outputs.model_outputs]
        found[run_id] = {
            "info": (info.status, info.start_time, info.end_time, info.run_name, info.user_id),
            "params": run.data.params,
            "tags": {key: value for key, value in run.data.tags.items() if key not in own},
            "points": {
                key: Counter((point.value, point.step, point.timestamp) for point in history)
                for key, history in histories.items()
            },
            "datasets": [each.dataset.digest for each in run.inputs.dataset_inputs],
            "models": [
                (model.name, model.status, model.params, model.model_type) for model in models
            ],
            "files": files_of(client, run_id),
        }
    return found


def outlast(
    outage: str, training: str, start: Any, proxy: Any, kept: FileStore, spool: Path
) -> None:
    """A training during an outage waits for nothing, and is on the server when that is over."""
    if outage == "gone":
        proxy.close()
    proxy.mode = OUTAGES[outage]
    program = start(proxy.uri, "-c", CONNECTIONS, *TRAININGS[training])
    out, err = program.communicate(timeout=100)
    ended = time.time()
    assert program.returncode == 0, err
    over, connected = out.split()
    assert connected == "0"
    # Three seconds at most, and what a loaded machine takes for the end of an interpreter.
    assert ended - float(over) < 6
    assert "'tracklet sync' sends the rest" in err
    ((root, _),) = spools()
    recorded = content_of(FileStore(root))
    assert [run["info"][0] for run in recorded.values()] == ["FINISHED"]
    proxy.mode = "pass"
    if outage == "gone":
        proxy.listen()
    proxy.drop()
    sync(start, proxy.uri, "--wait", "60")
    assert content_of(kept) == recorded
    stop_courier(spool)


@pytest.mark.parametrize(
    ("outage", "training"),
    [("hang", "loop"), ("503", "loop"), ("gone", "loop"), ("swallow", "fit")],
)
def test_a_training_waits_for_no_server_and_loses_and_doubles_nothing(
    outage: str, training: str, start: Any, proxy: Any, kept: FileStore, spool: Path
) -> None:
    outlast(outage, training, start, proxy, kept, spool)


@pytest.mark.exhaustive
@pytest.mark.parametrize("training", TRAININGS)
@pytest.mark.parametrize("outage", OUTAGES)
def test_a_training_outlasts_every_outage(
    outage: str, training: str, start: Any, proxy: Any, kept: FileStore, spool: Path
) -> None:
    """As slow as they come: nothing for a minute, and a byte a second."""
    proxy.patience, proxy.pause = 60.0, 1.0
    outlast(outage, training, start, proxy, kept, spool)


def comes_back(seconds: float, start: Any, proxy: Any, kept: FileStore, spool: Path) -> None:
    proxy.close()
    program = start(proxy.uri, "-c", TRAINING, "100")
    _, err = program.communicate(timeout=100)
    assert program.returncode == 0, err
    time.sleep(seconds)
    proxy.listen()
    until(lambda: bool(kept.search_runs(["0"], "status = 'FINISHED'")))
    assert steps(kept) == list(range(100))
    stop_courier(spool)


def test_a_server_that_comes_back_gets_what_it_missed(
    start: Any, proxy: Any, kept: FileStore, spool: Path
) -> None:
    """Nobody has to ask for it."""
    comes_back(0, start, proxy, kept, spool)


@pytest.mark.exhaustive
def test_a_server_that_comes_back_nearly_a_minute_later_gets_what_it_missed(
    start: Any, proxy: Any, kept: FileStore, spool: Path
) -> None:
    comes_back(50, start, proxy, kept, spool)


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


def kill_senders(
    rounds: int, points: int, start: Any, proxy: Any, kept: FileStore, spool: Path
) -> None:
    program = start(proxy.uri, "-c", TRAINING, str(points), shipping="off")
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
    assert steps(kept) == list(range(points))


def test_a_killed_training_is_sent_as_far_as_it_came(
    start: Callable[..., Any], proxy: Any, kept: FileStore, spool: Path
) -> None:
    kill_trainings(2, start, proxy, kept, spool)


def test_a_killed_sender_loses_and_doubles_nothing(
    start: Callable[..., Any], proxy: Any, kept: FileStore, spool: Path
) -> None:
    kill_senders(3, 8000, start, proxy, kept, spool)


@pytest.mark.exhaustive
def test_trainings_that_are_killed_a_hundred_times(
    start: Callable[..., Any], proxy: Any, kept: FileStore, spool: Path
) -> None:
    kill_trainings(100, start, proxy, kept, spool)


@pytest.mark.exhaustive
def test_senders_that_are_killed_a_hundred_times(
    start: Callable[..., Any], proxy: Any, kept: FileStore, spool: Path
) -> None:
    kill_senders(100, 30_000, start, proxy, kept, spool)
