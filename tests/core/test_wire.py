"""What a request makes of the answers that servers, proxies and networks give."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tracklet.errors import (
    BadRequest,
    InvalidParameterValue,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
    RestException,
)
from tracklet.repositories import repository
from tracklet.wire import Server, Unreachable

Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture
def serve() -> Iterator[Callable[..., Any]]:
    """Start a server that gives these answers one after the other, and notes what it is asked."""
    started: list[ThreadingHTTPServer] = []

    def start(*answers: Answer) -> Any:
        left = list(answers)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                server.asked.append((self.path, dict(self.headers), self.rfile.read(length)))
                status, headers, body = left.pop(0) if len(left) > 1 else left[0]
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
                if "Content-Length" in headers:
                    self.close_connection = True

            do_GET = do_POST = do_PUT = answer  # noqa: N815

            def log_message(self, *arguments: Any) -> None:
                pass

        server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads, server.asked = True, []
        server.uri = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0.001")


def error(code: str, message: str, status: int) -> Answer:
    return status, {}, json.dumps({"error_code": code, "message": message}).encode()


FINE: Answer = (200, {}, b'{"a": 1}')


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("INVALID_PARAMETER_VALUE", 400, InvalidParameterValue),
        ("RESOURCE_DOES_NOT_EXIST", 404, ResourceDoesNotExist),
        ("RESOURCE_ALREADY_EXISTS", 400, ResourceAlreadyExists),
        ("PERMISSION_DENIED", 403, RestException),
    ],
)
def test_a_refusal_is_the_class_of_its_code_with_the_servers_message(
    serve: Callable[..., Any], code: str, status: int, kind: type
) -> None:
    server = serve(error(code, "as the server says", status))
    with pytest.raises(kind, match="as the server says") as caught:
        Server(server.uri).call("GET", "runs/get")
    assert caught.value.error_code == code
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_server_is_asked_again(serve: Callable[..., Any], status: int) -> None:
    busy: Answer = (status, {"Retry-After": "0"}, b"busy")
    server = serve(busy, busy, FINE)
    assert Server(server.uri).call("POST", "runs/search", {}) == {"a": 1}
    assert len(server.asked) == 3


def test_what_may_not_be_done_twice_is_asked_again_only_if_it_was_not_done(
    serve: Callable[..., Any],
) -> None:
    server = serve((503, {}, b""), (504, {}, b""), FINE)
    with pytest.raises(Unreachable) as caught:
        Server(server.uri).call("POST", "runs/create", {}, again=False)
    assert caught.value.carried_out
    assert len(server.asked) == 2


def test_a_page_in_the_place_of_an_answer_is_named(serve: Callable[..., Any]) -> None:
    server = serve((200, {"Content-Type": "text/html"}, b"<html>Log in</html>"))
    with pytest.raises(Unreachable, match=r"text/html.*Log in.*login page or proxy"):
        Server(server.uri).call("GET", "runs/get")


def test_an_answer_that_breaks_off_is_no_answer(serve: Callable[..., Any]) -> None:
    server = serve((200, {"Content-Length": "100"}, b'{"a": 1}'))
    with pytest.raises(Unreachable, match="broke off"):
        Server(server.uri).call("GET", "runs/get")


def test_nobody_there_is_said_with_the_place_and_was_not_carried_out() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(Unreachable, match=uri) as caught:
        Server(uri, limit=0.5).call("POST", "runs/create", {}, again=False)
    assert not caught.value.carried_out


def test_a_silent_server_is_waited_for_within_the_limit() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unreachable, match="timed out") as caught:
            Server(uri, limit=0.3).call("GET", "runs/get")
    assert caught.value.carried_out


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nX-Head: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 100000\r\n\r\n{",
    ],
    ids=["head", "body", "refusal"],
)
def test_a_server_that_answers_a_byte_at_a_time_is_waited_for_within_the_limit(
    start: bytes,
) -> None:
    """Each read is in time, and the whole would last for hours."""
    given_up = threading.Event()

    def dribble(listening: socket.socket) -> None:
        client, _ = listening.accept()
        with client, contextlib.suppress(OSError):
            client.recv(1 << 16)
            client.sendall(start)
            while not given_up.wait(0.02):
                client.sendall(b"a")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=dribble, args=(listening,), daemon=True)
        thread.start()
        server = Server(f"http://127.0.0.1:{listening.getsockname()[1]}", limit=0.4)
        with pytest.raises(Unreachable, match="timed out"):
            server.call("POST", "runs/create", {}, again=False)
        given_up.set()
        thread.join()


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (
            {"USERNAME": "ada", "PASSWORD": "l:ü"},
            "Basic " + base64.b64encode("ada:l:ü".encode()).decode(),
        ),
        ({"TOKEN": "t-1"}, "Bearer t-1"),
        ({}, None),
    ],
)
def test_credentials_of_the_options_are_sent(
    serve: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
    options: dict[str, str],
    sent: str | None,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in options.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    server = serve(FINE)
    Server(server.uri).call("GET", "runs/get")
    assert server.asked[0][1].get("Authorization") == sent


def test_a_login_in_the_place_is_sent_and_never_shown(serve: Callable[..., Any]) -> None:
    server = serve((404, {}, b""))
    asked = Server(server.uri.replace("//", "//ada:secret@"))
    assert "secret" not in asked.uri
    with pytest.raises(RestException) as caught:
        asked.call("GET", "runs/get")
    assert "secret" not in str(caught.value)
    assert server.asked[0][1]["Authorization"].startswith("Basic ")


@pytest.mark.parametrize("uri", ["http://", "ftp://x", "http:///path"])
def test_a_place_that_is_none_is_refused(uri: str) -> None:
    with pytest.raises(InvalidParameterValue, match="no place of a server"):
        Server(uri)


def test_options_that_contradict_one_another_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", "/x")
    with pytest.raises(InvalidParameterValue, match="contradict"):
        Server("https://127.0.0.1:1").call("GET", "runs/get")


def test_logins_go_to_the_tracking_server_alone(
    serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of a server lie at its own address, and those of data sets anywhere."""
    ours, other = serve((200, {}, b"{}")), serve((200, {}, b"{}"))
    login = "Basic " + base64.b64encode(b"ann:pw").decode()
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t-1")
    for tracking, sent in (
        (ours.uri, "Bearer t-1"),
        (ours.uri.replace("//", "//ann:pw@"), login),
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking)
        for place in ("mlflow-artifacts:/1", f"{ours.uri}/api/2.0/mlflow-artifacts/artifacts/1"):
            repository(place).fetch("f")
        for place in (f"{other.uri}/x", f"mlflow-artifacts://{other.uri[7:]}/x"):
            repository(place).fetch("f")
        assert {headers.get("Authorization") for _, headers, _ in ours.asked} == {sent}
        assert {headers.get("Authorization") for _, headers, _ in other.asked} == {None}
        ours.asked.clear()
    named = other.uri.replace("//", "//bob:pw@")
    repository(f"{named}/x").fetch("f")
    assert other.asked[-1][1]["Authorization"].startswith("Basic ")


def test_only_what_is_asked_for_is_redirected(serve: Callable[..., Any]) -> None:
    server = serve(FINE)
    moved = serve((302, {"Location": f"{server.uri}/elsewhere"}, b""))
    assert Server(moved.uri).call("GET", "runs/get") == {"a": 1}
    with pytest.raises(Unreachable):
        Server(moved.uri).call("POST", "runs/create", {}, again=False)
    assert [path for path, _, _ in server.asked] == ["/elsewhere"]


def test_a_file_that_grows_is_sent_as_long_as_was_said(
    serve: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve((200, {}, b""))
    file = tmp_path / "output.log"
    file.write_bytes(b"printed\n")
    whole, said = os.fstat, []

    def grown(descriptor: int) -> os.stat_result:
        found = whole(descriptor)
        if found.st_size == 8 and not said:
            said.append(found)
            with file.open("ab") as more:
                more.write(b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
        return found

    monkeypatch.setattr("tracklet.repositories.proxy.os.fstat", grown)
    place = repository(f"{server.uri}/api/2.0/mlflow-artifacts/artifacts/1")
    place.put_file(file)
    place.put_file(file)
    assert [len(body) for _, _, body in server.asked] == [8, file.stat().st_size]


def test_too_much_at_once_is_a_refusal_whoever_says_so(serve: Callable[..., Any]) -> None:
    server = serve((413, {"Content-Type": "text/html"}, b"<html>too large</html>"))
    with pytest.raises(BadRequest, match="too large"):
        Server(server.uri).call("POST", "runs/log-batch", {})
