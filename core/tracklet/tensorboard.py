"""TensorBoard: mirroring its writers into runs."""

from __future__ import annotations

from tracklet_integrations.tensorboard import autolog

__all__ = ["autolog"]
