"""Autologging of Keras, with faults of its own raised."""

from __future__ import annotations

import os

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture
def on(tracklet_home, monkeypatch):
    """Autologging is on, and faults of its own are raised."""
    import tracklet

    monkeypatch.setenv("TRACKLET_STRICT", "1")
    tracklet.keras.autolog(log_models=False)
    yield
    tracklet.autolog(disable=True)
