"""Work that may be done after the training call has returned, such as drawing plots.

One thread does it, and only while there is some: it is started by the first piece of work and ends
with the last. It is no daemon, so the interpreter waits for it at exit. The work never touches
random states, which belong to the threads that train.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Final

from tracklet import settings
from tracklet.autolog.budget import charged, tally_of
from tracklet.patching import checkpoint, faults, report, suppressed
from tracklet.state import ProcessState, in_child

if TYPE_CHECKING:
    from tracklet.fluent.active import ActiveRun

MAX_WAITING: Final = 64
"""More pieces of work than this never wait; what comes then is left out."""

_FREE_SECONDS: Final = 1.0
_SHARE: Final = 0.1
REFUSAL: Final = "in a loop of trainings they take at most a tenth of the time"

THREAD_NAME: Final = "tracklet-background"


class _Queue(ProcessState):
    """What waits, and the thread that does it."""

    def begin(self) -> None:
        # `with` takes the lock itself and not its condition, whose `__enter__` and `__exit__` are
        # Python: an interrupt there would leave the lock held for ever.
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.waiting: deque[Callable[[], None]] = deque()
        self.failed: list[Exception] = []
        self.thread: threading.Thread | None = None
        self.began = perf_counter()
        self.spent = 0.0

    def forget(self) -> None:
        """Whoever turns autologging off has waited for the thread; its work goes on."""
        self.began, self.spent = perf_counter(), 0.0


_queue = _Queue()


def later(work: Callable[[], None]) -> bool:
    """Do this soon, in another thread; False if too much is waiting already.

    It is done at once while the interpreter is ending: nobody would wait for a thread that is
    started after the main thread was, and the process would end under its feet.
    """
    if not threading.main_thread().is_alive():
        _do(work)
        return True
    with _queue.lock:
        if len(_queue.waiting) >= MAX_WAITING:
            return False
        _queue.waiting.append(work)
        if _has_worker():
            return True
        _queue.waiting.pop()
    _do(work)
    return True


def is_affordable() -> bool:
    """Whether further work may be done: a tenth of the time is its share, beside a first second."""
    return _queue.spent <= _FREE_SECONDS + _SHARE * (perf_counter() - _queue.began)


def flush(timeout: float | None = None) -> bool:
    """Wait until everything that was handed in is done; True if it is.

    Called from the background thread itself this returns at once.

    Args:
        timeout: Seconds to wait at most; None waits as long as it takes.

    Raises:
        Exception: In strict mode, the first fault of the work that was waited for.
    """
    if threading.current_thread() is _queue.thread:
        return False
    with _queue.lock:
        while _queue.waiting and not _has_worker():
            _do(_queue.waiting.popleft())
        done = _queue.changed.wait_for(_is_idle, timeout)
        failed = _queue.failed[:1]
        _queue.failed.clear()
    if failed and settings.strict():
        raise failed[0]
    return done


def waiting() -> int:
    """How many pieces of work are not done yet."""
    with _queue.lock:
        return len(_queue.waiting) + (_queue.thread is not None)


@contextmanager
def afterwards(run: ActiveRun, label: str, phase: str) -> Iterator[None]:
    """A piece of work for a run whose training has returned; a fault is put on the run at once.

    It may fail by itself, and is contained: nobody is left to count what goes wrong in it. Unlike
    a step of the recorder it leaves random states alone, so that any thread may do it.

    Args:
        run: The run, which may have been ended.
        label: The integration, for messages.
        phase: What is done, for messages.
    """
    tally = tally_of(run.info.run_id)
    before = tally.fault_count
    try:
        with suppressed():
            yield
            checkpoint(f"later {phase}")
    except Exception as error:  # noqa: BLE001 (contained: see tracklet.patching.faults)
        with charged(tally):
            report(error, f"{label}: {phase}", label)
    finally:
        if tally.fault_count > before:
            with suppress(Exception):  # the store may be what has failed
                run.store.log_batch(run.info.run_id, tags=tally.sums())


def _is_idle() -> bool:
    return not _queue.waiting and (_queue.thread is None or not _queue.thread.is_alive())


def _has_worker() -> bool:
    """See to it that a thread does the work; False if there can be none. The lock is held.

    A thread that is not alive is one whose start was interrupted; it will never do anything.
    """
    if _queue.thread is not None and _queue.thread.is_alive():
        return True
    _queue.thread = threading.Thread(target=_work, name=THREAD_NAME, daemon=False)
    try:
        _queue.thread.start()
    except RuntimeError:
        _queue.thread = None
        return False
    return True


def _work() -> None:
    while True:
        with _queue.lock:
            if not _queue.waiting:
                if _queue.thread is threading.current_thread():
                    _queue.thread = None
                _queue.changed.notify_all()
                return
            work = _queue.waiting.popleft()
        _do(work)
        del work


def _do(work: Callable[[], None]) -> None:
    started = thread_time()
    try:
        with suppressed():
            work()
    except Exception as error:  # noqa: BLE001 (contained; the pieces of work report by themselves)
        faults.logger.debug("work in the background failed", exc_info=error)
        if settings.strict():
            _queue.failed.append(error)
    finally:
        _queue.spent += thread_time() - started


# The child has no such thread, and its parent does the work.
in_child(_queue.begin)
