"""Every estimator of scikit-learn that fits on small data, with and without autologging.

Two processes go through all of them, one watched and one not; alone, and some of them, or in the
session ``exhaustive`` all, also at the end of a pipeline, and inside of a search in two worker
processes. Everything that can be seen must be the same.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SCRIPT = r"""
import hashlib, json, pickle, random, sys, warnings
import numpy as np
warnings.simplefilter("ignore")
watched = sys.argv[1] == "watched"
if watched:
    import tracklet
    tracklet.sklearn.autolog(silent=False, log_plots="plots" in sys.argv, max_tuning_runs=1)

from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import all_estimators
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier

X, y = load_iris(return_X_y=True)
X, y = np.abs(X[::3]), y[::3]
before = X.tobytes(), y.tobytes()


def instance(cls):
    import inspect
    given = {}
    for name in inspect.signature(cls.__init__).parameters:
        if name in ("estimator", "base_estimator"):
            given[name] = DecisionTreeClassifier(max_depth=2)
        elif name in ("estimators",):
            given[name] = [("a", DecisionTreeClassifier(max_depth=1)), ("b", LogisticRegression())]
        elif name == "transformer_list":
            given[name] = [("a", MinMaxScaler())]
        elif name == "transformers":
            given[name] = [("a", MinMaxScaler(), [0, 1])]
        elif name == "steps":
            given[name] = [("a", MinMaxScaler()), ("b", Ridge())]
        elif name == "param_grid":
            given[name] = {"max_depth": [1, 2]}
        elif name == "param_distributions":
            given[name] = {"max_depth": [1, 2]}
        elif name == "dictionary":
            given[name] = np.eye(4)
        elif name == "n_estimators":
            given[name] = 3
        elif name == "max_iter":
            given[name] = 20
        elif name == "n_components":
            given[name] = 2
        elif name == "cv":
            given[name] = 2
        elif name == "n_init":
            given[name] = 1
        elif name == "n_iter":
            given[name] = 2
    try:
        return cls(**given)
    except Exception:
        return cls()


def digest(value):
    return hashlib.sha256(value).hexdigest()[:16]


TIMES = ("refit_time_", "cv_results_", "mean_fit_time")


def state(value, depth=0):
    # Everything fitted, byte by byte, without the clock.
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            return [state(each, depth + 1) for each in value.ravel().tolist()]
        return [str(value.dtype), value.shape, digest(np.ascontiguousarray(value).tobytes())]
    if isinstance(value, dict):
        return {repr(k): state(v, depth + 1) for k, v in value.items() if "time" not in str(k)}
    if isinstance(value, (list, tuple)):
        return [state(each, depth + 1) for each in value]
    if hasattr(value, "__dict__") and depth < 12 and type(value).__module__.startswith("sklearn"):
        kept = {k: v for k, v in vars(value).items() if k not in TIMES}
        return [type(value).__qualname__, sorted(vars(value)), state(kept, depth + 1)]
    if hasattr(value, "toarray"):
        return state(value.toarray(), depth + 1)
    if isinstance(value, (bool, int, float, str, bytes, type(None), complex)):
        return repr(value)
    if isinstance(value, np.generic):
        return repr(value)
    return type(value).__qualname__


def state_keys(model):
    # A search keeps how long it took, so its pickle differs from one process to the next.
    inner = [step for _, step in model.steps] if hasattr(model, "steps") else []
    return [sorted(vars(each)) for each in (model, *inner) if hasattr(each, "__dict__")]


def outcome(model, features, labels):
    random.seed(1)
    np.random.seed(1)
    try:
        fitted = model.fit(features, labels)
    except BaseException as error:
        return ["raises", type(error).__name__, str(error)[:200], random.random(),
                float(np.random.random())]
    draws = [random.random(), float(np.random.random())]
    found = [fitted is model, draws, sorted(vars(model)), state(model)]
    has_clock = "refit_time_" in repr(state_keys(model))
    if not has_clock:
        try:
            found.append(digest(pickle.dumps(model)))
        except Exception as error:
            found.append(type(error).__name__)
    for method in ("predict", "predict_proba", "transform"):
        if hasattr(model, method):
            try:
                found.append([method, state(getattr(model, method)(features))])
            except Exception as error:
                found.append([method, type(error).__name__])
    return found


report = {}
every = int(sys.argv[2])
for number, (name, cls) in enumerate(all_estimators()):
    model = instance(cls)
    report[name] = outcome(model, X, y)
    if report[name][0] == "raises" or number % every:
        continue
    if any(hasattr(cls, each) for each in ("predict", "transform")):
        pipeline = make_pipeline(MinMaxScaler(), clone(model))
        report[name + " in a pipeline"] = outcome(pipeline, X, y)

import joblib
with joblib.parallel_config("loky", n_jobs=2):
    for name, cls in all_estimators(type_filter=["classifier", "regressor"])[::every]:
        if report[name][0] == "raises" or "CV" in name:
            continue
        search = GridSearchCV(instance(cls), [{}], cv=2, error_score=0.0)
        # A worker's global random state is its own, in every process another.
        seeds = [each for each in search.get_params() if each.endswith("random_state")]
        search.set_params(**dict.fromkeys(seeds, 0))
        report[name + " in a search"] = outcome(search, X, y)
report["data"] = (X.tobytes(), y.tobytes()) == before
extra = {}
if watched:
    tracklet.autolog.flush()
    runs = tracklet.search_runs(output_format="list")
    extra["runs"] = len(runs)
    extra["faults"] = {
        run.data.tags.get("estimator_name", "?"): run.data.tags["tracklet.faults"]
        for run in runs if "tracklet.faults" in run.data.tags
    }
    extra["statuses"] = sorted({run.info.status for run in runs})
print(json.dumps([report, extra]))
"""


def outcome(tracklet_home, *arguments):
    finished = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONHASHSEED": "0",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        },
        cwd=tracklet_home,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
    return json.loads(finished.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("every", "trainings", "runs"),
    [(6, 200, 200), pytest.param(1, 300, 150, marks=pytest.mark.exhaustive)],
)
def test_a1_every_estimator_trains_the_same_to_the_bit(tracklet_home, every, trainings, runs):
    plain, _ = outcome(tracklet_home, "plain", str(every))
    watched, extra = outcome(tracklet_home, "watched", str(every))
    assert watched.keys() == plain.keys()
    different = [name for name in plain if watched[name] != plain[name]]
    assert different == []
    assert plain["data"] is True
    assert extra["runs"] > runs
    assert extra["faults"] == {}
    fitted = sum(each[0] is True for each in plain.values() if isinstance(each, list))
    assert fitted > trainings
