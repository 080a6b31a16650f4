"""CatBoost: how its training is watched and recorded, without a callback."""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, ClassVar

from tracklet.autolog import CommonOptions, LatePatches, switch
from tracklet.autolog.recorder import recording
from tracklet.patching import Call, Outcome, Patch
from tracklet_integrations.catboost.record import (
    IMPORTANCE,
    CatboostRecord,
    CatboostSearchRecord,
)
from tracklet_integrations.shared import boosting
from tracklet_integrations.shared.boosting_integration import BoostingIntegration

__all__ = ["CatboostIntegration", "CatboostOptions", "autolog"]


@dataclass(frozen=True)
class CatboostOptions(boosting.BoostingOptions):
    """Record every training with CatBoost.

    Each outermost ``fit``, ``catboost.train``, ``cv``, ``grid_search``, ``randomized_search`` and
    ``select_features`` becomes a run, or is added to the active one: params with those that
    CatBoost decided, the metrics of every round, early stopping, importances, the model with its
    signature, the datasets' fingerprints. CatBoost is given no callback, which would make its
    training slow; rounds come from the model, and of a training that takes longer or fails from
    the files in its ``train_dir``, with ten digits. ``tracklet.autolog.plan()`` says what is
    watched.

    Args:
        log_input_examples: Store the first five rows of the training data with the model.
        log_model_signatures: Store the schema of inputs and outputs with the model.
        log_models: Log the trained model.
        log_datasets: Record what was trained and evaluated on as inputs of the run.
        disable: Put everything back as it was, instead.
        exclusive: Record only into runs that autologging started, never into yours.
        disable_for_unsupported_versions: Accepted as by other integrations; versions before 1.2
            are always declined, with a line in the log.
        silent: Say nothing in the log.
        registered_model_name: Register every trained model under this name.
        extra_tags: Further tags for the runs that autologging starts.

    Raises:
        InvalidParameterValue: A value breaks its rule; what was configured stays in force.
    """

    extra_tags: Mapping[str, Any] | None = None


class CatboostIntegration(BoostingIntegration):
    """Records what is asked of CatBoost's models and of ``cv``; ``train`` asks a model."""

    name: ClassVar[str] = "catboost"
    modules: ClassVar[tuple[str, ...]] = ("catboost",)
    requires: ClassVar[str] = "catboost>=1.2"
    Options: ClassVar[type[CommonOptions]] = CatboostOptions
    Record: ClassVar[type[boosting.BoostingRecord]] = CatboostRecord
    engine: ClassVar[str] = "catboost.core"
    omissions: ClassVar[Mapping[str, str]] = {
        "checkpoints": "CatBoost does not show its model while it trains; save_snapshot is its own"
    }

    def patches(self, framework: ModuleType, options: Any) -> Iterable[Patch | LatePatches]:
        base: Any = framework.CatBoost
        parameters = list(inspect.signature(base._train).parameters.values())[1:]
        self._signatures["train"] = inspect.Signature(parameters)
        self._signatures["cv"] = inspect.signature(framework.cv)
        yield Patch(self.engine, "_CatBoostBase._train", self.watch_train)
        for module in (self.name, self.engine):
            yield Patch(module, "cv", self.watch_cv)
        for method in ("grid_search", "randomized_search"):
            yield Patch(self.engine, f"CatBoost.{method}", self.watch_own_search)
        yield Patch(self.engine, "CatBoost.select_features", self.watch_selection)
        yield from self.of_wrappers(framework)
        if options.log_models or options.log_datasets:
            yield Patch(self.engine, "Pool.__init__", self.watch_data)

    def wrapper_of(self, framework: ModuleType) -> type | None:
        return framework.CatBoost

    def importances(self, options: Any) -> Iterable[str]:
        return (IMPORTANCE,)

    def watch_data(self, call: Call) -> Generator[None, Outcome, None]:
        """``Pool``: what it is made of is looked at, and not kept."""
        if not self.wants_data():
            yield
            return
        arguments = call.arguments()
        origin = self.origin(arguments.get("data"), arguments.get("label"))
        outcome = yield
        if outcome.error is None:
            self.origins[call.instance] = origin

    def watch_train(self, call: Call) -> Generator[None, Outcome, None]:
        """The training inside of a ``fit`` that is recorded."""
        record = self._fit()
        if not isinstance(record, CatboostRecord):
            yield
            return
        bound = boosting.BoundCall(call, self._signatures["train"])
        record.before_train(bound, self.known)
        outcome = yield
        if outcome.error is None:
            record.after_train(bound, call.instance)
        else:
            record.after_failure()
        record.rounds.note()

    def watch_own_search(self, call: Call) -> Generator[None, Outcome, None]:
        """A search of CatBoost's own: one run, with the training of what it found."""
        with recording(self.name, self.options) as recorder:
            if recorder is None:
                yield
                return
            record = CatboostSearchRecord(call.instance, recorder, self.options)
            record.before(call)
            outcome = yield from self.searched(record)
            recorder.finish(outcome)
            if outcome.error is None:
                record.found(outcome.value)

    def watch_selection(self, call: Call) -> Generator[None, Outcome, None]:
        """``select_features``: one run, with the model that it leaves."""
        with recording(self.name, self.options) as recorder:
            if recorder is None:
                yield
                return
            search = CatboostSearchRecord(call.instance, recorder, self.options)
            search.before(call)
            outcome = yield
            recorder.finish(outcome)
            if outcome.error is None:
                search.selected(outcome.value)
                if self.options.log_models and call.instance.is_fitted():
                    options = replace(self.options, log_datasets=False)
                    record = CatboostRecord(recorder, options, call.instance)
                    with recorder.step("data"):
                        data = call.arguments().get("X")
                        origin = self.known(data) or self.origin(data, None)
                        record.datasets(origin, ())
                    record.log_wrapper(call.instance)


autolog = switch("catboost", CatboostOptions)
