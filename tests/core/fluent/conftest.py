"""Tests of verbs that go over both kinds of stores."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(params=["files", "sqlite"])
def either_store(
    request: pytest.FixtureRequest, tracklet_home: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The tracking URI of a record in files, and of one in a database."""
    uri = str(tracklet_home / "mlruns")
    if request.param == "sqlite":
        pytest.importorskip("sqlalchemy")
        uri = f"sqlite:///{tracklet_home}/record.db"
    monkeypatch.setenv("TRACKLET_TRACKING_URI", uri)
    return uri
