"""What is looked up when it is first used: public names, optional libraries, loggers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from logging import Logger


def lookup(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A module-level ``__getattr__`` for a package.

    Args:
        package: Its name.
        homes: Where each name lives, by name: a module that has it.

    Returns:
        A function that imports the home of a name, and keeps what it found in the package.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return find


def imported(module: str, library: str, *, purpose: str, extra: str | None = None) -> Any:
    """A module of a library that need not be installed.

    Raises:
        MissingDependency: It is not; the other arguments are the error's.
    """
    try:
        return import_module(module)
    except ImportError as error:
        from tracklet.errors import MissingDependency

        raise MissingDependency(library, purpose=purpose, extra=extra) from error


def logger(name: str) -> Logger:
    """A logger that loads :mod:`logging` with its first message: most processes have none."""
    made: Any = _Logger(name)
    return made


class _Logger:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        import logging

        return getattr(logging.getLogger(self._name), attribute)
