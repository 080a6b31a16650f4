"""How a process ends, so that the runs it leaves open get the right status.

What can be known without touching the user's signal handlers or ``sys.excepthook``:

- An exception that nobody caught is in ``sys.last_value`` by the time exit functions run.
- ``sys.exit(3)`` leaves no trace. While a run is open outside of a ``with`` block, ``sys.exit`` is
  wrapped; the wrapper hangs a witness on the exception, and the witness knows that the exception
  reached the top, rather than being caught, if no Python frame is left when it dies.
- A signal or ``os._exit`` gives no chance to act: the next reader of the run finds the process
  gone (:mod:`tracklet.liveness`).
"""

from __future__ import annotations

import atexit
import functools
import sys
from collections.abc import Callable
from typing import Any

Ending = Callable[[str, "str | None"], None]

_watched: set[str] = set()
_end_all: Ending | None = None
_exit_code: list[object] = []
_original_exit: Callable[..., Any] | None = None


def outcome_of(error: BaseException | None) -> tuple[str, str | None]:
    """The status, and the reason to note, of a block that was left by this exception."""
    if error is None:
        return "FINISHED", None
    if isinstance(error, SystemExit):
        return _outcome_of_code(error.code)
    if isinstance(error, KeyboardInterrupt):
        return "KILLED", "signal: SIGINT"
    return "FAILED", f"exception: {type(error).__name__}"


def watch(run_id: str, end_all: Ending) -> None:
    """From now on the process's end also ends this run."""
    global _end_all
    if _end_all is None:
        atexit.register(_at_exit)
    _end_all = end_all
    _watched.add(run_id)
    _wrap_exit()


def unwatch(run_id: str) -> None:
    """``sys.exit`` need not be observed for this run."""
    _watched.discard(run_id)
    if not _watched:
        _unwrap_exit()


def _at_exit() -> None:
    if _end_all is not None:
        _end_all(*_how_the_process_ends())


def _how_the_process_ends() -> tuple[str, str | None]:
    if hasattr(sys, "ps1"):  # at a prompt, errors were shown and the session went on
        return "FINISHED", None
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    if isinstance(error, BaseException):
        return outcome_of(error)
    return _outcome_of_code(_exit_code[-1]) if _exit_code else ("FINISHED", None)


def _outcome_of_code(code: object) -> tuple[str, str | None]:
    if code is None or code == 0:
        return "FINISHED", None
    return "FAILED", f"exit code: {code if isinstance(code, int) else 1}"


class _Witness:
    """Dies with the exception it hangs on; alone on the stack only if that reached the top."""

    def __init__(self, code: object) -> None:
        self.code = code

    def __del__(self, _getframe: Any = sys._getframe, _codes: list[object] = _exit_code) -> None:
        try:
            _getframe(1)
        except ValueError:
            _codes.append(self.code)


def _wrap_exit() -> None:
    global _original_exit
    if _original_exit is not None:
        return
    original = _original_exit = sys.exit

    @functools.wraps(original)
    def exit(status: Any = None, /) -> Any:
        try:
            original(status)
        except SystemExit as error:
            error.__dict__["_tracklet_witness"] = _Witness(error.code)
            raise

    sys.exit = exit


def _unwrap_exit() -> None:
    global _original_exit
    if _original_exit is not None and getattr(sys.exit, "__wrapped__", None) is _original_exit:
        sys.exit = _original_exit
    _original_exit = None
