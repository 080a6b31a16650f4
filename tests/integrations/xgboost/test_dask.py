"""XGBoost on a local cluster of dask: one run, made where the training is asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

TRAINING = """
import json
import tracklet


def native(client, X, y):
    data = xgb.dask.DaskDMatrix(client, X, y)
    result = xgb.dask.train(
        client, {"objective": "binary:logistic"}, data, num_boost_round=3, evals=[(data, "train")]
    )
    return result["booster"], result["history"]["train"]["logloss"], "train"


def wrapper(client, X, y):
    model = xgb.dask.DaskXGBClassifier(n_estimators=3, early_stopping_rounds=2)
    model.client = client
    model.fit(X, y, eval_set=[(X, y)], verbose=False)
    return model.get_booster(), model.evals_result()["validation_0"]["logloss"], "validation_0"


def main():
    found = []
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster, Client(cluster) as client:
        for enabled in ("xgboost", "sklearn"):  # the second beside the first
            getattr(tracklet, enabled).autolog()
            for train in (native, wrapper):
                tracklet.set_experiment(f"{train.__name__} with {enabled}")
                found.append(recorded(client, train))
    print(json.dumps(found))


def recorded(client, train):
    X = da.random.random((200, 4), chunks=(100, 4))
    y = (X[:, 0] > 0.5).astype(int)
    booster, values, name = train(client, X, y)
    tracklet.autolog.flush()
    (run,) = tracklet.search_runs(output_format="list")
    id = run.info.run_id
    points = tracklet.TrackletClient().get_metric_history(id, f"{name}-logloss")
    loaded = tracklet.xgboost.load_model(f"runs:/{id}/model")
    scores = tracklet.artifacts.download_artifacts(
        run_id=id, artifact_path="feature_importance_weight.json"
    )
    return {
        "same": [point.value for point in points][:3] == [float(value) for value in values],
        "status": run.info.status,
        "by": run.data.tags["mlflow.autologging"],
        "rounds": run.data.params["num_boost_round"],
        "objective": run.data.params["objective"],
        "stopped": run.data.metrics.get("stopped_iteration"),
        "client": "client" in run.data.params,
        "importance": json.load(open(scores)) == booster.get_score(importance_type="weight"),
        "model": loaded.get_dump() == booster.get_dump(),
        "faults": run.data.tags.get("tracklet.faults"),
    }


if __name__ == "__main__":
    import dask.array as da
    import xgboost as xgb
    import xgboost.dask
    from dask.distributed import Client, LocalCluster

    main()
"""


def test_w44_dask_on_a_local_cluster_logs_once(tracklet_home):
    """By either of its interfaces, with XGBoost's integration alone, and beside scikit-learn's."""
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
        "by": "xgboost",
        "rounds": "3",
        "objective": "binary:logistic",
        "stopped": None,
        "client": False,
        "importance": True,
        "model": True,
        "faults": None,
    }
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == [expected, {**expected, "stopped": 2.0}] * 2
