"""What the record says of the data, and where a model's signature comes from."""

from __future__ import annotations

import gc
import inspect
import json
import warnings
import weakref

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import xgboost as xgb

import tracklet
from tracklet import models, pyfunc

pytestmark = pytest.mark.usefixtures("on")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
FRAME = pd.DataFrame(X, columns=["a", "b", "c", "d"])
KEEPS_CATEGORIES = int(xgb.__version__.split(".")[0]) > 3 or xgb.__version__ >= "3.1"
PARAMS = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1}


def train(rounds=5, data=FRAME, label=Y, **options):
    matrix = xgb.DMatrix(data, label=label)
    options.setdefault("evals", [(matrix, "train")])
    return xgb.train(
        {**PARAMS, **options.pop("params", {})}, matrix, rounds, verbose_eval=False, **options
    )


def test_s11_14_params_metrics_importance_datasets_and_a_model_that_predicts_the_same(record):
    seen = {}
    data, held = xgb.DMatrix(FRAME, label=Y), xgb.DMatrix(FRAME[:50], label=Y[:50])
    booster = xgb.train(
        {**PARAMS, "eval_metric": ["logloss", "auc"]},
        data,
        evals=[(data, "train"), (held, "held")],
        evals_result=seen,
        verbose_eval=False,
    )
    run = record.only()
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
            assert record.history(run, f"{name}-{metric}") == list(enumerate(values))
    scores = json.loads(record.artifact(run, "feature_importance_weight.json").read_text())
    assert scores == booster.get_score(importance_type="weight")
    assert record.artifact(run, "feature_importance_weight.png").read_bytes().startswith(b"\x89PNG")
    inputs = {i.dataset.name: i for i in run.inputs.dataset_inputs}
    assert set(inputs) == {"dataset", "train", "held"}
    assert inputs["dataset"].tags[0].value == "train"
    assert inputs["held"].tags[0].value == "eval"
    expected = tracklet.data.from_pandas(FRAME).digest
    assert inputs["dataset"].dataset.digest == inputs["train"].dataset.digest == expected
    assert "mlflow_colspec" in json.loads(inputs["dataset"].dataset.schema)
    model = record.logged(run)
    assert model.name == "model"
    assert {m.key: m.value for m in model.metrics} == run.data.metrics
    about = models.get_model_info(f"runs:/{run.info.run_id}/model")
    assert about.signature.inputs.input_names() == ["a", "b", "c", "d"]
    assert about.signature.outputs.inputs[0].type == np.dtype("float32")
    loaded = tracklet.xgboost.load_model(f"runs:/{run.info.run_id}/model")
    np.testing.assert_array_equal(loaded.predict(data), booster.predict(data))
    view = pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    np.testing.assert_array_equal(view.predict(FRAME), booster.predict(data))


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
def test_signature_and_example_come_from_what_the_matrix_was_made_of(record, source):
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
    run = record.only()
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


def test_w16_sparse_data_is_fingerprinted_as_it_is(record, monkeypatch):
    wide = scipy.sparse.random(300, 4000, density=0.001, format="csr", random_state=0)
    monkeypatch.setattr(type(wide), "toarray", lambda *_: pytest.fail("was made dense"))
    monkeypatch.setattr(type(wide), "todense", lambda *_: pytest.fail("was made dense"))
    labels = np.arange(300) % 2
    xgb.train(PARAMS, xgb.DMatrix(wide, label=labels), 2)
    (dataset,) = record.only().inputs.dataset_inputs
    assert dataset.dataset.digest == tracklet.data.from_numpy(wide, targets=labels).digest


def test_what_is_not_known_of_a_matrix_is_said(record, tmp_path):
    tracklet.xgboost.autolog(disable=True)
    early = xgb.DMatrix(X, label=Y)
    early.save_binary(str(tmp_path / "data.bin"))
    tracklet.xgboost.autolog()
    xgb.train(PARAMS, early, 2)
    xgb.train(PARAMS, xgb.DMatrix(str(tmp_path / "data.bin")), 2)
    said = {"it was made before autologging was on", "it was read from a file"}
    assert {run.data.tags["tracklet.dataset"] for run in record.runs()} == {
        f"dataset is left out: {reason}" for reason in said
    }
    for run in record.runs():
        assert "tracklet.faults" not in run.data.tags
        assert models.Model.load(f"runs:/{run.info.run_id}/model").signature is None


@pytest.mark.parametrize("kind", ["DMatrix", "QuantileDMatrix", "ExtMemQuantileDMatrix"])
def test_of_data_in_batches_there_is_a_signature_and_a_word(record, tmp_path, kind):
    if not hasattr(xgb, kind):
        pytest.skip("newer versions have it")
    cached = {} if kind == "QuantileDMatrix" else {"cache_prefix": str(tmp_path / "cache")}
    batches = Batches([(FRAME[:100], Y[:100])], **cached)
    xgb.train({"nthread": 1, "tree_method": "hist"}, getattr(xgb, kind)(batches), 2)
    run = record.only()
    assert run.data.tags["tracklet.dataset"] == "dataset is left out: it came in batches"
    assert models.Model.load(f"runs:/{run.info.run_id}/model").signature is not None


class Table(pd.DataFrame):
    """A frame of the user's own class, whose code is theirs."""

    def __getattribute__(self, name):
        assert name not in ("iloc", "head"), "the user's class was asked"
        return super().__getattribute__(name)


@pytest.mark.parametrize("source", ["subclass", "arrow", "slice"])
def test_subclasses_of_frames_tables_of_arrow_and_slices_are_known(record, source):
    digest = tracklet.data.from_pandas(FRAME).digest
    if source == "arrow":
        pyarrow = pytest.importorskip("pyarrow", exc_type=ImportError)
        data = xgb.DMatrix(pyarrow.Table.from_pandas(FRAME), label=Y)
    elif source == "slice":
        data = xgb.DMatrix(FRAME, label=Y).slice(list(range(100)))
    else:
        data = xgb.DMatrix(Table(FRAME), label=Y)
    xgb.train(PARAMS, data, 2)
    run = record.only()
    assert [i.dataset.digest for i in run.inputs.dataset_inputs] == [digest]
    assert models.Model.load(f"runs:/{run.info.run_id}/model").signature is not None
    said = "dataset is the data of which it is a part" if source == "slice" else None
    assert run.data.tags.get("tracklet.dataset") == said


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_what_is_missing_late_in_a_table_is_no_refusal_of_it(record, library):
    """Whether a column is required is said by all rows of a table, not by those of the example."""
    made = pytest.importorskip(library)
    pytest.importorskip("pyarrow", exc_type=ImportError)
    columns = {name: [*range(40), None, 41, last] for name, last in [("a", None), ("b", 1)]}
    columns["b"][40] = 0
    table = (made.DataFrame if library == "polars" else made.table)(columns)
    labels = np.arange(43) % 2
    data = xgb.DMatrix(table, label=labels)
    trainings = (
        lambda: xgb.train(PARAMS, data, 2).predict(data),
        lambda: xgb.XGBClassifier(n_estimators=2, n_jobs=1).fit(table, labels).predict(table),
    )
    for train_and_ask in trainings:
        answer = train_and_ask()
        view = pyfunc.load_model(f"models:/{tracklet.last_logged_model().model_id}")
        inputs = view.metadata.get_input_schema()
        assert [str(one) for one in inputs] == ["'a': long (optional)", "'b': long (required)"]
        np.testing.assert_array_equal(view.predict(table), answer)
        np.testing.assert_array_equal(view.predict(pd.DataFrame(columns, dtype="Int64")), answer)


@pytest.mark.filterwarnings("ignore")  # XGBoost warns of arguments given by position
def test_w10_positional_and_keyword_evals_are_recorded_alike(record):
    data = xgb.DMatrix(X, label=Y)
    evals = ((data, "train"),)
    xgb.train(params=PARAMS, dtrain=data, num_boost_round=2, evals=evals, verbose_eval=False)
    names = list(inspect.signature(xgb.train).parameters)
    defaults = {n: p.default for n, p in inspect.signature(xgb.train).parameters.items()}
    given = {"params": PARAMS, "dtrain": data, "num_boost_round": 2, "evals": evals}
    seen = {}
    given |= {"early_stopping_rounds": 5, "evals_result": seen, "callbacks": None}
    xgb.train(*({**defaults, **given}[name] for name in names))
    by_position, by_name = record.runs()
    for run in (by_position, by_name):
        assert {i.dataset.name for i in run.inputs.dataset_inputs} == {"dataset", "train"}
        assert [step for step, _ in record.history(run, "train-logloss")][:2] == [0, 1]
        assert "tracklet.faults" not in run.data.tags
    assert by_position.data.params["early_stopping_rounds"] == "5"
    assert by_position.data.metrics["stopped_iteration"] == 1
    assert len(seen["train"]["logloss"]) == 2


def test_matrices_without_data_or_of_files_are_what_they_ever_are(record, tmp_path):
    def without_data():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                xgb.DMatrix(None)
            except TypeError as error:  # newer versions refuse it
                return str(error)
        return None

    watched = without_data()
    tracklet.xgboost.autolog(disable=True)
    assert without_data() == watched
    tracklet.xgboost.autolog()
    xgb.DMatrix(FRAME, label=Y).save_binary(str(tmp_path / "data.bin"))
    again = xgb.DMatrix(str(tmp_path / "data.bin"))
    assert (again.num_row(), again.num_col()) == FRAME.shape
    assert record.runs() == []


@pytest.mark.skipif(not KEEPS_CATEGORIES, reason="models keep categories since XGBoost 3.1")
@pytest.mark.parametrize("kind", ["texts", "integers", "polars"])
def test_categories_train_and_predict(record, kind):
    drawn = np.where(X[:, 2] > 0, 7, 3) + np.where(X[:, 3] > 0, 10, 0)
    drawn[:9] = 17  # all that the example shows
    plain = drawn if kind == "integers" else drawn.astype(str).astype(object)
    frame = FRAME.assign(k=pd.Categorical(plain))
    if kind == "polars":
        pl = pytest.importorskip("polars")
        pytest.importorskip("pyarrow", exc_type=ImportError)
        frame = pl.DataFrame({**FRAME, "k": pl.Series(plain, dtype=pl.Categorical)})
    data = xgb.DMatrix(frame, label=drawn % 7, enable_categorical=True)
    booster = xgb.train({"nthread": 1}, data, 2)
    run = record.only()
    view = pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    np.testing.assert_array_equal(view.predict(FRAME.assign(k=plain)), booster.predict(data))


def test_data_that_was_made_before_autologging_was_configured_anew_is_known(record):
    data = xgb.DMatrix(X, label=Y)
    tracklet.xgboost.autolog()
    xgb.train(PARAMS, data, 2)
    assert record.only().inputs.dataset_inputs
