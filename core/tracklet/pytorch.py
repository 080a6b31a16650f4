"""PyTorch: autologging, and saving, logging and loading its modules and state dictionaries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracklet import lazy
from tracklet_flavors.pytorch import (
    get_default_conda_env,
    get_default_pip_requirements,
    load_model,
    load_state_dict,
    log_model,
    log_state_dict,
    save_model,
    save_state_dict,
)
from tracklet_integrations.pytorch import autolog
from tracklet_integrations.pytorch.restoring import load_checkpoint, restore_checkpoint

if TYPE_CHECKING:
    from tracklet_integrations.pytorch.lightning.logger import TrackletLogger

__all__ = [
    "TrackletLogger",
    "autolog",
    "get_default_conda_env",
    "get_default_pip_requirements",
    "load_checkpoint",
    "load_model",
    "load_state_dict",
    "log_model",
    "log_state_dict",
    "restore_checkpoint",
    "save_model",
    "save_state_dict",
]

if not TYPE_CHECKING:
    # A class of Lightning's, which is imported with it.
    __getattr__ = lazy.lookup(
        __name__, {"TrackletLogger": "tracklet_integrations.pytorch.lightning.logger"}
    )
