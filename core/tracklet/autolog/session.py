"""Which training this code belongs to, and whether it is to be on the record at all.

The outermost watched call has a session, so that a Pipeline, a search or a trainer is recorded
once. It lives in a ContextVar, so concurrent fits in threads or tasks do not meet; so does what
switches autologging off for a block. A worker thread of joblib's threading backend has an empty
context; it belongs to the fit that started its pool, which is found by the thread that created the
worker.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from tracklet.state import ProcessState

if TYPE_CHECKING:
    from tracklet.autolog.recorder import Recorder

_MAX_POOL_DEPTH = 16


class FitSession:
    """One outermost watched call. Watched calls inside of it record nothing by themselves.

    Args:
        recorder: What records the call; None for a call that is not to be recorded, nor anything
            inside of it.
    """

    __slots__ = ("_outer", "_thread", "recorder")

    def __init__(self, recorder: Recorder | None = None) -> None:
        self.recorder = recorder
        self._thread = 0
        self._outer: FitSession | None = None

    def __enter__(self) -> FitSession:
        self._thread = threading.get_ident()
        self._outer = _current.get()
        _current.set(self)
        _sessions.by_thread.setdefault(self._thread, self)
        return self

    def __exit__(self, *_: object) -> None:
        if _sessions.by_thread.get(self._thread) is self:
            del _sessions.by_thread[self._thread]
        if _current.get() is self:  # not so if an interrupt has taken it down before
            _current.set(self._outer)
        self._outer = None


class _Sessions(ProcessState):
    """The sessions by the thread that opened them; a forked child inherits them."""

    def begin(self) -> None:
        self.by_thread: dict[int, FitSession] = {}

    def forget(self) -> None:
        self.begin()
        _current.set(None)


_current: ContextVar[FitSession | None] = ContextVar("tracklet_fit_session", default=None)
_sessions = _Sessions()


def current() -> FitSession | None:
    """The session that this code runs in; None outside of any watched call."""
    session = _current.get()
    if session is None and _sessions.by_thread:
        session = _of_joblib_worker()
    return session


def back_to(session: FitSession | None) -> None:
    """Be in that session of this context again: those inside of it were not left properly."""
    inner = _current.get()
    while inner is not None and inner is not session:
        outer = inner._outer
        inner.__exit__()
        inner = outer
    _current.set(session)


def own() -> FitSession | None:
    """The session that was opened in this very context."""
    return _current.get()


def _of_joblib_worker() -> FitSession | None:
    joblib = sys.modules.get("joblib.parallel")
    thread: Any = threading.current_thread()
    if joblib is None or thread is threading.main_thread():
        return None
    backend: Any = joblib.get_active_backend()[0]
    if not getattr(backend, "nesting_level", 0):
        return None
    for _ in range(_MAX_POOL_DEPTH):
        # The thread that made the pool: what multiprocessing.pool.ThreadPool's workers know.
        thread = getattr(thread, "_parent", None)
        if thread is None:
            return None
        session = _sessions.by_thread.get(getattr(thread, "ident", None) or 0)
        if session is not None:
            return session
    return None


_ALL: Final = "*"
_muted: ContextVar[frozenset[str]] = ContextVar("tracklet_muted", default=frozenset())


@contextmanager
def disable_autologging() -> Iterator[None]:
    """In this block no integration records anything. Nests, and other threads are not affected."""
    with disable_discrete_autologging([_ALL]):
        yield


@contextmanager
def disable_discrete_autologging(names: Iterable[str]) -> Iterator[None]:
    """In this block these integrations record nothing; their options stay as they are.

    Args:
        names: Names of integrations, such as ``["sklearn"]``.
    """
    token = _muted.set(_muted.get() | frozenset(names))
    try:
        yield
    finally:
        _muted.reset(token)


def is_muted(name: str) -> bool:
    """Whether an integration records nothing here."""
    muted = _muted.get()
    return bool(muted) and (_ALL in muted or name in muted)


def is_all_muted() -> bool:
    """Whether nothing at all is recorded here."""
    return _ALL in _muted.get()
