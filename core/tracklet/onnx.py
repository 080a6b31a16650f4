"""ONNX: saving, logging and loading graphs."""

from __future__ import annotations

from tracklet_flavors.onnx import load_model, log_model, save_model

__all__ = ["load_model", "log_model", "save_model"]
