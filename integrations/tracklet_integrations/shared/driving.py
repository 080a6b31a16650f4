"""Who drives the training loop here: whoever wrote it out, or a trainer with a record of its own.

While a trainer drives, its own integration says what is recorded, and the rules of plain loops are
off: in this context (:mod:`contextvars`), also if a plain loop's run is open. Its integration says
so around what trains::

    with driven_by("lightning"):
        outcome = yield
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from tracklet.patching import keep_context

DRIVER: Final[ContextVar[str | None]] = ContextVar("tracklet_pytorch_driver", default=None)
"""The integration that records what is trained here; None in a plain loop."""

keep_context(DRIVER)


@contextmanager
def driven_by(name: str) -> Iterator[None]:
    """In this block a trainer drives, and nothing of a plain loop is recorded. Nests.

    Args:
        name: The integration that records instead.
    """
    token = DRIVER.set(name)
    try:
        yield
    finally:
        DRIVER.reset(token)
