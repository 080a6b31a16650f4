"""Twin trainings in fresh processes, with and without autologging, are the same to the bit."""

from __future__ import annotations

import pytest

SCRIPT = r"""
import hashlib, json, random, sys
import numpy as np

if sys.argv[1] != "plain":
    import tracklet
    tracklet.lightgbm.autolog(log_checkpoints=True, checkpoint_save_freq=2,
                              log_input_examples=True)

import lightgbm as lgb

rng = np.random.default_rng(0)
X = rng.normal(size=(240, 4))
y = (X[:, 0] + X[:, 1] > 0).astype(int)
three = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
random.seed(7)
np.random.seed(7)
BASE = {"num_threads": 1, "verbosity": -1, "seed": 5, "deterministic": True}


def digest(value):
    return hashlib.sha256(value).hexdigest()


def native(label=y, rounds=4, callbacks=(), group=None, **params):
    data = lgb.Dataset(X, label=label, group=group)
    held = lgb.Dataset(X[:80], label=label[:80], group=None if group is None else [40, 40],
                       reference=data)
    seen = {}
    callbacks = [lgb.record_evaluation(seen), *callbacks]
    booster = lgb.train({**BASE, **params}, data, rounds, valid_sets=[data, held],
                        callbacks=callbacks)
    return booster, booster.predict(X), [seen, [vars(each).get("order") for each in callbacks],
                                         booster.best_iteration, booster.best_score]


def wrapper(kind, label=y, **options):
    fit = options.pop("fit", {})
    model = kind(n_estimators=4, n_jobs=1, random_state=5, verbosity=-1, **options)
    model.fit(X, label, **fit)
    return model.booster_, model.predict(X), sorted(vars(model))


def noisy(predictions, data):
    return predictions - data.get_label() + 0.01 * np.random.normal(size=len(predictions)), \
        np.ones_like(predictions)


def continued():
    first = native(rounds=2)[0]
    second = lgb.train(BASE, lgb.Dataset(X, label=y), 3, init_model=first)
    return second, second.predict(X), second.current_iteration()


def of_subset():
    data = lgb.Dataset(X, label=y, params=BASE, free_raw_data=False)
    part = data.subset(list(range(0, 240, 2)))
    booster = lgb.train(BASE, part, 3, valid_sets=[part])
    return booster, booster.predict(X), booster.best_score


def of_frame():
    import pandas as pd
    frame = pd.DataFrame(X, columns=list("abcd")).assign(k=pd.Categorical(three))
    booster = lgb.train(BASE, lgb.Dataset(frame, label=y), 3)
    return booster, booster.predict(frame), booster.pandas_categorical


def searched():
    from sklearn.model_selection import GridSearchCV
    search = GridSearchCV(lgb.LGBMClassifier(n_estimators=2, n_jobs=1, random_state=3, verbosity=-1,
                                             subsample=0.7, subsample_freq=1),
                          {"num_leaves": [2, 4]}, cv=2)
    search.fit(X, y)
    scores = search.cv_results_["mean_test_score"].tolist()
    return search.best_estimator_.booster_, search.predict(X), scores


def stepwise():
    booster = lgb.Booster(BASE, lgb.Dataset(X, label=y))
    for _ in range(3):
        booster.update()
    return booster, booster.predict(X), booster.current_iteration()


def own_objective_wrapper():
    model = lgb.LGBMRegressor(n_estimators=3, n_jobs=1, verbosity=-1,
                              objective=lambda true, found: (found - true, np.ones_like(found)))
    model.fit(X, y)
    return model.booster_, model.predict(X), sorted(vars(model))


cases = {}
for objective in ("regression", "binary", "poisson", "quantile", "cross_entropy"):
    for boosting in ("gbdt", "dart"):
        cases[f"{objective} {boosting}"] = lambda o=objective, b=boosting: native(
            objective=o, boosting=b, bagging_freq=1, bagging_fraction=0.7, feature_fraction=0.7)
cases |= {
    "forest": lambda: native(boosting="rf", bagging_freq=1, bagging_fraction=0.6),
    "goss": lambda: native(data_sample_strategy="goss"),
    "classes": lambda: native(label=three, objective="multiclass", num_class=3),
    "classes, one against all": lambda: native(label=three, objective="multiclassova", num_class=3,
                                               boosting="dart"),
    "absolute": lambda: native(objective="regression_l1"),
    "pairs": lambda: native(label=three, objective="rank_xendcg", group=[40] * 6),
    "linear trees": lambda: native(linear_tree=True),
    "subset": of_subset,
    "frame with categories": of_frame,
    "search": searched,
    "step by step": stepwise,
    "own objective of a wrapper": own_objective_wrapper,
    "random forest classifier": lambda: wrapper(lgb.LGBMClassifier, boosting_type="rf",
                                                subsample=0.6, subsample_freq=1),
    "ranking": lambda: native(label=three, objective="lambdarank", group=[40] * 6),
    "own objective with random numbers": lambda: native(objective=noisy),
    "rates": lambda: native(callbacks=[lgb.reset_parameter(learning_rate=lambda i: 1 / (i + 1))]),
    "stopped": lambda: native(rounds=40, learning_rate=1.0,
                              callbacks=[lgb.early_stopping(2, verbose=False)]),
    "continued": continued,
    "classifier": lambda: wrapper(lgb.LGBMClassifier, three),
    "regressor": lambda: wrapper(lgb.LGBMRegressor, subsample=0.6, subsample_freq=1),
    "ranker": lambda: wrapper(lgb.LGBMRanker, three, fit={"group": [40] * 6}),
}
report = {}
for name, train in cases.items():
    booster, answer, more = train()
    report[name] = {
        "model": digest(booster.model_to_string().encode()),
        "answer": digest(answer.tobytes()),
        "more": repr(more),
        "random": digest(repr(random.getstate()).encode()),
        "numpy": digest(repr(np.random.get_state()).encode()),
    }
table = lgb.cv({**BASE, "objective": "binary"}, lgb.Dataset(X, label=y), 3, nfold=3)
report["cv"] = repr(table)

if sys.argv[1] == "watched":
    found = tracklet.search_runs(output_format="list", max_results=1000)
    # One each, one more where a model is continued, one for `cv`; two candidates; no `update`.
    assert len(found) == len(cases) + 3, len(found)
    faults = [tag for run in found if (tag := run.data.tags.get("tracklet.faults"))]
    assert faults == [], faults
print(json.dumps(report))
"""


@pytest.mark.slow
def test_twins_are_the_same_to_the_bit(twins):
    """Over objectives, boostings and APIs: model, answers, random states, evaluation results."""
    twins(SCRIPT)
