"""Watching how scikit-learn trains."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from types import ModuleType
from typing import Any, ClassVar, Final

from tracklet import autolog
from tracklet.autolog import callers, session
from tracklet.fluent.starting import active_run
from tracklet.patching import Call, Outcome, Patch, existing_classes
from tracklet_integrations.shared import FITTING_FOLDS
from tracklet_integrations.shared.post_training import PostTraining
from tracklet_integrations.sklearn import estimators, iterations
from tracklet_integrations.sklearn.fit_record import FitRecord
from tracklet_integrations.sklearn.loops import Loop, Loops, behind
from tracklet_integrations.sklearn.options import SklearnOptions

_logger = logging.getLogger("tracklet.autolog")

_BASE: Final = "BaseEstimator"

# Their folds are no trainings of their own. What fits them is watched as well, because these may
# have been imported by name before.
_VALIDATING: Final = (
    "cross_validate",
    "cross_val_predict",
    "cross_val_score",
    "learning_curve",
    "permutation_test_score",
    "validation_curve",
)


class SklearnIntegration(autolog.Integration):
    """Records every outermost ``fit`` of a scikit-learn estimator, also of the user's own.

    Every subclass of ``BaseEstimator`` is watched where it defines ``fit``, ``fit_transform`` or
    ``fit_predict`` itself: those that exist, and those that come into being later by an import or
    by the user's class statement. Nothing of scikit-learn is imported for it.
    """

    name: ClassVar[str] = "sklearn"
    modules: ClassVar[tuple[str, ...]] = ("sklearn",)
    requires: ClassVar[str] = "scikit-learn>=1.3"
    Options: ClassVar[type[autolog.CommonOptions]] = SklearnOptions

    def __init__(self, options: Any, add: Callable[[Patch], None] | None = None) -> None:
        super().__init__(options, add)
        self._post_training = PostTraining(self.name, self.watch)
        self._loops = Loops()

    def continue_from(self, earlier: autolog.Integration) -> None:
        """The loops that go on, and the models that were fitted before."""
        assert isinstance(earlier, SklearnIntegration)
        self._loops = earlier._loops
        if self.options.log_post_training_metrics:
            self._post_training.continue_from(earlier._post_training)

    def patches(
        self, framework: ModuleType, options: SklearnOptions
    ) -> Iterable[Patch | autolog.LatePatches]:
        """The fits of every estimator class, the birth of new classes, and cross-validation."""
        from sklearn.base import BaseEstimator

        yield Patch("sklearn.base", f"{_BASE}.__init_subclass__", self.watch_new_class)
        for cls in existing_classes(BaseEstimator):
            yield from self._of_class(cls)
        for named in options.estimators:
            yield from self._of_named(named)
        yield autolog.LatePatches("imblearn.base", self._of_samplers)
        for module in ("sklearn.model_selection", "sklearn.model_selection._validation"):
            for function in _VALIDATING:
                yield Patch(module, function, self.watch_validation)
        for function in FITTING_FOLDS:
            yield Patch("sklearn.model_selection._validation", function, self.watch_validation)
        if options.log_post_training_metrics:
            yield from self._post_training.patches()

    def explain(self, options: SklearnOptions) -> autolog.Explanation:
        """What is recorded of a fit."""
        from tracklet_integrations.sklearn import explaining  # for whoever asks, not for a fit

        return explaining.explain(options)

    def _of_class(self, cls: type) -> Iterator[Patch]:
        for method in estimators.own_fitting_methods(cls):
            target = f"{cls.__qualname__}.{method}"
            advice = self.watch_partial_fit if method == "partial_fit" else self.watch_fit
            yield Patch(cls.__module__, target, advice, owner=cls)

    def _of_named(self, named: str | type) -> Iterator[Patch | autolog.LatePatches]:
        """The fits of a class that the user named, which is no ``BaseEstimator``."""
        if isinstance(named, type):
            yield from self._of_class(named)
            return
        module, _, name = named.replace(":", ".").rpartition(".")

        def found(home: ModuleType) -> Iterator[Patch]:
            cls = getattr(home, name, None)
            if not isinstance(cls, type):
                _logger.warning(
                    "estimators: %s has no class %r, which is not watched", module, name
                )
                return
            for each in existing_classes(cls):
                yield from self._of_class(each)

        yield autolog.LatePatches(module, found)

    def _of_samplers(self, home: ModuleType) -> Iterator[Patch]:
        """What makes other rows of the training data inside of a pipeline."""
        for name in ("SamplerMixin", "BaseSampler"):
            if "fit_resample" in vars(getattr(home, name, object)):
                yield Patch(home.__name__, f"{name}.fit_resample", self.watch_sampler)

    def watch_sampler(self, call: Call) -> Generator[None, Outcome, None]:
        """``fit_resample`` of imbalanced-learn's, within a training: classes before and after."""
        outcome = yield
        inside = session.own()
        recorder = inside.recorder if inside is not None else None
        if recorder is not None and outcome.error is None:
            from tracklet_integrations.sklearn import resampling  # most trainings need none

            resampling.record(recorder, call, outcome.value)

    def watch_new_class(self, call: Call) -> Generator[None, Outcome, None]:
        """``BaseEstimator.__init_subclass__``: a class has come into being."""
        outcome = yield
        if outcome.error is None and isinstance(call.instance, type):
            for patch in self._of_class(call.instance):
                self.watch(patch)

    def watch_validation(self, call: Call) -> Generator[None, Outcome, None]:
        """Cross-validation and curves: nothing inside is recorded."""
        with autolog.recording(self.name, self.options, muted=True):
            yield

    def watch_fit(self, call: Call) -> Generator[None, Outcome, None]:
        """``fit``, ``fit_transform`` and ``fit_predict`` of any estimator."""
        estimator = call.instance
        if isinstance(estimator, type) or estimator is None:
            yield
            return
        muted = self._is_no_training(estimator)
        self._finish_left()
        warm = iterations.continues(estimator)
        resume = self._loops.run_of(estimator) if warm else None
        with autolog.recording(self.name, self.options, muted=muted, resume=resume) as recorder:
            if recorder is None:
                yield
                return
            record = FitRecord(estimator, recorder, self.options)
            with recorder.steps():
                record.before(call)
            if self.options.iteration_metrics == "live" and iterations.can_measure_live(estimator):
                with iterations.measured_live(estimator, recorder):
                    outcome = yield
            else:
                outcome = yield
            recorder.finish(outcome)
            if outcome.error is not None:
                return
            with recorder.steps():
                goes_on = warm and self._loops.continues(estimator, recorder)
                if goes_on:
                    self._loops.begin(Loop(estimator, recorder, record.after_step()))
                else:
                    record.after(outcome)
                if warm:
                    self._loops.note_run(estimator, recorder)
                if self.options.log_post_training_metrics:
                    self._link(record, recorder)
            if goes_on:
                record.forget()

    def watch_partial_fit(self, call: Call) -> Generator[None, Outcome, None]:
        """``partial_fit``: the first call makes the run, each call is a step of it."""
        estimator = call.instance
        loop = None if isinstance(estimator, type) else self._loops.loop_of(estimator)
        self._finish_left()
        if loop is not None and session.current() is None and self._goes_on(loop):
            with session.FitSession():
                outcome = yield
            if outcome.error is None:
                with autolog.afterwards(loop.run, self.name, "iterations"):
                    loop.advance(estimator, _data_of(call))
            return
        muted = isinstance(estimator, type) or self._is_no_training(estimator)
        with autolog.recording(self.name, self.options, muted=muted) as recorder:
            if recorder is None:
                yield
                return
            record = FitRecord(estimator, recorder, self.options)
            record.before(call)
            before = behind(estimator, recorder)
            outcome = yield
            recorder.finish(outcome)
            if outcome.error is None:
                with recorder.step("iterations"):
                    loop = Loop(estimator, recorder, record.log_final_model, before)
                    loop.advance(estimator, _data_of(call))
                    self._loops.begin(loop)
                if self.options.log_post_training_metrics:
                    self._link(record, recorder)
                record.forget()

    def _is_no_training(self, estimator: Any) -> bool:
        """Whether this fit by itself only prepares data, or is one that a library needs."""
        if session.current() is not None:
            return False  # whose training it is was decided there
        if estimators.prepares_data(type(estimator)):
            return True
        library = callers.calling_library(estimator, estimators.FITTING, "sklearn")
        if library is None:
            return False
        _logger.debug("a fit that %s calls for itself is not recorded", library)
        return True

    def _finish_left(self) -> None:
        if session.current() is None:
            self._loops.finish_left()

    def _goes_on(self, loop: Loop) -> bool:
        """Whether a further call belongs to the loop's run, rather than to another active one."""
        if autolog.autologging_is_disabled(self.name):
            return False
        run = active_run()
        return loop.managed if run is None else run is loop.run

    def _link(self, record: FitRecord, recorder: autolog.TrainingRecorder) -> None:
        """What is computed of the fitted model later on belongs to its run."""
        with recorder.step("link"):
            seconds = self.options.dataset_seconds if self.options.log_datasets else None
            for model, model_id in record.fitted():
                self._post_training.link(model, recorder.run, model_id, seconds)


def _data_of(call: Call) -> Any:
    return call.args[0] if call.args else call.kwargs.get("X")
