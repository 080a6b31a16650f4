"""Models that are Python code: classes, functions, and what loaders of someone else's return."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.models import trust
from tracklet.models.manifest import member
from tracklet.models.pyfunc import hints


class PythonModelContext:
    """What a :class:`PythonModel` gets to know when it is loaded.

    Args:
        artifacts: Name → local path of the files that were logged with the model.
        model_config: The model's configuration.
    """

    def __init__(self, artifacts: dict[str, str], model_config: dict[str, Any] | None = None):
        self._artifacts = artifacts
        self._model_config = model_config

    @property
    def artifacts(self) -> dict[str, str]:
        """Name → local path."""
        return self._artifacts

    @property
    def model_config(self) -> dict[str, Any] | None:
        """The configuration."""
        return self._model_config


class PythonModel:
    """Derive from it to log any Python code as a model.

    ``predict`` may be ``(self, context, model_input, params=None)`` or
    ``(self, model_input, params=None)``, with or without ``params``. If the hint of its input is
    ``list[T]``, what is no such list is refused, and dictionaries become pydantic models; also
    when it is called directly, before the model is saved.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_by_hints(cls)

    def load_context(self, context: PythonModelContext) -> None:
        """Read artifacts; called once, when the model is loaded."""

    # Not an abstract class: what MLflow pickled of a subclass could not be made again.
    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """The model's answer to one batch; every model has its own."""
        raise NotImplementedError(f"{type(self).__name__} has no method predict")

    def predict_stream(
        self, context: Any, model_input: Any, params: dict[str, Any] | None = None
    ) -> Iterator[Any]:
        """The model's answer, piece by piece; only models that stream have one."""
        raise NotImplementedError(f"{type(self).__name__} does not stream")


def check_by_hints(cls: Any) -> None:
    """Have a class's own ``predict`` look at its data, if its type hints may say what it takes."""
    predict = vars(cls).get("predict")
    written = isinstance(predict, FunctionType) and unchecked(predict) is predict
    if written and hints.may_check(predict):
        cls.predict = _checking(predict)


def _checking(predict: Any) -> Any:
    """A ``predict`` that looks at its data by its hint, which is resolved when first needed."""

    @functools.wraps(predict)
    def checking(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = hints.checked_arguments(args, kwargs, *_hinted(predict))
        return predict(*args, **kwargs)

    checking.unchecked = predict  # type: ignore[attr-defined]
    return checking


# Of a name of its own: with the class of a script, cloudpickle pickles what `checking` refers to.
@functools.lru_cache(maxsize=256)
def _hinted(predict: Any) -> tuple[int, Any, str]:
    """Where among the arguments the input is, what its hint says, and its name."""
    at, name = _input_of(predict.__get__(0))
    return 1 + at, hints.deciding(hints.of(predict, name)), name or ""


def unchecked(function: Any) -> Any:
    """The function or method as it was written, if it was made to look at its data."""
    written = getattr(function, "unchecked", None)
    # Decorators of the user's hand the attribute on.
    if written is None or getattr(function, "__wrapped__", None) is not written:
        return function
    instance = getattr(function, "__self__", None)
    return written if instance is None else written.__get__(instance)


class FunctionModel(PythonModel):
    """A function of the model's input, as a model."""

    def __init__(self, function: Callable[..., Any]) -> None:
        # The names of these two attributes are part of the pickles that MLflow shares with us.
        self.func = function
        self.signature = None

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """What the function returns."""
        if takes_params(self.func):
            return self.func(model_input, params=params)
        return self.func(model_input)


_FunctionPythonModel = FunctionModel  # the name in those pickles


def takes_params(function: Callable[..., Any]) -> bool:
    """Whether a callable has a parameter ``params`` or takes any keyword."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.name == "params" or p.kind is p.VAR_KEYWORD for p in parameters)


def takes_context(method: Callable[..., Any]) -> bool:
    """Whether a bound ``predict`` takes the context before the input."""
    positional = _positional(method)
    return len(positional) >= 2 or positional[:1] == ["context"]


def _positional(method: Callable[..., Any]) -> list[str]:
    return [
        p.name
        for p in inspect.signature(method).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name != "params"
    ]


def check_call(model: Any) -> None:
    """Refuse a model that could never be asked, since it takes other arguments.

    Args:
        model: A :class:`PythonModel` or alike, or a function.

    Raises:
        InvalidParameterValue: Its ``predict``, or the function, takes none or needs more.
    """
    method = getattr(model, "predict", model)
    try:
        context = (None,) if hasattr(model, "predict") and takes_context(method) else ()
        params = {"params": None} if takes_params(method) else {}
        inspect.signature(method).bind(*context, None, **params)
    except ValueError:  # built-in, it does not say what it takes
        return
    except TypeError as error:
        name = getattr(method, "__qualname__", type(method).__name__)
        raise InvalidParameterValue(
            f"{name} cannot be asked as a model is, with the data and, if it takes them, context "
            f"and params: {error}; it is {name}{inspect.signature(method)}"
        ) from error


def hints_of(model: Any) -> hints.Hints:
    """What the hints of a model's ``predict``, or of the function behind it, say of its data.

    Args:
        model: A :class:`PythonModel` or alike, or a function.
    """
    function = model.func if isinstance(model, FunctionModel) else model
    method = getattr(function, "predict", function)
    if not inspect.isroutine(method) and callable(method):
        method = method.__call__  # which has the signature that people wrote
    try:
        return hints.of(method, _input_of(method)[1])
    except (TypeError, ValueError):
        return hints.Hints()


def _input_of(method: Callable[..., Any]) -> tuple[int, str | None]:
    """The place and the name of the parameter for the data; None if there is no such parameter."""
    names = _positional(method)
    at = 1 if takes_context(method) else 0
    return at, names[at] if at < len(names) else None


class PythonModelPredictor:
    """Calls a :class:`PythonModel` (ours, MLflow's, or alike) with the arguments that it takes.

    Args:
        model: The loaded model; its context was loaded.
        context: What it gets as ``context``.
    """

    def __init__(self, model: Any, context: PythonModelContext) -> None:
        self.python_model = model
        self.context = context
        self._ask = unchecked(model.predict)  # the data comes checked
        self._context = (context,) if takes_context(self._ask) else ()
        self._params = takes_params(self._ask)
        self._hint = hints.deciding(hints_of(model))

    def checked(self, data: Any) -> Any:
        """The data by the model's type hint, if it has one that decides.

        Raises:
            InvalidParameterValue: It does not fit.
        """
        return data if self._hint is None else hints.checked(data, self._hint)

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """The model's answer."""
        if self._params:
            return self._ask(*self._context, data, params=params)
        return self._ask(*self._context, data)

    def predict_stream(self, data: Any, params: dict[str, Any] | None = None) -> Iterator[Any]:
        """The model's answer, piece by piece."""
        stream = self.python_model.predict_stream
        context = (self.context,) if takes_context(stream) else ()
        if takes_params(stream):
            return stream(*context, data, params=params)
        return stream(*context, data)


def load_foreign(loader: str, path: Path, pyfunc: Mapping[str, Any]) -> Any:
    """What the ``_load_pyfunc`` of a loader of someone else's returns, by MLflow's protocol.

    Args:
        loader: The loader's import path.
        path: The model's folder.
        pyfunc: The ``python_function`` entry of the ``MLmodel`` file.

    Raises:
        UntrustedModel: The model is neither this user's own nor trusted.
        TrackletException: The loader cannot be imported, or is none.
    """
    trust.permit(f"import the loader {loader}", path / "MLmodel")
    try:
        module = importlib.import_module(loader)
    except (ImportError, TypeError, ValueError) as error:  # the latter of what is no name
        raise TrackletException(
            f"the model needs the loader {loader!r}, which cannot be imported ({error}); install "
            "the flavor's plugin or what the model's requirements.txt lists, or save the model "
            "with the loader in code_paths"
        ) from error
    load_pyfunc = getattr(module, "_load_pyfunc", None)
    if load_pyfunc is None:
        raise TrackletException(f"{loader!r} is no loader: it has no _load_pyfunc")
    data = str(member(path, pyfunc["data"]) if pyfunc.get("data") else path)
    if pyfunc.get("config") is not None:
        return load_pyfunc(data, pyfunc["config"])
    return load_pyfunc(data)


class ForeignPredictor:
    """Asks what a foreign loader returned; not all of them take params."""

    def __init__(self, model: Any, predict_fn: str = "predict") -> None:
        self._predict = getattr(model, predict_fn)
        self._takes_params = takes_params(self._predict)
        if hasattr(model, "predict_stream"):
            self.predict_stream = functools.partial(_with_params, model.predict_stream)

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """The model's answer."""
        return self._predict(data, params=params) if self._takes_params else self._predict(data)


def _with_params(method: Callable[..., Any], data: Any, params: dict[str, Any] | None) -> Any:
    return method(data, params=params) if takes_params(method) else method(data)
