"""The pages and their API, as routes that an application serves."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, Final

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from tracklet_services.ui import api
from tracklet_services.ui.place import Place
from tracklet_services.ui.security import Pages

STATIC: Final = Path(__file__).parent / "static"
_FIRST: Final = ("pages/experiments.js", "pages/runs.js")


class _Kept(StaticFiles):
    """Files whose address holds their version: a browser need not ask for them twice."""

    def file_response(self, *given: Any, **options: Any) -> Response:
        response = super().file_response(*given, **options)
        response.headers["cache-control"] = "private, max-age=31536000, immutable"
        return response


def routes(place: Place) -> list[BaseRoute]:
    """The pages and their API, to be served alone or beside the tracking protocol."""
    version = _version()
    page = (STATIC / "index.html").read_text("utf-8").replace("{version}", version)
    preloads = "\n".join(
        f'<link rel="modulepreload" href="static/{version}/{name}">' for name in _modules()
    )
    page = page.replace("<!-- modules -->", preloads)

    async def index(request: Request) -> Response:
        return HTMLResponse(page)

    pages = [
        Route("/", index, methods=["GET"]),
        *api.routes(place),
        Mount(f"/static/{version}", _Kept(directory=STATIC), name="static"),
    ]
    return [Mount("", routes=pages, middleware=[Middleware(Pages)])]


def _version() -> str:
    """What changes whenever a static file does."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            status = path.stat()
            digest.update(f"{path}{status.st_mtime_ns}{status.st_size}".encode())
    return digest.hexdigest()[:12]


_IMPORT: Final = re.compile(r"""^(?:import|export)[^;]*?from\s+["'](\.[^"']+)["']""", re.M)


def _modules() -> list[str]:
    """The modules that the first view needs, by their static imports."""
    found: dict[str, None] = {}
    waiting = ["main.js", *_FIRST]
    while waiting:
        name = waiting.pop(0)
        if name in found:
            continue
        found[name] = None
        path = STATIC / name
        if not path.is_file():
            continue
        for other in _IMPORT.findall(path.read_text("utf-8")):
            target = (path.parent / other).resolve().relative_to(STATIC.resolve())
            waiting.append(target.as_posix())
    return list(found)
