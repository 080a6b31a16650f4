"""Ctrl-C may strike at any moment, also in our own code: it arrives, and nothing is half done."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("interrupted_fits.py")


@pytest.mark.parametrize(
    ("library", "how", "count"),
    [
        ("sklearn", "steps", 40),
        ("sklearn", "timer", 20),  # a signal at times crashes LightGBM, and XGBoost loses it
        ("xgboost", "steps", 40),
        ("lightgbm", "steps", 40),
        pytest.param("sklearn", "steps", 100, marks=pytest.mark.exhaustive),
        pytest.param("sklearn", "timer", 40, marks=pytest.mark.exhaustive),
        pytest.param("xgboost", "steps", 100, marks=pytest.mark.exhaustive),
        pytest.param("lightgbm", "steps", 100, marks=pytest.mark.exhaustive),
    ],
)
def test_r28_an_interrupt_at_any_step_arrives_and_leaves_nothing_half_done(
    library, how, count, tracklet_home
):
    """Afterwards no run is active or RUNNING, no lock is held, and the next fit is recorded."""
    finished = subprocess.run(
        [sys.executable, str(SCRIPT), library, how, str(count), "0"],
        capture_output=True,
        text=True,
        cwd=tracklet_home,
        timeout=500,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    found = json.loads(finished.stdout)
    assert found["faults"] == []
    # The place may not be passed again, and the fit may be over before the signal.
    assert found["struck"] > count / 5
