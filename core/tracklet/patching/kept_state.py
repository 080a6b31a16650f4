"""What a watched call leaves as it was, even if an interrupt strikes inside our own code.

Ctrl-C may arrive between any two steps: in ``__enter__``, at the first instruction of
``__exit__``, before a ``finally``. So leaving a block is not enough to put state back. Whoever
keeps state for the time of a watched call says here how to take it down and how to put it back;
the outermost frame of ours does so when an exception that is no ``Exception`` leaves it.

An interrupt between that frame's first instruction and its ``captured()`` finds nothing changed
yet; one during ``put_back`` is the second within microseconds, and may leave a state as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from tracklet.patching import faults

Capture = Callable[[], Any]
"""Gives the state before the call. It is cheap: every watched call asks."""

Restore = Callable[[Any, BaseException], None]
"""Puts that state back after the interrupt, which is the second argument."""

_kept: list[tuple[Capture, Restore]] = []


def keep_state(capture: Capture, restore: Restore) -> None:
    """Have a state be after every watched call what it was before it."""
    _kept.append((capture, restore))


def keep_context(variable: ContextVar[Any]) -> None:
    """Have a variable, which has a default, be after every watched call what it was before it."""

    def restore(value: Any, interrupt: BaseException) -> None:
        # Not by a token: the block that holds it may not have come to make one.
        variable.set(value)

    keep_state(variable.get, restore)


def captured() -> list[tuple[Restore, Any]]:
    """The states now."""
    return [(restore, capture()) for capture, restore in _kept]


def put_back(states: list[tuple[Restore, Any]], interrupt: BaseException) -> None:
    """Restore the states; what fails is told to the log."""
    # The last one kept first, as blocks are left.
    for restore, state in reversed(states):
        try:
            restore(state, interrupt)
        except Exception as error:  # noqa: BLE001 (the user's interrupt goes first)
            faults.logger.debug("a state could not be put back", exc_info=error)
