"""The real MLflow, in an environment of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

# MLflow takes seconds to import: one process does, and runs each script in a child of its own.
PARENT = """
import json, os, sys, warnings
warnings.simplefilter("ignore")
import mlflow, pandas
for line in sys.stdin:
    script, arguments, folder, outcome = json.loads(line)
    child = os.fork()
    if child == 0:
        output = os.open(outcome, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for taken, stream in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(taken, stream)
        os.chdir(folder)
        sys.argv[1:] = arguments
        exec(compile(script, "<script>", "exec"), {"__name__": "__main__"})
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

PREAMBLE = """
import json, sys, warnings
warnings.simplefilter("ignore")
import mlflow
from mlflow import MlflowClient

def answer(value):
    with open(sys.argv[1], "w") as file:
        json.dump(value, file)

store, arguments = sys.argv[2], sys.argv[3:]
mlflow.set_tracking_uri(store)
client = MlflowClient()
"""


def _interpreter(variable: str, what: str) -> str:
    python = os.environ.get(variable)
    if not python:
        pytest.skip(f"{variable} names no interpreter with {what}")
    return python


@pytest.fixture(scope="session")
def mlflow_process() -> Iterator[subprocess.Popen[str]]:
    """MLflow, imported, in a process that waits for scripts to run."""
    yield from _waiting(_interpreter("TRACKLET_MLFLOW_PYTHON", "MLflow"))


@pytest.fixture(scope="session")
def old_mlflow_process() -> Iterator[subprocess.Popen[str]]:
    """A 2.x release of MLflow's, as well."""
    yield from _waiting(_interpreter("TRACKLET_OLD_MLFLOW_PYTHON", "MLflow 2"))


def _waiting(python: str) -> Iterator[subprocess.Popen[str]]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TRACKLET_")}
    told = {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with subprocess.Popen(
        [python, "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**inherited, **told},
    ) as process:
        yield process
        assert process.stdin
        process.stdin.close()


@pytest.fixture
def in_mlflow(mlflow_process: subprocess.Popen[str], tracklet_home: Path) -> Callable[..., Any]:
    """Run a script in MLflow's environment, on the test's store; what it answers comes back.

    The script finds ``mlflow``, ``client``, ``store``, ``arguments`` and ``answer(value)``.
    """
    return _runner(mlflow_process, tracklet_home)


@pytest.fixture
def in_old_mlflow(
    old_mlflow_process: subprocess.Popen[str], tracklet_home: Path
) -> Callable[..., Any]:
    """The same with MLflow 2."""
    return _runner(old_mlflow_process, tracklet_home)


def _runner(mlflow_process: subprocess.Popen[str], tracklet_home: Path) -> Callable[..., Any]:
    def run(script: str, *arguments: str) -> Any:
        reply, outcome = tracklet_home / "reply.json", tracklet_home / "output.txt"
        reply.unlink(missing_ok=True)
        taken = [str(reply), str(tracklet_home / "mlruns"), *arguments]
        task = [PREAMBLE + textwrap.dedent(script), taken, str(tracklet_home), str(outcome)]
        assert mlflow_process.stdin
        assert mlflow_process.stdout
        print(json.dumps(task), file=mlflow_process.stdin, flush=True)
        code = mlflow_process.stdout.readline().strip()
        assert code == "0", outcome.read_text()[-4000:]
        return json.loads(reply.read_text()) if reply.exists() else None

    return run


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The place of a real MLflow server over SQLite, which passes artifacts on."""
    python = _interpreter("TRACKLET_MLFLOW_PYTHON", "MLflow")
    folder = tmp_path_factory.mktemp("mlflow-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [python, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    places = ["--backend-store-uri", f"sqlite:///{folder}/ml.db"]
    places += ["--artifacts-destination", str(folder / "artifacts")]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TRACKLET_")}
    environment |= {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    uri = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command + places, stdout=log, stderr=log, env=environment, start_new_session=True
        )
    try:
        until = time.monotonic() + 60
        while True:
            with suppress(OSError), urllib.request.urlopen(f"{uri}/health", timeout=1):
                break
            assert server.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until
            time.sleep(0.1)
        yield uri
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)


@pytest.fixture(params=["files", "sqlite"])
def server(request: pytest.FixtureRequest, tracklet_home: Path) -> Iterator[str]:
    """The address of a server of ours in a process of its own."""
    store = "mlruns" if request.param == "files" else "sqlite:///record.db"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["tracklet", "server", "--port", str(port), "--backend-store-uri", store]
    process = subprocess.Popen([sys.executable, "-m", *command], cwd=tracklet_home)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
                    assert answer.read() == b"OK"
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(30)
