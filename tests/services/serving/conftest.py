"""Models to serve, and a way to ask an application without a network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra `serve` is not installed")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def _ask(
    app: Any,
    body: Any = b"",
    content_type: str | None = "application/json",
    *,
    method: str = "POST",
    path: str = "/invocations",
    chunks: list[bytes] | None = None,
    host: str | None = None,
) -> Answer:
    """One request by the ASGI protocol; documents are sent as JSON."""
    if not isinstance(body, bytes):
        body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return asyncio.run(_asked(app, body, content_type, method, path, chunks, host))


async def _asked(
    app: Any,
    body: bytes,
    content_type: str | None = "application/json",
    method: str = "POST",
    path: str = "/invocations",
    chunks: list[bytes] | None = None,
    host: str | None = None,
) -> Answer:
    parts = chunks if chunks is not None else [body]
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": part, "more_body": at < len(parts) - 1}
        for at, part in enumerate(parts)
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop(0)
        await asyncio.sleep(3600)
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"content-type", content_type.encode())] if content_type is not None else []
    if host is not None:
        headers.append((b"host", host.encode()))
    if chunks is None:
        headers.append((b"content-length", str(len(body)).encode()))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("test", 80),
        "client": ("test", 1),
        "headers": headers,
        "state": {},
    }
    await app(scope, receive, send)
    start = next(message for message in sent if message["type"] == "http.response.start")
    found = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], found, b"".join(m.get("body", b"") for m in sent))


@pytest.fixture
def ask() -> Callable[..., Answer]:
    """Ask an application: ``ask(app, body, content_type)``."""
    return _ask


@pytest.fixture
def asked() -> Callable[..., Any]:
    """The same, to be awaited."""
    return _asked


@pytest.fixture
def app(tracklet_home: Path) -> Callable[..., Any]:
    """An application for a function, with a signature if one is given."""
    from tracklet import pyfunc
    from tracklet_services.serving import Limits, create_app

    def app(function: Any, signature: Any = None, allowed_hosts: Any = None, **limits: Any) -> Any:
        folder = tracklet_home / f"model-{len(list(tracklet_home.iterdir()))}"
        pyfunc.save_model(
            folder,
            python_model=function,
            signature=signature if signature is not None else False,
            pip_requirements=[],
        )
        model = pyfunc.load_model(folder)
        return create_app(model, Limits(**limits), allowed_hosts=allowed_hosts)

    return app
