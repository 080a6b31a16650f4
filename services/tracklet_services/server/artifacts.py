"""Artifacts over HTTP: bytes up and down, folders, deletion; each path through one resolver."""

from __future__ import annotations

import errno
import mimetypes
from collections.abc import AsyncIterator, Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from tracklet.entities import FileInfo
from tracklet.errors import (
    InvalidParameterValue,
    ResourceDoesNotExist,
    StorageError,
    brief,
)
from tracklet.record.traces import spans_json, spans_of
from tracklet_services.server import old_traces, otlp, replies
from tracklet_services.server.direct import SECONDS, Begin, End, Parts, named, objects
from tracklet_services.server.places import Place, checked
from tracklet_services.server.protocol import refuse
from tracklet_services.server.table import Part, Right
from tracklet_services.web.guard import TooLarge, body

SPANS: Final = "traces.json"
_OLD_CLIENTS: Final = ("mlflow-python-client/1.", "mlflow-python-client/2.")
_CHUNK: Final = 1 << 20
_IN_THE_WAY: Final = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG)


class _Bytes(FileResponse):
    """A file, which no browser shows as a page of ours."""

    chunk_size = _CHUNK


class Artifacts(Part):
    """The routes of files."""

    @cached_property
    def _parts(self) -> Parts:
        return Parts()

    def routes(self) -> list[Route]:
        """Where they are."""
        routes: list[Route] = []
        for api in ("/api", "/ajax-api"):
            at = f"{api}/2.0/mlflow-artifacts/artifacts"
            routes += [
                Route(at, handler(self.list), methods=["GET"]),
                Route(f"{at}/{{path:path}}", handler(self.get), methods=["GET"]),
                Route(f"{at}/{{path:path}}", handler(self.put), methods=["PUT"]),
                Route(f"{at}/{{path:path}}", handler(self.delete), methods=["DELETE"]),
                Route(
                    f"{api}/2.0/mlflow/logged-models/{{model_id}}/artifacts/files",
                    handler(self.of_model),
                    methods=["GET"],
                ),
            ]
            for step in ("create", "complete", "abort"):
                at = f"{api}/2.0/mlflow-artifacts/mpu/{step}/{{path:path}}"
                routes.append(Route(at, handler(self._step(step)), methods=["POST"]))
            at = f"{api}/2.0/mlflow-artifacts/presigned/{{path:path}}"
            routes.append(Route(at, handler(self.signed), methods=["GET"]))
        routes += [
            Route("/get-artifact", handler(self.of_run), methods=["GET"]),
            Route("/model-versions/get-artifact", handler(self.of_version), methods=["GET"]),
            Route(
                "/ajax-api/2.0/mlflow/get-trace-artifact",
                handler(self.of_trace),
                methods=["GET"],
            ),
        ]
        return routes

    def _allowed(self, request: Request, right: Right, place: Place) -> Place:
        """The same place, if the caller has this right there."""
        if self.authority is not None:
            caller = request.scope.get("tracklet.caller")
            self.authority.require(caller, right, "experiment", place.experiment_id)
        return place

    async def _do(self, call: Callable[[], Any]) -> Any:
        return await self.workers.run(call)

    # -- the proxy -----------------------------------------------------------------------------

    async def list(self, request: Request) -> Response:
        """A folder; nothing for what is not there."""
        path = request.query_params.get("path", "")

        def found() -> bytes:
            place = self._allowed(request, "read", self.served.places.find(path))
            if place.kind == "trace":
                spans = self.served.store.traces.get_trace(place.key).data.spans
                size = len(spans_json(spans)[0])
                files = [replies.file(FileInfo(SPANS, False, size))]
                return msgspec.json.encode(replies.Files(files=[] if place.path else files))
            infos = place.files.list(place.path or None)
            files = [replies.file(info) for info in infos]
            for file in files:
                file.path = file.path.rpartition("/")[2]
            return msgspec.json.encode(replies.Files(files=files))

        return _json(await self._do(found))

    async def get(self, request: Request) -> Response:
        """A file, or a range of it."""
        return await self._answer(request, lambda: self.served.places.find(_path(request)))

    async def put(self, request: Request) -> Response:
        """Store a file, whole or not at all."""
        place = await self._do(
            lambda: self._allowed(request, "log", self.served.places.find(_path(request)))
        )
        announced = request.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self.policy.file_bytes:
            raise TooLarge(f"a file may have {self.policy.file_bytes} bytes")
        if place.kind == "trace":
            await self._put_spans(place, request)
        elif not place.path:
            raise InvalidParameterValue("a file needs a name below the artifacts, as 'notes.txt'")
        else:
            await self._write(place, request)
        return JSONResponse({})

    async def _write(self, place: Place, request: Request) -> None:
        writing = place.files.writing(place.path)
        file = await self._do(writing.__enter__)
        try:
            length = 0
            async for chunk in _chunks(request):
                length += len(chunk)
                if length > self.policy.file_bytes:
                    raise TooLarge(f"a file may have {self.policy.file_bytes} bytes")
                await self._do(lambda chunk=chunk: file.write(chunk))
        except BaseException as error:
            kind, trace = type(error), error.__traceback__
            if not writing.__exit__(kind, error, trace):
                raise
        else:
            await self._do(lambda: writing.__exit__(None, None, None))

    async def _put_spans(self, place: Place, request: Request) -> None:
        if place.path != SPANS:
            raise InvalidParameterValue(f"of a trace, {SPANS} is kept; got {brief(place.path)}")
        content = bytearray()
        async for chunk in _chunks(request):
            content += chunk
            if len(content) > self.policy.body_bytes:
                raise TooLarge(f"the spans of a trace may have {self.policy.body_bytes} bytes")

        def keep() -> None:
            try:
                spans = otlp.timed(spans_of(bytes(content)))
            except (*otlp.WRONG, RecursionError) as error:
                raise InvalidParameterValue(f"these are no spans: {error!r}") from error
            self.served.store.traces.log_spans(place.key, spans)

        await self._do(keep)

    async def delete(self, request: Request) -> Response:
        """Remove a file or a folder; nothing there is no error."""

        def gone() -> None:
            found = self.served.places.find(_path(request))
            place = self._allowed(request, "admin", found)
            if place.kind == "trace":
                raise InvalidParameterValue("the spans of a trace go with it: delete-traces")
            place.files.delete(place.path)

        await self._do(gone)
        return JSONResponse({})

    def _step(self, step: str) -> Callable[[Request], Any]:
        kind = Begin if step == "create" else End

        async def in_parts(request: Request) -> Response:
            """A step of an upload in parts, which go to the object store itself."""
            folder = await self._do(
                lambda: self._allowed(request, "log", self.served.places.find(_path(request)))
            )
            content = await body(request.receive, request.scope, self.policy)
            try:
                asked: Any = msgspec.json.decode(content, type=kind)
            except (msgspec.MsgspecError, RecursionError, ValueError) as error:
                raise InvalidParameterValue(f"the request cannot be read: {error}") from error
            below = checked("/".join(filter(None, (folder.path, named(asked.path)))))
            place = folder._replace(path=below)

            def done() -> Any:
                if step == "create":
                    return self._parts.begin(place, asked.num_parts)
                (self._parts.complete if step == "complete" else self._parts.abort)(place, asked)
                return {}

            return _json(msgspec.json.encode(await self._do(done)))

        return in_parts

    async def signed(self, request: Request) -> Response:
        """A URL by which a file is fetched from the object store that it is in.

        Without a size, which clients take as their word to fetch it here, for one that is in none.
        """

        def found() -> dict[str, Any]:
            place = self.served.places.find(_path(request))
            self._allowed(request, "read", place)
            files = objects(place)
            if files is None:
                here = str(request.url).replace("/presigned/", "/artifacts/", 1)
                return {"url": here, "headers": {}}
            if not place.path:
                raise ResourceDoesNotExist("there is no artifact without a name")
            size = files.size(place.path)
            return {"url": files.signed(place.path, SECONDS), "headers": {}, "file_size": size}

        return _json(msgspec.json.encode(await self._do(found)))

    # -- by what they are of -------------------------------------------------------------------

    async def of_run(self, request: Request) -> Response:
        """A file of a run."""
        asked = request.query_params
        run_id = asked.get("run_id") or asked.get("run_uuid") or ""
        return await self._answer(
            request, lambda: self.served.places.of_run(run_id, asked.get("path", ""))
        )

    async def of_model(self, request: Request) -> Response:
        """A file of a logged model."""
        model_id = request.path_params["model_id"]
        path = request.query_params.get("artifact_file_path", "")
        return await self._answer(request, lambda: self.served.places.of_model(model_id, path))

    async def of_version(self, request: Request) -> Response:
        """A file of a model version."""
        asked = request.query_params

        def found() -> Place:
            version = self.served.store.get_model_version(
                asked.get("name", ""), asked.get("version", "")
            )
            return self.served.places.of_version(version, asked.get("path", ""))

        return await self._answer(request, found)

    async def of_trace(self, request: Request) -> Response:
        """The spans of a trace."""
        trace_id = request.query_params.get("request_id", "")
        return await self._answer(
            request,
            lambda: self.served.places.of_trace(trace_id, request.query_params.get("path", SPANS)),
        )

    async def _answer(self, request: Request, find: Callable[[], Place]) -> Response:
        is_old = request.headers.get("user-agent", "").startswith(_OLD_CLIENTS)
        return await self._do(lambda: self._bytes(self._allowed(request, "read", find()), is_old))

    def _bytes(self, place: Place, is_old: bool) -> Response:
        if place.kind == "trace":
            spans = self.served.store.traces.get_trace(place.key).data.spans
            if place.path != SPANS or not spans:
                raise ResourceDoesNotExist(f"there is no artifact {brief(place.path)}")
            content = old_traces.spans(spans) if is_old else spans_json(spans)[0]
            return Response(content, media_type="application/json")
        files = place.files
        local, task = files.local_path(place.path), None
        if local is None:
            if not place.path or files.list(place.path):  # a folder, of any size
                raise ResourceDoesNotExist(f"there is no artifact {brief(place.path)}")
            import tempfile

            scratch = tempfile.TemporaryDirectory(prefix="tracklet-")
            task = BackgroundTask(scratch.cleanup)
            try:
                local = files.fetch(place.path, Path(scratch.name))
            except BaseException:
                scratch.cleanup()
                raise
        if not place.path or not local.is_file():
            raise ResourceDoesNotExist(f"there is no artifact {brief(place.path)}")
        kind = mimetypes.guess_type(local.name)[0] or "application/octet-stream"
        return _Bytes(local, filename=local.name, media_type=kind, background=task)


def handler(call: Callable[[Request], Any]) -> Callable[..., Any]:
    """A route's endpoint, whose errors are answered as the protocol's are."""

    async def endpoint(request: Request) -> Response:
        try:
            return await call(request)
        except (ClientDisconnect, ConnectionAbortedError):
            return Response(status_code=499)
        except Exception as error:  # noqa: BLE001 - the server goes on, and says what it can
            cause = error.__cause__ if isinstance(error, StorageError) else error
            if isinstance(cause, OSError) and cause.errno in _IN_THE_WAY:
                error = InvalidParameterValue(
                    "nothing can be there: a file or folder is in the way"
                )
            return Refusal(error)

    return endpoint


class Refusal(Response):
    """An error as an answer."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it."""
        await refuse(self._error, send)


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")


def _path(request: Request) -> str:
    return request.path_params["path"]


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    """A body in pieces that are worth a write."""
    pending: list[bytes] = []
    length = 0
    async for chunk in request.stream():
        pending.append(chunk)
        length += len(chunk)
        if length >= _CHUNK:
            yield b"".join(pending)
            pending, length = [], 0
    if length:
        yield b"".join(pending)
