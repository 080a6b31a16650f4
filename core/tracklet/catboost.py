"""CatBoost: autologging, and saving, logging and loading its models."""

from __future__ import annotations

from tracklet_flavors.catboost import load_model, log_model, save_model
from tracklet_integrations.catboost import autolog

__all__ = ["autolog", "load_model", "log_model", "save_model"]
