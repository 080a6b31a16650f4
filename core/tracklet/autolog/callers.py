"""Whose code calls: the user's, or an installed library's for itself.

The user's is what lies outside of the installed libraries (scripts, notebooks, tests, projects),
the program that runs, packages that were installed from a folder or a repository instead of an
index, and whoever calls ``tracklet.autolog()``. See docs/decisions/0015-whose-trainings.md.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Collection, Iterator
from types import FrameType
from typing import Any, Final

from tracklet.autolog import switches
from tracklet.patching.rebinding import library_of

_OURS: Final = (*switches.OURS, "tracklet_flavors", "wrapt")
_MAX_DEPTH: Final = 100
_OWN_REFERENCES: Final = 3  # the frame's, the local variable's and the argument's


def calling_frame() -> FrameType | None:
    """The frame that called the watched function which is being advised."""
    return next(_callers(), None)


def is_users(frame: FrameType | None) -> bool:
    """Whether a frame is of a script, notebook or project, rather than of an installed library."""
    if frame is None:
        return False
    package = library_of(frame.f_code.co_filename)
    return package is None or _has_switched_on(package) or _is_program(frame)


def _has_switched_on(package: str) -> bool:
    return any(library_of(file) == package for file in switches.switched_on_in())


def is_library_module(name: str) -> bool:
    """Whether a module is of an installed library, and not of the user's."""
    top = name.partition(".")[0]
    file = getattr(sys.modules.get(name), "__file__", None)
    if _has_switched_on(top) or name == "__main__":
        return False
    return top in sys.stdlib_module_names or (bool(file) and library_of(str(file)) is not None)


def calling_library(instance: Any, names: Collection[str], framework: str) -> str | None:
    """The library that calls a method for itself; None if the user's code calls it.

    Who calls is the innermost code that names the method. A library that does not name it, such as
    a pool of threads, was handed it and calls for someone else; a method of the instance itself,
    such as a mixin's ``fit_predict``, calls for whoever called that.

    Args:
        instance: Whose method is called.
        names: The method's name, and others that lead to it.
        framework: The top-level package of the method's framework, a library wherever it lies.
    """
    for frame in _callers():
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package != framework:
            if is_users(frame):
                return None
            package = library_of(frame.f_code.co_filename) or package
        code = frame.f_code
        is_named = any(name in code.co_names or name in code.co_consts for name in names)
        if is_named and not _is_method_of(instance, frame):
            return package
    return None


def _callers() -> Iterator[FrameType]:
    """The frames outside of our code, from the innermost."""
    frame: FrameType | None = sys._getframe(1)
    for _ in range(_MAX_DEPTH):
        if frame is None:
            return
        module = frame.f_globals.get("__name__", "")
        if str(module).partition(".")[0] not in _OURS:
            yield frame
        frame = frame.f_back


def _is_program(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__") == "__main__"


def _is_method_of(instance: Any, frame: FrameType) -> bool:
    return frame.f_code.co_varnames[:1] == ("self",) and variable(instance, frame) == "self"


def name_of(value: Any, frame: FrameType | None) -> str | None:
    """The variable that holds an object, in the innermost frame that did not just receive it.

    Objects are compared by identity only.

    Args:
        value: The object.
        frame: Where to start.
    """
    for _ in range(_MAX_DEPTH):
        if frame is None:
            return None
        name = variable(value, frame)
        if name is not None and name not in _parameters(frame):
            return name
        frame = frame.f_back
    return None


def variable(value: Any, frame: FrameType) -> str | None:
    """The variable of one frame that holds an object."""
    held = frame.f_locals
    try:
        for name, each in held.items():
            if each is value:
                return name
    finally:
        # Before Python 3.13 a function's locals are a copy that stays with the frame, and would
        # keep what the user deletes. It is emptied unless the user holds it, by `locals()`.
        is_copy = type(held) is dict and frame.f_code.co_flags & inspect.CO_OPTIMIZED
        if is_copy and sys.getrefcount(held) <= _OWN_REFERENCES:
            held.clear()
    for name in frame.f_code.co_names:
        if frame.f_globals.get(name, frame) is value:
            return name
    return None


def _parameters(frame: FrameType) -> tuple[str, ...]:
    code = frame.f_code
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)  # *args, **kwargs
    return code.co_varnames[:count]
