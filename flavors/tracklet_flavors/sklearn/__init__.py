"""scikit-learn's estimators and pipelines: how they are saved, loaded and asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from tracklet import models
from tracklet.models import Model, ModelInfo, ModelSignature, environment, object_files
from tracklet.models.flavor import MethodPredictor, check_method, passes_on
from tracklet.models.manifest import member
from tracklet.models.trust import Trust

__all__ = ["SklearnFlavor", "load_model", "log_model", "save_model"]


class SklearnFlavor(models.Flavor):
    """Estimators, pipelines and whatever else derives from scikit-learn's classes.

    Options:
        serialization_format: ``"cloudpickle"`` (the default), ``"pickle"`` or ``"skops"``.
        pyfunc_predict_fn: The method that the pyfunc view calls; ``"predict"`` by default.
        skops_trusted_types: Types that skops may load, beside those that it trusts itself.
        extra_files: Paths or URIs of files to keep beside the model.
    """

    name: ClassVar[str] = "sklearn"
    requires: ClassVar[str] = "scikit-learn>=1.3"
    modules: ClassVar[tuple[str, ...]] = ("sklearn",)
    loader_module: ClassVar[str] = "mlflow.sklearn"

    def options(self) -> frozenset[str]:
        return frozenset(
            ("serialization_format", "pyfunc_predict_fn", "skops_trusted_types", "extra_files")
        )

    def requirements(self, model: Any) -> Sequence[str]:
        return ("scikit-learn",)

    def check(self, model: Any, options: Mapping[str, Any]) -> None:
        object_files.format_of(options.get("serialization_format"))
        # Estimators of other libraries need not derive from scikit-learn's classes.
        predict_fn = options.get("pyfunc_predict_fn") or "predict"
        if predict_fn != "predict":  # without that one, a transformer has no pyfunc view
            check_method(model, predict_fn)
        is_instance = not isinstance(model, type)
        if not (is_instance and hasattr(model, "get_params") and hasattr(model, "fit")):
            super().check(model, options)

    def save(self, model: Any, path: Path, options: Mapping[str, Any]) -> models.FlavorConfig:
        kind = object_files.format_of(options.get("serialization_format"))
        trusted = options.get("skops_trusted_types")
        file, modules = object_files.dump(model, path, kind)
        if kind == "skops":
            object_files.check_trusted(model, file, trusted or ())
        config: dict[str, Any] = {
            "pickled_model": file.name,
            "serialization_format": kind,
            "sklearn_version": environment.version("scikit-learn"),
            "skops_trusted_types": None if trusted is None else [str(name) for name in trusted],
        }
        if options.get("extra_files") is not None:
            from tracklet.models import extra_files

            config["extra_files"] = extra_files.save(options["extra_files"], path)
        predict_fn = options.get("pyfunc_predict_fn") or "predict"
        pyfunc = None
        if hasattr(model, predict_fn):
            pyfunc = {"model_path": file.name, "predict_fn": predict_fn}
        return models.FlavorConfig(config, pyfunc, frozenset(modules))

    def load(self, path: Path, config: Mapping[str, Any]) -> Any:
        named = config.get("pickled_model") or config.get("model_path") or "model.pkl"
        file = member(path, named)
        if config.get("serialization_format") == "skops" or file.suffix == ".skops":
            return object_files.load_skops(file, config.get("skops_trusted_types") or ())
        from tracklet.models import unpickle

        return unpickle.load(file, own=bool(config.get("own")))

    def load_data_path(self, path: Path, pyfunc: Mapping[str, Any]) -> Any:
        file = pyfunc.get("model_path") or pyfunc.get("data") or "model.pkl"
        return self.load(path, {"pickled_model": file, "own": pyfunc.get("own")})

    def predictor(self, model: Any, config: Mapping[str, Any]) -> models.Predictor:
        predict_fn = str(config.get("predict_fn") or "predict")
        check_method(model, predict_fn)
        return MethodPredictor(model, predict_fn)


@passes_on("sklearn")
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

    Arguments that are not named here are those of :func:`tracklet.models.save_model`.

    Args:
        sk_model: The estimator or pipeline.
        path: The folder; it must not exist, or be empty.
        serialization_format: ``"cloudpickle"``, ``"pickle"`` or ``"skops"``.
        pyfunc_predict_fn: The method that the pyfunc view calls.
        skops_trusted_types: Types that skops may load, beside those that it trusts itself.
        extra_files: Paths or URIs of files to keep beside the model.
    """


@passes_on("sklearn")
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
