"""Who called: the user's own code or a library, and what the user calls an object."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import sysconfig
from types import FrameType
from typing import Any, Final

UNKNOWN: Final = "unknown_dataset"

_OURS: Final = ("tracklet", "tracklet_integrations", "tracklet_flavors", "wrapt")
_MAX_DEPTH: Final = 100
_OWN_REFERENCES: Final = 3  # the frame's, the local variable's and the argument's


def calling_frame() -> FrameType | None:
    """The frame that called the watched function which is being advised."""
    frame: FrameType | None = sys._getframe(1)
    for _ in range(_MAX_DEPTH):
        if frame is None:
            return None
        module = frame.f_globals.get("__name__", "")
        if str(module).partition(".")[0] not in _OURS:
            return frame
        frame = frame.f_back
    return None


def is_users(frame: FrameType | None) -> bool:
    """Whether a frame is of a script, notebook or project, rather than of an installed library."""
    return frame is not None and _is_users_file(frame.f_code.co_filename)


@functools.lru_cache(maxsize=4096)
def _is_users_file(filename: str) -> bool:
    if filename.startswith("<frozen"):
        return False
    return not filename.startswith(_library_folders())


@functools.cache
def _library_folders() -> tuple[str, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    paths = {sysconfig.get_path(name) for name in names}
    paths |= {os.path.realpath(path) for path in paths if path}
    return tuple(path.rstrip(os.sep) + os.sep for path in paths if path)


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
        name = _variable(value, frame)
        if name is not None and name not in _parameters(frame):
            return name
        frame = frame.f_back
    return None


def _variable(value: Any, frame: FrameType) -> str | None:
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
