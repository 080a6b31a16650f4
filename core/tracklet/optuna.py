"""Optuna: autologging of studies."""

from __future__ import annotations

from tracklet_integrations.optuna import autolog

__all__ = ["autolog"]
