"""What the user's code calls is a training; what a library calls for itself is none."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import timeit
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from sklearn import cluster, covariance, decomposition, linear_model, manifold, neighbors, tree
from sklearn.datasets import load_iris
from sklearn.feature_selection import RFE, RFECV, SelectFromModel

import tracklet

X, Y = load_iris(return_X_y=True)
X, Y = X[::3], Y[::3]
QUICK = {
    "log_models": False,
    "log_plots": False,
    "log_html": False,
    "log_datasets": False,
    "training_metrics": "none",
}
LIBRARY = """
from sklearn.base import BaseEstimator
from sklearn.linear_model import Ridge

def helper(X, y):
    return Ridge().fit(X, y)

def by_name(X, y, method="fit"):
    return getattr(Ridge(), "fit")(X, y)

def run(work, *args):
    return work(*args)

class Sampler:
    def fit_resample(self, X, y):
        return run(helper, X, y)

class Own(BaseEstimator):
    def fit(self, X, y):
        self.inner_ = Ridge().fit(X, y)
        return self

class Mixed(Ridge):
    def fit_something(self, X, y):
        return self.fit(X, y)
"""


@pytest.fixture(autouse=True)
def on(tracklet_home, monkeypatch):
    monkeypatch.setenv("TRACKLET_STRICT", "1")
    tracklet.sklearn.autolog(**QUICK)
    yield
    tracklet.autolog(disable=True)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs a module among the libraries, from an index or from somewhere else."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))

    def install(name, source=LIBRARY, origin=None, installer="pip"):
        (folder / f"{name}.py").write_text(source)
        information = folder / f"{name}-1.0.dist-info"
        information.mkdir()
        (information / "RECORD").write_text(f"{name}.py,sha256=,1\n{name}-1.0.dist-info/RECORD,,\n")
        (information / "INSTALLER").write_text(installer + "\n")
        if origin is not None:
            (information / "direct_url.json").write_text(json.dumps({"url": "file:///x", **origin}))
        importlib.invalidate_caches()
        names.append(name)
        return importlib.import_module(name)

    names = []
    yield install
    for name in names:
        sys.modules.pop(name, None)


def names():
    runs = tracklet.search_runs(output_format="list", search_all_experiments=True)
    return sorted(run.data.tags["estimator_name"] for run in runs)


def test_what_scikit_learn_fits_for_itself_makes_no_run():
    neighbors.kneighbors_graph(X, 2)
    cluster.estimate_bandwidth(X)
    covariance.ledoit_wolf(X)
    manifold.locally_linear_embedding(X, n_neighbors=5, n_components=2)
    tree.DecisionTreeClassifier().cost_complexity_pruning_path(X, Y)
    decomposition.SparseCoder(np.eye(4), transform_algorithm="lasso_cd").transform(X)
    assert names() == []
    assert tracklet.last_active_run() is None


def test_what_another_library_fits_for_itself_makes_no_run(installed):
    library = installed("fitting_library")
    library.helper(X, Y)
    library.by_name(X, Y)
    library.Sampler().fit_resample(X, Y)
    library.run(library.helper, X, Y)
    assert names() == []


def test_what_the_user_calls_is_a_training_whoever_wrote_it(installed):
    library = installed("estimators_library")
    library.Own().fit(X, Y)
    library.Mixed().fit_something(X, Y)
    cluster.MeanShift(bandwidth=2).fit_predict(X)  # a mixin calls fit
    assert names() == ["MeanShift", "Mixed", "Own"]


def test_who_only_runs_what_the_user_gave_it_is_not_who_calls(installed):
    library = installed("running_library")
    ridge = linear_model.Ridge
    library.run(ridge().fit, X, Y)
    library.run(lambda: ridge().fit(X, Y))
    timeit.timeit(lambda: ridge().fit(X, Y), number=1)
    exec("model.fit(X, Y)", {"model": ridge(), "X": X, "Y": Y})
    with ThreadPoolExecutor(1) as pool:
        pool.submit(ridge().fit, X, Y).result()
    joblib.Parallel(2, backend="threading")([joblib.delayed(ridge().fit)(X, Y)])
    assert names() == ["Ridge"] * 6


@pytest.mark.parametrize(
    ("origin", "installer", "is_the_users"),
    [
        ({"dir_info": {}}, "pip", True),
        ({"vcs_info": {"vcs": "git"}}, "uv", True),
        ({"archive_info": {}}, "pip", False),  # a wheel that an index may have given
        ({"dir_info": {}}, "conda", False),  # conda's own workshop
    ],
)
def test_a_package_that_was_installed_from_a_project_is_the_users(
    installed, origin, installer, is_the_users
):
    name = f"project_{installer}_{next(iter(origin))}"
    installed(name, origin=origin, installer=installer).helper(X, Y)
    assert names() == ["Ridge"] * is_the_users


def test_a_package_that_switches_autologging_on_is_the_users(installed):
    source = f"import tracklet\n{LIBRARY}\ndef on(**options): tracklet.sklearn.autolog(**options)\n"
    package = installed("company_trainings", source)
    package.helper(X, Y)
    assert names() == []
    package.on(**QUICK)
    package.helper(X, Y)
    assert names() == ["Ridge"]


def test_the_program_that_runs_is_the_users_wherever_it_is_installed(tmp_path):
    program = tmp_path / "site-packages" / "program.py"
    program.parent.mkdir()
    program.write_text("from sklearn.linear_model import Ridge\nRidge().fit([[0], [1]], [0, 1])\n")
    code = "import runpy, tracklet; tracklet.sklearn.autolog(log_models=False, log_html=False)\n"
    code += "runpy.run_module('program', run_name='__main__')"
    environment = {**os.environ, "PYTHONPATH": str(program.parent)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert names() == ["Ridge"]


def test_selecting_features_by_a_model_that_predicts_is_a_training():
    ridge = linear_model.Ridge()
    RFE(ridge, n_features_to_select=1).fit(X, Y)
    RFECV(ridge, cv=2).fit(X, Y)
    SelectFromModel(ridge).fit(X, Y)
    assert names() == ["RFE", "RFECV"]
