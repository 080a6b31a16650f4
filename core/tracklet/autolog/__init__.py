"""Autologging: ``tracklet.autolog()`` and what integrations build on.

The package is callable: ``tracklet.autolog(...)`` configures every integration, and
``tracklet.autolog.status()`` and ``tracklet.autolog.plan()`` say what it does. Integrations derive
from :class:`Integration` and record through :class:`recording`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tracklet import lazy, state
from tracklet.autolog.enabling import autologging_is_disabled, enable
from tracklet.autolog.integration import (
    CommonOptions,
    Explanation,
    Integration,
    LatePatches,
    Options,
)
from tracklet.autolog.session import (
    FitSession,
    disable_autologging,
    disable_discrete_autologging,
)
from tracklet.autolog.switches import autolog, switch

if TYPE_CHECKING:
    from tracklet.autolog.background import afterwards, flush
    from tracklet.autolog.explaining import (
        PlanEntry,
        get_autologging_config,
        plan,
        status,
    )
    from tracklet.autolog.randomness import preserved
    from tracklet.autolog.recorder import ChildRun, Recorder, TrainingRecorder, recording

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


# What only a training needs, or who asks what is watched.
_HOMES = {
    **dict.fromkeys(
        ("ChildRun", "Recorder", "TrainingRecorder", "recording"), "tracklet.autolog.recorder"
    ),
    **dict.fromkeys(
        ("PlanEntry", "get_autologging_config", "plan", "status"),
        "tracklet.autolog.explaining",
    ),
    **dict.fromkeys(("afterwards", "flush"), "tracklet.autolog.background"),
    "preserved": "tracklet.autolog.randomness",
}
if not TYPE_CHECKING:
    __getattr__ = lazy.lookup(__name__, _HOMES)


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
