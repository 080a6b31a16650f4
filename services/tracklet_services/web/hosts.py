"""Which ``Host`` a server answers to.

A page that someone looks at can have its own name resolved to this machine and then ask the
server as its own (DNS rebinding). It needs a public name for that: an address, or a name without
a dot, which nobody can register, is none.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import socket
from collections.abc import Sequence

from tracklet import settings


def allowed_hosts(given: Sequence[str] | None = None) -> list[str]:
    """The further names that are answered to: those given, or those of the environment.

    ``TRACKLET_`` or ``MLFLOW_SERVER_ALLOWED_HOSTS`` lists them, separated by commas; ``*`` stands
    for any text.
    """
    if given is None:
        given = (settings.option("SERVER_ALLOWED_HOSTS") or "").split(",")
    return [name.strip().lower() for name in given if name.strip()]


def is_allowed(header: str | None, allowed: Sequence[str]) -> bool:
    """Whether a request with this ``Host`` may be answered.

    Args:
        header: What the request says, with or without a port; browsers always say it.
        allowed: The names beside addresses, names without a dot and this machine's own.
    """
    if not header:
        return True
    host = header.lower()
    name = _bare(host)
    if any(fnmatch.fnmatchcase(name, one) or fnmatch.fnmatchcase(host, one) for one in allowed):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." not in name.rstrip(".") or name == socket.gethostname().lower()
    return True


def _bare(host: str) -> str:
    """A host without its port, and an address without its brackets."""
    address, closed, port = host.rpartition("]")
    if closed:
        return address.removeprefix("[") if port[:1] in ("", ":") else host
    return host.rpartition(":")[0] if host.count(":") == 1 else host
