"""What we record of a fit has MLflow's names and values."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

MLFLOW_PYTHON = os.environ.get("TRACKLET_MLFLOW_PYTHON", "")

SCRIPT = """
import json, sys, warnings
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

if sys.argv[1] == "mlflow":
    import mlflow
    from mlflow import MlflowClient
else:
    import tracklet as mlflow
    from tracklet import MlflowClient
mlflow.set_tracking_uri(sys.argv[2])
mlflow.sklearn.autolog(
    log_models=False, log_datasets=False, silent=True, max_tuning_runs=3,
    log_post_training_metrics=False,
)
weights = np.linspace(1, 2, 569)
cases = {
    "binary": lambda: RandomForestClassifier(5, random_state=0).fit(
        *load_breast_cancer(return_X_y=True), sample_weight=weights),
    "multiclass": lambda: RandomForestClassifier(n_estimators=5, random_state=0).fit(
        *load_iris(return_X_y=True)),
    "regression": lambda: LinearRegression().fit(*load_diabetes(return_X_y=True)),
    "pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(
        *load_iris(return_X_y=True)),
    "search": lambda: GridSearchCV(
        LogisticRegression(max_iter=500), {"C": [0.1, 1.0, 0.01, 3.0]}, cv=3).fit(
        *load_iris(return_X_y=True)),
    "clusters": lambda: KMeans(3, n_init=1, random_state=0).fit(load_iris().data),
}
found = {}
for name, fit in cases.items():
    fit()
    run = mlflow.last_active_run()
    tags = {k: v for k, v in run.data.tags.items() if not k.startswith(("mlflow.", "tracklet."))}
    tags["mlflow.autologging"] = run.data.tags["mlflow.autologging"]
    found[name] = [run.info.status, run.data.params, run.data.metrics, tags]
    children = MlflowClient().search_runs(
        [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
    found[name].append(sorted((
        [child.info.status, child.data.params,
         {k: v for k, v in child.data.metrics.items() if "time" not in k},
         sorted(child.data.metrics),
         {k: v for k, v in child.data.tags.items() if not k.startswith(("mlflow.", "tracklet."))}]
        for child in children), key=lambda child: child[1]['C']))
print(json.dumps(found))
"""


def recorded(python, library, folder):
    environment = {
        **os.environ,
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    finished = subprocess.run(
        [python, "-W", "ignore", "-c", SCRIPT, library, str(folder)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder.parent,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
    return json.loads(finished.stdout.splitlines()[-1])


def reference(home):
    """What MLflow records; on a slow machine it was seen to mark its own search FAILED."""
    for attempt in range(3):
        found = recorded(MLFLOW_PYTHON, "mlflow", home / f"theirs-{attempt}")
        if all(status == "FINISHED" for status, *_ in found.values()):
            break
    return found


@pytest.mark.interop
@pytest.mark.skipif(not MLFLOW_PYTHON, reason="TRACKLET_MLFLOW_PYTHON is not set")
def test_params_metrics_and_tags_of_fits_are_mlflows(tracklet_home):
    ours = recorded(sys.executable, "tracklet", tracklet_home / "ours")
    theirs = reference(tracklet_home)
    assert ours.keys() == theirs.keys()
    for name, (status, params, metrics, tags, children) in theirs.items():
        assert ours[name][0] == status, name
        assert ours[name][1] == params, name
        more = set(ours[name][2]) - set(metrics)
        assert more <= {"n_iter", "inertia"}, name
        same = {key: value for key, value in ours[name][2].items() if key not in more}
        assert same == pytest.approx(metrics, rel=1e-9), name
        assert ours[name][3] == tags, name
        assert len(children) == (3 if name == "search" else 0)
        for child, theirs_child in zip(ours[name][4], children, strict=True):
            assert child[:2] == theirs_child[:2], name
            assert child[2] == pytest.approx(theirs_child[2], rel=1e-9), name
            assert child[3:] == theirs_child[3:], name
