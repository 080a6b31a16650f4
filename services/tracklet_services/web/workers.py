"""Threads that do what blocks, so that a server goes on listening."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any

from tracklet.errors import TrackletException


class Busy(TrackletException):
    """All threads are at work, and enough requests wait for them."""

    code = "TEMPORARILY_UNAVAILABLE"


class Workers:
    """A few threads with a bounded number of waiting calls.

    They are daemons: a call that never ends does not keep the server from ending.

    Args:
        threads: How many calls run at the same time.
        waiting: How many more may wait.
    """

    def __init__(self, threads: int, waiting: int) -> None:
        self._size = threads
        self._room = threads + waiting
        self._queue: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._taken = 0
        self._started = 0

    async def run(self, call: Callable[[], Any]) -> Any:
        """What a call returns, in one of the threads.

        Raises:
            Busy: There is no room; nothing was started.
        """
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._taken >= self._room:
                raise Busy("the server is busy; try again later")
            self._taken += 1
            start = self._started < min(self._size, self._taken)
            self._started += start
        if start:
            threading.Thread(target=self._work, daemon=True, name="tracklet-worker").start()
        future: asyncio.Future[Any] = loop.create_future()
        self._queue.put((loop, future, call))
        return await future

    def _work(self) -> None:
        while True:
            loop, future, call = self._queue.get()
            value, error = None, None
            try:
                if not future.cancelled():
                    value = call()
            except BaseException as caught:  # noqa: BLE001 - the thread lives on; who waits gets it
                error = caught
            finally:
                with self._lock:
                    self._taken -= 1
            with contextlib.suppress(RuntimeError):  # its loop has ended
                loop.call_soon_threadsafe(_settle, future, value, error)


def _settle(future: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)
    elif isinstance(error, StopIteration | KeyboardInterrupt | SystemExit):
        future.set_exception(RuntimeError(f"{type(error).__name__} in a worker"))
    else:
        future.set_exception(error)
