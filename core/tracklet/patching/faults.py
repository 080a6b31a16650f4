"""Containment: what goes wrong inside our own hooks is told to the log, never to the user's code.

An ``Exception`` in an advice or an import hook becomes one log line and a report to whoever asked
to hear of faults. A ``BaseException`` (KeyboardInterrupt, SystemExit, CancelledError) is not ours
to hold and passes. In strict mode, which is for tests, faults are raised.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tracklet.state import ProcessState

FaultHandler = Callable[[Exception, str, str], bool]
"""Called with the error, the place and the label of the patch; True says that the fault was dealt
with, so that no log line is needed."""

logger = logging.getLogger("tracklet.patching")


class _Listening(ProcessState):
    """Who hears of faults, when they are raised, and what a test injects."""

    def begin(self) -> None:
        self.handlers: list[FaultHandler] = []
        self.strict: Callable[[], bool] = bool
        self.probe: Callable[[str], None] | None = None


_listening = _Listening()


def on_fault(handler: FaultHandler) -> Callable[[], None]:
    """Hear of every contained fault; the returned function stops that."""
    handlers = _listening.handlers
    handlers.append(handler)

    def stop() -> None:
        if handler in handlers:
            handlers.remove(handler)

    return stop


def strict_when(decide: Callable[[], bool]) -> None:
    """Say when faults are raised instead of contained. Never, by default."""
    _listening.strict = decide


def report(error: Exception, place: str, label: str = "") -> None:
    """Tell the log and the handlers of a fault at a place.

    Raises:
        Exception: The fault itself, in strict mode.
    """
    handled = False
    for handler in tuple(_listening.handlers):
        try:
            handled = handler(error, place, label) or handled
        except Exception as problem:  # noqa: BLE001 (a broken listener must not hurt the user)
            _say(logging.DEBUG, "a fault handler failed: %s", _text(problem))
    if not handled:
        _say(
            logging.WARNING,
            "watching %s failed and was skipped; the call itself is not affected: %s",
            place,
            _text(error),
        )
    _say(logging.DEBUG, "where it failed at %s", place, exc_info=error)
    if _listening.strict():
        raise error


def checkpoint(place: str) -> None:
    """A point at which a test may inject a failure; see :func:`injected`."""
    if _listening.probe is not None:
        _listening.probe(place)


@contextmanager
def injected(probe: Callable[[str], None]) -> Iterator[None]:
    """Call ``probe`` with the place at every internal step; what it raises fails that step.

    For tests only: it shows that no failure of ours, at any point, reaches the user.
    """
    before, _listening.probe = _listening.probe, probe
    try:
        yield
    finally:
        _listening.probe = before


def _text(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 (an exception whose text fails still has a name)
        return type(error).__name__


def _say(level: int, message: str, *args: object, exc_info: Exception | None = None) -> None:
    if not logger.isEnabledFor(level):
        return
    try:
        logger.log(level, message, *args, exc_info=exc_info)
    except Exception:  # noqa: BLE001 (the user's log handlers may fail; training goes on)
        return
