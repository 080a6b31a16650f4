"""Which span is going on here: one ContextVar, so that threads and tasks do not meet."""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar

from tracklet import settings
from tracklet.entities import LiveSpan, NoOpSpan

_logger = logging.getLogger("tracklet.tracing")

_current: ContextVar[LiveSpan | None] = ContextVar("tracklet_current_span", default=None)
_last_here: ContextVar[str | None] = ContextVar("tracklet_last_trace", default=None)
_last: str | None = None
_enabled = True
_reported: set[tuple[str, type[BaseException]]] = set()


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
    global _last
    _last = trace_id
    _last_here.set(trace_id)


def last(here: bool = False) -> str | None:
    """The id of the trace that ended last, in this process or in this context."""
    return _last_here.get() if here else _last


def is_enabled() -> bool:
    """Whether anything is traced."""
    return _enabled


def set_enabled(enabled: bool) -> None:
    """Trace, or not."""
    global _enabled
    _enabled = enabled


def contain(place: str, error: Exception) -> None:
    """Tell the log of a failure of ours, which is not the user's problem.

    A failure is warned of once per place and kind; its repetitions, and what happens while the
    interpreter is taken down, are for debugging.

    Raises:
        Exception: The failure itself, in strict mode.
    """
    kind = (place, type(error))
    ending = sys.is_finalizing()
    level = logging.DEBUG if ending or kind in _reported else logging.WARNING
    _reported.add(kind)
    _logger.log(level, "tracing could not %s; the traced code is not affected: %r", place, error)
    if not ending and settings.strict():
        raise error


def reset() -> None:
    """Forget everything and trace again."""
    global _last, _enabled
    _last = None
    _enabled = True
    _current.set(None)
    _last_here.set(None)
    _reported.clear()
