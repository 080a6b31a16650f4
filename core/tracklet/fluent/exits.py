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

from tracklet.state import ProcessState

Ending = Callable[[str, "str | None"], None]


class _Watch(ProcessState):
    """The runs that are watched, by id, and how the process' end is told."""

    def begin(self) -> None:
        self.runs: set[str] = set()
        self.end_all: Ending | None = None
        self.exit_codes: list[object] = []
        self.original_exit: Callable[..., Any] | None = None

    def forget(self) -> None:
        """Whoever holds a run has ended its watch by :func:`unwatch`; what is known stays."""


_watch = _Watch()


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
    if _watch.end_all is None:
        atexit.register(_at_exit)
    _watch.end_all = end_all
    _watch.runs.add(run_id)
    _wrap_exit()


def unwatch(run_id: str) -> None:
    """``sys.exit`` need not be observed for this run."""
    _watch.runs.discard(run_id)
    if not _watch.runs:
        _unwrap_exit()


def _at_exit() -> None:
    if _watch.end_all is not None:
        _watch.end_all(*_how_the_process_ends())


def _how_the_process_ends() -> tuple[str, str | None]:
    if hasattr(sys, "ps1"):  # at a prompt, errors were shown and the session went on
        return "FINISHED", None
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    if isinstance(error, BaseException):
        return outcome_of(error)
    codes = _watch.exit_codes
    return _outcome_of_code(codes[-1]) if codes else ("FINISHED", None)


def _outcome_of_code(code: object) -> tuple[str, str | None]:
    if code is None or code == 0:
        return "FINISHED", None
    return "FAILED", f"exit code: {code if isinstance(code, int) else 1}"


class _Witness:
    """Dies with the exception it hangs on; alone on the stack only if that reached the top."""

    def __init__(self, code: object) -> None:
        self.code = code

    def __del__(self, _getframe: Any = sys._getframe, _watch: _Watch = _watch) -> None:
        try:
            _getframe(1)
        except ValueError:
            _watch.exit_codes.append(self.code)


def _wrap_exit() -> None:
    if _watch.original_exit is not None:
        return
    original = _watch.original_exit = sys.exit

    @functools.wraps(original)
    def exit(status: Any = None, /) -> Any:
        try:
            original(status)
        except SystemExit as error:
            error.__dict__["_tracklet_witness"] = _Witness(error.code)
            raise

    sys.exit = exit


def _unwrap_exit() -> None:
    original, _watch.original_exit = _watch.original_exit, None
    if original is not None and getattr(sys.exit, "__wrapped__", None) is original:
        sys.exit = original
