"""PyTorch: autologging, and saving, logging and loading its modules and state dictionaries."""

from __future__ import annotations

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

__all__ = [
    "autolog",
    "get_default_conda_env",
    "get_default_pip_requirements",
    "load_model",
    "load_state_dict",
    "log_model",
    "log_state_dict",
    "save_model",
    "save_state_dict",
]
