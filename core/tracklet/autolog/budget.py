"""What recording costs and what goes wrong in it: contained step by step, added up run by run.

Several trainings may record into one run of the user's, and work in the background goes on after
the run was ended; all of them count into the run's one tally.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import Any, Final

from tracklet.autolog import randomness
from tracklet.errors import ResourceDoesNotExist, TrackletException
from tracklet.patching import checkpoint, keep_context, report, suppressed
from tracklet.state import ProcessState

OVERHEAD_TAG: Final = "tracklet.overhead_ms"
FAULTS_TAG: Final = "tracklet.faults"

_MAX_RUNS: Final = 256
_MAX_TEXT: Final = 1000
_MAX_CAUSES: Final = 8
_NUMBER: Final = re.compile(r"\d+")


class Tally:
    """The sums of one run."""

    __slots__ = (
        "_causes",
        "fault_count",
        "first_fault",
        "fits",
        "milliseconds",
        "params",
        "postponed",
        "steps",
        "tags",
    )

    def __init__(self) -> None:
        self.fits = 0
        self.fault_count = 0
        self.first_fault = ""
        self.milliseconds: dict[str, float] = {}
        self.steps: dict[str, int] = {}
        # By their plain names, which a later training of the run does not repeat.
        self.params: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        # What is made at the run's end of its last training, by phase.
        self.postponed: dict[str, Callable[[], None]] = {}
        self._causes: set[object] = set()

    def spend(self, phase: str, seconds: float) -> None:
        """Add to what a phase cost."""
        self.milliseconds[phase] = self.milliseconds.get(phase, 0.0) + seconds * 1000

    def count_fault(self, error: BaseException, place: str) -> bool:
        """Remember that something of ours went wrong; the first one with its text.

        Returns:
            Whether it is the first of its cause: a full disk fails everything that follows, in
            this run and in others.
        """
        self.fault_count += 1
        if not self.first_fault:
            self.first_fault = f"{place}: {type(error).__name__}: {error}"[:_MAX_TEXT]
        cause = _cause_of(error, place)
        known = _tallies.said_of_the_disk if isinstance(cause, int) else self._causes
        is_new = cause not in known
        known.add(cause)
        return is_new

    def conclude(self) -> None:
        """A training's record is complete; if nothing failed in it, the disk is well again."""
        if not self.fault_count:
            _tallies.said_of_the_disk.clear()

    def catch_up(self) -> None:
        """Make what was postponed to the run's end."""
        while self.postponed:
            self.postponed.popitem()[1]()

    def sums(self) -> dict[str, str]:
        """The sums as tags of the run."""
        phases = {phase: round(spent, 3) for phase, spent in tuple(self.milliseconds.items())}
        tags = {OVERHEAD_TAG: json.dumps({"total": round(sum(phases.values()), 3), **phases})}
        if self.fault_count:
            tags[FAULTS_TAG] = json.dumps({"count": self.fault_count, "first": self.first_fault})
        return tags


def _cause_of(error: BaseException, place: str) -> object:
    """What two faults have in common that have the same cause."""
    root: BaseException | None = error
    for _ in range(_MAX_CAUSES):
        if isinstance(root, FileNotFoundError | NotADirectoryError | ResourceDoesNotExist):
            return "gone"  # someone has removed the run
        if isinstance(root, OSError) and root.errno is not None:
            return root.errno
        root = root.__cause__ if root is not None else None
    if isinstance(error, TrackletException):
        return type(error)
    return type(error), _NUMBER.sub("", place)  # each round of a training is another place


# Whom a fault is charged to that is reported outside of the training that it belongs to.
_charged: ContextVar[Tally | None] = ContextVar("tracklet_tally", default=None)
keep_context(_charged)


@contextmanager
def charged(tally: Tally) -> Iterator[None]:
    """In this block reported faults count into this tally, whichever training goes on."""
    token = _charged.set(tally)
    try:
        yield
    finally:
        _charged.reset(token)


def charged_one() -> Tally | None:
    """The tally that faults are charged to here; None if none was named."""
    return _charged.get()


class _Tallies(ProcessState):
    """The tallies of runs, and what was said of the disk."""

    def begin(self) -> None:
        # Bounded, newest last; what is forgotten only starts to count anew.
        self.by_run: dict[str, Tally] = {}
        # What is wrong with the disk, by its number, that was said since the last record without
        # a fault.
        self.said_of_the_disk: set[object] = set()


_tallies = _Tallies()


def tally_of(run_id: str) -> Tally:
    """The tally of a run, from whichever thread."""
    kept = _tallies.by_run
    found = kept.pop(run_id, None) or Tally()
    while len(kept) >= _MAX_RUNS:
        kept.pop(next(iter(kept)), None)
    return kept.setdefault(run_id, found)


def forget(run_id: str) -> None:
    """Begin anew with the next training in a run."""
    _tallies.by_run.pop(run_id, None)


class Step:
    """In this block something may fail by itself; it is contained, and counted by the tally.

    A class and not a generator: what an interrupt breaks out of is left at once or never, and does
    not put back random states when its remains are collected at some later time.

    Args:
        tally: Gets the fault, and the time that the block took.
        label: The integration, for messages.
        phase: What is done.
        generators: NumPy generators whose states are to be as before, like the global ones.
        guarded: Whether who goes through several steps puts the global ones back.
    """

    __slots__ = ("_label", "_phase", "_random", "_started", "_suppressed", "_tally")

    def __init__(
        self,
        tally: Tally,
        label: str,
        phase: str,
        generators: Sequence[Any],
        guarded: bool = False,
    ) -> None:
        self._tally = tally
        self._label = label
        self._phase = phase
        self._started = perf_counter()
        self._suppressed = suppressed()
        is_safe = randomness.is_left_alone() or (guarded and not generators)
        self._random = None if is_safe else randomness.preserved(*generators)

    def __enter__(self) -> None:
        if self._random is not None:
            self._random.__enter__()
        self._suppressed.__enter__()

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> bool:
        try:
            if self._random is not None:
                self._random.__exit__()
            if error is None:
                # Here and not in the block, which no context manager can skip: a failure put in
                # here is contained where the block's own would be.
                checkpoint(f"step {self._phase}")
        except Exception as failure:  # noqa: BLE001 (contained below)
            error = failure
        finally:
            self._suppressed.__exit__()
            self._tally.spend(self._phase, perf_counter() - self._started)
        if not isinstance(error, Exception):
            return False
        with charged(self._tally):
            report(error, f"{self._label}: {self._phase}", self._label)
        return True
