"""The modules of ``mlflow``: made when they are imported, their names looked up when first used."""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase
from functools import partial
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

from tracklet import facades
from tracklet.dialect import VERSION, constants, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader

_PACKAGE: Final = "mlflow"


def answer_as(module: ModuleType) -> None:
    """Give a module of ``mlflow`` the names that the table has for it.

    The first module, the package, also has its submodules answered.
    """
    path = module.__name__.removeprefix(_PACKAGE).removeprefix(".")
    if not path and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    vars(module).update(
        __doc__=f"{module.__name__}, as tracklet answers it.",
        __getattr__=partial(_named, module, path),
        __dir__=partial(_names, path),
        **({} if path else {"__version__": VERSION}),
    )


def forget() -> None:
    """Let go of the modules and of the finder."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]
    for name in list(sys.modules):
        if name == _PACKAGE or name.startswith(f"{_PACKAGE}."):
            del sys.modules[name]


class _Finder:
    """Answers ``mlflow.<module>`` for the modules that the table knows."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, below = fullname.partition(".")
        if package != _PACKAGE or not below:
            return None
        if not _is_module(below):
            raise ModuleNotFoundError(_unspoken(fullname), name=fullname)
        return ModuleSpec(fullname, cast("Loader", _Loader()), is_package=True)


class _Loader:
    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        answer_as(module)


def _named(module: ModuleType, path: str, name: str) -> Any:
    if name == "__all__":
        return _names(path)
    if not name.startswith("__"):
        if _is_module(_join(path, name)):
            return _module(_join(_PACKAGE, path, name))
        value = _value(path, name)
        if value is not None:
            setattr(module, name, value)
            return value
    raise AttributeError(_unspoken(_join(_PACKAGE, path, name)))


def _module(name: str) -> ModuleType:
    """A module below one that somebody has; also when ``import mlflow`` is not answered now."""
    if _PACKAGE in sys.modules:
        return import_module(name)
    module = ModuleType(name)
    answer_as(module)
    return module


def _value(path: str, name: str) -> Any:
    """What a name of a module means; None if it has no such name."""
    if (home := table.NAMES.get(path, {}).get(name)) is not None:
        module, _, attribute = home.partition(":")
        return getattr(import_module(module), attribute)
    for place in _places(path):
        module = import_module(place)
        if name in module.__all__:
            return getattr(module, name)
    return _own(path).get(name)


def _own(path: str) -> dict[str, Any]:
    """What a module of ``mlflow`` has that no module of ours has."""
    flavor = table.FLAVORS.get(path, path)
    of_flavor = facades.of_flavor(flavor) if facades.is_flavor(flavor) else {}
    return {**constants.CONSTANTS.get(path, {}), **of_flavor}


def _places(path: str) -> list[str]:
    """The modules of tracklet whose public names a module of ``mlflow`` has."""
    if path in table.MODULES:
        return [_join("tracklet", each.strip(".")) for each in table.MODULES[path].split()]
    return [_join("tracklet", path)]  # a plugin's


def _names(path: str) -> list[str]:
    inner = [each.rpartition(".") for each in table.MODULES if each]
    public = [name for place in _places(path) for name in import_module(place).__all__]
    public = [name for name in public if not name.startswith("__")]
    modules = [name for package, _, name in inner if package == path]
    return sorted({*public, *table.NAMES.get(path, {}), *_own(path), *modules})


def _is_module(path: str) -> bool:
    return path in table.MODULES or ("." not in path and facades.is_plugin(path))


def _unspoken(name: str) -> str:
    """Why there is no such name, in a line."""
    for patterns, reason in table.LEFT_OUT.items():
        if any(fnmatchcase(name, f"{_PACKAGE}.{each}") for each in patterns.split()):
            return f"tracklet does not speak {name}: {reason}"
    return f"tracklet does not speak {name}; docs/dialect.md says what it speaks"


def _join(*parts: str) -> str:
    return ".".join(part for part in parts if part)
