"""The pyfunc view: one way to load and to ask any model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracklet import lazy

if TYPE_CHECKING:
    from tracklet.models.pyfunc.model import PyFuncModel, get_model_dependencies, load_model
    from tracklet.models.pyfunc.python_model import (
        FunctionModel,
        PythonModel,
        PythonModelContext,
    )

__all__ = [
    "FunctionModel",
    "PyFuncModel",
    "PythonModel",
    "PythonModelContext",
    "get_model_dependencies",
    "load_model",
]

if not TYPE_CHECKING:
    __getattr__ = lazy.lookup(
        __name__,
        {
            **dict.fromkeys(__all__, f"{__name__}.model"),
            **dict.fromkeys(
                ("FunctionModel", "PythonModel", "PythonModelContext"), f"{__name__}.python_model"
            ),
        },
    )
