"""``tracklet.<name>`` for plugins of other distributions.

Our own plugins have a module each, such as :mod:`tracklet.sklearn`. A plugin of someone else's
gets one from here, when it is first asked for: a finder at the end of ``sys.meta_path``, reached
only for names below ``tracklet`` that no file answers, serves those that an installed integration
or flavor has registered. Everything else stays the ImportError or AttributeError that it was, so
``tracklet.autlog`` is a mistake to the interpreter and to a type checker.

``import tracklet`` installs the finder; the registry is imported when the finder is first asked.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

from tracklet.state import ProcessState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Final

    from tracklet.plugins import Group

_PACKAGE: Final = "tracklet"


def install() -> None:
    """Put the finder at the end of ``sys.meta_path``; again changes nothing. Reads nothing."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())


def attribute(name: str) -> ModuleType:
    """The module of an outside plugin, for ``tracklet.<name>``.

    Raises:
        AttributeError: No installed integration or flavor has this name.
        PluginError: One has, but it cannot be loaded, or two distributions claim the name.
    """
    if _is_ours(name) or not is_plugin(name):
        raise AttributeError(f"module {_PACKAGE!r} has no attribute {name!r}")
    return import_module(f"{_PACKAGE}.{name}")


class _Served(ProcessState):
    """The modules that were served; they are in ``sys.modules`` and nowhere else."""

    def forget(self) -> None:
        package = sys.modules.get(_PACKAGE)
        for full_name, module in list(sys.modules.items()):
            if isinstance(getattr(getattr(module, "__spec__", None), "loader", None), _Loader):
                del sys.modules[full_name]
                vars(package).pop(full_name.rpartition(".")[2], None)


_served = _Served()


class _Finder:
    """Answers ``tracklet.<name>`` for registered names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, name = fullname.rpartition(".")
        if package != _PACKAGE or not is_plugin(name):
            return None
        loader: Any = _Loader()
        return ModuleSpec(fullname, loader, origin=f"the plugin {name!r}")


class _Loader:
    """Fills a module with a plugin's public functions."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        from tracklet import plugins

        name = module.__name__.rpartition(".")[2]
        functions: dict[str, Any] = {}
        if _claims("integrations", name):
            integration = plugins.load("integrations", name)
            switch = import_module("tracklet.autolog").switch
            functions["autolog"] = switch(name, integration.Options)
            functions |= _exported(integration)
        if is_flavor(name):
            flavor = plugins.load("flavors", name)
            functions |= _model_functions(name) | of_flavor(name)
            functions |= _exported(flavor)
        module.__doc__ = f"The plugin {name!r}: {', '.join(sorted(functions))}."
        vars(module).update(functions, __all__=sorted(functions))


def _is_ours(name: str) -> bool:
    """Whether a module of the package has the name, which ``from tracklet import`` asks first."""
    folder = sys.modules[_PACKAGE].__path__[0]
    return os.path.exists(f"{folder}/{name}.py") or os.path.isdir(f"{folder}/{name}")


def is_plugin(name: str) -> bool:
    """Whether an installed integration or flavor has the name."""
    # Dunder and private names are asked for by every inspecting tool; they are no plugin's.
    return not name.startswith("_") and (_claims("integrations", name) or is_flavor(name))


def is_flavor(name: str) -> bool:
    """Whether an installed flavor has the name."""
    return _claims("flavors", name)


def _claims(group: Group, name: str) -> bool:
    from tracklet import plugins

    return name in plugins.entry_points(group) or name in plugins.conflicts(group)


def _exported(plugin: Any) -> dict[str, Any]:
    """What the module of a plugin's class declares public, besides plugin classes themselves."""
    home = sys.modules[plugin.__module__]
    public = {name: getattr(home, name) for name in getattr(home, "__all__", ())}
    return {name: value for name, value in public.items() if not isinstance(value, type)}


def of_flavor(name: str) -> dict[str, Any]:
    """What the module of every flavor has beside its functions for models, by MLflow's names."""
    environment = import_module("tracklet.models.environment")
    return {
        "FLAVOR_NAME": name,
        "get_default_conda_env": partial(environment.default_conda_env, name),
        "get_default_pip_requirements": partial(environment.default_requirements, name),
    }


def _model_functions(name: str) -> dict[str, Callable[..., Any]]:
    models = import_module("tracklet.models")
    return {
        "log_model": partial(models.log_model, flavor=name),
        "save_model": partial(models.save_model, flavor=name),
        "load_model": models.load_model,
    }
