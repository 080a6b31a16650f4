"""The ways in which instrumentation alters training, each shown not to be ours.

A name begins with the row of the list. Rows that need torch or several ranks are not held yet.
"""

from __future__ import annotations

import asyncio
import collections
import gc
import inspect
import itertools
import os
import random
import traceback
import typing
import weakref
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import all_estimators

import tracklet
from tracklet.autolog import budget
from tracklet.patching import Patch, injected

X, Y = load_iris(return_X_y=True)


def test_r2_the_users_traceback_has_the_frames_that_it_had():
    class Failing(BaseEstimator):
        def fit(self, X, y=None):
            self._check(X)

        def _check(self, X):
            raise LookupError("mine")

    def users_frames():
        with pytest.raises(LookupError) as caught:
            Failing().fit(X)
        error = caught.value
        assert error.__cause__ is error.__context__ is None
        assert not hasattr(error, "__notes__")
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if os.sep + "tracklet" in frame.filename]
        return [frame.name for frame in frames if frame not in ours], len(ours)

    watched, ours = users_frames()
    tracklet.autolog(disable=True)
    assert watched == users_frames()[0]
    assert ours == 1


@pytest.mark.parametrize(
    "kind", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError]
)
def test_r3_what_is_no_error_passes_from_every_hook_and_from_the_fit(
    enable, runs, monkeypatch, kind
):
    """Raised at the k-th internal step, for every k, it arrives as the object that was raised."""
    monkeypatch.delenv("TRACKLET_STRICT")  # which would raise what was contained
    enable(log_models=False, silent=True)
    places = []

    def fit():
        return LogisticRegression(max_iter=300).fit(X, Y)

    with injected(places.append):
        fit()
    assert len(places) > 5
    for k in range(len(places)):
        stop, seen = kind("mine"), []

        def interrupting(place, stop=stop, seen=seen, k=k):
            seen.append(place)
            if len(seen) == k + 1:
                raise stop

        with injected(interrupting), pytest.raises(kind) as caught:
            fit()
        assert caught.value is stop, places[k]
        assert tracklet.active_run() is None, places[k]
        assert tracklet.autolog.session.current() is None, places[k]

    class Stopping(BaseEstimator):
        def fit(self, X, y=None):
            raise stop

    with pytest.raises(kind) as caught:
        Stopping().fit(X)
    assert caught.value is stop
    assert "RUNNING" not in {run.info.status for run in runs()}


@pytest.mark.parametrize("store", ["safe", "dead"])
def test_r5_r6_no_random_number_is_drawn_from_the_users_streams(
    enable, monkeypatch, tmp_path, store
):
    """Neither by a fit, nor by what comes after it, nor when the store cannot be reached."""
    enable(log_plots=True, log_html=True, silent=True, iteration_metrics="live")
    if store == "dead":
        monkeypatch.delenv("TRACKLET_STRICT")
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("TRACKLET_TRACKING_URI", str(tmp_path / "file" / "mlruns"))
    mine = np.random.default_rng(3)

    def train():
        random.seed(1)
        np.random.seed(1)
        mine.bit_generator.state = np.random.default_rng(3).bit_generator.state
        own = np.random.RandomState(2)
        model = RandomForestClassifier(2, random_state=own).fit(X, Y)
        LogisticRegression(max_iter=300).fit(X, Y)
        RandomizedSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, n_iter=2).fit(X, Y)
        model.score(X, Y)
        tracklet.autolog.flush()
        return random.random(), np.random.random(), own.random_sample(), mine.random()

    watched = train()
    tracklet.autolog(disable=True)
    assert watched == train()


def test_r6_a_predict_that_draws_random_numbers_leaves_the_users_streams_alone(enable, runs):
    class Noisy(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

        def predict(self, X):
            random.random()
            return np.random.choice(self.classes_, len(X))

    enable(training_metrics="all", log_models=False)
    random.seed(3)
    np.random.seed(3)
    expected = random.random(), np.random.random()
    random.seed(3)
    np.random.seed(3)
    Noisy().fit(X, Y)
    assert (random.random(), np.random.random()) == expected
    assert "training_score" in runs()[0].data.metrics


class Spy(ClassifierMixin, BaseEstimator):
    def fit(self, X, y, sample_weight=None, **more):
        type(self).seen = (X, y, sample_weight, more)
        self.classes_ = np.unique(y)
        return self


def test_r4_arguments_are_the_very_objects_and_stay_as_they_were():
    features, labels, weight = X.copy(), Y.copy(), np.ones(len(Y))
    for array in (features, labels, weight):
        array.flags.writeable = False
    before = [array.tobytes() for array in (features, labels, weight)]
    extra = object()
    Spy().fit(features, labels, weight, extra=extra)
    seen = Spy.seen
    assert seen[0] is features
    assert seen[1] is labels
    assert seen[2] is weight
    assert seen[3] == {"extra": extra}
    assert [array.tobytes() for array in (features, labels, weight)] == before


def test_r7_nothing_of_an_estimator_of_the_users_is_called(enable):
    calls = []

    class Counting(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

        def __getattribute__(self, name):
            if name in ("predict", "predict_proba", "score", "transform", "decision_function"):
                calls.append(name)
            return super().__getattribute__(name)

        def predict(self, X):
            calls.append("called")
            return np.zeros(len(X))

    enable(log_models=False)
    Counting().fit(X, Y)
    assert "called" not in calls


def test_r11_lazy_frames_are_not_collected(enable, runs):
    import polars as pl

    collected = []

    class Spying(pl.LazyFrame):
        def collect(self, *args, **kwargs):
            collected.append("collect")
            return super().collect(*args, **kwargs)

    class Lazy(BaseEstimator):
        def fit(self, X, y=None):
            return self

    enable(log_models=False)
    lazy = Spying({"a": [1.0, 2.0]})
    Lazy().fit(lazy)
    assert collected == []
    assert runs()[0].inputs.dataset_inputs == []


def test_r14_a_hierarchy_is_recorded_once_by_its_outermost_class(runs):
    class Mixin:
        def fit(self, X, y):
            return super().fit(X, y)

    class Left(Mixin, LogisticRegression):
        def fit(self, X, y):
            return super().fit(X, y)

    class Diamond(Left, LogisticRegression):
        pass

    Diamond(max_iter=300).fit(X, Y)
    (run,) = runs()
    assert run.data.tags["estimator_name"] == "Diamond"


def test_r15_an_estimator_that_fits_another_in_its_representation_does_not_recurse(enable, runs):
    class Strange(BaseEstimator):
        def __init__(self, inner=None):
            self.inner = inner

        def fit(self, X, y=None):
            return self

        def __str__(self):
            LinearRegression().fit([[0.0], [1.0]], [0, 1])
            return "strange"

    class Outer(BaseEstimator):
        def __init__(self, part=None):
            self.part = part

        def fit(self, X, y=None):
            return self

    enable(log_models=False)
    Outer(Strange()).fit(X)
    (run,) = runs()
    assert run.data.params["part"] == "strange"


def test_r19_r20_r22_what_a_process_has_once_is_as_it_was(process):
    """Warnings, loggers, environment, signals, modes of libraries: by their values."""
    script = """
        import decimal, gc, locale, logging, os, signal, socket, sys, threading, warnings
        import numpy as np
        import pandas as pd
        import sklearn.linear_model, sklearn.metrics
        import threadpoolctl

        def umask():
            mask = os.umask(0)
            os.umask(mask)
            return mask

        known = [one for one in logging.root.manager.loggerDict.values()
                 if isinstance(one, logging.Logger)]

        def state():
            return {
                "filters": list(warnings.filters),
                "showwarning": (warnings.showwarning, warnings.formatwarning),
                "environment": dict(os.environ),
                "folder": os.getcwd(),
                "umask": umask(),
                "locale": locale.setlocale(locale.LC_ALL),
                "signals": [signal.getsignal(each) for each in signal.valid_signals()],
                "timer": signal.getitimer(signal.ITIMER_REAL),
                "hooks": (sys.excepthook, sys.unraisablehook, sys.displayhook,
                          threading.excepthook, sys.breakpointhook),
                "traces": (sys.gettrace(), sys.getprofile(), threading.gettrace(),
                           sys.get_asyncgen_hooks()),
                "limits": (sys.getrecursionlimit(), sys.getswitchinterval(), gc.get_threshold(),
                           gc.isenabled(), socket.getdefaulttimeout(), sys.flags),
                "streams": (sys.stdout, sys.stderr, sys.stdin, sys.path[:], sys.argv[:]),
                "root": (logging.root.handlers[:], logging.root.level, logging.raiseExceptions,
                         logging.getLoggerClass(), logging.getLogRecordFactory()),
                "loggers": [(one.level, one.handlers[:], one.disabled, one.propagate,
                             one.filters[:]) for one in known],
                "decimal": repr(decimal.getcontext()),
                "numpy": (np.geterr(), repr(np.get_printoptions())),
                "pandas": pd.describe_option("", _print_desc=False),
                "sklearn": sklearn.get_config(),
                "pools": threadpoolctl.threadpool_info(),
            }

        def fit():
            return sklearn.linear_model.LogisticRegression().fit([[0.], [1.], [2.]], [0, 1, 1])

        fit()
        before = state()
        import tracklet
        tracklet.autolog()
        model = fit()
        sklearn.metrics.accuracy_score([0, 1, 1], model.predict([[0.], [1.], [2.]]))
        tracklet.autolog.flush()
        after = state()
        different = [name for name in before if before[name] != after[name]]
        assert not different, [(before[name], after[name]) for name in different]
        tracklet_handlers = [
            handler for name, one in logging.root.manager.loggerDict.items()
            if name.startswith("tracklet") for handler in getattr(one, "handlers", ())
            if type(handler) is not logging.NullHandler]
        assert not tracklet_handlers
    """
    process(script)


def test_r24_nothing_of_a_fit_is_retained(enable):
    enable(log_plots=True, log_html=True)
    features, labels = X.copy(), Y.copy()
    model = LogisticRegression(max_iter=300).fit(features, labels)
    model.score(features, labels)
    tracklet.autolog.flush()
    references = [weakref.ref(each) for each in (model, features, labels)]
    del model, features, labels
    gc.collect()
    assert [reference() for reference in references] == [None, None, None]


def held():
    """How many objects there are of each type, and how much is in the containers of each.

    The collector does not follow a dict of texts and numbers, but something that it follows holds
    that dict.
    """
    gc.collect()
    followed = gc.get_objects()
    kinds = {dict, list, set, collections.deque, collections.defaultdict, collections.OrderedDict}
    containers = {
        id(each): each for each in (*followed, *gc.get_referents(*followed)) if type(each) in kinds
    }
    found = collections.Counter(type(each).__name__ for each in followed)
    for each in containers.values():
        found[f"in a {type(each).__name__}"] += len(each)
    return found


def test_r24_memory_does_not_grow_with_the_number_of_fits(monkeypatch):
    """What is kept of every fit would make some number grow by one a fit, in every round."""
    monkeypatch.setattr(budget, "_MAX_RUNS", 4)  # the runs that are remembered on purpose
    monkeypatch.setattr("tracklet.stores.files.folder._MAX_RUN_DIRS", 4)
    features = np.random.default_rng(0).normal(size=(50, 3))
    count, rounds = 8, []
    for _ in range(4):
        for _ in range(count):
            LinearRegression().fit(features, features[:, 0]).score(features, features[:, 0])
        tracklet.autolog.flush()
        rounds.append(held())
    growing = (
        {name for name in after if after[name] - before[name] >= count}
        for before, after in itertools.pairwise(rounds)
    )
    assert set.intersection(*growing) == set()


def test_r24_nothing_is_retained_of_a_fit_that_failed():
    model, features = LogisticRegression(), X.copy()
    with pytest.raises(ValueError, match="inconsistent") as caught:
        model.fit(features, Y[:3])
    references = [weakref.ref(model), weakref.ref(features)]
    del model, features, caught
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_r29_fits_while_the_interpreter_ends_say_nothing(process):
    script = """
        import atexit
        import tracklet; tracklet.sklearn.autolog(log_models=False)
        from sklearn.linear_model import LogisticRegression

        def fit():
            LogisticRegression().fit([[0.], [1.], [2.]], [0, 1, 1])

        class Late:
            def __del__(self):
                fit()

        late = Late()
        atexit.register(fit)
        fit()
    """
    done = process(script)
    assert "watching" not in done.stderr  # scikit-learn itself cannot fit that late, and says so


def test_r33_no_row_of_the_training_data_is_on_the_record(runs, tracklet_home):
    canary = "canary-7f3a"
    frame = pd.DataFrame({"name": [canary, "b", "c"], "value": [918273.645, 2.0, 3.0]})

    class Own(BaseEstimator):
        def fit(self, X, y=None):
            self.rows_ = len(X)
            return self

    Own().fit(frame)
    DecisionTreeClassifier(max_depth=1).fit([[918273.645], [1.0], [2.0]], [0, 1, 1])
    runs()
    for folder, _, files in os.walk(tracklet_home / "mlruns"):
        for name in files:
            with open(os.path.join(folder, name), "rb") as file:
                content = file.read()
            assert canary.encode() not in content
            assert b"918273" not in content


def test_r35_hostile_objects_are_no_reason_to_fail(enable, runs):
    class Hostile:
        def __bool__(self):
            raise ValueError("no truth")

        def __eq__(self, other):
            raise ValueError("no equality")

        __hash__ = None

        def __len__(self):
            raise ValueError("no length")

        def __array_function__(self, *args, **kwargs):
            raise ValueError("no functions")

        def __getattr__(self, name):
            raise RuntimeError(f"no attribute {name}")

    class Takes(BaseEstimator):
        def __init__(self, option=None):
            self.option = option

        def fit(self, X, y=None, sample_weight=None):
            return self

    enable(log_models=False)
    hostile = Hostile()
    Takes(option=3).fit(hostile, hostile, sample_weight=hostile)
    (run,) = runs()
    assert run.info.status == "FINISHED"
    assert run.data.params == {"option": "3"}
    assert "tracklet.faults" not in run.data.tags


def test_r8_r9_no_mode_is_changed_no_forward_is_run_and_nothing_is_cast(enable, runs):
    """As far as it goes without torch: an estimator that looks like a network is left alone."""
    calls = []

    def spy(name):
        def method(self, *args, **kwargs):
            calls.append(name)
            return self

        return method

    modes = ("eval", "train", "forward", "__call__", "to", "cpu", "float", "requires_grad_")
    network = type("Network", (BaseEstimator,), {name: spy(name) for name in modes})
    network.training = True

    class Wrapping(ClassifierMixin, BaseEstimator):
        def __init__(self, module=None):
            self.module = module

        def fit(self, X, y):
            type(self).fitted = X
            self.classes_ = np.unique(y)
            return self

        def predict(self, X):
            type(self).asked = X
            return np.zeros(len(X), dtype=np.int8)

    class Tensor(np.ndarray):
        def astype(self, *args, **kwargs):
            calls.append("astype")
            return super().astype(*args, **kwargs)

        def item(self, *args):
            calls.append("item")
            return super().item(*args)

    enable(training_metrics="all", log_models=False)
    features = X.astype(np.float16).view(Tensor)
    module = network()
    Wrapping(module).fit(features, Y)
    assert Wrapping.fitted is features
    assert calls == []
    assert module.training is True
    narrow = X.astype(np.float32)
    Wrapping(module).fit(narrow, Y)
    assert Wrapping.asked is narrow
    assert narrow.dtype == np.float32
    assert "training_score" in runs()[0].data.metrics


def _sources(function):
    """What libraries read of a function to compile, document or call it."""
    found = {
        "unwrapped": inspect.unwrap(function),
        "hints": typing.get_type_hints(function),
        "code": function.__code__,
        "defaults": function.__defaults__,
        "keyword defaults": function.__kwdefaults__,
        "closure": function.__closure__,
        "globals": function.__globals__,
        "dict": function.__dict__,
        "module": function.__module__,
        "line": inspect.getsourcelines(function)[1],
        "file": inspect.getsourcefile(function),
        "full arguments": inspect.getfullargspec(function),
    }
    kinds = (
        inspect.iscoroutinefunction,
        asyncio.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
        inspect.isfunction,
        inspect.isroutine,
        inspect.isbuiltin,
        inspect.isclass,
        callable,
    )
    found.update((kind.__name__, kind(function)) for kind in kinds)
    return found


def test_r13_r30_readers_of_a_watched_function_see_the_original(enable):
    """Code objects are the very ones, so that no compiler's cache misses."""
    tracklet.autolog(disable=True)
    plain = {
        (cls, name): vars(cls)[name]
        for _, cls in all_estimators()
        for name in ("fit", "fit_transform", "fit_predict", "partial_fit")
        if inspect.isfunction(vars(cls).get(name))
    }
    expected = {target: _sources(function) for target, function in plain.items()}
    enable()
    watched = {target: getattr(*target) for target in plain}
    assert len(watched) > 150
    for target, function in watched.items():
        assert function is not plain[target]
        found = _sources(function)
        bottom = found.pop("unwrapped")
        assert bottom is inspect.unwrap(plain[target]), target
        assert found["code"] is plain[target].__code__
        assert {**found, "unwrapped": bottom} == expected[target], target
        bound = function.__get__(object(), target[0])
        assert inspect.ismethod(bound)
        assert bound.__func__ is function


def test_r16_classes_of_every_make_are_watched_or_left_in_peace(enable, runs):
    class Meta(type):
        def __setattr__(cls, name, value):
            raise TypeError("this class is sealed")

        def __getattribute__(cls, name):
            if name == "__subclasses__":
                raise TypeError("ask someone else")
            return super().__getattribute__(name)

    class Sealed(BaseEstimator, metaclass=Meta):
        def fit(self, X, y=None):
            return self

    class Slotted(BaseEstimator):
        __slots__ = ("seen_",)

        def fit(self, X, y=None):
            self.seen_ = len(X)
            return self

    @dataclass(frozen=True)
    class Frozen(BaseEstimator):
        depth: int = 3

        def fit(self, X, y=None):
            return self

    @dataclass(slots=True)
    class Remade(BaseEstimator):
        depth: int = 4

        def fit(self, X, y=None):
            return self

    class Hooked(BaseEstimator):
        def __init_subclass__(cls, **options):
            cls.options = options

        def fit(self, X, y=None):
            return self

    class Below(Hooked, flag=True):
        def fit(self, X, y=None):
            return super().fit(X, y)

    enable(log_models=False)
    for cls in (Sealed, Slotted, Frozen, Remade, Hooked, Below):
        estimator = cls()
        assert estimator.fit(X) is estimator
    assert Below.options == {"flag": True}
    with pytest.raises(AttributeError):
        Frozen().depth = 1
    names = [run.data.tags["estimator_name"] for run in runs()]
    assert names == ["Below", "Hooked", "Remade", "Frozen", "Slotted", "Sealed"]


@pytest.mark.parametrize("order", ["ours first", "theirs first"])
@pytest.mark.parametrize("leaving", ["ours first", "theirs first"])
def test_r17_patchers_come_and_go_in_any_order(enable, runs, order, leaving):
    """Whoever leaves, the other keeps working; when both have left, the original is back."""

    class Trained(BaseEstimator):
        def fit(self, X, y=None):
            return self

    tracklet.autolog(disable=True)
    original, calls = vars(Trained)["fit"], []

    def patch():
        beneath = vars(Trained)["fit"]

        def theirs(self, X, y=None):
            calls.append("theirs")
            return beneath(self, X, y)

        Trained.fit = theirs
        return beneath

    if order == "ours first":
        enable(log_models=False)
        beneath = patch()
    else:
        beneath = patch()
        enable(log_models=False)
    Trained().fit(X)
    assert calls == ["theirs"]
    assert len(runs()) == 1
    if leaving == "ours first":
        tracklet.autolog(disable=True)
        Trained().fit(X)
        assert calls == ["theirs"] * 2
        assert len(runs()) == 1
        Trained.fit = original if order == "theirs first" else beneath
    else:
        Trained.fit = beneath
        Trained().fit(X)
        assert calls == ["theirs"]
        tracklet.autolog(disable=True)
    del calls[:]
    before = len(runs())
    Trained().fit(X)
    assert (calls, len(runs())) == ([], before)
    if (order, leaving) != ("ours first", "ours first"):
        assert vars(Trained)["fit"] is original


def test_r18_nothing_is_imported_that_the_user_does_not_use(process):
    script = """
        import sys
        import sklearn.linear_model, sklearn.metrics
        before = set(sys.modules)
        import tracklet
        tracklet.autolog()
        sklearn.linear_model.LogisticRegression().fit([[0.], [1.], [2.]], [0, 1, 1])
        tracklet.autolog.flush()
        new = {name.partition(".")[0] for name in set(sys.modules) - before}
        strange = {"xgboost", "lightgbm", "torch", "tensorflow", "polars", "pyarrow", "IPython",
                   "sqlalchemy", "starlette", "requests", "urllib3", "click"}
        assert not new & strange, new & strange
        assert "matplotlib.pyplot" not in sys.modules
    """
    process(script)


def test_r23_no_thread_is_there_before_a_fit_nor_after_it_so_that_forks_do_not_warn(process):
    """CPython warns of a fork while there are threads; warnings are errors here."""
    script = """
        import os, threading, warnings
        import tracklet
        tracklet.sklearn.autolog()
        from sklearn.linear_model import LogisticRegression
        model = LogisticRegression()
        before = threading.enumerate()
        assert before == [threading.main_thread()]
        model.fit([[0.], [1.], [2.]], [0, 1, 1])
        new = [thread.name for thread in threading.enumerate() if thread not in before]
        assert new in ([], ["tracklet-background"]), new
        tracklet.autolog.flush()
        assert threading.enumerate() == before
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
    """
    process(script, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_r26_a_parallel_search_scores_the_same_and_no_worker_records(enable, runs, backend):
    import joblib

    def scores():
        search = GridSearchCV(
            RandomForestClassifier(3, random_state=0), {"max_depth": [1, 2]}, cv=2, n_jobs=2
        )
        with joblib.parallel_config(backend):
            search.fit(X, Y)
        return search.cv_results_["mean_test_score"].tobytes()

    enable(max_tuning_runs=0, log_models=False)
    watched = scores()
    assert len(runs()) == 1
    tracklet.autolog(disable=True)
    assert watched == scores()


class _Kinds:
    def __init__(self):
        self.seen = []

    def plain(self):
        self.seen.append("inside")
        return 1

    async def coroutine(self):
        await asyncio.sleep(0)
        self.seen.append("inside")
        return 1

    def generator(self):
        self.seen.append("inside")
        yield 1
        return 2

    async def asynchronous_generator(self):
        self.seen.append("inside")
        yield 1


def test_r27_functions_stay_of_the_kind_that_they_are():
    """A coroutine is watched until it has ended; a generator is given out, and not run."""

    def watch(call):
        call.instance.seen.append("before")
        yield
        call.instance.seen.append("after")

    names = ("plain", "coroutine", "generator", "asynchronous_generator")
    kinds = (
        inspect.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
    )
    before = {name: [kind(getattr(_Kinds(), name)) for kind in kinds] for name in names}
    patches = [Patch(__name__, f"_Kinds.{name}", watch, owner=_Kinds) for name in names]
    for patch in patches:
        patch.apply()
    try:
        assert before == {name: [kind(getattr(_Kinds(), name)) for kind in kinds] for name in names}
        made = _Kinds()
        assert made.plain() == 1
        assert asyncio.run(made.coroutine()) == 1
        assert made.seen == ["before", "inside", "after"] * 2
        made = _Kinds()
        running = made.generator()
        assert inspect.isgenerator(running)
        assert made.seen == ["before", "after"]
        assert next(running) == 1
        with pytest.raises(StopIteration) as stopped:
            next(running)
        assert stopped.value.value == 2

        async def collect():
            return [each async for each in made.asynchronous_generator()]

        assert asyncio.run(collect()) == [1]
        assert made.seen == ["before", "after", "inside"] * 2
    finally:
        for patch in patches:
            patch.revert()


def test_r32_the_users_callbacks_are_the_very_list_in_the_very_order():
    """Also where an estimator of the user's takes callbacks: the list is passed on as it is."""

    class Called(BaseEstimator):
        def fit(self, X, y=None, callbacks=None):
            self.given_ = callbacks
            return self

    mine = [print, len]
    assert Called().fit(X, callbacks=mine).given_ is mine
    assert mine == [print, len]
    assert Called().fit(X).given_ is None


@pytest.mark.parametrize("rank", ["0", "1"])
@pytest.mark.parametrize("world_size", ["1", "2"])
def test_r34_of_the_processes_of_a_distributed_training_one_makes_a_run(rank, world_size, process):
    """In a run of the user's every process records, because that is what they asked for."""
    script = """
        import tracklet
        from sklearn.linear_model import LinearRegression
        tracklet.autolog()
        LinearRegression().fit([[0.0], [1.0]], [0, 1])
        alone = len(tracklet.search_runs(output_format="list"))
        with tracklet.start_run():
            LinearRegression().fit([[0.0], [1.0]], [0, 1])
        print(alone, "training_score" in tracklet.last_active_run().data.metrics)
    """
    done = process(script, RANK=rank, WORLD_SIZE=world_size)
    is_first = rank == "0" or world_size == "1"
    assert done.stdout.split() == [str(int(is_first)), "True"]


def test_r36_a_function_that_was_renamed_is_left_out_with_one_notice(process):
    """The others are watched all the same, and the plan says what is missing."""
    script = """
        import logging
        import sklearn.model_selection._validation as validation
        from sklearn.linear_model import LogisticRegression
        validation._fit_and_score_renamed = validation._fit_and_score
        del validation._fit_and_score, validation._fit_and_predict

        lines = []
        class Keep(logging.Handler):
            def emit(self, record):
                lines.append((record.levelno, record.getMessage()))
        logging.getLogger("tracklet").addHandler(Keep())
        logging.getLogger("tracklet").setLevel(logging.INFO)
        import tracklet
        tracklet.sklearn.autolog(log_models=False)
        told = [line for level, line in lines if "_fit_and_score" in line]
        assert len(told) == 1, lines
        assert "1 more" in told[0], told
        assert max(level for level, _ in lines) <= logging.INFO
        (entry,) = [each for each in tracklet.autolog.plan() if each.name == "sklearn"]
        assert entry.state == "active"
        assert len(entry.skipped) == 2, entry.skipped
        LogisticRegression().fit([[0.], [1.], [2.]], [0, 1, 1])
        (run,) = tracklet.search_runs(output_format="list")
        assert "tracklet.faults" not in run.data.tags
    """
    process(script)
