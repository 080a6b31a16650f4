"""What the user computes of a model after its fit belongs to the model's run."""

from __future__ import annotations

import gc
import json
import os
import pickle
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, get_scorer, make_scorer, recall_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import tracklet

MLFLOW_PYTHON = os.environ.get("TRACKLET_MLFLOW_PYTHON", "")
X, Y = load_iris(return_X_y=True)


@pytest.fixture(autouse=True)
def on(tracklet_home, monkeypatch):
    monkeypatch.setenv("TRACKLET_STRICT", "1")
    enable()
    # What this module imported by name before is not watched, so tests go through the module.
    yield
    tracklet.autolog(disable=True)


def enable(**options):
    quiet = {"iteration_metrics": "none", "log_plots": False, "log_html": False}
    tracklet.sklearn.autolog(**{**quiet, **options})


def fitted(**options):
    model = LogisticRegression(max_iter=300, **options).fit(X, Y)
    return model, tracklet.last_active_run().info.run_id


def later_metrics(run_id):
    tracklet.autolog.flush()
    run = tracklet.get_run(run_id)
    assert "tracklet.faults" not in run.data.tags
    fit = ("training_", "best_cv")
    return {key: value for key, value in run.data.metrics.items() if not key.startswith(fit)}


def info(run_id):
    tracklet.autolog.flush()
    path = tracklet.artifacts.download_artifacts(run_id=run_id, artifact_path="metric_info.json")
    return json.loads(Path(path).read_text())


def test_s11_11_metrics_and_scores_are_named_by_function_and_data_and_explained():
    model, run_id = fitted()
    eval1_X, eval1_y = X[::2], Y[::2]
    eval2_X, eval2_y = X[1::2], Y[1::2]
    pred1_y = model.predict(eval1_X)
    pred2_y = model.predict(eval2_X)
    sklearn.metrics.r2_score(eval1_y, pred1_y)
    sklearn.metrics.r2_score(eval2_y, y_pred=pred2_y)
    expected = sklearn.metrics.recall_score(eval2_y, pred2_y, average="micro")
    sklearn.metrics.accuracy_score(Y, model.predict(X.copy()))
    model.score(eval1_X, eval1_y)
    found = later_metrics(run_id)
    assert set(found) == {
        "r2_score_eval1_X",
        "r2_score-2_eval2_X",
        "recall_score_eval2_X",
        "accuracy_score_unknown_dataset",
        "LogisticRegression_score_eval1_X",
    }
    assert found["recall_score_eval2_X"] == expected
    assert info(run_id)["recall_score_eval2_X"] == (
        "recall_score(y_true=eval2_y, y_pred=pred2_y, average='micro')"
    )
    model_id = tracklet.get_run(run_id).outputs.model_outputs[0].model_id
    of_model = {metric.key for metric in tracklet.get_logged_model(model_id).metrics}
    assert set(found) <= of_model


def test_s11_11_data_of_one_name_is_numbered_by_content_and_not_by_object():
    model, run_id = fitted()
    for part in (slice(0, 50), slice(0, 50), slice(50, 150)):
        rows = X[part]
        sklearn.metrics.accuracy_score(Y[part], model.predict(rows))
    assert set(later_metrics(run_id)) == {
        "accuracy_score_rows",
        "accuracy_score-2_rows",
        "accuracy_score-3_rows-2",
    }


def test_name_is_that_of_the_frame_which_did_not_just_receive_the_data():
    model, run_id = fitted()

    def evaluate(data, labels):
        return sklearn.metrics.accuracy_score(labels, model.predict(data))

    holdout = X[:10]
    evaluate(holdout, Y[:10])
    assert set(later_metrics(run_id)) == {"accuracy_score_holdout"}


def test_columns_of_an_answer_are_linked_and_rows_and_copies_of_it_are_not():
    model = LogisticRegression().fit(X[:100], Y[:100])
    run_id = tracklet.last_active_run().info.run_id
    held = X[:100]
    probabilities = model.predict_proba(held)
    sklearn.metrics.roc_auc_score(Y[:100], probabilities[:, 1])
    sklearn.metrics.roc_auc_score(Y[:100], probabilities[:, 1].copy())
    sklearn.metrics.roc_auc_score(Y[40:60], probabilities[40:60, 1])
    assert set(later_metrics(run_id)) == {"roc_auc_score_held"}


def test_results_that_are_no_numbers_are_not_recorded():
    model, run_id = fitted()
    predicted = model.predict(X)
    sklearn.metrics.confusion_matrix(Y, predicted)
    sklearn.metrics.f1_score(Y, predicted, average=None)
    assert later_metrics(run_id) == {}


def test_the_metrics_go_to_the_models_run_whichever_run_is_active():
    model, run_id = fitted()
    with tracklet.start_run() as other:
        model.score(X, Y)
    assert set(later_metrics(run_id)) == {"LogisticRegression_score_X"}
    assert later_metrics(other.info.run_id) == {}


def test_searches_and_pipelines_are_one_model_and_the_best_estimator_belongs_to_it():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression()),
        {"logisticregression__C": [0.1, 1.0]},
        cv=2,
    ).fit(X, Y)
    run_id = next(
        run.info.run_id
        for run in tracklet.search_runs(output_format="list")
        if "mlflow.parentRunId" not in run.data.tags
    )
    search.score(X, Y)
    search.best_estimator_.score(X, Y)
    assert set(later_metrics(run_id)) == {"GridSearchCV_score_X", "Pipeline_score_X"}


def test_w17_what_a_library_computes_on_the_way_is_not_recorded():
    model, run_id = fitted()
    permutation_importance(model, X, Y, n_repeats=2, random_state=0)
    cross_val_score(model, X, Y, cv=2)
    cross_val_predict(model, X, Y, cv=2)
    assert later_metrics(run_id) == {}


def test_w18_nothing_is_kept_of_models_predictions_and_data():
    model, _ = fitted()
    held = X.copy()
    predicted = model.predict(held)
    sklearn.metrics.accuracy_score(Y, predicted)
    tracklet.autolog.flush()
    references = [weakref.ref(each) for each in (model, held, predicted)]
    del model, held, predicted
    gc.collect()
    assert [reference() for reference in references] == [None, None, None]


def test_w18_a_loop_over_temporary_data_fills_no_run():
    model, run_id = fitted()
    for number in range(130):
        fold = X + number
        model.score(fold, Y)
    assert len(later_metrics(run_id)) == 100


def test_w22_scorers_are_recorded_by_their_functions_names():
    model, run_id = fitted()

    def half(y_true, y_pred):
        return 0.5

    assert get_scorer("neg_log_loss")(model, X, Y) < 0
    assert make_scorer(half)(model, X, Y) == 0.5
    found = later_metrics(run_id)
    assert set(found) == {"log_loss_X", "half_X"}
    assert found["log_loss_X"] > 0


def test_w24_answers_that_cannot_be_held_weakly_are_no_reason_to_warn():
    several = np.stack([Y == 0, Y == 1], axis=1).astype(int)
    model = MultiOutputClassifier(LogisticRegression(max_iter=300)).fit(X, several)
    run_id = tracklet.last_active_run().info.run_id
    assert isinstance(model.predict_proba(X), list)
    assert later_metrics(run_id) == {}


def test_w13_two_models_of_one_run_have_their_own_metrics_and_models():
    with tracklet.start_run() as run:
        first = LogisticRegression(max_iter=300, C=0.1).fit(X, Y)
        second = LogisticRegression(max_iter=300, C=10.0).fit(X, Y)
        first.score(X, Y)
        second.score(X, Y)
    found = later_metrics(run.info.run_id)
    assert set(found) == {"LogisticRegression_score_X", "LogisticRegression_score-2_X"}
    data = tracklet.get_run(run.info.run_id).data
    assert data.params["C"] == "0.1"
    assert data.params["fit_2.C"] == "10.0"
    history = tracklet.TrackletClient().get_metric_history(run.info.run_id, "training_score")
    assert [point.step for point in history] == [0, 1]
    models = {
        tracklet.get_logged_model(each.model_id).params["C"]: {
            metric.key for metric in tracklet.get_logged_model(each.model_id).metrics
        }
        for each in tracklet.get_run(run.info.run_id).outputs.model_outputs
    }
    assert "LogisticRegression_score_X" in models["0.1"]
    assert "LogisticRegression_score-2_X" in models["10.0"]


def test_data_that_metrics_are_computed_of_is_an_input_of_the_run():
    model, run_id = fitted()
    frame = pd.DataFrame(X[:30], columns=list("abcd"))
    model.fit(pd.DataFrame(X, columns=list("abcd")), Y)
    run_id = tracklet.last_active_run().info.run_id
    model.score(frame, Y[:30])
    later_metrics(run_id)
    inputs = tracklet.get_run(run_id).inputs.dataset_inputs
    contexts = {tag.value: each.dataset.digest for each in inputs for tag in each.tags}
    assert set(contexts) == {"train", "eval"}
    (point,) = tracklet.TrackletClient().get_metric_history(
        run_id, "LogisticRegression_score_frame"
    )
    assert point.dataset_digest == contexts["eval"]


def test_copies_clones_and_unpickled_models_are_models_of_their_own():
    model, run_id = fitted()
    pickle.loads(pickle.dumps(model)).score(X, Y)
    clone(model).fit(X[:10] + 1, Y[:10] * 0 + [0, 1] * 5).score(X[:10], Y[:10])
    assert later_metrics(run_id) == {}


def test_r12_no_attribute_is_put_on_a_model_and_its_pickle_is_the_same():
    model, _ = fitted()
    model.predict(X)
    tracklet.autolog(disable=True)
    plain = LogisticRegression(max_iter=300).fit(X, Y)
    assert vars(model).keys() == vars(plain).keys()
    assert pickle.dumps(model) == pickle.dumps(plain)


def test_switched_off_nothing_is_watched_after_the_fit():
    enable(log_post_training_metrics=False)
    model, run_id = fitted()
    model.score(X, Y)
    assert later_metrics(run_id) == {}
    assert type(sklearn.metrics.accuracy_score).__name__ == "function"


def test_s11_3_disabling_puts_back_functions_and_methods():
    model, _ = fitted()
    tracklet.autolog(disable=True)
    assert type(sklearn.metrics.accuracy_score).__name__ == "function"
    for cls in type(model).__mro__:
        for name in ("predict", "predict_proba", "score", "decision_function", "__call__"):
            assert "Watched" not in type(vars(cls).get(name)).__name__


def test_the_users_error_passes_and_records_nothing():
    model, run_id = fitted()
    with pytest.raises(ValueError, match="inconsistent"):
        model.score(X, Y[:3])
    predicted = model.predict(X)
    with pytest.raises(ValueError, match="inconsistent"):
        sklearn.metrics.accuracy_score(Y[:3], predicted)
    assert later_metrics(run_id) == {}


def test_threads_that_evaluate_one_model_record_each_call():
    model, run_id = fitted()
    held = X

    def evaluate():
        for _ in range(5):
            model.score(held, Y)

    threads = [threading.Thread(target=evaluate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = later_metrics(run_id)
    assert len(found) == 20
    assert len(info(run_id)) == 20


def test_an_estimator_that_scores_by_its_base_class_is_recorded_once():
    class Mine(LinearRegression):
        def score(self, X, y, sample_weight=None):
            return super().score(X, y, sample_weight)

    model = Mine().fit(X, Y)
    run_id = tracklet.last_active_run().info.run_id
    model.score(X, Y)
    assert set(later_metrics(run_id)) == {"Mine_score_X"}


def test_metrics_of_a_sparse_and_a_polars_answer_source_are_recorded():
    import polars as pl
    from scipy.sparse import csr_matrix

    model = DecisionTreeClassifier().fit(csr_matrix(X), Y)
    run_id = tracklet.last_active_run().info.run_id
    table = csr_matrix(X)
    model.score(table, Y)
    assert set(later_metrics(run_id)) == {"DecisionTreeClassifier_score_table"}
    names = {each.dataset.source_type for each in tracklet.get_run(run_id).inputs.dataset_inputs}
    assert names == {"code"}
    frame = pl.DataFrame(X, schema=list("abcd"))
    model = DecisionTreeClassifier().fit(frame, Y)
    run_id = tracklet.last_active_run().info.run_id
    model.score(frame, Y)
    assert set(later_metrics(run_id)) == {"DecisionTreeClassifier_score_frame"}
    assert tracklet.get_run(run_id).inputs.dataset_inputs


COMPARED = r"""
import json, sys
if sys.argv[1] == "mlflow":
    import mlflow
else:
    import tracklet as mlflow
mlflow.set_tracking_uri(sys.argv[2])
mlflow.sklearn.autolog(max_tuning_runs=0, silent=True)
import sklearn.metrics as m
from sklearn.metrics import recall_score
from sklearn.linear_model import LogisticRegression
from sklearn.datasets import load_iris

X, y = load_iris(return_X_y=True)
eval1_X, eval1_y = X[::2], y[::2]
eval2_X, eval2_y = X[1::2], y[1::2]
model = LogisticRegression(max_iter=500).fit(X, y)
run_id = mlflow.last_active_run().info.run_id
pred1_y = model.predict(eval1_X)
pred2_y = model.predict(eval2_X)
m.r2_score(eval1_y, pred1_y)
m.r2_score(eval2_y, y_pred=pred2_y)
recall_score(eval2_y, pred2_y, average="micro")
m.accuracy_score(y, model.predict(X.copy()))
model.score(eval1_X, eval1_y)
model.score(X=eval1_X, y=eval1_y)


def evaluate(data, target):
    return m.f1_score(target, model.predict(data), average="macro", sample_weight=None)


evaluate(eval2_X, eval2_y)
eval1_X = X[:40]
predicted = model.predict(eval1_X)
m.mean_squared_error(y[:40], predicted)
m.log_loss(y, model.predict_proba(X))
m.confusion_matrix(y, model.predict(X))
if sys.argv[1] != "mlflow":
    mlflow.autolog.flush()
run = mlflow.get_run(run_id)
metrics = {k: v for k, v in run.data.metrics.items() if "training" not in k and k != "n_iter"}
path = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="metric_info.json")
contexts = sorted(tag.value for each in run.inputs.dataset_inputs for tag in each.tags)
print(json.dumps([metrics, json.load(open(path)), sorted(set(contexts))]))
"""


@pytest.mark.interop
@pytest.mark.skipif(not MLFLOW_PYTHON, reason="TRACKLET_MLFLOW_PYTHON is not set")
def test_keys_values_and_texts_of_later_metrics_are_mlflows(tracklet_home):
    environment = {
        **os.environ,
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    script = tracklet_home / "compared.py"
    script.write_text(COMPARED)
    found = {}
    for library, python in (("mlflow", MLFLOW_PYTHON), ("tracklet", sys.executable)):
        finished = subprocess.run(
            [python, "-W", "ignore", str(script), library, str(tracklet_home / library)],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tracklet_home,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr[-3000:]
        found[library] = json.loads(finished.stdout.splitlines()[-1])
    assert found["tracklet"][0] == pytest.approx(found["mlflow"][0])
    assert found["tracklet"][1:] == found["mlflow"][1:]


# Imported by name before autologging was on: MLflow misses these, and so do we.
assert accuracy_score
assert f1_score
assert recall_score


@pytest.mark.parametrize("between", [{}, {"disable": True}], ids=["configured", "disabled"])
def test_a_model_that_was_fitted_before_autologging_was_configured_anew_belongs_to_its_run(between):
    """As when a notebook's first cell is run once more."""
    model, run_id = fitted()
    enable(**between)
    enable()
    model.score(X, Y)
    assert later_metrics(run_id) == {"LogisticRegression_score_X": model.score(X, Y)}
