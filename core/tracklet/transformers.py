"""Hugging Face's transformers: autologging of its ``Trainer``."""

from __future__ import annotations

from tracklet_integrations.transformers import autolog

__all__ = ["autolog"]
