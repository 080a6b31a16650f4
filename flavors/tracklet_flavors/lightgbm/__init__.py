"""LightGBM's boosters and scikit-learn wrappers: how they are saved, loaded and asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from tracklet import models
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.models import (
    Model,
    ModelInfo,
    ModelSignature,
    categories,
    environment,
    native_files,
    object_files,
)
from tracklet.models.flavor import MethodPredictor, check_method, passes_on
from tracklet.models.manifest import member
from tracklet.models.trust import Trust

__all__ = ["LightgbmFlavor", "load_model", "log_model", "save_model"]

BOOSTER: Final = "lightgbm.basic.Booster"
_FIRST: Final = b"tree\n"
_END: Final = b"end of trees\n"
_LAST: Final = b"pandas_categorical:"
# What loading and asking a booster does, by LightGBM's C functions.
_PARSING: Final = """
rounds, features, size = ctypes.c_int(), ctypes.c_int(), ctypes.c_int64(1 << 20)
if not library.LGBM_BoosterCreateFromModelfile(
    os.fsencode(file), ctypes.byref(rounds), ctypes.byref(handle)
):
    text = ctypes.create_string_buffer(size.value)
    library.LGBM_BoosterGetLoadedParam(handle, size, ctypes.byref(size), text)
    library.LGBM_BoosterGetNumFeature(handle, ctypes.byref(features))
    row = (ctypes.c_double * features.value)()
    library.LGBM_BoosterCalcNumPredict(handle, 1, 0, 0, -1, ctypes.byref(size))
    answer = (ctypes.c_double * size.value)()
    library.LGBM_BoosterPredictForMat(
        handle, row, 1, 1, features, 1, 0, 0, -1, b"", ctypes.byref(size), answer
    )
"""

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


class LightgbmFlavor(models.Flavor):
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
        object_files.format_of(options.get("serialization_format"))

    def save(self, model: Any, path: Path, options: Mapping[str, Any]) -> models.FlavorConfig:
        config: dict[str, Any] = {
            "lgb_version": environment.version("lightgbm"),
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
            return models.FlavorConfig(
                config, {"data": file.name}, frozenset({"lightgbm", "numpy"})
            )
        kind = object_files.format_of(options.get("serialization_format"))
        predict_fn = str(options.get("pyfunc_predict_fn") or "predict")
        check_method(model, predict_fn)
        file, modules = object_files.dump(model, path, kind)
        config |= {"data": file.name, "serialization_format": kind}
        if kind == "skops":
            trusted = sorted({*_OWN_TYPES, *(options.get("skops_trusted_types") or ())})
            object_files.check_trusted(model, file, trusted)
            config["skops_trusted_types"] = trusted
        pyfunc = {"data": file.name, "predict_fn": predict_fn}
        return models.FlavorConfig(config, pyfunc, frozenset(modules | {"lightgbm"}))

    def load(self, path: Path, config: Mapping[str, Any]) -> Any:
        file = member(path, config.get("data") or "model.lgb")
        if not file.is_file():
            raise TrackletException(f"the model is corrupt: {file} is missing")
        if str(config.get("model_class") or BOOSTER).endswith(".Booster"):
            return _booster(file, own=bool(config.get("own")))
        if file.suffix == ".skops":
            trusted = config.get("skops_trusted_types") or ()
            return object_files.load_skops(file, {*_OWN_TYPES, *trusted})
        from tracklet.models import unpickle

        return unpickle.load(file, own=bool(config.get("own")))

    def load_data_path(self, path: Path, pyfunc: Mapping[str, Any]) -> Any:
        return self.load(path, {"data": pyfunc.get("data"), "own": pyfunc.get("own")})

    def predictor(self, model: Any, config: Mapping[str, Any]) -> models.Predictor:
        return LightgbmPredictor(model, str(config.get("predict_fn") or "predict"))


class LightgbmPredictor(MethodPredictor):
    """Asks a booster or a wrapper; params become keyword arguments.

    ``raw_score=True``, ``pred_contrib=True``, ``num_iteration`` and the others of LightGBM's
    ``predict`` are such params.
    """

    def seen(self, data: Any) -> Any:
        """Plain values as categories, where the booster was trained on categories.

        LightGBM keeps the categories of pandas columns by their order among such columns, and
        which features are categories: the same columns, unless some are ordered or are none of
        pandas'. Of those only texts are told from numbers.
        """
        booster = self.model if not hasattr(self.model, "get_params") else self.model.booster_
        known = getattr(booster, "pandas_categorical", None)
        if not known or not hasattr(data, "iloc"):
            return data
        import pandas as pd

        given = [booster.params.get(key) for key in ("categorical_column", "categorical_feature")]
        places = next((each for each in given if isinstance(each, list)), [])
        if len(places) == len(known) and all(isinstance(each, int) for each in places):
            dtypes = map(pd.CategoricalDtype, known)
            return categories.restored(data, dict(zip(places, dtypes, strict=True)))
        changed = {
            name: data[name].astype("category")
            for name in data.columns
            if data[name].dtype.kind not in "iufbMm" and str(data[name].dtype) != "category"
        }
        return data.assign(**changed) if changed else data


def _booster(file: Path, *, own: bool) -> Any:
    # LightGBM reads half a file without a word, and aborts the process over some others. The last
    # line is the Python package's; files of the command line tool lack it.
    with file.open("rb") as stream:
        begins = stream.readline(len(_FIRST)) == _FIRST
        found = {mark for line in stream for mark in (_END, _LAST) if line.startswith(mark)}
    if not begins or _END not in found or (own and _LAST not in found):
        raise TrackletException(f"the model is corrupt: {file} is no whole LightGBM model")
    import lightgbm

    native_files.try_apart(file, getattr(lightgbm.basic, "_LIB", None), _PARSING)
    return lightgbm.Booster(model_file=str(file))


@passes_on("lightgbm")
def save_model(
    lgb_model: Any,
    path: str | Path,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    code_paths: Sequence[str | Path] | None = None,
    mlflow_model: Model | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    serialization_format: str = "cloudpickle",
    skops_trusted_types: Sequence[str] | None = None,
    metadata: dict[str, Any] | None = None,
    pyfunc_predict_fn: str = "predict",
) -> None:
    """Save a booster or a scikit-learn wrapper as a folder.

    Arguments that are not named here are those of :func:`tracklet.models.save_model`.

    Args:
        lgb_model: The booster or wrapper.
        path: The folder; it must not exist, or be empty.
        serialization_format: How a wrapper is written: ``"cloudpickle"``, ``"pickle"`` or
            ``"skops"``; a booster is text in any case.
        skops_trusted_types: Types that skops may load, beside LightGBM's own.
        pyfunc_predict_fn: The method that the pyfunc view of a wrapper calls.
    """


@passes_on("lightgbm")
def log_model(
    lgb_model: Any,
    artifact_path: str | None = None,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    code_paths: Sequence[str | Path] | None = None,
    registered_model_name: str | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    await_registration_for: int | None = 300,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    serialization_format: str = "cloudpickle",
    skops_trusted_types: Sequence[str] | None = None,
    metadata: dict[str, Any] | None = None,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
    pyfunc_predict_fn: str = "predict",
) -> ModelInfo:
    """Log a booster or wrapper; see :func:`tracklet.models.log_model` and :func:`save_model`."""
    ...


def load_model(
    model_uri: str | Path, dst_path: str | Path | None = None, *, trust: Trust = None
) -> Any:
    """The booster or wrapper; see :func:`tracklet.models.load_model`.

    ``trust=True`` loads a stranger's pickle.
    """
    return models.load_model(model_uri, dst_path, flavor="lightgbm", trust=trust)
