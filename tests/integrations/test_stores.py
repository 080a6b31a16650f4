"""What a training leaves on the record is the same whichever store keeps it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tracklet

ROWS = np.random.default_rng(0).random((60, 3))
CLASSES = (ROWS[:, 0] > 0.5).astype(int)


def train_xgboost() -> None:
    xgboost = pytest.importorskip("xgboost")
    data = xgboost.DMatrix(ROWS, CLASSES)
    params = {"objective": "binary:logistic", "verbosity": 0}
    xgboost.train(params, data, 4, evals=[(data, "train")], verbose_eval=False)


def train_lightgbm() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    data = lightgbm.Dataset(ROWS, CLASSES)
    params = {"objective": "binary", "verbose": -1, "num_threads": 1}
    lightgbm.train(params, data, 4, valid_sets=[data], valid_names=["train"])


def train_sklearn() -> None:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(ROWS, CLASSES)
    model.score(ROWS, CLASSES)


def search_sklearn() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2).fit(ROWS, CLASSES)


def on_the_record() -> list[dict[str, Any]]:
    """All runs with their points and models, without what differs between any two trainings."""
    client = tracklet.TrackletClient()
    runs = client.search_runs(["0"], order_by=["attributes.start_time ASC"])
    models = client.search_logged_models(["0"])
    return sorted((described(client, run, models) for run in runs), key=repr)


def described(client: Any, run: Any, models: Any) -> dict[str, Any]:
    own = [model for model in models if model.source_run_id == run.info.run_id]
    return {
        "status": run.info.status,
        "params": run.data.params,
        "tags": sorted(key for key in run.data.tags if key != "mlflow.log-model.history"),
        "points": {
            key: [value_of(m) for m in client.get_metric_history(run.info.run_id, key)]
            for key in sorted(run.data.metrics)
        },
        "inputs": sorted(
            (given.dataset.name, given.dataset.digest) for given in run.inputs.dataset_inputs
        ),
        "outputs": len(run.outputs.model_outputs),
        "artifacts": sorted(file.path for file in client.list_artifacts(run.info.run_id)),
        "models": sorted(
            (
                model.name,
                str(model.status),
                sorted(model.params.items()),
                sorted((m.key, value_of(m), m.dataset_name or "") for m in model.metrics),
            )
            for model in own
        ),
    }


def value_of(point: Any) -> tuple[float, int]:
    return (0.0 if "time" in point.key else point.value, point.step)


@pytest.mark.parametrize("train", [train_xgboost, train_lightgbm, train_sklearn, search_sklearn])
def test_a_database_keeps_of_a_training_what_a_folder_keeps(
    train: Callable[[], None], tmp_path: Path
) -> None:
    """Each point once, the models with their metrics, the datasets and the artifacts."""
    found = []
    for store in (str(tmp_path / "folder"), f"sqlite:///{tmp_path / 'record.db'}"):
        tracklet.set_tracking_uri(store)
        tracklet.autolog(disable=False)
        try:
            train()
        finally:
            tracklet.autolog(disable=True)
        found.append(on_the_record())
    folder, database = found
    assert folder
    assert folder[0]["points"]
    assert database == folder
