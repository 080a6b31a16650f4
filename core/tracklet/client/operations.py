"""The answer of an asynchronous call.

Records are with the operating system when a call returns, so there is nothing left to wait for;
the object keeps scripts working that were written for a queue. It is made by the asynchronous
variants (``synchronous=False``) and carries the error that the call would have raised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tracklet import settings


class RunOperations:
    """One or more recorded operations; ``wait`` raises what went wrong in them."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    @classmethod
    def of(cls, operation: Callable[[], Any]) -> RunOperations:
        """Carry an operation out and keep its error for :meth:`wait`."""
        try:
            operation()
        except Exception as error:  # noqa: BLE001 - raised by wait, where the caller asks for it
            return cls(error)
        return cls()

    def wait(self) -> None:
        """Return when the operations are recorded.

        Raises:
            Exception: What the synchronous call would have raised.
        """
        if self._error is not None:
            raise self._error


def carried_out(operation: Callable[[], Any], synchronous: bool | None) -> RunOperations | None:
    """Carry an operation out; if it is asked for asynchronously, answer with a waitable.

    Args:
        operation: What to do.
        synchronous: Whether errors are raised here; None leaves it to ``ENABLE_ASYNC_LOGGING``.
    """
    if synchronous is None:
        synchronous = not settings.flag("ENABLE_ASYNC_LOGGING")
    if synchronous:
        operation()
        return None
    return RunOperations.of(operation)
