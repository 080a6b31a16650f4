"""What the tests of this integration share."""

from __future__ import annotations

import pytest

import tracklet


@pytest.fixture
def on(tracklet_home, monkeypatch):
    """Autologging of studies is on, and faults of its own are raised."""
    monkeypatch.setenv("TRACKLET_STRICT", "1")
    tracklet.optuna.autolog()
    yield
    tracklet.autolog(disable=True)
