"""Whatever fails of ours, of the disk or of the store, scikit-learn trains the same."""

from __future__ import annotations

from typing import ClassVar

from tracklet_testing.integration.containment import ContainmentContract
from tracklet_testing.integration.storage import StorageContract
from tracklet_testing.integration.stores import StoresContract

DATA = """
import warnings

import numpy as np

rng = np.random.RandomState(0)
X = rng.normal(size=(60, 3))
y = (X[:, 0] + 0.1 * rng.normal(size=60) > 0).astype(int)
small = {"log_models": False, "log_plots": False, "log_html": False}


def learned(model):
    return model.predict(X).tobytes(), sorted(vars(model))

"""

FURTHER = {
    "grid-search": """
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

options = {**small, "max_tuning_runs": 1}

def train():
    tree = DecisionTreeClassifier(random_state=1)
    search = GridSearchCV(tree, {"max_depth": [1, 2]}, cv=2, n_jobs=1).fit(X, y)
    return search.best_params_, search.cv_results_["mean_test_score"].tobytes(), *learned(search)
""",
    "randomized-search": """
from sklearn.model_selection import RandomizedSearchCV
from sklearn.tree import DecisionTreeRegressor

options = {**small, "max_tuning_runs": 1}

def train():
    tree = DecisionTreeRegressor(random_state=1)
    given = {"max_depth": [1, 2, 3], "min_samples_leaf": range(1, 9)}
    search = RandomizedSearchCV(tree, given, n_iter=2, cv=2).fit(X, y)
    return search.best_params_, *learned(search)
""",
    "pipeline-in-a-search": """
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

options = {**small, "max_tuning_runs": 1}

def train():
    pipeline = make_pipeline(StandardScaler(), Ridge())
    return learned(GridSearchCV(pipeline, {"ridge__alpha": [2]}, cv=2).fit(X, y))
""",
    "cross-validation": """
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score

options = small

def train():
    scores = cross_val_score(Ridge(), X, y, cv=3)
    return scores.tobytes(), *learned(Ridge(alpha=scores.mean() ** 2).fit(X, y))
""",
    "partial-fit": """
from sklearn.linear_model import SGDClassifier

options = small

def train():
    model = SGDClassifier()
    for start in range(0, 60, 20):
        model.partial_fit(X[start : start + 20], y[start : start + 20], classes=[0, 1])
    return model.coef_.tobytes(), *learned(model)
""",
    "warm-start": """
from sklearn.ensemble import GradientBoostingRegressor

options = small

def train():
    model = GradientBoostingRegressor(n_estimators=2, warm_start=True, subsample=0.8)
    model.fit(X, y)
    model.set_params(n_estimators=4).fit(X, y)
    return model.train_score_.tobytes(), *learned(model)
""",
    "kept-history": """
from sklearn.neural_network import MLPClassifier

options = small

def train():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MLPClassifier((4,), max_iter=5, early_stopping=True).fit(X, y)
    return model.loss_curve_, model.validation_scores_, *learned(model)
""",
    "live": """
from sklearn.linear_model import LogisticRegression

options = {**small, "iteration_metrics": "live"}

def train():
    model = LogisticRegression(tol=0.05).fit(X, y)
    return model.coef_.tobytes(), *learned(model)
""",
    "post-training": """
from sklearn import metrics
from sklearn.tree import DecisionTreeClassifier

options = small

def train():
    model = DecisionTreeClassifier(max_depth=2).fit(X, y)
    predicted = model.predict(X)
    f1 = metrics.f1_score(y, predicted)
    half = metrics.accuracy_score(y[:30], model.predict(X[:30]))
    scorer = metrics.get_scorer("roc_auc")
    return f1, half, model.score(X, y), scorer(model, X, y), *learned(model)
""",
}


class _Scenarios:
    name = "sklearn"
    modules = ("sklearn",)
    targets = ()
    training = (
        DATA
        + """
from sklearn.cluster import KMeans

options = small

def train():
    model = KMeans(2, n_init=1, random_state=0).fit(X)
    return model.cluster_centers_.tobytes(), *learned(model)

def fail(error):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    def raising(X):
        raise error

    make_pipeline(FunctionTransformer(raising), KMeans(2)).fit([[0.0], [1.0]])
"""
    )
    further: ClassVar = {name: DATA + source for name, source in FURTHER.items()}


class TestContainment(_Scenarios, ContainmentContract):
    """Every one of our steps may fail."""


class TestStorage(_Scenarios, StorageContract):
    """The record may be out of reach."""


class TestStores(_Scenarios, StoresContract):
    """The record may be a database."""
