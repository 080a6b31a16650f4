"""The flavor of LightGBM's boosters and scikit-learn wrappers."""

from __future__ import annotations

from tracklet_flavors.lightgbm.api import load_model, log_model, save_model
from tracklet_flavors.lightgbm.flavor import LightgbmFlavor

__all__ = ["LightgbmFlavor", "load_model", "log_model", "save_model"]
