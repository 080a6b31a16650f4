"""What ``train`` and ``cv`` leave on the record."""

from __future__ import annotations

import inspect
import json
import threading

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb

import tracklet
from tracklet.errors import ResourceDoesNotExist

pytestmark = pytest.mark.usefixtures("on")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
NOISY = np.where(RNG.random(200) < 0.3, 1 - Y, Y)
THREE = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
FRAME = pd.DataFrame(X, columns=["a", "b", "c", "d"])
# Older versions keep callbacks in a set, so that their order is anyone's.
ORDERED = "set(callbacks)" not in inspect.getsource(xgb.callback.CallbackContainer)
PARAMS = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1}


def train(rounds=5, data=FRAME, label=Y, **options):
    matrix = xgb.DMatrix(data, label=label)
    options.setdefault("evals", [(matrix, "train")])
    return xgb.train(
        {**PARAMS, **options.pop("params", {})}, matrix, rounds, verbose_eval=False, **options
    )


def test_every_importance_that_is_asked_for(record):
    kinds = ["weight", "gain", "total_cover"]
    tracklet.xgboost.autolog(importance_types=kinds)
    booster = train()
    run = record.only()
    for kind in kinds:
        file = record.artifact(run, f"feature_importance_{kind}.json")
        assert json.loads(file.read_text()) == booster.get_score(importance_type=kind)
        assert record.artifact(run, f"feature_importance_{kind}.png").stat().st_size > 100


@pytest.mark.filterwarnings("ignore")  # XGBoost warns of a tree's parameters
def test_importance_by_class_and_none_at_all(record):
    tracklet.xgboost.autolog(importance_types=["weight", "gain"])
    params = {"booster": "gblinear", "objective": "multi:softprob", "num_class": 3}
    booster = train(label=THREE, params=params)
    run = record.only()
    scores = json.loads(record.artifact(run, "feature_importance_weight.json").read_text())
    assert scores == booster.get_score(importance_type="weight")
    assert len(scores["a"]) == 3
    assert not any(
        each.path.startswith("feature_importance_gain")
        for each in tracklet.artifacts.list_artifacts(run_id=run.info.run_id)
    )  # a linear booster has none, and that is no fault


def test_constant_labels_have_an_empty_importance(record):
    train(label=np.ones(200))
    assert (
        json.loads(record.artifact(record.only(), "feature_importance_weight.json").read_text())
        == {}
    )


def test_s11_14_metric_names_that_the_record_cannot_take_are_changed(record):
    data = xgb.DMatrix(X, label=Y, group=[100, 100])
    params = {"objective": "rank:ndcg", "eval_metric": ["ndcg@2", "map@3-"], "nthread": 1}
    xgb.train(params, data, 2, evals=[(data, "train")], verbose_eval=False)
    assert set(record.only().data.metrics) == {"train-ndcg_at_2", "train-map_at_3-"}


def test_metrics_of_the_same_name_are_told_apart(record):
    one, other = xgb.DMatrix(X[:50], label=Y[:50]), xgb.DMatrix(X[50:], label=Y[50:])
    seen = {}
    xgb.train(
        PARAMS, one, 3, evals=[(one, "a"), (other, "a")], evals_result=seen, verbose_eval=False
    )
    run = record.only()
    values = seen["a"]["logloss"]
    assert record.history(run, "a-logloss") == list(enumerate(values[0::2]))
    assert record.history(run, "a-logloss-2") == list(enumerate(values[1::2]))


def test_custom_metric_and_objective(record):
    def squared(predictions, data):
        return predictions - data.get_label(), np.ones_like(predictions)

    def mine(predictions, data):
        return "mine", 0.25

    booster = train(3, params={"objective": "reg:squarederror"}, obj=squared, custom_metric=mine)
    run = record.only()
    assert record.history(run, "train-mine") == [(0, 0.25), (1, 0.25), (2, 0.25)]
    assert "obj" not in run.data.params
    assert "mine" in run.data.params["custom_metric"]
    assert booster.num_boosted_rounds() == 3


@pytest.mark.parametrize("how", ["argument", "callback", "subclass"])
def test_w10_s11_18_early_stopping_is_recorded_however_it_is_asked_for(record, how):
    class Mine(xgb.callback.EarlyStopping):
        pass

    kind = Mine if how == "subclass" else xgb.callback.EarlyStopping
    options = {"early_stopping_rounds": 3} if how == "argument" else {"callbacks": [kind(rounds=3)]}
    train_set = xgb.DMatrix(X[:100], label=NOISY[:100])
    held = xgb.DMatrix(X[100:], label=NOISY[100:])
    booster = xgb.train(
        {**PARAMS, "eta": 1.0}, train_set, 80, evals=[(held, "held")], verbose_eval=False, **options
    )
    run = record.only()
    points = record.history(run, "held-logloss")
    best = booster.best_iteration
    rounds = booster.num_boosted_rounds()
    assert rounds < 80
    assert run.data.metrics["best_iteration"] == best
    assert run.data.metrics["stopped_iteration"] == rounds - 1
    assert record.history(run, "best_iteration") == [(0, best)]
    assert len(points) == rounds + 1
    assert points[-1] == (rounds, points[best][1])
    assert {m.key: m.value for m in record.logged(run).metrics} == run.data.metrics


def test_w3_continued_training_with_early_stopping_goes_on_counting(record):
    first = train(4)
    train(6, xgb_model=first, early_stopping_rounds=3)
    second, one = record.runs()
    assert [step for step, _ in record.history(one, "train-logloss")] == [0, 1, 2, 3]
    steps = [step for step, _ in record.history(second, "train-logloss")]
    assert steps == [4, 5, 6, 7, 8, 9, 10]
    assert second.data.metrics["best_iteration"] == 9
    assert second.info.status == "FINISHED"
    assert "tracklet.faults" not in second.data.tags


@pytest.mark.parametrize("given", [None, [], "list", "tuple"])
def test_w11_r32_the_users_callbacks_are_left_as_they_are(record, given):
    order = []

    class Mine(xgb.callback.TrainingCallback):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def after_iteration(self, model, epoch, evals_log):
            order.append(self.name)
            return False

    callbacks = [Mine("one"), Mine("two")] if given in ("list", "tuple") else given
    callbacks = tuple(callbacks) if given == "tuple" else callbacks
    before = None if callbacks is None else list(callbacks)
    train(2, callbacks=callbacks)
    assert (None if callbacks is None else list(callbacks)) == before
    expected = ["one", "two"] * 2 if before else []
    assert order == expected if ORDERED else sorted(order) == sorted(expected)
    assert record.only().data.metrics


def test_w10_params_as_pairs_are_recorded(record):
    data = xgb.DMatrix(X, label=Y)
    pairs = [*PARAMS.items(), ("eval_metric", "auc"), ("eval_metric", "logloss")]
    xgb.train(pairs, data, 2, evals=[(data, "train")], verbose_eval=False)
    run = record.only()
    assert run.data.params["max_depth"] == "2"
    assert run.data.params["eval_metric"] == "['auc', 'logloss']"
    assert set(run.data.metrics) == {"train-auc", "train-logloss"}


def test_w44_cross_validation_is_one_run_with_mean_and_deviation(record):
    tracklet.xgboost.autolog(log_checkpoints=True)
    result = xgb.cv(PARAMS, xgb.DMatrix(X, label=Y), 4, nfold=3, early_stopping_rounds=2, seed=1)
    run = record.only()
    assert run.data.params["nfold"] == "3"
    assert run.data.params["num_boost_round"] == "4"
    for part in ("train", "test"):
        for fact in ("mean", "std"):
            points = record.history(run, f"{part}-logloss-{fact}")
            assert [value for _, value in points] == list(result[f"{part}-logloss-{fact}"])
    assert [i.dataset.name for i in run.inputs.dataset_inputs] == ["dataset"]


@pytest.mark.filterwarnings("ignore")  # XGBoost warns of a tree's parameters
@pytest.mark.parametrize(
    ("params", "label"),
    [
        ({"booster": "dart", "rate_drop": 0.5}, Y),
        ({"booster": "gblinear"}, Y),
        ({"num_parallel_tree": 3, "subsample": 0.5}, Y),
        ({"objective": "multi:softmax", "num_class": 3}, THREE),
        ({"objective": "survival:cox"}, np.where(Y, X[:, 0] ** 2 + 0.1, -(X[:, 0] ** 2) - 0.1)),
        ({"objective": "reg:tweedie"}, Y),
        ({"objective": "count:poisson"}, Y),
    ],
)
def test_every_kind_of_booster_and_objective(record, params, label):
    booster = train(3, params=params, label=label)
    run = record.only()
    assert run.data.metrics
    loaded = tracklet.xgboost.load_model(f"runs:/{run.info.run_id}/model")
    data = xgb.DMatrix(FRAME)
    np.testing.assert_array_equal(loaded.predict(data), booster.predict(data))


def test_survival_with_intervals_and_ranking_with_groups(record):
    low, high = X[:, 0] ** 2, X[:, 0] ** 2 + 1
    data = xgb.DMatrix(X, label_lower_bound=low, label_upper_bound=high)
    params = {"objective": "survival:aft", "nthread": 1}
    xgb.train(params, data, 2, evals=[(data, "train")], verbose_eval=False)
    assert "train-aft-nloglik" in record.only().data.metrics
    xgb.XGBRanker(n_estimators=2, n_jobs=1).fit(X, Y, qid=np.arange(200) // 10)
    assert len(record.runs()) == 2


def others():
    """Callbacks that do nothing; before XGBoost 3 they and others are in a set, in no order."""
    return [xgb.callback.LearningRateScheduler(lambda epoch: 0.3) for _ in range(4)]


def test_w9_w12_an_interrupted_training_keeps_its_rounds_and_leaves_no_model(record):
    class Stop(xgb.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            if epoch == 6:
                raise KeyboardInterrupt
            return False

    with pytest.raises(KeyboardInterrupt):
        train(20, callbacks=[Stop(), *others()])
    run = record.only()
    assert run.info.status == "KILLED"
    assert len(record.history(run, "train-logloss")) == 7
    assert list(run.outputs.model_outputs) == []
    assert len(tracklet.search_logged_models(output_format="list")) == 0


def test_a_callback_that_stops_the_training_hides_no_round(record):
    class Stop(xgb.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            return epoch == 2

    train(20, callbacks=[*others(), Stop()])
    assert len(record.history(record.only(), "train-logloss")) == 3


def test_a_callback_that_raises_in_the_first_round_does_not_hide_it(record):
    class Fail(xgb.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            raise RuntimeError("no more")

    for _ in range(5):
        with pytest.raises(RuntimeError, match="no more"):
            train(20, callbacks=[Fail(), *others(), Fail()])
    for run in record.runs():
        assert run.info.status == "FAILED"
        assert len(record.history(run, "train-logloss")) == 1


def test_trainings_in_threads_have_runs_of_their_own(record):
    def work(depth):
        train(10, params={"max_depth": depth})

    threads = [threading.Thread(target=work, args=(depth,)) for depth in (1, 2, 3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    found = record.runs()
    assert sorted(run.data.params["max_depth"] for run in found) == ["1", "2", "3"]
    assert all(len(record.history(run, "train-logloss")) == 10 for run in found)


def test_trainings_inside_of_a_callback_belong_to_the_outer_one(record):
    class Nested(xgb.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            xgb.train(PARAMS, xgb.DMatrix(X, label=Y), 1)
            return False

    train(2, callbacks=[Nested()])
    assert len(record.history(record.only(), "train-logloss")) == 2


def test_w13_trainings_in_one_run_are_told_apart(record):
    tracklet.xgboost.autolog(log_checkpoints=True, checkpoint_save_freq=2)
    with tracklet.start_run():
        one = train(4, early_stopping_rounds=3)
        other = train(3, params={"max_depth": 3})
    tracklet.autolog.flush()
    run = record.only()
    points = record.history(run, "train-logloss")
    assert [step for step, _ in points] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert points[4][1] == points[3][1]  # the best round of the first, once more
    assert run.data.params["max_depth"] == "2"
    assert run.data.params["fit_2.max_depth"] == "3"
    for folder, booster in (("", one), ("fit_2/", other)):
        file = record.artifact(run, f"{folder}feature_importance_weight.json")
        assert json.loads(file.read_text()) == booster.get_score(importance_type="weight")
    newest = "fit_2/checkpoints/global_step_1/checkpoint.ubj"
    assert run.data.tags["mlflow.latest_checkpoint_artifact"] == newest
    assert tracklet.load_checkpoint(run).num_boosted_rounds() == 2
    assert tracklet.load_checkpoint(run, step=1).num_boosted_rounds() == 2
    with pytest.raises(ResourceDoesNotExist, match=r"\[1\]"):
        tracklet.load_checkpoint(run, step=3)
    models_of = [tracklet.get_logged_model(o.model_id) for o in run.outputs.model_outputs]
    assert len(models_of) == 2
    last = {metric.value for model in models_of for metric in model.metrics}
    assert {points[-1][1], points[4][1]} <= last


def test_a_training_that_goes_on_in_the_same_run_has_one_curve(record):
    with tracklet.start_run():
        first = train(3)
        train(2, xgb_model=first)
    points = record.history(record.only(), "train-logloss")
    assert [step for step, _ in points] == [0, 1, 2, 3, 4]
