"""Models of any flavor behind one method, and models that are Python code."""

from __future__ import annotations

from tracklet.models.pyfunc import (
    PyFuncModel,
    PythonModel,
    PythonModelContext,
    get_model_dependencies,
    load_model,
)
from tracklet_flavors.pyfunc import log_model, save_model

__all__ = [
    "PyFuncModel",
    "PythonModel",
    "PythonModelContext",
    "get_model_dependencies",
    "load_model",
    "log_model",
    "save_model",
]
