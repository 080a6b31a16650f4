"""Autologging: ``tracklet.autolog()`` and what integrations build on.

The package is callable: ``tracklet.autolog(...)`` configures every integration, and
``tracklet.autolog.status()`` and ``tracklet.autolog.plan()`` say what it does. Integrations derive
from :class:`Integration` and record through :class:`recording`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from tracklet import lazy, state
from tracklet.autolog.enabling import autologging_is_disabled as autologging_is_disabled
from tracklet.autolog.enabling import enable as enable
from tracklet.autolog.integration import CommonOptions as CommonOptions
from tracklet.autolog.integration import Explanation as Explanation
from tracklet.autolog.integration import Integration as Integration
from tracklet.autolog.integration import LatePatches as LatePatches
from tracklet.autolog.integration import Options as Options
from tracklet.autolog.session import FitSession as FitSession
from tracklet.autolog.session import disable_autologging as disable_autologging
from tracklet.autolog.session import disable_discrete_autologging as disable_discrete_autologging
from tracklet.autolog.switches import autolog as autolog
from tracklet.autolog.switches import switch as switch

if TYPE_CHECKING:
    from tracklet.autolog.background import afterwards as afterwards
    from tracklet.autolog.background import flush as flush
    from tracklet.autolog.explaining import PlanEntry as PlanEntry
    from tracklet.autolog.explaining import get_autologging_config as get_autologging_config
    from tracklet.autolog.explaining import plan as plan
    from tracklet.autolog.explaining import status as status
    from tracklet.autolog.randomness import preserved as preserved
    from tracklet.autolog.recorder import ChildRun as ChildRun
    from tracklet.autolog.recorder import Recorder as Recorder
    from tracklet.autolog.recorder import TrainingRecorder as TrainingRecorder
    from tracklet.autolog.recorder import recording as recording

_HOMES: Final = {
    "background": "afterwards flush",
    "explaining": "PlanEntry get_autologging_config plan status",
    "randomness": "preserved",
    "recorder": "ChildRun Recorder TrainingRecorder recording",
}
"""Where what only a training needs, or who asks what is watched, lives."""

if not TYPE_CHECKING:
    _homes = {
        name: f"{__name__}.{module}" for module, names in _HOMES.items() for name in names.split()
    }
    _others = """
        CommonOptions Explanation FitSession Integration LatePatches Options autolog
        autologging_is_disabled disable_autologging disable_discrete_autologging enable reset switch
    """
    __all__ = sorted([*_homes, *_others.split()])
    __getattr__ = lazy.lookup(__name__, _homes)


def reset() -> None:
    """Put back what integrations replaced and forget all configuration."""
    state.forget(__name__)


class _CallableModule(ModuleType):
    """A module that is called like the function that it is named after."""

    __call__ = staticmethod(autolog)
    integration_name = "mlflow"

    @property
    def __signature__(self) -> Any:
        import inspect

        return inspect.signature(autolog)


sys.modules[__name__].__class__ = _CallableModule
