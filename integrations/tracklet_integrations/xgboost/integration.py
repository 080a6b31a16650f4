"""Watching how XGBoost trains."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Generator, Iterable, Iterator
from contextvars import ContextVar
from types import ModuleType
from typing import Any, ClassVar, Final

from tracklet.autolog import Explanation, Integration, Options, recording, session
from tracklet.autolog.boosting import BoundCall
from tracklet.autolog.traces import Trace, Traces, trace_of
from tracklet.patching import Call, Outcome, Patch
from tracklet_integrations.xgboost.options import XgboostOptions
from tracklet_integrations.xgboost.training import XgboostRecord

# The wrappers are scikit-learn estimators, too; what is recorded of them alone is XGBoost's.
_BEFORE_SKLEARN: Final = 10

_FOLDS: Final = (
    "_fit_and_score",
    "_fit_and_predict",
    "_permutation_test_score",
    "_incremental_fit_estimator",
)
_CONTAINERS: Final = ("DMatrix", "QuantileDMatrix", "ExtMemQuantileDMatrix")

# The wrapper whose fit is being recorded in this context, and the container that is being made.
_fitting: ContextVar[XgboostRecord | None] = ContextVar("tracklet_xgboost_fit", default=None)
_making: ContextVar[list[Trace] | None] = ContextVar("tracklet_xgboost_data", default=None)


class XgboostIntegration(Integration):
    """Records every outermost ``train``, ``cv`` and wrapper's ``fit``, through a callback."""

    name: ClassVar[str] = "xgboost"
    modules: ClassVar[tuple[str, ...]] = ("xgboost",)
    requires: ClassVar[str] = "xgboost>=2.0"
    Options: ClassVar[type[Options]] = XgboostOptions

    def patches(self, framework: ModuleType, options: XgboostOptions) -> Iterable[Patch]:
        """``train``, ``cv``, the wrappers' ``fit``, and the making of data containers."""
        self._traces = Traces()
        self._train = inspect.signature(framework.train)
        self._cv = inspect.signature(framework.cv)
        for module in ("xgboost", "xgboost.training", "xgboost.sklearn"):
            yield Patch(module, "train", self.watch_train)
        for module in ("xgboost", "xgboost.training"):
            yield Patch(module, "cv", self.watch_cv)
        yield Patch("xgboost.dask", "train", self.watch_dask_train)
        yield from self._of_wrappers(framework)
        if options.log_models or options.log_datasets:
            for name in _CONTAINERS:
                yield Patch("xgboost.core", f"{name}.__init__", self.watch_data)
            yield Patch("xgboost.data", "_proxy_transform", self.watch_batch)
        for module in ("sklearn.model_selection._validation", "sklearn.model_selection._search"):
            for function in _FOLDS:
                yield Patch(module, function, self.watch_fold)

    def explain(self, options: XgboostOptions) -> Explanation:
        """What is recorded of a training."""
        return Explanation(tuple(_recorded(options)), dict(_omitted(options)))

    def _of_wrappers(self, framework: ModuleType) -> Iterator[Patch]:
        waiting = [framework.XGBModel]
        seen = set(waiting)
        while waiting:
            cls = waiting.pop()
            distributed = cls.__module__.startswith(("xgboost.dask", "xgboost.spark"))
            if "fit" in vars(cls) and not distributed:
                yield Patch(
                    cls.__module__,
                    f"{cls.__qualname__}.fit",
                    self.watch_fit,
                    owner=cls,
                    priority=_BEFORE_SKLEARN,
                )
            for each in type.__subclasses__(cls):
                if each not in seen:
                    seen.add(each)
                    waiting.append(each)

    # -- data ---------------------------------------------------------------------------------

    def watch_data(self, call: Call) -> Generator[None, Outcome, None]:
        """``DMatrix`` and its like: what it is made of is looked at, and not kept."""
        if not self._wants_data():
            yield
            return
        batches: list[Trace] = []
        token = _making.set(batches)
        try:
            arguments = call.arguments()
            trace = self._traced(arguments.get("data"), arguments.get("label"))
            outcome = yield
        finally:
            _making.reset(token)
        if outcome.error is None:
            if trace.example is None and trace.dataset is None and batches:
                trace = batches[0]
            self._traces.remember(call.instance, trace)

    def watch_batch(self, call: Call) -> Generator[None, Outcome, None]:
        """A batch of a ``DataIter``; the first one stands for all in the example."""
        batches = _making.get()
        if batches is not None and not batches:
            data = call.args[0] if call.args else call.kwargs.get("data")
            batches.append(trace_of(data, example=self.options.log_models, dataset=False))
        yield

    def _wants_data(self) -> bool:
        """Not inside of a training that is recorded by others, or not at all."""
        return session.current() is None or _fitting.get() is not None

    def _traced(self, data: Any, labels: Any) -> Trace:
        options = self.options
        return trace_of(data, labels, example=options.log_models, dataset=options.log_datasets)

    # -- trainings ----------------------------------------------------------------------------

    def watch_train(self, call: Call) -> Generator[None, Outcome, None]:
        """``xgboost.train``, by the user or by a wrapper whose fit is recorded."""
        if _is_worker():
            yield
            return
        record = _fitting.get()
        if record is not None:
            token = _fitting.set(None)  # a training inside of this one is none of the wrapper's
            try:
                yield from self._watched(call, record)
            finally:
                _fitting.reset(token)
            return
        with recording(self.name, self.options) as recorder:
            if recorder is None:
                yield
                return
            record = XgboostRecord(recorder, self.options)
            outcome = yield from self._watched(call, record)
            recorder.finish(outcome)
            if outcome.error is None and self.options.log_models:
                record.log_booster(outcome.value)

    def _watched(self, call: Call, record: XgboostRecord) -> Generator[None, Outcome, Outcome]:
        bound = BoundCall(call, self._train)
        record.before_train(bound, self._traces)
        outcome = yield
        record.after_train(bound, outcome)
        return outcome

    def watch_dask_train(self, call: Call) -> Generator[None, Outcome, None]:
        """``xgboost.dask.train``: one run, by the process that asked for the training."""
        with recording(self.name, self.options) as recorder:
            if recorder is None:
                yield
                return
            record = XgboostRecord(recorder, self.options)
            signature = inspect.signature(sys.modules["xgboost.dask"].train)
            bound = BoundCall(call, signature)
            record.before_dask_train(bound)
            outcome = yield
            recorder.finish(outcome)
            # An asynchronous client is given something to await, of which nothing is known yet.
            if outcome.error is None and isinstance(outcome.value, dict):
                record.after_dask_train(bound, outcome.value)

    def watch_cv(self, call: Call) -> Generator[None, Outcome, None]:
        """``xgboost.cv``: one run, with mean and deviation of every round."""
        with recording(self.name, self.options) as recorder:
            if recorder is None:
                yield
                return
            record = XgboostRecord(recorder, self.options)
            bound = BoundCall(call, self._cv)
            record.before_cv(bound, self._traces)
            outcome = yield
            recorder.finish(outcome)

    def watch_fit(self, call: Call) -> Generator[None, Outcome, None]:
        """``fit`` of a wrapper: its ``train`` is recorded, and the wrapper is the model."""
        if call.instance is None or isinstance(call.instance, type):
            yield
            return
        with recording(self.name, self.options) as recorder:
            if recorder is None:
                yield
                return
            record = XgboostRecord(recorder, self.options)
            token = _fitting.set(record)
            try:
                outcome = yield
            finally:
                _fitting.reset(token)
            recorder.finish(outcome)
            if outcome.error is None and self.options.log_models:
                record.log_wrapper(call.instance)

    def watch_fold(self, call: Call) -> Generator[None, Outcome, None]:
        """A fold of scikit-learn's searches and cross-validation is no training of its own."""
        with recording(self.name, self.options, muted=True):
            yield


def _is_worker() -> bool:
    """Whether this is one worker of a distributed training; whoever started it may record it."""
    collective: Any = sys.modules.get("xgboost.collective")
    return collective is not None and bool(collective.is_distributed())


def _recorded(options: XgboostOptions) -> Iterator[str]:
    yield "params, and the arguments of train and cv with their defaults"
    yield "metrics of every round as <dataset>-<metric>; of cv also their deviation"
    yield "early stopping: stopped_iteration, best_iteration, the best round's metrics again"
    for kind in options.importances:
        yield f"feature_importance_{kind}.json and .png"
    if options.log_models:
        parts = [options.model_format]
        parts += ["signature"] if options.log_model_signatures else []
        parts += ["input example"] if options.log_input_examples else []
        yield f"the trained model ({', '.join(parts)})"
    if options.log_datasets:
        yield "name, digest and schema of the training and evaluation datasets"
    if options.log_checkpoints:
        yield f"checkpoints, every {options.checkpoint_save_freq} rounds"


def _omitted(options: XgboostOptions) -> Iterator[tuple[str, str]]:
    yield (
        "trainings inside of another fit, and folds of cross-validation",
        "the outermost is recorded",
    )
    yield "Booster.update by itself", "there is no telling where such a training begins and ends"
    yield (
        "xgboost.spark, and the workers of xgboost.dask",
        "they are other processes; xgboost.dask.train is recorded where it is called",
    )
    if not options.log_models:
        yield "models", "log_models=False"
    if not options.log_datasets:
        yield "datasets", "log_datasets=False"
    if not options.log_checkpoints:
        yield "checkpoints", "log_checkpoints=False"
