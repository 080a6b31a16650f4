"""Around an outermost watched call: its session, its run, and how both end."""

from __future__ import annotations

import json
import platform
from contextlib import suppress
from time import perf_counter
from typing import Any

from tracklet.autolog import enabling, muting, ranks, session, tally
from tracklet.autolog.integration import CommonOptions
from tracklet.autolog.recorder import Recorder
from tracklet.autolog.session import FitSession
from tracklet.errors import TrackletException
from tracklet.fluent import active
from tracklet.fluent.active import ActiveRun
from tracklet.fluent.runs import start_run
from tracklet.patching import Outcome, checkpoint, delivered, keep_state, report

AUTOLOGGING_TAG = "mlflow.autologging"
FIT_TAG = "tracklet.fit"

# The trainings for which no run could be had share one tally.
_UNRECORDED = ""


class recording:  # noqa: N801 (used as a function in `with`)
    """Record what happens in this block as one training, if it is the outermost one.

    Gives a :class:`Recorder`, or None if nothing is to be recorded: inside of another watched call,
    while autologging is muted, in a user's run with ``exclusive``, in a process of a distributed
    training that is not its first one and has no run, or if no run could be had.
    Without an active run one is started, tagged, and ended by how the original ended; a run of the
    user's is only added to::

        with recording("toy", options) as recorder:
            if recorder is None:
                yield
                return
            recorder.params(...)
            outcome = yield
            recorder.finish(outcome)

    Args:
        label: The integration's name.
        options: Its options.
        muted: Open the session, so that nothing inside is recorded, but record nothing either.
        resume: A run that autologging started earlier, to go on with instead of a new one. If it
            cannot be had, a new one is started.
    """

    def __init__(
        self, label: str, options: CommonOptions, *, muted: bool = False, resume: str | None = None
    ) -> None:
        self._label = label
        self._options = options
        self._muted = muted
        self._resume = resume
        self._session: FitSession | None = None
        self._managed: ActiveRun | None = None
        self._recorder: TrainingRecorder | None = None

    def __enter__(self) -> TrainingRecorder | None:
        if session.current() is not None:
            return None
        if muting.is_muted(self._label) and not muting.is_all_muted():
            return None  # only this integration is off; others may record what is inside
        self._session = FitSession()
        self._session.__enter__()
        if self._muted or muting.is_all_muted():
            return None
        try:
            return self._open()
        except BaseException as error:
            try:
                self._close(error)
            finally:
                self._session.__exit__()
            raise

    def _open(self) -> TrainingRecorder | None:
        started = perf_counter()
        try:
            checkpoint("step start")
            run = active.top()
            if run is None and ranks.is_follower():
                return None
            if run is None:
                run = self._managed = self._start()
                tally.forget(_UNRECORDED)
            elif self._options.exclusive:
                return None
        except Exception as error:  # noqa: BLE001 (without a run there is no record; training goes on)
            # Said once per cause until a run can be had again: a loop may train a thousand times.
            with tally.charged(tally.tally_of(_UNRECORDED)):
                report(error, f"{self._label}: starting a run", self._label)
            return None
        self._recorder = TrainingRecorder(
            run,
            self._label,
            managed=self._managed is not None,
            extra_tags=self._options.extra_tags,
            started=started,
        )
        self._recorder.spent("start", perf_counter() - started)
        if self._session is not None:
            self._session.recorder = self._recorder
        checkpoint("step open")
        return self._recorder

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        try:
            self._close(error)
        finally:
            if self._session is not None:
                self._session.__exit__()

    def _start(self) -> ActiveRun:
        tags = {**(self._options.extra_tags or {}), AUTOLOGGING_TAG: self._label}
        if self._resume is not None:
            with suppress(TrackletException):
                return start_run(run_id=self._resume).__enter__()
        # As a context manager, so that nothing global watches over how the process ends.
        return start_run(tags=tags).__enter__()

    def _close(self, error: BaseException | None) -> None:
        recorder = self._recorder
        if recorder is None:
            return
        if isinstance(error, Exception):
            # The advice itself failed. It is counted before the run is closed, and reported
            # by the weaver; how the run ended is decided by the original alone.
            recorder.count_fault(error, f"{self._label}: advice")
        try:
            checkpoint("step close")
            recorder.close()
        except Exception as problem:  # noqa: BLE001 (contained: see tracklet.patching.faults)
            self._fault(recorder, problem, "closing the record")
        finally:
            if self._managed is not None:
                self._end(self._managed, recorder, error)

    def _fault(self, recorder: TrainingRecorder, problem: Exception, what: str) -> None:
        """Report what went wrong when the run had been told of all faults already."""
        try:
            report(problem, f"{self._label}: {what}", self._label)
        finally:
            with suppress(Exception):  # the store may be what has failed
                recorder.close()

    def _end(self, run: ActiveRun, recorder: TrainingRecorder, error: BaseException | None) -> None:
        # An advice that fails may not have come to tell the recorder how the original ended.
        told = delivered()
        cause = recorder.outcome.error or (told.error if told is not None else None)
        if cause is None and error is not None and not isinstance(error, Exception):
            cause = error  # the user's Ctrl-C arrived while we were recording
        try:
            checkpoint("step end")
        except Exception as problem:  # noqa: BLE001 (an injected fault must not leave the run open)
            self._fault(recorder, problem, "ending the run")
        try:
            run.__exit__(type(cause) if cause is not None else None, cause, None)
        except Exception as problem:  # noqa: BLE001 (contained: see tracklet.patching.faults)
            self._fault(recorder, problem, "ending the run")
            _let_go(run)


def _let_go(run: ActiveRun) -> None:
    if run.is_open:
        with suppress(Exception):
            active.abandon(run)


def _before() -> tuple[FitSession | None, tuple[ActiveRun, ...]]:
    return session.own(), active.open_runs()


def _end_what_is_left(
    before: tuple[FitSession | None, tuple[ActiveRun, ...]], interrupt: BaseException
) -> None:
    """End the session and the managed run that an interrupt kept from being ended."""
    outer, runs = before
    session.back_to(outer)
    for run in reversed(active.open_runs()):
        if AUTOLOGGING_TAG in run.data.tags and all(run is not other for other in runs):
            try:
                run.__exit__(type(interrupt), interrupt, None)
            finally:
                _let_go(run)


keep_state(_before, _end_what_is_left)


class TrainingRecorder(Recorder):
    """A recorder that also learns how the training ended, and how long it took without us."""

    def __init__(self, run: ActiveRun, label: str, *, started: float, **settings: Any) -> None:
        super().__init__(run, label, **settings)
        self.outcome = Outcome()
        self._started = started
        self._spent = 0.0
        self._seconds: float | None = None

    def spent(self, phase: str, seconds: float) -> None:
        """Add to what a phase cost."""
        super().spent(phase, seconds)
        self._spent += seconds

    def finish(self, outcome: Outcome) -> None:
        """Say how the original ended; a managed run gets its status from this alone."""
        self.outcome = outcome
        if self._seconds is None:
            self._seconds = max(0.0, perf_counter() - self._started - self._spent)

    def closing_tags(self) -> dict[str, str]:
        """Also by what the training was recorded, also in a run of the user's."""
        entry = enabling.entry(self.label)
        record = {
            "integration": self.label,
            "version": entry.version if entry is not None else "",
            "python": platform.python_version(),
            "seconds": None if self._seconds is None else round(self._seconds, 6),
        }
        return {self.prefix + FIT_TAG: json.dumps(record), **super().closing_tags()}
