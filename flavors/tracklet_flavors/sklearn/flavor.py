"""How scikit-learn's estimators and pipelines are saved, loaded and asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import cloudpickle

from tracklet.errors import InvalidParameterValue, MissingDependency, TrackletException
from tracklet.models import (
    Flavor,
    FlavorConfig,
    Predictor,
    distributions,
    environment,
    extra_files,
    unpickle,
)

SERIALIZATION_FORMATS: Final = ("cloudpickle", "pickle", "skops")


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
        kind = options.get("serialization_format") or "cloudpickle"
        if kind not in SERIALIZATION_FORMATS:
            raise InvalidParameterValue(
                f"serialization_format={kind!r} is unknown; choose from "
                f"{', '.join(SERIALIZATION_FORMATS)}"
            )
        # Estimators of other libraries need not derive from scikit-learn's classes.
        is_instance = not isinstance(model, type)
        if not (is_instance and hasattr(model, "get_params") and hasattr(model, "fit")):
            super().check(model, options)

    def save(self, model: Any, path: Path, options: Mapping[str, Any]) -> FlavorConfig:
        kind = options.get("serialization_format") or "cloudpickle"
        trusted = options.get("skops_trusted_types")
        file = path / ("model.skops" if kind == "skops" else "model.pkl")
        modules = _dump(model, file, kind)
        if kind == "skops":
            _check_trusted(model, file, trusted)
        config: dict[str, Any] = {
            "pickled_model": file.name,
            "serialization_format": kind,
            "sklearn_version": distributions.version("scikit-learn"),
            "skops_trusted_types": None if trusted is None else [str(name) for name in trusted],
        }
        kept = extra_files.save(options.get("extra_files"), path)
        if kept is not None:
            config["extra_files"] = kept
        predict_fn = options.get("pyfunc_predict_fn") or "predict"
        pyfunc = None
        if hasattr(model, predict_fn):
            pyfunc = {"model_path": file.name, "predict_fn": predict_fn}
        return FlavorConfig(config, pyfunc, frozenset(modules))

    def load(self, path: Path, config: Mapping[str, Any]) -> Any:
        file = path / str(config.get("pickled_model") or config.get("model_path") or "model.pkl")
        if config.get("serialization_format") == "skops" or file.suffix == ".skops":
            return _load_skops(file, config.get("skops_trusted_types"))
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


def _dump(model: Any, file: Path, kind: str) -> set[str]:
    """Write the model and return the top-level modules that the file refers to."""
    try:
        if kind == "skops":
            _skops().dump(model, file)
            return {"skops", type(model).__module__.partition(".")[0]}
        with file.open("wb") as stream:
            if kind == "cloudpickle":
                cloudpickle.dump(model, stream)
            else:
                import pickle

                pickle.dump(model, stream)
    except TrackletException:
        raise
    except OSError:
        raise
    except Exception as error:
        raise TrackletException(
            f"{type(model).__name__} cannot be saved with {kind}: {type(error).__name__}: {error}"
        ) from error
    modules = environment.pickled_modules_of(file)
    return modules | ({"cloudpickle"} if kind == "cloudpickle" else set())


def _check_trusted(model: Any, file: Path, trusted: Sequence[str] | None) -> None:
    """Refuse to save what would not load again."""
    unknown = sorted(set(_skops().get_untrusted_types(file=file)) - set(trusted or ()))
    if unknown:
        raise InvalidParameterValue(
            f"{type(model).__name__} holds types that skops does not trust by itself: {unknown}. "
            "Name those that you trust in skops_trusted_types, or choose another "
            "serialization_format"
        )


def _skops() -> Any:
    try:
        import skops.io
    except ImportError as error:
        raise MissingDependency("skops", purpose="serialization_format='skops'") from error
    return skops.io


def _load_skops(file: Path, trusted: Any) -> Any:
    skops = _skops()
    if not file.is_file():
        raise TrackletException(f"the model is corrupt: {file} is missing")
    try:
        return skops.load(file, trusted=list(trusted or ()))
    except Exception as error:
        raise TrackletException(
            f"{file} cannot be loaded by skops: it is corrupt, or holds types that are not "
            f"trusted; name them in skops_trusted_types ({type(error).__name__}: {error})"
        ) from error
