"""PyTorch's modules: how they are saved, loaded and asked."""

from __future__ import annotations

import _compat_pickle
import inspect
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Final

from tracklet import models
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.models import (
    Model,
    ModelInfo,
    ModelSignature,
    code,
    environment,
    extra_files,
    object_files,
    pickled_names,
    unpickle,
)
from tracklet.models import trust as trusting
from tracklet.models.flavor import passes_on
from tracklet.models.manifest import member
from tracklet.models.trust import Trust
from tracklet_flavors.pytorch.exporting import as_program
from tracklet_flavors.pytorch.predicting import ModulePredictor, device_of, device_of_program
from tracklet_flavors.pytorch.state_dicts import (
    load_state_dict,
    log_state_dict,
    save_state_dict,
    save_tensors,
)

__all__ = [
    "PytorchFlavor",
    "get_default_conda_env",
    "get_default_pip_requirements",
    "load_model",
    "load_state_dict",
    "log_model",
    "log_state_dict",
    "save_model",
    "save_state_dict",
]

DATA: Final = "data"
PICKLED: Final = "model.pth"
EXPORTED: Final = "model.pt2"
PICKLE_MODULE_FILE: Final = "pickle_module_info.txt"

DEFAULT_PICKLE_MODULE: Final = "mlflow.pytorch.pickle_module"
"""MLflow's own, by which it finds cloudpickle's pickler and the standard unpickler."""

get_default_pip_requirements = partial(environment.default_requirements, "pytorch", True)
get_default_conda_env = partial(environment.default_conda_env, "pytorch", True)


class PytorchFlavor(models.Flavor):
    """Modules, whole; TorchScript; and programs that ``torch.export`` made.

    A module is pickled with its class, where that is not importable; where safetensors is
    installed, ``data/model.safetensors`` beside it has what it learned. What ``torch.compile`` and
    data parallelism wrap around a module is taken off: the module inside answers the same.

    Options:
        pickle_module: The module whose pickler ``torch.save`` uses; cloudpickle by default.
        extra_files: Paths or URIs of files to keep beside the model.
        torch_save: Further arguments of ``torch.save``.

    Args:
        torch_load: Further arguments of torch's loader, such as ``map_location``.
    """

    name: ClassVar[str] = "pytorch"
    requires: ClassVar[str] = "torch>=2.6"
    modules: ClassVar[tuple[str, ...]] = ("torch",)
    loader_module: ClassVar[str] = "mlflow.pytorch"

    def __init__(self, torch_load: Mapping[str, Any] | None = None) -> None:
        self._torch_load = dict(torch_load or {})

    def options(self) -> frozenset[str]:
        return frozenset(("pickle_module", "extra_files", "torch_save"))

    def requirements(self, model: Any) -> Sequence[str]:
        return ("torch",)

    def check(self, model: Any, options: Mapping[str, Any]) -> None:
        super().check(model, options)
        import torch

        if not isinstance(model, torch.nn.Module | torch.export.ExportedProgram):
            raise InvalidParameterValue(
                "the flavor 'pytorch' saves modules and exported programs; got "
                f"{type(model).__module__}.{type(model).__qualname__}. A dictionary of tensors is "
                "saved by save_state_dict"
            )
        known = inspect.signature(torch.save).parameters
        unknown = sorted(set(options.get("torch_save") or ()) - set(known))
        if unknown:
            raise InvalidParameterValue(
                f"neither the flavor 'pytorch' nor torch.save knows the option {unknown[0]!r}; "
                f"the flavor's are {', '.join(sorted(self.options()))}"
            )

    def save(self, model: Any, path: Path, options: Mapping[str, Any]) -> models.FlavorConfig:
        import torch

        model = _unwrapped(model)
        data = path / DATA
        data.mkdir()
        pickle_module = options.get("pickle_module")
        named = DEFAULT_PICKLE_MODULE if pickle_module is None else str(pickle_module.__name__)
        modules = {"torch", type(model).__module__}
        try:
            if isinstance(model, torch.export.ExportedProgram):
                torch.export.save(model, data / EXPORTED)
            else:
                (data / PICKLE_MODULE_FILE).write_text(named, encoding="utf-8")
                if isinstance(model, torch.jit.ScriptModule):
                    with _of_deprecated_script():
                        torch.jit.save(model, data / PICKLED)
                else:
                    modules |= _pickle(
                        model, data / PICKLED, pickle_module, options.get("torch_save") or {}
                    )
                    save_tensors(model, path)
        except OSError:
            raise
        except Exception as error:
            raise TrackletException(
                f"{type(model).__name__} cannot be saved: {type(error).__name__}: {error}"
            ) from error
        config: dict[str, Any] = {"model_data": DATA, "pytorch_version": str(torch.__version__)}
        if options.get("extra_files") is not None:
            config["extra_files"] = extra_files.save(options["extra_files"], path)
        pyfunc = {"data": DATA, "pickle_module_name": named, "config": {"device": None}}
        return models.FlavorConfig(config, pyfunc, frozenset(modules))

    def load(self, path: Path, config: Mapping[str, Any]) -> Any:
        import torch

        data = member(path, config.get("model_data") or DATA)
        exported = data / EXPORTED
        if exported.is_file():
            trusting.permit(f"run the program {exported.relative_to(path)}", exported)
            return torch.export.load(exported).module()
        file = data / PICKLED if data.is_dir() else data
        options = {"map_location": _place(), **self._torch_load}
        if _is_script(file):
            trusting.permit(f"run the program {file.relative_to(path)}", file)
            with _of_deprecated_script():
                model = torch.jit.load(file, map_location=options["map_location"])
        else:
            told = data / PICKLE_MODULE_FILE
            named = told.read_text(encoding="utf-8").strip() if told.is_file() else ""
            options = {"pickle_module": named, **options}
            model = unpickle.load_torch(file, own=bool(config.get("own")), **options)
        if not isinstance(model, torch.nn.Module):
            raise TrackletException(f"{file} holds a {type(model).__name__}, which is no module")
        return model.train(False)

    def load_data_path(self, path: Path, pyfunc: Mapping[str, Any]) -> Any:
        return self.load(path, {"model_data": pyfunc.get("data"), "own": pyfunc.get("own")})

    def predictor(self, model: Any, config: Mapping[str, Any]) -> models.Predictor:
        device = device_of(config)
        exported = Path(str(config["path"]), str(config.get("data") or DATA), EXPORTED)
        if exported.is_file():
            return ModulePredictor(model, device_of_program(model, device))
        return ModulePredictor(model.to(device), device)

    def sample_predictor(self, model: Any, config: Mapping[str, Any]) -> models.Predictor:
        # The user's module is left where it is, training or not, with its counts as they are.
        path = Path(str(config["path"]))
        entry = config.get("code")
        with code.importable(member(path, entry) if entry else None):
            return self.predictor(self.load_data_path(path, config), config)


def _unwrapped(model: Any) -> Any:
    import torch

    while True:
        if type(model).__name__ == "OptimizedModule" and hasattr(model, "_orig_mod"):
            model = model._orig_mod
        elif isinstance(model, torch.nn.DataParallel | torch.nn.parallel.DistributedDataParallel):
            model = model.module
        else:
            return model


def _pickle(model: Any, file: Path, pickle_module: Any, options: Mapping[str, Any]) -> set[str]:
    """Write a module; what the file refers to."""
    import torch

    made: list[object_files.Pickler] = []

    class Pickler(object_files.Pickler):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)

    ours = SimpleNamespace(__name__=DEFAULT_PICKLE_MODULE, Pickler=Pickler)
    torch.save(model, file, pickle_module=pickle_module or ours, **options)
    named = pickled_names.all_of_file(file).union(*(each.modules for each in made))
    # In the protocol that torch writes, the standard library's modules have their old names.
    old = _compat_pickle.IMPORT_MAPPING
    return {name for name in named if name.rpartition(".")[0] not in old}


def _is_script(file: Path) -> bool:
    """Whether a file is TorchScript's, which has its constants beside its data."""
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


@contextmanager
def _of_deprecated_script() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _place() -> str | None:
    """Where tensors go that were on a GPU, where there is none; None leaves all where they were."""
    import torch

    return None if torch.cuda.is_available() else "cpu"


@passes_on("pytorch", made_of=as_program)
def save_model(
    pytorch_model: Any,
    path: str | Path,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    mlflow_model: Model | None = None,
    code_paths: Sequence[str | Path] | None = None,
    pickle_module: Any = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    extra_files: Sequence[str | Path] | None = None,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    metadata: dict[str, Any] | None = None,
    export_model: bool = False,
    serialization_format: str | None = None,
    **torch_save: Any,
) -> None:
    """Save a module as a folder.

    Arguments that are not named here are those of :func:`tracklet.models.save_model`.

    Args:
        pytorch_model: The module, TorchScript or eager, or a program of ``torch.export``'s.
        path: The folder; it must not exist, or be empty.
        pickle_module: The module whose pickler ``torch.save`` uses; cloudpickle by default.
        extra_files: Paths or URIs of files to keep beside the model.
        export_model: An older word for ``serialization_format="pt2"``.
        serialization_format: ``"pickle"``, the default, or ``"pt2"``: the module's program for an
            input like ``input_example``, whose first dimension may have any length.
        **torch_save: Further arguments of ``torch.save``.
    """


@passes_on("pytorch", made_of=as_program)
def log_model(
    pytorch_model: Any,
    artifact_path: str | None = None,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    code_paths: Sequence[str | Path] | None = None,
    pickle_module: Any = None,
    registered_model_name: str | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    await_registration_for: int | None = 300,
    extra_files: Sequence[str | Path] | None = None,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    metadata: dict[str, Any] | None = None,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
    export_model: bool = False,
    serialization_format: str | None = None,
    **torch_save: Any,
) -> ModelInfo:
    """Log a module; see :func:`tracklet.models.log_model` and :func:`save_model`."""
    ...


def load_model(
    model_uri: str | Path,
    dst_path: str | Path | None = None,
    *,
    trust: Trust = None,
    **torch_load: Any,
) -> Any:
    """The module, ready to be asked; see :func:`tracklet.models.load_model`.

    What was on a GPU is on the CPU where there is none, unless ``map_location`` says otherwise.

    Args:
        trust: True for a module of someone else's, if you trust the author.
        **torch_load: Further arguments of torch's loader, such as ``map_location``.
    """
    return models.load_model(model_uri, dst_path, flavor=PytorchFlavor(torch_load), trust=trust)
