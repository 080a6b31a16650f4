"""TensorFlow: ``tf.Module`` as SavedModel, and Keras' models as MLflow's flavor has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

from tracklet import models
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.models import Model, ModelInfo, ModelSignature, environment, extra_files, unpickle
from tracklet.models import trust as trusting
from tracklet.models.flavor import passes_on
from tracklet.models.manifest import member
from tracklet.models.object_files import Pickler, pickle_to
from tracklet.models.trust import Trust
from tracklet_flavors.keras import DATA, MODULE_FILE, load_file, saving_quietly
from tracklet_flavors.keras.predicting import NetworkPredictor, ProgramPredictor

SAVED_MODEL: Final = "tf2model"
FORMAT_FILE: Final = "save_format.txt"
CUSTOM: Final = ("global_custom_objects.cloudpickle", "custom_objects.cloudpickle")

get_default_pip_requirements = partial(environment.default_requirements, "tensorflow")
get_default_conda_env = partial(environment.default_conda_env, "tensorflow")


class TensorflowFlavor(models.Flavor):
    """Modules of TensorFlow's with what they can be asked, and Keras' models on TensorFlow.

    Options:
        custom_objects: Classes and functions to keep beside a model of Keras', by their names.
        extra_files: Paths or URIs of files to keep beside the model.
        keras_model_kwargs: Further arguments of ``Model.save``; ``save_format="h5"`` writes HDF5.
        saved_model_kwargs: Further arguments of ``tf.saved_model.save``, such as ``signatures``.

    Args:
        saved_model_kwargs: Further arguments of ``tf.saved_model.load``.
        keras_model_kwargs: Further arguments of ``keras.saving.load_model``.
    """

    name: ClassVar[str] = "tensorflow"
    requires: ClassVar[str] = "tensorflow>=2.16"
    modules: ClassVar[tuple[str, ...]] = ("tensorflow",)
    loader_module: ClassVar[str] = "mlflow.tensorflow"

    def __init__(
        self,
        saved_model_kwargs: Mapping[str, Any] | None = None,
        keras_model_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        self._saved_model_kwargs = dict(saved_model_kwargs or {})
        self._keras_model_kwargs = dict(keras_model_kwargs or {})

    def options(self) -> frozenset[str]:
        names = ("custom_objects", "extra_files", "keras_model_kwargs", "saved_model_kwargs")
        return frozenset(names)

    def check(self, model: Any, options: Mapping[str, Any]) -> None:
        super().check(model, options)
        if not _is_keras(model) and not hasattr(model, "_trackable_children"):
            raise InvalidParameterValue(
                "the flavor 'tensorflow' saves modules of TensorFlow and models of Keras; got "
                f"{type(model).__module__}.{type(model).__qualname__}"
            )

    def save(self, model: Any, path: Path, options: Mapping[str, Any]) -> models.FlavorConfig:
        import tensorflow as tf

        modules = {"tensorflow"}
        config: dict[str, Any]
        pyfunc: dict[str, Any]
        try:
            if _is_keras(model):
                config = _save_keras(model, path, options, modules)
                pyfunc = {"data": DATA}
            else:
                given = options.get("saved_model_kwargs") or {}
                with saving_quietly():
                    tf.saved_model.save(model, str(path / SAVED_MODEL), **given)
                config = {"saved_model_dir": SAVED_MODEL, "model_type": "tf2-module"}
                pyfunc = {}
        except OSError:
            raise
        except Exception as error:
            raise TrackletException(
                f"{type(model).__name__} cannot be saved: {type(error).__name__}: {error}"
            ) from error
        if options.get("extra_files") is not None:
            config["extra_files"] = extra_files.save(options["extra_files"], path)
        return models.FlavorConfig(config, pyfunc, frozenset(modules))

    def load(self, path: Path, config: Mapping[str, Any]) -> Any:
        if config.get("saved_model_dir") or (path / SAVED_MODEL).is_dir():
            folder = member(path, config.get("saved_model_dir") or SAVED_MODEL)
            trusting.permit(f"run the program {folder.relative_to(path)}", folder)
            import tensorflow as tf

            try:
                return tf.saved_model.load(str(folder), **self._saved_model_kwargs)
            except (OSError, ValueError) as error:
                raise TrackletException(f"{folder} cannot be loaded: {error}") from error
        data = member(path, config.get("data") or DATA)
        kwargs = dict(self._keras_model_kwargs)
        given: dict[str, Any] = {}
        for name in CUSTOM:
            if (data / name).is_file():
                given |= unpickle.load(data / name)
        given |= kwargs.pop("custom_objects", None) or {}
        file = next((f for f in (data / "model.keras", data / "model.h5") if f.is_file()), None)
        if file is None:
            raise TrackletException(f"{data} has neither model.keras nor model.h5")
        return load_file(file, given or None, kwargs)

    def load_data_path(self, path: Path, pyfunc: Mapping[str, Any]) -> Any:
        return self.load(path, {"data": pyfunc.get("data")})

    def predictor(self, model: Any, config: Mapping[str, Any]) -> models.Predictor:
        return NetworkPredictor(model) if _is_keras(model) else ProgramPredictor(model)

    def sample_predictor(self, model: Any, config: Mapping[str, Any]) -> models.Predictor:
        return self.predictor(self.load_data_path(Path(str(config["path"])), config), config)


def _is_keras(model: Any) -> bool:
    return any(cls.__module__.startswith("keras.") for cls in type(model).__mro__)


def _save_keras(
    model: Any, path: Path, options: Mapping[str, Any], modules: set[str]
) -> dict[str, Any]:
    import tensorflow as tf

    data = path / DATA
    data.mkdir()
    kwargs = dict(options.get("keras_model_kwargs") or {})
    kind = kwargs.pop("save_format", "tf")
    (data / MODULE_FILE).write_text("tensorflow.keras", encoding="utf-8")
    (data / FORMAT_FILE).write_text(kind, encoding="utf-8")
    if options.get("custom_objects"):
        modules |= pickle_to(data / CUSTOM[1], dict(options["custom_objects"]), Pickler)
    with saving_quietly():
        model.save(data / f"model.{'h5' if kind == 'h5' else 'keras'}", **kwargs)
    version = str(tf.__version__)
    return {"data": DATA, "model_type": "keras", "keras_version": version, "save_format": kind}


@passes_on("tensorflow")
def save_model(
    model: Any,
    path: str | Path,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    code_paths: Sequence[str | Path] | None = None,
    mlflow_model: Model | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    saved_model_kwargs: Mapping[str, Any] | None = None,
    keras_model_kwargs: Mapping[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    extra_files: Sequence[str | Path] | None = None,
) -> None:
    """Save a module of TensorFlow's, or a model of Keras', as a folder.

    Args:
        model: The module or model.
        path: The folder; it must not exist, or be empty.
        conda_env: See :func:`tracklet.models.save_model`; so for the arguments not named here.
        code_paths: See there.
        mlflow_model: See there.
        custom_objects: Classes and functions to keep beside a model of Keras', by their names.
        signature: See there.
        input_example: See there.
        pip_requirements: See there.
        extra_pip_requirements: See there.
        saved_model_kwargs: Further arguments of ``tf.saved_model.save``, such as ``signatures``.
        keras_model_kwargs: Further arguments of ``Model.save``; ``save_format="h5"`` writes HDF5.
        metadata: See there.
        extra_files: Paths or URIs of files to keep beside the model.
    """


@passes_on("tensorflow")
def log_model(
    model: Any,
    artifact_path: str | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    code_paths: Sequence[str | Path] | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    registered_model_name: str | None = None,
    await_registration_for: int | None = 300,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    saved_model_kwargs: Mapping[str, Any] | None = None,
    keras_model_kwargs: Mapping[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    extra_files: Sequence[str | Path] | None = None,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
) -> ModelInfo:
    """Log a module or model; see :func:`tracklet.models.log_model` and :func:`save_model`."""
    ...


def load_model(
    model_uri: str | Path,
    dst_path: str | Path | None = None,
    saved_model_kwargs: Mapping[str, Any] | None = None,
    keras_model_kwargs: Mapping[str, Any] | None = None,
    *,
    trust: Trust = None,
) -> Any:
    """The module as ``tf.saved_model.load`` gives it, or the model of Keras'.

    Args:
        model_uri: See :func:`tracklet.models.load_model`.
        dst_path: See there.
        saved_model_kwargs: Further arguments of ``tf.saved_model.load``.
        keras_model_kwargs: Further arguments of ``keras.saving.load_model``.
        trust: True for a model of someone else's that brings code, if you trust the author.
    """
    flavor = TensorflowFlavor(saved_model_kwargs, keras_model_kwargs)
    return models.load_model(model_uri, dst_path, flavor=flavor, trust=trust)
