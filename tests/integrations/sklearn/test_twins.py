"""Twin trainings, with and without autologging, in fresh processes, are the same to the bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys

SCRIPT = r"""
import hashlib, json, pickle, random, sys
import numpy as np
import cloudpickle

if sys.argv[1] == "watched":
    import tracklet
    tracklet.sklearn.autolog(silent=False)

from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC


class Mine(ClassifierMixin, BaseEstimator):
    '''An estimator of the user's that counts its calls and draws random numbers.'''
    calls = 0

    def __init__(self, noise=0.1):
        self.noise = noise

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.shift_ = random.gauss(0, self.noise) + np.random.normal()
        return self

    def predict(self, X):
        Mine.calls += 1
        return self.classes_[np.random.randint(0, len(self.classes_), len(X))]


def digest(value):
    return hashlib.sha256(value).hexdigest()


X, y = load_iris(return_X_y=True)
original = X.tobytes(), y.tobytes()
X.flags.writeable = y.flags.writeable = False
random.seed(7)
np.random.seed(7)
shared = np.random.RandomState(5)
cases = {
    "logistic": LogisticRegression(max_iter=200),
    "forest": RandomForestClassifier(n_estimators=5),
    "forest with the user's generator": RandomForestClassifier(n_estimators=3, random_state=shared),
    "kmeans": KMeans(3, n_init=2),
    "linear": LinearRegression(),
    "mlp": MLPRegressor(hidden_layer_sizes=(4,), max_iter=2000, solver="lbfgs"),
    "pca": PCA(2),
    "pipeline": make_pipeline(StandardScaler(), PCA(2), SVC()),
    "search": GridSearchCV(LogisticRegression(max_iter=200), {"C": [0.1, 1.0]}, cv=3),
    "threads": RandomForestClassifier(n_estimators=4, n_jobs=2, random_state=1),
    "mine": Mine(),
}
report = {}
for name, model in cases.items():
    fitted = model.fit(X, y)
    clock_free = {k: v for k, v in vars(model).items() if k not in ("cv_results_", "refit_time_")}
    ask = getattr(model, "predict", None) or model.transform
    report[name] = {
        "same object": fitted is model,
        "keys": sorted(vars(model)),
        "state": digest(pickle.dumps(clock_free)),
        "by value": digest(cloudpickle.dumps(clock_free)),
        "answer": digest(np.asarray(ask(X)).tobytes()),
        "random": digest(repr(random.getstate()).encode()),
        "numpy": digest(repr(np.random.get_state()).encode()),
        "shared": digest(repr(shared.get_state()).encode()),
        "next draws": [random.random(), float(np.random.random())],
    }
report["calls"] = Mine.calls
report["data"] = (X.tobytes(), y.tobytes()) == original
if sys.argv[1] == "watched":
    tracklet.autolog.flush()
    runs = tracklet.search_runs(output_format="list")
    runs = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    report["runs"] = {
        run.data.tags["estimator_name"]: [run.info.status, run.data.tags.get("tracklet.faults")]
        for run in runs
    }
    report["count"] = len(runs)
print(json.dumps(report))
"""


def outcome(mode, tracklet_home):
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "TRACKLET_STRICT": "1",
    }
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, mode],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tracklet_home,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout), finished.stderr


def test_twins_are_the_same_to_the_bit(tracklet_home):
    plain, plain_stderr = outcome("plain", tracklet_home)
    watched, watched_stderr = outcome("watched", tracklet_home)
    runs, count = watched.pop("runs"), watched.pop("count")
    assert watched == plain
    assert plain["data"] is True
    assert watched_stderr == plain_stderr
    assert count == 11
    assert set(map(tuple, runs.values())) == {("FINISHED", None)}
