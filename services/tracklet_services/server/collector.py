"""``/v1/traces``: spans of any OpenTelemetry exporter become traces of an experiment."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from tracklet.errors import InvalidParameterValue
from tracklet_services.server import otlp
from tracklet_services.server.protocol import in_time
from tracklet_services.server.table import Part
from tracklet_services.web import guard
from tracklet_services.web.errors import Unprocessable

EXPERIMENT_HEADER: Final = "x-mlflow-experiment-id"
_KINDS: Final = ("application/x-protobuf", "application/json")


class Collector(Part):
    """Keeps exported spans."""

    async def export(self, request: Request) -> Response:
        """Keep the spans of a request, which says the experiment in a header."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in _KINDS:
            raise InvalidParameterValue(f"an export is one of {', '.join(_KINDS)}; not {kind!r}")
        experiment_id = request.headers.get(EXPERIMENT_HEADER)
        if not experiment_id:
            raise Unprocessable(f"the header {EXPERIMENT_HEADER} says the experiment of the spans")
        bounds = replace(self.policy, body_bytes=min(self.policy.body_bytes, otlp.LONGEST))
        content = await guard.body(request.receive, request.scope, bounds)
        encoding = request.headers.get("content-encoding", "")

        def keep() -> None:
            if self.authority is not None:
                caller = request.scope.get("tracklet.caller")
                self.authority.require(caller, "log", "experiment", experiment_id)
            plain = otlp.inflated(content, encoding, bounds.body_bytes)
            for info, spans in otlp.traces_of(plain, kind, experiment_id):
                self.served.store.traces.put_trace(info, spans, guessed=True)

        async with in_time(self.policy.seconds):
            await self.workers.run(keep)
        return Response(b"{}" if kind == "application/json" else b"", media_type=kind)
