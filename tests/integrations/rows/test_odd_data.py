"""Training data of odd kinds: recorded as far as they can be without a side effect."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier

import tracklet
from tracklet.autolog import datasets

X, Y = load_iris(return_X_y=True)


@pytest.fixture(autouse=True)
def without_models(on, enable):
    enable(log_models=False)


class Takes(ClassifierMixin, BaseEstimator):
    """Takes whatever it is given."""

    def __init__(self, option=None, other=1):
        self.option = option
        self.other = other

    def fit(self, X, y=None, sample_weight=None):
        self.given_ = X
        return self


def only(found):
    (run,) = found
    assert run.info.status == "FINISHED"
    assert "tracklet.faults" not in run.data.tags
    return run


class Duck:
    """An array of another library's: it has the whole protocol, and notes who uses it."""

    def __init__(self, values):
        self.values = values
        self.used = []

    shape = property(lambda self: self.values.shape)
    ndim = property(lambda self: self.values.ndim)
    dtype = property(lambda self: self.values.dtype)

    def __len__(self):
        return len(self.values)

    def __getitem__(self, key):
        self.used.append("getitem")
        return Duck(self.values[key])

    def __array__(self, dtype=None, copy=None):
        self.used.append("array")
        return np.array(self.values, dtype=dtype, copy=True if copy is None else copy)

    def __array_function__(self, function, types, args, kwargs):
        self.used.append(function.__name__)
        return NotImplemented

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        self.used.append(ufunc.__name__)
        return NotImplemented


def test_odd_a_duck_array_is_used_by_the_estimator_alone(enable, runs):
    duck = Duck(X)
    Takes().fit(duck, Y)
    assert duck.used == []
    assert only(runs()).inputs.dataset_inputs == []
    with tracklet.autolog.disable_autologging():
        LogisticRegression(max_iter=300).fit(duck, Y)
    natural, duck.used = duck.used, []
    enable(log_models=True)
    LogisticRegression(max_iter=300).fit(duck, Y)
    assert duck.used == natural


def read_only(values):
    values = values.copy()
    values.flags.writeable = False
    return values


def memory_map(values, tmp_path):
    np.save(tmp_path / "values.npy", values)
    return np.load(tmp_path / "values.npy", mmap_mode="r")


def in_format(name):
    from scipy import sparse

    return pytest.param(getattr(sparse, name), id=name)


class Frame(pd.DataFrame):
    """A frame as other libraries derive it."""

    @property
    def _constructor(self):
        return Frame


def polars_frame(values):
    import polars as pl

    return pl.DataFrame(values, schema=["a", "b", "c", "d"])


@pytest.mark.filterwarnings("ignore:Constructing a DIA")
@pytest.mark.parametrize(
    "kind",
    [
        *(read_only, memory_map, np.asfortranarray, polars_frame, Frame),
        *(in_format(f"{name}_matrix") for name in ("bsr", "coo", "csc", "dia", "dok", "lil")),
        *(in_format(f"{name}_array") for name in ("bsr", "coo", "csc", "dia", "dok", "lil")),
    ],
    ids=lambda kind: kind.__name__,
)
def test_odd_kinds_of_tables_are_fingerprinted_and_measured(runs, kind, tmp_path):
    table = kind(X, tmp_path) if kind is memory_map else kind(X)
    model = DecisionTreeClassifier(max_depth=2).fit(table, Y)
    run = only(runs())
    assert run.data.metrics["training_score"] == model.score(table, Y)
    (recorded,) = run.inputs.dataset_inputs
    assert len(recorded.dataset.digest) == 8
    assert recorded.dataset.schema


def test_odd_the_fingerprint_does_not_depend_on_how_an_array_lies_in_memory(runs):
    wide = np.random.default_rng(0).normal(size=(60, 300))
    for table in (wide, np.asfortranarray(wide), np.repeat(wide, 2, axis=0)[::2], wide[:, ::-1]):
        LinearRegression().fit(table, wide[:, 0])
    digests = [run.inputs.dataset_inputs[0].dataset.digest for run in runs()]
    assert digests[1] == digests[2] == digests[3]
    assert digests[0] != digests[1]


def test_odd_one_shot_generators_reach_the_estimator_whole(runs):
    def rows():
        yield from ([1.0], [2.0], [3.0])

    model = Takes().fit(rows())
    assert list(model.given_) == [[1.0], [2.0], [3.0]]
    assert only(runs()).inputs.dataset_inputs == []


def test_odd_a_lazy_frame_stays_a_plan(runs):
    import polars as pl

    asked = []

    class Spying(pl.LazyFrame):
        def __getattribute__(self, name):
            if not name.startswith("__"):
                asked.append(name)
            return super().__getattribute__(name)

    lazy = Spying({"a": [1.0, 2.0]})
    del asked[:]
    Takes().fit(lazy)
    assert asked == []
    assert only(runs()).inputs.dataset_inputs == []


@pytest.mark.filterwarnings("default")  # scikit-learn itself warns of some
@pytest.mark.parametrize(
    ("labels", "weights"),
    [
        (np.array(["a", "b", "c"])[Y], None),
        (np.array(["a", "b", "c"], dtype=object)[Y], np.linspace(1, 2, 150)),
        (np.ma.masked_array(Y, mask=False), None),
        (pd.Series(Y).astype("category"), None),
        (np.zeros(150, dtype=int), None),
        (np.zeros(150, dtype=int), np.ones(150)),
    ],
    ids=["texts", "texts and weights", "masked", "categories", "one class", "one weighted class"],
)
def test_odd_labels_give_the_score_that_the_user_would_compute(runs, labels, weights):
    model = DecisionTreeClassifier(max_depth=1).fit(X, labels, sample_weight=weights)
    expected = model.score(X, labels, sample_weight=weights)
    assert only(runs()).data.metrics["training_accuracy_score"] == pytest.approx(expected)


def test_odd_several_outputs_of_several_kinds(runs):
    several = np.stack([Y, Y * 2], axis=1)
    linear = LinearRegression().fit(X, several)
    assert only(runs()).data.metrics["training_r2_score"] == linear.score(X, several)
    DecisionTreeClassifier(max_depth=2).fit(X, several)  # no metric of classifiers is defined
    assert "tracklet.faults" not in runs()[0].data.tags


def test_odd_hostile_objects_are_touched_by_nobody(runs):
    class Hostile:
        def _refuse(self, *args, **kwargs):
            raise ValueError("leave me alone")

        __bool__ = __len__ = __iter__ = __getitem__ = __array__ = _refuse
        __array_function__ = __repr__ = __str__ = _refuse
        __eq__ = _refuse
        __hash__ = None

        def __getattr__(self, name):
            raise RuntimeError(f"no attribute {name}")

    hostile = Hostile()
    assert Takes(option=3).fit(hostile, hostile, sample_weight=hostile).given_ is hostile
    assert only(runs()).data.params == {"option": "3", "other": "1"}


def test_odd_a_param_whose_text_fails_is_left_out_and_counted(enable, runs, monkeypatch):
    monkeypatch.delenv("TRACKLET_STRICT")

    class Wordless:
        def __repr__(self):
            raise RuntimeError("no words")

    enable(log_models=False, silent=True)
    Takes(Wordless()).fit(X)
    (run,) = runs()
    assert run.info.status == "FINISHED"
    assert run.data.params == {"other": "1"}
    assert json.loads(run.data.tags["tracklet.faults"])["count"] == 1


def test_odd_a_predict_with_side_effects_is_the_users_to_call(enable, runs):
    class Counting(RegressorMixin, BaseEstimator):
        calls = 0

        def fit(self, X, y):
            return self

        def predict(self, X):
            type(self).calls += 1
            return np.zeros(len(X))

    Counting().fit(X, Y)
    assert Counting.calls == 0
    assert only(runs()).data.metrics == {}
    enable(log_models=False, training_metrics="all")
    Counting().fit(X, Y)
    assert Counting.calls <= 2  # the metrics, and score, which may be the user's own
    assert "training_r2_score" in runs()[0].data.metrics


def test_odd_a_million_rows_within_their_budgets_are_measured_and_fingerprinted(enable, runs):
    rows = np.random.default_rng(0).normal(size=(1_000_000, 2))
    LinearRegression().fit(rows, rows[:, 0])
    run = only(runs())
    assert run.data.metrics["training_r2_score"] == pytest.approx(1.0)
    assert len(run.inputs.dataset_inputs) == 1
    enable(log_models=False, training_metrics_seconds=0.0)
    LinearRegression().fit(rows, rows[:, 0])
    run = runs()[0]
    assert run.data.metrics == {}
    assert "training_metrics_seconds=0" in run.data.tags["tracklet.training_metrics"]
    assert len(run.inputs.dataset_inputs) == 1  # an array costs the same however long it is


def million_texts():
    return pd.DataFrame({"a": np.array(["x", "y"], dtype=object).repeat(150_000)}, dtype=object)


def sparse_columns():
    from scipy.sparse import csc_array

    return csc_array(np.ones((1000, 300)))


@pytest.mark.parametrize("make", [million_texts, sparse_columns], ids=["texts", "sparse"])
def test_odd_data_that_take_longer_to_describe_than_was_granted_are_left_out(enable, runs, make):
    table = make()
    enable(log_models=False, dataset_seconds=0.0)
    model = Takes().fit(table)
    assert model.given_ is table
    run = only(runs())
    assert run.inputs.dataset_inputs == []
    text = run.data.tags["tracklet.dataset"]
    assert text.startswith("dataset is left out: describing 300000 ")
    assert text.endswith("0 are granted")
    enable(log_models=False)
    Takes().fit(table)
    run = runs()[0]
    assert len(run.inputs.dataset_inputs) == 1
    assert "tracklet.dataset" not in run.data.tags


def test_odd_of_long_data_only_a_part_enters_the_fingerprint(monkeypatch):
    """What is read does not grow with the data, so neither does the cost."""
    read = []

    class Noting(np.ndarray):
        def ravel(self, *args, **kwargs):
            read.append(self.size)
            return super().ravel(*args, **kwargs)

    for order in ("C", "F"):
        rows = np.ones((200_000, 7), order=order).view(Noting)
        assert tracklet.data.from_numpy(rows).digest
    assert len(read) == 2
    assert max(read) < 10_100
    assert datasets.too_slow(rows, 0.0) is None


def test_odd_a_budget_that_is_no_duration_is_refused(enable):
    for name in ("dataset_seconds", "training_metrics_seconds"):
        with pytest.raises(tracklet.errors.InvalidParameterValue, match=name):
            enable(**{name: -1.0})
        with pytest.raises(tracklet.errors.InvalidParameterValue, match=name):
            enable(**{name: float("nan")})


def test_odd_the_frameworks_warnings_reach_the_user_unchanged():
    with warnings.catch_warnings(record=True) as plain:
        warnings.simplefilter("always")
        with tracklet.autolog.disable_autologging():
            LogisticRegression(max_iter=1).fit(X, Y)
    with warnings.catch_warnings(record=True) as watched:
        warnings.simplefilter("always")
        LogisticRegression(max_iter=1).fit(X, Y)
    assert [str(each.message) for each in watched] == [str(each.message) for each in plain]
    assert [each.category for each in watched] == [ConvergenceWarning]
