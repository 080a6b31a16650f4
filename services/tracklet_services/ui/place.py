"""The record that a UI shows: asked in a few threads, so that no search holds up the others."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import tracklet
from tracklet.entities import Span
from tracklet.errors import InvalidParameterValue
from tracklet.reading.connection import Reader

T = TypeVar("T")

LIMITS: Final = {
    "filter": 20_000,
    "columns": 200,
    "series": 500,
    "bins": 4_000,
    "preview_bytes": 2 << 20,
    "streams": 64,
    "zip_bytes": 8 << 30,
}
"""What one request may ask for."""

_THREADS: Final = 4
_ORDERS: Final = 16


class Place:
    """A record, and what is remembered of it between requests.

    Args:
        uri: Where it is; the one of the settings by default.
        read_only: Whether nothing may be changed through the UI.

    Attributes:
        last_trace: The trace that was opened last, and its spans by id: one looks at several.
    """

    def __init__(self, uri: str | None = None, *, read_only: bool = False) -> None:
        self.client = tracklet.TrackletClient(uri)
        self.read_only = read_only
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="tracklet-ui")
        self._orders: OrderedDict[str, Sequence[str]] = OrderedDict()
        self._lock = threading.Lock()
        self.last_trace: tuple[str, dict[str, Span]] = ("", {})

    @property
    def uri(self) -> str:
        """Where the record is."""
        return self.client.tracking_uri

    async def run(self, work: Callable[..., T], *given: Any) -> T:
        """What a function of the record answers, in a thread of the pool."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *given)

    def ask(self, question: Callable[[Reader], T]) -> T:
        """What somebody finds in the tables of the record.

        Raises:
            InvalidParameterValue: The record has none.
        """
        backend = getattr(self.client.store, "backend", None)
        try:
            if backend is not None:
                return backend.ask(question)
        except NotImplementedError:
            pass
        raise InvalidParameterValue(
            f"the UI shows folders and databases, and {self.uri} is neither; if it is a server, "
            "open its own address in the browser"
        )

    def keep_order(self, run_ids: Sequence[str]) -> str:
        """Remember the runs of a table, for the columns that are asked for later.

        The name is of no other process: a page outlives the one that it was given an order by.
        """
        name = os.urandom(6).hex()
        with self._lock:
            self._orders[name] = run_ids
            while len(self._orders) > _ORDERS:
                self._orders.popitem(last=False)
            return name

    def order(self, name: str) -> Sequence[str] | None:
        """The runs remembered under a name, if they still are."""
        with self._lock:
            return self._orders.get(name)

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
