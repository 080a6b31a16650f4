"""Watching how XGBoost trains."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextvars import ContextVar
from types import ModuleType
from typing import Any, ClassVar, Final

from tracklet.autolog import CommonOptions, LatePatches, recording
from tracklet.patching import Call, Outcome, Patch
from tracklet_integrations.shared.boosting import BoostingRecord, BoundCall
from tracklet_integrations.shared.boosting_integration import BoostingIntegration
from tracklet_integrations.shared.provenance import Origin, origin_of
from tracklet_integrations.xgboost.options import XgboostOptions
from tracklet_integrations.xgboost.training import XgboostRecord

_CONTAINERS: Final = ("DMatrix", "QuantileDMatrix", "ExtMemQuantileDMatrix")

# The container that is being made in this context.
_making: ContextVar[list[Origin] | None] = ContextVar("tracklet_xgboost_data", default=None)


class XgboostIntegration(BoostingIntegration):
    """Records every outermost ``train``, ``cv`` and wrapper's ``fit``, through a callback."""

    name: ClassVar[str] = "xgboost"
    modules: ClassVar[tuple[str, ...]] = ("xgboost",)
    requires: ClassVar[str] = "xgboost>=2.0"
    Options: ClassVar[type[CommonOptions]] = XgboostOptions
    Record: ClassVar[type[BoostingRecord]] = XgboostRecord
    engine: ClassVar[str] = "xgboost.training"
    distributed: ClassVar[tuple[str, ...]] = ("xgboost.dask", "xgboost.spark")
    omissions: ClassVar[Mapping[str, str]] = {
        "the workers of xgboost.dask": (
            "they share one training, which is recorded where it is asked for"
        ),
        "xgboost.spark": "it trains in other processes, which this one cannot look into",
    }

    def patches(self, framework: ModuleType, options: Any) -> Iterable[Patch | LatePatches]:
        """What every boosting is watched for, and the making of data containers."""
        yield from super().patches(framework, options)
        yield LatePatches("xgboost.dask", self._of_dask)
        if options.log_models or options.log_datasets:
            for name in _CONTAINERS:
                yield Patch("xgboost.core", f"{name}.__init__", self.watch_data)
            yield Patch("xgboost.data", "_proxy_transform", self.watch_batch)

    def wrapper_of(self, framework: ModuleType) -> type | None:
        """The base class of the wrappers."""
        return framework.XGBModel

    def is_worker(self, call: BoundCall) -> bool:
        """Whether a ``train`` is one worker's part of a distributed training."""
        collective: Any = sys.modules.get("xgboost.collective")
        return collective is not None and bool(collective.is_distributed())

    def importances(self, options: Any) -> Iterable[str]:
        """The kinds of importance that are recorded."""
        return options.importances

    # -- data ---------------------------------------------------------------------------------

    def watch_data(self, call: Call) -> Generator[None, Outcome, None]:
        """``DMatrix`` and its like: what it is made of is looked at, and not kept."""
        if not self.wants_data():
            yield
            return
        batches: list[Origin] = []
        token = _making.set(batches)
        try:
            arguments = call.arguments()
            origin = self.origin(arguments.get("data"), arguments.get("label"))
            outcome = yield
        finally:
            _making.reset(token)
        if outcome.error is None:
            if origin.example is None and origin.dataset is None and batches:
                origin = batches[0]
            self.origins.remember(call.instance, origin)

    def watch_batch(self, call: Call) -> Generator[None, Outcome, None]:
        """A batch of a ``DataIter``; the first one stands for all in the example."""
        batches = _making.get()
        if batches is not None and not batches:
            data = call.args[0] if call.args else call.kwargs.get("data")
            batches.append(origin_of(data, example=self.options.log_models, dataset=False))
        yield

    # -- dask ---------------------------------------------------------------------------------

    def _of_dask(self, module: ModuleType) -> Iterator[Patch]:
        self._dask_train = inspect.signature(module.train)
        yield Patch(module.__name__, "train", self.watch_dask_train)
        yield from self.of_distributed(module)

    def watch_dask_train(self, call: Call) -> Generator[None, Outcome, None]:
        """``xgboost.dask.train``: one run, by the process that asked for the training."""
        with recording(self.name, self.options) as recorder:
            if recorder is None:
                yield
                return
            record = XgboostRecord(recorder, self.options)
            bound = BoundCall(call, self._dask_train)
            record.before_dask_train(bound)
            outcome = yield
            recorder.finish(outcome)
            # An asynchronous client is given something to await, of which nothing is known yet.
            if outcome.error is None and isinstance(outcome.value, dict):
                record.after_dask_train(bound, outcome.value)
                record.rounds.note()
