"""The application: the protocol, the artifacts, and the routes that others add, behind one guard.

To add routes (a user interface, for example), give :func:`create_app` Starlette routes::

    app = create_app(store, routes=[Route("/ui", page), Mount("/static", StaticFiles(...))])

They come after the protocol's and are guarded as it is: only known hosts, no foreign pages,
security headers on every answer (a route that sends a header of its own keeps it, so a page
brings its own ``Content-Security-Policy``). A handler finds ``request.app.state.served`` (the
store, and where artifacts are for clients) and ``request.app.state.workers``, whose
``await workers.run(call)`` does what blocks in one of a few threads. Errors of
:mod:`tracklet.errors` that a handler raises are answered as the protocol's are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from tracklet.errors import TrackletException
from tracklet_services.server.artifacts import Artifacts, Refusal, handler
from tracklet_services.server.authority import Authority, Identified
from tracklet_services.server.collector import Collector
from tracklet_services.server.direct import Parts
from tracklet_services.server.openapi import description
from tracklet_services.server.places import Places
from tracklet_services.server.protocol import Protocol, UnknownEndpoint, spoken
from tracklet_services.server.table import Served
from tracklet_services.web.guard import Guard, Policy
from tracklet_services.web.workers import Workers

if TYPE_CHECKING:
    from tracklet.record import Store
    from tracklet_services.server.accounts import Accounts
    from tracklet_services.server.notifier import Notifier

SPOKEN: Final = "3.17.0"
"""The version of MLflow whose protocol this is: clients ask for it, to know what they can do."""


def create_app(
    store: Store,
    policy: Policy | None = None,
    *,
    routes: Sequence[BaseRoute] = (),
    prefix: str = "",
    threads: int = 8,
    accounts: Accounts | None = None,
    knows_rights: bool = False,
    notifier: Notifier | None = None,
    destination: str | None = None,
) -> Guard:
    """The ASGI application of a server over a store.

    Args:
        store: The record.
        policy: Whom it answers to, and what a request may cost.
        routes: Further routes, as the module says.
        prefix: What stands before every path, such as ``/tracking``.
        threads: How many calls of the store may be under way.
        accounts: The users; without them everybody may do everything. With them, further routes
            are for administrators, unless
        knows_rights: these routes ask for rights themselves.
        notifier: Who tells webhooks; without one there are none.
        destination: The place in an object store for artifacts of new experiments.
    """
    bounds = policy or Policy()
    served = Served(store, Places(store, destination), accounts, notifier=notifier)
    workers = Workers(threads, 4096)
    authority = None if accounts is None else Authority(accounts, served)
    protocol = Protocol(served, workers, bounds, authority)

    async def health(request: Request) -> Response:
        return PlainTextResponse("OK")

    async def version(request: Request) -> Response:
        return PlainTextResponse(SPOKEN)

    async def info(request: Request) -> Response:
        return JSONResponse(_info(served))

    async def openapi(request: Request) -> Response:
        return JSONResponse(description(*spoken(served)))

    own: list[BaseRoute] = [
        Route("/health", health, methods=["GET"]),
        Route("/version", version, methods=["GET"]),
        Route("/openapi.json", openapi, methods=["GET"]),
        Route(
            "/v1/traces",
            handler(Collector(served, workers, bounds, authority).export),
            methods=["POST"],
        ),
        *Artifacts(served, workers, bounds, authority).routes(),
    ]
    for api in ("/api", "/ajax-api"):
        own.append(Route(f"{api}/3.0/mlflow/server-info", info, methods=["GET"]))
        own.append(Route(f"{api}/{{version}}/mlflow/{{verb:path}}", protocol))
    every = [*own, *routes]
    app = Starlette(
        routes=[Mount(prefix, routes=every)] if prefix else every,
        exception_handlers={404: _unknown, 405: _unknown, TrackletException: _refused},
    )
    app.state.served, app.state.workers = served, workers
    if accounts is not None:
        return Guard(Identified(app, accounts, workers, prefix, knows_rights), bounds)
    return Guard(app, bounds)


async def _unknown(request: Request, error: Exception) -> Response:
    return Refusal(UnknownEndpoint("this server has no such endpoint"))


async def _refused(request: Request, error: Exception) -> Response:
    return Refusal(error)


def _info(served: Served) -> dict[str, Any]:
    from tracklet.models import environment

    destination = served.places.destination
    return {
        "store_type": type(served.store).__name__,
        "workspaces_enabled": False,
        "trace_archival_enabled": False,
        "multipart_uploads_enabled": Parts.are_possible(destination),
        "multipart_downloads_enabled": destination is not None,
        "presigned_upload_run_id_supported": True,
        "presigned_upload_model_id_supported": True,
        "tracklet_version": environment.own_version(),
    }
