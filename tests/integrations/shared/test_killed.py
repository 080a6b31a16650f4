"""Trainings that go on from the script's own file after kill -9: one value per round or call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tracklet

HEAD = """
import os, signal, sys
import numpy as np
import tracklet

left = int(os.environ.get("KILLED_AT", "-1"))
rng = np.random.default_rng(0)
X = rng.normal(size=(120, 4))
Y = (X[:, 0] + 0.5 * rng.normal(size=120) > 0).astype(int)

def tick(save, done):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    if done % 3 == 0:
        save("new.model")
        os.replace("new.model", "last.model")
    if done % 4 == 0:
        tracklet.log_metric("seen", done, step=done // 4)
"""

XGBOOST = """
import xgboost as xgb

class Tick(xgb.callback.TrainingCallback):
    def after_iteration(self, model, epoch, evals_log):
        tick(lambda path: model.save_model(path + ".ubj") or os.replace(path + ".ubj", path),
             model.num_boosted_rounds())
        return False

tracklet.xgboost.autolog(log_models=False)
data = xgb.DMatrix(X, Y)
with tracklet.start_run():
    start = None
    if os.path.exists("last.model"):
        os.replace("last.model", "last.ubj")
        start = "last.ubj" if sys.argv[1] == "path" else xgb.Booster(model_file="last.ubj")
    done = xgb.Booster(model_file="last.ubj").num_boosted_rounds() if start is not None else 0
    params = {"objective": "binary:logistic", "nthread": 1, "max_depth": 2}
    xgb.train(params, data, 12 - done, evals=[(data, "train")], xgb_model=start,
              callbacks=[Tick()], verbose_eval=False)
"""

LIGHTGBM = """
import lightgbm as lgb

def saved(env):
    tick(lambda path: env.model.save_model(path, num_iteration=-1), env.iteration + 1)

tracklet.lightgbm.autolog(log_models=False)
data = lgb.Dataset(X, Y)
with tracklet.start_run():
    start = None
    if os.path.exists("last.model"):
        start = "last.model" if sys.argv[1] == "path" else lgb.Booster(model_file="last.model")
    done = lgb.Booster(model_file="last.model").current_iteration() if start is not None else 0
    params = {"objective": "binary", "num_threads": 1, "num_leaves": 4, "verbosity": -1}
    lgb.train(params, data, 12 - done, valid_sets=[data], init_model=start, callbacks=[saved])
"""

SKLEARN = """
import pickle
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier

tracklet.sklearn.autolog(log_models=False, log_datasets=False)
kinds = {"SGDClassifier": lambda: SGDClassifier(random_state=0), "GaussianNB": GaussianNB,
         "MLPClassifier": lambda: MLPClassifier((3,), random_state=0)}
with tracklet.start_run():
    done, model = 0, kinds[sys.argv[1]]()
    if os.path.exists("last.model"):
        with open("last.model", "rb") as file:
            done, model = pickle.load(file)
    for part in range(done, 12):
        rows = slice(part * 10, part * 10 + 10)
        model.partial_fit(X[rows], Y[rows], classes=[0, 1])
        def save(path):
            with open(path, "wb") as file:
                pickle.dump((part + 1, model), file)
        tick(save, part + 1)
"""


def run(folder: Path, given: str, killed_at: int | None) -> int:
    """Run the script in a folder, and kill it after so many rounds."""
    environment = {**os.environ, "TRACKLET_TRACKING_URI": str(folder / "mlruns")}
    if killed_at is not None:
        environment["KILLED_AT"] = str(killed_at)
    command = [sys.executable, "-m", "tracklet", "run", "--resume", "script.py", given]
    return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


def series(folder: Path) -> tuple[Any, dict[str, list[tuple[int, float]]]]:
    client = tracklet.MlflowClient(str(folder / "mlruns"))
    (found,) = client.search_runs(["0"])
    histories = {
        key: [(each.step, each.value) for each in client.get_metric_history(found.info.run_id, key)]
        for key in found.data.metrics
        if not key.startswith("system/")
    }
    return found, histories


_MORE = pytest.mark.exhaustive


@pytest.mark.parametrize(
    ("library", "script", "given", "kills"),
    [
        ("xgboost", XGBOOST, "path", 1),
        ("lightgbm", LIGHTGBM, "path", 1),
        ("sklearn", SKLEARN, "SGDClassifier", 1),
        pytest.param("xgboost", XGBOOST, "booster", 2, marks=_MORE),
        pytest.param("sklearn", SKLEARN, "GaussianNB", 2, marks=_MORE),
        pytest.param("sklearn", SKLEARN, "MLPClassifier", 2, marks=_MORE),
    ],
    ids=lambda each: each if isinstance(each, str) and len(each) < 20 else "",
)
def test_a_killed_training_goes_on_from_the_scripts_own_file(
    library: str, script: str, given: str, kills: int, tmp_path: Path
) -> None:
    """Killed in round 5, and again 5 after it has gone on from 3: as a run without a stop."""
    pytest.importorskip(library)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
        (folder / "script.py").write_text(HEAD + script)
    assert run(whole, given, None) == 0
    for _ in range(kills):
        assert run(killed, given, 5) == -9
    assert run(killed, given, None) == 0
    _, expected = series(whole)
    found, histories = series(killed)
    assert found.info.status == "FINISHED"
    steps = {key: [step for step, _ in points] for key, points in histories.items()}
    assert steps == {key: [step for step, _ in points] for key, points in expected.items()}
    assert sorted(len(each) for each in steps.values())[-1] == 12
    if library != "lightgbm":  # which makes other trees where it goes on, by its own account
        assert histories == expected
    attempts = json.loads(found.data.tags["tracklet.attempts"])
    assert [each.get("status") for each in attempts] == ["KILLED"] * kills + [None]
    assert [each["from_step"] for each in attempts[1:]] == [2, 5][:kills]
    assert all(each["superseded"] for each in attempts[1:])
    if given == "path":
        assert all(Path(each["from"]).stem == "last" for each in attempts[1:])
