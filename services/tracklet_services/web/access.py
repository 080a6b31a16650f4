"""The access log: a line of JSON for each request."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from typing import IO

from tracklet_services.web.guard import App, Message, Receive, Scope, Send


class AccessLog:
    """An application whose requests are written down when they are answered.

    Args:
        app: The application.
        file: Where they are written, a line for each; standard output by default.
    """

    def __init__(self, app: App, file: IO[str] | None = None) -> None:
        self._app = app
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, length = time.perf_counter(), 0, 0

        async def counted(message: Message) -> None:
            nonlocal status, length
            status = message.get("status", status)
            length += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            caller = scope.get("tracklet.caller")
            line = {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "client": (scope.get("client") or ("",))[0],
                "user": getattr(caller, "name", None),
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "bytes": length,
                "ms": round((time.perf_counter() - began) * 1000, 1),
            }
            file = self._file or sys.stdout
            file.write(json.dumps(line) + "\n")
            file.flush()
