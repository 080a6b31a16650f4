"""Flavors: who knows how a framework's models are saved, loaded and asked.

A flavor is a plugin (entry-point group ``tracklet.flavors``). It never imports its framework until
it has a model of it in hand; which flavor a model belongs to is decided by the names of the
modules in its type's MRO.
"""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Final, ParamSpec, Protocol, TypeVar, runtime_checkable

from tracklet import plugins
from tracklet.errors import InvalidParameterValue, PluginError
from tracklet.frozen import Frozen, field
from tracklet.models.model import PYFUNC
from tracklet.models.signature import ModelSignature

_P = ParamSpec("_P")
_R = TypeVar("_R")
_PYTHON_MODELS: Final = ("tracklet", "mlflow")
"""The packages with the base classes of models that are Python code."""


@runtime_checkable
class Predictor(Protocol):
    """The pyfunc view of a model: one call, whatever the framework."""

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """The model's answer to one batch."""
        ...


class MethodPredictor:
    """Asks a method of a native model; params become its keyword arguments.

    Args:
        predict_fn: The method's name.
    """

    def __init__(self, model: Any, predict_fn: str) -> None:
        self.model = model
        self.predict_fn = predict_fn

    def seen(self, data: Any) -> Any:
        """The data in the form that the model takes; as it came by default."""
        return data

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """The model's answer."""
        return getattr(self.model, self.predict_fn)(self.seen(data), **(params or {}))


def check_method(model: Any, name: str) -> None:
    """Refuse a model that cannot be asked by a method.

    Raises:
        InvalidParameterValue: It has none of that name.
    """
    if not hasattr(model, name):
        raise InvalidParameterValue(
            f"{type(model).__name__} has no method {name!r} to predict with"
        )


class FlavorConfig(Frozen):
    """What a flavor says of what it saved.

    Args:
        config: The flavor's own entry in the ``MLmodel`` file.
        pyfunc: What it adds to the ``python_function`` entry; None if there is no pyfunc view.
            The loader, the Python version and the environment files are added by the core.
        modules: Modules that the saved files refer to; they become requirements.
    """

    config: dict[str, Any]
    pyfunc: dict[str, Any] | None = None
    modules: frozenset[str] = field(default_factory=frozenset)


class Flavor(ABC):
    """How models of one framework are saved, loaded and asked.

    Args of the class:
        name: The flavor's name in ``MLmodel`` files; also the entry point's.
        requires: The framework as a requirement, such as ``"scikit-learn>=1.3"``.
        modules: Top-level modules whose classes make a model this flavor's.
        loader_module: The name under which MLflow finds its own loader, so that it loads what we
            wrote.
        other_loaders: Further loader names in ``MLmodel`` files that mean this flavor.
        imports: Keys of the flavor's entry in ``MLmodel`` files that name classes → the classes
            that are imported for everyone; others only for trusted models, by
            :func:`tracklet.models.trust.class_named`.
    """

    name: ClassVar[str]
    requires: ClassVar[str]
    modules: ClassVar[tuple[str, ...]] = ()
    loader_module: ClassVar[str]
    other_loaders: ClassVar[tuple[str, ...]] = ()
    imports: ClassVar[Mapping[str, frozenset[str]]] = {}
    priority: ClassVar[int] = 0
    """Who wins where two flavors know a model equally well; the higher."""

    def owns(self, model: Any) -> bool:
        """Whether a model is this flavor's, by the modules of its type's MRO."""
        return self.distance(model) is not None

    def distance(self, model: Any) -> int | None:
        """How far up the MRO the first class of this flavor's modules stands; None if nowhere."""
        for position, cls in enumerate(type(model).__mro__):
            if cls.__module__.partition(".")[0] in self.modules:
                return position
        return None

    def check(self, model: Any, options: Mapping[str, Any]) -> None:
        """Refuse what :meth:`save` could not save, before anything is created.

        Raises:
            InvalidParameterValue: The model is not of a type that the flavor saves, or an option
                is wrong.
        """
        if not self.owns(model):
            raise InvalidParameterValue(
                f"the flavor {self.name!r} saves models of {', '.join(self.modules) or 'no one'}; "
                f"got {type(model).__module__}.{type(model).__qualname__}. "
                "tracklet.log_model(model) finds the flavor by the model's type"
            )

    @abstractmethod
    def save(self, model: Any, path: Path, options: Mapping[str, Any]) -> FlavorConfig:
        """Write the model's files into an existing, private folder.

        Args:
            model: The native model; it passed :meth:`check`.
            path: The folder; ``MLmodel`` and the environment files are the core's.
            options: The flavor's own options; unknown ones were refused before.

        Raises:
            TrackletException: The model cannot be written.
        """

    @abstractmethod
    def load(self, path: Path, config: Mapping[str, Any]) -> Any:
        """The native model, from its folder and the flavor's entry in the ``MLmodel`` file.

        Args:
            path: The model's folder.
            config: The entry, and ``own``: whether tracklet wrote the folder. A path in it is
                read by :func:`tracklet.models.manifest.member`.

        Raises:
            TrackletException: The files are missing or corrupt.
        """

    @abstractmethod
    def predictor(self, model: Any, config: Mapping[str, Any]) -> Predictor:
        """The pyfunc view of a loaded model.

        Args:
            model: What :meth:`load` returned.
            config: The ``python_function`` entry of the ``MLmodel`` file; its key ``config`` holds
                the model's configuration, with what the loading call overrode, and ``path`` the
                model's folder.
        """

    def sample_predictor(self, model: Any, config: Mapping[str, Any]) -> Predictor:
        """The pyfunc view of a model that is being saved, to be asked for a sample's answer.

        Args:
            model: The native model, as the user gave it.
            config: As for :meth:`predictor`; what was saved so far lies in its ``path``.
        """
        return self.predictor(model, config)

    def own_signature(self, model: Any) -> ModelSignature | None:
        """The signature that the model itself says, such as by type hints; None by default.

        It stands before one that is given or inferred.

        Raises:
            InvalidParameterValue: What it says is no signature.
        """
        return None

    def signature_from_example(self, model: Any) -> bool:
        """Whether the model asks for the signature of its input example, and to see data alike."""
        return False

    def requirements(self, model: Any) -> Sequence[str]:
        """Distributions that a model needs, any if it is None; names alone are pinned."""
        return ()

    def options(self) -> frozenset[str]:
        """The names of the options that :meth:`save` understands."""
        return frozenset()

    def load_data_path(self, path: Path, pyfunc: Mapping[str, Any]) -> Any:
        """The native model by the ``python_function`` entry alone.

        For folders that have no entry of the flavor itself; overridden where that can be.
        """
        return self.load(path, {})


def flavor(name: str) -> Flavor:
    """The flavor of a name.

    Raises:
        PluginError: There is none, or it is broken.
    """
    return plugins.load("flavors", name, Flavor)()


def flavor_of(model: Any) -> Flavor:
    """The flavor that a model belongs to.

    Of tracklet's own flavors only those are loaded whose framework the model's type comes from,
    unless no other knows it.

    Raises:
        InvalidParameterValue: No installed flavor knows the model's type.
    """
    tops = {cls.__module__.partition(".")[0] for cls in type(model).__mro__}
    installed = plugins.entry_points("flavors")
    likely = [
        name
        for name, entry in installed.items()
        if not entry.value.startswith("tracklet_flavors.")
        or not tops.isdisjoint(_PYTHON_MODELS if name == PYFUNC else (name,))
    ]
    broken: list[str] = []
    chosen = _closest(model, likely, broken)
    if chosen is None:
        chosen = _closest(model, [name for name in installed if name not in likely], broken)
    if chosen is None:
        kind = type(model)
        known = ", ".join(installed) or "none"
        hint = f" Broken flavors: {'; '.join(broken)}" if broken else ""
        raise InvalidParameterValue(
            f"no installed flavor saves models of type {kind.__module__}.{kind.__qualname__}; "
            f"installed flavors: {known}. Install the flavor's plugin, or wrap the model in a "
            f"tracklet.pyfunc.PythonModel.{hint}"
        )
    return chosen


def _closest(model: Any, names: Sequence[str], broken: list[str]) -> Flavor | None:
    """The one of these flavors that knows a model best; why others cannot say goes to a list."""
    known: dict[tuple[int, int, str], Flavor] = {}
    for name in names:
        try:
            candidate = flavor(name)
        except PluginError as error:
            broken.append(error.message)
            continue
        if candidate.owns(model):
            distance = candidate.distance(model)
            far = 10**6 if distance is None else distance
            known[far, -candidate.priority, name] = candidate
    return known[min(known)] if known else None


def flavor_of_loader(loader_module: str) -> Flavor | None:
    """The flavor that takes the place of MLflow's loader module; None if there is none."""
    for name in plugins.entry_points("flavors"):
        try:
            candidate = flavor(name)
        except PluginError:
            continue
        if loader_module in (getattr(candidate, "loader_module", ""), *candidate.other_loaders):
            return candidate
    return None


def native_flavors(flavors: Mapping[str, Any]) -> list[str]:
    """The names of the flavors in an ``MLmodel`` file that are not the pyfunc view."""
    return [name for name in flavors if name != PYFUNC]


def passes_on(
    flavor: str, *, made_of: Callable[..., Any] | None = None
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Have a flavor's ``save_model`` or ``log_model`` do what those of ``tracklet.models`` do.

    A flavor declares the function without a body, by the names and the order that scripts know:
    its signature and its docstring are what people see.

    Args:
        flavor: The flavor's name.
        made_of: Gives the model from the arguments that its parameters name; by default it is the
            declared function's first argument. All others are passed on, and so are those that it
            takes by keyword only.
    """

    def passing_on(declared: Callable[_P, _R]) -> Callable[_P, _R]:
        signature = inspect.signature(declared)
        looked_at = inspect.signature(made_of).parameters if made_of else {}
        parts = [name for name, each in looked_at.items() if each.kind is not each.KEYWORD_ONLY]
        parts = parts or [next(iter(signature.parameters))]

        @functools.wraps(declared)
        def function(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            declared(*args, **kwargs)  # refuses what does not fit, in Python's words
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            given = bound.arguments
            model = made_of(**{n: given[n] for n in looked_at}) if made_of else given[parts[0]]
            passed = {name: value for name, value in given.items() if name not in parts}
            verb = getattr(import_module("tracklet.models"), declared.__name__)
            return verb(model, flavor=flavor, **passed)

        return function

    return passing_on
