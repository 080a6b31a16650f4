"""A record as people make it, and the application over it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tracklet

ROC = {
    "data": [
        {"type": "scatter", "mode": "lines", "name": "xgb", "x": [0, 0.2, 1], "y": [0, 0.8, 1]},
        {"type": "scatter", "mode": "lines", "name": "mlp", "x": [0, 0.4, 1], "y": [0, 0.7, 1]},
        {
            "type": "scatter",
            "mode": "lines",
            "name": "chance",
            "x": [0, 1],
            "y": [0, 1],
            "line": {"dash": "dash", "color": "grey"},
        },
    ],
    "layout": {"title": {"text": "ROC curve"}, "xaxis": {"title": {"text": "false positives"}}},
}
NOTE = "# Why\n\nA **first** try.\n\n<script>window.__pwned = 1</script> [x](javascript:alert(1))"
HOSTILE = "<img src=x onerror='window.__pwned=1'><script>window.__pwned=1</script>"


@pytest.fixture(scope="session")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs that differ, one of them in the trash, and names that test a page."""
    import os

    root = tmp_path_factory.mktemp("ui") / "mlruns"
    os.environ.setdefault("TRACKLET_CACHE_DIR", str(root.parent / "cache"))
    client = tracklet.TrackletClient(str(root))
    experiment = client.create_experiment("我的首个ML项目")
    for i, name in enumerate(("baseline", "brave-otter-7", HOSTILE)):
        run_id = client.create_run(experiment, 1_000_000 + i * 1000, run_name=name).info.run_id
        client.log_batch(
            run_id,
            params={"lr": 0.01 * (i + 1), "model": ("xgb", "mlp", "xgb")[i], "same": "x"},
            tags={"team": HOSTILE, "mlflow.note.content": NOTE},
        )
        for step in range(50):
            client.log_metric(run_id, "val/auc", 0.5 + i * 0.1 + step / 1000, step=step)
        client.log_metric(run_id, "odd", (math.nan, math.inf, 1.0)[i])
        client.log_dict(run_id, ROC, "figures/roc.json")
        client.log_text(run_id, 'a,b\n1,x\n2,"y, z"\n', "表/#?% table.csv")
        client.log_text(run_id, HOSTILE, "page.html")
        client.set_terminated(run_id, "FINISHED", 2_000_000)
    gone = client.create_run(experiment, run_name="thrown away").info.run_id
    client.set_terminated(gone)
    client.delete_run(gone)
    return root


@pytest.fixture
def place(record: Path) -> Iterator[Any]:
    """The record, opened for a UI."""
    from tracklet_services.ui.place import Place

    opened = Place(str(record))
    yield opened
    opened.close()
