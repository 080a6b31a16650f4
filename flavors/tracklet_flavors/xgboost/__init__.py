"""The flavor of XGBoost's boosters and scikit-learn wrappers."""

from __future__ import annotations

from tracklet_flavors.xgboost.api import load_model, log_model, save_model
from tracklet_flavors.xgboost.flavor import XgboostFlavor

__all__ = ["XgboostFlavor", "load_model", "log_model", "save_model"]
