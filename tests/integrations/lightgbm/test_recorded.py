"""What a training with LightGBM leaves on the record."""

from __future__ import annotations

import gc
import inspect
import json
import threading
import weakref
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tracklet
from tracklet import models, pyfunc
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
NOISY = np.where(RNG.random(300) < 0.3, 1 - Y, Y)
THREE = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
FRAME = pd.DataFrame(X, columns=["a", "b", "c", "d"])
PARAMS = {"objective": "binary", "num_threads": 1, "verbosity": -1, "num_leaves": 4}
# What a whole array as evaluation set of a wrapper is called depends on the version.
NEWER = "eval_X" in inspect.signature(lgb.LGBMClassifier.fit).parameters


@pytest.fixture(autouse=True)
def on(tracklet_home, monkeypatch):
    monkeypatch.setenv("TRACKLET_STRICT", "1")
    tracklet.lightgbm.autolog()
    yield
    tracklet.autolog(disable=True)


def runs():
    return tracklet.search_runs(output_format="list", search_all_experiments=True)


def only_run():
    (run,) = runs()
    assert "tracklet.faults" not in run.data.tags
    return run


def history(run, key):
    points = tracklet.TrackletClient().get_metric_history(run.info.run_id, key)
    return [(point.step, point.value) for point in points]


def artifact(run, path):
    return Path(tracklet.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=path))


def logged(run):
    (output,) = run.outputs.model_outputs
    return tracklet.get_logged_model(output.model_id)


def evaluated(features, targets):
    return (
        {"eval_X": (features,), "eval_y": (targets,)}
        if NEWER
        else {"eval_set": [(features, targets)]}
    )


def wrapper(kind=lgb.LGBMClassifier, **params):
    return kind(**{"n_estimators": 3, "n_jobs": 1, "verbosity": -1, **params})


def train(rounds=5, data=FRAME, label=Y, params=None, **options):
    matrix = lgb.Dataset(data, label=label)
    options.setdefault("valid_sets", [matrix])
    return lgb.train({**PARAMS, **(params or {})}, matrix, rounds, **options)


def test_s11_14_params_metrics_importance_datasets_and_a_model_that_predicts_the_same():
    seen = {}
    data = lgb.Dataset(FRAME, label=Y)
    held = lgb.Dataset(FRAME[:50], label=Y[:50], reference=data)
    params = {**PARAMS, "metric": ["binary_logloss", "auc"]}
    booster = lgb.train(
        params,
        data,
        10,
        valid_sets=[data, held],
        valid_names=["train", "held"],
        callbacks=[lgb.record_evaluation(seen)],
    )
    run = only_run()
    assert run.info.status == "FINISHED"
    expected = {key: str(value) for key, value in params.items()}
    expected |= {"num_boost_round": "10", "keep_training_booster": "False"}
    older = {"feature_name", "categorical_feature"} & set(run.data.params)
    assert {k: v for k, v in run.data.params.items() if k not in older} == expected
    assert set(run.data.metrics) == {
        "train-binary_logloss",
        "train-auc",
        "held-binary_logloss",
        "held-auc",
    }
    for name, metrics in seen.items():
        for metric, values in metrics.items():
            assert history(run, f"{name}-{metric}") == list(enumerate(values))
    for kind in ("split", "gain"):
        text = artifact(run, f"feature_importance_{kind}.json").read_text()
        values = booster.feature_importance(kind).tolist()
        assert json.loads(text) == dict(zip(booster.feature_name(), values, strict=True))
        assert '\n  "a"' in text
        image = artifact(run, f"feature_importance_{kind}.png").read_bytes()
        assert image.startswith(b"\x89PNG")
    inputs = {i.dataset.name: i for i in run.inputs.dataset_inputs}
    assert set(inputs) == {"dataset", "train", "held"}
    assert inputs["dataset"].tags[0].value == "train"
    assert inputs["held"].tags[0].value == "eval"
    assert inputs["dataset"].dataset.digest == tracklet.data.from_pandas(FRAME).digest
    model = logged(run)
    assert {m.key: m.value for m in model.metrics} == run.data.metrics
    about = models.Model.load(f"runs:/{run.info.run_id}/model")
    assert about.flavors["lightgbm"]["data"] == "model.lgb"
    assert about.signature.inputs.input_names() == ["a", "b", "c", "d"]
    assert about.signature.outputs.inputs[0].type == np.dtype("float64")
    loaded = tracklet.lightgbm.load_model(f"runs:/{run.info.run_id}/model")
    np.testing.assert_array_equal(loaded.predict(X), booster.predict(X))
    view = pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    np.testing.assert_array_equal(view.predict(FRAME), booster.predict(FRAME))


def test_names_of_evaluation_sets_are_lightgbms():
    data = lgb.Dataset(X, label=Y)
    held = lgb.Dataset(X[:50], label=Y[:50], reference=data)
    lgb.train(PARAMS, data, 2, valid_sets=[data, held])
    run = only_run()
    assert set(run.data.metrics) == {"training-binary_logloss", "valid_1-binary_logloss"}
    assert {i.dataset.name for i in run.inputs.dataset_inputs} == {"dataset", "training", "valid_1"}


def test_a_single_evaluation_set_need_not_be_a_list():
    data = lgb.Dataset(X, label=Y)
    held = lgb.Dataset(X[:50], label=Y[:50], reference=data)
    lgb.train(PARAMS, data, 2, valid_sets=held, valid_names="held")
    run = only_run()
    assert set(run.data.metrics) == {"held-binary_logloss"}
    assert {i.dataset.name for i in run.inputs.dataset_inputs} == {"dataset", "held"}


def test_a_dataset_is_recorded_on_its_second_use_too():
    data = lgb.Dataset(FRAME, label=Y)  # free_raw_data: LightGBM itself forgets the frame
    lgb.train(PARAMS, data, 2)
    lgb.train(PARAMS, data, 3)
    digest = tracklet.data.from_pandas(FRAME).digest
    for run in runs():
        assert [i.dataset.digest for i in run.inputs.dataset_inputs] == [digest]
        assert models.Model.load(f"runs:/{run.info.run_id}/model").signature is not None


def test_s11_14_ranking_metrics_and_names_that_the_record_cannot_take():
    group = [30] * 10
    data = lgb.Dataset(X, label=THREE, group=group)
    params = {**PARAMS, "objective": "lambdarank", "metric": "ndcg", "eval_at": [1, 3]}
    lgb.train(params, data, 2, valid_sets=[data], valid_names=["train"])
    assert set(only_run().data.metrics) == {"train-ndcg_at_1", "train-ndcg_at_3"}


def test_metrics_of_the_same_name_are_told_apart():
    def mine(predictions, data):
        return [("same", 0.25, False), ("same", 0.75, False)]

    train(2, feval=mine, params={"metric": "None"})
    run = only_run()
    assert history(run, "training-same") == [(0, 0.25), (1, 0.25)]
    assert history(run, "training-same-2") == [(0, 0.75), (1, 0.75)]


def test_custom_objective():
    def squared(predictions, data):
        return predictions - data.get_label(), np.ones_like(predictions)

    train(3, params={"objective": squared, "metric": "l2"})
    run = only_run()
    assert "squared" in run.data.params["objective"]
    assert len(history(run, "training-l2")) == 3


@pytest.mark.parametrize("how", ["params", "callback"])
def test_s11_18_early_stopping_is_recorded_however_it_is_asked_for(how):
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
    run = only_run()
    values = seen["valid_0"]["binary_logloss"]
    best = booster.best_iteration
    assert len(values) < 80
    assert run.data.metrics["best_iteration"] == best
    assert run.data.metrics["stopped_iteration"] == len(values)
    points = history(run, "valid_0-binary_logloss")
    assert points == [*enumerate(values), (len(values), values[best - 1])]
    assert {m.key: m.value for m in logged(run).metrics} == run.data.metrics


def test_continued_training_goes_on_counting():
    first = train(4)
    train(
        6,
        init_model=first,
        callbacks=[lgb.early_stopping(3, verbose=False)],
        valid_sets=[lgb.Dataset(X[:50], label=Y[:50])],
    )
    second, one = runs()
    assert [step for step, _ in history(one, "training-binary_logloss")] == [0, 1, 2, 3]
    steps = [step for step, _ in history(second, "valid_0-binary_logloss")]
    assert steps == [4, 5, 6, 7, 8, 9, 10]
    assert second.data.metrics["best_iteration"] == 10
    assert second.data.metrics["stopped_iteration"] == 10
    assert "tracklet.faults" not in second.data.tags


@pytest.mark.parametrize("given", [None, [], "list", "tuple"])
def test_w11_r32_the_users_callbacks_are_left_as_they_are(given):
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
    assert only_run().data.metrics
    if before:  # what LightGBM itself writes on a callback is what it writes without us
        assert [vars(each) for each in before] == [{"order": -2}, {"order": -1}]


def test_callbacks_given_by_position_are_kept_too():
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
    assert len(history(only_run(), "training-binary_logloss")) == 2
    assert len(seen["training"]["binary_logloss"]) == 2


def test_cross_validation_is_one_run_with_mean_and_deviation():
    result = lgb.cv(PARAMS, lgb.Dataset(X, label=Y), 4, nfold=3, seed=1)
    run = only_run()
    assert run.data.params["nfold"] == "3"
    for fact in ("mean", "stdv"):
        points = history(run, f"valid-binary_logloss-{fact}")
        assert [value for _, value in points] == list(result[f"valid binary_logloss-{fact}"])
    assert [i.dataset.name for i in run.inputs.dataset_inputs] == ["dataset"]


def test_a_wrapper_is_one_run_whose_model_is_the_wrapper():
    model = wrapper().fit(FRAME, THREE, **evaluated(FRAME[:50], THREE[:50]))
    run = only_run()
    assert set(run.data.params) >= {
        "boosting_type",
        "colsample_bytree",
        "learning_rate",
        "max_depth",
        "min_child_samples",
        "min_child_weight",
        "min_split_gain",
        "num_leaves",
        "random_state",
        "reg_alpha",
        "reg_lambda",
        "subsample",
        "subsample_for_bin",
        "subsample_freq",
        "objective",
        "num_class",
        "metric",
        "num_threads",
        "num_boost_round",
        "keep_training_booster",
    }
    assert run.data.params["num_class"] == "3"
    own = {key for key in run.data.tags if not key.startswith(("mlflow.", "tracklet."))}
    assert own == set()
    values = model.evals_result_["valid_0"]["multi_logloss"]
    assert history(run, "valid_0-multi_logloss") == list(enumerate(values))
    about = models.Model.load(f"runs:/{run.info.run_id}/model")
    assert about.flavors["lightgbm"]["model_class"] == "lightgbm.sklearn.LGBMClassifier"
    assert about.signature.inputs.input_names() == ["a", "b", "c", "d"]
    view = pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    np.testing.assert_array_equal(view.predict(FRAME), model.predict(FRAME))


def test_a_wrappers_callbacks_and_early_stopping():
    callbacks = [lgb.early_stopping(3, verbose=False)]
    model = wrapper(n_estimators=60, learning_rate=0.5)
    model.fit(X[:150], NOISY[:150], callbacks=callbacks, **evaluated(X[150:], NOISY[150:]))
    assert len(callbacks) == 1
    assert only_run().data.metrics["best_iteration"] == model.best_iteration_


@pytest.mark.parametrize("generic", [False, True])
def test_a_wrapper_alone_is_lightgbms_whichever_integrations_are_on(generic):
    if generic:
        tracklet.autolog()
    wrapper(lgb.LGBMRegressor).fit(X, Y)
    run = only_run()
    assert run.data.tags["mlflow.autologging"] == "lightgbm"
    assert "estimator_name" not in run.data.tags


def test_a_ranker_is_recorded():
    wrapper(lgb.LGBMRanker).fit(X, THREE, group=[30] * 10)
    assert only_run().data.params["objective"] == "lambdarank"


def test_s11_13_a_pipeline_is_scikit_learns_and_logged_once():
    tracklet.autolog()
    make_pipeline(StandardScaler(), wrapper()).fit(X, Y)
    run = only_run()
    assert run.data.tags["mlflow.autologging"] == "sklearn"
    assert run.data.params["lgbmclassifier__n_estimators"] == "3"
    assert "num_leaves" not in run.data.params


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("generic", [False, True])
@pytest.mark.parametrize("backend", ["sequential", "threading", "loky"])
def test_w50_a_search_is_no_run_per_fold(generic, backend):
    import joblib

    if generic:
        tracklet.autolog()
    search = GridSearchCV(wrapper(), {"num_leaves": [2, 4]}, cv=2, n_jobs=2)
    with joblib.parallel_config(backend):
        search.fit(X, Y)
    outermost = [run for run in runs() if "mlflow.parentRunId" not in run.data.tags]
    assert len(outermost) == 1
    key = "best_num_leaves" if generic else "num_leaves"
    assert outermost[0].data.params[key] == str(search.best_params_["num_leaves"])


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_cross_val_score_records_nothing():
    cross_val_score(wrapper(), X, Y, cv=2)
    assert runs() == []


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
def test_every_kind_of_boosting_and_objective(params, label):
    booster = train(3, params=params, label=label)
    run = only_run()
    assert run.data.metrics
    loaded = tracklet.lightgbm.load_model(f"runs:/{run.info.run_id}/model")
    np.testing.assert_array_equal(loaded.predict(X), booster.predict(X))


@pytest.mark.parametrize("source", ["frame", "array", "sparse", "categories"])
def test_signature_and_example_come_from_what_the_dataset_was_made_of(source):
    tracklet.lightgbm.autolog(log_input_examples=True)
    data = {
        "frame": FRAME,
        "array": X,
        "sparse": scipy.sparse.csr_matrix(X),
        "categories": FRAME.assign(k=pd.Categorical(np.where(X[:, 2] > 0, "yes", "no"))),
    }[source]
    lgb.train(PARAMS, lgb.Dataset(data, label=Y), 2)
    run = only_run()
    about = models.Model.load(f"runs:/{run.info.run_id}/model")
    assert about.signature.outputs is not None
    example = about.load_input_example(f"runs:/{run.info.run_id}/model")
    if source == "frame":
        pd.testing.assert_frame_equal(example, FRAME[:5])
    assert len(pyfunc.load_model(f"runs:/{run.info.run_id}/model").predict(example)) == 5


def test_the_training_data_is_not_kept_alive():
    frame = FRAME.copy()
    data = lgb.Dataset(frame, label=Y)
    gone, dataset = weakref.ref(frame), weakref.ref(data)
    lgb.train(PARAMS, data, 2, valid_sets=[data])
    del frame, data
    gc.collect()
    assert gone() is None
    assert dataset() is None


def test_a_dataset_made_before_enabling_or_without_data_is_no_fault():
    tracklet.lightgbm.autolog(disable=True)
    early = lgb.Dataset(X, label=Y)
    tracklet.lightgbm.autolog()
    lgb.Dataset(None)
    lgb.train(PARAMS, early, 2)
    run = only_run()
    assert models.Model.load(f"runs:/{run.info.run_id}/model").signature is None


def test_an_interrupted_training_keeps_its_rounds_and_leaves_no_model():
    def stop(env):
        if env.iteration == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(20, callbacks=[stop])
    run = only_run()
    assert run.info.status == "KILLED"
    assert len(history(run, "training-binary_logloss")) == 7
    assert len(tracklet.search_logged_models(output_format="list")) == 0


def test_what_is_not_wanted_is_not_recorded():
    tracklet.lightgbm.autolog(log_models=False, log_datasets=False)
    train()
    run = only_run()
    assert list(run.outputs.model_outputs) == []
    assert list(run.inputs.dataset_inputs) == []


def test_trainings_in_threads_have_runs_of_their_own():
    def work(leaves):
        train(10, params={"num_leaves": leaves})

    threads = [threading.Thread(target=work, args=(leaves,)) for leaves in (2, 3, 4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    found = runs()
    assert sorted(run.data.params["num_leaves"] for run in found) == ["2", "3", "4"]
    assert all(len(history(run, "training-binary_logloss")) == 10 for run in found)


def test_wrong_options_are_refused():
    with pytest.raises(InvalidParameterValue, match="checkpoint_save_freq"):
        tracklet.lightgbm.autolog(checkpoint_save_freq=0)


# -- checkpoints --------------------------------------------------------------------------------


def test_checkpoints_are_written_during_training_and_the_last_are_kept():
    tracklet.lightgbm.autolog(log_checkpoints=True, checkpoint_save_freq=2, checkpoint_keep_last=2)
    train(7)
    run = only_run()
    newest = "checkpoints/global_step_5/checkpoint.lgb"
    assert run.data.tags["mlflow.latest_checkpoint_artifact"] == newest
    assert tracklet.load_checkpoint(run).current_iteration() == 6
    assert tracklet.load_checkpoint(run, step=3).current_iteration() == 4
    with pytest.raises(ResourceDoesNotExist, match=r"\[3, 5\]"):
        tracklet.load_checkpoint(run, step=1)


@pytest.mark.parametrize("metric", ["binary_logloss", "auc"])
def test_only_the_best_checkpoint_by_a_metric(metric):
    tracklet.lightgbm.autolog(
        log_checkpoints=True, checkpoint_save_freq=1, checkpoint_save_best_only=True
    )
    data = lgb.Dataset(X[:150], label=NOISY[:150])
    held = lgb.Dataset(X[150:], label=NOISY[150:], reference=data)
    lgb.train({**PARAMS, "learning_rate": 0.5, "metric": metric}, data, 20, [held])
    run = only_run()
    points = history(run, f"valid_0-{metric}")
    choose = max if metric == "auc" else min
    best = choose(points, key=lambda point: point[1])[0]
    assert tracklet.load_checkpoint(run).current_iteration() == best + 1


def test_training_continued_from_a_checkpoint_is_what_the_framework_makes_of_the_same_rounds():
    # LightGBM starts a continued training from the predictions of the first model; that is what
    # the checkpoint gives, to the bit.
    tracklet.lightgbm.autolog(log_checkpoints=True, checkpoint_save_freq=5, log_models=False)
    data = lgb.Dataset(X, label=NOISY, free_raw_data=False)
    first = lgb.train(PARAMS, data, 5)
    expected = lgb.train(PARAMS, lgb.Dataset(X, label=NOISY), 7, init_model=first)
    start = tracklet.load_checkpoint(runs()[-1])
    again = lgb.train(PARAMS, lgb.Dataset(X, label=NOISY), 7, init_model=start)
    assert again.model_to_string() == expected.model_to_string()
