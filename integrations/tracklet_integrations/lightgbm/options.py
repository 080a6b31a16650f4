"""What LightGBM's autologging can be told."""

from __future__ import annotations

from dataclasses import dataclass

from tracklet_integrations.shared.boosting import BoostingOptions


@dataclass(frozen=True, kw_only=True)
class LightgbmOptions(BoostingOptions):
    """Options of :func:`tracklet.lightgbm.autolog`: those of every boosting integration."""
