"""The flavor of scikit-learn's estimators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracklet import lazy
from tracklet_flavors.sklearn.flavor import SklearnFlavor

if TYPE_CHECKING:
    from tracklet_flavors.sklearn.api import load_model, log_model, save_model

__all__ = ["SklearnFlavor", "load_model", "log_model", "save_model"]

# What people call; autologging needs the flavor alone.
if not TYPE_CHECKING:
    __getattr__ = lazy.lookup(
        __name__,
        dict.fromkeys(("load_model", "log_model", "save_model"), "tracklet_flavors.sklearn.api"),
    )
