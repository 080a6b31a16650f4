"""The active run: a stack in a ContextVar, so that threads and tasks do not meet.

A thread or task without a run of its own records into the process's single open run; only if
there are several, or none, does a record without a run open one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING

from tracklet import lazy, settings
from tracklet.entities import Run, RunStatus
from tracklet.fluent import exits
from tracklet.liveness import END_REASON_TAG
from tracklet.names import now
from tracklet.state import ProcessState
from tracklet.stores import open_store

if TYPE_CHECKING:
    from tracklet.entities import LoggedModelOutput
    from tracklet.stores import RunWriter, TrackingStore

_logger = lazy.logger(__name__)

_stack: ContextVar[tuple[ActiveRun, ...]] = ContextVar("tracklet_active_runs", default=())
_last_run: ContextVar[tuple[TrackingStore, str] | None] = ContextVar(
    "tracklet_last_run", default=None
)


class _Runs(ProcessState):
    """What runs leave in the process, whichever context they belong to."""

    def begin(self) -> None:
        self.open: dict[str, ActiveRun] = {}
        # The runs that the option RUN_ID named, each of which is gone on with once.
        self.resumed: dict[str, object] = {}
        # Whether any model may be active; the training path asks this before it asks which.
        self.linking = False
        # Whether new runs also record metrics of the machine; None leaves it to the option.
        self.watches_machine: bool | None = None

    def forget(self) -> None:
        """Leave all open runs without ending them."""
        for run in list(self.open.values()):
            run.writer.close()
            _let_go(run)
        self.begin()
        _stack.set(())
        _last_run.set(None)


process = _Runs()


class ActiveRun(Run, init=False):
    """A run in progress; as a context manager it ends when the block does.

    ``info`` and ``data`` are what they were when the run started; ``tracklet.get_run`` reads what
    is recorded now. Leaving the block by an exception makes the run FAILED, by KeyboardInterrupt
    KILLED, and the exception goes on; ``sys.exit(0)`` is no failure.
    """

    def __init__(self, run: Run, store: TrackingStore, writer: RunWriter) -> None:
        super().__init__(run.info, run.data, run.inputs, run.outputs)
        state = {
            "store": store,
            "writer": writer,
            "is_open": True,
            "pid": os.getpid(),
            "thread": threading.get_ident(),
            "outputs_by_step": {},
            "on_end": [],
            "after_end": [],
        }
        vars(self).update(state)  # the entity is frozen; what is kept here is no part of it
        self.note_outputs(run.outputs.model_outputs)

    store: TrackingStore
    writer: RunWriter
    is_open: bool
    pid: int
    thread: int
    outputs_by_step: dict[int, list[str]]
    on_end: list[Callable[[], object]]
    after_end: list[Callable[[], object]]

    def note_outputs(self, outputs: Sequence[LoggedModelOutput]) -> None:
        """From now on the run's metrics of these steps belong to these models."""
        for output in outputs:
            models = self.outputs_by_step.setdefault(output.step, [])
            if output.model_id not in models:
                models.append(output.model_id)

    def __enter__(self) -> ActiveRun:
        exits.unwatch(self.info.run_id)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self.is_open:
            return
        status, reason = exits.outcome_of(error)
        if error is None:
            finish(self, status, reason)
            return
        try:
            finish(self, status, reason)
        except Exception as failure:  # noqa: BLE001 - the user's exception goes first
            _logger.error("run %s could not be ended: %s", self.info.run_id, failure)


def store() -> TrackingStore:
    """The tracking store that the settings name now."""
    return open_store(settings.tracking_uri())


def push(run: ActiveRun) -> None:
    """Make a run the active one of this context."""
    _stack.set((*(open_run for open_run in _stack.get() if open_run.is_open), run))
    process.open[run.info.run_id] = run
    exits.watch(run.info.run_id, _end_all)


def top() -> ActiveRun | None:
    """The active run of this context."""
    for run in reversed(_stack.get()):
        if run.is_open:
            return run
    return None


def open_runs() -> tuple[ActiveRun, ...]:
    """The open runs of this context, the active one last."""
    return tuple(run for run in _stack.get() if run.is_open)


def to_record() -> ActiveRun | None:
    """The run that a record of this context belongs to: its own, or the process's single one."""
    run = top()
    if run is None and len(process.open) == 1:
        run = next(iter(process.open.values()), None)
    return run


def to_end() -> ActiveRun | None:
    """The run that ``end_run`` ends: this context's, or one whose context this thread lost."""
    run = top()
    if run is None and len(process.open) == 1:
        other = next(iter(process.open.values()), None)
        if other is not None and other.thread == threading.get_ident():
            return other
    return run


def opened(run_id: str) -> ActiveRun | None:
    """The open run of that id in this process."""
    return process.open.get(run_id)


def last() -> tuple[TrackingStore, str] | None:
    """Where and under which id the run is kept that this context ended last."""
    return _last_run.get()


def finish(run: ActiveRun, status: str, reason: str | None = None) -> None:
    """End a run.

    In a forked child the run is only left: its process goes on with it.

    Args:
        run: The run.
        status: ``FINISHED``, ``FAILED`` or ``KILLED``; also ``RUNNING`` or ``SCHEDULED``.
        reason: Why it ended, if not by reaching its end; becomes the tag ``tracklet.end_reason``.
    """
    RunStatus.from_string(status)
    try:
        _record_end(run, status, reason)
    except Exception:
        raise
    except BaseException:  # Ctrl-C, perhaps because what is waited for takes too long
        run.on_end.clear()
        _record_end(run, status, reason)
        raise


def _record_end(run: ActiveRun, status: str, reason: str | None) -> None:
    run_id = run.info.run_id
    if run.pid == os.getpid():
        _call_all(run.on_end, run_id)
        if reason is not None:
            run.writer.set_tags({END_REASON_TAG: reason})
        run.store.update_run(run_id, status, now())
        _call_all(run.after_end, run_id)
    run.writer.close()
    _let_go(run)
    _last_run.set((run.store, run_id))


def _call_all(callbacks: list[Callable[[], object]], run_id: str) -> None:
    """Call each of them, once."""
    while callbacks:
        callback = callbacks.pop(0)  # before it is called: a signal handler may end the run as well
        try:
            callback()
        except Exception as error:  # noqa: BLE001 - a monitor must not keep a run from ending
            _logger.warning("run %s: %r on its end", run_id, error)


def abandon(run: ActiveRun) -> None:
    """Let go of a run whose end could not be recorded; it is active no more.

    The writer is not closed: the lease stays, and when this process is gone a reader sees by it
    that nobody carried the run on.
    """
    _let_go(run)


def _let_go(run: ActiveRun) -> None:
    vars(run)["is_open"] = False
    process.open.pop(run.info.run_id, None)
    exits.unwatch(run.info.run_id)
    _stack.set(tuple(other for other in _stack.get() if other.is_open))


def _end_all(status: str, reason: str | None) -> None:
    for run in reversed(list(process.open.values())):
        if run.pid != os.getpid():
            continue
        try:
            finish(run, status, reason)
        except Exception as error:  # noqa: BLE001 - the interpreter is ending
            _logger.error("run %s could not be ended: %s", run.info.run_id, error)
