"""The active run: a stack in a ContextVar, so that threads and tasks do not meet.

A thread or task without a run of its own records into the process's single open run; only if
there are several, or none, does a record without a run open one. Not every open run counts: see
:func:`to_record`.
"""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Final

from tracklet import lazy, settings
from tracklet.entities import Run, RunStatus
from tracklet.errors import ResourceDoesNotExist, TrackletException
from tracklet.fluent import exits
from tracklet.liveness import END_REASON_TAG
from tracklet.names import now
from tracklet.state import ProcessState
from tracklet.stores import open_store

if TYPE_CHECKING:
    from tracklet.entities import LoggedModelOutput
    from tracklet.fluent.resuming import Attempt
    from tracklet.record import Store
    from tracklet.record.backend import RunWriter

# How often a run is looked at that takes records of other threads, whether it was deleted.
_SECONDS_PER_LOOK: Final = 1.0

_logger = lazy.logger(__name__)

_stack: ContextVar[tuple[ActiveRun, ...]] = ContextVar("tracklet_active_runs", default=())
_last_run: ContextVar[tuple[Store, str] | None] = ContextVar("tracklet_last_run", default=None)


class _Runs(ProcessState):
    """What runs leave in the process, whichever context they belong to."""

    def begin(self) -> None:
        self.open: dict[str, ActiveRun] = {}
        # Runs that were left but whose end could not be recorded; tried again at exit.
        self.owed: list[tuple[ActiveRun, str, str | None, int]] = []
        # The runs that the option RUN_ID named, each of which is gone on with once.
        self.resumed: dict[str, object] = {}
        # Whether any model may be active; the training path asks this before it asks which.
        self.linking = False
        # Whether it was said that a record started a run.
        self.has_said = False
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

    def __init__(
        self, run: Run, store: Store, writer: RunWriter, attempt: Attempt | None = None
    ) -> None:
        super().__init__(run.info, run.data, run.inputs, run.outputs)
        state = {
            "store": store,
            "writer": writer,
            "is_open": True,
            "is_shared": True,
            "pid": os.getpid(),
            "thread": weakref.ref(threading.current_thread()),
            "stale_error": exits.last_error(),
            "seen_at": -math.inf,
            "outputs_by_step": {},
            "measured": set(),
            "on_end": [],
            "after_end": [],
            "attempt": attempt,
        }
        vars(self).update(state)  # the entity is frozen; what is kept here is no part of it
        self.note_outputs(run.outputs.model_outputs)

    store: Store
    writer: RunWriter
    is_open: bool
    is_shared: bool
    pid: int
    thread: weakref.ref[threading.Thread]
    stale_error: int
    seen_at: float
    outputs_by_step: dict[int, list[str]]
    measured: set[str]
    """The models that the run has metrics of and that it is known to use or to have made."""
    on_end: list[Callable[[], object]]
    after_end: list[Callable[[], object]]
    attempt: Attempt | None
    """This process's part of a run that was started to be resumed."""

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
        run = self
        if not self.is_open:  # perhaps it was ended inside of its block, and gone on with
            same = [other for other in open_runs() if other.info.run_id == self.info.run_id]
            if not same:
                return
            run = same[-1]
        status, reason = exits.outcome_of(error)
        try:
            finish(run, status, reason)
        except Exception as failure:
            abandon(run, status, reason)  # the block is left, whatever the disk says
            if error is None:
                raise
            # The user's exception goes first.
            _logger.error("run %s could not be ended: %s", self.info.run_id, failure)


def store() -> Store:
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
    """The run that a record of this context belongs to: its own, or the process's single one.

    Of a chain of nested runs that is the innermost. Runs do not count that autologging or a mere
    record started, that were deleted, or whose thread is gone.
    """
    return top() or _single([run for run in list(process.open.values()) if _is_candidate(run)])


def to_end() -> ActiveRun | None:
    """The run that ``end_run`` ends: this context's, or one whose context this thread lost.

    What autologging has opened around the user's code, such as a trial's run, is not theirs to end:
    scripts end what may be open before they start a run.
    """
    for run in reversed(open_runs()):
        if not is_autologgings(run):
            return run
    mine = threading.current_thread()
    runs = [run for run in list(process.open.values()) if run.thread() is mine]
    return _single([run for run in runs if not is_autologgings(run)])


def is_autologgings(run: ActiveRun) -> bool:
    """Whether autologging opened this run, and ends it."""
    return not run.is_shared and "mlflow.autologging" in run.data.tags


def _single(runs: list[ActiveRun]) -> ActiveRun | None:
    outer = {run.data.tags.get("mlflow.parentRunId") for run in runs}
    innermost = [run for run in runs if run.info.run_id not in outer]
    return innermost[0] if len(innermost) == 1 else None


def _is_candidate(run: ActiveRun) -> bool:
    if not run.is_shared:
        return False
    if run.pid == os.getpid():  # in a forked child, the thread is the parent's
        thread = run.thread()
        if thread is None or not thread.is_alive():
            return False
    if monotonic() - run.seen_at > _SECONDS_PER_LOOK:
        try:
            if run.store.deletion_time(run.info.run_id) is not None:
                return False
        except ResourceDoesNotExist:
            return False
        except TrackletException:
            return True  # who records gets to know of it
        vars(run)["seen_at"] = monotonic()
    return True


def unshared(run: ActiveRun) -> ActiveRun:
    """The run, which from now on takes no records of threads without a run."""
    vars(run)["is_shared"] = False
    return run


def opened(run_id: str) -> ActiveRun | None:
    """The open run of that id in this process."""
    return process.open.get(run_id) if isinstance(run_id, str) else None


def last() -> tuple[Store, str] | None:
    """Where and under which id the run is kept that this context ended last."""
    return _last_run.get()


def finish(
    run: ActiveRun, status: str, reason: str | None = None, end_time: int | None = None
) -> None:
    """End a run.

    In a forked child the run is only left: its process goes on with it.

    Args:
        status: ``FINISHED``, ``FAILED`` or ``KILLED``; also ``RUNNING`` or ``SCHEDULED``.
        reason: Why it ended, if not by reaching its end; becomes the tag ``tracklet.end_reason``.
        end_time: In ms since the epoch; now by default.
    """
    RunStatus.from_string(status)
    try:
        _record_end(run, status, reason, end_time)
    except Exception:
        raise
    except BaseException:  # Ctrl-C, perhaps because what is waited for takes too long
        run.on_end.clear()
        _record_end(run, status, reason, end_time)
        raise


def _record_end(run: ActiveRun, status: str, reason: str | None, end_time: int | None) -> None:
    run_id = run.info.run_id
    if run.pid == os.getpid():
        _call_all(run.on_end, run_id)
        if reason is not None:
            run.writer.set_tags({END_REASON_TAG: reason})
        run.store.update_run(run_id, status, end_time or now())
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


def abandon(run: ActiveRun, status: str = "KILLED", reason: str | None = None) -> None:
    """Let go of a run whose end could not be recorded; it is active no more.

    It is tried again when the process ends. The writer is not closed: the lease stays, and if that
    fails too, a reader sees by it that nobody carried the run on.
    """
    _let_go(run)
    process.owed.append((run, status, reason, now()))


def _let_go(run: ActiveRun) -> None:
    vars(run)["is_open"] = False
    process.open.pop(run.info.run_id, None)
    exits.unwatch(run.info.run_id)
    _stack.set(tuple(other for other in _stack.get() if other.is_open))


def _end_all() -> None:
    left = [
        (run, *exits.outcome_of_process(run.info.run_id, run.stale_error), None)
        for run in reversed(list(process.open.values()))
    ]
    for run, status, reason, end_time in [*left, *process.owed]:
        if run.pid != os.getpid():
            continue
        try:
            finish(run, status, reason, end_time)
        except Exception as error:  # noqa: BLE001 - the interpreter is ending
            _logger.error("run %s could not be ended: %s", run.info.run_id, error)
