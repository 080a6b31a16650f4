"""``tracklet.pyfunc``: saving and logging models that are Python code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tracklet.errors import InvalidParameterValue
from tracklet.models import Model, ModelInfo, ModelSignature
from tracklet.models.flavor_functions import logs_as, saves_as
from tracklet.models.pyfunc import PythonModel
from tracklet_flavors.pyfunc.loader_style import LoaderModel


def _model(python_model: Any, loader_module: Any, data_path: Any, *, artifacts: Any) -> Any:
    if loader_module is None and data_path is None and python_model is not None:
        return python_model
    if python_model is None and artifacts is None and loader_module is not None:
        return LoaderModel(str(loader_module), data_path)
    if loader_module is not None or (data_path is not None and python_model is not None):
        raise InvalidParameterValue(
            "loader_module and data_path are one way to say what the model is, python_model and "
            "artifacts another; give one of them"
        )
    raise InvalidParameterValue(
        "say what the model is: python_model=<an instance of PythonModel, a function, or the "
        "path of a Python file>, or loader_module=<a module with _load_pyfunc>"
    )


@saves_as("python_function", made_of=_model)
def save_model(
    path: str | Path,
    loader_module: str | None = None,
    data_path: str | Path | None = None,
    code_paths: Sequence[str | Path] | None = None,
    infer_code_paths: bool = False,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    mlflow_model: Model | None = None,
    python_model: PythonModel | Callable[..., Any] | str | Path | None = None,
    artifacts: Mapping[str, str] | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    metadata: dict[str, Any] | None = None,
    model_config: str | Path | Mapping[str, Any] | None = None,
    streamable: bool | None = None,
) -> None:
    """Save Python code as a model's folder.

    Args:
        path: The folder; it must not exist, or be empty.
        loader_module: The import path of a module with ``_load_pyfunc(path)``, which gets the copy
            of ``data_path``; instead of ``python_model`` and ``artifacts``.
        data_path: A file or folder for the loader module.
        python_model: An instance of :class:`PythonModel`, a function of the input, or the path of
            a file that calls ``tracklet.models.set_model``.
        artifacts: Name → URI or path of files that the model needs.
        code_paths: See :func:`tracklet.models.save_model`; so for the arguments not named here.
        infer_code_paths: See there.
        conda_env: See there.
        mlflow_model: See there.
        signature: See there.
        input_example: See there.
        pip_requirements: See there.
        extra_pip_requirements: See there.
        metadata: See there.
        model_config: What the model gets as its configuration: a dictionary or a YAML file.
        streamable: Whether ``predict_stream`` may be called; found out by default.
    """


@logs_as("python_function", made_of=_model)
def log_model(
    artifact_path: str | None = None,
    loader_module: str | None = None,
    data_path: str | Path | None = None,
    code_paths: Sequence[str | Path] | None = None,
    infer_code_paths: bool = False,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    python_model: PythonModel | Callable[..., Any] | str | Path | None = None,
    artifacts: Mapping[str, str] | None = None,
    registered_model_name: str | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    await_registration_for: int | None = 300,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    metadata: dict[str, Any] | None = None,
    model_config: str | Path | Mapping[str, Any] | None = None,
    streamable: bool | None = None,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
) -> ModelInfo:
    """Log Python code as a model; see :func:`tracklet.models.log_model` and :func:`save_model`."""
    ...
