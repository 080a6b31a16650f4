"""Twin trainings in fresh processes, with and without autologging, are the same to the bit."""

from __future__ import annotations

import pytest

SCRIPT = r"""
import hashlib, json, random, sys
import numpy as np

if sys.argv[1] != "plain":
    import tracklet
    tracklet.xgboost.autolog(log_checkpoints=True,
                             checkpoint_save_freq=2, log_input_examples=True)

import xgboost as xgb

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 4))
y = (X[:, 0] + X[:, 1] > 0).astype(int)
three = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
random.seed(7)
np.random.seed(7)


def digest(value):
    return hashlib.sha256(value).hexdigest()


def native(label=y, rounds=4, callbacks=None, **params):
    data = xgb.DMatrix(X, label=label)
    held = xgb.DMatrix(X[:40], label=label[:40])
    seen = {}
    booster = xgb.train({"nthread": 1, "seed": 5, **params}, data, rounds,
                        evals=[(data, "train"), (held, "held")], evals_result=seen,
                        verbose_eval=False, callbacks=callbacks)
    return booster, booster.predict(data), seen


def wrapper(kind, label=y, **options):
    fit = options.pop("fit", {})
    model = kind(n_estimators=4, n_jobs=1, random_state=5, **options)
    model.fit(X, label, eval_set=[(X[:40], label[:40])], verbose=False, **fit)
    return model.get_booster(), model.predict(X), [model.evals_result(), sorted(vars(model))]


def ranker():
    model = xgb.XGBRanker(n_estimators=3, n_jobs=1, random_state=5)
    model.fit(X, three, qid=np.arange(120) // 10)
    return model.get_booster(), model.predict(X), sorted(vars(model))


def noisy(predictions, data):
    return predictions - data.get_label() + 0.01 * np.random.normal(size=len(predictions)), \
        np.ones_like(predictions)


def continued():
    first = native(rounds=2)[0]
    data = xgb.DMatrix(X, label=y)
    second = xgb.train({"nthread": 1}, data, 3, xgb_model=first)
    return second, second.predict(data), {}


def of_batches():
    class Batches(xgb.DataIter):
        at = 0
        def next(self, input_data):
            if self.at == 2:
                return False
            rows = slice(60 * self.at, 60 * (self.at + 1))
            input_data(data=X[rows], label=y[rows])
            self.at += 1
            return True
        def reset(self):
            self.at = 0
    data = xgb.QuantileDMatrix(Batches())
    booster = xgb.train({"nthread": 1}, data, 3)
    return booster, booster.predict(xgb.DMatrix(X)), {}


def interval():
    data = xgb.DMatrix(X, label_lower_bound=X[:, 0] ** 2, label_upper_bound=X[:, 0] ** 2 + 1)
    params = {"objective": "survival:aft", "aft_loss_distribution": "normal", "nthread": 1}
    seen = {}
    booster = xgb.train(params, data, 3, evals=[(data, "train")], evals_result=seen,
                        verbose_eval=False)
    return booster, booster.predict(data), seen


def ranked(objective):
    data = xgb.DMatrix(X, label=three, group=[30] * 4)
    seen = {}
    booster = xgb.train({"objective": objective, "nthread": 1, "eval_metric": "ndcg@2"}, data, 3,
                        evals=[(data, "train")], evals_result=seen, verbose_eval=False)
    return booster, booster.predict(data), seen


def from_text(frame=None):
    import pandas as pd
    frame = pd.DataFrame(X, columns=list("abcd"))
    data = xgb.QuantileDMatrix(frame, label=y, max_bin=16)
    booster = xgb.train({"nthread": 1, "max_bin": 16}, data, 3, evals=[(data, "train")],
                        verbose_eval=False)
    return booster, booster.predict(xgb.DMatrix(frame)), booster.feature_names


def searched():
    from sklearn.model_selection import GridSearchCV
    search = GridSearchCV(xgb.XGBClassifier(n_estimators=2, n_jobs=1, random_state=3,
                                            subsample=0.7), {"max_depth": [1, 2]}, cv=2)
    search.fit(X, y)
    scores = search.cv_results_["mean_test_score"].tolist()
    return search.best_estimator_.get_booster(), search.predict(X), scores


def stepwise():
    data = xgb.DMatrix(X, label=y)
    booster = xgb.Booster({"nthread": 1}, [data])
    for step in range(3):
        booster.update(data, step)
    return booster, booster.predict(data), booster.num_boosted_rounds()


def own_objective():
    data = xgb.DMatrix(X, label=y)
    booster = xgb.train({"nthread": 1}, data, 3, obj=noisy)
    return booster, booster.predict(data), {}


cases = {}
for objective in ("reg:squarederror", "reg:logistic", "binary:logistic", "count:poisson"):
    for booster in ("gbtree", "dart"):
        cases[f"{objective} {booster}"] = lambda o=objective, b=booster: native(
            objective=o, booster=b, subsample=0.7, colsample_bytree=0.7)
cases |= {
    "linear": lambda: native(booster="gblinear", updater="coord_descent"),
    "dart with drops": lambda: native(booster="dart", rate_drop=0.5, one_drop=1),
    "forest": lambda: native(num_parallel_tree=3, subsample=0.5, rounds=2),
    "classes": lambda: native(label=three, objective="multi:softprob", num_class=3),
    "cox": lambda: native(label=np.where(y, 1.0, -1.0) * (X[:, 0] ** 2 + 0.1),
                          objective="survival:cox"),
    "intervals": interval,
    "pairs": lambda: ranked("rank:pairwise"),
    "ndcg": lambda: ranked("rank:ndcg"),
    "absolute": lambda: native(objective="reg:absoluteerror"),
    "quantile": lambda: native(objective="reg:quantileerror", quantile_alpha=0.7),
    "classes, linear": lambda: native(label=three, booster="gblinear", updater="coord_descent",
                                      objective="multi:softmax", num_class=3),
    "classes, dart": lambda: native(label=three, booster="dart", objective="multi:softprob",
                                    num_class=3, rate_drop=0.3),
    "quantile matrix": from_text,
    "search": searched,
    "step by step": stepwise,
    "ranker": lambda: ranker(),
    "exact": lambda: native(tree_method="exact"),
    "own objective with random numbers": own_objective,
    "rates": lambda: native(callbacks=[xgb.callback.LearningRateScheduler(lambda e: 1 / (e + 1))]),
    "stopped, best saved": lambda: native(rounds=30, eta=2.0, callbacks=[
        xgb.callback.EarlyStopping(rounds=2, save_best=True)]),
    "continued": continued,
    "batches": of_batches,
    "classifier": lambda: wrapper(xgb.XGBClassifier, three),
    "regressor": lambda: wrapper(xgb.XGBRegressor, subsample=0.6),
    "stopped regressor": lambda: wrapper(xgb.XGBRegressor, early_stopping_rounds=2),
    "forest classifier": lambda: wrapper(xgb.XGBRFClassifier),
}
report = {}

for name, train in cases.items():
    booster, answer, more = train()
    report[name] = {
        "model": digest(bytes(booster.save_raw("ubj"))),
        "attributes": booster.attributes(),
        "answer": digest(answer.tobytes()),
        "more": repr(more),
        "random": digest(repr(random.getstate()).encode()),
        "numpy": digest(repr(np.random.get_state()).encode()),
    }
table = xgb.cv({"nthread": 1, "objective": "binary:logistic"}, xgb.DMatrix(X, label=y), 3, nfold=3)
report["cv"] = table.to_json()

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
    """Over objectives, boosters and APIs: model, answers, random states, evaluation results."""
    twins(SCRIPT)
