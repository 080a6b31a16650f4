"""XGBoost: how its training is watched and recorded."""

from __future__ import annotations

from tracklet.autolog import switch
from tracklet_integrations.xgboost.integration import XgboostIntegration
from tracklet_integrations.xgboost.options import XgboostOptions

__all__ = ["XgboostIntegration", "XgboostOptions", "autolog"]

autolog = switch("xgboost", XgboostOptions)
