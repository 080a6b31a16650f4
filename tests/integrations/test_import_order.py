"""It does not matter whether a script imports what it trains with above or below `autolog()`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tracklet

pytest.importorskip("sklearn")
pytest.importorskip("xgboost")
pytest.importorskip("lightgbm")

IMPORTS = """\
from lightgbm import Dataset, train as train_trees
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import cross_val_score
from xgboost import DMatrix, train
"""
SWITCH = """\
import warnings
import tracklet
warnings.simplefilter("ignore")
tracklet.autolog(log_models=False)
"""
TRAININGS = """\
import numpy as np
X = np.random.default_rng(0).normal(size=(60, 3))
y = (X[:, 0] > 0).astype(int)
train({"max_depth": 2, "nthread": 1}, DMatrix(X, y), num_boost_round=2)
train_trees({"verbose": -1, "num_threads": 1}, Dataset(X, y), num_boost_round=2)
model = LogisticRegression().fit(X, y)
accuracy_score(y, model.predict(X))
cross_val_score(LogisticRegression(), X, y, cv=2)
"""


def record_of(script: str, folder: Path) -> list[dict[str, Any]]:
    """What a script leaves on the record, but for ids and times."""
    folder.mkdir()
    (folder / "script.py").write_text(script)
    tracklet.set_tracking_uri(folder / "mlruns")
    subprocess.run([sys.executable, "script.py"], cwd=folder, check=True)
    client = tracklet.TrackletClient()
    runs = tracklet.search_runs(output_format="list", order_by=["start_time ASC"])
    return [
        {
            "params": run.data.params,
            "metrics": run.data.metrics,
            "tags": sorted(run.data.tags),
            "artifacts": sorted(file.path for file in client.list_artifacts(run.info.run_id)),
            "datasets": [each.dataset.digest for each in run.inputs.dataset_inputs],
        }
        for run in runs
    ]


def test_imports_above_autologging_leave_the_record_of_imports_below(
    tracklet_home: Path,
) -> None:
    above = record_of(IMPORTS + SWITCH + TRAININGS, tracklet_home / "above")
    below = record_of(SWITCH + IMPORTS + TRAININGS, tracklet_home / "below")
    assert len(above) == 3
    assert above == below
    assert any(name.startswith("accuracy_score") for run in above for name in run["metrics"])
