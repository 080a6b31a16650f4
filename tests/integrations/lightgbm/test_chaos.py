"""Whatever fails of ours, of the disk or of the store, LightGBM trains the same."""

from __future__ import annotations

from typing import ClassVar

from tracklet_testing.integration.containment import ContainmentContract
from tracklet_testing.integration.storage import StorageContract
from tracklet_testing.integration.stores import StoresContract

DATA = """
import inspect

import lightgbm
import numpy as np

rng = np.random.RandomState(0)
X = rng.normal(size=(80, 3))
y = (X[:, 0] > 0).astype(int)
params = {"objective": "binary", "num_threads": 1, "verbosity": -1, "seed": 3, "num_leaves": 4,
          "bagging_freq": 1, "bagging_fraction": 0.7}
small = {"log_models": False}


def learned(booster):
    return booster.model_to_string(num_iteration=-1), booster.best_iteration


def dataset(reference=None):
    rows = slice(None) if reference is None else slice(40)
    return lightgbm.Dataset(X[rows], label=y[rows], reference=reference, free_raw_data=False)

"""

FURTHER = {
    "early-stopping": """
options = small

def train():
    data, seen = dataset(), {}
    callbacks = [lightgbm.record_evaluation(seen), lightgbm.early_stopping(1, verbose=False)]
    booster = lightgbm.train(params, data, 5, valid_sets=[data, dataset(data)],
                             valid_names=["train", "valid"], callbacks=callbacks)
    return seen, *learned(booster)
""",
    "cross-validation": """
options = small

def train():
    return lightgbm.cv(params, dataset(), 3, nfold=2, seed=1)
""",
    "checkpoints": """
options = {**small, "log_checkpoints": True, "checkpoint_save_freq": 1, "checkpoint_keep_last": 1}

def train():
    return learned(lightgbm.train(params, dataset(), 3))
""",
    "continued": """
options = small

def train():
    first = lightgbm.train(params, dataset(), 2)
    return learned(lightgbm.train(params, dataset(), 2, init_model=first))
""",
    "wrapper": """
options = small

def train():
    model = lightgbm.LGBMClassifier(n_estimators=3, n_jobs=1, verbosity=-1, random_state=1,
                                    subsample=0.7, subsample_freq=1)
    newer = "eval_X" in inspect.signature(model.fit).parameters
    model.fit(X, y, **({"eval_X": (X,), "eval_y": (y,)} if newer else {"eval_set": [(X, y)]}))
    model.score(X, y)
    return model.evals_result_, sorted(vars(model)), *learned(model.booster_)
""",
    "wrapper-in-a-search": """
from sklearn.model_selection import GridSearchCV

options = small

def train():
    model = lightgbm.LGBMRegressor(n_estimators=2, n_jobs=1, verbosity=-1, random_state=1)
    search = GridSearchCV(model, {"num_leaves": [3]}, cv=2).fit(X, y)
    return search.best_params_, *learned(search.best_estimator_.booster_)
""",
}


class _Scenarios:
    name = "lightgbm"
    modules = ("lightgbm",)
    targets = ()
    training = (
        DATA
        + """
def train():
    return learned(lightgbm.train(params, dataset(), 2, valid_sets=[dataset()]))

def fail(error):
    def raising(env):
        raise error

    lightgbm.train(params, dataset(), 3, callbacks=[raising])
"""
    )
    further: ClassVar = {name: DATA + source for name, source in FURTHER.items()}


class TestContainment(_Scenarios, ContainmentContract):
    """Every one of our steps may fail."""


class TestStorage(_Scenarios, StorageContract):
    """The record may be out of reach."""


class TestStores(_Scenarios, StoresContract):
    """The record may be a database."""
