"""A TCP proxy between a client and a server, which does what networks do."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any


class Proxy:
    """Passes connections on, unless it is told otherwise.

    Attributes:
        mode: ``pass``, ``refuse``, ``hang``, ``reset``, ``slow``, ``swallow``, ``cut``, which
            passes on half of an answer, or the bytes to answer with.
        patience: For how many seconds it hangs.
        pause: How many seconds pass between two bytes when it is slow.
        answers: What is answered to requests that have some bytes in them, by those.
        swallowed: Of which request, counted from 0, or of the first with which bytes, the answer is
            lost; None of no one's.
        requests: How many there were, that were passed on.
        afflicted: To which requests, counted from 0, the mode applies.
        spoil: What becomes of an answer.
    """

    def __init__(self, port: int) -> None:
        self.mode: str | bytes = "pass"
        self.patience, self.pause = 1.0, 0.02
        self.answers: dict[bytes, bytes] = {}
        self.swallowed: int | bytes | None = None
        self.requests = 0
        self.afflicted: Callable[[int], bool] = lambda number: True
        self.spoil: Callable[[bytes], bytes] = lambda answer: answer
        self._asked = itertools.count()
        self._port = port
        self._open: set[socket.socket] = set()
        self._dropped = threading.Event()
        self.port = 0
        self.listen()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def listen(self) -> None:
        """Be there, also after :meth:`close`, where it was."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Be gone: connections are refused."""
        # Whoever accepts gets to know of it only so.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()

    def drop(self) -> None:
        """Break all connections."""
        self._dropped.set()
        self._dropped = threading.Event()
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._open.add(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        upstream = None
        with suppress(OSError):
            reader = client.makefile("rb")
            while True:
                request = _message(reader)
                mode = self.mode if self.afflicted(next(self._asked)) else "pass"
                if not request or not self._is_passed_on(client, request, mode):
                    break
                number, self.requests = self.requests, self.requests + 1
                if upstream is None:
                    upstream = socket.create_connection(("127.0.0.1", self._port))
                    self._open.add(upstream)
                    answers = upstream.makefile("rb")
                upstream.sendall(request)
                answer = self.spoil(_message(answers))
                if isinstance(self.swallowed, bytes) and self.swallowed in request:
                    self.swallowed = number
                if mode == "cut":
                    head, end, body = answer.partition(b"\r\n\r\n")
                    client.sendall(head + end + body[: len(body) // 2] if body else b"")
                    break
                if mode == "swallow" or number == self.swallowed:
                    break
                client.sendall(answer)
        for each in (client, upstream):
            if each is not None:
                self._open.discard(each)
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()

    def _is_passed_on(self, client: socket.socket, request: bytes, mode: str | bytes) -> bool:
        mode = next((self.answers[each] for each in self.answers if each in request), mode)
        if isinstance(mode, bytes):
            client.sendall(mode)
            return False
        if mode == "reset":
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
            return False
        if mode == "refuse":
            return False
        if mode == "hang":
            self._dropped.wait(self.patience)
            return False
        if mode == "slow":
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}":
                client.sendall(bytes([byte]))
                self._dropped.wait(self.pause)
            return False
        return True


def _message(reader: Any) -> bytes:
    """A whole request or answer."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = reader.readline()
        if not line:
            return b""
        head += line
    fields = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }
    if b"content-length" in fields:
        return head + reader.read(int(fields[b"content-length"]))
    if fields.get(b"transfer-encoding") == b"chunked":
        body = b""
        while True:
            size = reader.readline()
            body += size + reader.read(int(size, 16) + 2)
            if int(size, 16) == 0:
                return head + body
    return head


def answer(status: str, body: bytes = b"", **headers: str) -> bytes:
    """An answer in bytes."""
    fields = {"Content-Length": str(len(body)), "Connection": "close", **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body
