"""XGBoost together with what drives it: dask and Optuna."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import xgboost as xgb

import tracklet

DASK = """
import json
import tracklet

tracklet.autolog()


def main():
    import dask.array as da
    import xgboost as xgb
    import xgboost.dask
    from dask.distributed import Client, LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster, Client(cluster) as client:
        X = da.random.random((200, 4), chunks=(100, 4))
        y = (X[:, 0] > 0.5).astype(int)
        data = xgb.dask.DaskDMatrix(client, X, y)
        result = xgb.dask.train(
            client, {"objective": "binary:logistic"}, data, num_boost_round=3,
            evals=[(data, "train")],
        )
    (run,) = tracklet.search_runs(output_format="list")
    points = tracklet.TrackletClient().get_metric_history(run.info.run_id, "train-logloss")
    loaded = tracklet.xgboost.load_model(f"runs:/{run.info.run_id}/model")
    history = [float(value) for value in result["history"]["train"]["logloss"]]
    print(json.dumps({
        "same": [point.value for point in points] == history,
        "status": run.info.status,
        "rounds": run.data.params["num_boost_round"],
        "objective": run.data.params["objective"],
        "client": "client" in run.data.params,
        "model": loaded.get_dump() == result["booster"].get_dump(),
        "faults": run.data.tags.get("tracklet.faults"),
    }))


if __name__ == "__main__":
    main()
"""


def test_dask_on_a_local_cluster_logs_once(tracklet_home):
    import json

    pytest.importorskip("dask.array")
    pytest.importorskip("distributed")
    (tracklet_home / "train.py").write_text(DASK)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "train.py"],
        cwd=tracklet_home,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "same": True,
        "status": "FINISHED",
        "rounds": "3",
        "objective": "binary:logistic",
        "client": False,
        "model": True,
        "faults": None,
    }


@pytest.mark.filterwarnings("ignore")
def test_optunas_pruning_and_ours_live_side_by_side(tracklet_home, monkeypatch):
    """A callback that prunes a trial by raising hides no round, and its trial is FAILED."""
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    monkeypatch.setenv("TRACKLET_STRICT", "1")
    tracklet.xgboost.autolog()
    rng = np.random.default_rng(0)
    data = xgb.DMatrix(rng.normal(size=(100, 3)), label=rng.integers(0, 2, 100))

    class Pruning(xgb.callback.TrainingCallback):
        """What Optuna's integration package does, for any of its versions."""

        def __init__(self, trial):
            super().__init__()
            self.trial = trial

        def after_iteration(self, model, epoch, evals_log):
            self.trial.report(evals_log["train"]["rmse"][-1], epoch)
            if self.trial.should_prune():
                raise optuna.TrialPruned
            return False

    def objective(trial):
        params = {"eta": trial.suggest_float("eta", 0.01, 0.5), "nthread": 1}
        result = {}
        callbacks = [Pruning(trial)]
        xgb.train(
            params,
            data,
            6,
            evals=[(data, "train")],
            evals_result=result,
            verbose_eval=False,
            callbacks=callbacks,
        )
        assert len(callbacks) == 1
        return result["train"]["rmse"][-1]

    study = optuna.create_study(
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=1),
    )
    try:
        study.optimize(objective, n_trials=6)
    finally:
        tracklet.autolog(disable=True)
    runs = tracklet.search_runs(output_format="list", order_by=["start_time"])
    assert len(runs) == 6
    states = [trial.state.name for trial in study.trials]
    assert "PRUNED" in states
    assert "COMPLETE" in states
    client = tracklet.TrackletClient()
    for run, trial in zip(
        sorted(runs, key=lambda run: run.data.params["eta"]),
        sorted(study.trials, key=lambda trial: str(trial.params["eta"])),
        strict=True,
    ):
        assert run.data.params["eta"] == str(trial.params["eta"])
        points = client.get_metric_history(run.info.run_id, "train-rmse")
        assert [point.value for point in points] == list(trial.intermediate_values.values())
        assert run.info.status == ("FAILED" if trial.state.name == "PRUNED" else "FINISHED")
