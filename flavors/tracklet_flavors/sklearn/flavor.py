"""How scikit-learn's estimators and pipelines are saved, loaded and asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from tracklet.errors import InvalidParameterValue
from tracklet.models import Flavor, FlavorConfig, Predictor, distributions, object_files


class SklearnFlavor(Flavor):
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
        is_instance = not isinstance(model, type)
        if not (is_instance and hasattr(model, "get_params") and hasattr(model, "fit")):
            super().check(model, options)

    def save(self, model: Any, path: Path, options: Mapping[str, Any]) -> FlavorConfig:
        kind = object_files.format_of(options.get("serialization_format"))
        trusted = options.get("skops_trusted_types")
        file, modules = object_files.dump(model, path, kind)
        if kind == "skops":
            object_files.check_trusted(model, file, trusted or ())
        config: dict[str, Any] = {
            "pickled_model": file.name,
            "serialization_format": kind,
            "sklearn_version": distributions.version("scikit-learn"),
            "skops_trusted_types": None if trusted is None else [str(name) for name in trusted],
        }
        if options.get("extra_files") is not None:
            from tracklet.models import extra_files

            config["extra_files"] = extra_files.save(options["extra_files"], path)
        predict_fn = options.get("pyfunc_predict_fn") or "predict"
        pyfunc = None
        if hasattr(model, predict_fn):
            pyfunc = {"model_path": file.name, "predict_fn": predict_fn}
        return FlavorConfig(config, pyfunc, frozenset(modules))

    def load(self, path: Path, config: Mapping[str, Any]) -> Any:
        file = path / str(config.get("pickled_model") or config.get("model_path") or "model.pkl")
        if config.get("serialization_format") == "skops" or file.suffix == ".skops":
            return object_files.load_skops(file, config.get("skops_trusted_types") or ())
        from tracklet.models import unpickle

        return unpickle.load(file, own=bool(config.get("own")))

    def load_data_path(self, path: Path, pyfunc: Mapping[str, Any]) -> Any:
        file = pyfunc.get("model_path") or pyfunc.get("data") or "model.pkl"
        return self.load(path, {"pickled_model": file, "own": pyfunc.get("own")})

    def predictor(self, model: Any, config: Mapping[str, Any]) -> Predictor:
        return SklearnPredictor(model, str(config.get("predict_fn") or "predict"))


class SklearnPredictor:
    """Asks an estimator's method; params become its keyword arguments."""

    def __init__(self, model: Any, predict_fn: str) -> None:
        if not hasattr(model, predict_fn):
            raise InvalidParameterValue(
                f"{type(model).__name__} has no method {predict_fn!r} to predict with"
            )
        self.model = model
        self.predict_fn = predict_fn

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """The estimator's answer."""
        return getattr(self.model, self.predict_fn)(data, **(params or {}))
