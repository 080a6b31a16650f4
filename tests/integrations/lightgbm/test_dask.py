"""LightGBM on a local cluster of dask: one run, made where the training is asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

TRAINING = """
import json
import tracklet


def main():
    found = []
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster, Client(cluster) as client:
        for enabled in ("lightgbm", "sklearn"):  # the second beside the first
            getattr(tracklet, enabled).autolog()
            tracklet.set_experiment(enabled)
            found.append(recorded(client))
    print(json.dumps(found))


def recorded(client):
    X = da.random.random((200, 4), chunks=(100, 4))
    y = (X[:, 0] > 0.5).astype(int)
    model = DaskLGBMClassifier(n_estimators=3, client=client, verbosity=-1)
    model.fit(X, y, eval_set=[(X, y)], eval_names=["held"])
    model.predict(X).compute()
    tracklet.autolog.flush()
    (run,) = tracklet.search_runs(output_format="list")
    id = run.info.run_id
    points = tracklet.TrackletClient().get_metric_history(id, "held-binary_logloss")
    loaded = tracklet.lightgbm.load_model(f"runs:/{id}/model")
    files = [each.path for each in tracklet.artifacts.list_artifacts(run_id=id)]
    return {
        "same": [point.value for point in points] == model.evals_result_["held"]["binary_logloss"],
        "status": run.info.status,
        "by": run.data.tags["mlflow.autologging"],
        "rounds": run.data.params["n_estimators"],
        "objective": run.data.params["objective"],
        "client": "client" in run.data.params,
        "importance": "feature_importance_gain.json" in files,
        "kind": type(loaded).__name__,
        "model": loaded.booster_.model_to_string() == model.booster_.model_to_string(),
        "faults": run.data.tags.get("tracklet.faults"),
    }


if __name__ == "__main__":
    import dask.array as da
    from dask.distributed import Client, LocalCluster
    from lightgbm.dask import DaskLGBMClassifier

    main()
"""


def test_w44_dask_on_a_local_cluster_logs_once(tracklet_home):
    """With LightGBM's integration alone, and beside scikit-learn's."""
    pytest.importorskip("dask.array")
    pytest.importorskip("distributed")
    (tracklet_home / "train.py").write_text(TRAINING)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "train.py"],
        cwd=tracklet_home,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    expected = {
        "same": True,
        "status": "FINISHED",
        "by": "lightgbm",
        "rounds": "3",
        "objective": "binary",
        "client": False,
        "importance": True,
        "kind": "LGBMClassifier",
        "model": True,
        "faults": None,
    }
    assert json.loads(done.stdout.splitlines()[-1]) == [expected] * 2
