"""Any model behind one method: ``predict`` on checked data."""

from __future__ import annotations

import contextlib
import logging
import platform
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from tracklet.client.active_model import asked_model
from tracklet.errors import BadRequest, InvalidParameterValue, TrackletException
from tracklet.models import categories, code, environment, manifest, uris
from tracklet.models.flavor import Predictor, flavor_of_loader
from tracklet.models.loading import loaded
from tracklet.models.model import PYFUNC, Model
from tracklet.models.pyfunc import enforcement
from tracklet.models.pyfunc.python_model import ForeignPredictor, load_foreign
from tracklet.models.signature import ModelSignature, form_of, listed
from tracklet.models.trust import Grant, Trust
from tracklet.models.trust import loading as loading_trusted
from tracklet.types import ParamSchema, Schema

_logger = logging.getLogger(__name__)


class PyFuncModel:
    """A loaded model of any flavor.

    Args:
        metadata: Its ``MLmodel`` file.
        predictor: What answers.
        raw_model: The native model.
        predict_fn: The predictor's method to call.
        dtypes: The dtypes of the columns that the model was trained on as categories.
    """

    def __init__(
        self,
        metadata: Model,
        predictor: Predictor,
        raw_model: Any,
        predict_fn: str = "predict",
        dtypes: Mapping[str, Any] | None = None,
    ) -> None:
        self.metadata = metadata
        self._predictor = predictor
        self._raw_model = raw_model
        self._dtypes = dtypes
        self._predict = getattr(predictor, predict_fn)
        self._model_id = metadata.model_id
        self._inputs = metadata.get_input_schema()
        self._params = metadata.get_params_schema()
        signature = metadata.signature
        self._form = metadata.flavors[PYFUNC].get("input_form")
        self._takes_records = self.takes_records
        example = metadata.saved_input_example_info or {}
        if signature is not None and signature.type_hint_from_example:
            self._form = "list" if example.get("type") == "json_object" else None
        self._by_hint = getattr(predictor, "checked", lambda data: data) if self.hinted else None

    @property
    def model_id(self) -> str | None:
        """The id of the logged model; None if the model was only saved."""
        return self.metadata.model_id

    @property
    def loader_module(self) -> str:
        """The name under which the model's loader is found."""
        return str(self.metadata.flavors[PYFUNC]["loader_module"])

    @property
    def model_config(self) -> dict[str, Any]:
        """The model's configuration, with what the loading call overrode."""
        return dict(getattr(self._predictor, "model_config", None) or {})

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """The model's answer to one batch.

        Args:
            data: What the signature asks for: a frame, an array, a mapping, a list, a scalar.
            params: Values for the signature's params; the others keep their defaults.

        Raises:
            InvalidParameterValue: Data or params do not fit the signature; the message names the
                column, what came and what is expected.
        """
        params = enforcement.enforce_params(params, self._params)
        checked = self._checked(data)
        token = asked_model.set(self._model_id)
        try:
            return self._predict(checked, params or None)
        finally:
            asked_model.reset(token)

    def _checked(self, data: Any) -> Any:
        if self._inputs is None:
            return data
        if self._by_hint is not None:
            return self._by_hint(data)
        data = listed(data) if self._form == "list" else data
        if self._takes_records and isinstance(data, list):
            return data
        fitting = enforcement.enforce(data, self._inputs)
        if self._dtypes and hasattr(fitting, "iloc"):
            fitting = categories.restored(fitting, self._dtypes)
        return fitting if self._form is None else self._in_form(data, fitting)

    def _in_form(self, data: Any, fitting: Any) -> Any:
        """Data that fits, as the list, the Series or the matrix that the model was trained on."""
        if form_of(data) == self._form:
            return data
        if self._form == "sparse":
            # To XGBoost what is not stored is missing, and the zero of a dense array a number.
            return import_module("scipy.sparse").csr_matrix(fitting)
        if not hasattr(fitting, "columns"):
            return fitting
        if self._form == "series":
            return fitting.iloc[:, 0]
        if self._inputs is None or not self._inputs.has_input_names():
            return fitting.iloc[:, 0].tolist()
        given = fitting.notna().to_numpy()  # a key that a dictionary lacked has no value
        rows = zip(fitting.to_dict(orient="records"), given, strict=True)
        return [
            {k: v for (k, v), there in zip(row.items(), has, strict=True) if there}
            for row, has in rows
        ]

    def __call__(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """The same as :meth:`predict`."""
        return self.predict(data, params)

    def predict_stream(self, data: Any, params: dict[str, Any] | None = None) -> Iterator[Any]:
        """The model's answer piece by piece, if the model streams."""
        stream = getattr(self._predictor, "predict_stream", None)
        if stream is None or not self.metadata.flavors[PYFUNC].get("streamable"):
            raise TrackletException("this model does not stream; use predict")
        params = enforcement.enforce_params(params, self._params)
        return self._pieces(iter(stream(self._checked(data), params or None)))

    def _pieces(self, stream: Iterator[Any]) -> Iterator[Any]:
        """What a stream gives, each piece made as `predict` makes its answer."""
        while True:
            token = asked_model.set(self._model_id)  # not over a `yield`: it would be the caller's
            try:
                piece = next(stream)
            except StopIteration:
                return
            finally:
                asked_model.reset(token)
            yield piece

    def unwrap_python_model(self) -> Any:
        """The :class:`~tracklet.pyfunc.PythonModel` behind the model.

        Raises:
            TrackletException: The model is none.
        """
        model = getattr(self._predictor, "python_model", None)
        if model is None:
            raise TrackletException(
                f"this model is of type {type(self._raw_model).__name__}, no PythonModel; "
                "get_raw_model() returns it"
            )
        return model

    def get_raw_model(self) -> Any:
        """The native model."""
        return self._raw_model

    @property
    def input_example(self) -> Any:
        """The input example that was logged with the model; None if there is none."""
        return self.metadata.load_input_example()

    @property
    def input_schema(self) -> Schema | None:
        """What the model takes."""
        return self._inputs

    @property
    def takes_records(self) -> bool:
        """Whether the model was trained on dictionaries, whose keys are its own affair."""
        recorded = self.metadata.flavors[PYFUNC].get("input_form")
        return recorded == "list" and self._inputs is not None and self._inputs.has_input_names()

    @property
    def hinted(self) -> bool:
        """Whether the type hints of the model's ``predict`` decide about its data."""
        signature = self.metadata.signature
        return signature is not None and signature.from_type_hint

    @property
    def signature(self) -> ModelSignature | None:
        """What the model takes and gives."""
        return self.metadata.signature

    @property
    def params_schema(self) -> ParamSchema | None:
        """Which parameters the model understands."""
        return self._params

    def __repr__(self) -> str:
        facts = [f"loader_module={self.loader_module!r}"]
        for name in ("run_id", "model_id"):
            value = getattr(self.metadata, name)
            if value:
                facts.append(f"{name}={value!r}")
        return f"<PyFuncModel: {', '.join(facts)}>"


def load_model(
    model_uri: str | Path,
    suppress_warnings: bool = False,
    dst_path: str | Path | None = None,
    model_config: str | Path | Mapping[str, Any] | None = None,
    *,
    trust: Trust = None,
) -> PyFuncModel:
    """Load any model that has a pyfunc view.

    Args:
        model_uri: ``runs:/…``, ``models:/…``, a path or another URI.
        suppress_warnings: Keep quiet about other versions of Python and of libraries than the
            model's.
        dst_path: A folder to copy the files into first.
        model_config: Values for the model's configuration; keys that it does not have are left
            out with a warning in the log.
        trust: True for a model of someone else's that is pickled or carries code, if you trust
            the author; a list of types that skops may load; see :mod:`tracklet.models.trust`.

    Raises:
        ResourceDoesNotExist: There is no model there.
        InvalidParameterValue: The model has no pyfunc view.
        UntrustedModel: Loading it would run code, and it is neither your own nor trusted.
        TrackletException: The files are corrupt, or a library is missing.
    """
    path = uris.resolve(model_uri, dst_path)
    about = Model.load(path)
    pyfunc = about.flavors.get(PYFUNC)
    if not about.flavors:
        raise BadRequest(
            f"{str(model_uri)!r} records a model that is kept elsewhere; there are no files"
        )
    if not isinstance(pyfunc, dict) or not pyfunc.get("loader_module"):
        raise InvalidParameterValue(
            f"{str(model_uri)!r} has no pyfunc view; it has the flavors {', '.join(about.flavors)}"
        )
    config = _merged_config(pyfunc.get("config"), model_config)
    pyfunc = {**pyfunc, **({"config": config} if config is not None else {})}
    with (
        loading_trusted(path, trust, pyfunc.get("python_version")) as grant,
        code.importable(manifest.member(path, pyfunc["code"]) if pyfunc.get("code") else None),
    ):
        if not suppress_warnings:
            _warn_of_python(pyfunc)
            environment.warn_of_differences(path)
        predictor, raw = _loaded(path, about, grant.config(pyfunc), grant)
    if config and not hasattr(predictor, "model_config"):
        with contextlib.suppress(AttributeError):
            predictor.model_config = config  # type: ignore[attr-defined]
    return PyFuncModel(about, predictor, raw, dtypes=categories.load(path))


def _loaded(
    path: Path, about: Model, pyfunc: dict[str, Any], grant: Grant
) -> tuple[Predictor, Any]:
    loader = str(pyfunc["loader_module"])
    own = {"own": about.tracklet_version is not None, "path": str(path)}
    chosen = flavor_of_loader(loader)
    if chosen is None:
        raw = load_foreign(loader, path, pyfunc)
        return ForeignPredictor(raw, str(pyfunc.get("predict_fn") or "predict")), raw
    entry = about.flavors.get(chosen.name)
    if entry is not None:
        entry = grant.config(entry)
        raw = loaded(chosen, path, {**entry, **(pyfunc if chosen.name == PYFUNC else {}), **own})
    else:
        raw = chosen.load_data_path(path, {**pyfunc, **own})
    return chosen.predictor(raw, {**pyfunc, **own}), raw


def _merged_config(
    logged: Any, override: str | Path | Mapping[str, Any] | None
) -> dict[str, Any] | None:
    base = dict(logged) if isinstance(logged, Mapping) else None
    if override is None:
        return base
    values = code.read_config(override)
    if base is None:
        _logger.warning("the model has no configuration, so %s is left out", sorted(values))
        return None
    unknown = sorted(values.keys() - base.keys())
    if unknown:
        _logger.warning("the model's configuration has no keys %s; they are left out", unknown)
    return {**base, **{key: value for key, value in values.items() if key in base}}


def _warn_of_python(pyfunc: Mapping[str, Any]) -> None:
    wrote = str(pyfunc.get("python_version") or "")
    here = platform.python_version()
    if wrote and wrote.split(".")[:2] != here.split(".")[:2]:
        _logger.warning("the model was saved under Python %s; this is %s", wrote, here)


def get_model_dependencies(model_uri: str | Path, format: str = "pip") -> str:
    """The path of the file that lists what a model needs.

    Args:
        format: ``"pip"`` for ``requirements.txt``, ``"conda"`` for ``conda.yaml``.
    """
    files = {"pip": "requirements.txt", "conda": "conda.yaml"}
    if format not in files:
        raise InvalidParameterValue(f"format must be 'pip' or 'conda'; got {format!r}")
    path = manifest.member(uris.resolve(model_uri), files[format])
    if not path.is_file():
        raise InvalidParameterValue(f"{str(model_uri)!r} has no file {files[format]}")
    return str(path)
