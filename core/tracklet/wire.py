"""Requests to a tracking server: who asks, how often, for how long, and what an answer means.

Loaded with the first ``http(s)://`` place that is opened, and with it urllib3.
"""

from __future__ import annotations

import base64
import json
import os
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import quote, unquote, urlencode, urlsplit

from tracklet import errors, lazy, settings
from tracklet.errors import InvalidParameterValue, RestException, StorageError, brief
from tracklet.state import ProcessState

if TYPE_CHECKING:
    import urllib3
    from urllib3 import BaseHTTPResponse
else:
    urllib3 = lazy.imported("urllib3", "urllib3", purpose="a tracking server", extra="remote")

CHUNK: Final = 1 << 20
"""How many bytes of a file are in memory at once."""

_TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})
_NOT_CARRIED_OUT: Final = frozenset({429, 503})
_CODES: Final = {400: "BAD_REQUEST", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED"} | {
    404: "ENDPOINT_NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "TEMPORARILY_UNAVAILABLE",
}
_CLASSES: Final[Mapping[str, type[errors.TrackletException]]] = {
    each.code: each
    for each in (
        errors.InvalidParameterValue,
        errors.ResourceDoesNotExist,
        errors.ResourceAlreadyExists,
        errors.InvalidState,
        errors.BadRequest,
    )
}

_jitter = random.Random()  # of its own: nobody's random numbers change because a server is busy
_logger = lazy.logger(__name__)


class _Trusted(ProcessState):
    """The tracking servers of this process, and the login that the place of each named."""

    def begin(self) -> None:
        self.logins: dict[str, tuple[str, str] | None] = {}


_trusted: Final = _Trusted()
_longest: Final[ContextVar[float]] = ContextVar("longest", default=float("inf"))


@contextmanager
def within(limit: float) -> Iterator[None]:
    """Requests of this block are tried for no longer, each, than so many seconds."""
    token = _longest.set(limit)
    try:
        yield
    finally:
        _longest.reset(token)


class Unreachable(StorageError):
    """A server gave no answer that counts: none, too late, or not its own.

    Attributes:
        carried_out: Whether it may have done what was asked all the same.
    """

    code = "TEMPORARILY_UNAVAILABLE"
    carried_out = True


class Answer(dict[str, Any]):
    """What a server answered; a field that must be there and is not makes it no answer."""

    def __missing__(self, key: str) -> NoReturn:
        raise Unreachable(
            f"the answer has no {key!r}, but {brief(list(self))}; is it a tracking server's?"
        )


class Server:
    """A server that speaks MLflow's REST protocol.

    Credentials, TLS and limits are MLflow's options, read at each request:
    ``TRACKING_USERNAME``, ``TRACKING_PASSWORD``, ``TRACKING_TOKEN``, ``TRACKING_INSECURE_TLS``,
    ``TRACKING_SERVER_CERT_PATH``, ``TRACKING_CLIENT_CERT_PATH``, ``HTTP_REQUEST_TIMEOUT``,
    ``HTTP_REQUEST_MAX_RETRIES``, ``HTTP_REQUEST_BACKOFF_FACTOR``, ``HTTP_REQUEST_BACKOFF_JITTER``
    and ``HTTP_RESPECT_RETRY_AFTER_HEADER``.

    Args:
        uri: Where it is: ``http(s)://[user:password@]host[:port][/prefix]``.
        limit: For how long, in seconds, a request is tried, if that is less than the options say.
        trusted: Whether it is a tracking server, which gets the login of the options. Another gets
            it only where scheme, host and port are a tracking server's, and with it the login that
            the place of that one named.
    """

    def __init__(self, uri: str, limit: float | None = None, *, trusted: bool = True) -> None:
        parts = urlsplit(uri)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidParameterValue(
                f"{uri!r} is no place of a server; give one such as http://127.0.0.1:5000"
            )
        self._login = (
            None
            if parts.username is None
            else (unquote(parts.username), unquote(parts.password or ""))
        )
        host = parts.netloc.rpartition("@")[2]
        self.uri = f"{parts.scheme}://{host}{parts.path.rstrip('/')}"
        self._host = parts.hostname
        self._address = f"{parts.scheme}://{host}".lower()
        if trusted:
            known = _trusted.logins.get(self._address)
            _trusted.logins[self._address] = self._login or known
        self._limit = limit
        self._pool: tuple[int, tuple[Any, ...], urllib3.PoolManager] | None = None

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        *,
        version: str = "2.0",
        again: bool = True,
    ) -> Answer:
        """Ask for something in JSON.

        Args:
            path: What comes after ``/api/<version>/mlflow/``, its parts quoted.
            body: What is sent in JSON; what is None is left out.
            query: What is sent in the query; what is None is left out.
            version: The version of the protocol.
            again: Whether it does no harm if it is carried out twice.

        Raises:
            TrackletException: What the server says, as the class that its error code names.
            Unreachable: There is no answer.
        """
        sent = None if body is None else _json(body)
        headers = {} if sent is None else {"Content-Type": "application/json"}
        at = f"/api/{version}/mlflow/{path}"
        with self.request(method, at, sent, query, headers, again=again, whole=True) as answer:
            return _object(self.uri, answer)

    @contextmanager
    def request(
        self,
        method: str,
        path: str,
        body: bytes | IO[bytes] | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        again: bool = True,
        whole: bool = False,
    ) -> Iterator[BaseHTTPResponse]:
        """Ask for bytes; the answer, of status 200, is read inside of the block.

        Args:
            whole: Whether the limit is one of the whole answer, not of each read: all but files.
        """
        from tracklet.connections import answered_by

        until = time.monotonic() + self.limit
        with answered_by(until) if whole else nullcontext():
            answer = self._tried(method, self._url(path, query), body, headers or {}, again, until)
            try:
                if answer.status != 200:
                    raise _refusal(self.uri, answer)
                yield answer
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise Unreachable(f"the answer of {self.uri} broke off: {error}") from error
            finally:
                answer.release_conn()

    def _tried(
        self,
        method: str,
        url: str,
        body: bytes | IO[bytes] | None,
        headers: Mapping[str, str],
        again: bool,
        until: float,
    ) -> BaseHTTPResponse:
        tries = _number("HTTP_REQUEST_MAX_RETRIES", 5)
        while True:
            try:
                answer = self._once(method, url, body, headers, until)
                repeatable = again or answer.status in _NOT_CARRIED_OUT
                wait = _retry_after(answer)
                if answer.status not in _TRANSIENT or not repeatable:
                    return answer
                problem: Unreachable | None = None
            except Unreachable as error:
                if error.carried_out and not again:
                    raise
                answer, wait, problem = None, None, error
            tries -= 1
            pause = _pause(_number("HTTP_REQUEST_MAX_RETRIES", 5) - tries) if wait is None else wait
            if tries < 0 or time.monotonic() + pause >= until:
                if answer is not None:
                    return answer
                assert problem is not None
                raise problem
            if answer is not None:
                answer.drain_conn()
                answer.release_conn()
            if hasattr(body, "seek"):
                body.seek(0)  # type: ignore[union-attr]
            time.sleep(pause)

    def _once(
        self,
        method: str,
        url: str,
        body: bytes | IO[bytes] | None,
        headers: Mapping[str, str],
        until: float,
    ) -> BaseHTTPResponse:
        left = max(0.1, until - time.monotonic())
        try:
            return self._connections().request(
                method,
                url,
                body=body,
                headers={**self._headers(), **headers},
                retries=urllib3.Retry(
                    None,  # a total of 0 would allow no redirect either
                    connect=0,
                    read=0,
                    status=0,
                    other=0,
                    redirect=3 if method == "GET" else 0,
                    respect_retry_after_header=False,
                ),
                timeout=urllib3.Timeout(connect=min(5.0, left), read=left),
                preload_content=False,
            )
        except urllib3.exceptions.HTTPError as error:
            reason = getattr(error, "reason", None) or error
            unsent = urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError
            problem = Unreachable(
                f"the server {self.uri} cannot be reached: {reason}. Is it running, and is the "
                "tracking URI right?"
            )
            problem.carried_out = not isinstance(reason, unsent)
            raise problem from error

    @property
    def limit(self) -> float:
        """For how long, in seconds, a request is tried."""
        limit = min(_number("HTTP_REQUEST_TIMEOUT", 60), _longest.get())
        return limit if self._limit is None else min(self._limit, limit)

    def _url(self, path: str, query: Mapping[str, Any] | None) -> str:
        given = {key: value for key, value in (query or {}).items() if value is not None}
        return f"{self.uri}{path}" + (f"?{urlencode(given, doseq=True)}" if given else "")

    def _headers(self) -> dict[str, str]:
        from tracklet import __version__

        headers = {"User-Agent": f"tracklet/{__version__}", "Accept-Encoding": "identity"}
        trusted = self._address in _trusted.logins
        login = self._login or _trusted.logins.get(self._address)
        login = login or (_configured_login() if trusted else None)
        if login is not None:
            text = base64.b64encode(":".join(login).encode()).decode()
            headers["Authorization"] = f"Basic {text}"
        elif trusted and (token := settings.option("TRACKING_TOKEN")):
            headers["Authorization"] = f"Bearer {token}"
        return headers

    def _connections(self) -> urllib3.PoolManager:
        """The open connections; a forked process, and other options, have their own."""
        from tracklet.connections import POOLS

        insecure = settings.flag("TRACKING_INSECURE_TLS")
        authority = settings.option("TRACKING_SERVER_CERT_PATH")
        own = settings.option("TRACKING_CLIENT_CERT_PATH")
        if insecure and authority:
            raise InvalidParameterValue(
                "TRACKING_INSECURE_TLS and TRACKING_SERVER_CERT_PATH contradict one another; unset "
                "one of them"
            )
        proxy = _proxy(self.uri, self._host)
        options = insecure, authority, own, proxy
        known = self._pool
        if known is not None and known[:2] == (os.getpid(), options):
            return known[2]
        size = int(_number("HTTP_POOL_MAXSIZE", 10))
        tls: dict[str, Any] = {"maxsize": size}
        if self.uri.startswith("https"):
            tls |= {"cert_reqs": "CERT_NONE" if insecure else "CERT_REQUIRED", "cert_file": own}
            if authority:
                tls["ca_cert_dir" if os.path.isdir(authority) else "ca_certs"] = authority
            if insecure:
                import warnings

                _logger.warning("the certificate of %s is not checked", self.uri)
                warnings.filterwarnings(
                    "ignore", category=urllib3.exceptions.InsecureRequestWarning
                )
        made = urllib3.ProxyManager(proxy, **tls) if proxy else urllib3.PoolManager(**tls)
        made.pool_classes_by_scheme = POOLS
        self._pool = os.getpid(), options, made
        return made

    def close(self) -> None:
        """Close the connections; the next request opens others."""
        known, self._pool = self._pool, None
        if known is not None and known[0] == os.getpid():
            known[2].clear()


def quoted(part: str) -> str:
    """A part of a path, so that nothing in it counts as path or query."""
    return quote(part, safe="")


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps({k: v for k, v in body.items() if v is not None}, allow_nan=False).encode()


def _object(uri: str, answer: BaseHTTPResponse) -> Answer:
    content = answer.read()
    try:
        decoded = json.loads(content)
    except ValueError:
        decoded = None
    if not isinstance(decoded, dict):
        kind = answer.headers.get("Content-Type", "nothing that is named")
        raise Unreachable(
            f"{uri} answered with {kind} where JSON is due: {brief(content[:60])}. Is it a "
            "tracking server, and is no login page or proxy in between?"
        )
    return Answer(decoded)


def _refusal(uri: str, answer: BaseHTTPResponse) -> errors.TrackletException:
    """What a server says instead of an answer."""
    content = answer.read()
    try:
        said = json.loads(content)
        code, message = said["error_code"], said.get("message", "")
    except (ValueError, TypeError, KeyError):
        problem = (
            f"{uri} answered with status {answer.status} and no reason: {brief(content[:200])}"
        )
        if answer.status in _TRANSIENT or answer.status < 400:
            unanswered = Unreachable(problem)
            unanswered.carried_out = answer.status not in _NOT_CARRIED_OUT
            return unanswered
        if answer.status == 413:
            return errors.BadRequest(problem)
        return RestException({"error_code": _CODES.get(answer.status, ""), "message": problem})
    if answer.status in _TRANSIENT and answer.status != 500:
        unanswered = Unreachable(f"{uri}: {message}", code)
        unanswered.carried_out = answer.status not in _NOT_CARRIED_OUT
        return unanswered
    known = _CLASSES.get(code)
    return RestException(said) if known is None else known(message)


def _retry_after(answer: BaseHTTPResponse) -> float | None:
    if not settings.flag("HTTP_RESPECT_RETRY_AFTER_HEADER", True):
        return None
    try:
        said = urllib3.Retry().get_retry_after(answer)
    except urllib3.exceptions.InvalidHeader:
        return None
    return None if said is None else float(said)


def _pause(attempt: float) -> float:
    """How long to wait before trying again: longer each time, and not all at once."""
    factor = _number("HTTP_REQUEST_BACKOFF_FACTOR", 0.5)
    spread = _number("HTTP_REQUEST_BACKOFF_JITTER", 1.0)
    return min(120.0, factor * 2 ** (attempt - 1)) * (1 + spread * _jitter.random())


def _number(option: str, default: float) -> float:
    given = settings.option(option)
    if given is None:
        return default
    try:
        return float(given)
    except ValueError:
        raise InvalidParameterValue(f"{option} is a number; got {given!r}") from None


def _configured_login() -> tuple[str, str] | None:
    user, password = settings.option("TRACKING_USERNAME"), settings.option("TRACKING_PASSWORD")
    if user is None and password is None and settings.option("TRACKING_TOKEN") is None:
        user, password = _login_of_file()
    return None if user is None else (user, password or "")


def _login_of_file() -> tuple[str | None, str | None]:
    """What the user keeps in the file that MLflow keeps logins in."""
    path = os.path.expanduser("~/.mlflow/credentials")
    if not os.path.isfile(path):
        return None, None
    import configparser

    read = configparser.ConfigParser(interpolation=None)
    try:
        read.read(path, encoding="utf-8")
    except (OSError, ValueError, configparser.Error):
        return None, None
    section = dict(read["mlflow"]) if read.has_section("mlflow") else {}
    return section.get("mlflow_tracking_username"), section.get("mlflow_tracking_password")


def _proxy(uri: str, host: str) -> str | None:
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    found = proxies.get(uri.partition(":")[0]) or proxies.get("all")
    return None if found is None or proxy_bypass(host) else found


def pages(ask: Any, page_token: str | None = None) -> Iterable[dict[str, Any]]:
    """Every page of a listing; ``ask`` gives the page of a token."""
    while True:
        page = ask(page_token)
        yield page
        page_token = page.get("next_page_token")
        if not page_token:
            return
