"""How LightGBM's boosters and scikit-learn wrappers are saved, loaded and asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import cloudpickle

from tracklet.errors import InvalidParameterValue, MissingDependency, TrackletException
from tracklet.models import Flavor, FlavorConfig, Predictor, distributions, environment, unpickle

SERIALIZATION_FORMATS: Final = ("cloudpickle", "pickle", "skops")
BOOSTER: Final = "lightgbm.basic.Booster"

# LightGBM's own types in its wrappers; whoever loads one of them trusts these.
_OWN_TYPES: Final = (
    "collections.OrderedDict",
    "collections.defaultdict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRanker",
    "lightgbm.sklearn.LGBMRegressor",
    "lightgbm.sklearn._LGBMLabelEncoder",
)


class LightgbmFlavor(Flavor):
    """Boosters in LightGBM's text format, scikit-learn wrappers pickled or with skops.

    Options:
        serialization_format: How a wrapper is written: ``"cloudpickle"`` (the default),
            ``"pickle"`` or ``"skops"``. A booster is text in any case.
        pyfunc_predict_fn: The method that the pyfunc view of a wrapper calls; ``"predict"`` by
            default.
        skops_trusted_types: Types that skops may load, beside LightGBM's own.
    """

    name: ClassVar[str] = "lightgbm"
    requires: ClassVar[str] = "lightgbm>=4.1"
    modules: ClassVar[tuple[str, ...]] = ("lightgbm",)
    loader_module: ClassVar[str] = "mlflow.lightgbm"

    def options(self) -> frozenset[str]:
        return frozenset(("serialization_format", "pyfunc_predict_fn", "skops_trusted_types"))

    def requirements(self, model: Any) -> Sequence[str]:
        return ("lightgbm", "scikit-learn") if hasattr(model, "get_params") else ("lightgbm",)

    def check(self, model: Any, options: Mapping[str, Any]) -> None:
        super().check(model, options)
        if isinstance(model, type) or not hasattr(model, "predict"):
            raise InvalidParameterValue(
                f"the flavor 'lightgbm' saves boosters and scikit-learn wrappers; got "
                f"{type(model).__module__}.{type(model).__qualname__}"
            )
        kind = options.get("serialization_format") or "cloudpickle"
        if kind not in SERIALIZATION_FORMATS:
            raise InvalidParameterValue(
                f"serialization_format={kind!r} is unknown; choose from "
                f"{', '.join(SERIALIZATION_FORMATS)}"
            )

    def save(self, model: Any, path: Path, options: Mapping[str, Any]) -> FlavorConfig:
        config: dict[str, Any] = {
            "lgb_version": distributions.version("lightgbm"),
            "model_class": f"{type(model).__module__}.{type(model).__qualname__}",
            "skops_trusted_types": None,
        }
        if not hasattr(model, "get_params"):
            file = path / "model.lgb"
            try:
                model.save_model(str(file))
            except Exception as error:
                raise TrackletException(
                    f"{type(model).__name__} cannot be saved: {type(error).__name__}: {error}"
                ) from error
            config |= {"data": file.name, "serialization_format": None}
            return FlavorConfig(config, {"data": file.name}, frozenset({"lightgbm", "numpy"}))
        kind = str(options.get("serialization_format") or "cloudpickle")
        predict_fn = str(options.get("pyfunc_predict_fn") or "predict")
        if not hasattr(model, predict_fn):
            raise InvalidParameterValue(
                f"{type(model).__name__} has no method {predict_fn!r} to predict with"
            )
        file = path / ("model.skops" if kind == "skops" else "model.pkl")
        modules = _dump(model, file, kind)
        config |= {"data": file.name, "serialization_format": kind}
        if kind == "skops":
            trusted = sorted({*_OWN_TYPES, *(options.get("skops_trusted_types") or ())})
            _check_trusted(model, file, trusted)
            config["skops_trusted_types"] = trusted
        pyfunc = {"data": file.name, "predict_fn": predict_fn}
        return FlavorConfig(config, pyfunc, frozenset(modules))

    def load(self, path: Path, config: Mapping[str, Any]) -> Any:
        file = path / str(config.get("data") or "model.lgb")
        if not file.is_file():
            raise TrackletException(f"the model is corrupt: {file} is missing")
        if str(config.get("model_class") or BOOSTER).endswith(".Booster"):
            return _booster(file, own=bool(config.get("own")))
        if file.suffix == ".skops":
            return _load_skops(file, config.get("skops_trusted_types"))
        return unpickle.load(file, own=bool(config.get("own")))

    def load_data_path(self, path: Path, pyfunc: Mapping[str, Any]) -> Any:
        return self.load(path, {"data": pyfunc.get("data"), "own": pyfunc.get("own")})

    def predictor(self, model: Any, config: Mapping[str, Any]) -> Predictor:
        return LightgbmPredictor(model, str(config.get("predict_fn") or "predict"))


class LightgbmPredictor:
    """Asks a booster or a wrapper; params become keyword arguments.

    ``raw_score=True``, ``pred_contrib=True``, ``num_iteration`` and the others of LightGBM's
    ``predict`` are such params.
    """

    def __init__(self, model: Any, predict_fn: str) -> None:
        self.model = model
        self.predict_fn = predict_fn

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """The model's answer."""
        booster = self.model if not hasattr(self.model, "get_params") else self.model.booster_
        seen = _with_categories(data, booster)
        return getattr(self.model, self.predict_fn)(seen, **(params or {}))


def _booster(file: Path, *, own: bool) -> Any:
    text = file.read_text(encoding="utf-8", errors="surrogateescape")
    # LightGBM reads half a file without a word, and aborts the process over some others. The last
    # line is the Python package's; files of the command line tool lack it.
    whole = text.startswith("tree\n") and "\nend of trees\n" in text
    if not whole or (own and "\npandas_categorical:" not in text):
        raise TrackletException(f"the model is corrupt: {file} is no whole LightGBM model")
    import lightgbm

    return lightgbm.Booster(model_file=str(file))


def _with_categories(data: Any, booster: Any) -> Any:
    """Texts as categories, where the booster was trained on categories.

    LightGBM's files keep the categories of pandas columns, by their order among such columns.
    """
    if not getattr(booster, "pandas_categorical", None) or not hasattr(data, "iloc"):
        return data
    changed = {
        name: data[name].astype("category")
        for name in data.columns
        if data[name].dtype.kind not in "iufbMm" and str(data[name].dtype) != "category"
    }
    return data.assign(**changed) if changed else data


def _dump(model: Any, file: Path, kind: str) -> set[str]:
    """Write a wrapper and return the top-level modules that the file refers to."""
    try:
        if kind == "skops":
            _skops().dump(model, file)
            return {"skops", "lightgbm", type(model).__module__.partition(".")[0]}
        with file.open("wb") as stream:
            if kind == "cloudpickle":
                cloudpickle.dump(model, stream)
            else:
                import pickle

                pickle.dump(model, stream)
    except (TrackletException, OSError):
        raise
    except Exception as error:
        raise TrackletException(
            f"{type(model).__name__} cannot be saved with {kind}: {type(error).__name__}: {error}"
        ) from error
    modules = environment.pickled_modules_of(file)
    return modules | ({"cloudpickle"} if kind == "cloudpickle" else set())


def _check_trusted(model: Any, file: Path, trusted: Sequence[str]) -> None:
    """Refuse to save what would not load again."""
    unknown = sorted(set(_skops().get_untrusted_types(file=file)) - set(trusted))
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
    wanted = set(trusted or ())
    try:
        found = set(skops.get_untrusted_types(file=file))
        # skops refuses a name that is trusted and does not occur in some versions.
        return skops.load(file, trusted=sorted(found & {*wanted, *_OWN_TYPES}))
    except Exception as error:
        raise TrackletException(
            f"{file} cannot be loaded by skops: it is corrupt, or holds types that are not "
            f"trusted; name them in skops_trusted_types ({type(error).__name__}: {error})"
        ) from error
