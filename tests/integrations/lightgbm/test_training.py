"""What ``train`` and ``cv`` leave on the record."""

from __future__ import annotations

import inspect
import threading

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

import tracklet

pytestmark = pytest.mark.usefixtures("on")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
NOISY = np.where(RNG.random(300) < 0.3, 1 - Y, Y)
THREE = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
FRAME = pd.DataFrame(X, columns=["a", "b", "c", "d"])
PARAMS = {"objective": "binary", "num_threads": 1, "verbosity": -1, "num_leaves": 4}


def train(rounds=5, data=FRAME, label=Y, params=None, **options):
    matrix = lgb.Dataset(data, label=label)
    options.setdefault("valid_sets", [matrix])
    return lgb.train({**PARAMS, **(params or {})}, matrix, rounds, **options)


def test_s11_14_ranking_metrics_and_names_that_the_record_cannot_take(record):
    group = [30] * 10
    data = lgb.Dataset(X, label=THREE, group=group)
    params = {**PARAMS, "objective": "lambdarank", "metric": "ndcg", "eval_at": [1, 3]}
    lgb.train(params, data, 2, valid_sets=[data], valid_names=["train"])
    assert set(record.only().data.metrics) == {"train-ndcg_at_1", "train-ndcg_at_3"}


def test_metrics_of_the_same_name_are_told_apart(record):
    def mine(predictions, data):
        return [("same", 0.25, False), ("same", 0.75, False)]

    train(2, feval=mine, params={"metric": "None"})
    run = record.only()
    assert record.history(run, "training-same") == [(0, 0.25), (1, 0.25)]
    assert record.history(run, "training-same-2") == [(0, 0.75), (1, 0.75)]


def test_custom_objective(record):
    def squared(predictions, data):
        return predictions - data.get_label(), np.ones_like(predictions)

    train(3, params={"objective": squared, "metric": "l2"})
    run = record.only()
    assert "squared" in run.data.params["objective"]
    assert len(record.history(run, "training-l2")) == 3


@pytest.mark.parametrize("how", ["params", "callback"])
def test_s11_18_early_stopping_is_recorded_however_it_is_asked_for(record, how):
    data = lgb.Dataset(X[:150], label=NOISY[:150])
    held = lgb.Dataset(X[150:], label=NOISY[150:], reference=data)
    seen = {}
    callbacks = [lgb.record_evaluation(seen)]
    params = {**PARAMS, "learning_rate": 0.5}
    if how == "params":
        params["early_stopping_round"] = 3
    else:
        callbacks.append(lgb.early_stopping(3, verbose=False))
    booster = lgb.train(params, data, 80, [held], callbacks=callbacks)
    run = record.only()
    values = seen["valid_0"]["binary_logloss"]
    best = booster.best_iteration
    assert len(values) < 80
    assert run.data.metrics["best_iteration"] == best
    assert run.data.metrics["stopped_iteration"] == len(values)
    points = record.history(run, "valid_0-binary_logloss")
    assert points == [*enumerate(values), (len(values), values[best - 1])]
    assert {m.key: m.value for m in record.logged(run).metrics} == run.data.metrics


def test_w3_continued_training_with_early_stopping_goes_on_counting(record):
    first = train(4)
    train(
        6,
        init_model=first,
        callbacks=[lgb.early_stopping(3, verbose=False)],
        valid_sets=[lgb.Dataset(X[:50], label=Y[:50])],
    )
    second, one = record.runs()
    assert [step for step, _ in record.history(one, "training-binary_logloss")] == [0, 1, 2, 3]
    steps = [step for step, _ in record.history(second, "valid_0-binary_logloss")]
    assert steps == [4, 5, 6, 7, 8, 9, 10]
    assert second.data.metrics["best_iteration"] == 10
    assert second.data.metrics["stopped_iteration"] == 10
    assert "tracklet.faults" not in second.data.tags


@pytest.mark.parametrize("given", [None, [], "list", "tuple"])
def test_w11_r32_the_users_callbacks_are_left_as_they_are(record, given):
    order = []

    def one(env):
        order.append("one")

    def two(env):
        order.append("two")

    callbacks = [one, two] if given in ("list", "tuple") else given
    callbacks = tuple(callbacks) if given == "tuple" else callbacks
    before = None if callbacks is None else list(callbacks)
    train(2, callbacks=callbacks)
    assert (None if callbacks is None else list(callbacks)) == before
    assert order == (["one", "two"] * 2 if before else [])
    assert record.only().data.metrics
    if before:  # what LightGBM itself writes on a callback is what it writes without us
        assert [vars(each) for each in before] == [{"order": -2}, {"order": -1}]


def test_callbacks_given_by_position_are_kept_too(record):
    seen = {}
    names = list(inspect.signature(lgb.train).parameters)
    data = lgb.Dataset(X, label=Y)
    values = {
        "params": PARAMS,
        "train_set": data,
        "num_boost_round": 2,
        "valid_sets": [data],
        "callbacks": [lgb.record_evaluation(seen)],
    }
    defaults = {n: p.default for n, p in inspect.signature(lgb.train).parameters.items()}
    lgb.train(*(values.get(name, defaults[name]) for name in names))
    assert len(record.history(record.only(), "training-binary_logloss")) == 2
    assert len(seen["training"]["binary_logloss"]) == 2


def test_w44_cross_validation_is_one_run_with_mean_and_deviation(record):
    result = lgb.cv(PARAMS, lgb.Dataset(X, label=Y), 4, nfold=3, seed=1)
    run = record.only()
    assert run.data.params["nfold"] == "3"
    for fact in ("mean", "stdv"):
        points = record.history(run, f"valid-binary_logloss-{fact}")
        assert [value for _, value in points] == list(result[f"valid binary_logloss-{fact}"])
    assert [i.dataset.name for i in run.inputs.dataset_inputs] == ["dataset"]


@pytest.mark.parametrize(
    ("params", "label"),
    [
        ({"boosting": "dart", "drop_rate": 0.5}, Y),
        ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}, Y),
        ({"boosting": "goss"}, Y),
        ({"objective": "multiclass", "num_class": 3}, THREE),
        ({"objective": "poisson"}, Y),
        ({"objective": "quantile", "alpha": 0.9}, X[:, 0]),
        ({"objective": "regression_l1"}, X[:, 0]),
    ],
)
def test_every_kind_of_boosting_and_objective(record, params, label):
    booster = train(3, params=params, label=label)
    run = record.only()
    assert run.data.metrics
    loaded = tracklet.lightgbm.load_model(f"runs:/{run.info.run_id}/model")
    np.testing.assert_array_equal(loaded.predict(X), booster.predict(X))


def test_w9_w12_an_interrupted_training_keeps_its_rounds_and_leaves_no_model(record):
    def stop(env):
        if env.iteration == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(20, callbacks=[stop])
    run = record.only()
    assert run.info.status == "KILLED"
    assert len(record.history(run, "training-binary_logloss")) == 7
    assert len(tracklet.search_logged_models(output_format="list")) == 0


def test_trainings_in_threads_have_runs_of_their_own(record):
    def work(leaves):
        train(10, params={"num_leaves": leaves})

    threads = [threading.Thread(target=work, args=(leaves,)) for leaves in (2, 3, 4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    found = record.runs()
    assert sorted(run.data.params["num_leaves"] for run in found) == ["2", "3", "4"]
    assert all(len(record.history(run, "training-binary_logloss")) == 10 for run in found)


def test_w13_trainings_in_one_run_are_told_apart(record):
    with tracklet.start_run():
        train(4)
        train(3, params={"num_leaves": 3})
    tracklet.autolog.flush()
    run = record.only()
    points = record.history(run, "training-binary_logloss")
    assert [step for step, _ in points] == [0, 1, 2, 3, 4, 5, 6]
    assert run.data.params["fit_2.num_leaves"] == "3"
    assert {"feature_importance_gain.json", "fit_2"} <= record.files(run)
