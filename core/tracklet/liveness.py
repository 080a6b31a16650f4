"""Which process carries a run, told by a lease that it leaves and others can check.

A process that dies without a word cannot say so; whoever reads its lease can. A lease names the
process beyond doubt: host, boot, pid namespace, pid and the clock tick at which it started.
"""

from __future__ import annotations

import errno
import os
import sys
from functools import lru_cache
from typing import Any, Final

from tracklet.frozen import Frozen, as_dictionary

END_REASON_TAG: Final = "tracklet.end_reason"
"""The tag of a run that did not simply reach its end."""

LOST: Final = "lost"
"""The reason that a reader gives for a process that died without a word."""

_NAMELESS: Final = frozenset({"", "localhost", "localhost.localdomain"})


class Lease(Frozen):
    """The identity of a process.

    Empty texts and 0 stand for facts that the system does not tell (there is no ``/proc``).
    """

    host: str
    machine_id: str
    boot_id: str
    pid_namespace: str
    pid: int
    start_ticks: int

    @classmethod
    def mine(cls) -> Lease:
        """The lease of the calling process."""
        pid = os.getpid()
        stat = _stat(pid)
        return cls(*_surroundings(), pid=pid, start_ticks=stat[1] if stat else 0)

    @classmethod
    def from_json(cls, text: str | bytes) -> Lease | None:
        """The lease that a text holds; None if it holds none (it may be torn)."""
        try:
            import json

            fields: dict[str, Any] = json.loads(text)
            *names, _, _ = cls._fields
            texts = {name: str(fields.get(name, "")) for name in names}
            start_ticks = int(fields.get("start_ticks", 0))
            return cls(**texts, pid=int(fields["pid"]), start_ticks=start_ticks)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    def to_json(self) -> str:
        """The lease as a JSON object."""
        import json

        return json.dumps(as_dictionary(self))


def is_alive(lease: Lease) -> bool | None:
    """Whether the process that left a lease still runs.

    Returns:
        None when this process cannot say: the other one runs on another host or in another pid
        namespace, or the system does not tell.
    """
    host, machine_id, boot_id, namespace = _surroundings()
    if lease.boot_id != boot_id:
        # The same machine under another boot id was started anew, and all processes are gone.
        same_machine = (lease.host, lease.machine_id) == (host, machine_id)
        known = bool(lease.boot_id and boot_id and machine_id) and host not in _NAMELESS
        return False if same_machine and known else None
    if not boot_id and lease.host != host:
        return None
    if lease.pid_namespace != namespace:
        return None
    stat = _stat(lease.pid)
    if stat is None:
        return _answers(lease.pid)
    running, start_ticks = stat
    return running and (not lease.start_ticks or start_ticks == lease.start_ticks)


def is_rival(text: str | bytes, rivals: str) -> bool:
    """Whether who left a lease is in the way: who lives, or also who may."""
    lease = Lease.from_json(text)
    lives = None if lease is None else is_alive(lease)
    return lives is True or (lives is None and rivals == "doubtful")


def _answers(pid: int) -> bool | None:
    """Whether a pid exists, on a system without ``/proc``."""
    if sys.platform == "win32" or pid <= 0:  # there, os.kill would end the process
        return None
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno != errno.ESRCH
    return True


def _stat(pid: int) -> tuple[bool, int] | None:
    """Whether a process runs and when it started, in clock ticks since boot."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        state, threads, start_ticks = fields[0], int(fields[17]), int(fields[19])
    except (OSError, IndexError, ValueError):
        return None
    return (state not in b"ZXx" or threads > 1), start_ticks


@lru_cache(maxsize=1)
def _boot() -> tuple[str, str, str]:
    return (
        _host(),
        _text("/etc/machine-id"),
        _text("/proc/sys/kernel/random/boot_id"),
    )


def _host() -> str:
    if hasattr(os, "uname"):
        return os.uname().nodename
    import socket  # it takes milliseconds, and other systems have no uname

    return socket.gethostname()


def _surroundings() -> tuple[str, str, str, str]:
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return (*_boot(), namespace)


def _text(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except (OSError, ValueError):
        return ""
