"""What this process remembers: seen, forgotten and forked in one place.

A module that keeps something for the whole process keeps it in the fields of one object of a class
that derives from :class:`ProcessState`, made at module level. What must be put right in a forked
child is a function marked with :func:`in_child`. No module has a ``global`` statement, and none
registers a fork handler of its own.

Locks: a signal handler, a finalizer that the garbage collector runs, or a fork may come in between
any two steps of ours, and record. What records therefore has no lock: what it shares changes by
steps that Python makes whole, such as ``dict.setdefault``. Elsewhere a lock is one of :func:`lock`;
what is done under it bears being interrupted by more of the same, and calls nothing of the user's.
A library that has locks of its own is called under a :func:`gate`.
"""

from __future__ import annotations

import _frozen_importlib
import functools
import os
import sys
import threading
import time
import weakref
from _thread import start_new_thread
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")

# Whoever holds what is another's lets go of it first: autologging of its runs, a run of its store.
# The rest only forgets, in any order.
_FIRST: Final = ("tracklet.autolog", "tracklet.tracing", "tracklet.fluent")

# For how long, in seconds, a fork may wait for what is done under gates.
_PATIENCE: Final = 0.5

# How much longer for imports: some of what we import takes seconds.
_MORE_PATIENCE: Final = 5.0

_forgetting: list[tuple[str, Callable[[], object]]] = []
_in_child: list[Callable[[], object]] = []
_locks: weakref.WeakSet[Any] = weakref.WeakSet()


class ProcessState:
    """What one module remembers. A subclass sets its fields in :meth:`begin`."""

    def __init__(self) -> None:
        self.begin()
        _forgetting.append((type(self).__module__, self.forget))

    def begin(self) -> None:
        """Set every field to what it is in a process that has done nothing yet."""

    def forget(self) -> None:
        """Let go of what the fields hold, and begin again."""
        self.begin()


def remembered(function: Callable[P, R]) -> Callable[P, R]:
    """Compute an answer once; the decorated function gives it again until :func:`reset`."""
    cached = functools.cache(function)
    _forgetting.append((function.__module__, cached.cache_clear))
    return cached  # type: ignore[return-value]


def in_child(function: Callable[[], Any]) -> Callable[[], Any]:
    """Call a function in every child that is forked from now on: there, only one thread goes on.

    They are called in the order in which they were marked.
    """
    _in_child.append(function)
    return function


def lock() -> threading.RLock:
    """A lock that its own thread never waits for, and that is free in a forked child."""
    made = threading.RLock()
    _locks.add(made)
    return made


class Gates:
    """Locks that a fork takes first, so that no child finds what is done under them half done.

    It also waits for imports that we make; a module of ours that takes longer the child imports
    anew.

    Attributes:
        missed: Whether this process was forked although one was not free for half a second.
    """

    def __init__(self) -> None:
        self.missed = False
        self._locks: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self._held: dict[int, list[Any]] = {}
        self._interrupted: tuple[FrameType, int] | None = None

    def add(self) -> threading.RLock:
        """Another one. What is done under it is short, and forks nothing."""
        made = threading.RLock()
        self._locks[id(made)] = made
        return made

    def _all(self) -> list[Any]:
        # Other threads may add one meanwhile; this list is made in one step.
        return [each for known in self._locks.valuerefs() if (each := known()) is not None]

    def close(self) -> None:
        """Take all, before a fork."""
        until = time.monotonic() + _PATIENCE
        held = self._held[threading.get_ident()] = []
        try:
            for each in self._all():
                held.append(each)  # first, for an interrupt may come in between
                if not each.acquire(True, max(0.0, until - time.monotonic())):
                    held.pop()
            until += _MORE_PATIENCE
            while _is_importing_elsewhere() and time.monotonic() < until:
                time.sleep(0.001)
        except KeyboardInterrupt:
            forking = sys._getframe(1)
            self._interrupted = forking, forking.f_lasti

    def open(self) -> None:
        """Let go of them, in the parent."""
        for each in self._held.pop(threading.get_ident(), ()):
            with suppress(RuntimeError):  # it was not taken, for an interrupt came in between
                each.release()
        if self._interrupted is not None:
            start_new_thread(_interrupt_after, self._interrupted)
            self._interrupted = None

    def open_in_child(self) -> None:
        """Let go of them, and of those that other threads had."""
        for each in self._all():
            if not each._is_owned():
                each._at_fork_reinit()
                self.missed = True
        self.open()
        self._held.clear()


def _interrupt_after(forking: FrameType, at: int) -> None:
    """Interrupt the main thread again when it is past the fork: before, errors are dropped."""
    import signal

    while forking.f_lasti == at:
        time.sleep(0.001)
    time.sleep(0.01)  # it may be about to wait, which a signal that comes just before does not end
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _is_importing_elsewhere() -> bool:
    """Whether another thread is in an import that a line of ours has asked for.

    It holds the locks of modules, for which a forked child would wait for ever.
    """
    me = threading.get_ident()
    for thread, innermost in sys._current_frames().items():
        frame, inside = innermost, False
        while thread != me and frame is not None:
            name = frame.f_globals.get("__name__")
            name = name if type(name) is str else ""
            if inside and name.startswith("tracklet"):
                return True
            inside = name.partition(".")[0] in ("importlib", "_frozen_importlib")
            frame = frame.f_back
    return False


def _import_anew() -> None:
    """In a child, have it import what of ours the parent's threads had begun to import."""
    me, locks = threading.get_ident(), getattr(_frozen_importlib, "_module_locks", {})
    for name, known in list(locks.items()):
        owner = getattr(known(), "owner", None)
        if name.startswith("tracklet") and owner not in (None, me):
            del locks[name]
            spec = getattr(sys.modules.get(name), "__spec__", None)
            if getattr(spec, "_initializing", False):
                del sys.modules[name]


gates = Gates()


def reset() -> None:
    """Forget all process state.

    Active runs and the active experiment, tracking and registry URIs, enabled integrations and
    their patches, open stores, and what was read of plugins. Files and the environment stay as
    they are.
    """
    for package in _FIRST:
        forget(package)
    for _, let_go in reversed(_forgetting):
        let_go()


def forget(package: str) -> None:
    """Forget what one package or module remembers; what it imports first, last."""
    for module, let_go in reversed(_forgetting):
        if f"{module}.".startswith(f"{package}."):
            let_go()


def _after_fork() -> None:
    _import_anew()
    gates.open_in_child()
    for each in list(_locks):
        each._at_fork_reinit()  # as the standard library does: its holder may not be there
    for function in _in_child:
        function()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=gates.close, after_in_parent=gates.open, after_in_child=_after_fork)
