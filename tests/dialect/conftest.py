"""Programs and the real libraries that they use, under `tracklet run` and under MLflow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture
def both(tmp_path: Path) -> Callable[[str], tuple[Path, Path]]:
    """Run a program under `tracklet run` and, in its own environment, under MLflow.

    Each has a working directory of its own with a store of folders in it, ``mlruns``; the two
    stores come back, ours first.
    """
    python = os.environ.get("TRACKLET_DIALECT_PYTHON")
    if not python:
        pytest.skip("TRACKLET_DIALECT_PYTHON names no interpreter with MLflow and the libraries")

    def run(program: str) -> tuple[Path, Path]:
        ways = {"ours": [sys.executable, "-m", "tracklet", "run"], "theirs": [python]}
        started = {name: start(tmp_path / name, way, program) for name, way in ways.items()}
        output = {name: each.communicate()[0] for name, each in started.items()}
        for name, each in started.items():
            assert each.returncode == 0, f"{name}:\n{output[name][-4000:]}"
        return tmp_path / "ours" / "mlruns", tmp_path / "theirs" / "mlruns"

    return run


def start(folder: Path, way: list[str], program: str) -> subprocess.Popen[str]:
    shutil.copytree(PROGRAMS, folder)
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.Popen(
        [*way, program],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **inherited,
            "MLFLOW_TRACKING_URI": str(folder / "mlruns"),
            "MLFLOW_ALLOW_FILE_STORE": "true",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "HF_HUB_OFFLINE": "1",
            "DO_NOT_TRACK": "1",
        },
    )
