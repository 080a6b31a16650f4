"""The flavor of scikit-learn's estimators."""

from __future__ import annotations

from tracklet_flavors.sklearn.api import load_model, log_model, save_model
from tracklet_flavors.sklearn.flavor import SklearnFlavor

__all__ = ["SklearnFlavor", "load_model", "log_model", "save_model"]
