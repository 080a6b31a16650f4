"""How long a connection may take to say what it wants, for which uvicorn has no limit."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.auto import AutoHTTPProtocol


class Patient(AutoHTTPProtocol):
    """A connection whose requests begin in time: their headers are whole, or it is closed.

    So nobody keeps connections for nothing by a byte now and then. A request that has begun is
    limited by the policy, and one that is awaited by uvicorn's ``timeout_keep_alive``.
    """

    seconds: ClassVar[float] = 30.0
    """From a connection's, or the last request's end, to the end of the headers."""

    cycle: Any
    loop: asyncio.AbstractEventLoop
    transport: Any
    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request."""
        super().connection_made(transport)
        self._look()

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request."""
        super().data_received(data)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop()
        super().connection_lost(exc)

    def _look(self) -> None:
        cycle: Any = self.cycle
        if cycle is not None and not cycle.response_complete:
            self._stop()
        elif self._limit is None:
            self._limit = self.loop.call_later(self.seconds, self.transport.close)

    def _stop(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
