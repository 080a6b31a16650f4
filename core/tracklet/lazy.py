"""What is looked up when it is first used: public names of a package, and optional libraries."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


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
