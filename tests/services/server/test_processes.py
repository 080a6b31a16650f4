"""Servers and clients in processes: many that log at once, and a server that is killed."""

from __future__ import annotations

import random
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="the extra `server` is not installed")

CLIENT = """
import http.client, json, socket, sys, time

place, run_id, count = sys.argv[1], sys.argv[2], int(sys.argv[3])

class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(place)

def post(verb, **body):
    connection.request("POST", "/api/2.0/mlflow/" + verb, json.dumps(body),
                       {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    assert answer.status == 200, content
    return json.loads(content)

connection = Unix("localhost")
if run_id == "new":
    run_id = post("runs/create", experiment_id="0", start_time=1)["run"]["info"]["run_id"]
    post("runs/log-batch", run_id=run_id, params=[{"key": "p", "value": run_id}],
         metrics=[{"key": "b", "value": step, "timestamp": 1, "step": step} for step in range(50)])
print(run_id, flush=True)
for step in range(count):
    try:
        post("runs/log-metric", run_id=run_id, key="a", value=step, timestamp=step, step=step)
    except (OSError, http.client.HTTPException):
        connection.close()  # not sent again: it may be there
        time.sleep(0.01)
    else:
        print(step, flush=True)
if len(sys.argv) > 4:
    post("runs/update", run_id=run_id, status="FINISHED", end_time=2)
"""


def start_server(record: str, folder: Path, place: str, *options: str) -> subprocess.Popen[bytes]:
    command = ["tracklet", "server", "--backend-store-uri", record, "--uds", place, *options]
    output = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, "-m", *command], cwd=folder, stdout=output)


def wait_for(place: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while True:
        with closing(socket.socket(socket.AF_UNIX)) as asked:
            try:
                asked.connect(place)
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.02)
            else:
                return


@pytest.mark.parametrize(("options", "mode"), [((), 0o600), (("--auth-file", "u.db"), 0o660)])
def test_a_socket_is_the_owner_s_or_the_group_s(
    options: tuple[str, ...], mode: int, folder: Path
) -> None:
    """The group's where the server knows its users; only a place that nobody has is taken."""
    place = folder / "s"
    process = start_server(str(folder / "mlruns"), folder, str(place), *options)
    wait_for(str(place), process)
    assert stat.S_IMODE(place.stat().st_mode) == mode
    again = start_server(str(folder / "mlruns"), folder, str(place), *options)
    assert again.wait(120) != 0
    process.terminate()
    process.wait(120)
    third = start_server(str(folder / "mlruns"), folder, str(place), *options)
    wait_for(str(place), third)
    third.kill()
    third.wait()


def test_a_server_needs_no_place_for_webhooks(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its user has no home that can be written to, it serves all else."""
    (folder / "home").write_text("no folder")
    monkeypatch.setenv("TRACKLET_CONFIG_DIR", str(folder / "home" / "config"))
    process = start_server(str(folder / "mlruns"), folder, str(folder / "s"))
    wait_for(str(folder / "s"), process)
    client = start_client(str(folder / "s"), "new", "1")
    _, problems = client.communicate(timeout=120)
    assert client.returncode == 0, problems
    process.terminate()
    process.wait(120)


@pytest.mark.parametrize("option", ["--webhooks-file", "--auth-file"])
def test_a_file_that_cannot_be_written_is_named(folder: Path, option: str) -> None:
    (folder / "none").write_text("no folder")
    command = ["tracklet", "server", "--backend-store-uri", "mlruns", option, "none/kept.db"]
    ran = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode != 0
    assert "none/kept.db cannot be written" in ran.stderr
    assert "Traceback" not in ran.stderr


def start_client(place: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-S", "-c", CLIENT, place, *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)


@pytest.fixture
def folder(tracklet_home: Path) -> Iterator[Path]:
    """A folder whose path is short enough for a socket's."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as made:
        yield Path(made)


@pytest.fixture(
    params=["files", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]
)
def record(request: pytest.FixtureRequest, folder: Path) -> str:
    """The URI of an empty record."""
    if request.param == "postgresql":
        return request.getfixturevalue("fresh_database")
    return str(folder / "mlruns") if request.param == "files" else f"sqlite:///{folder}/record.db"


def opened(record: str) -> Any:
    from tracklet.stores import open_store

    return open_store(record)


def log_at_once(record: str, folder: Path, count: int, points: int) -> None:
    """Clients log through two servers, which come first to an empty record at the same time."""
    places = [tempfile.mktemp(prefix="s", dir=folder) for _ in range(2)]
    servers = [start_server(record, folder, place) for place in places]
    try:
        for place, server in zip(places, servers, strict=True):
            wait_for(place, server)
        clients = [
            start_client(places[number % 2], "new", str(points), "end") for number in range(count)
        ]
        said = [client.communicate(timeout=300) for client in clients]
        assert [client.returncode for client in clients] == [0] * count, said
    finally:
        for server in servers:
            server.terminate()
        ends = [server.wait(60) for server in servers]
    assert set(ends) <= {0, -15}
    store = opened(record)
    runs = store.search_runs(["0"], max_results=1000)
    assert len(runs) == count
    for run in runs:
        run_id = run.info.run_id
        assert run.info.status == "FINISHED"
        assert run.data.params == {"p": run_id}
        for key, expected in (("a", points), ("b", 50)):
            history = store.get_metric_history(run_id, key)
            assert [point.step for point in history] == list(range(expected))


def test_eight_clients_log_at_once(record: str, folder: Path) -> None:
    log_at_once(record, folder, 8, 20)


@pytest.mark.exhaustive
def test_sixty_four_clients_log_at_once(record: str, folder: Path) -> None:
    log_at_once(record, folder, 64, 100)


def kill_servers(record: str, folder: Path, rounds: int) -> None:
    """What a client was told is stored is there, once, however often the server was killed."""
    store = opened(record)
    run_id = store.create_run("0", start_time=1).info.run_id
    chance = random.Random(rounds)
    told: Counter[int] = Counter()
    place = str(folder / "s")
    client = start_client(place, run_id, "100000000")
    assert client.stdout is not None
    assert client.stdout.readline().strip() == run_id
    for _ in range(rounds):
        server = start_server(record, folder, place)
        wait_for(place, server)
        for _ in range(chance.randrange(1, 60)):
            told[int(client.stdout.readline())] += 1
        time.sleep(chance.random() / 200)
        server.kill()
        server.wait()
        Path(place).unlink(missing_ok=True)
    client.kill()
    rest, _ = client.communicate()
    told.update(int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n"))
    stored = Counter(point.step for point in store.get_metric_history(run_id, "a"))
    assert told
    assert not told - stored
    assert max(stored.values()) == 1


def test_a_killed_server_has_kept_what_it_said(record: str, folder: Path) -> None:
    kill_servers(record, folder, 2)


@pytest.mark.exhaustive
def test_servers_that_are_killed_a_hundred_times(record: str, folder: Path) -> None:
    kill_servers(record, folder, 100)
