"""The flavor of XGBoost's boosters and scikit-learn wrappers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracklet import lazy
from tracklet_flavors.xgboost.flavor import XgboostFlavor

if TYPE_CHECKING:
    from tracklet_flavors.xgboost.api import load_model, log_model, save_model

__all__ = ["XgboostFlavor", "load_model", "log_model", "save_model"]

# What people call; autologging needs the flavor alone.
if not TYPE_CHECKING:
    __getattr__ = lazy.lookup(
        __name__,
        dict.fromkeys(("load_model", "log_model", "save_model"), "tracklet_flavors.xgboost.api"),
    )
