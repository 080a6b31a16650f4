"""Our server over a folder, in this process, and a proxy before it."""

from __future__ import annotations

import importlib.util
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tracklet
from tracklet.stores.files import FileStore

pytest.importorskip("starlette", reason="the extra `server` is not installed")
pytest.importorskip("urllib3", reason="the extra `remote` is not installed")


def _proxy() -> Any:
    spec: Any = importlib.util.spec_from_file_location(
        "proxy", Path(__file__).with_name("proxy.py")
    )
    module = sys.modules.setdefault("proxy", importlib.util.module_from_spec(spec))
    if not hasattr(module, "Proxy"):
        spec.loader.exec_module(module)
    return module


_proxy()  # for test modules, which import it by this name


@pytest.fixture
def kept(tmp_path: Path) -> FileStore:
    """The record that the server keeps, seen from behind it."""
    return FileStore(tmp_path / "kept")


@pytest.fixture
def record(kept: FileStore) -> str:
    """The URI of what the server keeps."""
    return str(kept.root)


class _Changing:
    """An application that is another one for each test."""

    app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


@pytest.fixture(scope="session")
def running() -> Iterator[tuple[int, _Changing]]:
    """A server that runs for all tests: its port, and what it serves."""
    uvicorn = pytest.importorskip("uvicorn")
    served = _Changing()
    given = {"interface": "asgi3", "ws": "none", "lifespan": "off", "log_level": "warning"}
    config = uvicorn.Config(served, port=0, **given)
    running = uvicorn.Server(config)
    running.install_signal_handlers = lambda: None
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not running.started:
        assert time.monotonic() < until
        time.sleep(0.01)
    yield running.servers[0].sockets[0].getsockname()[1], served
    running.should_exit = True
    thread.join(10)


@pytest.fixture
def server(record: str, running: tuple[int, _Changing]) -> Iterator[int]:
    """The port of our server."""
    from tracklet.stores import open_store
    from tracklet_services.server import create_app

    port, served = running
    store = open_store(record)
    served.app = create_app(store)
    yield port
    store.close()


@pytest.fixture
def proxy(server: int) -> Iterator[Any]:
    """A proxy before the server."""
    made = _proxy().Proxy(server)
    yield made
    made.close()


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where this machine's spools are; nobody sends but who is told to."""
    for name, value in {
        "SPOOL_DIR": tmp_path / "spool",
        "CACHE_DIR": tmp_path / "cache",
        "SHIPPING": "off",
        "HTTP_REQUEST_BACKOFF_FACTOR": "0.01",
        "HTTP_REQUEST_MAX_RETRIES": "1",
    }.items():
        monkeypatch.setenv(f"TRACKLET_{name}", str(value))
    yield tmp_path / "spool"
    tracklet.set_tracking_uri(None)
