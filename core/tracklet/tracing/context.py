"""Which span is going on here: one ContextVar, so that threads and tasks do not meet."""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar

from tracklet import settings
from tracklet.entities import LiveSpan, NoOpSpan
from tracklet.state import ProcessState

_logger = logging.getLogger("tracklet.tracing")

_current: ContextVar[LiveSpan | None] = ContextVar("tracklet_current_span", default=None)
_last_here: ContextVar[str | None] = ContextVar("tracklet_last_trace", default=None)


class _Tracing(ProcessState):
    """Whether anything is traced, what was last, and which failures were told."""

    def begin(self) -> None:
        self.last: str | None = None
        self.is_enabled = True
        self.reported: set[tuple[str, type[BaseException]]] = set()

    def forget(self) -> None:
        self.begin()
        _current.set(None)
        _last_here.set(None)


_tracing = _Tracing()


def current() -> LiveSpan | None:
    """The span going on here, also one that records nothing."""
    return _current.get()


def activate(span: LiveSpan | None) -> LiveSpan | None:
    """Make a span the one going on here and return the one before."""
    before = _current.get()
    _current.set(span)
    return before


def recording() -> LiveSpan | None:
    """The span going on here, if it records."""
    span = _current.get()
    return None if span is None or isinstance(span, NoOpSpan) else span


def note_last(trace_id: str) -> None:
    """Remember the trace as the last one."""
    _tracing.last = trace_id
    _last_here.set(trace_id)


def last(here: bool = False) -> str | None:
    """The id of the trace that ended last, in this process or in this context."""
    return _last_here.get() if here else _tracing.last


def is_enabled() -> bool:
    """Whether anything is traced."""
    return _tracing.is_enabled


def set_enabled(enabled: bool) -> None:
    """Trace, or not."""
    _tracing.is_enabled = enabled


def contain(place: str, error: Exception) -> None:
    """Tell the log of a failure of ours, which is not the user's problem.

    A failure is warned of once per place and kind; its repetitions, and what happens while the
    interpreter is taken down, are for debugging.

    Raises:
        Exception: The failure itself, in strict mode.
    """
    kind = (place, type(error))
    ending = sys.is_finalizing()
    level = logging.DEBUG if ending or kind in _tracing.reported else logging.WARNING
    _tracing.reported.add(kind)
    _logger.log(level, "tracing could not %s; the traced code is not affected: %r", place, error)
    if not ending and settings.strict():
        raise error
