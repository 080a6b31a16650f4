"""Whether watched calls are watched here: not inside our own code, nor in forked children."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar

from tracklet.patching.kept_state import keep_context
from tracklet.state import ProcessState, in_child

_innermost: ContextVar[suppressed | None] = ContextVar("tracklet_suppressed", default=None)
keep_context(_innermost)


class _Here(ProcessState):
    """Whether this process was forked from another, and watches nothing because of it."""

    def begin(self) -> None:
        self.is_forked = False


_here = _Here()


class suppressed:  # noqa: N801 (used as a function; a class enters in half the time)
    """In this block and context, watched functions behave as if nothing watched them."""

    __slots__ = ("_outer",)

    def __enter__(self) -> None:
        self._outer = _innermost.get()
        _innermost.set(self)

    def __exit__(self, *_: object) -> None:
        # Of a block that an interrupt broke out of, this may come late: then it says nothing.
        if _innermost.get() is self:
            _innermost.set(self._outer)


def is_suppressed(_is_ending: Callable[[], bool] = sys.is_finalizing) -> bool:
    """Whether watching is off here; always while the interpreter takes its modules apart."""
    return _here.is_forked or _innermost.get() is not None or _is_ending()


def watch_in_this_process() -> None:
    """Watch although this process was forked; whoever enables an integration in it asks so."""
    _here.is_forked = False


@in_child
def _watch_nothing() -> None:
    # A forked worker holds the parent's open runs; recording there would write into them twice.
    _here.is_forked = True
