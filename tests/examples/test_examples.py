"""The examples run as they stand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tracklet

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(script: Path, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, str(script)], cwd=folder, capture_output=True, text=True, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_models_are_composed_into_one_that_stands_alone(tracklet_home: Path) -> None:
    """The customer's lifetime value: two logged models, a third made of them, moved elsewhere."""
    pytest.importorskip("sklearn")
    import pandas as pd

    printed = run(EXAMPLES / "customer_lifetime_value" / "train.py", tracklet_home)
    assert "are worth" in printed
    version = tracklet.TrackletClient().get_model_version("customer-lifetime-value", "1")
    model = tracklet.get_logged_model(str(version.model_id))
    alone = tracklet_home / "elsewhere"
    Path(model.artifact_location).rename(alone)
    (tracklet_home / "mlruns").rename(tracklet_home / "gone")
    loaded = tracklet.pyfunc.load_model(alone, model_config={"margin": 0.5})
    row = pd.DataFrame({"age": [40.0], "orders_last_year": [6.0],
                        "returns_last_year": [0.0], "basket": [50.0]})  # fmt: skip
    half = loaded.predict(row)["lifetime_value"].item()
    quarter = tracklet.pyfunc.load_model(alone).predict(row)["lifetime_value"].item()
    assert half == pytest.approx(2 * quarter)
