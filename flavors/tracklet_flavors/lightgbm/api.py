"""``tracklet.lightgbm``: saving, logging and loading, by MLflow's names and arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tracklet import models
from tracklet.models import Model, ModelInfo, ModelSignature
from tracklet.models.flavor_functions import logs_as, saves_as
from tracklet.models.trust import Trust


@saves_as("lightgbm")
def save_model(
    lgb_model: Any,
    path: str | Path,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    code_paths: Sequence[str | Path] | None = None,
    mlflow_model: Model | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    serialization_format: str = "cloudpickle",
    skops_trusted_types: Sequence[str] | None = None,
    metadata: dict[str, Any] | None = None,
    pyfunc_predict_fn: str = "predict",
) -> None:
    """Save a booster or a scikit-learn wrapper as a folder.

    Args:
        lgb_model: The booster or wrapper.
        path: The folder; it must not exist, or be empty.
        conda_env: See :func:`tracklet.models.save_model`; so for the arguments not named here.
        code_paths: See there.
        mlflow_model: See there.
        signature: See there.
        input_example: See there.
        pip_requirements: See there.
        extra_pip_requirements: See there.
        serialization_format: How a wrapper is written: ``"cloudpickle"``, ``"pickle"`` or
            ``"skops"``; a booster is text in any case.
        skops_trusted_types: Types that skops may load, beside LightGBM's own.
        metadata: See there.
        pyfunc_predict_fn: The method that the pyfunc view of a wrapper calls.
    """


@logs_as("lightgbm")
def log_model(
    lgb_model: Any,
    artifact_path: str | None = None,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    code_paths: Sequence[str | Path] | None = None,
    registered_model_name: str | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    await_registration_for: int | None = 300,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    serialization_format: str = "cloudpickle",
    skops_trusted_types: Sequence[str] | None = None,
    metadata: dict[str, Any] | None = None,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
    pyfunc_predict_fn: str = "predict",
) -> ModelInfo:
    """Log a booster or wrapper; see :func:`tracklet.models.log_model` and :func:`save_model`."""
    ...


def load_model(
    model_uri: str | Path, dst_path: str | Path | None = None, *, trust: Trust = None
) -> Any:
    """The booster or wrapper; see :func:`tracklet.models.load_model`.

    ``trust=True`` loads a stranger's pickle.
    """
    return models.load_model(model_uri, dst_path, flavor="lightgbm", trust=trust)
