"""Keras 3: how its models are saved, loaded and asked."""

from __future__ import annotations

import json
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

from tracklet import lazy, models
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.models import Model, ModelInfo, ModelSignature, environment
from tracklet.models import trust as trusting
from tracklet.models.flavor import passes_on
from tracklet.models.manifest import member
from tracklet.models.trust import Trust
from tracklet_flavors.keras.predicting import NetworkPredictor

__all__ = [
    "KerasFlavor",
    "get_default_conda_env",
    "get_default_pip_requirements",
    "load_model",
    "log_model",
    "save_model",
]

DATA: Final = "data"
SAVED: Final = "model.keras"
EXPORTED: Final = "model"
MODULE_FILE: Final = "keras_module.txt"
_CODE: Final = {
    "__lambda__": "a function that is in the file",
    "TFSMLayer": "the program of a TFSMLayer",
    "TorchModuleWrapper": "the program of a TorchModuleWrapper",
}
_LOST: Final = re.compile(r"Could not locate (?:class|function) '([^']+)'")

get_default_pip_requirements = partial(environment.default_requirements, "keras")
get_default_conda_env = partial(environment.default_conda_env, "keras")


def _keras() -> Any:
    return lazy.imported("keras", "keras", purpose="a model of Keras'", extra="keras")


class KerasFlavor(models.Flavor):
    """Models of Keras 3 in its own format, or as the graph that TensorFlow runs.

    Options:
        save_exported_model: Save what ``Model.export`` writes, a SavedModel of TensorFlow's.
        save_model_kwargs: Further arguments of ``Model.save``.

    Args:
        custom_objects: Classes and functions by the names that the file has for them.
        load_model_kwargs: Further arguments of ``keras.saving.load_model``.
    """

    name: ClassVar[str] = "keras"
    requires: ClassVar[str] = "keras>=3.0"
    modules: ClassVar[tuple[str, ...]] = ("keras",)
    loader_module: ClassVar[str] = "mlflow.keras"

    def __init__(
        self,
        custom_objects: Mapping[str, Any] | None = None,
        load_model_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        self._custom_objects = custom_objects
        self._load_model_kwargs = dict(load_model_kwargs or {})

    def options(self) -> frozenset[str]:
        return frozenset(("save_exported_model", "save_model_kwargs"))

    def requirements(self, model: Any) -> Sequence[str]:
        return ("keras",)

    def check(self, model: Any, options: Mapping[str, Any]) -> None:
        super().check(model, options)
        keras = _keras()

        if not isinstance(model, keras.Model):
            raise InvalidParameterValue(
                "the flavor 'keras' saves instances of keras.Model; got "
                f"{type(model).__module__}.{type(model).__qualname__}"
            )

    def save(self, model: Any, path: Path, options: Mapping[str, Any]) -> models.FlavorConfig:
        keras = _keras()

        data = path / DATA
        data.mkdir()
        (data / MODULE_FILE).write_text("keras", encoding="utf-8")
        exports = bool(options.get("save_exported_model"))
        kwargs = dict(options.get("save_model_kwargs") or {})
        try:
            with saving_quietly():
                if exports:
                    model.export(data / EXPORTED, verbose=False, **kwargs)
                else:
                    model.save(data / SAVED, **kwargs)
        except OSError:
            raise
        except Exception as error:
            raise TrackletException(
                f"{type(model).__name__} cannot be saved: {type(error).__name__}: {error}"
            ) from error
        config = {
            "data": DATA,
            "keras_version": str(keras.__version__),
            "keras_backend": keras.backend.backend(),
            "save_exported_model": exports,
        }
        modules = {"keras", keras.backend.backend()}
        return models.FlavorConfig(config, {}, frozenset(modules))

    def load(self, path: Path, config: Mapping[str, Any]) -> Any:
        data = member(path, config.get("data") or DATA)
        if (data / EXPORTED).is_dir():
            trusting.permit(f"run the program {(data / EXPORTED).relative_to(path)}", data)
            import tensorflow as tf

            return tf.saved_model.load(str(data / EXPORTED))
        file = data if data.is_file() else data / SAVED
        # A checkpoint: what ``load_model`` loads has an MLmodel, whatever that says.
        own = bool(config.get("own")) and not (path / "MLmodel").is_file()
        return load_file(file, self._custom_objects, self._load_model_kwargs, own=own)

    def load_data_path(self, path: Path, pyfunc: Mapping[str, Any]) -> Any:
        return self.load(path, {"data": pyfunc.get("data")})

    def predictor(self, model: Any, config: Mapping[str, Any]) -> models.Predictor:
        return NetworkPredictor(model)

    def sample_predictor(self, model: Any, config: Mapping[str, Any]) -> models.Predictor:
        # The user's model has no function compiled that it has not asked for.
        return self.predictor(self.load_data_path(Path(str(config["path"])), config), config)


@contextmanager
def saving_quietly() -> Iterator[None]:
    """While it is saved, tensors of TensorFlow's become arrays in the way of NumPy 1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def load_file(
    file: Path,
    custom_objects: Mapping[str, Any] | None,
    kwargs: Mapping[str, Any],
    *,
    own: bool = False,
) -> Any:
    """A model from a file of Keras'.

    Code that the file brings, or modules that it names, are for trusted authors.

    Args:
        file: The ``.keras`` file, or one of HDF5.
        custom_objects: Classes and functions by the names that the file has for them.
        kwargs: Further arguments of ``keras.saving.load_model``.
        own: Whether it is a checkpoint, whose classes may be imported from where they are.

    Raises:
        UntrustedModel: The file would run code, and nothing says that its author is trusted.
        TrackletException: The file is missing or corrupt.
    """
    is_zip = file.suffix == ".keras"  # Keras reads all others as HDF5, perhaps
    if not is_zip:
        trusting.permit(f"run the program {file.parent.name}/{file.name}", file)
    try:
        config = _config_of(file) if is_zip else {}
        foreign = set(_foreign(config, frozenset(custom_objects or ())))
    except (OSError, ValueError, KeyError, TypeError, RecursionError, zipfile.BadZipFile) as error:
        raise TrackletException(
            f"{file} is no model of Keras': {type(error).__name__}: {error}"
        ) from error
    if own:
        foreign.intersection_update(_CODE.values())
    if foreign:
        trusting.permit(f"import {', '.join(sorted(foreign))}", file)
    keras = _keras()

    version = str(keras.__version__)
    if not own and tuple(map(int, re.findall(r"\d+", version)[:3])) < (3, 11, 3):
        trusting.permit(f"be read by Keras {version}, whose safe mode has holes", file)
    given = {"safe_mode": not trusting.is_known(file), **kwargs}
    try:
        return keras.saving.load_model(file, custom_objects=custom_objects, **given)
    except TrackletException:
        raise
    except Exception as error:
        lost = _LOST.search(str(error))
        told = f"{type(error).__name__}: {error}"
        if lost is not None:
            name = lost.group(1)
            told = (
                f"Keras does not find {name!r}; give custom_objects={{{name!r}: ...}}, or decorate "
                "it with keras.saving.register_keras_serializable() and import it first"
            )
        raise TrackletException(f"{file} cannot be loaded: {told}") from error


def _config_of(file: Path) -> Any:
    with zipfile.ZipFile(file) as archive:
        return json.loads(archive.read("config.json"))


def _foreign(config: Any, given: frozenset[str]) -> Iterator[str]:
    """The modules that a configuration names beside Keras' own, and the code that it holds."""
    if isinstance(config, Mapping):
        name, module = config.get("class_name"), config.get("module")
        if name in _CODE:
            yield _CODE[name]
        if isinstance(module, str) and name not in given:
            top = module.partition(".")[0]
            if top not in ("keras", "builtins") or "registered_name" not in config:
                yield module
        for each in config.values():
            yield from _foreign(each, given)
    elif isinstance(config, list):
        for each in config:
            yield from _foreign(each, given)


@passes_on("keras")
def save_model(
    model: Any,
    path: str | Path,
    save_exported_model: bool = False,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    mlflow_model: Model | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    save_model_kwargs: Mapping[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    *,
    code_paths: Sequence[str | Path] | None = None,
) -> None:
    """Save a model of Keras 3 as a folder.

    Args:
        model: The model.
        path: The folder; it must not exist, or be empty.
        save_exported_model: Save what ``Model.export`` writes, a SavedModel of TensorFlow's,
            instead of a ``.keras`` file.
        conda_env: See :func:`tracklet.models.save_model`; so for the arguments not named here.
        mlflow_model: See there.
        signature: See there.
        input_example: See there.
        pip_requirements: See there.
        extra_pip_requirements: See there.
        save_model_kwargs: Further arguments of ``Model.save``, or of ``Model.export``.
        metadata: See there.
        code_paths: See there.
    """


@passes_on("keras")
def log_model(
    model: Any,
    artifact_path: str | None = None,
    save_exported_model: bool = False,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    registered_model_name: str | None = None,
    await_registration_for: int | None = 300,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    save_model_kwargs: Mapping[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
    *,
    code_paths: Sequence[str | Path] | None = None,
) -> ModelInfo:
    """Log a model; see :func:`tracklet.models.log_model` and :func:`save_model`."""
    ...


def load_model(
    model_uri: str | Path,
    dst_path: str | Path | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    load_model_kwargs: Mapping[str, Any] | None = None,
    *,
    trust: Trust = None,
) -> Any:
    """The model as Keras has it; see :func:`tracklet.models.load_model`.

    An exported one comes as what ``tf.saved_model.load`` gives.

    Args:
        model_uri: See there; so for the other arguments not named here.
        dst_path: See there.
        custom_objects: Classes and functions by the names that the file has for them.
        load_model_kwargs: Further arguments of ``keras.saving.load_model``.
        trust: True for a model of someone else's that brings code, if you trust the author.
    """
    flavor = KerasFlavor(custom_objects, load_model_kwargs)
    return models.load_model(model_uri, dst_path, flavor=flavor, trust=trust)
