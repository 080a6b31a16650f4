"""What the tests of this integration share."""

from __future__ import annotations

import pytest

import tracklet


@pytest.fixture
def on(tracklet_home, monkeypatch):
    """Autologging is on, and faults of its own are raised."""
    monkeypatch.setenv("TRACKLET_STRICT", "1")
    tracklet.xgboost.autolog()
    yield
    tracklet.autolog(disable=True)
