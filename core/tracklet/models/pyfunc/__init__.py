"""The pyfunc view: one way to load and to ask any model."""

from __future__ import annotations

from tracklet.models.pyfunc.model import PyFuncModel, get_model_dependencies, load_model
from tracklet.models.pyfunc.python_model import FunctionModel, PythonModel, PythonModelContext

__all__ = [
    "FunctionModel",
    "PyFuncModel",
    "PythonModel",
    "PythonModelContext",
    "get_model_dependencies",
    "load_model",
]
