"""Clients that take their time, over real connections."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

uvicorn: Any = pytest.importorskip("uvicorn", reason="the extra `server` is not installed")
pytest.importorskip("starlette", reason="the extra `server` is not installed")

BEGUN = b"POST /api/2.0/mlflow/experiments/create HTTP/1.1\r\nHost: localhost\r\n"
WHOLE = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def port(tracklet_home: Path) -> Iterator[int]:
    """Where a server listens that waits a second for headers, and a fifth of one for a body."""
    from tracklet.stores import open_store
    from tracklet_services.server import create_app
    from tracklet_services.web.guard import Policy
    from tracklet_services.web.patience import Patient

    class Impatient(Patient):
        seconds = 1.0

    app = create_app(open_store(str(tracklet_home / "mlruns")), Policy(seconds=0.2))
    config = uvicorn.Config(app, http=Impatient, lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join(60)


def said(port: int, *pieces: bytes) -> bytes:
    """All that is answered until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_connection_that_says_nothing_is_closed(port: int) -> None:
    assert said(port) == b""


def test_headers_that_do_not_end_are_not_waited_for(port: int) -> None:
    assert said(port, BEGUN, b"X-Slow") == b""


def test_nor_are_those_of_a_second_request(port: int) -> None:
    answered = said(port, WHOLE, WHOLE, BEGUN)
    assert answered.count(b"200 OK") == 2


def test_a_body_that_does_not_come_is_answered(port: int) -> None:
    body = b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    answered = said(port, BEGUN, body)
    assert answered.startswith(b"HTTP/1.1 504 ")
    assert b"the body did not come within 0.2 seconds" in answered
