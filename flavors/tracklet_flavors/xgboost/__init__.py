"""XGBoost's boosters and scikit-learn wrappers: how they are saved, loaded and asked."""

from __future__ import annotations

import ast
import functools
import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
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
)
from tracklet.models.flavor import MethodPredictor, check_method, passes_on
from tracklet.models.manifest import member
from tracklet.models.trust import Trust, class_named

__all__ = ["XgboostFlavor", "load_model", "log_model", "save_model"]

_logger = logging.getLogger(__name__)

# What loading and asking a booster does, by XGBoost's C functions.
_PARSING: Final = """
size, features, found = ctypes.c_uint64(), ctypes.c_uint64(), ctypes.c_void_p()
library.XGBoosterCreate(None, size, ctypes.byref(handle))
if file.endswith((".json", ".ubj")):
    failed = library.XGBoosterLoadModel(handle, os.fsencode(file))
else:
    data = open(file, "rb").read()
    failed = library.XGBoosterLoadModelFromBuffer(handle, data, ctypes.c_uint64(len(data)))
if not failed:
    library.XGBoosterSaveJsonConfig(handle, ctypes.byref(size), ctypes.byref(found))
    library.XGBoosterGetNumFeature(handle, ctypes.byref(features))
    row = (ctypes.c_float * features.value)()
    place = '"data": [%d, true], "shape": [1, %d]' % (ctypes.addressof(row), features.value)
    library.XGBoosterPredictFromDense(
        handle,
        ('{%s, "typestr": "<f4", "version": 3}' % place).encode(),
        b'{"type": 0, "training": false, "iteration_begin": 0, "iteration_end": 0, '
        b'"strict_shape": false, "missing": NaN, "cache_id": 0}',
        None,
        ctypes.byref(found),
        ctypes.byref(size),
        ctypes.byref(found),
    )
"""

MODEL_FORMATS: Final = ("ubj", "json", "xgb")
BOOSTER: Final = "xgboost.core.Booster"

# What a stranger's MLmodel may have imported and made.
_CLASSES: Final = frozenset(
    (
        BOOSTER,
        "xgboost.sklearn.XGBClassifier",
        "xgboost.sklearn.XGBModel",
        "xgboost.sklearn.XGBRanker",
        "xgboost.sklearn.XGBRFClassifier",
        "xgboost.sklearn.XGBRFRegressor",
        "xgboost.sklearn.XGBRegressor",
    )
)

# What other names than the module's an installation may have.
_DISTRIBUTIONS: Final = ("xgboost", "xgboost-cpu")


class XgboostFlavor(models.Flavor):
    """Boosters and scikit-learn wrappers, in XGBoost's own file formats; nothing is pickled.

    Options:
        model_format: ``"ubj"`` (the default), ``"json"``, or ``"xgb"``, the ending that MLflow
            used to give.
        pyfunc_predict_fn: The method that the pyfunc view of a wrapper calls; ``"predict"`` by
            default.
    """

    name: ClassVar[str] = "xgboost"
    requires: ClassVar[str] = "xgboost>=2.0"
    modules: ClassVar[tuple[str, ...]] = ("xgboost",)
    loader_module: ClassVar[str] = "mlflow.xgboost"
    imports: ClassVar[Mapping[str, frozenset[str]]] = {"model_class": _CLASSES}

    def options(self) -> frozenset[str]:
        return frozenset(("model_format", "pyfunc_predict_fn"))

    def requirements(self, model: Any) -> Sequence[str]:
        wrapper = ("scikit-learn",) if hasattr(model, "get_params") else ()
        return (_distribution(), *wrapper)

    def check(self, model: Any, options: Mapping[str, Any]) -> None:
        super().check(model, options)
        if not hasattr(model, "save_model") or isinstance(model, type):
            raise InvalidParameterValue(
                f"the flavor 'xgboost' saves boosters and scikit-learn wrappers; got "
                f"{type(model).__module__}.{type(model).__qualname__}"
            )
        kind = options.get("model_format") or "ubj"
        if kind not in MODEL_FORMATS:
            raise InvalidParameterValue(
                f"model_format={kind!r} is unknown; choose from {', '.join(MODEL_FORMATS)}"
            )

    def save(self, model: Any, path: Path, options: Mapping[str, Any]) -> models.FlavorConfig:
        kind = str(options.get("model_format") or "ubj")
        file = path / f"model.{kind}"
        try:
            # XGBoost takes an ending that it does not know for UBJSON, with a warning.
            written = file if kind != "xgb" else path / "model.ubj"
            model.save_model(written)
            written.replace(file)
        except Exception as error:
            raise TrackletException(
                f"{type(model).__name__} cannot be saved: {type(error).__name__}: {error}"
            ) from error
        config: dict[str, Any] = {
            "data": file.name,
            "model_class": f"{type(model).__module__}.{type(model).__qualname__}",
            "model_format": kind,
            "xgb_version": environment.version(_distribution()),
        }
        pyfunc: dict[str, Any] = {"data": file.name}
        if hasattr(model, "get_params"):
            config |= _kept_params(model)
            predict_fn = str(options.get("pyfunc_predict_fn") or "predict")
            check_method(model, predict_fn)
            pyfunc["predict_fn"] = predict_fn
        own_module = type(model).__module__.partition(".")[0]
        return models.FlavorConfig(config, pyfunc, frozenset({own_module, "numpy"}))

    def load(self, path: Path, config: Mapping[str, Any]) -> Any:
        file = member(path, config.get("data") or "model.xgb")
        if not file.is_file():
            raise TrackletException(f"the model is corrupt: {file} is missing")
        model = class_named(str(config.get("model_class") or BOOSTER), _CLASSES, file)()
        content = _content(file)
        if not hasattr(model, "set_params"):
            model.load_model(content)
            return model
        # XGBoost's files keep what was learned, and of the wrapper's own parameters nothing;
        # `missing`, for instance, changes every prediction. A fitted wrapper's `set_params` would
        # write into the booster, where a list of metrics breaks it.
        params = {**model.get_params(), **(config.get("params") or {})}
        for key, text in (config.get("literal_params") or {}).items():
            params[key] = ast.literal_eval(text)
        model.set_params(**params)
        model.load_model(content)
        for key in params.keys() & vars(model).keys():
            setattr(model, key, params[key])
        return model

    def load_data_path(self, path: Path, pyfunc: Mapping[str, Any]) -> Any:
        return self.load(path, {"data": pyfunc.get("data")})

    def predictor(self, model: Any, config: Mapping[str, Any]) -> models.Predictor:
        if hasattr(model, "get_params"):
            return WrapperPredictor(model, str(config.get("predict_fn") or "predict"))
        return BoosterPredictor(model, "predict")


class BoosterPredictor(MethodPredictor):
    """Asks a booster; data becomes a ``DMatrix``, params its keyword arguments.

    Params such as ``output_margin=True``, ``pred_contribs=True`` or ``iteration_range`` go to
    ``Booster.predict``.
    """

    def seen(self, data: Any) -> Any:
        """The data as a ``DMatrix``."""
        import xgboost

        if isinstance(data, xgboost.DMatrix):
            return data
        return xgboost.DMatrix(_with_categories(data, self.model), enable_categorical=True)

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """The booster's answer."""
        given = dict(params or {})
        if isinstance(given.get("iteration_range"), list):
            given["iteration_range"] = tuple(given["iteration_range"])
        return super().predict(data, given)


class WrapperPredictor(MethodPredictor):
    """Asks a method of a scikit-learn wrapper."""

    def seen(self, data: Any) -> Any:
        """Plain columns as categories, where the wrapper was trained on those."""
        return _with_categories(data, self.model.get_booster())


@functools.cache
def _distribution() -> str:
    for name in _DISTRIBUTIONS:
        if environment.version(name) is not None:
            return name
    return _DISTRIBUTIONS[0]


def _content(file: Path) -> Any:
    """What ``load_model`` takes: the path where the ending says the format, else the bytes.

    A file that is no model is refused here, because some versions of XGBoost abort the process
    over one that says JSON and is none.
    """
    with file.open("rb") as stream:
        if not any(piece.strip(b"\x00") for piece in iter(lambda: stream.read(1 << 20), b"")):
            raise TrackletException(f"the model is corrupt: {file} holds no model")
        stream.seek(0)
        if file.suffix == ".json":
            try:
                json.load(stream, object_pairs_hook=len)  # read, and not kept
            except ValueError as error:
                raise TrackletException(f"the model is corrupt: {file}: {error}") from error
        from xgboost import core

        native_files.try_apart(file, getattr(core, "_LIB", None), _PARSING)
        if file.suffix in (".json", ".ubj"):
            return str(file)
        content = bytearray(os.fstat(stream.fileno()).st_size)
        stream.readinto(content)
        return content


def _kept_params(model: Any) -> dict[str, dict[str, Any]]:
    """The wrapper's parameters that a text file can hold: as they are, and as Python literals.

    Those that are None where the class says None go without saying. Functions and other objects
    are left out, which no prediction needs.
    """
    plain: dict[str, Any] = {}
    literals: dict[str, str] = {}
    defaults: dict[str, Any] = {}
    with suppress(TypeError):  # a class of the user's may want arguments
        defaults = type(model)().get_params()
    for key, given in model.get_params(deep=False).items():
        value = given.tolist() if hasattr(given, "tolist") else given
        if isinstance(value, float) and math.isnan(value):
            continue
        if value is None:
            plain |= {} if defaults.get(key) is None else {key: None}
        elif isinstance(value, bool | int | float | str):
            plain[key] = value
        elif isinstance(value, list) and all(isinstance(each, str | int) for each in value):
            plain[key] = list(value)
        elif _is_literal(value):
            literals[key] = repr(value)
        else:
            _logger.info("the parameter %s, a %s, is not saved", key, type(value).__name__)
    return {"params": plain, **({"literal_params": literals} if literals else {})}


def _is_literal(value: Any) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, TypeError, RecursionError):
        return False


def _with_categories(data: Any, booster: Any) -> Any:
    """Plain columns as categories, where the booster was trained on those."""
    feature_types = booster.feature_types
    if not feature_types or "c" not in feature_types or not hasattr(data, "iloc"):
        return data
    plain = [
        (position, dtype)
        for position, (dtype, kind) in enumerate(zip(data.dtypes, feature_types, strict=False))
        if kind == "c" and not categories.is_categorical(dtype)
    ]
    if not plain:
        return data
    if hasattr(booster, "get_categories"):
        return categories.restored(data, _kept_categories(booster))
    texts = [str(data.columns[at]) for at, dtype in plain if dtype.kind not in "iufb"]
    if texts:
        raise TrackletException(
            f"the columns {sorted(texts)} are categories to this model and came as texts; "
            "models keep their categories from XGBoost 3.1 on, so give the columns the dtype "
            "'category' with the categories of the training"
        )
    return data


def _kept_categories(booster: Any) -> dict[int, Any]:
    """The dtypes of the columns whose categories a booster knows; of codes it knows none."""
    import pandas as pd

    kept = booster.get_categories(export_to_arrow=True).to_arrow()
    return {
        position: pd.CategoricalDtype(pd.Index(values.to_pandas()))
        for position, (_, values) in enumerate(kept)
        if values is not None
    }


@passes_on("xgboost")
def save_model(
    xgb_model: Any,
    path: str | Path,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    code_paths: Sequence[str | Path] | None = None,
    mlflow_model: Model | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    model_format: str = "ubj",
    metadata: dict[str, Any] | None = None,
    pyfunc_predict_fn: str = "predict",
) -> None:
    """Save a booster or a scikit-learn wrapper as a folder.

    Arguments that are not named here are those of :func:`tracklet.models.save_model`.

    Args:
        xgb_model: The booster or wrapper.
        path: The folder; it must not exist, or be empty.
        model_format: ``"ubj"``, ``"json"`` or ``"xgb"``.
        pyfunc_predict_fn: The method that the pyfunc view of a wrapper calls.
    """


@passes_on("xgboost")
def log_model(
    xgb_model: Any,
    artifact_path: str | None = None,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    code_paths: Sequence[str | Path] | None = None,
    registered_model_name: str | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    await_registration_for: int | None = 300,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    model_format: str = "ubj",
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

    ``trust=True`` loads code that a stranger's model carries.
    """
    return models.load_model(model_uri, dst_path, flavor="xgboost", trust=trust)
