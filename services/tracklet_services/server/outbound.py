"""Requests that the server sends on its own: to public addresses only, whatever a name says.

A name is resolved once, all that it stands for must be public, and what is connected to is the very
address that was looked at; so a name that means something else a moment later leads nowhere.
Redirections are not followed, proxies of the environment not used.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from tracklet import settings
from tracklet.errors import InvalidParameterValue, brief

_LONGEST_URL: Final = 2048
_LONGEST_ANSWER: Final = 4096
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


class Answered(NamedTuple):
    """What the other side said.

    Attributes:
        status: The status.
        text: The beginning of the body.
        retry_after: The header of this name, if there is one.
    """

    status: int
    text: str
    retry_after: str | None


def checked(url: str) -> SplitResult:
    """The parts of a URL that may be asked, as far as it can be seen without looking it up.

    Raises:
        InvalidParameterValue: It may not.
    """
    allowed = (settings.option("WEBHOOK_ALLOWED_SCHEMES") or "https").replace(" ", "").split(",")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in allowed or not host or len(url) > _LONGEST_URL:
        raise _refused(url, f"is a whole one of the scheme {' or '.join(allowed)}")
    is_plain = url.isascii() and url.isprintable() and " " not in url
    if "@" in parts.netloc or parts.fragment or not is_plain:
        raise _refused(url, "has no user, no fragment, no spaces, and is ASCII")
    numeric = ":" in host or host.replace(".", "").isdigit() or host.startswith("0x")
    if numeric or ("." not in host and not _private_too()):
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            raise _refused(url, "names a public host") from None
        if not is_public(address) and not _private_too():
            raise _refused(url, "names a public host")
    return parts


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether anybody could be reached there, also by an address inside of it."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None and address.teredo is not None:
            return False
        address = inner or address
    return address.is_global and not address.is_multicast


def _private_too() -> bool:
    return settings.flag("WEBHOOK_ALLOW_PRIVATE_IPS")


def _refused(url: str, rule: str) -> InvalidParameterValue:
    return InvalidParameterValue(f"{brief(url)} cannot be a webhook's URL: it {rule}")


def _address(parts: SplitResult, port: int) -> str:
    """The address to connect to."""
    try:
        every = socket.getaddrinfo(parts.hostname or "", port, type=socket.SOCK_STREAM)
    except UnicodeError:  # a part of it is empty or too long
        raise _refused(parts.geturl(), "names a public host") from None
    found = [str(one[4][0]) for one in every]
    public = (is_public(ipaddress.ip_address(one.partition("%")[0])) for one in found)
    if not found or not (_private_too() or all(public)):
        raise _refused(parts.geturl(), "names a public host")
    return found[0]


class _Pinned(http.client.HTTPConnection):
    """A connection to an address, for the host of a name."""

    def __init__(self, parts: SplitResult, seconds: float) -> None:
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        super().__init__(parts.hostname or "", port, timeout=seconds)
        self._address = _address(parts, port)
        self._secure = ssl.create_default_context() if secure else None
        self.default_port = 443 if secure else 80  # for the header Host

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), self.timeout)
        if self._secure is not None:
            self.sock = self._secure.wrap_socket(self.sock, server_hostname=self.host)


def post(url: str, content: bytes, headers: Mapping[str, str], seconds: float) -> Answered:
    """Send a body, and wait for each part of the answer at most so long.

    Raises:
        InvalidParameterValue: The URL may not be asked, or what it stands for.
        OSError, http.client.HTTPException: There is no answer.
    """
    parts = checked(url)
    connection = _Pinned(parts, seconds)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, content, dict(headers))
        answer = connection.getresponse()
        text = answer.read(_LONGEST_ANSWER).decode("utf-8", "replace")
        return Answered(answer.status, text, answer.getheader("Retry-After"))
    finally:
        connection.close()
