"""What the tests of this integration share."""

from __future__ import annotations

import pytest

import tracklet


@pytest.fixture
def on(tracklet_home, monkeypatch, tmp_path):
    """Autologging is on, and faults of its own are raised; CatBoost writes into another folder."""
    monkeypatch.setenv("TRACKLET_STRICT", "1")
    monkeypatch.chdir(tmp_path)
    tracklet.catboost.autolog()
    yield
    tracklet.autolog(disable=True)
