"""What changed, as server-sent events: a page that hears of it asks again for what it shows."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tracklet.errors import TrackletException
from tracklet.reading.connection import Reader
from tracklet.stores.files import contents, layout
from tracklet_services.ui import rights
from tracklet_services.ui.place import LIMITS, Place

_LOOK: Final = 0.5
_ALIVE: Final = 30.0


def route(place: Place) -> Route:
    """``events?experiments=``: a line whenever something of these experiments changed."""
    streams = 0

    async def endpoint(request: Request) -> Response:
        nonlocal streams
        if streams >= LIMITS["streams"]:
            return Response(status_code=503)
        given = request.query_params.get("experiments", "")
        ids = list(dict.fromkeys(id_ for id_ in given.split(",") if id_))
        if not await place.run(all, (rights.may(request, "experiment", id_) for id_ in ids)):
            return Response(status_code=403)

        async def stream() -> AsyncIterator[str]:
            nonlocal streams
            streams += 1
            try:
                async for line in _changes(place, ids):
                    yield line
            finally:
                streams -= 1

        return StreamingResponse(stream(), media_type="text/event-stream")

    return Route("/api/ui/v1/events", endpoint, methods=["GET"])


async def _changes(place: Place, ids: Sequence[str]) -> AsyncIterator[str]:
    yield "retry: 2000\nevent: open\ndata:\n\n"
    known: Any = None
    quiet = 0.0
    while True:
        try:
            seen = await place.run(_signs, place, ids)
        except TrackletException:
            seen = known
        if known is not None and seen != known:
            quiet = 0.0
            yield "event: changed\ndata:\n\n"
        known = seen
        await asyncio.sleep(_LOOK)
        quiet += _LOOK
        if quiet >= _ALIVE:
            quiet = 0.0
            yield ":\n\n"


def _signs(place: Place, ids: Sequence[str]) -> Any:
    """What differs when something changed: runs, where those running are, models, and traces."""
    backend = getattr(place.client.store, "backend", None)
    in_files = hasattr(backend, "metric_file")

    def answer(reader: Reader) -> Any:
        mark = "?" if reader.dialect == "sqlite" else "%s"
        within = f" WHERE experiment_id IN ({', '.join([mark] * len(ids))})" if ids else ""
        runs = reader.rows(
            "SELECT count(*), max(id), max(end_time), "
            "sum(CASE status WHEN 'RUNNING' THEN 1 ELSE 0 END), "
            f"sum(CASE lifecycle_stage WHEN 'active' THEN 1 ELSE 0 END) FROM runs{within}",
            ids,
        )
        running = f"{within} {'AND' if ids else 'WHERE'} status = 'RUNNING'"
        points = reader.rows(
            "SELECT count(*), max(timestamp), sum(CAST(step AS DOUBLE PRECISION)) "
            f"FROM latest_metrics WHERE run IN (SELECT id FROM runs{running})",
            ids,
        )
        others = reader.rows("SELECT count(*), max(last_update_time) FROM experiments")
        models = [
            reader.rows(f"SELECT count(*), max(last_updated_timestamp) FROM {table}")
            for table in ("logged_models", "registered_models", "model_versions")
        ]
        # The index over folders has no traces; in a database an id is quicker to find than a count.
        traces = [] if in_files else reader.rows("SELECT max(id) FROM traces")
        return [list(map(tuple, rows)) for rows in (runs, points, others, *models, traces)]

    signs = place.ask(answer)
    return [signs, _folders(backend.root, ids)] if in_files and backend is not None else signs


def _folders(root: str, ids: Sequence[str]) -> list[int]:
    """When a trace last came into, or left, each of some experiments' folders, ns."""
    found: list[int] = []
    homes = [f"{root}/{os.path.basename(id_)}" for id_ in ids] if ids else contents.folders(root)
    for home in homes:
        with contextlib.suppress(OSError, ValueError):
            found.append(os.stat(f"{home}/{layout.TRACES}").st_mtime_ns)
    return found
