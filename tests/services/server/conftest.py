"""A server over each kind of store, asked in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from functools import partialmethod
from json import dumps
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

import pytest

pytest.importorskip("starlette", reason="the extra `server` is not installed")
pytest.importorskip("msgspec", reason="the extra `server` is not installed")


class Answer:
    """What an application answered."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], content: bytes) -> None:
        self.status_code = status
        self.headers = {name.decode().lower(): value.decode() for name, value in headers}
        self.content = content
        self.text = content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The content, read as JSON."""
        return json.loads(self.content)


class Http:
    """Sends requests to an application in this process, as uvicorn would."""

    def __init__(self, app: Any, **headers: str) -> None:
        self.app = app
        self.headers = headers

    def request(
        self,
        method: str,
        target: str,
        *,
        params: Any = (),
        json: Any = None,
        content: bytes | Iterable[bytes] = b"",
        headers: Any = (),
    ) -> Answer:
        """Send a request; ``headers`` are added to, and replace, those of a local client."""
        path, _, query = target.partition("?")
        sent = {"host": "localhost:5000", **self.headers, **dict(headers)}
        if json is not None:
            content = dumps(json).encode()
            sent.setdefault("content-type", "application/json")
        if isinstance(content, bytes):
            sent.setdefault("content-length", str(len(content)))
            content = [content]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": (query or urlencode(params, doseq=True)).encode(),
            "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in sent.items()],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 5000),
        }
        return asyncio.run(self._sent(scope, iter(content)))

    async def _sent(self, scope: Any, chunks: Any) -> Answer:
        messages: list[Any] = []
        over = asyncio.Event()

        async def receive() -> Any:
            for chunk in chunks:
                return {"type": "http.request", "body": chunk, "more_body": True}
            if not scope.setdefault("tests.sent", False):
                scope["tests.sent"] = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await over.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            messages.append(message)

        await self.app(scope, receive, send)
        content = b"".join(message.get("body", b"") for message in messages[1:])
        return Answer(messages[0]["status"], messages[0]["headers"], content)

    get = partialmethod(request, "GET")
    post = partialmethod(request, "POST")
    put = partialmethod(request, "PUT")
    delete = partialmethod(request, "DELETE")


class Client:
    """Asks an application as MLflow's clients do."""

    def __init__(self, app: Any, **headers: str) -> None:
        self.http = Http(app, **headers)

    def post(self, verb: str, /, **body: Any) -> Any:
        """What a POST answers; anything but 200 fails."""
        return self._answer(self.raw("POST", verb, **body))

    def get(self, verb: str, /, **query: Any) -> Any:
        """What a GET answers; anything but 200 fails."""
        return self._answer(self.http.get(f"/api/2.0/mlflow/{verb}", params=query))

    def raw(self, method: str, verb: str, /, api: str = "2.0", **body: Any) -> Any:
        """The whole answer to a body."""
        return self.http.request(method, f"/api/{api}/mlflow/{verb}", json=body)

    def _answer(self, response: Any) -> Any:
        assert response.status_code == 200, response.text
        return response.json()

    def run(self, name: str = "a") -> tuple[str, str]:
        """A new experiment and a run in it."""
        experiment = self.post("experiments/create", name=name)["experiment_id"]
        run = self.post("runs/create", experiment_id=experiment, start_time=1000)["run"]
        return experiment, run["info"]["run_id"]


@pytest.fixture(params=["files", "sqlite"])
def store(request: pytest.FixtureRequest, tracklet_home: Path) -> Any:
    """A record in a folder, and one in a database."""
    from tracklet.stores import open_store

    if request.param == "sqlite":
        pytest.importorskip("sqlalchemy")
    folder = tracklet_home / "mlruns"
    uri = str(folder) if request.param == "files" else f"sqlite:///{tracklet_home}/record.db"
    return open_store(uri)


@pytest.fixture
def serve(store: Any) -> Callable[..., Client]:
    """A client of a server over the store, with these options."""

    def serve(policy: Any = None, **options: Any) -> Client:
        from tracklet_services.server import create_app

        return Client(create_app(store, policy, **options))

    return serve


@pytest.fixture
def client(serve: Callable[..., Client]) -> Client:
    """A client of a server over the store."""
    return serve()
