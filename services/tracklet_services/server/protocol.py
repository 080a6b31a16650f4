"""The protocol's verbs over HTTP: a request is found in the table, decoded, done in a thread."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_origin
from urllib.parse import parse_qs

import msgspec

from tracklet.errors import InvalidParameterValue, InvalidState, TrackletException
from tracklet_services.server import (
    direct,
    experiments,
    models,
    old_traces,
    registry,
    runs,
    traces,
    users,
    webhooks,
)
from tracklet_services.server.table import Endpoint, Part, Served
from tracklet_services.web import guard
from tracklet_services.web.errors import Unprocessable, shown
from tracklet_services.web.guard import Foreign, Receive, Scope, Send, TooLarge, TooSlow
from tracklet_services.web.workers import Busy

if TYPE_CHECKING:
    from tracklet_services.server.accounts import Caller

ENDPOINTS: Final = (
    *experiments.ENDPOINTS,
    *runs.ENDPOINTS,
    *models.ENDPOINTS,
    *registry.ENDPOINTS,
    *traces.ENDPOINTS,
    *old_traces.ENDPOINTS,
    *direct.ENDPOINTS,
)


def spoken(served: Served) -> tuple[Endpoint, ...]:
    """The endpoints that a server has."""
    own = () if served.accounts is None else users.ENDPOINTS
    told = () if served.notifier is None else webhooks.ENDPOINTS
    return (*ENDPOINTS, *own, *told)


_NOT_KEPT: Final = {
    "datasets": "evaluation datasets",
    "gateway": "gateways",
    "issues": "issues",
    "label-schemas": "label schemas",
    "prompt-optimization": "prompt optimizations",
    "review-queues": "review queues",
    "roles": "roles; permissions are granted to users",
    "scorers": "scorers",
    "workspaces": "workspaces",
}
"""What MLflow's own server has besides, by the first part of its paths."""

_JSON: Final = b"application/json"
_MOST_FIELDS: Final = 10_000
_STATUSES: Final = {TooLarge: 413, Foreign: 403, Unprocessable: 422}
_logger = logging.getLogger(__name__)


class UnknownEndpoint(TrackletException):
    """The protocol has no such verb."""

    code = "ENDPOINT_NOT_FOUND"


class _Decoded(NamedTuple):
    """An endpoint with what reads its requests: whole, or in parts that nothing is made of yet."""

    endpoint: Endpoint
    decoder: msgspec.json.Decoder[Any]
    parts: msgspec.json.Decoder[Any]
    lists: frozenset[str]


@dataclass(eq=False)
class Protocol(Part):
    """The application of the protocol's verbs, below ``/api/<version>/mlflow/``."""

    def __post_init__(self) -> None:
        self._plain: dict[tuple[str, str], dict[str, _Decoded]] = {}
        self._others: list[tuple[str, re.Pattern[str], dict[str, _Decoded]]] = []
        for endpoint in spoken(self.served):
            self._add(endpoint)

    def _add(self, endpoint: Endpoint) -> None:
        fields = msgspec.structs.fields(endpoint.request)
        decoded = _Decoded(
            endpoint,
            msgspec.json.Decoder(endpoint.request, strict=False),
            msgspec.json.Decoder(msgspec.defstruct("Parts", list(map(_part, fields)))),
            frozenset(_lists(fields)),
        )
        for version in endpoint.versions:
            if "{" not in endpoint.path:
                found = self._plain.setdefault((version, endpoint.path), {})
            else:
                pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", endpoint.path))
                known = (m for v, p, m in self._others if (v, p) == (version, pattern))
                found = next(known, None)
                if found is None:
                    found = {}
                    self._others.append((version, pattern, found))
            found[endpoint.method] = decoded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request whose path parameters are ``version`` and ``verb``."""
        await answered(self._respond(scope, receive), send)

    async def _respond(self, scope: Scope, receive: Receive) -> bytes:
        found, named = self._find(scope["path_params"]["version"], scope["path_params"]["verb"])
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if method not in found:
            raise UnknownEndpoint(
                f"this endpoint takes {' and '.join(sorted(found))}, not {scope['method']}"
            )
        decoded = found[method]
        asked = await self._asked(decoded, named, scope, receive)
        async with in_time(self.policy.seconds):
            caller = scope.get("tracklet.caller")
            return await self.workers.run(lambda: self._done(decoded.endpoint, asked, caller))

    def _done(self, endpoint: Endpoint, asked: Any, named: Caller | None) -> bytes:
        """The reply's JSON, if the caller has a right to it."""
        served, authority = self.served, self.authority
        if authority is not None:
            served = served._replace(caller=authority.check(named, endpoint, asked))
        reply = endpoint.answer(served, asked)
        if served.notifier is not None:
            served.notifier.happened(endpoint, asked, reply)
        if authority is not None and served.caller is not None:
            reply = authority.after(served.caller, endpoint, asked, reply)
        return msgspec.json.encode(reply)

    def _find(self, version: str, verb: str) -> tuple[dict[str, _Decoded], dict[str, str]]:
        found = self._plain.get((version, verb))
        if found is not None:
            return found, {}
        for of, pattern, those in self._others:
            match = pattern.fullmatch(verb) if of == version else None
            if match is not None:
                return those, match.groupdict()
        lacking = _NOT_KEPT.get(verb.partition("/")[0])
        if lacking is not None:
            raise UnknownEndpoint(f"this server keeps no {lacking}")
        raise UnknownEndpoint("this server has no such endpoint")

    async def _asked(
        self, decoded: _Decoded, named: Mapping[str, str], scope: Scope, receive: Receive
    ) -> Any:
        """The request: of the path, and of the body or the query."""
        content = b""
        if scope["method"] not in ("GET", "HEAD"):
            content = await guard.body(receive, scope, self.policy)
            kind = dict(scope["headers"]).get(b"content-type", b"")
            if content and kind.partition(b";")[0].strip().lower() != _JSON:
                raise InvalidParameterValue(
                    "a body is of the content type application/json and is JSON in UTF-8"
                )
        try:
            if not content:
                given = _of_query(scope["query_string"], decoded.lists)
                return msgspec.convert({**given, **named}, decoded.endpoint.request, strict=False)
            if named:
                parts = decoded.parts.decode(content)
                for name, value in named.items():
                    setattr(parts, name, value)
                content = msgspec.json.encode(parts)
            return decoded.decoder.decode(content)
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            raise InvalidParameterValue(f"the request cannot be read: {error}") from error


def _part(field: msgspec.structs.FieldInfo) -> tuple[str, Any, Any]:
    return field.encode_name, msgspec.Raw | msgspec.UnsetType, msgspec.UNSET


def _lists(fields: Iterable[msgspec.structs.FieldInfo]) -> Iterator[str]:
    for field in fields:
        kind = getattr(field.type, "__origin__", field.type)  # of an Annotated, what it annotates
        if {get_origin(field.type), get_origin(kind)} & {list, Sequence}:
            yield field.name


def _of_query(query: bytes, lists: frozenset[str]) -> dict[str, Any]:
    """The fields of a query string; of one that is given twice and is no list, the last."""
    given = parse_qs(
        query.decode("latin-1"),
        keep_blank_values=True,
        errors="strict",
        max_num_fields=_MOST_FIELDS,
    )
    return {
        name.removesuffix("[]"): values if name.removesuffix("[]") in lists else values[-1]
        for name, values in given.items()
    }


class in_time:  # noqa: N801 - reads as the statement that it is
    """Within so many seconds, or it is too slow."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._limit = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self._limit.__aenter__()

    async def __aexit__(self, *of: Any) -> None:
        try:
            await self._limit.__aexit__(*of)
        except TimeoutError:
            raise TooSlow(f"no answer within {self._seconds:g} seconds") from None


async def answered(response: Any, send: Send) -> None:
    """Send the JSON that a coroutine gives, or its error."""
    try:
        content: bytes = await response
    except ConnectionAbortedError:
        return  # nobody is there to read it
    except Exception as error:  # noqa: BLE001 - the server goes on, and says what it can
        await refuse(error, send)
        return
    headers = [(b"content-type", _JSON), (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def refuse(error: Exception, send: Send) -> None:
    """Answer with an error: its status, MLflow's shape, and no path of this machine."""
    if not isinstance(error, TrackletException):
        _logger.error("a request failed in the server", exc_info=error)
        error = TrackletException("the server failed; its log says why")
    elif error.get_http_status_code() >= 500 and not isinstance(error, Busy | TooSlow):
        _logger.error("a request failed: %s", error.message)
    status = error.get_http_status_code()
    for kind, own in _STATUSES.items():
        if isinstance(error, kind):
            status = own
    if isinstance(error, InvalidState):
        status = 400  # MLflow's 500 would have every client try again, for minutes
    said = TrackletException(shown(error.message), error.error_code)
    more = [(b"retry-after", b"1")] if isinstance(error, Busy) else []
    if status == 401:
        more = [(b"www-authenticate", b'Basic realm="mlflow"')]
    await guard.answer(send, status, said, more)
