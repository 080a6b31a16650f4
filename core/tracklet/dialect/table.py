"""Where each public name of MLflow lives in tracklet, and which of them it does not speak.

Paths are those below ``mlflow``; places are those below ``tracklet``, "." the package itself.
"""

from __future__ import annotations

from typing import Final

MODULES: Final[dict[str, str]] = {
    "": ".",
    "artifacts": "artifacts exceptions",
    "client": "tracking",
    "config": ".",
    "data": "data",
    "entities": "entities",
    "entities.model_registry": "entities",
    "exceptions": "exceptions",
    "lightgbm": "lightgbm",
    "models": "models",
    "models.model": "models",
    "models.signature": "models",
    "pyfunc": "pyfunc models exceptions",
    "pyfunc.model": "pyfunc",
    "sklearn": "sklearn",
    "system_metrics": ".",
    "tracing": "tracing",
    "tracking": "tracking .",
    "tracking.client": "tracking entities",
    "tracking.fluent": ".",
    "types": "types",
    "types.schema": "types",
    "xgboost": "xgboost",
}
"""The modules of ``mlflow``, and ours whose ``__all__`` they have."""

NAMES: Final[dict[str, dict[str, str]]] = {}
"""Names that live elsewhere, or under another name, as ``module:attribute``."""

LEFT_OUT: Final[dict[str, str]] = {}
"""What tracklet deliberately does not speak, as patterns, and why."""
