"""The pytest plugin that comes with tracklet. Importing it loads nothing of tracklet's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let whoever runs tests choose what keeps their record."""
    parser.addoption(
        "--tracklet-store",
        choices=("files", "sqlite"),
        default="files",
        help="what keeps the record of tests that use tracklet_home",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Name the mark of the contracts' longer runs, which ``-m "not exhaustive"`` leaves out."""
    config.addinivalue_line(
        "markers", "exhaustive: a longer run of a case that another test holds too"
    )


@pytest.fixture
def tracklet_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> Iterator[Path]:
    """A folder of the test's own for the record, its index and its configuration.

    Runs go to ``<folder>/mlruns``, or with ``--tracklet-store=sqlite`` to ``<folder>/record.db``,
    for child processes too. All process state is forgotten before and after the test.
    """
    from tracklet.state import reset

    for name in ("EXPERIMENT_NAME", "EXPERIMENT_ID", "RUN_ID", "REGISTRY_URI"):
        monkeypatch.delenv(f"MLFLOW_{name}", raising=False)
        monkeypatch.delenv(f"TRACKLET_{name}", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = str(tmp_path / "mlruns")
    if pytestconfig.getoption("--tracklet-store") == "sqlite":
        store = f"sqlite:///{tmp_path}/record.db"
    monkeypatch.setenv("TRACKLET_TRACKING_URI", store)
    monkeypatch.setenv("TRACKLET_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TRACKLET_CONFIG_DIR", str(tmp_path / "config"))
    # Runs of some seconds keep their code; a test's would do so on slow machines only.
    monkeypatch.setenv("TRACKLET_CAPTURE_CODE", "false")
    reset()
    yield tmp_path
    reset()
