"""What the trainings in one run have cost and what went wrong in them, added up.

Several trainings may record into one run of the user's, and work in the background goes on after
the run was ended; all of them count into the run's one tally.
"""

from __future__ import annotations

import json
from typing import Final

OVERHEAD_TAG: Final = "tracklet.overhead_ms"
FAULTS_TAG: Final = "tracklet.faults"

_MAX_RUNS: Final = 256
_MAX_TEXT: Final = 1000


class Tally:
    """The sums of one run."""

    __slots__ = ("fault_count", "first_fault", "fits", "milliseconds", "steps")

    def __init__(self) -> None:
        self.fits = 0
        self.fault_count = 0
        self.first_fault = ""
        self.milliseconds: dict[str, float] = {}
        self.steps: dict[str, int] = {}

    def spend(self, phase: str, seconds: float) -> None:
        """Add to what a phase cost."""
        self.milliseconds[phase] = self.milliseconds.get(phase, 0.0) + seconds * 1000

    def count_fault(self, error: BaseException, place: str) -> None:
        """Remember that something of ours went wrong; the first one with its text."""
        self.fault_count += 1
        if not self.first_fault:
            self.first_fault = f"{place}: {type(error).__name__}: {error}"[:_MAX_TEXT]

    def tags(self) -> dict[str, str]:
        """The sums as tags of the run."""
        phases = {phase: round(spent, 3) for phase, spent in tuple(self.milliseconds.items())}
        tags = {OVERHEAD_TAG: json.dumps({"total": round(sum(phases.values()), 3), **phases})}
        if self.fault_count:
            tags[FAULTS_TAG] = json.dumps({"count": self.fault_count, "first": self.first_fault})
        return tags


# Bounded, newest last; what is forgotten only starts to count anew.
_tallies: dict[str, Tally] = {}


def tally_of(run_id: str) -> Tally:
    """The tally of a run, from whichever thread."""
    found = _tallies.pop(run_id, None) or Tally()
    while len(_tallies) >= _MAX_RUNS:
        _tallies.pop(next(iter(_tallies)), None)
    return _tallies.setdefault(run_id, found)


def reset() -> None:
    """Forget all runs."""
    _tallies.clear()
