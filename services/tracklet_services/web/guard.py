"""The first thing that every request meets: whom a server answers to, and what a request may cost.

It wraps a whole ASGI application, so no route can be left out: pages and files, refusals and
routes that somebody adds later are guarded as the protocol is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from tracklet.errors import InvalidParameterValue, TrackletException, brief
from tracklet_services.web import hosts

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

CALLER: Final = "tracklet.caller"
"""Where a request's scope says who asks, where that is known."""

_SAFE: Final = ("GET", "HEAD", "OPTIONS")
_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
}
"""On every answer that does not say otherwise: pages bring a policy of their own."""


class TooLarge(TrackletException):
    """The body is longer than the server reads."""

    code = "BAD_REQUEST"


class TooSlow(TrackletException):
    """The answer took longer than the server waits."""

    code = "DEADLINE_EXCEEDED"


class Foreign(TrackletException):
    """The request was meant for another host, or a page of another one sends it."""

    code = "PERMISSION_DENIED"


@dataclass(frozen=True, slots=True)
class Policy:
    """Whom a server answers to, and what a request may cost.

    Args:
        hosts: Names that it answers to as ``Host``, beside addresses, names without a dot and
            this machine's own; ``*`` stands for any text.
        origins: Origins whose pages may use it, such as ``https://team.example``; a page's own
            server always may.
        body_bytes: The longest body of a request that is no file.
        file_bytes: The longest file.
        seconds: From a request's first byte to its answer, but for files.
    """

    hosts: Sequence[str] = ()
    origins: Sequence[str] = ()
    body_bytes: int = 64 << 20
    file_bytes: int = 1 << 40
    seconds: float = 60.0

    def __post_init__(self) -> None:
        for name in ("body_bytes", "file_bytes", "seconds"):
            if getattr(self, name) <= 0:
                raise InvalidParameterValue(f"{name} must be positive; got {getattr(self, name)}")


class Guard:
    """An application that answers to those only for whom it is meant.

    Args:
        app: The application.
        policy: Whom it answers to.
    """

    def __init__(self, app: App, policy: Policy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI has it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        origin = headers.get("origin")
        welcome = origin if origin in self._policy.origins else None

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = list(message.get("headers", ()))
                named = {name.lower() for name, _ in there}
                more = {**_HEADERS, **({} if welcome is None else _cors(welcome))}
                there += [
                    (name.encode(), value.encode())
                    for name, value in more.items()
                    if name.encode() not in named
                ]
                message["headers"] = there
            await send(message)

        try:
            self._check(scope, headers)
        except Foreign as error:
            await answer(guarded, 403, error)
            return
        if scope["method"] == "OPTIONS" and welcome is not None:
            await guarded({"type": "http.response.start", "status": 204, "headers": []})
            await guarded({"type": "http.response.body", "body": b""})
            return
        await self._app(scope, receive, guarded)

    def _check(self, scope: Scope, headers: dict[str, str]) -> None:
        host = headers.get("host")
        many = sum(name == b"host" for name, _ in scope["headers"]) > 1
        if many or not hosts.is_allowed(host, self._policy.hosts):
            raise Foreign(
                f"this server does not answer to the host {brief(host)}; whoever runs it may allow "
                "that name with --allowed-hosts"
            )
        origin = headers.get("origin")
        if origin is not None:
            if origin not in self._policy.origins and not _is_own(origin, host, scope):
                raise Foreign(
                    f"pages of {brief(origin)} may not use this server; whoever runs it may allow "
                    "them with --cors-allowed-origins"
                )
            return
        site = headers.get("sec-fetch-site", "none")
        followed = scope["method"] in _SAFE and headers.get("sec-fetch-mode") == "navigate"
        if site not in ("none", "same-origin") and not followed:
            raise Foreign("another site's page may not use this server, only lead to it")


def _is_own(origin: str, host: str | None, scope: Scope) -> bool:
    """Whether an origin is the server itself, by the name under which it is asked."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and origin == f"{parts.scheme}://{host}"


def _cors(origin: str) -> dict[str, str]:
    return {
        "access-control-allow-origin": origin,
        "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE",
        "access-control-allow-headers": "authorization, content-type",
        "cross-origin-resource-policy": "cross-origin",
        "vary": "origin",
    }


async def body(receive: Receive, scope: Scope, policy: Policy) -> bytes:
    """The whole body of a request that is no file.

    Raises:
        TooLarge: It is longer than the policy allows, or says so.
        TooSlow: It does not come.
        ConnectionAbortedError: Nobody is there any more.
    """
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    if announced.isdigit() and int(announced) > policy.body_bytes:
        raise _too_large(policy.body_bytes)
    chunks: list[bytes] = []
    length = 0
    try:
        async with asyncio.timeout(policy.seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ConnectionAbortedError
                chunks.append(message.get("body", b""))
                length += len(chunks[-1])
                if length > policy.body_bytes:
                    raise _too_large(policy.body_bytes)
                if not message.get("more_body", False):
                    return b"".join(chunks)
    except TimeoutError:
        raise TooSlow(f"the body did not come within {policy.seconds:g} seconds") from None


def _too_large(longest: int) -> TooLarge:
    return TooLarge(f"the body may have {longest} bytes; this one has more")


async def answer(
    send: Send, status: int, error: TrackletException, headers: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    """Answer with an error, in the shape that every client of MLflow's reads."""
    document = {"error_code": error.error_code, "message": error.message}
    content = json.dumps(document).encode()
    start = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": status, "headers": [*start, *headers]})
    await send({"type": "http.response.body", "body": content})
