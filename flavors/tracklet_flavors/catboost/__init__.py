"""CatBoost's models: how they are saved, loaded and asked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from tracklet import lazy, models
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.models import Model, ModelInfo, ModelSignature, environment
from tracklet.models.flavor import MethodPredictor, check_method, passes_on
from tracklet.models.manifest import member
from tracklet.models.trust import Trust

__all__ = ["CatboostFlavor", "load_model", "log_model", "save_model"]

FILE: Final = "model.cb"
_TYPES: Final = ("CatBoost", "CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker")
# Those that CatBoost reads back as they were. It writes more: what it reads of its ONNX files
# answers wrongly, and the others it does not read.
_FORMATS: Final = ("cbm", "json")
_MAGIC: Final = b"CBM1"


class CatboostFlavor(models.Flavor):
    """Models in CatBoost's own formats; nothing of them is pickled.

    Options:
        format: ``"cbm"`` (the default) or ``"json"``.
        export_parameters: What CatBoost's ``save_model`` takes for a format.
        pool: The training data, of whose categories a JSON file needs the names.
        pyfunc_predict_fn: The method that the pyfunc view calls; ``"predict"`` by default.
    """

    name: ClassVar[str] = "catboost"
    requires: ClassVar[str] = "catboost>=1.2"
    modules: ClassVar[tuple[str, ...]] = ("catboost",)
    loader_module: ClassVar[str] = "mlflow.catboost"

    def options(self) -> frozenset[str]:
        return frozenset(("format", "export_parameters", "pool", "pyfunc_predict_fn"))

    def requirements(self, model: Any) -> Sequence[str]:
        return ("catboost",)

    def check(self, model: Any, options: Mapping[str, Any]) -> None:
        super().check(model, options)
        _type_of(model)
        kind = options.get("format") or "cbm"
        if kind not in _FORMATS:
            raise InvalidParameterValue(
                f"format must be one of {', '.join(_FORMATS)}, which CatBoost loads as they were; "
                f"got {kind!r}. For another one call the model's own save_model, and log the file "
                "as an artifact"
            )
        if not model.is_fitted():
            raise InvalidParameterValue("the model has not been trained; call fit first")
        check_method(model, str(options.get("pyfunc_predict_fn") or "predict"))

    def save(self, model: Any, path: Path, options: Mapping[str, Any]) -> models.FlavorConfig:
        kind = str(options.get("format") or "cbm")
        given = {key: options[key] for key in ("export_parameters", "pool") if options.get(key)}
        try:
            model.save_model(str(path / FILE), format=kind, **given)
        except Exception as error:
            raise TrackletException(
                f"{type(model).__name__} cannot be saved: {type(error).__name__}: {error}"
            ) from error
        config = {
            "catboost_version": environment.version("catboost"),
            "model_type": _type_of(model),
            "model_class": f"{type(model).__module__}.{type(model).__qualname__}",
            "save_format": kind,
            "data": FILE,
        }
        predict_fn = str(options.get("pyfunc_predict_fn") or "predict")
        pyfunc = {"data": FILE} | ({} if predict_fn == "predict" else {"predict_fn": predict_fn})
        return models.FlavorConfig(config, pyfunc, frozenset({"catboost", "numpy"}))

    def load(self, path: Path, config: Mapping[str, Any]) -> Any:
        file = member(path, config.get("data") or FILE)
        kind = str(config.get("save_format") or "cbm")
        name = str(config.get("model_type") or "CatBoost")
        if name not in _TYPES or kind not in _FORMATS:
            raise TrackletException(
                f"a model of type {name!r} in the format {kind!r} cannot be loaded; types are "
                f"{', '.join(_TYPES)}, formats {', '.join(_FORMATS)}"
            )
        _check(file, kind)
        catboost = lazy.imported(
            "catboost", "catboost", purpose="a model of CatBoost's", extra="catboost"
        )
        model = getattr(catboost, name)()
        try:
            return model.load_model(str(file), format=kind)
        except catboost.CatBoostError as error:
            raise TrackletException(f"the model is corrupt: {file}: {error}") from error

    def load_data_path(self, path: Path, pyfunc: Mapping[str, Any]) -> Any:
        # MLflow's folders say the type in the flavor's entry alone.
        about = Model.load(path).flavors.get(self.name) or {}
        return self.load(path, {**about, "data": pyfunc.get("data") or about.get("data")})

    def predictor(self, model: Any, config: Mapping[str, Any]) -> models.Predictor:
        return CatboostPredictor(model, str(config.get("predict_fn") or "predict"))


class CatboostPredictor(MethodPredictor):
    """Asks a model; params become keyword arguments.

    ``prediction_type="Probability"``, ``ntree_end`` and the others of CatBoost's ``predict`` are
    such params.
    """

    def seen(self, data: Any) -> Any:
        """A frame's columns in the order of the training, by which CatBoost takes categories.

        A feature of categories takes whole numbers and texts: of a column of a schema's numbers
        come floats where some are missing, and missing ones as NaN.
        """
        if not (hasattr(data, "iloc") and hasattr(data, "columns")):
            return data
        # CatBoost takes a column's name as a text, and so do those of a frame that has numbers.
        names, columns = list(self.model.feature_names_), list(map(str, data.columns))
        if names != columns and sorted(names) == sorted(columns):
            data = data.iloc[:, [columns.index(name) for name in names]]
        seen = data
        for position in self.model.get_cat_feature_indices():
            if position >= data.shape[1]:
                continue
            column = data.iloc[:, position]
            is_float = column.dtype.kind == "f"
            if not is_float and not column.hasnans:
                continue
            texts = column.astype("Int64" if is_float else object).astype(object)
            seen = data.copy(deep=False) if seen is data else seen
            seen.isetitem(position, texts.where(column.notna(), "nan"))
        return seen


def _type_of(model: Any) -> str:
    """The nearest of CatBoost's own classes, which a user's may derive from."""
    for cls in type(model).__mro__:
        if cls.__module__.partition(".")[0] == "catboost" and cls.__name__ in _TYPES:
            return cls.__name__
    raise InvalidParameterValue(
        f"the flavor 'catboost' saves {', '.join(_TYPES)}; got "
        f"{type(model).__module__}.{type(model).__qualname__}"
    )


def _check(file: Path, kind: str) -> None:
    """Refuse what is no whole file of CatBoost's before its own code reads it."""
    if not file.is_file():
        raise TrackletException(f"the model is corrupt: {file} is missing")
    if kind == "cbm":
        with file.open("rb") as stream:
            begin = stream.read(8)
        size = int.from_bytes(begin[4:8], "little")
        whole = begin[:4] == _MAGIC and file.stat().st_size >= size + 8
    else:
        try:
            whole = "oblivious_trees" in (found := json.loads(file.read_bytes())) or (
                "trees" in found
            )
        except (ValueError, TypeError, RecursionError):
            whole = False
    if not whole:
        raise TrackletException(f"the model is corrupt: {file} is no whole CatBoost model")


@passes_on("catboost")
def save_model(
    cb_model: Any,
    path: str | Path,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    code_paths: Sequence[str | Path] | None = None,
    mlflow_model: Model | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    metadata: dict[str, Any] | None = None,
    *,
    format: str = "cbm",
    export_parameters: Mapping[str, Any] | None = None,
    pool: Any = None,
    pyfunc_predict_fn: str = "predict",
) -> None:
    """Save a model as a folder.

    Arguments that are not named here are those of :func:`tracklet.models.save_model`.

    Args:
        cb_model: A trained ``CatBoost``, ``CatBoostClassifier``, ``CatBoostRegressor`` or
            ``CatBoostRanker``, or of a class that derives from one.
        path: The folder; it must not exist, or be empty.
        format: ``"cbm"`` or ``"json"``.
        export_parameters: What CatBoost's ``save_model`` takes for that format.
        pool: The training data, where that format needs it.
        pyfunc_predict_fn: The method that the pyfunc view calls.
    """


@passes_on("catboost")
def log_model(
    cb_model: Any,
    artifact_path: str | None = None,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    code_paths: Sequence[str | Path] | None = None,
    registered_model_name: str | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    await_registration_for: int | None = 300,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    metadata: dict[str, Any] | None = None,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
    *,
    format: str = "cbm",
    export_parameters: Mapping[str, Any] | None = None,
    pool: Any = None,
    pyfunc_predict_fn: str = "predict",
) -> ModelInfo:
    """Log a model; see :func:`tracklet.models.log_model` and :func:`save_model`."""
    ...


def load_model(
    model_uri: str | Path, dst_path: str | Path | None = None, *, trust: Trust = None
) -> Any:
    """The model, as one of CatBoost's classes; see :func:`tracklet.models.load_model`."""
    return models.load_model(model_uri, dst_path, flavor="catboost", trust=trust)
