"""One piece of the work of recording: contained, timed, and leaving random numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

from tracklet.autolog import randomness
from tracklet.autolog.tally import Tally, charged
from tracklet.patching import checkpoint, report, suppressed


class Step:
    """In this block something may fail by itself; it is contained, and counted by the tally.

    A class and not a generator: what an interrupt breaks out of is left at once or never, and does
    not put back random states when its remains are collected at some later time.

    Args:
        tally: Gets the fault, and the time that the block took.
        label: The integration, for messages.
        phase: What is done.
        generators: NumPy generators whose states are to be as before, like the global ones.
    """

    __slots__ = ("_label", "_phase", "_random", "_started", "_suppressed", "_tally")

    def __init__(self, tally: Tally, label: str, phase: str, generators: Sequence[Any]) -> None:
        self._tally = tally
        self._label = label
        self._phase = phase
        self._started = perf_counter()
        self._suppressed = suppressed()
        self._random = randomness.preserved(*generators)

    def __enter__(self) -> None:
        self._random.__enter__()
        self._suppressed.__enter__()

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> bool:
        try:
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
