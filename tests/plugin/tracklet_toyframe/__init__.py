"""tracklet's plugin for toyframe: how it trains, and how its models are kept."""

from tracklet_toyframe.flavor import ToyframeFlavor
from tracklet_toyframe.integration import ToyframeIntegration

__all__ = ["ToyframeFlavor", "ToyframeIntegration"]
