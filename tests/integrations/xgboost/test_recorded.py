"""What a training with XGBoost leaves on the record."""

from __future__ import annotations

import gc
import inspect
import json
import threading
import weakref
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import xgboost as xgb
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tracklet
from tracklet import models, pyfunc
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
NOISY = np.where(RNG.random(200) < 0.3, 1 - Y, Y)
THREE = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
FRAME = pd.DataFrame(X, columns=["a", "b", "c", "d"])
# Older versions keep callbacks in a set, so that their order is anyone's.
ORDERED = "set(callbacks)" not in inspect.getsource(xgb.callback.CallbackContainer)
KEEPS_CATEGORIES = int(xgb.__version__.split(".")[0]) > 3 or xgb.__version__ >= "3.1"
PARAMS = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1}


@pytest.fixture(autouse=True)
def on(tracklet_home, monkeypatch):
    monkeypatch.setenv("TRACKLET_STRICT", "1")
    tracklet.xgboost.autolog()
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


def train(rounds=5, data=FRAME, label=Y, **options):
    matrix = xgb.DMatrix(data, label=label)
    options.setdefault("evals", [(matrix, "train")])
    return xgb.train(
        {**PARAMS, **options.pop("params", {})}, matrix, rounds, verbose_eval=False, **options
    )


def test_s11_14_params_metrics_importance_datasets_and_a_model_that_predicts_the_same():
    seen = {}
    data, held = xgb.DMatrix(FRAME, label=Y), xgb.DMatrix(FRAME[:50], label=Y[:50])
    booster = xgb.train(
        {**PARAMS, "eval_metric": ["logloss", "auc"]},
        data,
        evals=[(data, "train"), (held, "held")],
        evals_result=seen,
        verbose_eval=False,
    )
    run = only_run()
    assert run.info.status == "FINISHED"
    assert run.data.params == {
        "objective": "binary:logistic",
        "max_depth": "2",
        "nthread": "1",
        "eval_metric": "['logloss', 'auc']",
        "num_boost_round": "10",
        "maximize": "None",
        "early_stopping_rounds": "None",
        "verbose_eval": "False",
        "custom_metric": "None",
    }
    assert set(run.data.metrics) == {"train-logloss", "train-auc", "held-logloss", "held-auc"}
    for name, metrics in seen.items():
        for metric, values in metrics.items():
            assert history(run, f"{name}-{metric}") == list(enumerate(values))
    scores = json.loads(artifact(run, "feature_importance_weight.json").read_text())
    assert scores == booster.get_score(importance_type="weight")
    assert artifact(run, "feature_importance_weight.png").read_bytes().startswith(b"\x89PNG")
    inputs = {i.dataset.name: i for i in run.inputs.dataset_inputs}
    assert set(inputs) == {"dataset", "train", "held"}
    assert inputs["dataset"].tags[0].value == "train"
    assert inputs["held"].tags[0].value == "eval"
    expected = tracklet.data.from_pandas(FRAME).digest
    assert inputs["dataset"].dataset.digest == inputs["train"].dataset.digest == expected
    assert "mlflow_colspec" in json.loads(inputs["dataset"].dataset.schema)
    model = logged(run)
    assert model.name == "model"
    assert {m.key: m.value for m in model.metrics} == run.data.metrics
    about = models.get_model_info(f"runs:/{run.info.run_id}/model")
    assert about.signature.inputs.input_names() == ["a", "b", "c", "d"]
    assert about.signature.outputs.inputs[0].type == np.dtype("float32")
    loaded = tracklet.xgboost.load_model(f"runs:/{run.info.run_id}/model")
    np.testing.assert_array_equal(loaded.predict(data), booster.predict(data))
    view = pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    np.testing.assert_array_equal(view.predict(FRAME), booster.predict(data))


def test_every_importance_that_is_asked_for():
    kinds = ["weight", "gain", "total_cover"]
    tracklet.xgboost.autolog(importance_types=kinds)
    booster = train()
    run = only_run()
    for kind in kinds:
        file = artifact(run, f"feature_importance_{kind}.json")
        assert json.loads(file.read_text()) == booster.get_score(importance_type=kind)
        assert artifact(run, f"feature_importance_{kind}.png").stat().st_size > 100


@pytest.mark.filterwarnings("ignore")  # XGBoost warns of a tree's parameters
def test_importance_by_class_and_none_at_all():
    tracklet.xgboost.autolog(importance_types=["weight", "gain"])
    params = {"booster": "gblinear", "objective": "multi:softprob", "num_class": 3}
    booster = train(label=THREE, params=params)
    run = only_run()
    scores = json.loads(artifact(run, "feature_importance_weight.json").read_text())
    assert scores == booster.get_score(importance_type="weight")
    assert len(scores["a"]) == 3
    assert not any(
        each.path.startswith("feature_importance_gain")
        for each in tracklet.artifacts.list_artifacts(run_id=run.info.run_id)
    )  # a linear booster has none, and that is no fault


def test_constant_labels_have_an_empty_importance():
    train(label=np.ones(200))
    assert json.loads(artifact(only_run(), "feature_importance_weight.json").read_text()) == {}


def test_s11_14_metric_names_that_the_record_cannot_take_are_changed():
    data = xgb.DMatrix(X, label=Y, group=[100, 100])
    params = {"objective": "rank:ndcg", "eval_metric": ["ndcg@2", "map@3-"], "nthread": 1}
    xgb.train(params, data, 2, evals=[(data, "train")], verbose_eval=False)
    assert set(only_run().data.metrics) == {"train-ndcg_at_2", "train-map_at_3-"}


def test_metrics_of_the_same_name_are_told_apart():
    one, other = xgb.DMatrix(X[:50], label=Y[:50]), xgb.DMatrix(X[50:], label=Y[50:])
    seen = {}
    xgb.train(
        PARAMS, one, 3, evals=[(one, "a"), (other, "a")], evals_result=seen, verbose_eval=False
    )
    run = only_run()
    values = seen["a"]["logloss"]
    assert history(run, "a-logloss") == list(enumerate(values[0::2]))
    assert history(run, "a-logloss-2") == list(enumerate(values[1::2]))


def test_custom_metric_and_objective():
    def squared(predictions, data):
        return predictions - data.get_label(), np.ones_like(predictions)

    def mine(predictions, data):
        return "mine", 0.25

    booster = train(3, params={"objective": "reg:squarederror"}, obj=squared, custom_metric=mine)
    run = only_run()
    assert history(run, "train-mine") == [(0, 0.25), (1, 0.25), (2, 0.25)]
    assert "obj" not in run.data.params
    assert "mine" in run.data.params["custom_metric"]
    assert booster.num_boosted_rounds() == 3


@pytest.mark.parametrize("how", ["argument", "callback", "subclass"])
def test_w10_s11_18_early_stopping_is_recorded_however_it_is_asked_for(how):
    class Mine(xgb.callback.EarlyStopping):
        pass

    kind = Mine if how == "subclass" else xgb.callback.EarlyStopping
    options = {"early_stopping_rounds": 3} if how == "argument" else {"callbacks": [kind(rounds=3)]}
    train_set = xgb.DMatrix(X[:100], label=NOISY[:100])
    held = xgb.DMatrix(X[100:], label=NOISY[100:])
    booster = xgb.train(
        {**PARAMS, "eta": 1.0}, train_set, 80, evals=[(held, "held")], verbose_eval=False, **options
    )
    run = only_run()
    points = history(run, "held-logloss")
    best = booster.best_iteration
    rounds = booster.num_boosted_rounds()
    assert rounds < 80
    assert run.data.metrics["best_iteration"] == best
    assert run.data.metrics["stopped_iteration"] == rounds - 1
    assert history(run, "best_iteration") == [(0, best)]
    assert len(points) == rounds + 1
    assert points[-1] == (rounds, points[best][1])
    assert {m.key: m.value for m in logged(run).metrics} == run.data.metrics


def test_continued_training_goes_on_counting():
    first = train(4)
    train(6, xgb_model=first, early_stopping_rounds=3)
    second, one = runs()
    assert [step for step, _ in history(one, "train-logloss")] == [0, 1, 2, 3]
    steps = [step for step, _ in history(second, "train-logloss")]
    assert steps == [4, 5, 6, 7, 8, 9, 10]
    assert second.data.metrics["best_iteration"] == 9
    assert second.info.status == "FINISHED"
    assert "tracklet.faults" not in second.data.tags


@pytest.mark.parametrize("given", [None, [], "list", "tuple"])
def test_w11_r32_the_users_callbacks_are_left_as_they_are(given):
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
    assert only_run().data.metrics


def test_params_as_pairs_are_recorded():
    data = xgb.DMatrix(X, label=Y)
    pairs = [*PARAMS.items(), ("eval_metric", "auc"), ("eval_metric", "logloss")]
    xgb.train(pairs, data, 2, evals=[(data, "train")], verbose_eval=False)
    run = only_run()
    assert run.data.params["max_depth"] == "2"
    assert run.data.params["eval_metric"] == "['auc', 'logloss']"
    assert set(run.data.metrics) == {"train-auc", "train-logloss"}


def test_cross_validation_is_one_run_with_mean_and_deviation():
    tracklet.xgboost.autolog(log_checkpoints=True)
    result = xgb.cv(PARAMS, xgb.DMatrix(X, label=Y), 4, nfold=3, early_stopping_rounds=2, seed=1)
    run = only_run()
    assert run.data.params["nfold"] == "3"
    assert run.data.params["num_boost_round"] == "4"
    for part in ("train", "test"):
        for fact in ("mean", "std"):
            points = history(run, f"{part}-logloss-{fact}")
            assert [value for _, value in points] == list(result[f"{part}-logloss-{fact}"])
    assert [i.dataset.name for i in run.inputs.dataset_inputs] == ["dataset"]


def test_a_wrapper_is_one_run_whose_model_is_the_wrapper():
    model = xgb.XGBClassifier(n_estimators=3, n_jobs=1).fit(
        FRAME, THREE, eval_set=[(FRAME[:50], THREE[:50])], verbose=False
    )
    run = only_run()
    assert run.data.params["num_boost_round"] == "3"
    assert run.data.params["objective"] == "multi:softprob"
    assert run.data.params["num_class"] == "3"
    assert run.data.params["max_depth"] == "None"
    assert not {"missing", "enable_categorical", "importance_type", "n_estimators"} & set(
        run.data.params
    )
    own = {key for key in run.data.tags if not key.startswith(("mlflow.", "tracklet."))}
    assert own == set()
    assert [value for _, value in history(run, "validation_0-mlogloss")] == model.evals_result()[
        "validation_0"
    ]["mlogloss"]
    assert {i.dataset.name for i in run.inputs.dataset_inputs} == {"dataset", "validation_0"}
    about = models.Model.load(f"runs:/{run.info.run_id}/model")
    assert about.flavors["xgboost"]["model_class"] == "xgboost.sklearn.XGBClassifier"
    assert about.signature.inputs.input_names() == ["a", "b", "c", "d"]
    view = pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    np.testing.assert_array_equal(view.predict(FRAME), model.predict(FRAME))


def test_a_wrappers_early_stopping_and_callbacks():
    callbacks = [xgb.callback.LearningRateScheduler(lambda epoch: 1.0)]
    model = xgb.XGBClassifier(
        n_estimators=60, n_jobs=1, early_stopping_rounds=3, callbacks=callbacks, max_depth=2
    )
    model.fit(X[:100], NOISY[:100], eval_set=[(X[100:], NOISY[100:])], verbose=False)
    run = only_run()
    assert len(callbacks) == 1
    assert model.callbacks is callbacks
    assert run.data.metrics["best_iteration"] == model.best_iteration
    assert run.data.params["early_stopping_rounds"] == "3"


@pytest.mark.parametrize("generic", [False, True])
def test_a_wrapper_alone_is_xgboosts_whichever_integrations_are_on(generic):
    if generic:
        tracklet.autolog()
    xgb.XGBRegressor(n_estimators=2, n_jobs=1).fit(X, Y)
    run = only_run()
    assert run.data.tags["mlflow.autologging"] == "xgboost"
    assert "estimator_name" not in run.data.tags
    assert logged(run).name == "model"


@pytest.mark.parametrize("kind", [xgb.XGBRFClassifier, xgb.XGBRFRegressor, xgb.XGBRegressor])
def test_every_wrapper_is_recorded_once(kind):
    kind(n_estimators=2, n_jobs=1).fit(X, Y)
    assert only_run().data.params["n_jobs"] == "1"


def test_s11_13_a_pipeline_is_scikit_learns_and_logged_once():
    tracklet.autolog()
    pipeline = make_pipeline(StandardScaler(), xgb.XGBClassifier(n_estimators=2, n_jobs=1))
    pipeline.fit(X, Y)
    run = only_run()
    assert run.data.tags["mlflow.autologging"] == "sklearn"
    assert run.data.params["xgbclassifier__n_estimators"] == "2"
    assert "reg_lambda" not in run.data.params
    paths = [each.path for each in tracklet.artifacts.list_artifacts(run_id=run.info.run_id)]
    assert not any(path.startswith("feature_importance") for path in paths)


def test_a_pipeline_without_scikit_learns_integration_is_recorded_as_its_booster():
    make_pipeline(StandardScaler(), xgb.XGBClassifier(n_estimators=2, n_jobs=1)).fit(X, Y)
    assert only_run().data.params["num_boost_round"] == "2"


@pytest.mark.parametrize("generic", [False, True])
@pytest.mark.parametrize("backend", ["sequential", "threading", "loky"])
def test_w50_a_search_is_no_run_per_fold(generic, backend):
    import joblib

    if generic:
        tracklet.autolog()
    search = GridSearchCV(
        xgb.XGBClassifier(n_estimators=2, n_jobs=1), {"max_depth": [1, 2]}, cv=2, n_jobs=2
    )
    with joblib.parallel_config(backend):
        search.fit(X, Y)
    outermost = [run for run in runs() if "mlflow.parentRunId" not in run.data.tags]
    assert len(outermost) == 1
    params = outermost[0].data.params
    if generic:
        assert params["best_max_depth"] == str(search.best_params_["max_depth"])
    else:
        assert params["max_depth"] == str(search.best_params_["max_depth"])


def test_cross_val_score_records_nothing():
    cross_val_score(xgb.XGBClassifier(n_estimators=2, n_jobs=1), X, Y, cv=2)
    assert runs() == []


def test_scikit_learns_integration_alone_records_a_wrapper_like_any_estimator():
    tracklet.xgboost.autolog(disable=True)
    tracklet.sklearn.autolog()
    model = xgb.XGBClassifier(n_estimators=2, n_jobs=1).fit(X, Y)
    run = only_run()
    assert run.data.tags["estimator_name"] == "XGBClassifier"
    loaded = models.load_model(f"runs:/{run.info.run_id}/model")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_w8_turning_this_integration_off_leaves_scikit_learns_on():
    tracklet.sklearn.autolog()
    tracklet.xgboost.autolog(disable=True)
    cross_val_score(LogisticRegression(), X, Y, cv=2)
    assert runs() == []
    LogisticRegression().fit(X, Y)
    assert only_run().data.tags["mlflow.autologging"] == "sklearn"


def test_other_estimators_are_none_of_xgboosts():
    LogisticRegression().fit(X, Y)
    assert runs() == []


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
def test_every_kind_of_booster_and_objective(params, label):
    booster = train(3, params=params, label=label)
    run = only_run()
    assert run.data.metrics
    loaded = tracklet.xgboost.load_model(f"runs:/{run.info.run_id}/model")
    data = xgb.DMatrix(FRAME)
    np.testing.assert_array_equal(loaded.predict(data), booster.predict(data))


def test_survival_with_intervals_and_ranking_with_groups():
    low, high = X[:, 0] ** 2, X[:, 0] ** 2 + 1
    data = xgb.DMatrix(X, label_lower_bound=low, label_upper_bound=high)
    params = {"objective": "survival:aft", "nthread": 1}
    xgb.train(params, data, 2, evals=[(data, "train")], verbose_eval=False)
    assert "train-aft-nloglik" in only_run().data.metrics
    xgb.XGBRanker(n_estimators=2, n_jobs=1).fit(X, Y, qid=np.arange(200) // 10)
    assert len(runs()) == 2


class Batches(xgb.DataIter):
    def __init__(self, batches, **options):
        self.batches, self.at = batches, 0
        super().__init__(**options)

    def next(self, input_data):
        if self.at == len(self.batches):
            return False
        input_data(data=self.batches[self.at][0], label=self.batches[self.at][1])
        self.at += 1
        return True

    def reset(self):
        self.at = 0


@pytest.mark.parametrize("source", ["frame", "array", "quantile", "iterator", "sparse", "arrow"])
def test_signature_and_example_come_from_what_the_matrix_was_made_of(source):
    tracklet.xgboost.autolog(log_input_examples=True)
    if source == "frame":
        data = xgb.DMatrix(FRAME, label=Y)
    elif source == "array":
        data = xgb.DMatrix(X, label=Y)
    elif source == "quantile":
        data = xgb.QuantileDMatrix(FRAME, label=Y)
    elif source == "iterator":
        data = xgb.QuantileDMatrix(Batches([(FRAME[:100], Y[:100]), (FRAME[100:], Y[100:])]))
    elif source == "sparse":
        data = xgb.DMatrix(scipy.sparse.csr_matrix(X), label=Y)
    else:
        pyarrow = pytest.importorskip("pyarrow", exc_type=ImportError)
        data = xgb.DMatrix(pyarrow.Table.from_pandas(FRAME), label=Y)
    xgb.train(PARAMS, data, 2)
    run = only_run()
    about = models.Model.load(f"runs:/{run.info.run_id}/model")
    assert about.signature is not None
    assert about.signature.outputs is not None
    example = about.load_input_example(f"runs:/{run.info.run_id}/model")
    if source in ("frame", "quantile", "iterator", "arrow"):
        pd.testing.assert_frame_equal(example, FRAME[:5])
    elif source == "array":
        np.testing.assert_allclose(example, X[:5])
    view = pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    assert len(view.predict(example)) == 5


def test_the_training_data_is_not_kept_alive():
    frame = FRAME.copy()
    gone = weakref.ref(frame)
    data = xgb.DMatrix(frame, label=Y)
    matrix = weakref.ref(data)
    xgb.train(PARAMS, data, 2, evals=[(data, "train")], verbose_eval=False)
    del frame, data
    gc.collect()
    assert gone() is None
    assert matrix() is None


def test_sparse_data_is_fingerprinted_as_it_is(monkeypatch):
    wide = scipy.sparse.random(300, 4000, density=0.001, format="csr", random_state=0)
    monkeypatch.setattr(type(wide), "toarray", lambda *_: pytest.fail("was made dense"))
    monkeypatch.setattr(type(wide), "todense", lambda *_: pytest.fail("was made dense"))
    labels = np.arange(300) % 2
    xgb.train(PARAMS, xgb.DMatrix(wide, label=labels), 2)
    (dataset,) = only_run().inputs.dataset_inputs
    assert dataset.dataset.digest == tracklet.data.from_numpy(wide, targets=labels).digest


def test_a_matrix_made_before_enabling_trains_without_a_signature(tmp_path):
    tracklet.xgboost.autolog(disable=True)
    data = xgb.DMatrix(X, label=Y)
    data.save_binary(str(tmp_path / "data.bin"))
    tracklet.xgboost.autolog()
    xgb.train(PARAMS, data, 2)
    xgb.train(PARAMS, xgb.DMatrix(str(tmp_path / "data.bin")), 2)
    for run in runs():
        assert "tracklet.faults" not in run.data.tags
        assert models.Model.load(f"runs:/{run.info.run_id}/model").signature is None


def test_positional_and_keyword_evals_are_recorded_alike():
    data = xgb.DMatrix(X, label=Y)
    xgb.train(
        params=PARAMS, dtrain=data, num_boost_round=2, evals=((data, "train"),), verbose_eval=False
    )
    assert {i.dataset.name for i in only_run().inputs.dataset_inputs} == {"dataset", "train"}


def test_an_interrupted_training_keeps_its_rounds_and_leaves_no_model():
    class Stop(xgb.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            if epoch == 6:
                raise KeyboardInterrupt
            return False

    with pytest.raises(KeyboardInterrupt):
        train(20, callbacks=[Stop()])
    run = only_run()
    assert run.info.status == "KILLED"
    assert len(history(run, "train-logloss")) in ((7,) if ORDERED else (6, 7))
    assert list(run.outputs.model_outputs) == []
    assert len(tracklet.search_logged_models(output_format="list")) == 0


def test_a_callback_that_stops_the_training_hides_no_round():
    class Stop(xgb.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            return epoch == 2

    train(20, callbacks=[Stop()])
    assert len(history(only_run(), "train-logloss")) == 3


def test_what_is_not_wanted_is_not_recorded():
    tracklet.xgboost.autolog(log_models=False, log_datasets=False, importance_types=[])
    train()
    run = only_run()
    assert list(run.outputs.model_outputs) == []
    assert list(run.inputs.dataset_inputs) == []
    assert tracklet.artifacts.list_artifacts(run_id=run.info.run_id) == []


def test_registered_name_format_and_tags():
    tracklet.xgboost.autolog(
        registered_model_name="mine", model_format="json", extra_tags={"team": "blue"}
    )
    train()
    run = only_run()
    assert run.data.tags["team"] == "blue"
    assert models.Model.load("models:/mine/1").flavors["xgboost"]["data"] == "model.json"


def test_wrong_options_are_refused_and_what_was_configured_stays():
    for wrong in (
        {"model_format": "pickle"},
        {"importance_types": ["beauty"]},
        {"importance_types": "gain"},
        {"checkpoint_save_freq": 0},
        {"checkpoint_mode": "best"},
        {"checkpoint_keep_last": -1},
    ):
        with pytest.raises(InvalidParameterValue, match=next(iter(wrong))):
            tracklet.xgboost.autolog(**wrong)
    train()
    assert only_run()


def test_trainings_in_threads_have_runs_of_their_own():
    def work(depth):
        train(10, params={"max_depth": depth})

    threads = [threading.Thread(target=work, args=(depth,)) for depth in (1, 2, 3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    found = runs()
    assert sorted(run.data.params["max_depth"] for run in found) == ["1", "2", "3"]
    assert all(len(history(run, "train-logloss")) == 10 for run in found)


def test_trainings_inside_of_a_callback_belong_to_the_outer_one():
    class Nested(xgb.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            xgb.train(PARAMS, xgb.DMatrix(X, label=Y), 1)
            return False

    train(2, callbacks=[Nested()])
    assert len(history(only_run(), "train-logloss")) == 2


@pytest.mark.skipif(not KEEPS_CATEGORIES, reason="models keep categories since XGBoost 3.1")
def test_categories_train_and_predict():
    frame = FRAME.assign(k=pd.Categorical(np.where(X[:, 2] > 0, "yes", "no")))
    data = xgb.DMatrix(frame, label=Y, enable_categorical=True)
    booster = xgb.train(PARAMS, data, 2)
    run = only_run()
    view = pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    # The signature says text, as MLflow's does; texts become categories again.
    texts = frame.assign(k=frame["k"].astype(str))
    np.testing.assert_array_equal(view.predict(texts), booster.predict(data))


# -- checkpoints --------------------------------------------------------------------------------


def test_checkpoints_are_written_during_training_and_the_last_are_kept():
    tracklet.xgboost.autolog(log_checkpoints=True, checkpoint_save_freq=2, checkpoint_keep_last=2)
    train(7)
    run = only_run()
    folders = [
        each.path
        for each in tracklet.artifacts.list_artifacts(f"runs:/{run.info.run_id}/checkpoints")
    ]
    assert folders == ["checkpoints/global_step_3", "checkpoints/global_step_5"]
    newest = "checkpoints/global_step_5/checkpoint.ubj"
    assert run.data.tags["mlflow.latest_checkpoint_artifact"] == newest
    facts = json.loads(
        artifact(run, "checkpoints/global_step_5/checkpoint_metrics.json").read_text()
    )
    assert facts["global_step"] == 5
    assert facts["train-logloss"] == dict(history(run, "train-logloss"))[5]
    assert tracklet.load_checkpoint(run).num_boosted_rounds() == 6
    assert tracklet.load_checkpoint(run.info.run_id, step=3).num_boosted_rounds() == 4
    with pytest.raises(ResourceDoesNotExist, match=r"\[3, 5\]"):
        tracklet.load_checkpoint(run, step=1)


@pytest.mark.parametrize("metric", ["logloss", "auc"])
def test_only_the_best_checkpoint_by_a_metric(metric):
    tracklet.xgboost.autolog(
        log_checkpoints=True, checkpoint_save_freq=1, checkpoint_save_best_only=True
    )
    train_set, held = (
        xgb.DMatrix(X[:100], label=NOISY[:100]),
        xgb.DMatrix(X[100:], label=NOISY[100:]),
    )
    params = {**PARAMS, "eta": 1.0, "eval_metric": metric}
    xgb.train(params, train_set, 30, evals=[(held, "held")], verbose_eval=False)
    run = only_run()
    points = history(run, f"held-{metric}")
    choose = max if metric == "auc" else min
    best = choose(points, key=lambda point: point[1])[0]
    assert tracklet.load_checkpoint(run).num_boosted_rounds() == best + 1
    assert run.data.tags["mlflow.latest_checkpoint_artifact"] == "checkpoints/latest_checkpoint.ubj"
    with pytest.raises(ResourceDoesNotExist, match="only its best"):
        tracklet.load_checkpoint(run, step=29 if best != 29 else 28)


@pytest.mark.parametrize("shape", [{}, {"tree_method": "exact"}, {"objective": "reg:squarederror"}])
def test_training_continued_from_a_checkpoint_gives_the_uninterrupted_model(shape):
    class Stop(xgb.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            return epoch == 6

    tracklet.xgboost.autolog(log_checkpoints=True, checkpoint_save_freq=5, log_models=False)
    data = xgb.DMatrix(X, label=NOISY)
    params = {**PARAMS, **shape}
    whole = xgb.train(params, data, 12)
    xgb.train(params, data, 12, callbacks=[Stop()])
    run = runs()[0]
    start = tracklet.load_checkpoint(run)
    assert start.num_boosted_rounds() == 5
    again = xgb.train(params, data, 7, xgb_model=start)
    np.testing.assert_array_equal(again.predict(data), whole.predict(data))
    assert again.get_dump(with_stats=True) == whole.get_dump(with_stats=True)


def test_a_run_without_checkpoints_says_so():
    train()
    with pytest.raises(ResourceDoesNotExist, match="log_checkpoints=True"):
        tracklet.load_checkpoint(only_run())
