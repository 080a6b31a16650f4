"""Connections on which an answer can be due as a whole, and files go in blocks that are worth it.

A limit of a socket's is one of each read: who sends a byte a second holds a caller for minutes.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, connection

_BLOCK: Final = 1 << 18
"""How many bytes of a file are read and sent at once."""

_until: Final[ContextVar[float | None]] = ContextVar("until", default=None)


@contextmanager
def answered_by(moment: float) -> Iterator[None]:
    """What is read in this block of answers, heads too, times out at a moment of ``monotonic``."""
    token = _until.set(moment)
    try:
        yield
    finally:
        _until.reset(token)


class _Timely(io.RawIOBase):
    """What a socket receives, while it is not too late."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._patience = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        until = _until.get()
        patience = self._patience
        if until is not None:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            patience = left if patience is None else min(left, patience)
        self._sock.settimeout(patience)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_Timely(sock))


class HTTPConnection(connection.HTTPConnection):
    """A connection, by which name errors call it."""

    response_class = _Answer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.blocksize = _BLOCK


class HTTPSConnection(connection.HTTPSConnection):
    """A connection over TLS."""

    response_class = _Answer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.blocksize = _BLOCK


class _Pool(HTTPConnectionPool):
    ConnectionCls: Any = HTTPConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls: Any = HTTPSConnection


POOLS: Final = {"http": _Pool, "https": _SecurePool}
"""The pools of such connections, by scheme."""
