"""Watching how LightGBM trains."""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterable, Iterator
from contextvars import ContextVar
from types import ModuleType
from typing import ClassVar, Final

from tracklet.autolog import Explanation, Integration, Options, recording, session
from tracklet.autolog.boosting import BoundCall
from tracklet.autolog.traces import Traces, trace_of
from tracklet.patching import Call, Outcome, Patch
from tracklet_integrations.lightgbm.options import LightgbmOptions
from tracklet_integrations.lightgbm.training import IMPORTANCES, LightgbmRecord

# The wrappers are scikit-learn estimators, too; what is recorded of them alone is LightGBM's.
_BEFORE_SKLEARN: Final = 10

_FOLDS: Final = (
    "_fit_and_score",
    "_fit_and_predict",
    "_permutation_test_score",
    "_incremental_fit_estimator",
)

# The wrapper whose fit is being recorded in this context.
_fitting: ContextVar[LightgbmRecord | None] = ContextVar("tracklet_lightgbm_fit", default=None)


class LightgbmIntegration(Integration):
    """Records every outermost ``train``, ``cv`` and wrapper's ``fit``, through a callback."""

    name: ClassVar[str] = "lightgbm"
    modules: ClassVar[tuple[str, ...]] = ("lightgbm",)
    requires: ClassVar[str] = "lightgbm>=4.1"
    Options: ClassVar[type[Options]] = LightgbmOptions

    def patches(self, framework: ModuleType, options: LightgbmOptions) -> Iterable[Patch]:
        """``train``, ``cv``, the wrappers' ``fit``, and the making of datasets."""
        self._traces = Traces()
        self._train = inspect.signature(framework.train)
        self._cv = inspect.signature(framework.cv)
        for module in ("lightgbm", "lightgbm.engine", "lightgbm.sklearn"):
            yield Patch(module, "train", self.watch_train)
        for module in ("lightgbm", "lightgbm.engine"):
            yield Patch(module, "cv", self.watch_cv)
        yield from self._of_wrappers(framework)
        if options.log_models or options.log_datasets:
            yield Patch("lightgbm.basic", "Dataset.__init__", self.watch_data)
        for module in ("sklearn.model_selection._validation", "sklearn.model_selection._search"):
            for function in _FOLDS:
                yield Patch(module, function, self.watch_fold)

    def explain(self, options: LightgbmOptions) -> Explanation:
        """What is recorded of a training."""
        return Explanation(tuple(_recorded(options)), dict(_omitted(options)))

    def _of_wrappers(self, framework: ModuleType) -> Iterator[Patch]:
        base = getattr(framework, "LGBMModel", None)
        if base is None:  # LightGBM without scikit-learn
            return
        waiting = [base]
        seen = set(waiting)
        while waiting:
            cls = waiting.pop()
            if "fit" in vars(cls) and not cls.__module__.startswith("lightgbm.dask"):
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
        """``Dataset``: what it is made of is looked at, and not kept."""
        if session.current() is not None and _fitting.get() is None:
            yield  # inside of a training that is recorded by others, or not at all
            return
        arguments = call.arguments()
        trace = trace_of(
            arguments.get("data"),
            arguments.get("label"),
            example=self.options.log_models,
            dataset=self.options.log_datasets,
        )
        outcome = yield
        if outcome.error is None:
            self._traces.remember(call.instance, trace)

    # -- trainings ----------------------------------------------------------------------------

    def watch_train(self, call: Call) -> Generator[None, Outcome, None]:
        """``lightgbm.train``, by the user or by a wrapper whose fit is recorded."""
        bound = BoundCall(call, self._train)
        if _is_worker(bound):
            yield
            return
        record = _fitting.get()
        if record is not None:
            token = _fitting.set(None)  # a training inside of this one is none of the wrapper's
            try:
                yield from self._watched(bound, record)
            finally:
                _fitting.reset(token)
            return
        with recording(self.name, self.options) as recorder:
            if recorder is None:
                yield
                return
            record = LightgbmRecord(recorder, self.options)
            outcome = yield from self._watched(bound, record)
            recorder.finish(outcome)
            if outcome.error is None and self.options.log_models:
                record.log_booster(outcome.value)

    def _watched(
        self, bound: BoundCall, record: LightgbmRecord
    ) -> Generator[None, Outcome, Outcome]:
        record.before_train(bound, self._traces)
        outcome = yield
        record.after_train(outcome)
        return outcome

    def watch_cv(self, call: Call) -> Generator[None, Outcome, None]:
        """``lightgbm.cv``: one run, with mean and deviation of every round."""
        with recording(self.name, self.options) as recorder:
            if recorder is None:
                yield
                return
            record = LightgbmRecord(recorder, self.options)
            record.before_cv(BoundCall(call, self._cv), self._traces)
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
            record = LightgbmRecord(recorder, self.options)
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


def _is_worker(call: BoundCall) -> bool:
    """Whether this is one worker of a distributed training; whoever started it may record it."""
    params = call.all.get("params") or {}
    return bool(params.get("machines")) or int(params.get("num_machines") or 1) > 1


def _recorded(options: LightgbmOptions) -> Iterator[str]:
    yield "params, and the arguments of train and cv with their defaults"
    yield "metrics of every round as <dataset>-<metric>; of cv also their deviation"
    yield "early stopping: stopped_iteration, best_iteration, the best round's metrics again"
    for kind in IMPORTANCES:
        yield f"feature_importance_{kind}.json and .png"
    if options.log_models:
        parts = ["signature"] if options.log_model_signatures else []
        parts += ["input example"] if options.log_input_examples else []
        yield f"the trained model ({', '.join(parts) or 'its files'})"
    if options.log_datasets:
        yield "name, digest and schema of the training and evaluation datasets"
    if options.log_checkpoints:
        yield f"checkpoints, every {options.checkpoint_save_freq} rounds"


def _omitted(options: LightgbmOptions) -> Iterator[tuple[str, str]]:
    yield (
        "trainings inside of another fit, and folds of cross-validation",
        "the outermost is recorded",
    )
    yield "Booster.update by itself", "there is no telling where such a training begins and ends"
    yield "lightgbm.dask", "its workers are other processes or share one training"
    if not options.log_models:
        yield "models", "log_models=False"
    if not options.log_datasets:
        yield "datasets", "log_datasets=False"
    if not options.log_checkpoints:
        yield "checkpoints", "log_checkpoints=False"
