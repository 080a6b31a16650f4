"""The real MLflow, in an environment of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

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


@pytest.fixture
def in_mlflow(tracklet_home: Path) -> Callable[..., Any]:
    """Run a script in MLflow's environment, on the test's store; what it answers comes back.

    The script finds ``mlflow``, ``client``, ``store``, ``arguments`` and ``answer(value)``.
    """
    python = os.environ.get("TRACKLET_MLFLOW_PYTHON")
    if not python:
        pytest.skip("TRACKLET_MLFLOW_PYTHON names no interpreter with MLflow")

    def run(script: str, *arguments: str) -> Any:
        reply = tracklet_home / "reply.json"
        reply.unlink(missing_ok=True)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("TRACKLET_")}
        done = subprocess.run(
            [
                str(python),
                "-c",
                PREAMBLE + textwrap.dedent(script),
                str(reply),
                str(tracklet_home / "mlruns"),
                *arguments,
            ],
            capture_output=True,
            text=True,
            cwd=tracklet_home,
            env={
                **inherited,
                "MLFLOW_ALLOW_FILE_STORE": "true",
                "MLFLOW_DISABLE_TELEMETRY": "true",
            },
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(reply.read_text()) if reply.exists() else None

    return run


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The place of a real MLflow server over SQLite, which passes artifacts on."""
    python = os.environ.get("TRACKLET_MLFLOW_PYTHON")
    if not python:
        pytest.skip("TRACKLET_MLFLOW_PYTHON names no interpreter with MLflow")
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
