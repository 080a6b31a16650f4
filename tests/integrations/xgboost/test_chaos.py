"""Whatever fails of ours, of the disk or of the store, XGBoost trains the same."""

from __future__ import annotations

from typing import ClassVar

from tracklet_testing.integration.containment import ContainmentContract
from tracklet_testing.integration.storage import StorageContract
from tracklet_testing.integration.stores import StoresContract

DATA = """
import numpy as np
import xgboost

rng = np.random.RandomState(0)
X = rng.normal(size=(60, 3))
y = (X[:, 0] > 0).astype(int)
params = {"objective": "binary:logistic", "nthread": 1, "subsample": 0.7, "seed": 3, "max_depth": 2}
small = {"log_models": False, "importance_types": []}
# The default method makes its data by several threads, which costs ten times as much.
exact = {"subsample": 0.7, "tree_method": "exact"}


def learned(booster):
    return bytes(booster.save_raw("ubj")), booster.attributes()


def matrix(rows=slice(None)):
    return xgboost.DMatrix(X[rows], label=y[rows], nthread=1)

"""

FURTHER = {
    "early-stopping": """
options = small

def train():
    evals, seen = [(matrix(), "train"), (matrix(slice(30)), "valid")], {}
    booster = xgboost.train(params, evals[0][0], 5, evals=evals, evals_result=seen,
                            early_stopping_rounds=1, verbose_eval=False)
    return seen, *learned(booster)
""",
    "cross-validation": """
options = small

def train():
    return xgboost.cv(params, matrix(), 3, nfold=2, seed=1).to_dict()
""",
    "checkpoints": """
options = {**small, "log_checkpoints": True, "checkpoint_save_freq": 1, "checkpoint_keep_last": 1}

def train():
    return learned(xgboost.train(params, matrix(), 3))
""",
    "continued": """
options = small

def train():
    first = xgboost.train(params, matrix(), 2)
    return learned(xgboost.train(params, matrix(), 2, xgb_model=first))
""",
    "wrapper": """
options = small

def train():
    model = xgboost.XGBClassifier(n_estimators=2, n_jobs=1, random_state=1, **exact)
    model.fit(X, y, eval_set=[(X, y)], verbose=False)
    model.score(X, y)
    return model.evals_result(), sorted(vars(model)), *learned(model.get_booster())
""",
    "wrapper-in-a-search": """
from sklearn.model_selection import GridSearchCV

options = small

def train():
    model = xgboost.XGBRegressor(n_estimators=2, n_jobs=1, random_state=1, **exact)
    search = GridSearchCV(model, {"max_depth": [2]}, cv=2).fit(X, y)
    return search.best_params_, *learned(search.best_estimator_.get_booster())
""",
}


class _Scenarios:
    name = "xgboost"
    modules = ("xgboost",)
    targets = ()
    training = (
        DATA
        + """
def train():
    return learned(xgboost.train(params, matrix(), 2, evals=[(matrix(), "train")],
                                 verbose_eval=False))

def fail(error):
    class Raising(xgboost.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            raise error

    xgboost.train(params, matrix(), 3, callbacks=[Raising()])
"""
    )
    further: ClassVar = {name: DATA + source for name, source in FURTHER.items()}


class TestContainment(_Scenarios, ContainmentContract):
    """Every one of our steps may fail."""


class TestStorage(_Scenarios, StorageContract):
    """The record may be out of reach."""


class TestStores(_Scenarios, StoresContract):
    """The record may be a database."""
