"""Models that are Python code: how they are saved, loaded and asked."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any, ClassVar, Final

import cloudpickle

from tracklet import models, settings
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.models import Model, ModelInfo, ModelSignature, code, environment, unpickle, uris
from tracklet.models.flavor import passes_on
from tracklet.models.manifest import member
from tracklet.models.pyfunc import hints
from tracklet.models.pyfunc.python_model import (
    ForeignPredictor,
    FunctionModel,
    PythonModel,
    PythonModelContext,
    PythonModelPredictor,
    check_by_hints,
    check_call,
    hints_of,
    load_foreign,
)
from tracklet.repositories import repository
from tracklet_flavors.pyfunc import pickling

__all__ = ["PyfuncFlavor", "log_model", "save_model"]

_FROM_CODE: Final = "mlflow.pyfunc.loaders.code_model"
_BASES: Final = frozenset(("tracklet.models.pyfunc.python_model", "mlflow.pyfunc.model"))


@dataclass(frozen=True, slots=True)
class LoaderModel:
    """What ``loader_module`` and ``data_path`` say.

    Args:
        loader_module: The import path of a module with ``_load_pyfunc(path)``.
        data_path: The file or folder that it gets.
    """

    loader_module: str
    data_path: str | Path | None = None

    def check(self) -> None:
        """Refuse data that is not there.

        Raises:
            InvalidParameterValue: It is not.
        """
        if self.data_path is not None and not Path(self.data_path).exists():
            raise InvalidParameterValue(
                f"data_path names {str(self.data_path)!r}: nothing is there"
            )

    def save(self, path: Path) -> dict[str, str]:
        """Copy the data below ``data/``; what the ``MLmodel`` file says of it."""
        if self.data_path is None:
            return {"loader_module": self.loader_module}
        source = Path(self.data_path).resolve()
        target = path / "data" / source.name
        target.parent.mkdir()
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
        return {"loader_module": self.loader_module, "data": f"data/{source.name}"}


class PyfuncFlavor(models.Flavor):
    """Instances of :class:`~tracklet.pyfunc.PythonModel`, functions, and files of Python code.

    Asked for by name, it takes whatever can be called.

    Options:
        artifacts: Name → URI or path of files to save with the model.
        model_config: A dictionary or YAML file that the model gets when it is loaded.
        streamable: Whether ``predict_stream`` may be called; found out by default.
    """

    name: ClassVar[str] = "python_function"
    requires: ClassVar[str] = ""
    loader_module: ClassVar[str] = "mlflow.pyfunc.model"
    other_loaders: ClassVar[tuple[str, ...]] = (_FROM_CODE,)
    priority: ClassVar[int] = -1

    def distance(self, model: Any) -> int | None:
        if isinstance(model, FunctionType | MethodType | LoaderModel) or _is_code_path(model):
            return 0
        return _base(model)

    def options(self) -> frozenset[str]:
        return frozenset(("artifacts", "model_config", "streamable"))

    def requirements(self, model: Any) -> Sequence[str]:
        return () if isinstance(model, LoaderModel) else ("cloudpickle",)

    def check(self, model: Any, options: Mapping[str, Any]) -> None:
        if not self.owns(model) and not _is_called(model):
            raise InvalidParameterValue(
                "the flavor 'python_function' saves instances of tracklet.pyfunc.PythonModel, "
                "functions, what can be called, and paths of Python files; got "
                f"{type(model).__module__}.{type(model).__qualname__}"
                + (", a class: give an instance of it" if isinstance(model, type) else "")
            )
        if isinstance(model, LoaderModel):
            model.check()
            return
        kind = type(model)
        # PythonModel itself keeps artifacts and answers nothing: so transformers logs checkpoints.
        unasked = getattr(kind, "predict", None) is PythonModel.predict and not _streams(model)
        if unasked and kind is not PythonModel:
            raise InvalidParameterValue(f"{kind.__name__} has no method predict of its own")
        if _is_code_path(model) and not Path(model).is_file():
            raise InvalidParameterValue(f"the model's code {str(model)!r} is no file")
        if not isinstance(model, str | Path):
            check_call(model)
            hints.signature(hints_of(model), quiet=True)

    def save(self, model: Any, path: Path, options: Mapping[str, Any]) -> models.FlavorConfig:
        config: dict[str, Any] = {"cloudpickle_version": cloudpickle.__version__}
        model_config = options.get("model_config")
        if model_config is not None:
            config["config"] = code.read_config(model_config)
        if isinstance(model, LoaderModel):
            config |= {**model.save(path), "streamable": bool(options.get("streamable"))}
            del config["cloudpickle_version"]
            modules = frozenset((model.loader_module,))
            return models.FlavorConfig(config, config, modules)
        if isinstance(model, str | Path):
            # Run once, so that a file that cannot be loaded is not logged.
            self._of_file = code.run_file(Path(model), config.get("config"))
            check_call(self._of_file)
            modules, config["model_code_path"] = _save_code(Path(model), path)
            config["loader_module"] = _FROM_CODE
            streams = _streams(self._of_file)
        else:
            python_model = FunctionModel(model) if _base(model) is None else model
            config["python_model"] = "python_model.pkl"
            modules = pickling.dump(python_model, path / "python_model.pkl")
            streams = _streams(python_model)
        artifacts = _save_artifacts(options.get("artifacts"), path)
        if artifacts:
            config["artifacts"] = artifacts
        wanted = options.get("streamable")
        config["streamable"] = streams if wanted is None else bool(wanted)
        return models.FlavorConfig(config, config, frozenset(modules))

    def own_signature(self, model: Any) -> ModelSignature | None:
        return hints.signature(hints_of(self._instance(model)))

    def signature_from_example(self, model: Any) -> bool:
        return hints_of(self._instance(model)).from_example

    def _instance(self, model: Any) -> Any:
        """The model itself; of a file, what it set when it was run to be saved."""
        return self._of_file if isinstance(model, str | Path) else model

    _of_file: Any = None

    def load(self, path: Path, config: Mapping[str, Any]) -> Any:
        loader = str(config.get("loader_module") or self.loader_module)
        if loader not in (self.loader_module, *self.other_loaders):
            return load_foreign(loader, path, config)
        if loader == _FROM_CODE:
            # The recorded path is that of another machine; the file lies beside MLmodel.
            recorded = str(config.get("model_code_path") or "").replace("\\", "/")
            file = member(path, recorded.rpartition("/")[2])
            if not file.is_file():
                raise TrackletException(f"the model is corrupt: its code {file} is missing")
            model = code.run_file(file, config.get("config"))
            if not hasattr(model, "predict"):
                model = FunctionModel(model)
        else:
            file = member(path, config.get("python_model") or "python_model.pkl")
            model = unpickle.load(file, own=bool(config.get("own")))
            if isinstance(model, PythonModel):
                check_by_hints(type(model))
        if not hasattr(model, "predict"):
            raise TrackletException(
                f"{path} holds a {type(model).__name__}, which has no method 'predict'"
            )
        prepare = getattr(model, "load_context", None)
        if prepare is not None:
            prepare(_context(path, config))
        return model

    def predictor(self, model: Any, config: Mapping[str, Any]) -> models.Predictor:
        loader = str(config.get("loader_module") or self.loader_module)
        if loader not in (self.loader_module, *self.other_loaders):
            return ForeignPredictor(model, str(config.get("predict_fn") or "predict"))
        return PythonModelPredictor(model, _context(Path(str(config["path"])), config))

    def sample_predictor(self, model: Any, config: Mapping[str, Any]) -> models.Predictor:
        # The user's instance is left as it is: its load_context was not called.
        path = Path(str(config["path"]))
        entry = config.get("code")
        with code.importable(member(path, entry) if entry else None):
            return self.predictor(self.load(path, config), config)

    def load_data_path(self, path: Path, pyfunc: Mapping[str, Any]) -> Any:
        return self.load(path, pyfunc)


def _is_code_path(model: Any) -> bool:
    return isinstance(model, Path) or (isinstance(model, str) and model.endswith(".py"))


def _is_called(model: Any) -> bool:
    return callable(model) and not isinstance(model, type)


def _base(model: Any) -> int | None:
    """How far up its MRO a model's class derives from ours or MLflow's; None if it does not."""
    modules = [cls.__module__ for cls in type(model).__mro__]
    return next((at for at, module in enumerate(modules) if module in _BASES), None)


def _streams(model: Any) -> bool:
    method = getattr(type(model), "predict_stream", None)
    return method is not None and getattr(method, "__module__", "") not in _BASES


def _save_code(source: Path, path: Path) -> tuple[set[str], str]:
    shutil.copyfile(source, path / source.name)
    return environment.source_modules(source.read_bytes()), str(source.resolve())


def _save_artifacts(artifacts: Any, path: Path) -> dict[str, dict[str, str]]:
    saved: dict[str, dict[str, str]] = {}
    if artifacts is None:
        return saved
    if not isinstance(artifacts, Mapping):
        raise InvalidParameterValue(
            f"artifacts maps names to paths or URIs; got {type(artifacts).__name__}"
        )
    folder = path / "artifacts"
    for name, uri in artifacts.items():
        source = uris.resolve(str(uri))
        if not source.exists():
            raise InvalidParameterValue(f"artifact {name!r} is {str(uri)!r}, where nothing is")
        target = folder / source.name
        if target.exists():  # two artifacts of one file name
            target = folder / str(name) / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir() and settings.local_path(str(uri)) is None:
            repository(str(source)).fetch("", target)  # links of the record's are not followed
        elif source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
        saved[str(name)] = {"path": target.relative_to(path).as_posix(), "uri": str(uri)}
    return saved


def _context(path: Path, config: Mapping[str, Any]) -> PythonModelContext:
    artifacts = {
        str(name): str(member(path, entry["path"]))
        for name, entry in (config.get("artifacts") or {}).items()
    }
    model_config = config.get("config")
    return PythonModelContext(artifacts, None if model_config is None else dict(model_config))


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


@passes_on("python_function", made_of=_model)
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

    Arguments that are not named here are those of :func:`tracklet.models.save_model`.

    Args:
        path: The folder; it must not exist, or be empty.
        loader_module: The import path of a module with ``_load_pyfunc(path)``, which gets the copy
            of ``data_path``; instead of ``python_model`` and ``artifacts``.
        data_path: A file or folder for the loader module.
        python_model: An instance of :class:`PythonModel`, a function of the input, or the path of
            a file that calls ``tracklet.models.set_model``.
        artifacts: Name → URI or path of files that the model needs.
        model_config: What the model gets as its configuration: a dictionary or a YAML file.
        streamable: Whether ``predict_stream`` may be called; found out by default.
    """


@passes_on("python_function", made_of=_model)
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
