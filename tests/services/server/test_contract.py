"""A store behind our server keeps every sentence of the contract of a store."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tracklet.stores import open_store
from tracklet.testing import StoreContract

pytest.importorskip("urllib3", reason="the extra `remote` is not installed")


class _Server:
    """A server in a thread, whose application is exchanged from test to test."""

    def __init__(self) -> None:
        import uvicorn

        self.app: Any = None
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.uri = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        config = uvicorn.Config(self.answer, log_level="warning", lifespan="off", interface="asgi3")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],))
        self.thread.start()

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on."""
        await self.app(scope, receive, send)

    def stop(self) -> None:
        """End it."""
        self.server.should_exit = True
        self.thread.join(30)
        self.socket.close()


@pytest.fixture(scope="module")
def server() -> Iterator[_Server]:
    """One for all tests."""
    started = _Server()
    yield started
    started.stop()


class _Served(StoreContract):
    """What the protocol has no verb for is where the record is kept."""

    test_a_run_of_a_living_process_is_not_taken_over = None
    test_a_metric_is_given_another_history = None
    test_the_time_of_a_deletion_is_known = None
    test_a_purged_run_is_gone = None
    test_a_purged_experiment_is_gone = None
    test_a_deleted_model_is_hidden = None  # asks to purge it, too
    test_a_version_is_read_back = None  # no place of its own in storage
    test_the_registry_is_searched = None  # likewise
    test_a_deleted_experiment_takes_no_traces = None  # purges it, too
    test_a_trace_is_kept_once = None  # sent again it is kept once, and that is no error

    @pytest.fixture(autouse=True)
    def _server(self, server: _Server, place: str) -> None:
        from tracklet_services.server import create_app

        server.app, self.uri = create_app(open_store(place)), server.uri

    def make_store(self, tmp_path: Any) -> Any:
        from tracklet.stores.rest import RestStore

        return RestStore(self.uri)


class TestServedFolder(_Served):
    """The server's record is a folder."""

    @pytest.fixture
    def place(self, tmp_path: Any) -> str:
        """The record."""
        return str(tmp_path / "mlruns")


class TestServedDatabase(_Served):
    """The server's record is a database."""

    @pytest.fixture
    def place(self, tmp_path: Any) -> str:
        """The record."""
        return f"sqlite:///{tmp_path}/record.db"
