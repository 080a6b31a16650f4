"""Watching how LightGBM trains."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from types import ModuleType
from typing import Any, ClassVar

from tracklet.autolog import CommonOptions, LatePatches
from tracklet.patching import Call, Outcome, Patch
from tracklet_integrations.lightgbm.options import LightgbmOptions
from tracklet_integrations.lightgbm.training import IMPORTANCES, LightgbmRecord
from tracklet_integrations.shared.boosting import BoostingRecord, BoundCall
from tracklet_integrations.shared.boosting_integration import BoostingIntegration


class LightgbmIntegration(BoostingIntegration):
    """Records every outermost ``train``, ``cv`` and wrapper's ``fit``, through a callback."""

    name: ClassVar[str] = "lightgbm"
    modules: ClassVar[tuple[str, ...]] = ("lightgbm",)
    requires: ClassVar[str] = "lightgbm>=4.1"
    Options: ClassVar[type[CommonOptions]] = LightgbmOptions
    Record: ClassVar[type[BoostingRecord]] = LightgbmRecord
    engine: ClassVar[str] = "lightgbm.engine"
    distributed: ClassVar[tuple[str, ...]] = ("lightgbm.dask",)
    omissions: ClassVar[Mapping[str, str]] = {
        "the workers of lightgbm.dask, and trainings with machines": (
            "they share one training; that of lightgbm.dask is recorded where it is asked for"
        ),
        "LightGBM on Spark": "it trains in other processes, which this one cannot look into",
    }

    def patches(self, framework: ModuleType, options: Any) -> Iterable[Patch | LatePatches]:
        """What every boosting is watched for, and the making of datasets."""
        yield from super().patches(framework, options)
        yield LatePatches("lightgbm.dask", self.of_distributed)
        if options.log_models or options.log_datasets:
            yield Patch("lightgbm.basic", "Dataset.__init__", self.watch_data)

    def wrapper_of(self, framework: ModuleType) -> type | None:
        """The base class of the wrappers; None without scikit-learn."""
        return getattr(framework, "LGBMModel", None)

    def is_worker(self, call: BoundCall) -> bool:
        """Whether a ``train`` is one worker's part of a distributed training."""
        return _names_machines(call.all.get("params") or {})

    def is_working(self, wrapper: Any) -> bool:
        """Whether a wrapper's ``fit`` is one worker's part of a distributed training."""
        return _names_machines(vars(wrapper).get("_other_params") or {})

    def importances(self, options: Any) -> Iterable[str]:
        """The kinds of importance that are recorded."""
        return IMPORTANCES

    def watch_data(self, call: Call) -> Generator[None, Outcome, None]:
        """``Dataset``: what it is made of is looked at, and not kept."""
        if not self.wants_data():
            yield
            return
        arguments = call.arguments()
        origin = self.origin(arguments.get("data"), arguments.get("label"))
        outcome = yield
        if outcome.error is None:
            self.origins.remember(call.instance, origin)


def _names_machines(params: Mapping[str, Any]) -> bool:
    return bool(params.get("machines")) or int(params.get("num_machines") or 1) > 1
