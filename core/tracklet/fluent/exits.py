"""How a process ends, so that the runs it leaves open get the right status.

What can be known without touching the user's signal handlers or ``sys.excepthook``:

- An exception that nobody caught is in ``sys.last_value`` by the time exit functions run. One that
  was there when a run started says nothing of it.
- ``sys.exit(3)`` leaves no trace. While a run is open outside of a ``with`` block, ``sys.exit`` is
  wrapped, and so are ``exit`` of the interpreter and of modules that imported it; the wrapper hangs
  a witness on the exception, and the witness knows that the exception reached the top, rather than
  being caught, if no Python frame is left when it dies. To ``raise SystemExit(3)``, Python 3.12 and
  newer let a tool listen; older ones keep it to themselves.
- What ends another thread than the main one is known where the thread reports it, and decides of
  the runs that were started there.
- A signal or ``os._exit`` gives no chance to act: the next reader of the run finds the process
  gone (:mod:`tracklet.liveness`).
"""

from __future__ import annotations

import atexit
import builtins
import functools
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from tracklet.state import ProcessState

Ending = Callable[[], object]


class _Watch(ProcessState):
    """The runs that are watched, by id, and how the process' end is told."""

    def begin(self) -> None:
        self.runs: set[str] = set()
        self.end_all: Ending | None = None
        self.exit_codes: list[object] = []
        # How the threads of runs ended, by the run.
        self.outcomes: dict[str, tuple[str, str | None]] = {}
        # Where threads report: the run, the thread, what was there, what is there.
        self.reporting: dict[str, tuple[Any, Any, Any]] = {}
        self.tool: int | None = None
        # Where an exit was wrapped: owner, name, what was there, what is there.
        self.wrapped: list[tuple[Any, str, Any, Any]] = []

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
    _wrap_report(run_id)


def unwatch(run_id: str) -> None:
    """``sys.exit`` need not be observed for this run."""
    _watch.runs.discard(run_id)
    thread, known, wrapper = _watch.reporting.pop(run_id, (None, None, None))
    if thread is not None and thread._invoke_excepthook is wrapper:
        thread._invoke_excepthook = known
    if not _watch.runs:
        _unwrap_exit()


def _at_exit() -> None:
    if _watch.end_all is not None:
        _watch.end_all()


def last_error() -> int:
    """Which exception nobody caught last; its id, for the exception holds the frames it passed."""
    return id(_last_error())


def _last_error() -> object:
    return getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)


def outcome_of_process(run_id: str, stale_error: int) -> tuple[str, str | None]:
    """The status, and the reason to note, of a run that was open when the process ended.

    Args:
        stale_error: The :func:`last_error` of when the run started.
    """
    if hasattr(sys, "ps1"):  # at a prompt, errors were shown and the session went on
        return "FINISHED", None
    if run_id in _watch.outcomes:
        return _watch.outcomes[run_id]
    error = _last_error()
    if isinstance(error, BaseException) and id(error) != stale_error:
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
    if _watch.wrapped:
        return
    _listen()
    original: Any = sys.exit
    places = [(sys, "exit"), *((module, "exit") for module in _callers_with(original))]
    quitter: Any = type(getattr(builtins, "exit", None))
    if quitter.__module__ == "_sitebuiltins":  # that of `site`: `exit` and `quit`
        places.append((quitter, "__call__"))
    for owner, name in places:
        known = vars(owner)[name]
        wrapper = _witnessed(known)
        _watch.wrapped.append((owner, name, known, wrapper))
        setattr(owner, name, wrapper)


def _wrap_report(run_id: str) -> None:
    """Note how this thread ends, unless it is the main one, by the run that it started."""
    thread: Any = threading.current_thread()
    known = getattr(thread, "_invoke_excepthook", None)
    if known is None or thread is threading.main_thread():
        return

    def report(*given: Any) -> Any:
        if run_id in _watch.runs:
            _watch.outcomes[run_id] = outcome_of(sys.exc_info()[1])
        return known(*given)

    _watch.reporting[run_id] = thread, known, report
    thread._invoke_excepthook = report


def _monitoring() -> Any:
    return getattr(sys, "monitoring", None)  # from Python 3.12 on


def _listen() -> None:
    """Hang a witness on each ``SystemExit`` that is raised, where Python has a way to be told."""
    monitoring = _monitoring()
    if monitoring is None:
        return
    free = [tool for tool in (4, 3) if not monitoring.get_tool(tool)]
    if not free:
        return
    _watch.tool = free[0]
    monitoring.use_tool_id(_watch.tool, "tracklet")
    monitoring.register_callback(_watch.tool, monitoring.events.RAISE, _raised)
    monitoring.set_events(_watch.tool, monitoring.events.RAISE)


def _raised(code: Any, offset: int, error: BaseException) -> None:
    # What this raised would be raised where that was.
    if isinstance(error, SystemExit) and type(vars_of := getattr(error, "__dict__", None)) is dict:
        vars_of.setdefault("_tracklet_witness", _Witness(error.code))


def _stop_listening() -> None:
    monitoring = _monitoring()
    tool, _watch.tool = _watch.tool, None
    if tool is not None:
        monitoring.set_events(tool, 0)
        monitoring.register_callback(tool, monitoring.events.RAISE, None)
        monitoring.free_tool_id(tool)


def _callers_with(exit: Any) -> list[ModuleType]:
    """The modules that are being run and have ``exit`` from :mod:`sys`."""
    found: dict[str, ModuleType] = {}
    frame = sys._getframe()
    while frame is not None:
        names = frame.f_globals
        if names.get("exit") is exit and names is not vars(sys):
            module = sys.modules.get(names.get("__name__", ""))
            if module is not None and vars(module) is names:
                found[module.__name__] = module
        frame = frame.f_back
    return list(found.values())


def _witnessed(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def exit(*arguments: Any, **keywords: Any) -> Any:
        try:
            return original(*arguments, **keywords)
        except SystemExit as error:
            error.__dict__["_tracklet_witness"] = _Witness(error.code)
            raise

    return exit


def _unwrap_exit() -> None:
    _stop_listening()
    while _watch.wrapped:
        owner, name, original, wrapper = _watch.wrapped.pop()
        if vars(owner).get(name) is wrapper:
            setattr(owner, name, original)
