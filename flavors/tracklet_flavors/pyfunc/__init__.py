"""The flavor of models that are Python code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracklet import lazy
from tracklet_flavors.pyfunc.flavor import PyfuncFlavor

if TYPE_CHECKING:
    from tracklet_flavors.pyfunc.api import log_model, save_model

__all__ = ["PyfuncFlavor", "log_model", "save_model"]

# What people call; autologging needs the flavor alone.
if not TYPE_CHECKING:
    __getattr__ = lazy.lookup(
        __name__,
        dict.fromkeys(("log_model", "save_model"), "tracklet_flavors.pyfunc.api"),
    )
