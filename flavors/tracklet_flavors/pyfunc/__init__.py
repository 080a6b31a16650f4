"""The flavor of models that are Python code."""

from __future__ import annotations

from tracklet_flavors.pyfunc.api import log_model, save_model
from tracklet_flavors.pyfunc.flavor import PyfuncFlavor

__all__ = ["PyfuncFlavor", "log_model", "save_model"]
