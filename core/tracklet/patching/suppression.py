"""Whether watched calls are watched here: not inside our own code, nor in forked children."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextvars import ContextVar

_suppressed: ContextVar[bool] = ContextVar("tracklet_suppressed", default=False)
_forked = False


class suppressed:  # noqa: N801 (used as a function; a class enters in half the time)
    """In this block and context, watched functions behave as if nothing watched them."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        self._token = _suppressed.set(True)

    def __exit__(self, *_: object) -> None:
        _suppressed.reset(self._token)


def is_suppressed(_is_ending: Callable[[], bool] = sys.is_finalizing) -> bool:
    """Whether watching is off here; always while the interpreter takes its modules apart."""
    return _forked or _suppressed.get() or _is_ending()


def watch_in_this_process() -> None:
    """Watch although this process was forked; whoever enables an integration in it asks so."""
    global _forked
    _forked = False


def _after_fork() -> None:
    # A forked worker holds the parent's open runs; recording there would write into them twice.
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
