"""The token that lets only its user in, and what every page says of what it may do.

Other users of this machine reach the loopback address too: the token keeps them out. Whom else a
server answers to is the guard's (:mod:`tracklet_services.web.guard`), which stands before this.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracklet import settings

PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; font-src 'self'; connect-src 'self'; frame-src 'self'; "
    "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS: Final = {
    "content-security-policy": PAGE_POLICY,
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}
"""Beside the guard's; a route that says otherwise keeps what it says."""

_SAFE: Final = frozenset({"GET", "HEAD"})
_SEARCH: Final = re.compile(r"/(ajax-)?api/[^/]+/mlflow/[^/]+/search")


class Pages:
    """Puts the headers of pages on the answers of an application."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class Door:
    """Lets those in who have the token.

    Args:
        app: What is behind it.
        token: The secret of the link; None lets everyone in who reaches the port.
        cookie: The name of the cookie that keeps the token.
        read_only: Whether nothing may be changed.
        base_path: What stands before each path.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str | None,
        cookie: str,
        read_only: bool = False,
        base_path: str = "",
    ) -> None:
        self.app = app
        self.token = token
        self.cookie = cookie
        self.read_only = read_only
        self.base_path = base_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self.app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        reads = scope["method"] in _SAFE or (
            scope["method"] == "POST"
            and _SEARCH.fullmatch(scope["path"].removeprefix(self.base_path))
        )
        if self.read_only and not reads:
            return PlainTextResponse("This UI was started with --read-only.\n", 403)
        if self.token is None:
            return None
        headers = Headers(scope=scope)
        given = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        if scope["method"] in _SAFE and "token" in given and self._is_token(given["token"]):
            return self._signed_in(self.token, given)
        bearer = headers.get("authorization", "")
        if bearer.startswith("Bearer ") and self._is_token(bearer.removeprefix("Bearer ")):
            return None
        # The standard library's parser drops all cookies for one of somebody else's.
        if self._is_token(cookie_parser(headers.get("cookie", "")).get(self.cookie, "")):
            return None
        return PlainTextResponse(
            "This page is for the user who started tracklet: open the link that `tracklet ui` "
            "printed, whose end is a token.\n",
            401,
        )

    def _is_token(self, given: str) -> bool:
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())

    def _signed_in(self, token: str, given: dict[str, str]) -> Response:
        """Keep the token in a cookie, and take it out of the address bar."""
        del given["token"]
        rest = f"?{urlencode(given)}" if given else ""
        # Relative, so that it holds below any base path.
        response = RedirectResponse(f"./{rest}", 303)
        response.set_cookie(self.cookie, token, httponly=True, samesite="strict", path="/")
        return response


def kept_token() -> str:
    """The token of this user, kept in the config folder so that links survive a restart."""
    path = settings.config_dir() / "ui-token"
    try:
        token = path.read_text("ascii").strip()
        if len(token) >= 32:
            return token
    except (OSError, UnicodeDecodeError):
        pass
    token = secrets.token_urlsafe(32)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(path, flags, 0o600), "w") as file:
            file.write(f"{token}\n")
        path.chmod(0o600)
    except OSError:
        pass  # then it holds for this process alone
    return token
