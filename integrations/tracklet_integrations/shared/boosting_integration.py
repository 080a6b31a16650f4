"""What the integrations of gradient boosting libraries share: which calls become which records.

A library has functions ``train`` and ``cv``, containers for data, and wrappers in the manner of
scikit-learn, whose ``fit`` calls ``train``.

Where scikit-learn's integration is on it records a search over a wrapper, as that of any estimator.
Where it is not, the search would look like one training per fold. It is one run: the candidates as
a table and as child runs, and the training of the best one as every training.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import replace
from types import ModuleType
from typing import Any, ClassVar, Final

from tracklet.autolog import session
from tracklet.autolog.integration import Explanation, Integration, LatePatches
from tracklet.autolog.recorder import TrainingRecorder, recording
from tracklet.patching import Call, Outcome, Patch, existing_classes, keep_context
from tracklet_integrations.shared import FITTING_FOLDS
from tracklet_integrations.shared.boosting import BoostingOptions, BoostingRecord, BoundCall
from tracklet_integrations.shared.post_training import PostTraining
from tracklet_integrations.shared.provenance import Origin, Origins, origin_of

CHILD_RUNS: Final = 5
"""How many of the candidates become child runs, as by default of scikit-learn's integration."""

# The wrappers are scikit-learn estimators, too; what is recorded of them alone is the library's.
# A search is the other way round.
_BEFORE_SKLEARN: Final = 10
_AFTER_SKLEARN: Final = -10

_SEARCHES: Final = {
    "sklearn.model_selection._search": "BaseSearchCV",
    "sklearn.model_selection._search_successive_halving": "BaseSuccessiveHalving",
}

# The wrapper's fit and the search that are being recorded in this context.
_fitting: ContextVar[BoostingRecord | None] = ContextVar("tracklet_boosting_fit", default=None)
_searching: ContextVar[SearchRecord | None] = ContextVar("tracklet_boosting_search", default=None)
keep_context(_fitting)
keep_context(_searching)


class BoostingIntegration(Integration):
    """Records every outermost ``train``, ``cv`` and wrapper's ``fit``, through a callback."""

    Record: ClassVar[type[BoostingRecord]]
    """What records a training of this library."""

    engine: ClassVar[str]
    """The module that defines ``train`` and ``cv``."""

    distributed: ClassVar[tuple[str, ...]] = ()
    """The modules whose wrappers train in other processes; they are not watched like others."""

    omissions: ClassVar[Mapping[str, str]] = {}
    """What is not recorded of this library, and why."""

    def __init__(self, options: Any, add: Callable[[Patch], None] | None = None) -> None:
        super().__init__(options, add)
        self.origins = Origins()
        self._wrapper: type | None = None
        self._signatures: dict[str, inspect.Signature] = {}
        self._post_training = PostTraining(self.name, self.watch)

    def continue_from(self, earlier: Integration) -> None:
        """The containers that were made before, and the models that were trained before."""
        assert isinstance(earlier, BoostingIntegration)
        self.origins = earlier.origins
        self._post_training.continue_from(earlier._post_training)

    def patches(self, framework: ModuleType, options: Any) -> Iterable[Patch | LatePatches]:
        """``train``, ``cv``, the wrappers' ``fit``, and scikit-learn's searches and metrics."""
        for name in ("train", "cv"):
            self._signatures[name] = inspect.signature(getattr(framework, name))
        for module in (self.name, self.engine, f"{self.name}.sklearn"):
            yield Patch(module, "train", self.watch_train)
        for module in (self.name, self.engine):
            yield Patch(module, "cv", self.watch_cv)
        yield from self.of_wrappers(framework)

    def of_wrappers(self, framework: ModuleType) -> Iterator[Patch | LatePatches]:
        """The wrappers' ``fit``, and what scikit-learn does around them."""
        self._wrapper = self.wrapper_of(framework)
        if self._wrapper is None:
            return
        for cls in existing_classes(self._wrapper):
            if not cls.__module__.startswith(self.distributed):
                yield from _of_fit(cls, self.watch_fit)
        for module in ("sklearn.model_selection._validation", "sklearn.model_selection._search"):
            for function in FITTING_FOLDS:
                yield Patch(module, function, self.watch_fold)
        for module, name in _SEARCHES.items():
            yield Patch(module, f"{name}.fit", self.watch_search, priority=_AFTER_SKLEARN)
        yield from self._post_training.patches()

    def of_distributed(self, module: ModuleType) -> Iterator[Patch]:
        """The ``fit`` of wrappers that train in other processes."""
        for cls in existing_classes(self._wrapper) if self._wrapper is not None else ():
            if cls.__module__ == module.__name__:
                yield from _of_fit(cls, self.watch_distributed)

    # -- what a library says about itself -----------------------------------------------------

    def wrapper_of(self, framework: ModuleType) -> type | None:
        """The base class of the wrappers; None without scikit-learn."""
        raise NotImplementedError

    def is_worker(self, call: BoundCall) -> bool:
        """Whether a ``train`` is one worker's part of a distributed training.

        Whoever started that may record it.
        """
        raise NotImplementedError

    def is_working(self, wrapper: Any) -> bool:
        """Whether a wrapper's ``fit`` is one worker's part of a distributed training."""
        return False

    def importances(self, options: Any) -> Iterable[str]:
        """The kinds of importance that are recorded."""
        raise NotImplementedError

    # -- data ---------------------------------------------------------------------------------

    def wants_data(self) -> bool:
        """Not inside of a training that is recorded by others, or not at all."""
        return session.current() is None or self._fit() is not None

    def origin(self, data: Any, labels: Any) -> Origin:
        """What is remembered of data that a container is made of."""
        options = self.options
        return origin_of(data, labels, example=options.log_models, dataset=options.log_datasets)

    def known(self, container: Any) -> Origin | None:
        """What is known of a container; None if nobody watched when it was made."""
        return self.origins.get(container)

    # -- trainings ----------------------------------------------------------------------------

    def watch_train(self, call: Call) -> Generator[None, Outcome, None]:
        """``train``, by the user or by a wrapper whose fit is recorded."""
        bound = BoundCall(call, self._signatures["train"])
        if self.is_worker(bound):
            yield
            return
        record = self._fit()
        if record is not None:
            record = record.another() if record.last.texts else record
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
            record = self.Record(recorder, self.options)
            outcome = yield from self._watched(bound, record)
            recorder.finish(outcome)
            if outcome.error is None and self.options.log_models:
                record.log_booster(outcome.value)

    def _watched(
        self, bound: BoundCall, record: BoostingRecord
    ) -> Generator[None, Outcome, Outcome]:
        record.before_train(bound, self.known)
        outcome = yield
        if outcome.error is None and outcome.value is not None:
            record.after_train(bound, outcome.value)
        record.rounds.note()
        return outcome

    def watch_cv(self, call: Call) -> Generator[None, Outcome, None]:
        """``cv``: one run, with mean and deviation of every round."""
        with recording(self.name, self.options) as recorder:
            if recorder is None:
                yield
                return
            record = self.Record(recorder, self.options)
            record.before_cv(BoundCall(call, self._signatures["cv"]), self.known)
            outcome = yield
            recorder.finish(outcome)
            if outcome.error is None:
                record.after_cv(outcome.value)
            record.rounds.note()

    def watch_fit(self, call: Call) -> Generator[None, Outcome, None]:
        """``fit`` of a wrapper: its ``train`` is recorded, and the wrapper is the model."""
        wrapper = call.instance
        if wrapper is None or isinstance(wrapper, type):
            yield
            return
        if self.is_working(wrapper):
            with recording(self.name, self.options, muted=True):
                yield
            return
        search = _searching.get()
        if search is not None and search.recorder.label == self.name and search.refit is None:
            # The data are the search's.
            options = replace(self.options, log_datasets=False)
            search.refit = self.Record(search.recorder, options, wrapper)
            yield from self._fitted(wrapper, search.refit)
            return
        with recording(self.name, self.options) as recorder:
            if recorder is None:
                yield
                return
            record = self.Record(recorder, self.options, wrapper)
            yield from self._fitted(wrapper, record, recorder.finish)

    def _fitted(
        self,
        wrapper: Any,
        record: BoostingRecord,
        finish: Callable[[Outcome], None] | None = None,
    ) -> Generator[None, Outcome, None]:
        token = _fitting.set(record)
        try:
            outcome = yield
        finally:
            _fitting.reset(token)
        if finish is not None:
            finish(outcome)
        if not record.texts:  # it failed before it came to train
            with record.recorder.step("params"):
                record.params({}, {})
        if outcome.error is None:
            if self.options.log_models:
                record.last.log_wrapper(wrapper)
            self._link(wrapper, record.last)

    def _link(self, model: Any, record: BoostingRecord) -> None:
        """What is computed of the fitted model later on belongs to its run."""
        with record.recorder.step("link"):
            run, datasets = record.recorder.run, self.options.log_datasets
            self._post_training.link(model, run, record.model_id, datasets)

    def _fit(self) -> BoostingRecord | None:
        """The record of a fit of this library's wrapper that is going on."""
        record = _fitting.get()
        return record if record is not None and record.recorder.label == self.name else None

    def watch_distributed(self, call: Call) -> Generator[None, Outcome, None]:
        """``fit`` of a wrapper that trains in other processes: one run, by who asked for it."""
        with recording(self.name, self.options) as recorder:
            if recorder is None:
                yield
                return
            record = self.Record(recorder, self.options, call.instance)
            record.before_distributed(call.instance)
            outcome = yield
            recorder.finish(outcome)
            # An asynchronous client is given something to await, of which nothing is known yet.
            if outcome.error is None and outcome.value is call.instance:
                record.after_distributed(call.instance)
                record.rounds.note()

    # -- scikit-learn around a wrapper --------------------------------------------------------

    def watch_fold(self, call: Call) -> Generator[None, Outcome, None]:
        """A fold of scikit-learn's searches and cross-validation is no training of its own."""
        token = _searching.set(None)
        try:
            with recording(self.name, self.options, muted=True):
                yield
        finally:
            _searching.reset(token)

    def watch_search(self, call: Call) -> Generator[None, Outcome, None]:
        """A search over a wrapper, where scikit-learn's own integration does not record it."""
        search = call.instance
        ours = session.current() is None and self._wrapper is not None
        if not ours or not searches_over(search, self._wrapper or object):
            yield
            return
        with recording(self.name, self.options) as recorder:
            if recorder is None:
                yield
                return
            record = SearchRecord(search, recorder, self.options)
            record.before(call)
            outcome = yield from self.searched(record)
            recorder.finish(outcome)
            if outcome.error is None:
                record.after()
                if record.refit is not None:
                    self._link(search, record.refit)

    def searched(self, record: SearchRecord) -> Generator[None, Outcome, Outcome]:
        """A search that goes on: the next ``fit`` of a wrapper trains the best candidate."""
        token = _searching.set(record)
        try:
            return (yield)
        finally:
            _searching.reset(token)

    # -- explaining ---------------------------------------------------------------------------

    def explain(self, options: Any) -> Explanation:
        """What is recorded of a training."""
        return Explanation(tuple(self._recorded(options)), dict(self._omitted(options)))

    def _recorded(self, options: Any) -> Iterator[str]:
        yield "params, and the arguments of train and cv with their defaults"
        yield "metrics of every round as <dataset>-<metric>; of cv also their deviation"
        yield "early stopping: stopped_iteration, best_iteration, the best round's metrics again"
        for kind in self.importances(options):
            yield f"feature_importance_{kind}.json and .png"
        if options.log_models:
            parts = [str(each) for each in self.Record.model_options(options).values()]
            parts += ["signature"] if options.log_model_signatures else []
            parts += ["input example"] if options.log_input_examples else []
            yield f"the trained model ({', '.join(parts) or 'its files'})"
        if options.log_datasets:
            yield "name, digest and schema of the training and evaluation datasets"
        if getattr(options, "log_checkpoints", False):
            yield f"checkpoints, every {options.checkpoint_save_freq} rounds"
        yield "metrics and scores that you compute of a fitted wrapper"
        yield "parameter searches over a wrapper: one run, and its candidates as a table"

    def _omitted(self, options: Any) -> Iterator[tuple[str, str]]:
        yield (
            "trainings inside of another fit, and folds of cross-validation",
            "the outermost is recorded",
        )
        yield from self.omissions.items()
        for name in ("models", "datasets", "checkpoints"):
            if not getattr(options, f"log_{name}", True):
                yield name, f"log_{name}=False"


def _of_fit(cls: type, advice: Callable[[Call], Generator[None, Outcome, None]]) -> Iterator[Patch]:
    if "fit" in vars(cls):
        target = f"{cls.__qualname__}.fit"
        yield Patch(cls.__module__, target, advice, owner=cls, priority=_BEFORE_SKLEARN)


class SearchRecord:
    """Records one search.

    Args:
        search: The search that is fitted.
        recorder: What it is recorded through.
        options: What is wanted.
    """

    def __init__(self, search: Any, recorder: TrainingRecorder, options: BoostingOptions) -> None:
        self.recorder = recorder
        self.refit: BoostingRecord | None = None
        """The record of the training of the best candidate, once that has begun."""
        self._search = search
        self._options = options
        self._dataset: Any = None

    def before(self, call: Call) -> None:
        """Record what is known before the search: its own params and the data."""
        with self.recorder.step("params"):
            # Of what the search and the booster both have, such as `n_jobs`, it is the booster's.
            taken = {key.rpartition("__")[2] for key in _deep_params(self._search.estimator)}
            own = self._search.get_params(deep=False)
            self.recorder.params({key: own[key] for key in own if key not in taken})
        if self._options.log_datasets:
            with self.recorder.step("data"):
                given = call.arguments()
                self._dataset = self.recorder.dataset(given.get("X"), given.get("y"))

    def after(self) -> None:
        """Record what the search has found."""
        from tracklet_integrations.shared import trials  # most trainings are no search

        search, recorder = self._search, self.recorder
        with recorder.step("search"):
            best = getattr(search, "best_params_", {})
            recorder.params({f"best_{key}": value for key, value in best.items()})
        if hasattr(search, "best_score_"):
            recorder.metrics({"best_cv_score": search.best_score_})
        trials.record(
            search,
            recorder,
            best_model_id=self.refit.model_id if self.refit is not None else None,
            dataset=self._dataset,
            max_child_runs=CHILD_RUNS,
        )


def searches_over(search: Any, kind: type) -> bool:
    """Whether a search's candidates are of a class, or train one inside.

    Args:
        search: A search of scikit-learn's.
        kind: The class.
    """
    seed = getattr(search, "estimator", None)
    if isinstance(seed, kind):
        return True
    return any(isinstance(value, kind) for value in _deep_params(seed).values())


def _deep_params(estimator: Any) -> Mapping[str, Any]:
    return estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
