"""Metrics per iteration: what estimators keep, warm starts, partial_fit loops, callbacks."""

from __future__ import annotations

import gc
import itertools
import pickle
import subprocess
import sys
import weakref

import numpy as np
import pytest
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.datasets import load_iris
from sklearn.decomposition import IncrementalPCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import BayesianRidge, LogisticRegression, SGDClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import tracklet

X, Y = load_iris(return_X_y=True)


@pytest.fixture(autouse=True)
def on(tracklet_home, monkeypatch):
    monkeypatch.setenv("TRACKLET_STRICT", "1")
    enable()
    yield
    tracklet.autolog(disable=True)


def enable(**options):
    quiet = {"log_plots": False, "log_html": False, "log_models": False}
    tracklet.sklearn.autolog(**{**quiet, **options})


def runs():
    found = tracklet.search_runs(output_format="list", search_all_experiments=True)
    assert all("tracklet.faults" not in run.data.tags for run in found)
    return found


def history(run, key):
    points = tracklet.TrackletClient().get_metric_history(run.info.run_id, key)
    return [(point.step, point.value) for point in points]


@pytest.mark.parametrize(
    ("model", "attribute", "key"),
    [
        (
            MLPClassifier((4,), max_iter=5, early_stopping=True, random_state=0),
            "loss_curve_",
            "loss",
        ),
        (
            MLPClassifier((4,), max_iter=5, early_stopping=True, random_state=0),
            "validation_scores_",
            "validation_score",
        ),
        (GradientBoostingClassifier(n_estimators=4), "train_score_", "train_score"),
        (
            GradientBoostingClassifier(n_estimators=4, subsample=0.5, random_state=0),
            "oob_improvement_",
            "oob_improvement",
        ),
        (
            HistGradientBoostingClassifier(max_iter=4, early_stopping=True, random_state=0),
            "validation_score_",
            "validation_score",
        ),
        (
            AdaBoostClassifier(n_estimators=3, random_state=0),
            "estimator_errors_",
            "estimator_error",
        ),
        (BayesianRidge(compute_score=True), "scores_", "log_marginal_likelihood"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
@pytest.mark.filterwarnings("default")  # few iterations do not converge, as scikit-learn says
def test_histories_that_an_estimator_keeps_are_metrics_with_a_step_each(model, attribute, key):
    model.fit(X, Y)
    (run,) = runs()
    kept = np.asarray(getattr(model, attribute), dtype=float).tolist()
    assert len(kept) > 1
    assert history(run, key) == list(enumerate(kept))


def test_numbers_of_the_whole_fit_are_single_points():
    model = KMeans(3, n_init=1, random_state=0).fit(X)
    make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(X, Y)
    pipeline, clusters = runs()
    assert clusters.data.metrics == {"n_iter": model.n_iter_, "inertia": model.inertia_}
    assert pipeline.data.metrics["n_iter"] > 1


def test_switched_off_there_are_none():
    enable(iteration_metrics="none")
    KMeans(3, n_init=1, random_state=0).fit(X)
    assert runs()[0].data.metrics == {}


def test_a_warm_start_goes_on_with_its_run_a_step_per_fit():
    model = RandomForestClassifier(n_estimators=2, warm_start=True, random_state=0).fit(X, Y)
    for count in (4, 6):
        model.set_params(n_estimators=count).fit(X, Y)
    (run,) = runs()
    assert run.info.status == "FINISHED"
    assert [step for step, _ in history(run, "training_score")] == [0, 1, 2]
    assert run.data.params["n_estimators"] == "2"
    assert run.data.params["fit_3.n_estimators"] == "6"
    model.set_params(warm_start=False).fit(X, Y)
    assert len(runs()) == 2


def test_a_warm_start_continues_the_history_and_repeats_no_point():
    model = GradientBoostingClassifier(n_estimators=3, warm_start=True).fit(X, Y)
    model.set_params(n_estimators=5).fit(X, Y)
    (run,) = runs()
    assert history(run, "train_score") == list(enumerate(model.train_score_.tolist()))


def test_a_warm_start_whose_run_was_deleted_has_a_new_run():
    model = RandomForestClassifier(n_estimators=2, warm_start=True, random_state=0).fit(X, Y)
    first = tracklet.last_active_run().info.run_id
    tracklet.delete_run(first)
    model.set_params(n_estimators=3).fit(X, Y)
    (run,) = runs()
    assert run.info.run_id != first


@pytest.mark.parametrize(
    "make",
    [
        lambda: SGDClassifier(random_state=0),
        lambda: MLPClassifier((4,), random_state=0),
        lambda: MiniBatchKMeans(3, random_state=0, n_init=1),
        lambda: IncrementalPCA(2),
    ],
    ids=["sgd", "mlp", "kmeans", "pca"],
)
def test_w20_a_partial_fit_loop_is_one_run_with_a_step_per_call(make):
    model = make()
    arguments = {"classes": [0, 1, 2]} if hasattr(model, "predict_proba") else {}
    if isinstance(model, SGDClassifier):
        arguments = {"classes": [0, 1, 2]}
    for start in range(5):
        model.partial_fit(X[start::5], Y[start::5], **arguments)
    (run,) = runs()
    assert run.info.status == "FINISHED"
    assert run.data.tags["estimator_name"] == type(model).__name__
    assert history(run, "n_samples_seen") == list(enumerate([30, 60, 90, 120, 150]))
    if isinstance(model, MLPClassifier):
        assert history(run, "loss") == list(enumerate(model.loss_curve_))


def test_two_loops_that_alternate_are_two_runs():
    first, second = SGDClassifier(alpha=0.1), SGDClassifier(alpha=0.2)
    for _ in range(3):
        for model in (first, second):
            model.partial_fit(X, Y, classes=[0, 1, 2])
    found = runs()
    assert sorted(run.data.params["alpha"] for run in found) == ["0.1", "0.2"]
    assert {len(history(run, "n_samples_seen")) for run in found} == {3}


def test_a_loop_in_a_run_of_the_users_belongs_to_it_and_its_model_is_logged_at_the_end():
    enable(log_models=True)
    model = SGDClassifier(random_state=0)
    with tracklet.start_run() as run:
        for _ in range(3):
            model.partial_fit(X, Y, classes=[0, 1, 2])
        assert tracklet.active_run() is run
        assert tracklet.get_run(run.info.run_id).outputs.model_outputs == []
    (found,) = runs()
    assert len(found.outputs.model_outputs) == 1
    loaded = tracklet.sklearn.load_model(f"runs:/{run.info.run_id}/model")
    assert np.array_equal(loaded.coef_, model.coef_)
    assert len(history(found, "n_samples_seen")) == 3


def test_the_model_of_a_managed_loop_is_logged_when_the_process_ends(tracklet_home):
    script = (
        "import tracklet; tracklet.sklearn.autolog()\n"
        "from sklearn.linear_model import SGDClassifier\n"
        "model = SGDClassifier()\n"
        "for _ in range(3):\n"
        "    model.partial_fit([[0.], [1.]], [0, 1], classes=[0, 1])\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tracklet_home)
    (run,) = runs()
    assert run.info.status == "FINISHED"
    assert len(run.outputs.model_outputs) == 1


def test_a_loop_keeps_no_data_and_its_model_until_the_next_training_when_it_is_logged():
    enable(log_models=True)
    model, data = SGDClassifier(), X.copy()
    model.partial_fit(data, Y, classes=[0, 1, 2])
    references, coefficients = (weakref.ref(data), weakref.ref(model)), model.coef_
    del model, data
    gc.collect()
    assert references[0]() is None
    assert runs()[0].outputs.model_outputs == []
    KMeans(3, n_init=1).fit(X)
    assert references[1]() is None
    loaded = tracklet.sklearn.load_model(f"runs:/{runs()[1].info.run_id}/model")
    assert np.array_equal(loaded.coef_, coefficients)


# Forks, each with a store of its own, of a process that has imported scikit-learn.
LOOPS = """
import os, sys
from sklearn.linear_model import SGDClassifier
from sklearn.tree import DecisionTreeClassifier
from sklearn.ensemble import RandomForestClassifier

def train(how):
    forest = RandomForestClassifier(warm_start=True, random_state=0)
    linear = SGDClassifier()
    for count in (1, 2, 3):
        forest.set_params(n_estimators=count).fit([[0.0], [1.0]] * count, [0, 1] * count)
        linear.partial_fit([[0.0], [1.0]], [0, 1], classes=[0, 1])
    if how == "exit":
        sys.exit(3)
    if how == "raise":
        raise RuntimeError("the end")

for store in sys.argv[1:]:
    if os.fork() == 0:
        os.environ["TRACKLET_TRACKING_URI"] = store
        how, where = os.path.basename(store).split("-")
        import tracklet
        tracklet.sklearn.autolog(log_input_examples=True)
        run = tracklet.start_run() if where == "run" else None
        train(how)
        break
    os.wait()
"""


def test_the_model_of_the_last_call_is_on_the_record_however_the_process_ends(
    tracklet_home, monkeypatch
):
    ends = itertools.product(("return", "exit", "raise"), ("run", "none"))
    stores = [str(tracklet_home / "-".join(each)) for each in ends]
    subprocess.run(
        [sys.executable, "-c", LOOPS, *stores],
        cwd=tracklet_home,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    for store in stores:
        monkeypatch.setenv("TRACKLET_TRACKING_URI", store)
        found = runs()
        assert all("tracklet.faults" not in run.data.tags for run in found), store
        models = [
            tracklet.sklearn.load_model(f"models:/{output.model_id}")
            for run in found
            for output in run.outputs.model_outputs
        ]
        sizes = sorted(len(m) for m in models if isinstance(m, RandomForestClassifier))
        assert sizes == [1, 3], store
        assert [m.t_ for m in models if isinstance(m, SGDClassifier)] == [7.0], store


def test_a_warm_start_is_told_by_what_changes_and_by_its_end():
    enable(log_models=True, log_plots=True, log_html=True, log_input_examples=True)
    with tracklet.start_run() as run:
        model = RandomForestClassifier(n_estimators=1, warm_start=True, random_state=0)
        for count in (1, 2, 3, 4):
            model.set_params(n_estimators=count).fit(X, Y)
    (found,) = runs()
    later = {key: value for key, value in found.data.params.items() if key.startswith("fit_")}
    assert later == {f"fit_{count}.n_estimators": str(count) for count in (2, 3, 4)}
    tags = {key for key in found.data.tags if key.startswith("fit_")}
    assert tags == {f"fit_{count}.tracklet.fit" for count in (2, 3, 4)}
    assert len(history(found, "training_score")) == 4
    files = {file.path for file in tracklet.artifacts.list_artifacts(run_id=run.info.run_id)}
    drawn = {"estimator.html", "training_confusion_matrix.png"}
    assert files == {*drawn, "model", "fit_4"}
    last = tracklet.artifacts.list_artifacts(run_id=run.info.run_id, artifact_path="fit_4")
    assert {file.path for file in last} == {f"fit_4/{name}" for name in drawn}
    models = {
        output.step: tracklet.get_logged_model(output.model_id)
        for output in found.outputs.model_outputs
    }
    assert sorted(models) == [0, 3]
    assert models[3].params == {key: str(value) for key, value in model.get_params().items()}
    assert {metric.key for metric in models[3].metrics} >= {"training_score"}
    loaded = tracklet.sklearn.load_model(f"models:/{models[3].model_id}")
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
    info = tracklet.models.get_model_info(f"models:/{models[3].model_id}")
    assert info.signature.outputs is not None
    assert info.saved_input_example_info is not None


def test_models_of_many_fits_in_one_run_have_their_own_params_and_metrics_alone():
    enable(log_models=True)
    with tracklet.start_run():
        for count in (1, 2, 3):
            DecisionTreeClassifier(max_depth=count).fit(X, Y)
    (found,) = runs()
    expected = DecisionTreeClassifier().get_params().keys()
    for output in found.outputs.model_outputs:
        model = tracklet.get_logged_model(output.model_id)
        assert model.params.keys() == expected
        assert model.params["max_depth"] == str(output.step + 1)
        assert {metric.step for metric in model.metrics} == {output.step}


def test_plots_of_a_loop_are_left_out_beyond_their_share_of_the_time_but_for_the_last(monkeypatch):
    monkeypatch.setattr("tracklet.autolog.background._FREE_SECONDS", -1.0)
    monkeypatch.setattr("tracklet.autolog.background._SHARE", 0.0)
    enable(log_plots=True)
    DecisionTreeClassifier().fit(X, Y)
    (alone,) = runs()
    assert "a tenth of the time" in alone.data.tags["tracklet.plots"]
    with tracklet.start_run() as run:
        for _ in range(3):
            DecisionTreeClassifier().fit(X, Y)
    files = {file.path for file in tracklet.artifacts.list_artifacts(run_id=run.info.run_id)}
    assert files == {"fit_3"}
    assert "left out" in tracklet.get_run(run.info.run_id).data.tags["tracklet.plots"]


def test_a_muted_loop_records_nothing_and_an_unmuted_call_goes_on():
    model = SGDClassifier()
    model.partial_fit(X, Y, classes=[0, 1, 2])
    with tracklet.autolog.disable_autologging():
        model.partial_fit(X, Y)
    model.partial_fit(X, Y)
    (run,) = runs()
    assert len(history(run, "n_samples_seen")) == 2


def test_preparing_data_in_pieces_is_no_training():
    scaler = StandardScaler()
    scaler.partial_fit(X)
    scaler.partial_fit(X)
    assert runs() == []


def test_the_users_error_in_a_later_call_passes_and_leaves_the_run_finished():
    model = SGDClassifier()
    model.partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(X[:, :2], Y)
    (run,) = runs()
    assert run.info.status == "FINISHED"
    assert len(history(run, "n_samples_seen")) == 1


live = pytest.mark.skipif(
    not hasattr(LogisticRegression, "set_callbacks"), reason="scikit-learn before 1.9"
)


@live
def test_live_metrics_are_a_loss_per_iteration_and_change_nothing():
    plain = LogisticRegression(max_iter=300)
    with tracklet.autolog.disable_autologging():
        plain.fit(X, Y)
    enable(iteration_metrics="live")
    model = LogisticRegression(max_iter=300).fit(X, Y)
    (run,) = runs()
    points = history(run, "training_loss")
    assert [step for step, _ in points] == list(range(int(model.n_iter_[0])))
    assert points[-1][1] < points[0][1]
    assert points[-1][1] == pytest.approx(run.data.metrics["training_log_loss"], rel=1e-3)
    assert pickle.dumps(model) == pickle.dumps(plain)


@live
def test_live_metrics_keep_out_where_scikit_learn_tells_nothing():
    enable(iteration_metrics="live")
    LogisticRegression(solver="liblinear").fit(X[:100], Y[:100])
    (run,) = runs()
    assert history(run, "training_loss") == []


@live
def test_r32_live_metrics_keep_out_where_the_user_listens():
    class Mine:
        iterations = 0

        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            Mine.iterations += 1

    enable(iteration_metrics="live")
    mine = Mine()
    model = LogisticRegression(max_iter=300).set_callbacks(mine).fit(X, Y)
    (run,) = runs()
    assert Mine.iterations > 1
    assert history(run, "training_loss") == []
    assert model._skl_callbacks == [mine]


@live
def test_live_metrics_leave_the_estimator_clean_when_the_fit_fails():
    enable(iteration_metrics="live")
    model = LogisticRegression()
    with pytest.raises(ValueError, match="inconsistent"):
        model.fit(X, Y[:3])
    assert "_skl_callbacks" not in vars(model)
