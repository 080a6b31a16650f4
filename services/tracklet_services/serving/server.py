"""The application, what a request to it may cost, and how it is run."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracklet import lazy, settings
from tracklet.errors import BadRequest, InvalidParameterValue, TrackletException, brief
from tracklet.models import environment, pyfunc
from tracklet.models.pyfunc import PyFuncModel
from tracklet.models.pyfunc.enforcement import SchemaMismatch
from tracklet.models.trust import Trust
from tracklet_services import scoring
from tracklet_services.web import hosts
from tracklet_services.web.errors import shown
from tracklet_services.web.guard import Foreign, TooLarge, TooSlow
from tracklet_services.web.workers import Busy, Workers

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

_JSON: Final = "application/json"
_ARGUMENTS: Final = "TRACKLET_SERVING_ARGUMENTS"
_FRAMES: Final = 20
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a scoring server.

    Args:
        body_bytes: The longest body; longer ones get 413.
        seconds: From a request's first byte to its answer; then 504. A prediction that takes
            longer goes on, and its thread is busy until it ends.
        threads: Predictions at the same time.
        waiting: Requests that may wait for a thread; further ones get 503 and ``Retry-After``.
    """

    body_bytes: int = 16 << 20
    seconds: float = 60.0
    threads: int = 4
    waiting: int = 64

    def __post_init__(self) -> None:
        for name in ("body_bytes", "seconds", "threads"):
            if getattr(self, name) <= 0:
                raise InvalidParameterValue(f"{name} must be positive; got {getattr(self, name)}")
        if self.waiting < 0:
            raise InvalidParameterValue(f"waiting must not be negative; got {self.waiting}")

    @staticmethod
    def default_seconds() -> float:
        """``TRACKLET_`` or ``MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT``, or 60."""
        text = settings.option("SCORING_SERVER_REQUEST_TIMEOUT")
        try:
            return 60.0 if text is None else float(text)
        except ValueError:
            raise InvalidParameterValue(
                f"SCORING_SERVER_REQUEST_TIMEOUT must be a number of seconds; got {text!r}"
            ) from None


def create_app(
    model: PyFuncModel,
    limits: Limits | None = None,
    *,
    allowed_hosts: Sequence[str] | None = None,
) -> Starlette:
    """The ASGI application that answers for a loaded model.

    Routes: ``GET /ping``, ``GET /health``, ``GET /version``, ``POST /invocations``. There is no
    page of documentation and no schema to read.

    Args:
        limits: What a request may cost.
        allowed_hosts: Names that ``/invocations`` answers to as ``Host``, beside addresses, names
            without a dot and this machine's own; ``*`` stands for any text. By default those in
            ``TRACKLET_`` or ``MLFLOW_SERVER_ALLOWED_HOSTS``.

    Raises:
        MissingDependency: Starlette is not installed.
    """
    starlette = _imported("starlette.applications")
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect
    from starlette.responses import Response
    from starlette.routing import Route

    allowed = hosts.allowed_hosts(allowed_hosts)
    bounds = limits or Limits(seconds=Limits.default_seconds())
    workers = Workers(bounds.threads, bounds.waiting)

    async def alive(request: Request) -> Response:
        return Response("\n", media_type=_JSON)

    async def version(request: Request) -> Response:
        return Response(environment.own_version(), media_type="text/plain")

    async def invocations(request: Request) -> Response:
        try:
            _check_host(request, allowed)
            async with asyncio.timeout(bounds.seconds):
                body = await _body(request, bounds.body_bytes)
                kind = request.headers.get("content-type")
                answer = await workers.run(lambda: answered(model, body, kind))
            return Response(answer, media_type=_JSON)
        except ClientDisconnect:
            return Response(status_code=499)  # nobody is there to read it
        except TimeoutError:
            error: TrackletException = TooSlow(f"no answer within {bounds.seconds:g} seconds")
        except TrackletException as caught:
            error = caught
        except Exception:
            _logger.exception("a request failed in the server")
            error = TrackletException("the server failed; its log says why")
            return Response(_as_answer(error), 500, media_type=_JSON)
        status = _status_of(error)
        if status == 415:
            return Response(shown(error.message), status, media_type="text/plain")
        headers = {"retry-after": "1"} if isinstance(error, Busy) else None
        return Response(_as_answer(error), status, headers, _JSON)

    async def elsewhere(request: Request, error: HTTPException) -> Response:
        content = json.dumps({"detail": error.detail})
        return Response(content, error.status_code, error.headers, _JSON)

    return starlette.Starlette(
        routes=[
            Route("/ping", alive, methods=["GET"]),
            Route("/health", alive, methods=["GET"]),
            Route("/version", version, methods=["GET"]),
            Route("/invocations", invocations, methods=["POST"]),
        ],
        exception_handlers={HTTPException: elsewhere},
    )


def _check_host(request: Request, allowed: Sequence[str]) -> None:
    host = request.headers.get("host")
    if not hosts.is_allowed(host, allowed):
        raise Foreign(
            f"this server does not answer to the host {brief(host)}; whoever runs it may allow "
            "that name with --allowed-hosts"
        )


async def _body(request: Request, longest: int) -> bytes:
    announced = request.headers.get("content-length", "0")
    chunks: list[bytes] = []
    length = int(announced) if announced.isdigit() else 0
    if length <= longest:
        length = 0
        async for chunk in request.stream():
            chunks.append(chunk)
            length += len(chunk)
            if length > longest:
                break
    if length > longest:
        raise TooLarge(f"the body may have {longest} bytes; this one has more")
    return b"".join(chunks)


def answered(model: PyFuncModel, body: bytes, content_type: str | None) -> bytes:
    """The answer's body for a request's body.

    Raises:
        TrackletException: The request is malformed, does not fit the signature, or the model
            raised.
    """
    payload = scoring.parse(
        body,
        content_type,
        model.input_schema,
        hinted=model.hinted,
        records=model.takes_records,
    )
    try:
        predictions = model.predict(payload.data, payload.params)
    except Exception as error:
        if not isinstance(error, TrackletException):
            _logger.warning("the model raised:\n%s", _logged(error))
        raise _of_model(error) from error
    try:
        return scoring.answer_body(predictions, whole=payload.whole)
    except scoring.Unanswerable as error:
        _logger.error("%s", error)
        raise


def _logged(error: Exception) -> str:
    """An error with its traceback, as a log says it: what a request holds may be in its text."""
    frames = "".join(traceback.format_tb(error.__traceback__)[-_FRAMES:])
    return f"{frames}{type(error).__name__}: {brief(str(error))}"


def serve(
    model_uri: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 5000,
    processes: int = 1,
    limits: Limits | None = None,
    trust: Trust = None,
    allowed_hosts: Sequence[str] | None = None,
) -> None:
    """Serve a model until interrupted.

    Args:
        model_uri: Any model URI.
        host: The address to listen on; by default only this machine can ask.
        processes: How many processes answer, each with the model loaded.
        limits: What a request may cost.
        trust: As in :func:`tracklet.pyfunc.load_model`.
        allowed_hosts: As in :func:`create_app`.

    Raises:
        MissingDependency: Starlette or uvicorn is not installed.
        TrackletException: The model cannot be loaded.
    """
    uvicorn = _imported("uvicorn")
    bounds = limits or Limits(seconds=Limits.default_seconds())
    from tracklet_services.web.patience import Patient

    run = partial(
        uvicorn.run,
        host=host,
        port=port,
        http=Patient,
        log_level="warning",
        server_header=False,
    )
    if processes == 1:
        model = pyfunc.load_model(model_uri, trust=trust)
        run(create_app(model, bounds, allowed_hosts=allowed_hosts))
        return
    pyfunc.load_model(model_uri, trust=trust)  # what is wrong with it is said here, once
    arguments = {
        "model_uri": str(model_uri),
        "trust": trust if trust is None or isinstance(trust, bool) else list(trust),
        "allowed_hosts": hosts.allowed_hosts(allowed_hosts),
        "limits": {name: getattr(bounds, name) for name in Limits.__slots__},
    }
    os.environ[_ARGUMENTS] = json.dumps(arguments)  # for the processes that uvicorn starts
    try:
        run(f"{__name__}:_app_of_process", factory=True, workers=processes)
    finally:
        del os.environ[_ARGUMENTS]


def _app_of_process() -> Starlette:
    arguments = json.loads(os.environ[_ARGUMENTS])
    model = pyfunc.load_model(arguments["model_uri"], trust=arguments["trust"])
    limits = Limits(**arguments["limits"])
    return create_app(model, limits, allowed_hosts=arguments["allowed_hosts"])


def _imported(name: str) -> Any:
    library = name.partition(".")[0]
    return lazy.imported(name, library, purpose="the scoring server", extra="serve")


# -- errors as answers: one shape, and nothing of this machine in it -----------------------------


_STATUSES: Final = {
    scoring.UnsupportedMediaType: 415,
    scoring.Unanswerable: 500,
    TooLarge: 413,
    TooSlow: 504,
    Busy: 503,
    Foreign: 403,
}


def _status_of(error: TrackletException) -> int:
    """The HTTP status of an error's answer."""
    for kind, status in _STATUSES.items():
        if isinstance(error, kind):
            return status
    # What goes wrong in a model is its data's fault, as far as this server can tell.
    status = error.get_http_status_code()
    return status if status in (400, 500) and error.error_code != "INTERNAL_ERROR" else 400


def _as_answer(error: TrackletException) -> bytes:
    """The JSON body: MLflow's keys, a message without paths, never a stack trace."""
    schema = isinstance(error, SchemaMismatch)
    document: dict[str, Any] = {
        "error_code": error.error_code,
        "message": shown(error.message),
        "sqlstate": "KAM01" if schema else "KAM00",
        "error_class": "SCHEMA_ENFORCEMENT_FAILED" if schema else error.error_code,
    }
    return json.dumps(document).encode()


def _of_model(error: Exception) -> TrackletException:
    """What a model raised, as an error of the request."""
    if isinstance(error, TrackletException) and error.error_code == "INVALID_PARAMETER_VALUE":
        return error
    text = str(error).strip()
    first = text.splitlines()[0] if text else ""
    return BadRequest(f"the model cannot answer: {type(error).__name__}: {first}")
