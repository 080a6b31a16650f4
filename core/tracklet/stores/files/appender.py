"""An open metric file that only grows."""

from __future__ import annotations

import logging
import os
from typing import Final

from tracklet.stores import disk
from tracklet.stores.files import points

_TAIL: Final = 4096
_close = os.close
_log = logging.getLogger(__name__)


class Appender:
    """A descriptor that appends whole lines to a metric file.

    It is closed when the last reference goes: a thread that is about to write holds one, so the
    descriptor's number cannot be given to another file under its hands.

    Args:
        path: The file; it and its folders are created when missing.
        entity_dir: The folder of the run or model, which must be there.
    """

    __slots__ = ("fd", "path")

    def __init__(self, path: str, entity_dir: str) -> None:
        self.path = path
        self.fd = disk.open_append(path, entity_dir)
        disk.lock_shared(self.fd)
        self._mend()

    def __del__(self, close=_close) -> None:
        try:
            close(self.fd)
        except (AttributeError, OSError):
            return

    def write(self, data: bytes) -> None:
        """Append whole lines; what was written of a line when the disk refused is marked torn."""
        count = disk.write(self.fd, data)
        if count != len(data):
            self.resume(data, count)

    def resume(self, data: bytes, count: int) -> None:
        """Append what a short write left over."""
        while count < len(data):
            begun = data.rfind(b"\n", 0, count) + 1  # the line in which the write ended
            if count > begun:
                data = points.torn_tail(data[begun:count]) + data[begun:]
            else:
                data = data[begun:]
            count = disk.write(self.fd, data)

    def _mend(self) -> None:
        """Take away a line that a crash left torn, or mark it when others append as well."""
        size = os.fstat(self.fd).st_size
        if size == 0 or os.pread(self.fd, 1, size - 1) == b"\n":
            return
        if disk.lock_alone(self.fd):
            try:
                size, fragment = self._tail()
                if fragment is not None:
                    disk.truncate(self.fd, size - len(fragment))
                    _log.warning(
                        "took %d bytes of a torn last line off %s: the process that wrote them "
                        "died before the line was logged",
                        len(fragment),
                        self.path,
                    )
                    return
            finally:
                disk.lock_shared(self.fd)
        size, fragment = self._tail()
        disk.write(self.fd, points.TORN + b"\n" if fragment is None else points.torn_tail(fragment))

    def _tail(self) -> tuple[int, bytes | None]:
        """The size of the file and its torn last line; None where that is no line of a metric."""
        size = os.fstat(self.fd).st_size
        tail = os.pread(self.fd, _TAIL, max(0, size - _TAIL))
        start = tail.rfind(b"\n") + 1
        return size, None if start == 0 and size > _TAIL else tail[start:]
