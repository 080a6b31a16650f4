"""scikit-learn: autologging, and saving, logging and loading its estimators."""

from __future__ import annotations

from tracklet_flavors.sklearn import load_model, log_model, save_model
from tracklet_integrations.sklearn import autolog

__all__ = ["autolog", "load_model", "log_model", "save_model"]
