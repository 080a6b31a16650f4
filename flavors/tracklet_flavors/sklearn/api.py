"""``tracklet.sklearn``: saving, logging and loading, by MLflow's names and arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tracklet import models
from tracklet.models import Model, ModelInfo, ModelSignature
from tracklet.models.flavor_functions import logs_as, saves_as
from tracklet.models.trust import Trust


@saves_as("sklearn")
def save_model(
    sk_model: Any,
    path: str | Path,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    code_paths: Sequence[str | Path] | None = None,
    mlflow_model: Model | None = None,
    serialization_format: str = "cloudpickle",
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    pyfunc_predict_fn: str = "predict",
    metadata: dict[str, Any] | None = None,
    skops_trusted_types: Sequence[str] | None = None,
    extra_files: Sequence[str | Path] | None = None,
) -> None:
    """Save an estimator as a folder.

    Args:
        sk_model: The estimator or pipeline.
        path: The folder; it must not exist, or be empty.
        conda_env: See :func:`tracklet.models.save_model`; so for the arguments not named here.
        code_paths: See there.
        mlflow_model: See there.
        serialization_format: ``"cloudpickle"``, ``"pickle"`` or ``"skops"``.
        signature: See there.
        input_example: See there.
        pip_requirements: See there.
        extra_pip_requirements: See there.
        pyfunc_predict_fn: The method that the pyfunc view calls.
        metadata: See there.
        skops_trusted_types: Types that skops may load, beside those that it trusts itself.
        extra_files: Paths or URIs of files to keep beside the model.
    """


@logs_as("sklearn")
def log_model(
    sk_model: Any,
    artifact_path: str | None = None,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    code_paths: Sequence[str | Path] | None = None,
    serialization_format: str = "cloudpickle",
    registered_model_name: str | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    await_registration_for: int | None = 300,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    pyfunc_predict_fn: str = "predict",
    metadata: dict[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
    name: str | None = None,
    skops_trusted_types: Sequence[str] | None = None,
    extra_files: Sequence[str | Path] | None = None,
) -> ModelInfo:
    """Log an estimator; see :func:`tracklet.models.log_model` and :func:`save_model`."""
    ...


def load_model(
    model_uri: str | Path, dst_path: str | Path | None = None, *, trust: Trust = None
) -> Any:
    """The estimator; see :func:`tracklet.models.load_model`.

    ``trust=True`` loads a stranger's pickle, ``trust=["sklearn.tree._tree.Tree"]`` a stranger's
    skops file that holds these types.
    """
    return models.load_model(model_uri, dst_path, flavor="sklearn", trust=trust)
