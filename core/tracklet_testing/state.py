"""Forget everything that this process remembers, as if tracklet had just been imported."""

from __future__ import annotations

import sys
from typing import Final

# From the top down: autologging lets go of its patches and runs before the stores under them close.
# Each module owns its state and has a `reset`; a module that was never imported has none.
_OWNERS: Final = (
    "tracklet.autolog",
    "tracklet.tracing",
    "tracklet.fluent",
    "tracklet.models",
    "tracklet.facades",
    "tracklet.stores",
    "tracklet.run_context",
    "tracklet.plugins",
    "tracklet.settings",
)


def reset() -> None:
    """Forget all process state.

    Active runs and the active experiment, tracking and registry URIs, enabled integrations and
    their patches, open stores, and what was read of plugins. Files and the environment stay as
    they are.
    """
    for name in _OWNERS:
        owner = sys.modules.get(name)
        forget = getattr(owner, "reset", None)
        if forget is not None:
            forget()
