"""The pytest plugin that comes with tracklet. Importing it loads nothing of tracklet's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def tracklet_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of the test's own for the record, its index and its configuration.

    Runs go to ``<folder>/mlruns``, for child processes too. All process state is forgotten before
    and after the test.
    """
    from tracklet.state import reset

    for name in ("EXPERIMENT_NAME", "EXPERIMENT_ID", "RUN_ID", "REGISTRY_URI"):
        monkeypatch.delenv(f"MLFLOW_{name}", raising=False)
        monkeypatch.delenv(f"TRACKLET_{name}", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("TRACKLET_TRACKING_URI", str(tmp_path / "mlruns"))
    monkeypatch.setenv("TRACKLET_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TRACKLET_CONFIG_DIR", str(tmp_path / "config"))
    reset()
    yield tmp_path
    reset()
