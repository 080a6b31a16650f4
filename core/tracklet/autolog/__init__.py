"""Autologging: ``tracklet.autolog()`` and what integrations build on.

The package is callable: ``tracklet.autolog(...)`` configures every integration, and
``tracklet.autolog.status()`` and ``tracklet.autolog.plan()`` say what it does. Integrations derive
from :class:`Integration` and record through :class:`recording`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from tracklet import state
from tracklet.autolog.afterwards import afterwards
from tracklet.autolog.background import drain as flush
from tracklet.autolog.child_runs import ChildRun
from tracklet.autolog.enabling import enable
from tracklet.autolog.explaining import (
    PlanEntry,
    autologging_is_disabled,
    get_autologging_config,
    plan,
    status,
)
from tracklet.autolog.integration import (
    CommonOptions,
    Explanation,
    Integration,
    LatePatches,
    Options,
)
from tracklet.autolog.muting import disable_autologging, disable_discrete_autologging
from tracklet.autolog.randomness import preserved
from tracklet.autolog.recorder import Recorder
from tracklet.autolog.recording import TrainingRecorder, recording
from tracklet.autolog.session import FitSession
from tracklet.autolog.switches import autolog, switch

__all__ = [
    "ChildRun",
    "CommonOptions",
    "Explanation",
    "FitSession",
    "Integration",
    "LatePatches",
    "Options",
    "PlanEntry",
    "Recorder",
    "TrainingRecorder",
    "afterwards",
    "autolog",
    "autologging_is_disabled",
    "disable_autologging",
    "disable_discrete_autologging",
    "enable",
    "flush",
    "get_autologging_config",
    "plan",
    "preserved",
    "recording",
    "reset",
    "status",
    "switch",
]


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
