"""scikit-learn: how its training is watched and recorded."""

from __future__ import annotations

from tracklet.autolog import switch
from tracklet_integrations.sklearn.integration import SklearnIntegration
from tracklet_integrations.sklearn.options import SklearnOptions

__all__ = ["SklearnIntegration", "SklearnOptions", "autolog"]

autolog = switch("sklearn", SklearnOptions)
