"""The real MLflow, in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
from collections.abc import Callable
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
