"""Plots and the HTML representation: drawn off the training path, without pyplot."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import tracklet
from tracklet.autolog import background

X, Y = load_iris(return_X_y=True)
BINARY = (X[:100], Y[:100])
CURVES = {"training_roc_curve.png", "training_precision_recall_curve.png"}


@pytest.fixture(autouse=True)
def on(tracklet_home, monkeypatch):
    monkeypatch.setenv("TRACKLET_STRICT", "1")
    tracklet.sklearn.autolog(log_models=False)
    yield
    tracklet.autolog(disable=True)


def files(run=None):
    tracklet.autolog.flush()
    run = run or tracklet.last_active_run()
    return {info.path for info in tracklet.TrackletClient().list_artifacts(run.info.run_id)}


def content(path):
    return Path(
        tracklet.artifacts.download_artifacts(
            run_id=tracklet.last_active_run().info.run_id, artifact_path=path
        )
    ).read_bytes()


@pytest.mark.parametrize(
    ("model", "data", "expected"),
    [
        (DecisionTreeClassifier(max_depth=1), (X, Y), {"training_confusion_matrix.png"}),
        (DecisionTreeClassifier(), BINARY, {"training_confusion_matrix.png"} | CURVES),
        (SVC(), BINARY, {"training_confusion_matrix.png"} | CURVES),
        (LinearRegression(), (X, Y), set()),
        (KMeans(2, n_init=1), (X, None), set()),
    ],
    ids=["multiclass", "binary", "without probabilities", "regressor", "clusters"],
)
def test_s11_9_artifacts_are_those_of_the_kind_of_estimator(model, data, expected):
    model.fit(*data)
    assert files() == expected | {"estimator.html"}
    for name in expected:
        png = content(name)
        assert png.startswith(b"\x89PNG")
        width, height = struct.unpack(">II", png[16:24])
        assert min(width, height) > 200
    page = content("estimator.html").decode()
    assert type(model).__name__ in page
    assert '<meta charset="UTF-8"/>' in page


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(lambda y: y.reshape(-1, 1).ravel().astype(str), id="strings"),
        pytest.param(lambda y: y.astype(bool), id="booleans"),
        pytest.param(lambda y: y * 2 - 1, id="minus one and one"),
        pytest.param(lambda y: np.ma.masked_array(y), id="masked"),
        pytest.param(lambda y: y.tolist(), id="list"),
    ],
)
def test_w23_two_classes_of_any_type_have_curves(labels):
    LogisticRegression().fit(BINARY[0], labels(BINARY[1]))
    assert files() >= CURVES


def test_w23_labels_in_a_frame_of_one_column_have_curves():
    import pandas as pd

    with pytest.warns(UserWarning, match="column-vector"):
        LogisticRegression().fit(BINARY[0], pd.DataFrame({"label": BINARY[1]}))
    assert files() >= CURVES


def test_w23_multi_label_data_has_no_confusion_matrix_and_no_fault():
    DecisionTreeClassifier().fit(X, np.stack([Y == 0, Y == 1], axis=1).astype(int))
    assert files() == {"estimator.html"}
    assert "tracklet.faults" not in tracklet.last_active_run().data.tags


def test_r21_pyplot_is_never_imported_and_no_backend_is_chosen(tracklet_home):
    script = (
        "import sys, tracklet; tracklet.sklearn.autolog()\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "LogisticRegression().fit([[0.], [1.], [2.]], [0, 1, 1])\n"
        "tracklet.autolog.flush()\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import matplotlib\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert not isinstance(matplotlib.rcParams._get('backend'), str)\n"
        "import matplotlib.pyplot as plt\n"
        "assert plt.get_fignums() == []\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tracklet_home)


def test_r23_the_drawing_thread_exists_only_while_there_is_something_to_draw():
    LogisticRegression().fit(*BINARY)
    tracklet.autolog.flush()
    assert background.THREAD_NAME not in {each.name for each in threading.enumerate()}
    assert background.waiting() == 0


def test_everything_is_drawn_when_the_process_ends(tracklet_home):
    script = (
        "import tracklet; tracklet.sklearn.autolog(log_models=False)\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "for _ in range(3):\n"
        "    LogisticRegression().fit([[0.], [1.], [2.]], [0, 1, 1])\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tracklet_home)
    runs = tracklet.search_runs(output_format="list", search_all_experiments=True)
    assert len(runs) == 3
    for run in runs:
        assert files(run) >= CURVES


def test_everything_is_drawn_when_a_run_of_the_users_ends():
    with tracklet.start_run() as run:
        LogisticRegression().fit(*BINARY)
    listed = tracklet.TrackletClient().list_artifacts(run.info.run_id)
    assert {info.path for info in listed} >= CURVES


def test_the_confusion_matrix_is_the_darker_the_more_rows_of_a_class_were_predicted_as_another():
    labels = np.repeat(["often", "never"], [60, 40])
    features = np.where(np.arange(100) % 10 < 2, labels[::-1], labels)  # a fifth is misleading
    DecisionTreeClassifier(max_depth=1).fit((features == "often")[:, None], labels)
    tracklet.autolog.flush()
    picture = Image.open(io.BytesIO(content("training_confusion_matrix.png"))).convert("L")
    width, height = picture.size
    grey = np.asarray(picture)[36 : height - 60, 79 : width - 90]
    middle = (grey.shape[0] // 2, grey.shape[1] // 2)
    right = (grey[: middle[0], : middle[1]], grey[middle[0] :, middle[1] :])
    wrong = (grey[: middle[0], middle[1] :], grey[middle[0] :, : middle[1]])
    assert max(map(np.median, right)) < min(map(np.median, wrong)) - 50


def test_curves_are_left_out_where_a_class_has_no_weight_and_nothing_warns():
    LogisticRegression().fit(*BINARY, sample_weight=np.where(BINARY[1] == 0, 0.0, 1.0))
    assert files() == {"estimator.html", "training_confusion_matrix.png"}
    assert "tracklet.faults" not in tracklet.last_active_run().data.tags


def test_plots_that_are_switched_off_are_not_drawn():
    tracklet.sklearn.autolog(log_models=False, log_plots=False, log_html=False)
    LogisticRegression().fit(*BINARY)
    assert files() == set()


def test_what_is_drawn_shows_the_data_as_it_was_at_the_fit(monkeypatch):
    """The user may change labels and estimator right after the fit."""
    held = threading.Event()
    background.later(held.wait)
    labels = BINARY[1].copy()
    model = LogisticRegression(C=0.125).fit(BINARY[0], labels)
    labels[:] = 0
    model.set_params(C=99.0)
    held.set()
    assert files() >= CURVES
    page = content("estimator.html").decode()
    assert "0.125" in page
    assert "99.0" not in page


def test_more_plots_than_may_wait_are_left_out_and_the_run_says_so(monkeypatch):
    monkeypatch.setattr(background, "MAX_WAITING", 0)
    LogisticRegression().fit(*BINARY)
    assert files() == set()
    assert tracklet.last_active_run().data.tags["tracklet.plots"].startswith("left out")


def test_drawing_that_fails_is_counted_and_harms_nothing(monkeypatch):
    monkeypatch.delenv("TRACKLET_STRICT")
    monkeypatch.setattr("zlib.compressobj", None)
    LogisticRegression().fit(*BINARY)
    tracklet.autolog.flush()
    run = tracklet.last_active_run()
    assert run.info.status == "FINISHED"
    assert '"count": 1' in run.data.tags["tracklet.faults"]
    assert "plots" in run.data.tags["tracklet.overhead_ms"]
