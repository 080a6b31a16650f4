"""LightGBM: how its training is watched and recorded."""

from __future__ import annotations

from tracklet.autolog import switch
from tracklet_integrations.lightgbm.integration import LightgbmIntegration
from tracklet_integrations.lightgbm.options import LightgbmOptions

__all__ = ["LightgbmIntegration", "LightgbmOptions", "autolog"]

autolog = switch("lightgbm", LightgbmOptions)
