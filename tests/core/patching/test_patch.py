"""A patch watches its target and changes nothing else."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import logging
import pickle
import sys
import types
from collections.abc import Generator, Iterator

import cloudpickle
import pytest

from tracklet.patching import (
    AdviceError,
    Call,
    Outcome,
    Patch,
    PatchError,
    on_fault,
    strict_when,
    suppressed,
)

SOURCE = '''
import functools

class Delegated:
    """A descriptor in the manner of scikit-learn's available_if."""
    def __init__(self, fn, check):
        self.fn, self.check = fn, check
        functools.update_wrapper(self, fn)
    def __get__(self, instance, owner=None):
        if instance is None:
            return self.fn
        if not self.check(instance):
            raise AttributeError("not available")
        import types
        return types.MethodType(self.fn, instance)

class Base:
    inherits = True
    def __init__(self, c=1):
        self.c = c
    def fit(self, X, y=None, *, scale: float = 1.0) -> "Base":
        """Fit it."""
        if X is None:
            raise ValueError("no X")
        self.fitted = (X, y, scale)
        return self
    def go_on(self, n):
        return n + self.c
    @classmethod
    def make(cls, c=2):
        return cls(c)
    @staticmethod
    def double(x):
        return 2 * x
    @property
    def predict(self):
        if self.c == 0:
            raise AttributeError("predict")
        return self._predict
    def _predict(self, X):
        """Predict it."""
        return [self.c for _ in X]
    transform = Delegated(lambda self, X: X, lambda self: self.c > 1)
    async def wait(self, x):
        return x

class Child(Base):
    def own(self):
        return "own"

def train(rows, *, callbacks=None, **options):
    """Train."""
    return rows, callbacks, options
'''


@pytest.fixture
def toy() -> Iterator[types.ModuleType]:
    module = types.ModuleType("toy_patched")
    sys.modules["toy_patched"] = module
    exec(compile(SOURCE, "toy_patched.py", "exec"), vars(module))
    yield module
    del sys.modules["toy_patched"]


@pytest.fixture
def seen() -> list[tuple[Call, Outcome]]:
    return []


@pytest.fixture
def watch(seen):
    def advice(call: Call) -> Generator[None, Outcome, None]:
        outcome = yield
        seen.append((call, outcome))

    return advice


def raising_before(call: Call) -> Generator[None, Outcome, None]:
    raise RuntimeError("before")
    yield


def raising_after(call: Call) -> Generator[None, Outcome, None]:
    yield
    raise RuntimeError("after")


def test_s11_3_method_is_watched_and_the_very_same_function_comes_back(toy, watch, seen):
    raw = vars(toy.Base)["fit"]
    patch = Patch("toy_patched", "Base.fit", watch)
    patch.apply()
    patch.apply()
    model = toy.Base()
    assert patch.active
    assert model.fit([1], y=2) is model
    assert [call.instance for call, _ in seen] == [model]
    assert seen[0][0].args == ([1],)
    assert seen[0][1].value is model
    patch.revert()
    patch.revert()
    assert not patch.active
    assert vars(toy.Base)["fit"] is raw
    model.fit([1])
    assert len(seen) == 1


def test_function_classmethod_staticmethod_and_unbound_calls_are_watched(toy, watch, seen):
    raws = {name: vars(toy.Base)[name] for name in ("make", "double", "fit")}
    patches = [
        Patch("toy_patched", target, watch)
        for target in ("train", "Base.make", "Base.double", "Base.fit")
    ]
    for patch in patches:
        patch.apply()
    assert toy.train([1], a=2) == ([1], None, {"a": 2})
    assert type(toy.Child.make(3)) is toy.Child
    assert toy.Base().make().c == 2
    assert toy.Base.double(4) == toy.Base().double(4) == 8
    model = toy.Base()
    toy.Base.fit(model, [1])
    assert [call.instance for call, _ in seen] == [None, toy.Child, toy.Base, None, None, model]
    assert isinstance(vars(toy.Base)["make"], classmethod)
    assert type(vars(toy.Base)["double"]) is staticmethod
    for patch in patches:
        patch.revert()
    assert {name: vars(toy.Base)[name] for name in raws} == raws
    assert all(vars(toy.Base)[name] is raw for name, raw in raws.items())


def test_s11_3_inherited_method_patched_on_a_subclass_vanishes_on_revert(toy, watch, seen):
    patch = Patch("toy_patched", "Child.fit", watch)
    patch.apply()
    toy.Base().fit([1])
    assert seen == []
    toy.Child().fit([1])
    assert len(seen) == 1
    patch.revert()
    assert "fit" not in vars(toy.Child)


def test_r14_inherited_patch_does_not_jump_over_a_class_in_between(toy, watch, seen):
    patch = Patch("toy_patched", "Child.fit", watch)
    patch.apply()

    class Mixin(toy.Base):
        def fit(self, X, y=None, **kwargs):
            self.mixed = True
            return super().fit(X, y, **kwargs)

    class Diamond(toy.Child, Mixin):
        pass

    assert Diamond().fit([1]).mixed
    assert len(seen) == 1
    patch.revert()


def test_w8_two_subscribers_share_a_joint_and_neither_displaces_the_other(toy):
    raw = vars(toy.Base)["fit"]
    order = []

    def advice_of(name):
        def advice(call):
            order.append(f"{name} before")
            yield
            order.append(f"{name} after")

        return advice

    first = Patch("toy_patched", "Base.fit", advice_of("first"))
    second = Patch("toy_patched", "Base.fit", advice_of("second"))
    first.apply()
    second.apply()
    toy.Base().fit([1])
    assert order == ["first before", "second before", "second after", "first after"]
    first.revert()
    order.clear()
    toy.Base().fit([1])
    assert order == ["second before", "second after"]
    second.revert()
    assert vars(toy.Base)["fit"] is raw


def test_r17_under_a_foreign_wrapper_the_patch_becomes_a_pass_through(toy, watch, seen):
    import functools

    raw = vars(toy.Base)["fit"]
    patch = Patch("toy_patched", "Base.fit", watch)
    patch.apply()
    ours = vars(toy.Base)["fit"]

    @functools.wraps(ours)
    def foreign(self, *args, **kwargs):
        return ours(self, *args, **kwargs)

    toy.Base.fit = foreign
    patch.revert()
    assert vars(toy.Base)["fit"] is foreign
    toy.Base().fit([1])
    assert seen == []
    again = Patch("toy_patched", "Base.fit", watch)
    again.apply()
    assert vars(toy.Base)["fit"] is foreign
    toy.Base().fit([1])
    assert len(seen) == 1
    toy.Base.fit = ours
    again.revert()
    assert vars(toy.Base)["fit"] is raw


def test_r17_under_an_opaque_wrapper_the_advice_still_runs_once(toy, watch, seen):
    patch = Patch("toy_patched", "Base.fit", watch)
    patch.apply()
    ours = vars(toy.Base)["fit"]
    toy.Base.fit = lambda self, *args, **kwargs: ours(self, *args, **kwargs)
    patch.apply()
    toy.Base().fit([1])
    assert len(seen) == 1
    patch.revert()


def test_s11_1_hasattr_keeps_its_meaning_for_properties_and_delegating_descriptors(
    toy, watch, seen
):
    raws = vars(toy.Base)["predict"], vars(toy.Base)["transform"]
    patches = [Patch("toy_patched", f"Base.{name}", watch) for name in ("predict", "transform")]
    for patch in patches:
        patch.apply()
    assert not hasattr(toy.Base(0), "predict")
    assert not hasattr(toy.Base(1), "transform")
    model = toy.Base(5)
    assert model.predict([0, 0]) == [5, 5]
    assert model.predict.__doc__ == "Predict it."
    assert model.transform([7]) == [7]
    assert [call.instance for call, _ in seen] == [model, model]
    assert [call.args for call, _ in seen] == [([0, 0],), ([7],)]
    for patch in patches:
        patch.revert()
    assert (vars(toy.Base)["predict"], vars(toy.Base)["transform"]) == raws


def test_r27_coroutine_function_stays_one_and_its_outcome_is_what_was_awaited(toy, watch, seen):
    patch = Patch("toy_patched", "Base.wait", watch)
    patch.apply()
    assert inspect.iscoroutinefunction(toy.Base.wait)
    assert inspect.iscoroutinefunction(toy.Base().wait)
    assert asyncio.run(toy.Base().wait(3)) == 3
    assert seen[0][1].value == 3
    patch.revert()


def test_r13_everything_read_from_a_patched_function_is_the_functions_own(toy, watch):
    raw, raw_method = toy.train, vars(toy.Base)["fit"]
    facts = ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__", "__code__")
    facts += ("__defaults__", "__kwdefaults__", "__closure__", "__globals__", "__dict__")
    expected = [getattr(raw_method, fact) for fact in facts]
    signatures = inspect.signature(raw), inspect.signature(toy.Base().fit)
    for target in ("train", "Base.fit"):
        Patch("toy_patched", target, watch).apply()
    assert (inspect.signature(toy.train), inspect.signature(toy.Base().fit)) == signatures
    assert [getattr(toy.Base.fit, fact) for fact in facts] == expected
    assert inspect.unwrap(toy.Base.fit) is raw_method
    assert isinstance(toy.train, types.FunctionType)
    assert inspect.isfunction(toy.Base.fit)
    assert inspect.ismethod(toy.Base().fit)
    assert toy.Base.fit is toy.Base.fit
    model = toy.Base()
    assert model.fit == model.fit
    assert hash(model.fit) == hash(model.fit)


def test_r13_source_of_a_patched_function_is_found(watch):
    patch = Patch("json", "dumps", watch)
    import json

    source = inspect.getsource(json.dumps)
    patch.apply()
    try:
        assert inspect.getsource(json.dumps) == source
    finally:
        patch.revert()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_r12_pickle_copies_and_cloudpickle_of_functions_and_bound_methods_work(
    toy, watch, protocol
):
    patches = [Patch("toy_patched", target, watch) for target in ("train", "Base.fit")]
    for patch in patches:
        patch.apply()
    model = toy.Base(7)
    for dumps in (pickle.dumps, cloudpickle.dumps):
        assert pickle.loads(dumps(toy.train, protocol=protocol)) is toy.train
        bound = pickle.loads(dumps(model.fit, protocol=protocol))
        assert bound.__self__.c == 7
        assert bound([1]).fitted == ([1], None, 1.0)
    assert copy.deepcopy(toy.train) is toy.train
    assert copy.copy(toy.train) is toy.train
    assert copy.copy(model.fit).__self__ is model
    deep = copy.deepcopy(model.fit)
    assert deep.__self__ is not model
    assert deep.__self__.c == 7
    held = toy.train
    for patch in patches:
        patch.revert()
    assert pickle.loads(pickle.dumps(held, protocol=protocol)) is toy.train


def test_r12_class_pickled_by_value_carries_no_trace_of_the_patch(watch):
    class Local:
        def fit(self, X):
            return X

    # A second copy, so that cloudpickle's memory of the class does not matter.
    plain = cloudpickle.dumps(Local)
    patch = Patch(Local.__module__, "Local.fit", watch, owner=Local)
    patch.apply()
    assert cloudpickle.dumps(Local) == plain
    patch.revert()


def test_joblib_delayed_bound_method_runs_in_worker_processes(watch):
    joblib = pytest.importorskip("joblib")
    import fractions

    patch = Patch("fractions", "Fraction.limit_denominator", watch)
    patch.apply()
    try:
        jobs = (joblib.delayed(fractions.Fraction(n, 7).limit_denominator)(3) for n in range(4))
        with joblib.parallel_config("loky", n_jobs=2):
            found = joblib.Parallel()(jobs)
    finally:
        patch.revert()
    assert found == [fractions.Fraction(n, 7).limit_denominator(3) for n in range(4)]


@pytest.mark.parametrize("advice", [raising_before, raising_after])
def test_s11_2_failing_advice_costs_one_log_line_and_nothing_else(toy, advice, caplog):
    faults = []
    stop = on_fault(lambda error, place, label: faults.append((str(error), place, label)) or False)
    patch = Patch("toy_patched", "Base.fit", advice, label="toy")
    patch.apply()
    model = toy.Base()
    with caplog.at_level(logging.WARNING):
        assert model.fit([1], scale=2.0) is model
    stop()
    patch.revert()
    assert model.fitted == ([1], None, 2.0)
    assert [record.name for record in caplog.records] == ["tracklet.patching"]
    assert [(place, label) for _, place, label in faults] == [("toy_patched.Base.fit", "toy")]


@pytest.mark.parametrize("advice", [raising_before, raising_after])
def test_strict_mode_raises_what_an_advice_raises(toy, advice):
    patch = Patch("toy_patched", "Base.fit", advice)
    patch.apply()
    strict_when(lambda: True)
    try:
        with pytest.raises(RuntimeError):
            toy.Base().fit([1])
        with pytest.raises((ValueError, RuntimeError)):
            toy.Base().fit(None)
    finally:
        strict_when(bool)
        patch.revert()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("when", ["before", "after"])
def test_r3_base_exceptions_in_an_advice_pass_and_close_the_other_advice(
    toy, watch, seen, error, when
):
    def advice(call):
        if when == "before":
            raise error
        yield
        raise error

    outer = Patch("toy_patched", "Base.fit", watch)
    inner = Patch("toy_patched", "Base.fit", advice)
    outer.apply()
    inner.apply()
    with pytest.raises(error):
        toy.Base().fit([1])
    assert len(seen) == 1
    inner.revert()
    outer.revert()


def test_r2_the_users_exception_is_the_same_object_with_one_frame_of_ours(toy, watch, seen):
    error = ValueError("mine")
    cause = KeyError("cause")

    class Mine(toy.Base):
        def fit(self, X, y=None):
            raise error from cause

    patch = Patch("m", "Mine.fit", watch, owner=Mine)
    patch.apply()
    with pytest.raises(ValueError, match="mine") as caught:
        Mine().fit([1])
    patch.revert()
    assert caught.value is error
    assert error.__cause__ is cause
    assert error.__context__ is cause or error.__context__ is None
    files = []
    trace = error.__traceback__
    while trace is not None:
        files.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    assert sum("patching" in file and "test" not in file for file in files) == 1
    assert seen[0][1].error is error


def test_r2_exception_of_the_user_is_not_tainted_by_a_failing_advice(toy):
    patch = Patch("toy_patched", "Base.fit", raising_after)
    patch.apply()
    with pytest.raises(ValueError, match="no X") as caught:
        toy.Base().fit(None)
    assert caught.value.__context__ is None
    patch.revert()


def no_yield(call):
    return
    yield


def two_yields(call):
    yield
    yield


def stubborn(call):
    try:
        yield
        yield
    finally:
        yield


def plain_function(call):
    return None


@pytest.mark.parametrize("advice", [no_yield, two_yields, stubborn, plain_function])
def test_advice_that_breaks_its_contract_is_contained(toy, advice, caplog):
    patch = Patch("toy_patched", "train", advice)
    patch.apply()
    assert toy.train(1) == (1, None, {})
    assert len(caplog.records) == 1
    patch.revert()


def test_r4_advice_may_replace_arguments_and_the_users_objects_stay_untouched(toy):
    def add_callback(call):
        mine = [*(call.kwargs.get("callbacks") or ()), "ours"]
        call.kwargs = {**call.kwargs, "callbacks": mine}
        yield

    patch = Patch("toy_patched", "train", add_callback)
    patch.apply()
    callbacks = ["user's"]
    options = {"callbacks": callbacks}
    assert toy.train([1], **options)[1] == ["user's", "ours"]
    assert callbacks == ["user's"]
    assert options == {"callbacks": callbacks}
    patch.revert()


@pytest.mark.parametrize(
    "change",
    [
        lambda call: setattr(call, "args", (1, 2, 3)),
        lambda call: setattr(call, "args", None),
        lambda call: setattr(call, "kwargs", {"rows": 1}),
        lambda call: setattr(call, "kwargs", "nonsense"),
    ],
)
def test_a_call_that_an_advice_made_impossible_falls_back_to_the_users(toy, change, caplog):
    def advice(call):
        change(call)
        yield

    patch = Patch("toy_patched", "train", advice)
    patch.apply()
    assert toy.train([1], a=1) == ([1], None, {"a": 1})
    assert "AdviceError" in caplog.text
    patch.revert()


def test_a_function_that_takes_more_than_its_signature_says_is_called_as_advised(toy, caplog):
    """As one does that has made arguments keyword-only, and still takes them by position."""

    def now(rows, *, callbacks=None):
        return rows, callbacks

    @functools.wraps(now)
    def train(rows, callbacks=None):
        return now(rows, callbacks=callbacks)

    def advice(call):
        call.args = (call.args[0], [*call.args[1], "ours"])
        yield

    toy.lenient = train
    patch = Patch("toy_patched", "lenient", advice)
    patch.apply()
    assert toy.lenient(1, ["user's"]) == (1, ["user's", "ours"])
    assert not caplog.records
    patch.revert()


def test_changes_of_an_advice_that_then_fails_are_taken_back(toy):
    def advice(call):
        call.args = (99,)
        call.kwargs["a"] = 99
        raise RuntimeError
        yield

    patch = Patch("toy_patched", "train", advice)
    patch.apply()
    assert toy.train([1], b=2) == ([1], None, {"b": 2})
    patch.revert()


def test_the_users_own_bad_call_raises_its_own_error(toy, watch):
    patch = Patch("toy_patched", "train", watch)
    with pytest.raises(TypeError) as bare:
        toy.train()
    patch.apply()
    with pytest.raises(TypeError) as watched:
        toy.train()
    assert str(watched.value) == str(bare.value)
    with pytest.raises(TypeError):
        toy.Base.fit()
    patch.revert()


def test_r15_advice_that_uses_the_watched_function_does_not_recurse(toy):
    depth = []

    def advice(call):
        depth.append(1)
        toy.train(0)
        yield
        toy.train(0)

    patch = Patch("toy_patched", "train", advice)
    patch.apply()
    toy.train(1)
    assert len(depth) == 1
    with suppressed():
        toy.train(1)
    assert len(depth) == 1
    patch.revert()


def test_arguments_are_named_by_the_originals_signature(toy):
    named = []

    def advice(call):
        named.append(dict(call.arguments()))
        yield

    patch = Patch("toy_patched", "Base.fit", advice)
    patch.apply()
    toy.Base().fit([1], 2, scale=3.0)
    toy.Base.fit(toy.Base(), X=[1])
    assert named == [{"X": [1], "y": 2, "scale": 3.0}, {"X": [1]}]
    patch.revert()


@pytest.mark.parametrize(
    ("module", "target"),
    [
        ("not_imported_module", "train"),
        ("toy_patched", "missing"),
        ("toy_patched", "Base.missing"),
        ("toy_patched", "Missing.fit"),
        ("toy_patched", "Base.inherits"),
        ("builtins", "dict.update"),
    ],
)
def test_target_that_cannot_be_watched_is_an_error_that_names_it(toy, watch, module, target):
    with pytest.raises(PatchError, match=target.rpartition(".")[2]):
        Patch(module, target, watch).apply()
    assert "not_imported_module" not in sys.modules


def test_patch_does_not_keep_its_class_alive(watch):
    import gc
    import weakref

    def make():
        class Short:
            def fit(self):
                return self

        return Short

    cls = make()
    patch = Patch("m", "Short.fit", watch, owner=cls)
    patch.apply()
    reference = weakref.ref(cls)
    del cls
    gc.collect()
    assert reference() is None
    patch.revert()


def test_r24_nothing_of_the_call_is_retained(toy):
    import gc
    import weakref

    class Rows(list):
        pass

    def advice(call):
        yield

    patch = Patch("toy_patched", "train", advice)
    patch.apply()
    rows = Rows()
    reference = weakref.ref(rows)
    toy.train(rows)
    del rows
    gc.collect()
    assert reference() is None
    patch.revert()


def test_r26_forked_child_is_not_watched_unless_it_asks(toy, watch, seen):
    import os

    from tracklet.patching import watch_in_this_process

    patch = Patch("toy_patched", "train", watch)
    patch.apply()
    pid = os.fork()
    if pid == 0:
        toy.train(1)
        silent = not seen
        watch_in_this_process()
        toy.train(1)
        os._exit(0 if silent and len(seen) == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    toy.train(1)
    assert len(seen) == 1
    patch.revert()


def test_advice_errors_are_runtime_errors():
    assert issubclass(AdviceError, RuntimeError)
